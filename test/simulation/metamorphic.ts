// The same commands under other conditions give the same replies and the same data: whatever the
// protocol, the hash secret, the size of the reserve, the form of the file, the splits of the byte
// stream; with no cut open, one open all the time, or one that goes on step by step, by either
// method or by both in turn; with a restart in the middle. No model: each variant is compared with
// the plainest. Writers are not held back: the time that they would wait belongs to the conditions.
//
// Exempt is what may differ: the order of KEYS and the choice of RANDOMKEY, how many expired keys
// DBSIZE counts, the bytes of DUMP (compressed or not), whether OBJECT ENCODING says embstr or raw
// (a restart forgets how a string came about), names and numbers of connections.

import assert from 'node:assert/strict'
import { Random } from '../../src/base/random.ts'
import { setCores, tickingClock } from '../../src/persist/snapshot/test-cut.ts'
import { type TestClient, TestServer } from '../../src/server/test-server.ts'
import { encodeCommand, parseValue, type Value } from '../lib/resp.ts'
import { Generator } from './generator.ts'

/** One thing that happens: a client sends a command, or time passes. */
type Event =
  | { readonly client: number; readonly words: readonly string[] }
  | { readonly advanceMs: number }

export interface Variant {
  readonly name: string
  readonly config?: Readonly<Record<string, string>>
  /** Of the hash secret and all else that the server draws. */
  readonly secret?: number
  readonly version?: 2 | 3
  /** Steps of a snapshot per event while there is always one; none: no snapshots. */
  readonly snapshotSteps?: number
  /** About so often, in events, the machine loses its second core or gets it back. */
  readonly coresChangeEvery?: number
  /** Events after which the server saves and starts again. */
  readonly restartEvery?: number
  readonly isSplit?: boolean
}

export const VARIANTS: readonly Variant[] = [
  { name: 'RESP3', version: 3 },
  { name: 'another hash secret', secret: 77 },
  { name: 'bytes split at random', isSplit: true },
  { name: 'a cut always open, the smallest reserve', snapshotSteps: 0 },
  { name: 'a cut always open, a large reserve', snapshotSteps: 0, config: reserve('32mb') },
  { name: 'snapshots step by step', snapshotSteps: 1 },
  { name: 'fast snapshots without compression', snapshotSteps: 20, config: compression('no') },
  { name: 'cooperative snapshots', snapshotSteps: 2, config: method('cooperative') },
  {
    name: 'cooperative snapshots, a large reserve',
    snapshotSteps: 1,
    config: { ...method('cooperative'), ...reserve('32mb') },
  },
  { name: 'snapshots that change their method', snapshotSteps: 1, coresChangeEvery: 7 },
  { name: 'restarts', restartEvery: 150 },
  { name: 'restarts from uncompressed files', restartEvery: 70, config: compression('no') },
  { name: 'restarts among snapshots', restartEvery: 110, snapshotSteps: 2, secret: 5, version: 3 },
]

const CLIENTS = 3
const DATABASES = 4
const START_MS = 1_700_000_000_000
const NO_CUT = { openCut: null, cutNumber: 0 }
const PAGE_CAPACITY = 16384 * 4
const BASE_CONFIG = {
  'enable-debug-command': 'yes',
  save: '',
  databases: String(DATABASES),
  'snapshot-reserve': '1%',
}

function reserve(size: string): Record<string, string> {
  return { 'snapshot-reserve': size }
}

function method(name: string): Record<string, string> {
  return { 'snapshot-method': name }
}

function compression(answer: string): Record<string, string> {
  return { rdbcompression: answer }
}

/** The events of a seed. */
export function eventsOf(seed: number, count: number): Event[] {
  const random = new Random(seed)
  let nowMs = START_MS
  const payloads = payloadsOf(random)
  const generator = new Generator(random, { databaseCount: DATABASES, nowMs, payloads })
  const events: Event[] = []
  for (let i = 0; i < count; i++) {
    const advanceMs = random.below(3) > 0 ? 0 : random.below(5) > 0 ? random.below(20) : 700
    if (advanceMs > 0) events.push({ advanceMs })
    nowMs += advanceMs
    generator.around = { databaseCount: DATABASES, nowMs, payloads }
    const words = random.below(150) === 0 ? ['FLUSHALL'] : generator.next()
    events.push({ client: random.below(CLIENTS), words })
  }
  return events
}

/** Payloads of some values, the same bytes for all variants. */
function payloadsOf(random: Random): string[] {
  const client = new TestServer({ config: BASE_CONFIG }).connect()
  return ['short', '12345', 'x'.repeat(random.below(30_000)), ''].map((value) => {
    client.call('SET', 'k', value)
    return parse(client.call('DUMP', 'k')).text
  })
}

/** Runs the events under a variant; returns what was replied, and the digest of the data. */
export function runVariant(events: readonly Event[], variant: Variant, seed: number): string[] {
  const run = new VariantRun(variant, new Random(seed))
  const replies = events.map((event, i) => {
    if (i > 0 && i % (variant.restartEvery ?? Number.POSITIVE_INFINITY) === 0) run.restart()
    run.stepSnapshot()
    return run.handle(event)
  })
  run.check()
  return [...replies, run.digest()]
}

class VariantRun {
  readonly #variant: Variant
  readonly #random: Random
  #server: TestServer
  #clients: TestClient[] = []
  #selected: string[] = Array.from({ length: CLIENTS }, () => '0')

  constructor(variant: Variant, random: Random) {
    this.#variant = variant
    this.#random = random
    this.#server = this.#start(START_MS, null)
  }

  handle(event: Event): string {
    if ('advanceMs' in event) {
      this.#server.clock.advance(event.advanceMs)
      return ''
    }
    const { client, words } = event
    const reply = parse(this.#send(this.#clients[client]!, words))
    if (words[0] === 'SELECT' && reply.kind === 'simple') this.#selected[client] = words[1]!
    return plain(words, reply)
  }

  /** Keeps a snapshot going, as far as the variant says. */
  stepSnapshot(): void {
    const steps = this.#variant.snapshotSteps
    const { persistence } = this.#server.engine.server
    if (steps === undefined || persistence === null) return
    persistence.cron()
    const { coresChangeEvery = 0 } = this.#variant
    if (coresChangeEvery > 0 && this.#random.below(coresChangeEvery) === 0) {
      setCores(this.#server.disk, this.#random.below(2) === 0 ? 1 : 2)
    }
    if (!persistence.isSaving) assert.equal(persistence.startBackground(), null)
    for (let i = 0; i < steps; i++) this.#server.runner.step()
  }

  restart(): void {
    this.#server.engine.server.persistence?.abort()
    assert.equal(this.#clients[0]!.call('SAVE'), '+OK\r\n')
    this.#server = this.#start(this.#server.clock.nowMs(), this.#server)
    this.check()
  }

  digest(): string {
    return parse(this.#clients[0]!.call('DEBUG', 'DIGEST')).text
  }

  check(): void {
    this.#server.engine.server.keyspace.check()
  }

  #start(startMs: number, before: TestServer | null): TestServer {
    const { config = {}, secret = 1, version = 2 } = this.#variant
    const server = new TestServer({
      config: { ...BASE_CONFIG, ...config },
      pageCapacity: PAGE_CAPACITY,
      seed: secret,
      clock: tickingClock(new Random(startMs), startMs),
      hasPersistence: true,
      ...(before && { disk: before.disk }),
    })
    server.engine.server.writeDelay.source = NO_CUT
    this.#clients = this.#selected.map((database) => {
      const client = server.connect()
      if (version === 3) client.call('HELLO', '3')
      client.call('SELECT', database)
      return client
    })
    return server
  }

  #send(client: TestClient, words: readonly string[]): string {
    const text = encodeCommand(words).toString('latin1')
    if (this.#variant.isSplit !== true) return client.send(text)
    let received = ''
    for (let at = 0; at < text.length; ) {
      const length = 1 + this.#random.below(text.length - at)
      received += client.send(text.slice(at, at + length))
      at += length
    }
    return received
  }
}

function parse(text: string): Value {
  const bytes = Buffer.from(text, 'latin1')
  const parsed = parseValue(bytes, 0)
  assert.equal(parsed?.next, bytes.length, 'one reply to one command')
  return parsed!.value
}

/** What of a reply must be the same everywhere. */
function plain(words: readonly string[], reply: Value): string {
  const name = words[0]!
  if (['RANDOMKEY', 'DBSIZE', 'DUMP', 'CLIENT'].includes(name)) return ''
  if (name === 'OBJECT' && ['embstr', 'raw'].includes(reply.text)) return 'embstr or raw'
  const text = textOf(reply)
  return name === 'KEYS' ? reply.items.map(textOf).sort().join('\n') : text
}

function textOf({ kind, text, items }: Value): string {
  if (kind === 'nil' || kind === 'null' || kind === 'nilArray') return 'nil'
  return `${kind === 'bulk' ? '' : kind} ${text}${items.map(textOf).join('\n')}`
}
