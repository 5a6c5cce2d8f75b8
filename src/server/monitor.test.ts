// Goal: MONITOR shows what is executed, in its order and form, and no secret.

import { equal, match, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { type TestClient, TestServer } from './test-server.ts'

/** Lines that came, without their times. */
function linesOf(monitor: TestClient): string[] {
  const lines = monitor.take().split('\r\n').slice(0, -1)
  return lines.map((line) => line.replace(/^\+\d+\.\d{6} /, ''))
}

function watched(config: Record<string, string> = {}): {
  server: TestServer
  monitor: TestClient
  client: TestClient
} {
  const server = new TestServer({ config })
  const monitor = server.connect()
  if (config['requirepass'] !== undefined) monitor.call('AUTH', config['requirepass'])
  equal(monitor.call('MONITOR'), '+OK\r\n')
  return { server, monitor, client: server.connect('127.0.0.1:50001') }
}

test('a command is shown with time, database, address and every byte', () => {
  const { server, monitor, client } = watched()
  client.call('SET', 'k', 'a"\\\r\n\t\x07\b\0\xff~')
  const seconds = Math.floor(server.clock.nowMs() / 1000)
  const line = monitor.take()
  match(line, new RegExp(`^\\+${seconds}\\.\\d{6} \\[0 127.0.0.1:50001\\] "SET"`))
  ok(line.endsWith('"SET" "k" "a\\"\\\\\\r\\n\\t\\a\\b\\x00\\xff~"\r\n'))
  client.call('SELECT', '3')
  client.call('get', 'k')
  equal(
    linesOf(monitor).join('\n'),
    '[3 127.0.0.1:50001] "SELECT" "3"\n[3 127.0.0.1:50001] "get" "k"',
  )
})

test('secrets, administrative and refused commands are not shown', () => {
  const { monitor, client } = watched({ requirepass: 'secret' })
  client.call('GET', 'early')
  client.call('AUTH', 'wrong')
  client.call('AUTH', 'default', 'secret')
  client.call('HELLO', '3', 'AUTH', 'default', 'secret')
  client.call('CONFIG', 'GET', 'save')
  client.call('CLIENT', 'LIST')
  client.call('NOSUCH')
  client.call('GET')
  const text = monitor.take()
  ok(!text.includes('secret') && !text.includes('wrong'))
  equal(text.split('\r\n').length, 4)
  match(text, /"HELLO" "3" "AUTH" "\(redacted\)" "\(redacted\)"/)
})

test('a transaction is shown when it is executed, before its EXEC', () => {
  const { monitor, client } = watched()
  for (const command of ['MULTI', 'SET a 1', 'GET a']) client.call(...command.split(' '))
  equal(linesOf(monitor).join(' '), '[0 127.0.0.1:50001] "MULTI"')
  client.call('EXEC')
  const names = linesOf(monitor).map((line) => line.split('"')[1])
  equal(names.join(' '), 'SET GET EXEC')
})

test('one that monitors sees itself after its reply, and does not touch keys', () => {
  const { monitor, client, server } = watched()
  match(monitor.call('PING'), /^\+PONG\r\n\+\d+\.\d{6} \[0 .*\] "PING"\r\n$/)
  equal(monitor.call('GET', 'k'), "-ERR Replica can't interact with the keyspace\r\n")
  equal(monitor.call('MONITOR'), '')
  match(client.call('CLIENT', 'LIST'), /flags=O /)
  equal(monitor.call('RESET'), '+RESET\r\n')
  client.call('PING')
  equal(monitor.take(), '')
  equal(server.engine.server.monitors.isOn, false)
})

test('it cannot begin inside of a transaction, and ends with the connection', () => {
  const server = new TestServer()
  const client = server.connect()
  client.call('MULTI')
  client.call('MONITOR')
  equal(client.call('EXEC'), "*1\r\n-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n")
  client.call('MONITOR')
  client.close()
  equal(server.connect().call('PING'), '+PONG\r\n')
  equal(server.engine.server.monitors.isOn, false)
})
