// Goal: who runs the stream of changes again, on an empty server, at another time, has the same
// data. Method: random commands of all types on an engine, with time going on so that keys and
// fields expire, actively or when somebody meets them; the stream run again by `Replay` on a second
// engine, in half of the rounds some minutes later; then both digests, and what they tell of
// deadlines.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../src/base/random.ts'
import type { Args } from '../../src/resp/args.ts'
import { keyspaceDigest } from '../../src/server/digest.ts'
import { type TestClient, TestServer } from '../../src/server/test-server.ts'
import { TestSink } from '../../src/server/test-sink.ts'
import type { ParsedRow } from './rows.ts'
import { makeScript, type Script } from './script.ts'

const SEED = Number(process.env['SEED'] ?? 4711)
const ROUNDS = Number(process.env['ROUNDS'] ?? 12)
const COMMANDS = 400
/** When all that was given less than 100 s is due. */
const LATER_MS = 150_000
/** Of 100 commands, how many are followed by a pause in which much expires. */
const PAUSE_PERCENT = 2
const PAUSE_MS = 45_000
const DATABASES = 2
const START_MS = 1_700_000_000_000
/** In this time active expiry removes all that is due. */
const EXPIRY_MS = 3000

/** Nothing waits here, and what a history that is read again does to it is not repeated. */
function isRepeatable(row: ParsedRow): boolean {
  if (row.isBlocking === true || row.name === 'debug') return false
  return row.name !== 'xreadgroup' || row.form.endsWith('>')
}

/** Runs a script, and further commands that make fields and keys expire soon. */
function runScript(server: TestServer, script: Script, random: Random): void {
  const client = server.connect()
  client.call('CONFIG', 'SET', ...Object.entries(script.config).flat())
  for (const { words } of script.steps) {
    client.call(...words)
    server.clock.advance(random.below(3))
    addDeadlines(client, random)
    if (random.below(100) < PAUSE_PERCENT) {
      server.engine.server.isActiveExpireOn = random.below(2) === 0
      server.clock.advance(PAUSE_MS)
    }
  }
  client.call('DISCARD')
}

function addDeadlines(client: TestClient, random: Random): void {
  const hash = `hash:${random.below(3)}`
  const field = `m:${random.below(8)}`
  const ms = `${1 + random.below(60_000)}`
  switch (random.below(24)) {
    case 0:
      return void client.call('HPEXPIRE', hash, ms, 'FIELDS', '2', field, '3')
    case 1:
      return void client.call('HSETNX', hash, field, ms)
    case 2:
      return void client.call('HINCRBY', hash, '3', '1')
    case 3:
      return void client.call('HINCRBYFLOAT', hash, '6', '1.5')
    case 4:
      return void client.call('HPERSIST', hash, 'FIELDS', '2', field, '6')
    case 5:
      return void client.call('PEXPIRE', `zset:${random.below(3)}`, ms)
    case 6:
      return void client.call('COPY', hash, `hash:${random.below(3)}`, 'REPLACE')
    case 7:
      return void client.call('HDEL', hash, field)
    default:
  }
}

/** Keys with type, deadline, and the deadlines of fields. */
function stateOf(server: TestServer): string[] {
  const lines: string[] = []
  const client = server.connect()
  for (let database = 0; database < DATABASES; database++) {
    client.call('SELECT', `${database}`)
    const reply = client.call('KEYS', '*')
    for (const key of reply.split('\r\n').filter((line) => /^\w+:\d+$/.test(line))) {
      const about = [client.call('TYPE', key), client.call('PEXPIRETIME', key)]
      if (key.startsWith('hash')) {
        const fields = ['3', '6', 'm:1', 'm:2', 'm:4', 'm:5', 'm:7']
        about.push(client.call('HPEXPIRETIME', key, 'FIELDS', `${fields.length}`, ...fields))
      }
      lines.push(`${database} ${key} ${about.join(' ')}`.replaceAll('\r\n', ' '))
    }
  }
  return lines.sort()
}

test('the stream of changes, run again, gives the same data', () => {
  console.log(`SEED=${SEED}`)
  let total = 0
  for (let round = 0; round < ROUNDS; round++) {
    const seed = SEED + round
    const random = new Random(seed)
    const source = new TestServer({ startMs: START_MS, seed })
    const sink = new TestSink()
    source.engine.server.propagation.attach(sink)
    const script = makeScript(random, COMMANDS, isRepeatable)
    runScript(source, script, random)
    const commands = sink.takeArgs()
    total += commands.length
    // At once, and when all that can expire has.
    const laterMs = round % 2 === 0 ? 0 : LATER_MS
    const target = new TestServer({ startMs: source.clock.nowMs() + laterMs, seed: seed + 1 })
    // The bytes of sketches depend on these.
    target.connect().call('CONFIG', 'SET', ...Object.entries(script.config).flat())
    runAgain(target, commands, seed)
    target.engine.server.keyspace.check()
    source.clock.advance(laterMs)
    for (const server of [source, target]) {
      server.engine.server.isActiveExpireOn = true
      server.clock.advance(EXPIRY_MS)
    }
    assert.deepEqual(stateOf(target), stateOf(source), `SEED=${seed}`)
    const [digest, again] = [source, target].map((server) =>
      keyspaceDigest(server.engine.server.keyspace),
    )
    assert.equal(again, digest, `SEED=${seed}`)
  }
  assert.ok(total > ROUNDS * 50, `${total} commands were run again`)
})

function runAgain({ engine }: TestServer, commands: readonly Args[], seed: number): void {
  for (const args of commands) {
    const error = engine.replay.run(args)
    const words = Array.from({ length: args.count }, (_, i) => args.text(i)).join(' ')
    assert.equal(error, null, `SEED=${seed}: ${words}: ${error?.message}`)
  }
  assert.equal(engine.replay.isInTransaction, false)
}
