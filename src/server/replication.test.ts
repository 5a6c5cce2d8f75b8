// Goal: what a primary answers to replicas, and what it does with time: syncs that wait, pings,
// confirmations, a backlog that expires, links that are dead.
// Method: an engine with a fake clock; clients play replicas.

import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encode, type TestClient, TestServer, type TestServerOptions } from './test-server.ts'

const OK = '+OK\r\n'
const PING = encode(['PING'])
const GET_ACK = encode(['REPLCONF', 'GETACK', '*'])

function start(config: TestServerOptions['config'] = {}) {
  const server = new TestServer({
    config: { save: '', 'repl-diskless-sync-delay': '0', ...config },
    hasPersistence: true,
  })
  return { server, client: server.connect() }
}

/** Lets time pass in which the snapshot thread works. */
function pass(server: TestServer, ms: number): void {
  for (let i = 0; i < ms; i += 10) {
    for (let j = 0; j < 20; j++) server.runner.step()
    server.clock.advance(10)
  }
}

/** A replica that has begun a sync. */
function ask(server: TestServer, ...words: readonly string[]): TestClient {
  const replica = server.connect()
  equal(replica.call('REPLCONF', 'listening-port', '7000', 'ip-address', '10.0.0.7'), OK)
  equal(replica.call('REPLCONF', 'capa', 'eof', 'capa', 'psync2', ...words), OK)
  equal(replica.call('PSYNC', '?', '-1'), '')
  return replica
}

/** The same, until it is online; returns its history and place, too. */
function attach(server: TestServer) {
  const replica = ask(server)
  pass(server, 500)
  const text = replica.take()
  const head = /^\n*\+FULLRESYNC ([0-9a-f]{40}) (\d+)\r\n\$EOF:([0-9a-f]{40})\r\n/.exec(text)
  ok(head !== null, text.slice(0, 200))
  const [, id = '', offset = '', mark = ''] = head
  ok(text.endsWith(mark) && text.length > head[0].length + mark.length)
  match(text, /REDIS0010/)
  replica.call('REPLCONF', 'ACK', offset)
  return { replica, id, offset: Number(offset) }
}

function field(client: TestClient, name: string): string {
  return new RegExp(`^${name}:(.*)\\r$`, 'm').exec(client.call('INFO', 'everything'))?.[1] ?? ''
}

describe('a full sync', () => {
  it('waits for others, with line ends to show that it lives, and shares a cut', () => {
    const { server, client } = start({ 'repl-diskless-sync-delay': '5' })
    client.call('SET', 'a', '1')
    const first = ask(server)
    match(field(client, 'slave0'), /^ip=10\.0\.0\.7,port=7000,state=wait_bgsave,offset=0,lag=0$/)
    pass(server, 3000)
    const second = ask(server)
    match(first.take(), /^\n+$/)
    pass(server, 2500)
    const texts = [first.take(), second.take()]
    for (const text of texts) match(text, /^\n*\+FULLRESYNC [0-9a-f]{40} 0\r\n\$EOF:/)
    equal(server.log.filter((line) => line.startsWith('Snapshot for replicas')).length, 1)
    equal(field(client, 'sync_full'), '2')
  })

  it('does not wait when enough are there', () => {
    const { server } = start({
      'repl-diskless-sync-delay': '60',
      'repl-diskless-sync-max-replicas': '2',
    })
    const first = ask(server)
    pass(server, 1000)
    match(first.take(), /^\n*$/)
    const second = ask(server)
    pass(server, 1000)
    match(first.take() + second.take(), /FULLRESYNC[\s\S]*FULLRESYNC/)
  })

  it('gives what was written after the cut only when the snapshot is confirmed', () => {
    const { server, client } = start()
    client.call('SET', 'a', '1')
    const replica = ask(server)
    pass(server, 300)
    ok(replica.take().includes('FULLRESYNC'))
    client.call('SET', 'b', '2')
    pass(server, 100)
    equal(replica.take(), '')
    replica.call('REPLCONF', 'ACK', '0')
    pass(server, 10)
    equal(replica.take(), encode(['SELECT', '0']) + encode(['SET', 'b', '2']))
    match(field(client, 'slave0'), /state=online/)
  })

  it('goes by a file for those who do not know marks; SYNC has no other answer', () => {
    const { server, client } = start()
    client.call('SET', 'a', '1')
    const old = server.connect()
    equal(old.call('SYNC'), '')
    pass(server, 500)
    const head = /^\n*\$(\d+)\r\n/.exec(old.take())
    ok(head !== null)
    client.call('SET', 'b', '2')
    pass(server, 10)
    equal(old.take(), encode(['SELECT', '0']) + encode(['SET', 'b', '2']))
    deepEqual(server.disk.list('/data'), [], 'the file is gone')
  })

  it('of the snapshot alone ends with it, and begins no stream', () => {
    const { server, client } = start()
    const reader = ask(server, 'rdb-only', '1')
    pass(server, 300)
    match(reader.take(), /FULLRESYNC/)
    equal(reader.isClosed, true)
    equal(field(client, 'repl_backlog_active'), '0')
    equal(field(client, 'connected_slaves'), '0')
  })

  it('of functions alone is empty', () => {
    const { server, client } = start()
    client.call('SET', 'a', '1')
    const reader = server.connect()
    equal(reader.call('REPLCONF', 'capa', 'eof', 'rdb-filter-only', 'functions'), OK)
    const text = reader.call('PSYNC', '?', '-1')
    match(text, /REDIS0010\xff/)
    equal(text.includes('a\x01'), false)
  })

  it('is refused behind an answer that is not sent, and within transactions', () => {
    const { server } = start()
    const replica = server.connect()
    match(replica.send(encode(['PING']) + encode(['SYNC'])), /invalid with pending output/)
    equal(replica.call('MULTI'), OK)
    match(replica.call('PSYNC', '?', '-1'), /not allowed inside a transaction/)
  })
})

describe('a partial sync', () => {
  it('goes on where the replica was', () => {
    const { server, client } = start()
    client.call('SET', 'a', '1')
    const { replica, id, offset } = attach(server)
    client.call('SET', 'b', '2')
    pass(server, 10)
    const seen = replica.take().length
    replica.close()
    client.call('SET', 'c', '3')
    const again = server.connect()
    equal(again.call('REPLCONF', 'capa', 'psync2'), OK)
    equal(again.call('PSYNC', id.toUpperCase(), `${offset + seen + 1}`), `+CONTINUE ${id}\r\n`)
    pass(server, 10)
    equal(again.take(), encode(['SET', 'c', '3']))
    equal(field(client, 'sync_partial_ok'), '1')
  })

  it('is not possible with another history, or behind the end', () => {
    const { server, client } = start()
    const { id, offset } = attach(server)
    for (const [name, at] of [
      ['f'.repeat(40), 1],
      [id, offset + 1000],
    ] as const) {
      const other = server.connect()
      equal(other.call('REPLCONF', 'capa', 'eof'), OK)
      equal(other.call('PSYNC', name, `${at}`), '')
      pass(server, 300)
      match(other.take(), /^\n*\+FULLRESYNC/)
    }
    equal(field(client, 'sync_partial_err'), '2')
    ok(server.logged('Replication ID mismatch'))
    ok(server.logged('for lack of backlog'))
  })

  it('is not possible after the backlog has expired', () => {
    const { server, client } = start({ 'repl-backlog-ttl': '3' })
    const { replica, id } = attach(server)
    replica.close()
    pass(server, 2000)
    equal(field(client, 'repl_backlog_active'), '1')
    pass(server, 3000)
    equal(field(client, 'repl_backlog_active'), '0')
    equal(field(client, 'master_replid') === id, false)
  })
})

describe('time', () => {
  it('brings pings, and ends a link that says nothing', () => {
    const { server } = start({ 'repl-ping-replica-period': '2', 'repl-timeout': '5' })
    const { replica } = attach(server)
    pass(server, 4500)
    ok(replica.take().split(PING).length >= 3)
    equal(replica.isClosed, false)
    pass(server, 3000)
    equal(replica.isClosed, true)
    ok(server.logged('Disconnecting timedout replica (streaming sync): 10.0.0.7:7000'))
  })

  it('makes a silent replica count no longer for min-replicas-to-write', () => {
    const { server, client } = start({ 'min-replicas-to-write': '1', 'min-replicas-max-lag': '2' })
    match(client.call('SET', 'a', '1'), /^-NOREPLICAS /)
    equal(client.call('GET', 'a'), '$-1\r\n')
    const { replica } = attach(server)
    equal(client.call('SET', 'a', '1'), OK)
    pass(server, 5000)
    match(client.call('SET', 'a', '2'), /^-NOREPLICAS /)
    replica.call('REPLCONF', 'ACK', '1')
    pass(server, 1100)
    equal(client.call('SET', 'a', '3'), OK)
  })
})

describe('SHUTDOWN', () => {
  it('waits until replicas have what was written, and writers wait with it', () => {
    const { server, client } = start()
    const { replica, offset } = attach(server)
    client.call('SET', 'a', '1')
    equal(client.call('SHUTDOWN', 'NOSAVE'), '')
    const writer = server.connect()
    equal(writer.call('SET', 'b', '1'), '')
    equal(server.connect().call('GET', 'a'), '$1\r\n1\r\n')
    pass(server, 500)
    equal(server.engine.shutdown.isDone, false)
    const text = replica.take()
    equal(text.includes('b'), false)
    replica.call('REPLCONF', 'ACK', `${offset + text.indexOf(GET_ACK)}`)
    pass(server, 200)
    equal(server.engine.shutdown.isDone, true)
    ok(server.logged('1 of 1 replicas are in sync'))
  })

  it('waits no longer than shutdown-timeout, and not at all with NOW', () => {
    const first = start({ 'shutdown-timeout': '3' })
    attach(first.server)
    first.client.call('SET', 'a', '1')
    first.client.call('SHUTDOWN')
    pass(first.server, 2500)
    equal(first.server.engine.shutdown.isDone, false)
    pass(first.server, 1000)
    equal(first.server.engine.shutdown.isDone, true)
    ok(first.server.logged('Lagging replica 10.0.0.7:7000 reported offset'))
    const second = start()
    attach(second.server)
    second.client.call('SET', 'a', '1')
    second.client.call('SHUTDOWN', 'NOW')
    equal(second.server.engine.shutdown.isDone, true)
  })

  it('is taken back by ABORT: all are answered, writers go on', () => {
    const { server, client } = start()
    attach(server)
    client.call('SET', 'a', '1')
    client.call('SHUTDOWN')
    const writer = server.connect()
    equal(writer.call('SET', 'b', '1'), '')
    equal(server.connect().call('SHUTDOWN', 'ABORT'), OK)
    pass(server, 10)
    match(client.take(), /^-ERR Errors trying to SHUTDOWN/)
    equal(writer.take(), OK)
    equal(server.engine.shutdown.isDone, false)
  })
})

describe('WAIT', () => {
  it('asks replicas, and is answered when enough have confirmed', () => {
    const { server, client } = start()
    const { replica, offset } = attach(server)
    equal(client.call('WAIT', '1', '0'), ':1\r\n')
    client.call('SET', 'a', '1')
    equal(client.call('WAIT', '1', '0'), '')
    pass(server, 10)
    const text = replica.take()
    ok(text.endsWith(GET_ACK))
    const written = offset + text.length - GET_ACK.length
    replica.call('REPLCONF', 'ACK', `${written - 1}`)
    equal(client.take(), '')
    replica.call('REPLCONF', 'ACK', `${written}`)
    equal(client.take(), ':1\r\n')
    equal(client.call('GET', 'a'), '$1\r\n1\r\n')
  })

  it('is answered with the count when time is up, or CLIENT UNBLOCK says so', () => {
    const { server, client } = start()
    const { replica, offset } = attach(server)
    client.call('SET', 'a', '1')
    pass(server, 10)
    replica.call('REPLCONF', 'ACK', `${offset + replica.take().length}`)
    equal(client.call('WAIT', '2', '100'), '')
    server.clock.advance(101)
    equal(client.take(), ':1\r\n')
    equal(client.call('WAIT', '2', '0'), '')
    equal(server.connect().call('CLIENT', 'UNBLOCK', '1'), ':1\r\n')
    equal(client.take(), ':1\r\n')
    equal(client.call('MULTI'), OK)
    client.call('WAIT', '5', '0')
    equal(client.call('EXEC'), '*1\r\n:1\r\n')
  })
})

describe('what is told of replicas', () => {
  it('ROLE and CLIENT LIST', () => {
    const { server, client } = start()
    equal(client.call('ROLE'), '*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n')
    attach(server)
    client.call('SET', 'a', '1')
    match(
      client.call('ROLE'),
      /^\*3\r\n\$6\r\nmaster\r\n:\d+\r\n\*1\r\n\*3\r\n\$8\r\n10\.0\.0\.7\r\n/,
    )
    match(client.call('CLIENT', 'LIST', 'TYPE', 'replica'), / flags=S /)
    equal(field(client, 'connected_clients'), '1')
    ok(Number(field(client, 'total_net_repl_output_bytes')) > 100)
    ok(Number(field(client, 'mem_replication_backlog')) > 0)
    equal(client.call('CLIENT', 'KILL', 'TYPE', 'replica'), ':1\r\n')
    equal(field(client, 'connected_slaves'), '0')
  })

  it('REPLICAOF: NO ONE is what we are, all else is refused with a reason', () => {
    const { client } = start()
    equal(client.call('REPLICAOF', 'no', 'ONE'), OK)
    match(client.call('SLAVEOF', '127.0.0.1', '1'), /^-ERR Tidemark cannot be a replica yet/)
    equal(client.call('REPLICAOF', 'host', 'x'), '-ERR Invalid master port\r\n')
  })

  it('an RDB file says where in the stream its data stands', () => {
    const { server, client } = start()
    const { id } = attach(server)
    client.call('SET', 'a', '1')
    equal(client.call('SAVE'), OK)
    const file = Buffer.from(server.disk.contents('/data/dump.rdb')!).toString('latin1')
    ok(file.includes(`repl-id(${id}`))
    ok(file.includes('repl-offset') && file.includes('repl-stream-db'))
  })
})
