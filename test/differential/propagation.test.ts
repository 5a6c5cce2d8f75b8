// Goal: what this server gives its replicas and its append-only file is what redis-server 7.0 gives
// its replicas. Method: a table of short scripts for each rule, and random commands of all types,
// each on this server (an engine in this process with a sink) and on redis-server (a replica that
// only listens); the streams must be equal but for times.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Random } from '../../src/base/random.ts'
import { Target } from '../../src/command/effects.ts'
import { TestServer as Engine, type TestClient } from '../../src/server/test-server.ts'
import { TestSink } from '../../src/server/test-sink.ts'
import type { RawClient } from '../lib/client.ts'
import { REFERENCE, TestServer } from '../lib/server.ts'
import { sleep } from '../lib/wait.ts'
import { ChangeFeed, comparable } from './change-feed.ts'
import { CHANGE_SCRIPTS } from './change-scripts.ts'
import type { ParsedRow } from './rows.ts'
import { makeScript } from './script.ts'

const SEED = Number(process.env['SEED'] ?? 4711)
const ROUNDS = Number(process.env['ROUNDS'] ?? 12)
const COMMANDS = 150
const skip = REFERENCE === '' ? 'redis-server is not installed' : false
const SLEEP = /^sleep (\d+)$/

let server: TestServer
let feed: ChangeFeed
let theirs: RawClient
/** Marks the end of a script; always in database 0. */
let marker: RawClient
let marks = 0

before(async () => {
  if (REFERENCE === '') return
  const args = ['--repl-diskless-sync', 'no', '--repl-ping-replica-period', '3600']
  server = await TestServer.start({
    command: REFERENCE,
    args: [...args, '--enable-debug-command', 'yes'],
  })
  feed = await ChangeFeed.open(server)
  theirs = await server.connect()
  marker = await server.connect()
  await theirs.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
})

after(async () => {
  if (REFERENCE === '') return
  feed.close()
  theirs.close()
  marker.close()
  await server.stop()
})

/** Ends a script on redis-server, with database 0 selected; what it has sent. */
async function takeTheirs(): Promise<string[]> {
  const mark = `${marks++}`
  await marker.call('PUBLISH', 'mark', mark)
  return comparable(await feed.takeUntil(mark))
}

/** An empty redis-server, and nothing sent. */
async function clearTheirs(): Promise<void> {
  theirs.close()
  theirs = await server.connect()
  await theirs.call('FLUSHALL')
  await theirs.call('CONFIG', 'SET', 'lazyfree-lazy-expire', 'no', 'lazyfree-lazy-user-del', 'no')
  await takeTheirs()
}

/** An engine at the time of now, whose keys expire only when somebody looks. */
function startOurs(): Ours {
  const engine = new Engine({ startMs: Date.now(), pageCapacity: 65536 })
  engine.engine.server.isActiveExpireOn = false
  const sink = new TestSink(Target.Replicas)
  engine.engine.server.propagation.attach(sink)
  const ours = { engine, sink, client: engine.connect(), marker: engine.connect() }
  takeOurs(ours)
  return ours
}

interface Ours {
  readonly engine: Engine
  readonly sink: TestSink
  readonly client: TestClient
  readonly marker: TestClient
}

function takeOurs({ sink, marker: ourMarker }: Ours): string[] {
  ourMarker.call('PUBLISH', 'mark', '')
  const commands = sink.takeWords().slice(0, -1)
  return comparable(commands.map((words) => words.map((word) => word.toString('latin1'))))
}

for (const { name, lines, isOrdered } of CHANGE_SCRIPTS) {
  test(`changes of ${name}`, { skip }, async () => {
    const ours = startOurs()
    const others = new Map<string, { ours: TestClient; theirs: RawClient }>()
    await clearTheirs()
    for (const line of lines) {
      const pause = SLEEP.exec(line)
      if (pause !== null) {
        ours.engine.clock.advance(Number(pause[1]))
        await sleep(Number(pause[1]))
        continue
      }
      const [, other, text = ''] = /^(?:(\w)> )?(.*)$/s.exec(line)!
      const words = text.split(' ')
      if (other === undefined) {
        ours.client.call(...words)
        await theirs.call(...words.map((word) => Buffer.from(word, 'latin1')))
        continue
      }
      if (!others.has(other)) {
        others.set(other, { ours: ours.engine.connect(), theirs: await server.connect() })
      }
      others.get(other)!.ours.call(...words)
      others.get(other)!.theirs.send(...words)
      await sleep(30)
    }
    const found = takeOurs(ours)
    const expected = await takeTheirs()
    for (const { theirs: client } of others.values()) client.close()
    if (isOrdered === false) {
      found.sort()
      expected.sort()
    }
    assert.deepEqual(found, expected)
  })
}

/** Commands that choose by chance, wait, or change other things than in redis-server 7.0. */
function isRepeatable(row: ParsedRow): boolean {
  const { isNewer, isBlocking, isDump, hasOwnChanges, follow, name } = row
  const isOther = isNewer === true || isBlocking === true || isDump === true
  // Who makes a consumer by reading its history tells of it here (docs/compatibility.md).
  const readsHistory = name === 'xreadgroup' && !row.form.endsWith('>')
  if (isOther || readsHistory || hasOwnChanges === true) return false
  return follow === undefined && name !== 'debug'
}

test('random commands are repeated as redis-server repeats them', { skip }, async () => {
  console.log(`SEED=${SEED}`)
  for (let round = 0; round < ROUNDS; round++) {
    const script = makeScript(new Random(SEED + round), COMMANDS, isRepeatable)
    const ours = startOurs()
    await clearTheirs()
    const parameters = Object.entries(script.config).flat()
    await theirs.call('CONFIG', 'SET', ...parameters)
    ours.client.call('CONFIG', 'SET', ...parameters)
    for (const [i, { words }] of script.steps.entries()) {
      ours.engine.clock.advance(1)
      const reply = ours.client.call(...words)
      const answer = await theirs.call(...words.map((word) => Buffer.from(word, 'latin1')))
      if (answer.kind === 'simple' && answer.text === 'QUEUED') continue
      if (words[0]!.toLowerCase() === 'multi' && reply.startsWith('+OK')) continue
      const text = `SEED=${SEED + round} command ${i}: ${words.join(' ')}`
      assert.deepEqual(takeOurs(ours), await takeTheirs(), text)
    }
  }
})
