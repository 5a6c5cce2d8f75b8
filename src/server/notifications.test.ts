// Goal: keyspace notifications on the wire: both channels, classes, databases, expiry, and hooks
// that are off when their class is.

import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import { type TestClient, TestServer } from './test-server.ts'

/** A server with these classes and a client that hears everything. */
function listen(classes: string): { server: TestServer; ear: TestClient; client: TestClient } {
  const server = new TestServer({ config: { 'notify-keyspace-events': classes } })
  const ear = server.connect()
  ear.call('PSUBSCRIBE', '*')
  return { server, ear, client: server.connect() }
}

/** Channels and messages that came, as `channel message`. */
function heard(ear: TestClient): string[] {
  const parts = ear.take().split('\r\n')
  const found: string[] = []
  for (let i = 0; i + 8 < parts.length; i += 9) found.push(`${parts[i + 6]} ${parts[i + 8]}`)
  return found
}

test('an event goes to the channel of the key and to that of the event', () => {
  const { ear, client } = listen('KEA')
  client.call('SELECT', '3')
  client.call('SET', 'k', 'v', 'EX', '100')
  deepEqual(heard(ear), [
    '__keyspace@3__:k set',
    '__keyevent@3__:set k',
    '__keyspace@3__:k expire',
    '__keyevent@3__:expire k',
  ])
})

test('only the classes that were chosen, and only the channels', () => {
  const { ear, client } = listen('Eg')
  client.call('SET', 'k', 'v')
  client.call('DEL', 'k')
  deepEqual(heard(ear), ['__keyevent@0__:del k'])
  client.call('CONFIG', 'SET', 'notify-keyspace-events', 'K$')
  client.call('SET', 'k', 'v')
  client.call('DEL', 'k')
  deepEqual(heard(ear), ['__keyspace@0__:k set'])
  client.call('CONFIG', 'SET', 'notify-keyspace-events', 'g$')
  client.call('SET', 'k', 'v')
  client.call('CONFIG', 'SET', 'notify-keyspace-events', '')
  client.call('SET', 'k', 'v')
  deepEqual(heard(ear), [])
})

test('keys that expire, met or not', () => {
  const { server, ear, client } = listen('Ex')
  client.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
  client.call('SET', 'met', '1', 'PX', '10')
  client.call('SET', 'left', '1', 'PX', '10')
  server.clock.advance(20)
  deepEqual(heard(ear), [])
  client.call('GET', 'met')
  deepEqual(heard(ear), ['__keyevent@0__:expired met'])
  server.engine.server.isActiveExpireOn = true
  server.clock.advance(1000)
  deepEqual(heard(ear), ['__keyevent@0__:expired left'])
})

test('misses and new keys are not in A', () => {
  const { ear, client } = listen('EAmn')
  client.call('GET', 'k')
  client.call('OBJECT', 'ENCODING', 'k')
  client.call('SET', 'k', '1')
  deepEqual(heard(ear), [
    '__keyevent@0__:keymiss k',
    '__keyevent@0__:new k',
    '__keyevent@0__:set k',
  ])
  client.call('CONFIG', 'SET', 'notify-keyspace-events', 'EA')
  client.call('GET', 'nothing')
  client.call('SET', 'new', '1')
  deepEqual(heard(ear), ['__keyevent@0__:set new'])
})

test('long keys and keys of any bytes', () => {
  const { ear, client } = listen('KE$')
  const key = `\0\xff${'k'.repeat(100_000)}`
  client.call('SET', key, '1')
  client.call('SET', 'short', '1')
  deepEqual(heard(ear), [
    `__keyspace@0__:${key} set`,
    `__keyevent@0__:set ${key}`,
    '__keyspace@0__:short set',
    '__keyevent@0__:set short',
  ])
})

test('one who changes a key and listens hears of it before the reply', () => {
  const server = new TestServer({ config: { 'notify-keyspace-events': 'K$' } })
  const client = server.connect()
  client.call('HELLO', '3')
  client.call('SUBSCRIBE', '__keyspace@0__:k')
  equal(
    client.call('SET', 'k', '1'),
    '>3\r\n$7\r\nmessage\r\n$16\r\n__keyspace@0__:k\r\n$3\r\nset\r\n+OK\r\n',
  )
})
