// Goal: a client that waits for a key is served when there is one, in its turn, once, or is told
// when its time is up. Method: the whole engine on fake doors with blocking commands on strings
// (test-blocking.ts); literal replies. The model test blocks, pushes and unblocks at random.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Random } from '../base/random.ts'
import { testBlockingCommands } from './test-blocking.ts'
import { encode, type TestClient, TestServer } from './test-server.ts'

const OK = '+OK\r\n'
const NIL_ARRAY = '*-1\r\n'

function start(config: Record<string, string> = {}): TestServer {
  return new TestServer({ commands: testBlockingCommands, config })
}

/** A client that waits for `key`. */
function waiting(server: TestServer, key: string, seconds = '0'): TestClient {
  const client = server.connect()
  assert.equal(client.call('BTAKE', key, seconds), '')
  return client
}

/** What BTAKE answers. */
function taken(key: string, value: string): string {
  return `*2\r\n$${key.length}\r\n${key}\r\n$${value.length}\r\n${value}\r\n`
}

function fieldOf(server: TestServer, section: string, name: string): string {
  const info = server.connect().call('INFO', section)
  return new RegExp(`^${name}:(.*)\r$`, 'm').exec(info)?.[1] ?? ''
}

describe('a blocked client', () => {
  it('is served at once when there is a key', () => {
    const server = start()
    const client = server.connect()
    client.call('SET', 'k', 'v')
    assert.equal(client.call('BTAKE', 'k', '0'), taken('k', 'v'))
  })

  it('is served when the key comes, and shown until then', () => {
    const server = start()
    const client = waiting(server, 'k')
    const pusher = server.connect()
    assert.match(pusher.call('CLIENT', 'LIST'), /id=1 .* flags=b .* cmd=btake/)
    assert.equal(fieldOf(server, 'clients', 'blocked_clients'), '1')
    assert.equal(fieldOf(server, 'clients', 'clients_in_timeout_table'), '0')
    assert.equal(pusher.call('SET', 'k', 'v'), OK)
    assert.equal(client.take(), taken('k', 'v'))
    assert.equal(pusher.call('EXISTS', 'k'), ':0\r\n')
    assert.equal(fieldOf(server, 'clients', 'blocked_clients'), '0')
    assert.equal(server.engine.server.followers.isOn, false)
  })

  it('is served between two commands of one pipeline', () => {
    const server = start()
    const client = waiting(server, 'k')
    const pusher = server.connect()
    const set = encode(['SET', 'k', 'v'])
    assert.equal(pusher.send(`${set}${encode(['EXISTS', 'k'])}`), `${OK}:0\r\n`)
    assert.equal(client.take(), taken('k', 'v'))
  })

  it('sends commands that run after its answer', () => {
    const server = start()
    const client = waiting(server, 'k')
    assert.equal(client.send(`PING\r\n${encode(['BTAKE', 'k', '0'])}PING\r\n`), '')
    const pusher = server.connect()
    pusher.call('SET', 'k', '1')
    assert.equal(client.take(), `${taken('k', '1')}+PONG\r\n`)
    pusher.call('SET', 'k', '2')
    assert.equal(client.take(), `${taken('k', '2')}+PONG\r\n`)
  })

  it('is served in the database that it has selected', () => {
    const server = start()
    const client = server.connect()
    client.send(encode(['SELECT', '3']) + encode(['BTAKE', 'k', '0']))
    client.take()
    const pusher = server.connect()
    pusher.call('SET', 'k', '0')
    assert.equal(client.take(), '')
    pusher.call('SELECT', '3')
    pusher.call('SET', 'k', '3')
    assert.equal(client.take(), taken('k', '3'))
    pusher.call('SELECT', '0')
    assert.equal(pusher.call('GET', 'k'), '$1\r\n0\r\n')
  })

  it('keeps its place while the key has a wrong type', () => {
    const server = start()
    const first = waiting(server, 'k')
    const second = waiting(server, 'k')
    const pusher = server.connect()
    assert.equal(pusher.call('SET', 'k', '!'), OK)
    assert.equal(first.take() + second.take(), '')
    assert.match(server.connect().call('BTAKE', 'k', '0'), /^-WRONGTYPE/)
    pusher.call('SET', 'k', '1')
    assert.equal(first.take(), taken('k', '1'))
    assert.equal(second.take(), '')
  })

  it('gets an error that its command meets later, and leaves the key to the next', () => {
    const server = start()
    const pusher = server.connect()
    pusher.call('SET', 'full', 'x')
    const first = server.connect()
    first.call('BCARRY', 'k', 'full', '0')
    const second = waiting(server, 'k')
    pusher.call('SET', 'k', 'v')
    assert.match(first.take(), /^-WRONGTYPE/)
    assert.equal(second.take(), taken('k', 'v'))
    assert.match(pusher.call('INFO', 'commandstats'), /bcarry:calls=1,.*failed_calls=1/)
  })

  it('may give the same key twice', () => {
    const server = start()
    const client = server.connect()
    client.call('BTAKE', 'k', 'k', '0')
    server.connect().call('SET', 'k', 'v')
    assert.equal(client.take(), taken('k', 'v'))
    assert.equal(server.engine.server.followers.isOn, false)
  })

  it('costs nothing when its socket closes', () => {
    const server = start()
    const gone = waiting(server, 'k', '10')
    const next = waiting(server, 'k')
    gone.close()
    assert.equal(fieldOf(server, 'clients', 'clients_in_timeout_table'), '0')
    const pusher = server.connect()
    pusher.call('SET', 'k', 'v')
    assert.equal(next.take(), taken('k', 'v'))
    const killed = server.connect()
    const id = killed.call('CLIENT', 'ID').slice(1).trimEnd()
    killed.call('BTAKE', 'k', '0')
    assert.equal(pusher.call('CLIENT', 'KILL', 'ID', id), ':1\r\n')
    assert.equal(killed.isClosed, true)
    assert.equal(server.engine.server.followers.isOn, false)
  })

  it('is not closed for being idle', () => {
    const server = start({ timeout: '1' })
    const client = waiting(server, 'k')
    server.clock.advance(5000)
    assert.equal(client.isClosed, false)
  })
})

describe('waiting in line', () => {
  it('serves the oldest first, one key for one client', () => {
    const server = start()
    const clients = [1, 2, 3].map(() => waiting(server, 'k'))
    const pusher = server.connect()
    for (const [i, client] of clients.entries()) {
      pusher.call('SET', 'k', String(i))
      assert.equal(client.take(), taken('k', String(i)))
    }
  })

  it('goes on as long as keys become ready', () => {
    const server = start()
    const last = waiting(server, 'c')
    const [second, first] = [server.connect(), server.connect()]
    second.call('BCARRY', 'b', 'c', '0')
    first.call('BCARRY', 'a', 'b', '0')
    const pusher = server.connect()
    assert.equal(pusher.call('SET', 'a', 'v'), OK)
    assert.equal(first.take(), '$1\r\nv\r\n')
    assert.equal(second.take(), '$1\r\nv\r\n')
    assert.equal(last.take(), taken('c', 'v'))
    assert.equal(pusher.call('EXISTS', 'a', 'b', 'c'), ':0\r\n')
  })

  it('begins again at the end after an answer', () => {
    const server = start()
    const eager = waiting(server, 'k')
    eager.send(encode(['BTAKE', 'k', '0']))
    const patient = waiting(server, 'k')
    const pusher = server.connect()
    pusher.send(encode(['SET', 'k', '1']) + encode(['SET', 'k', '2']))
    assert.equal(eager.take(), taken('k', '1'))
    assert.equal(patient.take(), taken('k', '2'))
  })

  it('serves a thousand clients by one command each', () => {
    const server = start()
    const clients = Array.from({ length: 1000 }, () => waiting(server, 'k'))
    const { dispatcher } = server.engine.server
    const retry = dispatcher.retry.bind(dispatcher)
    let runs = 0
    dispatcher.retry = (...given) => {
      runs++
      return retry(...given)
    }
    const pusher = server.connect()
    for (let i = 0; i < 10; i++) pusher.call('SET', 'k', String(i))
    assert.equal(runs, 10)
    assert.equal(clients.filter((client) => client.take() !== '').length, 10)
  })
})

describe('what makes keys ready', () => {
  it('is a whole transaction, not each of its commands', () => {
    const server = start()
    const client = waiting(server, 'k')
    const pusher = server.connect()
    pusher.call('MULTI')
    for (const value of ['1', '2', '3']) pusher.call('SET', 'k', value)
    assert.equal(client.take(), '')
    assert.equal(pusher.call('EXEC'), `*3\r\n${OK.repeat(3)}`)
    assert.equal(client.take(), taken('k', '3'))
  })

  it('is nothing when the transaction takes the key away again', () => {
    const server = start()
    const client = waiting(server, 'k')
    const pusher = server.connect()
    const lines = ['MULTI', 'SET k v', 'DEL k', 'EXEC'].map((line) => encode(line.split(' ')))
    pusher.send(lines.join(''))
    assert.equal(client.take(), '')
    pusher.call('SET', 'k', 'v')
    assert.equal(client.take(), taken('k', 'v'))
  })

  it('are RENAME, MOVE and SWAPDB as well', () => {
    const server = start()
    const pusher = server.connect()
    pusher.call('SET', 'other', 'v')
    const renamed = waiting(server, 'k')
    pusher.call('RENAME', 'other', 'k')
    assert.equal(renamed.take(), taken('k', 'v'))
    const moved = waiting(server, 'k')
    pusher.send(encode(['SELECT', '1']) + encode(['SET', 'k', 'w']) + encode(['MOVE', 'k', '0']))
    assert.equal(moved.take(), taken('k', 'w'))
    const swapped = waiting(server, 'k')
    pusher.call('SET', 'k', 'x')
    assert.equal(pusher.call('SWAPDB', '0', '1'), OK)
    assert.equal(swapped.take(), taken('k', 'x'))
  })

  it('are removals, for those who wait for streams only', () => {
    for (const removal of [['DEL', 'k'], ['FLUSHDB'], ['FLUSHALL'], ['SWAPDB', '0', '9']]) {
      const server = start()
      const pusher = server.connect()
      pusher.call('SET', 'k', '!')
      const stream = server.connect()
      stream.call('BSTREAM', 'k', '0')
      const other = server.connect()
      other.call('BTAKE', 'absent', 'k2', '0')
      pusher.call(...removal)
      assert.equal(stream.take(), '-ERR no such key\r\n')
      assert.equal(other.take(), '')
    }
  })

  it('is the end of a key that nobody looks at, found by the cron', () => {
    const server = start()
    const pusher = server.connect()
    pusher.call('SET', 'k', '!', 'PX', '50')
    const stream = server.connect()
    stream.call('BSTREAM', 'k', '0')
    server.clock.advance(49)
    assert.equal(stream.take(), '')
    server.clock.advance(300)
    assert.equal(stream.take(), '-ERR no such key\r\n')
  })
})

describe('a time limit', () => {
  it('ends the wait to the millisecond, with the nil of the command and protocol', () => {
    const server = start()
    const rows: [string[], '2' | '3', string][] = [
      [['BTAKE', 'k', '0.05'], '2', NIL_ARRAY],
      [['BCARRY', 'k', 't', '0.05'], '2', '$-1\r\n'],
      [['BTAKE', 'k', '0.05'], '3', '_\r\n'],
      [['WAIT', '1', '50'], '2', ':0\r\n'],
    ]
    for (const [command, version, expected] of rows) {
      const client = server.connect()
      client.call('HELLO', version)
      assert.equal(client.call(...command), '')
      server.clock.advance(49)
      assert.equal(client.take(), '')
      server.clock.advance(1)
      assert.equal(client.take(), expected)
    }
    assert.equal(fieldOf(server, 'clients', 'clients_in_timeout_table'), '0')
  })

  it('stays what it was after a run that found nothing', () => {
    const server = start()
    const client = waiting(server, 'k', '1')
    const pusher = server.connect()
    server.clock.advance(600)
    pusher.call('SET', 'k', '!')
    server.clock.advance(399)
    assert.equal(client.take(), '')
    server.clock.advance(1)
    assert.equal(client.take(), NIL_ARRAY)
  })

  it('ends in the order of the limits, whatever the order of the commands', () => {
    const server = start()
    const seconds = ['0.5', '0.1', '0.3', '0.2', '0.4']
    const clients = seconds.map((each) => waiting(server, 'k', each))
    for (let step = 1; step <= 5; step++) {
      server.clock.advance(100)
      const done = clients.filter((client) => client.take() !== '')
      assert.deepEqual(done, [clients[seconds.indexOf(`0.${step}`)]])
    }
  })

  it('of more than the longest timer does not end early', () => {
    const server = start({ hz: '1' })
    const after = server.clock.after.bind(server.clock)
    server.clock.after = (delayMs, run) => {
      assert.ok(delayMs < 2 ** 31)
      return after(delayMs, run)
    }
    const client = waiting(server, 'k', '10000000')
    server.clock.advance(3_700_000)
    assert.equal(client.take(), '')
    server.connect().call('SET', 'k', 'v')
    assert.equal(client.take(), taken('k', 'v'))
  })

  it('is followed by what was sent meanwhile', () => {
    const server = start()
    const client = waiting(server, 'k', '0.1')
    client.send('PING\r\n')
    server.clock.advance(100)
    assert.equal(client.take(), `${NIL_ARRAY}+PONG\r\n`)
  })
})

describe('CLIENT UNBLOCK', () => {
  it('ends a wait as if its time were up, or with an error', () => {
    const server = start()
    const client = waiting(server, 'k', '100')
    const other = server.connect()
    client.send('PING\r\n')
    assert.equal(other.call('CLIENT', 'UNBLOCK', '1'), ':1\r\n')
    assert.equal(client.take(), `${NIL_ARRAY}+PONG\r\n`)
    assert.equal(other.call('CLIENT', 'UNBLOCK', '1'), ':0\r\n')
    client.call('BTAKE', 'k', '0')
    assert.equal(other.call('CLIENT', 'UNBLOCK', '1', 'ERROR'), ':1\r\n')
    assert.equal(client.take(), '-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n')
    assert.match(other.call('INFO', 'errorstats'), /errorstat_UNBLOCKED:count=1/)
    assert.equal(other.call('CLIENT', 'UNBLOCK', '99'), ':0\r\n')
  })

  it('leaves those alone whom CLIENT PAUSE holds up', () => {
    const server = start()
    const client = server.connect()
    const other = server.connect()
    other.call('CLIENT', 'PAUSE', '1000', 'WRITE')
    assert.equal(client.call('SET', 'k', 'v'), '')
    assert.equal(other.call('CLIENT', 'UNBLOCK', '1'), ':0\r\n')
    assert.equal(client.take(), '')
  })

  it('may come in the middle of a transaction', () => {
    const server = start()
    const client = waiting(server, 'k')
    const other = server.connect()
    other.call('MULTI')
    other.call('CLIENT', 'UNBLOCK', '1')
    other.call('PING')
    assert.equal(other.call('EXEC'), '*2\r\n:1\r\n+PONG\r\n')
    assert.equal(client.take(), NIL_ARRAY)
  })
})

describe('blocking and the rest of the server', () => {
  it('counts a call once and not the time of waiting', () => {
    const server = start({ 'slowlog-log-slower-than': '1000' })
    const client = waiting(server, 'k')
    server.clock.advance(5000)
    const other = server.connect()
    other.call('SET', 'k', 'v')
    assert.equal(client.take(), taken('k', 'v'))
    assert.match(other.call('INFO', 'commandstats'), /cmdstat_btake:calls=1,usec=0,/)
    assert.equal(other.call('SLOWLOG', 'LEN'), ':0\r\n')
  })

  it('waits for nothing inside of a transaction', () => {
    const server = start()
    const client = server.connect()
    client.call('MULTI')
    client.call('BTAKE', 'k', '0')
    client.call('WAIT', '1', '0')
    assert.equal(client.call('EXEC'), `*2\r\n${NIL_ARRAY}:0\r\n`)
  })

  it('answers nothing to who wants no answers', () => {
    const server = start()
    const client = server.connect()
    const pusher = server.connect()
    const skip = encode(['CLIENT', 'REPLY', 'SKIP'])
    assert.equal(client.send(`${skip}${encode(['BTAKE', 'k', '0'])}PING\r\n`), '')
    pusher.call('SET', 'k', 'v')
    assert.equal(client.take(), '+PONG\r\n')
    client.send(encode(['CLIENT', 'REPLY', 'OFF']) + encode(['BTAKE', 'k', '0.1']))
    server.clock.advance(200)
    assert.equal(client.take(), '')
    assert.equal(client.call('CLIENT', 'REPLY', 'ON'), OK)
  })

  it('serves a waiter although the pusher has an output limit', () => {
    const server = start({ 'client-output-buffer-limit': 'normal 1000 0 0' })
    const client = waiting(server, 'k')
    const pusher = server.connect()
    const text = `PING\r\n${encode(['SET', 'k', 'v'])}PING\r\n`
    assert.equal(pusher.send(text), `+PONG\r\n${OK}+PONG\r\n`)
    assert.equal(client.take(), taken('k', 'v'))
  })

  it('WAIT answers at once when no replica is asked for', () => {
    const client = start().connect()
    assert.equal(client.call('WAIT', '0', '0'), ':0\r\n')
    assert.equal(client.call('WAIT', '-1', '0'), ':0\r\n')
    assert.match(client.call('WAIT', 'x', '0'), /^-ERR value is not an integer/)
    assert.match(client.call('WAIT', '0', '-1'), /^-ERR timeout is negative/)
    assert.match(client.call('WAIT', '0', 'x'), /^-ERR timeout is not an integer/)
  })
})

describe('many clients and keys', () => {
  it('are served as a model says, whatever happens in between', () => {
    const seed = Number(process.env['SEED'] ?? 1)
    console.log(`SEED=${seed}`)
    for (let round = 0; round < 20; round++) runModel(seed + round)
  })
})

interface ModelWaiter {
  readonly client: TestClient
  readonly id: number
  readonly keys: readonly string[]
  readonly deadlineMs: number
}

/** Every client waits again after each answer; the model keeps them in the order of waiting. */
function runModel(seed: number): void {
  const random = new Random(seed)
  const server = start()
  const pusher = server.connect()
  const line: ModelWaiter[] = []
  const idle = Array.from({ length: 6 }, (_, i) => ({ client: server.connect(), id: i + 2 }))
  const leave = (waiter: ModelWaiter, expected: string) => {
    assert.equal(waiter.client.take(), expected)
    line.splice(line.indexOf(waiter), 1)
    idle.push(waiter)
  }
  for (let step = 0; step < 300; step++) {
    const choice = random.below(10)
    const [next] = idle
    if (choice < 5 && next !== undefined) {
      idle.shift()
      const keys = Array.from({ length: 1 + random.below(3) }, () => `k${random.below(4)}`)
      const ms = random.below(3) === 0 ? 0 : 1 + random.below(200)
      assert.equal(next.client.call('BTAKE', ...keys, String(ms / 1000)), '')
      line.push({ ...next, keys, deadlineMs: ms === 0 ? Infinity : server.clock.nowMs() + ms })
    } else if (choice < 8) {
      const key = `k${random.below(4)}`
      pusher.call('SET', key, String(step))
      const first = line.find(({ keys }) => keys.includes(key))
      if (first === undefined) pusher.call('DEL', key)
      else leave(first, taken(key, String(step)))
    } else if (choice === 8) {
      server.clock.advance(random.below(100))
      const late = line.filter(({ deadlineMs }) => deadlineMs <= server.clock.nowMs())
      for (const waiter of late) leave(waiter, NIL_ARRAY)
    } else {
      const id = 2 + random.below(6)
      const waiter = line.find((each) => each.id === id)
      const reply = pusher.call('CLIENT', 'UNBLOCK', String(id))
      assert.equal(reply, waiter === undefined ? ':0\r\n' : ':1\r\n')
      if (waiter !== undefined) leave(waiter, NIL_ARRAY)
    }
    for (const { client } of line) assert.equal(client.take(), '')
  }
}
