// Goal: clients are served, limited, held up and refused as Redis does it. Method: the whole engine
// on fake doors; each test says what a client sends and what must come back.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Request } from './mailbox.ts'
import { encode, TestServer } from './test-server.ts'

const OK = '+OK\r\n'

describe('a turn', () => {
  it('answers a pipeline in order, whatever the chunks', () => {
    const server = new TestServer()
    const text = `${encode(['SET', 'k', 'v'])}${encode(['GET', 'k'])}PING\r\n`
    const expected = `${OK}$1\r\nv\r\n+PONG\r\n`
    assert.equal(server.connect().send(text), expected)
    const slow = server.connect()
    let received = ''
    for (const letter of text) received += slow.send(letter)
    assert.equal(received, expected)
  })

  it('closes after a protocol error, which counts as an error reply', () => {
    const server = new TestServer()
    const client = server.connect()
    assert.equal(client.send('*1\r\n:1\r\n'), "-ERR Protocol error: expected '$', got ':'\r\n")
    assert.equal(client.isClosed, true)
    assert.equal(server.engine.server.dispatcher.errors.get('ERR'), 1)
    assert.ok(server.logged("Protocol error: expected '$', got ':' from client: id=1"))
  })

  it('runs nothing behind QUIT', () => {
    const server = new TestServer()
    const client = server.connect()
    assert.equal(client.send(`QUIT\r\n${encode(['SET', 'k', 'v'])}`), OK)
    assert.equal(client.isClosed, true)
    assert.equal(server.connect().call('EXISTS', 'k'), ':0\r\n')
  })

  it('closes without an answer when a browser was tricked into talking to it', () => {
    const server = new TestServer()
    for (const line of ['POST / HTTP/1.1\r\n', 'Host: localhost\r\n']) {
      const client = server.connect()
      assert.equal(client.send(line + encode(['SET', 'k', 'v'])), '')
      assert.equal(client.isClosed, true)
    }
    assert.equal(server.log.filter((line) => line.includes('SECURITY ATTACK')).length, 1)
    assert.equal(server.connect().call('EXISTS', 'k'), ':0\r\n')
  })
})

describe('CONFIG SET proc-title-template', () => {
  it('answers when the main thread has set the title, and not before', () => {
    const server = new TestServer()
    const client = server.connect()
    assert.equal(client.call('CONFIG', 'SET', 'proc-title-template', 'new {port}'), '')
    assert.deepEqual(server.messages.at(-1), { kind: 'title', template: 'new {port}' })
    assert.equal(client.call('PING'), '')
    assert.equal(server.connect().call('PING'), '+PONG\r\n')
    server.engine.noteTitled()
    assert.equal(client.take(), `${OK}+PONG\r\n`)
    // The same again is nothing to wait for.
    assert.equal(client.call('CONFIG', 'SET', 'proc-title-template', 'new {port}'), OK)
  })
})

describe('who may connect', () => {
  it('refuses more than maxclients, and counts them', () => {
    const server = new TestServer({ config: { maxclients: '2' } })
    const clients = [server.connect(), server.connect(), server.connect()]
    assert.equal(clients[2]!.take(), '-ERR max number of clients reached\r\n')
    assert.equal(clients[2]!.isClosed, true)
    assert.match(clients[0]!.call('INFO', 'stats'), /rejected_connections:1\r/)
    clients[1]!.close()
    assert.equal(server.connect().call('PING'), '+PONG\r\n')
  })

  it('refuses strangers in protected mode unless there is a password', () => {
    const guarded = new TestServer()
    assert.match(
      guarded.connect('10.0.0.1:1').take(),
      /^-DENIED Redis is running in protected mode/,
    )
    const open = new TestServer({ config: { 'protected-mode': 'no' } })
    assert.equal(open.connect('10.0.0.1:1').call('PING'), '+PONG\r\n')
    const locked = new TestServer({ config: { requirepass: 'secret' } })
    assert.match(locked.connect('10.0.0.1:1').call('PING'), /^-NOAUTH/)
  })

  it('asks for the password, and keeps those in who came before it was set', () => {
    const server = new TestServer()
    const early = server.connect()
    assert.equal(early.call('CONFIG', 'SET', 'requirepass', 'secret'), OK)
    assert.equal(early.call('PING'), '+PONG\r\n')
    const late = server.connect()
    assert.match(late.call('GET', 'k'), /^-NOAUTH/)
    assert.match(late.call('AUTH', 'wrong'), /^-WRONGPASS/)
    assert.equal(late.call('AUTH', 'default', 'secret'), OK)
    assert.equal(late.call('GET', 'k'), '$-1\r\n')
  })

  it('sets tcp-keepalive and closes idle clients', () => {
    const server = new TestServer({ config: { timeout: '10', 'tcp-keepalive': '60' } })
    const idle = server.connect()
    const busy = server.connect()
    assert.equal(idle.keepAliveSeconds, 60)
    for (let second = 0; second < 12; second++) {
      server.clock.advance(1000)
      busy.call('PING')
    }
    assert.equal(idle.isClosed, true)
    assert.equal(busy.isClosed, false)
  })
})

describe('maxclients and the limit of open files', () => {
  const limits = 'Limit  Soft Limit  Hard Limit  Units\nMax open files            164  164  files\n'

  it('is lowered at the start and refused later', () => {
    const server = new TestServer({ files: { '/proc/self/limits': limits } })
    const client = server.connect()
    assert.match(client.call('CONFIG', 'GET', 'maxclients'), /\r\n100\r\n$/)
    assert.ok(server.logged('You requested maxclients of 10000'))
    assert.match(client.call('CONFIG', 'SET', 'maxclients', '101'), /try with 100\r\n$/)
    assert.equal(client.call('CONFIG', 'SET', 'maxclients', '99'), OK)
  })
})

describe('client-output-buffer-limit', () => {
  const limit = (text: string) => ({ config: { 'client-output-buffer-limit': text } })

  it('closes at the hard limit, before any part of the reply is sent', () => {
    const server = new TestServer(limit('normal 100000 0 0'))
    const client = server.connect()
    client.call('SET', 'k', 'x'.repeat(40_000))
    assert.equal(client.call('GET', 'k').length, 40_010)
    const pipeline = encode(['GET', 'k']).repeat(3) + encode(['SET', 'after', '1'])
    assert.equal(client.send(pipeline), '')
    assert.equal(client.isClosed, true)
    assert.ok(server.logged('scheduled to be closed ASAP for overcoming of output buffer limits.'))
    assert.equal(server.connect().call('EXISTS', 'after'), ':0\r\n')
  })

  it('closes when the soft limit lasts, not before', () => {
    const server = new TestServer(limit('normal 0 1000 5'))
    const client = server.connect()
    client.isStuck = true
    client.call('ECHO', 'x'.repeat(2000))
    server.clock.advance(4000)
    assert.equal(client.isClosed, false)
    server.clock.advance(3000)
    assert.equal(client.isClosed, true)
  })

  it('forgives a client that goes below the soft limit in time', () => {
    const server = new TestServer(limit('normal 0 1000 5'))
    const client = server.connect()
    client.isStuck = true
    client.call('ECHO', 'x'.repeat(2000))
    server.clock.advance(4000)
    client.pendingBytes = 0
    server.clock.advance(2000)
    client.call('ECHO', 'x'.repeat(2000))
    server.clock.advance(3000)
    assert.equal(client.isClosed, false)
  })
})

describe('CLIENT', () => {
  it('PAUSE WRITE holds writers, in their order, until UNPAUSE', () => {
    const server = new TestServer()
    const admin = server.connect()
    const writer = server.connect()
    assert.equal(admin.call('CLIENT', 'PAUSE', '100000', 'WRITE'), OK)
    assert.equal(writer.call('GET', 'k'), '$-1\r\n')
    assert.equal(writer.send(encode(['SET', 'k', 'a']) + encode(['GET', 'k'])), '')
    assert.equal(writer.call('SET', 'k', 'b'), '')
    assert.match(admin.call('INFO', 'clients'), /blocked_clients:1\r/)
    assert.equal(admin.call('CLIENT', 'UNPAUSE'), OK)
    server.clock.advance(1)
    assert.equal(writer.take(), `${OK}$1\r\na\r\n${OK}`)
    assert.match(admin.call('INFO', 'clients'), /blocked_clients:0\r/)
  })

  it('PAUSE ends by itself', () => {
    const server = new TestServer()
    const client = server.connect()
    client.call('CLIENT', 'PAUSE', '1000')
    assert.equal(client.call('PING'), '')
    server.clock.advance(900)
    assert.equal(client.take(), '')
    server.clock.advance(200)
    assert.equal(client.take(), '+PONG\r\n')
  })

  it('PAUSE WRITE holds a FLUSHALL back that then waits for its file, before what follows', () => {
    const server = new TestServer({ config: { save: '100 100' }, hasPersistence: true })
    const writer = server.connect()
    writer.call('SET', 'k', 'v')
    server.connect().call('CLIENT', 'PAUSE', '1000', 'WRITE')
    assert.equal(writer.send(encode(['FLUSHALL']) + encode(['GET', 'k'])), '')
    server.clock.advance(1200)
    assert.equal(writer.take(), '')
    while (server.runner.isBusy) server.runner.step()
    server.clock.advance(10)
    assert.equal(writer.take(), `${OK}$-1\r\n`)
  })

  it('REPLY OFF, SKIP and ON silence what they should', () => {
    const client = new TestServer().connect()
    const words = [
      ['CLIENT', 'REPLY', 'SKIP'],
      ['PING'],
      ['ECHO', 'a'],
      ['CLIENT', 'REPLY', 'OFF'],
      ['PING'],
      ['CLIENT', 'REPLY', 'SKIP'],
      ['PING'],
      ['PING'],
      ['CLIENT', 'REPLY', 'ON'],
      ['ECHO', 'b'],
    ]
    assert.equal(client.send(words.map(encode).join('')), `$1\r\na\r\n${OK}$1\r\nb\r\n`)
  })

  it('KILL closes others at once and oneself after the answer', () => {
    const server = new TestServer()
    const self = server.connect('127.0.0.1:1')
    const other = server.connect('127.0.0.1:2')
    assert.equal(self.call('CLIENT', 'KILL', '127.0.0.1:2'), OK)
    assert.equal(other.isClosed, true)
    assert.equal(self.call('CLIENT', 'KILL', 'TYPE', 'normal'), ':0\r\n')
    assert.equal(self.call('CLIENT', 'KILL', 'ID', '1', 'SKIPME', 'no'), ':1\r\n')
    assert.equal(self.isClosed, true)
  })
})

describe('listening', () => {
  it('CONFIG SET port moves, and stays where it is when the port is taken', () => {
    const server = new TestServer({ config: { bind: '127.0.0.1' } })
    const client = server.connect()
    const ports = () => server.transport.addresses.map((each) => 'port' in each && each.port)
    assert.equal(client.send(`${encode(['CONFIG', 'SET', 'port', '7000'])}PING\r\n`), '')
    server.clock.advance(1)
    assert.equal(client.take(), `${OK}+PONG\r\n`)
    assert.deepEqual(ports(), [7000])
    server.transport.busyPorts.add(7001)
    client.send(`${encode(['CONFIG', 'SET', 'timeout', '5', 'port', '7001'])}PING\r\n`)
    server.clock.advance(1)
    assert.match(
      client.take(),
      /^-ERR CONFIG SET failed .*'port'\) - Unable to listen on this port.*\r\n\+PONG\r\n$/,
    )
    assert.deepEqual(ports(), [7000])
    assert.match(client.call('CONFIG', 'GET', 'timeout'), /\$1\r\n0\r\n$/)
  })

  it('CONFIG SET bind to nothing closes every port', () => {
    const server = new TestServer({ config: { bind: '127.0.0.1' } })
    const client = server.connect()
    assert.equal(client.send(`${encode(['CONFIG', 'SET', 'bind', ''])}PING\r\n`), '')
    server.clock.advance(1)
    assert.equal(client.take(), `${OK}+PONG\r\n`)
    assert.deepEqual(server.transport.addresses, [])
  })

  it('ends the start when a port is taken', () => {
    const server = new TestServer({ config: { bind: '127.0.0.1', port: '7000' }, busyPort: 7000 })
    assert.deepEqual(server.messages, [{ kind: 'exit', code: 1, isGraceful: false }])
    assert.ok(server.logged('Failed listening on port 7000 (TCP), aborting.'))
  })
})

describe('the end', () => {
  it('comes by signal, with a message to the main thread', () => {
    const server = new TestServer()
    server.mailbox.request(Request.Terminate)
    server.engine.wake()
    assert.deepEqual(server.messages.at(-1), { kind: 'exit', code: 0, isGraceful: true })
    assert.ok(server.logged('User requested shutdown...'))
  })

  it('is looked for by the cron too, when nobody wakes the loop', () => {
    const server = new TestServer()
    server.mailbox.request(Request.Interrupt)
    server.clock.advance(150)
    assert.equal(server.engine.shutdown.isDone, true)
  })

  it('that a signal has ordered is called off by SHUTDOWN ABORT if it has not begun', () => {
    const server = new TestServer({ config: { 'enable-debug-command': 'yes' } })
    const client = server.connect()
    assert.equal(client.call('SHUTDOWN', 'ABORT'), '-ERR No shutdown in progress.\r\n')
    client.call('DEBUG', 'PAUSE-CRON', '1')
    server.mailbox.request(Request.Terminate)
    server.engine.wake()
    assert.equal(client.call('SHUTDOWN', 'ABORT'), OK)
    assert.deepEqual(server.messages.at(-1), { kind: 'staying' })
    assert.ok(server.logged('Shutdown manually aborted.'))
    client.call('DEBUG', 'PAUSE-CRON', '0')
    server.clock.advance(500)
    assert.equal(server.engine.shutdown.isDone, false)
  })
})

describe('expiry', () => {
  it('removes keys that nobody asks for, unless it is turned off', () => {
    const server = new TestServer({ config: { 'enable-debug-command': 'yes' } })
    const client = server.connect()
    client.call('SET', 'k', 'v', 'PX', '50')
    client.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
    server.clock.advance(500)
    assert.equal(client.call('DBSIZE'), ':1\r\n')
    client.call('DEBUG', 'SET-ACTIVE-EXPIRE', '1')
    server.clock.advance(500)
    assert.equal(client.call('DBSIZE'), ':0\r\n')
    assert.match(client.call('INFO', 'stats'), /expired_keys:1\r/)
  })
})
