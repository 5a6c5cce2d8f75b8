// Goal: MIGRATE moves exactly the keys that the target has confirmed, nobody's command runs
// meanwhile, and every way that a target can fail ends with Redis's answer in time. Method: two
// engines on a connection in memory, or an engine and a target that misbehaves.

import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { test } from 'node:test'
import type { Socket, SocketHandler } from '../base/socket.ts'
import { type PipeEnd, type TestClient, TestServer } from './test-server.ts'
import { TestSink } from './test-sink.ts'

const PORT = 7000
const OK = '+OK\r\n'
const IO_READ = '-IOERR error or timeout reading to target instance\r\n'
const IO_WRITE = '-IOERR error or timeout writing to target instance\r\n'

interface Pair {
  readonly source: TestServer
  readonly target: TestServer
  readonly client: TestClient
  /** Sends MIGRATE and lets the connection do its work. */
  readonly migrate: (...words: readonly string[]) => string
  readonly ask: (...words: readonly string[]) => string
}

function pair(config: Record<string, string> = {}): Pair {
  const source = new TestServer()
  const target = new TestServer({ config })
  source.transport.peers.set(PORT, target.transport)
  const client = source.connect()
  const judge = target.connect()
  if (config['requirepass'] !== undefined) judge.call('AUTH', config['requirepass'])
  const migrate = (...words: readonly string[]) => {
    const early = client.call('MIGRATE', '127.0.0.1', String(PORT), ...words)
    source.clock.advance(0)
    return early + client.take()
  }
  return { source, target, client, migrate, ask: (...words) => judge.call(...words) }
}

/** A target that does with what it is sent as the test says. */
function scripted(onBytes: (text: string, socket: PipeEnd) => void): {
  readonly source: TestServer
  readonly client: TestClient
  readonly connections: PipeEnd[]
} {
  const source = new TestServer()
  const connections: PipeEnd[] = []
  const accept = (socket: Socket): SocketHandler => {
    const end = socket as PipeEnd
    connections.push(end)
    return {
      onData: (bytes, start, length) => {
        onBytes(Buffer.from(bytes.subarray(start, start + length)).toString('latin1'), end)
      },
      onDrain: () => {},
      onClose: () => {},
    }
  }
  source.transport.peers.set(PORT, { accept })
  return { source, client: source.connect(), connections }
}

function reply(socket: Socket, text: string): void {
  socket.write(Buffer.from(text, 'latin1'), 0, text.length)
}

test('a key goes with its value and deadline, and is gone here', () => {
  const { client, migrate, ask } = pair()
  client.call('RPUSH', 'list', 'a', 'b')
  client.call('PEXPIRE', 'list', '5000')
  equal(migrate('list', '3', '1000'), OK)
  equal(client.call('EXISTS', 'list'), ':0\r\n')
  ask('SELECT', '3')
  equal(ask('LRANGE', 'list', '0', '-1'), '*2\r\n$1\r\na\r\n$1\r\nb\r\n')
  equal(ask('PTTL', 'list'), ':5000\r\n')
})

test('COPY leaves the key, REPLACE overwrites there, and without it the key stays', () => {
  const { client, migrate, ask } = pair()
  client.call('SET', 'k', 'new')
  ask('SET', 'k', 'old')
  const busy =
    '-ERR Target instance replied with error: BUSYKEY Target key name already exists.\r\n'
  equal(migrate('k', '0', '1000'), busy)
  equal(client.call('EXISTS', 'k'), ':1\r\n')
  equal(migrate('k', '0', '1000', 'COPY', 'REPLACE'), OK)
  equal(client.call('EXISTS', 'k'), ':1\r\n')
  equal(ask('GET', 'k'), '$3\r\nnew\r\n')
})

test('of several keys those go that are there, and those are removed that arrived', () => {
  const { client, migrate, ask } = pair()
  equal(migrate('', '0', '1000', 'KEYS', 'a', 'b'), '+NOKEY\r\n')
  client.call('MSET', 'a', '1', 'b', '2', 'c', '3')
  ask('SET', 'b', 'busy')
  match(migrate('', '0', '1000', 'KEYS', 'none', 'a', 'b', 'c'), /^-ERR Target .*BUSYKEY/)
  equal(client.call('KEYS', '*'), '*1\r\n$1\r\nb\r\n')
  equal(ask('MGET', 'a', 'b', 'c'), '*3\r\n$1\r\n1\r\n$4\r\nbusy\r\n$1\r\n3\r\n')
  const error = '-ERR When using MIGRATE KEYS option, the key argument must be set to the empty '
  equal(migrate('k', '0', '1000', 'KEYS', 'a'), `${error}string\r\n`)
})

test('what has moved is repeated elsewhere as removed, when it is', () => {
  const { source, client, migrate } = pair()
  const sink = new TestSink()
  source.engine.server.propagation.attach(sink)
  client.call('MSET', 'a', '1', 'b', '2', 'c', '3')
  equal(migrate('', '0', '1000', 'COPY', 'KEYS', 'a'), OK)
  equal(migrate('', '0', '1000', 'REPLACE', 'KEYS', 'a', 'none', 'c'), OK)
  client.call('INCR', 'b')
  deepEqual(sink.take(), ['SELECT 0', 'MSET a 1 b 2 c 3', 'DEL a c', 'INCR b'])
})

test('a password is given, and a wrong one leaves all keys', () => {
  const { client, migrate, ask } = pair({ requirepass: 'secret' })
  client.call('SET', 'k', 'v')
  match(migrate('k', '0', '1000'), /NOAUTH/)
  match(migrate('k', '0', '1000', 'AUTH', 'wrong'), /WRONGPASS/)
  equal(client.call('EXISTS', 'k'), ':1\r\n')
  equal(migrate('k', '0', '1000', 'AUTH2', 'default', 'secret'), OK)
  equal(ask('GET', 'k'), '$1\r\nv\r\n')
})

test('the connection is kept for ten seconds, with its database', () => {
  const { source, target, client, migrate } = pair()
  const cached = () => /migrate_cached_sockets:\d+/.exec(client.call('INFO', 'stats'))?.[0]
  const judge = target.connect()
  const connections = () => /connections_received:\d+/.exec(judge.call('INFO', 'stats'))?.[0]
  client.call('MSET', 'a', '1', 'b', '2', 'c', '3')
  equal(cached(), 'migrate_cached_sockets:0')
  equal(migrate('a', '9', '1000'), OK)
  equal(cached(), 'migrate_cached_sockets:1')
  const before = connections()
  equal(migrate('b', '9', '1000'), OK)
  equal(migrate('c', '4', '1000'), OK)
  equal(connections(), before)
  equal(judge.call('SELECT', '9') + judge.call('DBSIZE'), `${OK}:2\r\n`)
  source.clock.advance(9000)
  equal(cached(), 'migrate_cached_sockets:1')
  source.clock.advance(2000)
  equal(cached(), 'migrate_cached_sockets:0')
})

test('nobody else is served until it has ended, then all are', () => {
  const { source, target } = pair()
  const mover = source.connect()
  const other = source.connect()
  mover.call('SET', 'k', 'v')
  equal(mover.call('MIGRATE', '127.0.0.1', String(PORT), 'k', '0', '1000'), '')
  equal(other.call('SET', 'k', 'changed'), '')
  equal(other.call('GET', 'k'), '')
  equal(mover.call('PING'), '')
  source.clock.advance(0)
  equal(mover.take(), `${OK}+PONG\r\n`)
  equal(other.take(), `${OK}$7\r\nchanged\r\n`)
  equal(target.connect().call('GET', 'k'), '$1\r\nv\r\n')
})

test('a target that is silent ends it after the timeout, with all keys here', () => {
  const { source, client, connections } = scripted(() => {})
  const other = source.connect()
  client.call('SET', 'k', 'v')
  equal(client.call('MIGRATE', 'h', String(PORT), 'k', '0', '500'), '')
  source.clock.advance(499)
  equal(other.call('GET', 'k') + client.take(), '')
  source.clock.advance(1)
  equal(client.take(), IO_READ)
  equal(other.take(), '$1\r\nv\r\n')
  equal(connections.length, 1)
  match(client.call('INFO', 'errorstats'), /errorstat_IOERR:count=1\r\n/)
  match(client.call('INFO', 'stats'), /migrate_cached_sockets:0/)
})

test('no target, or one that is no server like this, is an error', () => {
  const { source, client } = scripted((_, socket) => reply(socket, 'HTTP/1.1 400\r\n'))
  client.call('SET', 'k', 'v')
  client.call('MIGRATE', 'h', '1', 'k', '0', '500')
  source.clock.advance(0)
  equal(client.take(), IO_WRITE)
  client.call('MIGRATE', 'h', String(PORT), 'k', '0', '500')
  source.clock.advance(0)
  equal(client.take(), IO_READ)
  equal(client.call('EXISTS', 'k'), ':1\r\n')
  const noPort = '-IOERR error or timeout connecting to the client\r\n'
  equal(client.call('MIGRATE', 'h', '65536', 'k', '0', '500'), noPort)
})

test('a target that cannot be reached in time is given up', () => {
  const { source, client } = scripted(() => {})
  source.transport.silentPorts.add(9)
  client.call('SET', 'k', 'v')
  client.call('MIGRATE', 'h', '9', 'k', '0', '300')
  source.clock.advance(299)
  equal(client.take(), '')
  source.clock.advance(1)
  equal(client.take(), '-IOERR error or timeout connecting to the client\r\n')
  match(client.call('INFO', 'stats'), /migrate_cached_sockets:0/)
})

test('a kept connection that ends before its next use is made anew', () => {
  const { source, client, connections } = scripted((text, socket) => {
    reply(socket, text.includes('SELECT') ? '+OK\r\n+OK\r\n' : '+OK\r\n')
  })
  client.call('MSET', 'a', '1', 'b', '2')
  client.call('MIGRATE', 'h', String(PORT), 'a', '1', '500')
  source.clock.advance(0)
  equal(client.take(), OK)
  // It ends after MIGRATE has taken it, and before a byte was sent.
  client.call('MIGRATE', 'h', String(PORT), 'b', '1', '500')
  connections[0]?.other?.close()
  source.clock.advance(0)
  equal(client.take(), OK)
  equal(connections.length, 2)
})

test('the end of the server ends it first: the file has no key that has moved', () => {
  const { source, client } = scripted((text, socket) => {
    // One of two keys is confirmed.
    if (text.includes('SELECT')) reply(socket, '+OK\r\n+OK\r\n')
  })
  client.call('MSET', 'a', '1', 'b', '2')
  client.call('MIGRATE', 'h', String(PORT), '', '1', '5000', 'KEYS', 'a', 'b')
  source.clock.advance(0)
  source.engine.shutdown.run({
    isSaveForced: false,
    isSaveForbidden: true,
    isForced: false,
    isImmediate: true,
  })
  equal(client.take(), IO_READ)
  const db = source.engine.server.keyspace.databases[0]
  equal(db?.size, 1)
  source.clock.advance(1000)
  equal(db?.size, 1)
})

test('a connection that is lost is made once more, unless something was confirmed', () => {
  let isFirst = true
  const { source, client, connections } = scripted((_, socket) => {
    if (!isFirst) return reply(socket, '+OK\r\n+OK\r\n')
    isFirst = false
    socket.close()
  })
  client.call('MSET', 'k', 'v', 'a', '1', 'b', '2')
  client.call('MIGRATE', 'h', String(PORT), 'k', '1', '500')
  source.clock.advance(0)
  equal(client.take(), OK)
  equal(connections.length, 2)
  // One of two keys is confirmed, then the target is gone: that one has moved.
  const half = scripted((text, socket) => {
    if (!text.includes('SELECT')) return
    reply(socket, '+OK\r\n+OK\r\n')
    socket.close()
  })
  half.client.call('MSET', 'a', '1', 'b', '2')
  half.client.call('MIGRATE', 'h', String(PORT), '', '1', '500', 'KEYS', 'a', 'b')
  half.source.clock.advance(0)
  equal(half.client.take(), IO_READ)
  equal(half.connections.length, 1)
  equal(half.client.call('KEYS', '*'), '*1\r\n$1\r\nb\r\n')
})

test('what has moved is removed even when the client has gone', () => {
  const { source, target } = pair()
  const mover = source.connect()
  mover.call('SET', 'k', 'v')
  mover.call('MIGRATE', '127.0.0.1', String(PORT), 'k', '0', '1000')
  mover.close()
  source.clock.advance(0)
  equal(source.connect().call('EXISTS', 'k'), ':0\r\n')
  equal(target.connect().call('GET', 'k'), '$1\r\nv\r\n')
})

test('nothing expires while it runs', () => {
  const { source, client } = scripted(() => {})
  client.call('SET', 'k', 'v')
  client.call('SET', 'short', 'v', 'PX', '50')
  client.call('MIGRATE', 'h', String(PORT), 'k', '0', '500')
  source.clock.advance(400)
  equal(source.engine.server.keyspace.size, 2)
  source.clock.advance(1000)
  equal(source.engine.server.keyspace.size, 1)
})

test('removal is told as del, after the answer, also to a client without replies', () => {
  const { source, client, migrate } = pair()
  client.call('CONFIG', 'SET', 'notify-keyspace-events', 'KEA')
  const listener = source.connect()
  listener.call('PSUBSCRIBE', '__keyevent@0__:*')
  client.call('SET', 'k', 'v')
  listener.take()
  equal(migrate('k', '0', '1000'), OK)
  match(listener.take(), /__keyevent@0__:del\r\n\$1\r\nk/)
  client.call('HELLO', '3')
  client.call('CLIENT', 'TRACKING', 'ON')
  client.call('SET', 'k', 'v')
  client.call('GET', 'k')
  equal(migrate('k', '1', '1000'), `${OK}>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n`)
  client.call('SET', 'k', 'v')
  client.call('GET', 'k')
  client.call('CLIENT', 'REPLY', 'SKIP')
  equal(migrate('k', '2', '1000'), '>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n')
  equal(client.call('PING'), '+PONG\r\n')
})

test('a transaction cannot wait for it', () => {
  const { client, migrate } = pair()
  client.call('SET', 'k', 'v')
  client.call('MULTI')
  equal(migrate('k', '0', '1000'), '+QUEUED\r\n')
  const error = '-ERR MIGRATE is not allowed inside a transaction\r\n'
  equal(client.call('EXEC'), `*1\r\n${error}`)
  equal(client.call('EXISTS', 'k'), ':1\r\n')
})

test('the log of slow commands and monitors see no password', () => {
  const { source, migrate } = pair()
  const monitor = source.connect()
  monitor.call('MONITOR')
  migrate('', '0', '5', 'AUTH', 'keys', 'KEYS', 'auth', 'b')
  migrate('k', '0', '5', 'COPY', 'AUTH2', 'name', 'secret')
  const lines = monitor.take()
  ok(lines.includes('"5" "AUTH" "(redacted)" "KEYS" "auth" "b"\r\n'))
  ok(lines.includes('"COPY" "AUTH2" "(redacted)" "(redacted)"\r\n'))
})

test('a target is slow as long as it takes something, and then it is dead', () => {
  const { source, client, connections } = scripted(() => {})
  client.call('SET', 'k', 'v'.repeat(600_000))
  client.call('CONFIG', 'SET', 'rdbcompression', 'no')
  client.call('MIGRATE', 'h', String(PORT), 'k', '0', '500')
  source.clock.advance(0)
  const near = connections[0]?.other
  ok(near !== null && near !== undefined)
  near.pendingBytes = 300_000
  near.handler?.onDrain()
  for (let turn = 0; turn < 5; turn++) {
    near.pendingBytes -= 10_000
    source.clock.advance(500)
    equal(client.take(), '')
  }
  source.clock.advance(500)
  equal(client.take(), IO_WRITE)
  equal(client.call('EXISTS', 'k'), ':1\r\n')
})
