// Goal: whatever happens while writers are held (pauses, cuts that open and close, clients that
// go, wait for keys, run transactions), each command runs once, in its client's order, and all are
// answered in the end. Method: seeded random events on a whole server. Each client counts in a key
// of its own, so that its replies must be 1, 2, 3 and so on.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Random } from '../base/random.ts'
import { Flag } from '../command/command.ts'
import { FakeSource } from './test-delay.ts'
import { encode, type TestClient, TestServer } from './test-server.ts'

const SEED = Number(process.env['SEED'] ?? 1)
const RUNS = 20
const EVENTS = 600
const BOUND = 200

/** A client, what it has sent and what has come back. */
interface Counting {
  readonly client: TestClient
  readonly key: string
  sent: number
  expected: string
  received: string
}

class Model {
  readonly server = new TestServer()
  readonly source = new FakeSource()
  readonly random: Random
  readonly admin = this.server.connect()
  readonly pusher = this.server.connect()
  counting: Counting[] = []
  #names = 0

  constructor(seed: number) {
    this.random = new Random(seed)
    const { writeDelay, dispatcher } = this.server.engine.server
    writeDelay.source = this.source
    dispatcher.onExecuted = ({ flags }) => {
      if ((flags & Flag.Write) !== 0) this.source.openCut?.take(this.random.below(3))
    }
  }

  connect(): void {
    const key = `k${this.#names++}`
    this.counting.push({ client: this.server.connect(), key, sent: 0, expected: '', received: '' })
  }

  /** A client sends some commands, sometimes as a transaction, or with a wait for a key. */
  send(each: Counting): void {
    const count = 1 + this.random.below(this.random.below(4) === 0 ? 60 : 3)
    const replies = Array.from({ length: count }, () => `:${++each.sent}\r\n`)
    let text = encode(['INCR', each.key]).repeat(count)
    let expected = replies.join('')
    if (this.random.below(5) === 0) {
      text = encode(['MULTI']) + text + encode(['EXEC'])
      expected = `+OK\r\n${'+QUEUED\r\n'.repeat(count)}*${count}\r\n${expected}`
    } else if (this.random.below(8) === 0) {
      // Waits for a key that another client's push gives it.
      text = encode(['BLPOP', `list:${each.key}`, '0']) + text
      const name = `list:${each.key}`
      expected = `*2\r\n$${name.length}\r\n${name}\r\n$1\r\nx\r\n${expected}`
      this.pusher.call('LPUSH', name, 'x')
    }
    each.expected += expected
    each.received += each.client.send(text)
  }

  step(): void {
    const { source, random, server, admin } = this
    const cut = source.openCut
    const each = this.counting[random.below(this.counting.length)]
    const event = random.below(40)
    if (event === 0 || this.counting.length < 3) this.connect()
    else if (event === 1 && each !== undefined) this.drop(each)
    else if (event === 2) source.open(BOUND).take(random.below(BOUND))
    else if (event === 3 && random.below(4) === 0) source.openCut = null
    else if (event === 4) admin.call('CLIENT', 'PAUSE', '50', 'WRITE')
    else if (event === 5) admin.call('CLIENT', 'UNPAUSE')
    else if (event === 6 && random.below(8) === 0) this.pauseAll()
    else if (event < 9) cut?.drain(random.below(20))
    else if (event < 15) server.clock.advance(random.below(3))
    else if (each !== undefined) this.send(each)
    this.check()
  }

  /** It goes, or is killed; what it was answered until then is right. */
  drop(each: Counting): void {
    each.received += each.client.take()
    assert.ok(each.expected.startsWith(each.received))
    this.counting = this.counting.filter((other) => other !== each)
    each.client.close()
  }

  /** Holds everybody, the administrator as well, until the cron sees that the time is up. */
  pauseAll(): void {
    this.admin.call('CLIENT', 'PAUSE', '50', 'ALL')
    for (const each of this.counting) if (this.random.below(2) === 0) this.send(each)
    this.server.clock.advance(200)
  }

  check(): void {
    const { writeDelay, clients } = this.server.engine.server
    writeDelay.check(clients)
  }

  end(): void {
    this.source.openCut = null
    this.admin.call('CLIENT', 'UNPAUSE')
    this.server.clock.advance(2000)
    for (const { client, expected, received } of this.counting) {
      assert.equal(received + client.take(), expected)
    }
    const { writeDelay } = this.server.engine.server
    assert.equal(writeDelay.waitingCount, 0)
    assert.equal(writeDelay.totals.ended, writeDelay.totals.count)
    assert.match(this.admin.call('INFO', 'clients'), /blocked_clients:0\r/)
  }
}

describe('the write delay among everything else', () => {
  it('forgets nobody and serves nobody twice', () => {
    console.log(`SEED=${SEED}`)
    let delays = 0
    for (let run = 0; run < RUNS; run++) {
      const model = new Model(SEED + run)
      for (let i = 0; i < 5; i++) model.connect()
      for (let i = 0; i < EVENTS; i++) model.step()
      model.end()
      delays += model.server.engine.server.writeDelay.totals.count
    }
    assert.ok(delays > RUNS * 50, `${delays} delays`)
  })
})
