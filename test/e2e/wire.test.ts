// What strangers, broken clients and slow networks do to the port: random bytes, commands in single
// bytes, frames too large, half commands left lying; and the limits that protect the server from
// it: maxclients, timeout, output buffers, protected mode, a password, a unix socket. SEED=N
// repeats a run of the random part.

import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { RawClient } from '../lib/client.ts'
import { encodeCommand } from '../lib/resp.ts'
import { isReference, stopAll, TestServer, temporaryDir } from '../lib/server.ts'
import { sleep, waitFor } from '../lib/wait.ts'

after(stopAll)

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

/** Numbers in [0, limit), the same for the same seed. */
function generator(seed: number): (limit: number) => number {
  let state = seed >>> 0
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 0x100000000) * limit)
  }
}

describe('bad input on the wire', () => {
  let server: TestServer

  before(async () => {
    server = await TestServer.start()
  })

  after(async () => {
    await server?.stop()
  })

  /** The server still serves, and is still the same process. */
  async function assertServes(): Promise<void> {
    const client = await server.connect()
    assert.equal((await client.call('PING')).text, 'PONG')
    assert.equal(server.child.exitCode, null)
    client.close()
  }

  it(`survives random bytes (SEED=${SEED})`, async () => {
    console.log(`SEED=${SEED}`)
    const random = generator(SEED)
    const alphabet = Buffer.from('*$:+-\r\n0123456789 "\'\\xGETSPING\0\xff', 'latin1')
    for (let round = 0; round < 60; round++) {
      const client = await server.connect()
      const bytes = Buffer.alloc(1 + random(3000))
      const isRaw = random(2) === 0
      for (let i = 0; i < bytes.length; i++) {
        bytes[i] = isRaw ? random(256) : alphabet[random(alphabet.length)]!
      }
      client.write(bytes)
      await sleep(2)
      client.close()
    }
    await assertServes()
  })

  it(`survives valid commands with damaged bytes (SEED=${SEED})`, async () => {
    const random = generator(SEED + 1)
    for (let round = 0; round < 60; round++) {
      const commands = [
        ['SET', 'k', 'x'.repeat(random(200))],
        ['GETRANGE', 'k', '0', '-1'],
        ['EXPIRE', 'k', '100', 'NX'],
        ['SCAN', '0', 'COUNT', '10'],
        ['CLIENT', 'LIST'],
      ].map((args) => encodeCommand(args))
      const bytes = Buffer.concat(commands)
      for (let i = 0; i < 1 + random(3); i++) bytes[random(bytes.length)] = random(256)
      const client = await server.connect()
      client.write(bytes)
      await sleep(2)
      client.close()
    }
    await assertServes()
  })

  it('takes a command byte by byte', async () => {
    const client = await server.connect()
    for (const byte of encodeCommand(['SET', 'slow', 'a\r\nb'])) {
      client.write(Buffer.from([byte]))
      await sleep(1)
    }
    assert.equal((await client.receive())?.text, 'OK')
    client.write('G')
    await sleep(5)
    client.write('ET slow\r')
    await sleep(5)
    client.write('\n')
    assert.equal((await client.receive())?.text, 'a\r\nb')
    client.close()
  })

  it('takes a large value in small pieces between other clients’ commands', async () => {
    const value = 'v'.repeat(1_000_000)
    const frame = encodeCommand(['SET', 'big', value])
    const slow = await server.connect()
    const other = await server.connect()
    for (let i = 0; i < frame.length; i += 100_000) {
      slow.write(frame.subarray(i, i + 100_000))
      assert.equal((await other.call('PING')).text, 'PONG')
    }
    assert.equal((await slow.receive())?.text, 'OK')
    assert.equal((await other.call('STRLEN', 'big')).text, '1000000')
    slow.close()
    other.close()
  })

  it('drops half a command when its sender goes', async () => {
    const client = await server.connect()
    client.write('*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$1000\r\nxxx')
    await sleep(10)
    client.close()
    const other = await server.connect()
    assert.equal((await other.call('EXISTS', 'half')).text, '0')
    other.close()
  })

  // Redis reserves the announced length at once: 13 GB after these twenty.
  const onlyOurs = { skip: isReference() && 'Redis reserves what is announced' }
  it('takes no memory for huge frames that are only announced', onlyOurs, async () => {
    const clients = await Promise.all(Array.from({ length: 20 }, () => server.connect()))
    for (const client of clients) client.write('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nabc')
    await sleep(50)
    const probe = await server.connect()
    const memory = (await probe.call('INFO', 'memory')).text
    const used = Number(/used_memory:(\d+)/.exec(memory)?.[1])
    const closed = clients.filter((client) => client.isClosed)
    for (const client of [...clients, probe]) client.close()
    assert.ok(used < 200 * 1024 * 1024, `used_memory ${used}`)
    assert.equal(closed.length, 0)
  })

  it('closes a connection whose query buffer passes its limit', async () => {
    const control = await server.connect()
    await control.call('CONFIG', 'SET', 'client-query-buffer-limit', '1mb')
    const client = await server.connect()
    client.write(Buffer.from('*2\r\n$4\r\nECHO\r\n$4000000\r\n'))
    client.write(Buffer.alloc(3_000_000, 'x'))
    await client.closed()
    await control.call('CONFIG', 'SET', 'client-query-buffer-limit', '1gb')
    control.close()
    await assertServes()
  })

  it('closes a client that does not read its replies', async () => {
    const control = await server.connect()
    const limit = 'normal 1048576 0 0'
    await control.call('CONFIG', 'SET', 'client-output-buffer-limit', limit)
    await control.call('SET', 'big', 'v'.repeat(500_000))
    const client = await server.connect()
    client.socket.pause()
    for (let i = 0; i < 200; i++) client.send('GET', 'big')
    const isGone = async () => {
      const list = (await control.call('CLIENT', 'LIST')).text
      return !list.includes('cmd=get')
    }
    await waitFor('the reader that does not read is closed', isGone)
    await control.call('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 0 0 0')
    control.close()
    client.close()
  })

  it('answers a deep pipeline to a slow reader completely', async () => {
    const client = await server.connect()
    client.send('SET', 'piece', 'p'.repeat(10_000))
    assert.equal((await client.receive())?.text, 'OK')
    client.socket.pause()
    for (let i = 0; i < 2000; i++) client.send('GET', 'piece')
    await sleep(50)
    client.socket.resume()
    for (let i = 0; i < 2000; i++) assert.equal((await client.receive())?.text.length, 10_000)
    client.close()
  })

  it('serves hundreds of connections that come and go', async () => {
    for (let round = 0; round < 5; round++) {
      const clients = await Promise.all(Array.from({ length: 100 }, () => server.connect()))
      await Promise.all(clients.map((client) => client.call('PING')))
      for (const client of clients) client.close()
    }
    const client = await server.connect()
    await waitFor('all others are gone', async () =>
      /connected_clients:1\r/.test((await client.call('INFO', 'clients')).text),
    )
    client.close()
  })
})

describe('limits of connections', () => {
  it('refuses more than maxclients and takes them again later', async () => {
    const server = await TestServer.start({ args: ['--maxclients', '3'] })
    const first = await server.connect()
    const more = [await server.connect(), await server.connect()]
    for (const client of more) await client.call('PING')
    const late = await server.connect()
    const reply = await late.receive()
    assert.equal(reply?.text, 'ERR max number of clients reached')
    await late.closed()
    more[0]?.close()
    await waitFor('a place is free', async () => {
      const again = await server.connect()
      again.send('PING')
      const answer = await again.receive()
      again.close()
      return answer?.text === 'PONG'
    })
    const info = (await first.call('INFO', 'stats')).text
    assert.match(info, /rejected_connections:[1-9]/)
    await server.stop()
  })

  it('closes connections that are idle longer than timeout', async () => {
    const server = await TestServer.start({ args: ['--timeout', '1'] })
    const client = await server.connect()
    await client.call('PING')
    await client.closed(5000)
    await server.stop()
  })

  it('listens on a unix socket, with its mode', async () => {
    const path = join(temporaryDir(), 'redis.sock')
    const server = await TestServer.start({
      args: ['--unixsocket', path, '--unixsocketperm', '700'],
    })
    const client = await RawClient.open({ path })
    assert.equal((await client.call('PING')).text, 'PONG')
    assert.match((await client.call('CLIENT', 'INFO')).text, /addr=.*redis\.sock:0 /)
    assert.equal(statSync(path).mode & 0o777, 0o700)
    client.close()
    await server.stop('SIGTERM')
  })

  it('refuses strangers from other machines in protected mode', async (t) => {
    const address = Object.values(networkInterfaces())
      .flat()
      .find((found) => found && !found.internal && found.family === 'IPv4')?.address
    if (address === undefined) return t.skip('this machine has no other address than loopback')
    const server = await TestServer.start({ args: ['--bind', `127.0.0.1 ${address}`] })
    const stranger = await RawClient.open({ port: server.port, host: address })
    const reply = await stranger.receive()
    assert.match(reply?.text ?? '', /^DENIED Redis is running in protected mode/)
    await stranger.closed()

    // With a password, strangers may come.
    const local = await server.connect()
    await local.call('CONFIG', 'SET', 'requirepass', 'secret')
    const guest = await RawClient.open({ port: server.port, host: address })
    assert.equal((await guest.call('AUTH', 'secret')).text, 'OK')
    await server.stop()
  })

  it('asks for the password on every new connection', async () => {
    const server = await TestServer.start({ args: ['--requirepass', 'secret'] })
    const client = await server.connect()
    assert.match((await client.call('GET', 'k')).text, /^NOAUTH/)
    assert.match((await client.call('AUTH', 'wrong')).text, /^WRONGPASS/)
    assert.equal((await client.call('AUTH', 'secret')).text, 'OK')
    assert.equal((await client.call('SET', 'k', 'v')).text, 'OK')
    await server.stop()
  })
})
