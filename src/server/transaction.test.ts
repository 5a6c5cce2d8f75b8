// Goal: MULTI, EXEC, DISCARD, WATCH and UNWATCH as Redis 7.0 has them. Method: the whole engine on
// fake doors, literal replies; and a model of what is watched, which knows by what commands reply
// whether a key was changed.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Random } from '../base/random.ts'
import { testBlockingCommands } from './test-blocking.ts'
import { encode, type TestClient, TestServer } from './test-server.ts'

const OK = '+OK\r\n'
const QUEUED = '+QUEUED\r\n'
const NIL = '*-1\r\n'
const ABORTED = '-EXECABORT Transaction discarded because of previous errors.\r\n'

/** Sends lines of words; returns all replies. */
function talk(client: TestClient, ...lines: readonly string[]): string {
  return client.send(lines.map((line) => encode(line.split(' '))).join(''))
}

describe('a transaction', () => {
  it('queues, then runs in one go', () => {
    const server = new TestServer()
    const client = server.connect()
    const other = server.connect()
    assert.equal(talk(client, 'MULTI', 'SET k 1', 'INCR k', 'GET k'), OK + QUEUED.repeat(3))
    assert.equal(other.call('EXISTS', 'k'), ':0\r\n')
    assert.equal(client.call('EXEC'), `*3\r\n${OK}:2\r\n$1\r\n2\r\n`)
    assert.equal(client.call('EXEC'), '-ERR EXEC without MULTI\r\n')
    assert.equal(talk(client, 'MULTI', 'EXEC'), `${OK}*0\r\n`)
  })

  it('keeps copies of what was sent', () => {
    const client = new TestServer().connect()
    client.call('MULTI')
    const value = 'x'.repeat(100_000)
    let text = ''
    for (const letter of [encode(['SET', 'k', value]), encode(['GET', 'k']), encode(['EXEC'])]) {
      text += client.send(letter.slice(0, 7)) + client.send(letter.slice(7))
    }
    assert.equal(text, `${QUEUED.repeat(2)}*2\r\n${OK}$100000\r\n${value}\r\n`)
  })

  it('goes on behind an error, which is counted for its command only', () => {
    const client = new TestServer().connect()
    talk(client, 'SET k text', 'CONFIG RESETSTAT')
    assert.equal(
      talk(client, 'MULTI', 'SET a 1', 'INCR k', 'SET b 2', 'EXEC'),
      `${OK}${QUEUED.repeat(3)}*3\r\n${OK}-ERR value is not an integer or out of range\r\n${OK}`,
    )
    assert.equal(client.call('MGET', 'a', 'b'), '*2\r\n$1\r\n1\r\n$1\r\n2\r\n')
    const statistics = client.call('INFO', 'commandstats')
    assert.match(statistics, /cmdstat_incr:calls=1,.*failed_calls=1/)
    assert.match(statistics, /cmdstat_exec:calls=1,.*rejected_calls=0,failed_calls=0/)
    assert.match(statistics, /cmdstat_set:calls=2,/)
    assert.match(client.call('INFO', 'errorstats'), /errorstat_ERR:count=1/)
  })

  it('is refused as a whole when something could not be queued', () => {
    const client = new TestServer().connect()
    const wrong = [
      ['NOSUCH', /^-ERR unknown command 'NOSUCH'/],
      ['SET k', /^-ERR wrong number of arguments for 'set' command/],
      ['CLIENT NOSUCH', /^-ERR unknown subcommand 'NOSUCH'/],
      ['SAVE', /^-ERR Command not allowed inside a transaction/],
    ] as const
    for (const [line, expected] of wrong) {
      talk(client, 'MULTI', 'SET k v')
      assert.match(talk(client, line), expected)
      assert.equal(talk(client, 'SET k w', 'EXEC', 'EXISTS k'), `${QUEUED}${ABORTED}:0\r\n`)
    }
  })

  it('survives MULTI and WATCH inside of it', () => {
    const client = new TestServer().connect()
    assert.equal(
      talk(client, 'MULTI', 'MULTI', 'WATCH k', 'PING', 'EXEC'),
      `${OK}-ERR MULTI calls can not be nested\r\n` +
        `-ERR WATCH inside MULTI is not allowed\r\n${QUEUED}*1\r\n+PONG\r\n`,
    )
  })

  it('ends with DISCARD, RESET, QUIT and a wrong EXEC', () => {
    const server = new TestServer()
    const client = server.connect()
    assert.equal(client.call('DISCARD'), '-ERR DISCARD without MULTI\r\n')
    assert.equal(talk(client, 'MULTI', 'SET k v', 'DISCARD'), OK + QUEUED + OK)
    assert.equal(
      talk(client, 'MULTI', 'SET k v', 'RESET', 'PING'),
      `${OK}${QUEUED}+RESET\r\n+PONG\r\n`,
    )
    assert.equal(
      talk(client, 'MULTI', 'EXEC now', 'EXEC'),
      `${OK}-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' ` +
        'command\r\n-ERR EXEC without MULTI\r\n',
    )
    assert.equal(talk(client, 'MULTI', 'SET k v', 'QUIT'), OK + QUEUED + OK)
    assert.equal(client.isClosed, true)
    assert.equal(server.connect().call('EXISTS', 'k'), ':0\r\n')
  })

  it('keeps the database that it selects, and the mode of replies', () => {
    const client = new TestServer().connect()
    talk(client, 'MULTI', 'SELECT 2', 'SET k v', 'EXEC')
    assert.equal(talk(client, 'GET k', 'SELECT 0', 'EXISTS k'), `$1\r\nv\r\n${OK}:0\r\n`)
    const muted = talk(client, 'CLIENT REPLY OFF', 'MULTI', 'SET k v', 'EXEC')
    assert.equal(muted, '')
    assert.equal(talk(client, 'CLIENT REPLY ON', 'EXISTS k'), `${OK}:1\r\n`)
    const skipped = talk(client, 'CLIENT REPLY SKIP', 'MULTI', 'PING', 'EXEC')
    assert.equal(skipped, `${QUEUED}*1\r\n+PONG\r\n`)
  })

  it('is shown by CLIENT LIST', () => {
    const client = new TestServer().connect()
    assert.match(client.call('CLIENT', 'INFO'), / flags=N .* multi=-1 .* multi-mem=0 /)
    talk(client, 'WATCH k', 'MULTI', 'PING')
    assert.match(talk(client, 'CLIENT INFO', 'EXEC'), / flags=x .* multi=2 .* multi-mem=[1-9]/)
    talk(client, 'WATCH k', 'SET k v')
    assert.match(client.call('CLIENT', 'INFO'), / flags=d .* multi=-1 /)
  })

  it('answers at once what else would be answered later', () => {
    const server = new TestServer({ hasPersistence: true, config: { save: '900 1' } })
    const client = server.connect()
    talk(client, 'SET k v', 'MULTI', 'FLUSHALL', 'CONFIG SET port 7000', 'DBSIZE')
    assert.equal(client.call('EXEC'), `*3\r\n${OK}${OK}:0\r\n`)
    server.clock.advance(100)
    assert.equal(client.call('PING'), '+PONG\r\n')
  })

  it('is in the slow log by its commands, not by EXEC', () => {
    const server = new TestServer({ config: { 'slowlog-log-slower-than': '0' } })
    const client = server.connect()
    talk(client, 'SLOWLOG RESET', 'MULTI', 'PING', 'EXEC')
    const log = client.call('SLOWLOG', 'GET', '100')
    assert.match(log, /PING/)
    assert.doesNotMatch(log, /EXEC/)
  })
})

describe('a server that refuses', () => {
  const tiny = { maxmemory: '1' }

  it('lets a transaction of readers run while memory is short, but queues no more', () => {
    const server = new TestServer()
    const client = server.connect()
    const other = server.connect()
    const shrink = encode(['CONFIG', 'SET', 'maxmemory', tiny.maxmemory])
    const grow = encode(['CONFIG', 'SET', 'maxmemory', '0'])
    talk(client, 'MULTI', 'GET k')
    other.send(shrink)
    assert.equal(client.call('EXEC'), '*1\r\n$-1\r\n')
    other.send(grow)
    talk(client, 'MULTI', 'SET k v')
    other.send(shrink)
    assert.match(client.call('EXEC'), /^-EXECABORT Transaction discarded because of: OOM /)
    assert.equal(client.call('EXEC'), '-ERR EXEC without MULTI\r\n')
    talk(client, 'MULTI')
    assert.match(client.call('GET', 'k'), /^-OOM /)
    assert.equal(talk(client, 'DISCARD', 'GET k'), `${OK}$-1\r\n`)
  })

  it('holds up a transaction with a writer in a pause of writers', () => {
    const server = new TestServer()
    const writer = server.connect()
    const reader = server.connect()
    const other = server.connect()
    talk(writer, 'MULTI', 'SET k v')
    talk(reader, 'MULTI', 'GET k')
    other.call('CLIENT', 'PAUSE', '1000', 'WRITE')
    assert.equal(writer.call('EXEC'), '')
    assert.equal(reader.call('EXEC'), '*1\r\n$-1\r\n')
    server.clock.advance(1200)
    assert.equal(writer.take(), `*1\r\n${OK}`)
  })

  it('begins a pause that a transaction asks for when it is over', () => {
    const server = new TestServer()
    const client = server.connect()
    talk(client, 'MULTI', 'SET k 1', 'CLIENT PAUSE 1000 WRITE', 'SET k 2')
    assert.equal(client.call('EXEC'), `*3\r\n${OK.repeat(3)}`)
    assert.equal(client.call('SET', 'k', '3'), '')
  })
})

describe('CLIENT PAUSE', () => {
  it('keeps keys whose deadline passes, hidden, and breaks no watch of them by removal', () => {
    const server = new TestServer()
    const client = server.connect()
    talk(client, 'SET k v PX 10', 'CLIENT PAUSE 1000 WRITE')
    server.clock.advance(20)
    assert.equal(talk(client, 'GET k', 'DBSIZE', 'WATCH k'), `$-1\r\n:1\r\n${OK}`)
    server.clock.advance(1200)
    assert.equal(talk(client, 'GET k', 'DBSIZE', 'MULTI', 'EXEC'), `$-1\r\n:0\r\n${OK}*0\r\n`)
  })
})

describe('WATCH', () => {
  it('breaks by any change of a key, one of its own client as well', () => {
    const server = new TestServer()
    const client = server.connect()
    const other = server.connect()
    talk(client, 'SET k 1', 'WATCH a b k c')
    other.call('APPEND', 'k', '2')
    assert.equal(talk(client, 'MULTI', 'PING', 'EXEC'), OK + QUEUED + NIL)
    assert.equal(talk(client, 'MULTI', 'PING', 'EXEC'), `${OK}${QUEUED}*1\r\n+PONG\r\n`)
    talk(client, 'WATCH k', 'SET k 3')
    assert.equal(talk(client, 'MULTI', 'EXEC'), OK + NIL)
  })

  it('does not break by reads, by other keys, and by other databases', () => {
    const server = new TestServer()
    const client = server.connect()
    const other = server.connect()
    talk(client, 'SET k 1', 'WATCH k')
    talk(other, 'GET k', 'SET j 1', 'DEL none', 'SELECT 1', 'SET k 2', 'FLUSHDB')
    assert.equal(talk(client, 'MULTI', 'EXEC'), `${OK}*0\r\n`)
  })

  it('is forgotten by EXEC, DISCARD, UNWATCH, RESET and the end of the client', () => {
    for (const ending of ['MULTI,EXEC', 'MULTI,DISCARD', 'UNWATCH', 'RESET']) {
      const server = new TestServer()
      const client = server.connect()
      talk(client, 'WATCH k', 'SET k v', 'WATCH j', ...ending.split(','), 'SET k w')
      assert.match(talk(client, 'MULTI', 'PING', 'EXEC'), /PONG/, ending)
      assert.equal(server.engine.server.followers.isOn, false, ending)
    }
    const server = new TestServer()
    const gone = server.connect()
    gone.call('WATCH', 'k')
    assert.equal(server.engine.server.followers.isOn, true)
    gone.close()
    assert.equal(server.engine.server.followers.isOn, false)
  })

  it('stays in a transaction that queues UNWATCH', () => {
    const server = new TestServer()
    const client = server.connect()
    talk(client, 'WATCH k', 'MULTI', 'UNWATCH')
    server.connect().call('SET', 'k', 'v')
    assert.equal(client.call('EXEC'), NIL)
  })

  it('breaks when the key expires, met by somebody or not', () => {
    for (const meets of [true, false]) {
      const server = new TestServer()
      const client = server.connect()
      talk(client, 'DEBUG SET-ACTIVE-EXPIRE 0', 'SET k v PX 10', 'WATCH k')
      server.clock.advance(20)
      if (meets) server.connect().call('EXISTS', 'k')
      assert.equal(talk(client, 'MULTI', 'EXEC'), OK + NIL)
    }
  })

  it('takes a key that has expired before for absent', () => {
    const endings = ['DEL k', 'FLUSHDB', 'SWAPDB 0 5', 'GET k']
    for (const ending of endings) {
      const server = new TestServer({ config: { 'enable-debug-command': 'yes' } })
      const client = server.connect()
      const other = server.connect()
      talk(client, 'DEBUG SET-ACTIVE-EXPIRE 0', 'SET k v PX 1')
      server.clock.advance(2)
      client.call('WATCH', 'k')
      talk(other, ending)
      assert.equal(talk(client, 'MULTI', 'EXEC'), `${OK}*0\r\n`, ending)
      client.call('WATCH', 'k')
      other.call('SET', 'k', 'new')
      assert.equal(talk(client, 'MULTI', 'EXEC'), OK + NIL, ending)
    }
  })

  it('takes it for absent as well when SWAPDB brings it or takes it away', () => {
    for (const isThereAlso of [true, false]) {
      const server = new TestServer({ config: { 'enable-debug-command': 'yes' } })
      const client = server.connect()
      talk(client, 'DEBUG SET-ACTIVE-EXPIRE 0', 'SET k v PX 1')
      if (isThereAlso) talk(client, 'SELECT 1', 'SET k v PX 1')
      server.clock.advance(2)
      talk(client, 'SELECT 1', 'WATCH k', 'SWAPDB 0 1')
      assert.equal(talk(client, 'MULTI', 'EXEC'), `${OK}*0\r\n`)
    }
  })

  it('breaks by FLUSHDB, FLUSHALL and SWAPDB if there was or will be such a key', () => {
    const rows = [
      ['FLUSHALL', true, false],
      ['FLUSHDB', true, false],
      ['SWAPDB 0 1', true, true],
    ] as const
    for (const [line, ifThere, ifThereInOther] of rows) {
      for (const place of ['here', 'there', 'nowhere'] as const) {
        const server = new TestServer()
        const client = server.connect()
        const other = server.connect()
        if (place === 'here') talk(other, 'SET k v')
        if (place === 'there') talk(other, 'SELECT 1', 'SET k v', 'SELECT 0')
        client.call('WATCH', 'k')
        assert.equal(talk(other, line), OK)
        const isBroken = place === 'here' ? ifThere : place === 'there' && ifThereInOther
        assert.equal(talk(client, 'MULTI', 'EXEC'), OK + (isBroken ? NIL : '*0\r\n'), line + place)
      }
    }
  })

  it('does not break while its client waits for the key, but by the service', () => {
    const server = new TestServer({ commands: testBlockingCommands })
    const client = server.connect()
    const watcher = server.connect()
    client.call('BTAKE', 'k', '0')
    watcher.call('WATCH', 'k')
    server.connect().call('SET', 'j', 'v')
    assert.equal(talk(watcher, 'MULTI', 'EXEC'), `${OK}*0\r\n`)
    watcher.call('WATCH', 'k')
    server.connect().call('SET', 'k', 'v')
    assert.equal(talk(watcher, 'MULTI', 'EXEC'), OK + NIL)
  })
})

describe('two clients at random', () => {
  it('break each other’s watches as a model says', () => {
    const seed = Number(process.env['SEED'] ?? 1)
    console.log(`SEED=${seed}`)
    for (let round = 0; round < 20; round++) runModel(new Random(seed + round))
  })
})

/** A client of the model: what it watches, as `db key`, and whether one has changed. */
class ModelClient {
  readonly client: TestClient
  readonly watched = new Set<string>()
  database = 0
  isBroken = false

  constructor(client: TestClient) {
    this.client = client
  }

  forget(): void {
    this.watched.clear()
    this.isBroken = false
  }
}

function runModel(random: Random): void {
  const server = new TestServer()
  const clients = [new ModelClient(server.connect()), new ModelClient(server.connect())]
  /** Keys there are, as `db key`. */
  const keys = new Set<string>()
  const change = (name: string) => {
    for (const each of clients) if (each.watched.has(name)) each.isBroken = true
  }
  const flush = (database: number) => {
    for (const name of [...keys].filter((each) => each.startsWith(`${database} `))) {
      keys.delete(name)
      change(name)
    }
  }
  for (let step = 0; step < 400; step++) {
    const self = clients[random.below(2)]!
    const key = `k${random.below(4)}`
    const name = `${self.database} ${key}`
    const { client } = self
    switch (random.below(12)) {
      case 0:
      case 1:
      case 2:
        client.call('WATCH', key)
        if (!self.isBroken) self.watched.add(name)
        break
      case 3:
      case 4:
        client.call('SET', key, String(step))
        keys.add(name)
        change(name)
        break
      case 5:
        client.call('DEL', key)
        if (keys.delete(name)) change(name)
        break
      case 6:
        client.call('GET', key)
        break
      case 7:
        client.call('UNWATCH')
        self.forget()
        break
      case 8:
        self.database = random.below(2)
        client.call('SELECT', String(self.database))
        break
      case 9:
        client.call('FLUSHDB')
        flush(self.database)
        break
      case 10:
        client.call('SWAPDB', '0', '1')
        swap(keys, change)
        break
      default:
        assert.equal(talk(client, 'MULTI', 'EXEC'), OK + (self.isBroken ? NIL : '*0\r\n'))
        self.forget()
    }
  }
  for (const { client } of clients) client.close()
  assert.equal(server.engine.server.followers.isOn, false)
}

/** Exchanges the keys of databases 0 and 1; each one that any of them has is changed in both. */
function swap(keys: Set<string>, change: (name: string) => void): void {
  const old = [...keys]
  keys.clear()
  for (const name of old) {
    const other = `${name.startsWith('0') ? 1 : 0}${name.slice(1)}`
    keys.add(other)
    change(name)
    change(other)
  }
}
