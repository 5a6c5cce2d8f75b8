// The same commands of all types under other conditions give the same replies and the same data, on
// this server alone: with cuts opened among them, whose files must hold the data of the instant;
// with DEBUG RELOAD in between; under other limits of the encodings; with all deleting done lazily.
// Whole servers in this process, with a fake clock and disk; every cut is checked page by page.

import assert from 'node:assert/strict'
import { Random } from '../../src/base/random.ts'
import { type TestClient, TestServer } from '../../src/server/test-server.ts'
import { encodeCommand, parseValue, showValue, type Value } from '../lib/resp.ts'
import type { ParsedRow } from './rows.ts'
import { exact } from './same.ts'
import { makeScript, type Script, type Step, showStep, THRESHOLDS } from './script.ts'

export interface Variant {
  readonly name: string
  /** Parameters over those of the script. */
  readonly config?: Readonly<Record<string, string>>
  /** A cut is opened after so many commands since the last was done, at most. */
  readonly cutEvery?: number
  /** Steps of the scan after each command. */
  readonly scanSteps?: number
  /** DEBUG RELOAD after so many commands. */
  readonly reloadEvery?: number
  /** DEL becomes UNLINK, and FLUSHALL is ASYNC. */
  readonly isLazy?: boolean
  /** Encodings are other ones. */
  readonly hasOwnEncodings?: boolean
}

const [REDIS, SMALLEST, SMALL, LARGE] = THRESHOLDS

export const VARIANTS: readonly Variant[] = [
  { name: 'a slow scan, a small reserve', cutEvery: 30, scanSteps: 0 },
  { name: 'cuts step by step', cutEvery: 20, scanSteps: 1 },
  { name: 'quick cuts', cutEvery: 5, scanSteps: 10, config: { rdbcompression: 'no' } },
  { name: 'DEBUG RELOAD', reloadEvery: 40, hasOwnEncodings: true },
  { name: 'the limits of Redis', config: REDIS!, hasOwnEncodings: true },
  { name: 'the smallest limits', config: SMALLEST!, hasOwnEncodings: true },
  { name: 'small limits and cuts', config: SMALL!, hasOwnEncodings: true, cutEvery: 15 },
  { name: 'large limits', config: LARGE!, hasOwnEncodings: true },
  { name: 'lazy', isLazy: true },
  { name: 'lazy with cuts', isLazy: true, cutEvery: 15, scanSteps: 2 },
]

const PAGE_CAPACITY = 65_536
const COMMAND_MS = 1
/** What is waited for, at most: steps of a scan, cron turns of lazy freeing. */
const STEPS_MAX = 100_000
const LAZY_TURNS_MAX = 10_000
const FILE = '/data/dump.rdb'
// What GET shows of a sketch depends on when it becomes dense.
const NO_CUT = { openCut: null, cutNumber: 0 }
const BASE_CONFIG = {
  'enable-debug-command': 'yes',
  save: '',
  'snapshot-reserve': '1%',
  'hll-sparse-max-bytes': '1000',
}
/** What a reload, which empties the databases in between, or the chance of the moment changes. */
const EXEMPT = /^(watch|debug|swapdb)$/

/**
 * The commands of a seed: none that waits, draws by chance or depends on the clock; with those that
 * 7.0 does not have, if wanted.
 */
export function variantScript(seed: number, count: number, hasNewer = false): Script {
  const isChosen = (row: ParsedRow) => isFixed(row) && (hasNewer || row.isNewer !== true)
  return makeScript(new Random(seed), count, isChosen)
}

function isFixed({ name, isBlocking, follow, witness }: ParsedRow): boolean {
  return !EXEMPT.test(name) && isBlocking !== true && !follow && !witness
}

/** Runs a script without and with the variant; throws at the first difference. */
export function compareVariant(script: Script, variant: Variant, seed: number): void {
  const plain = new VariantRun(script, { name: 'plain' }, new Random(seed))
  const varied = new VariantRun(script, variant, new Random(seed))
  const queued: Step[] = []
  for (const [at, step] of script.steps.entries()) {
    const [expected, found] = [plain.run(step), varied.run(step)]
    const where = `SEED=${seed} command ${at}, ${showStep(step)}`
    const shown = `${where}: ${showValue(found)}, else ${showValue(expected)}`
    assert.ok(isSame(step, queued, { expected, found, variant }), shown)
    if (found.text === 'QUEUED') queued.push(step)
    else queued.length = 0
  }
  assert.equal(varied.end(), plain.end(), `SEED=${seed}: the digest of the data`)
  const isCut = variant.cutEvery !== undefined
  assert.ok(!isCut || varied.cuts > script.steps.length / 150, `SEED=${seed}: ${varied.cuts} cuts`)
}

interface Compared {
  readonly expected: Value
  readonly found: Value
  readonly variant: Variant
}

function isSame(step: Step, queued: readonly Step[], compared: Compared): boolean {
  const { expected, found, variant } = compared
  const name = step.words[0]!.toLowerCase()
  if (found.text === 'QUEUED') return exact(found, expected)
  if (name === 'exec' && found.kind === 'array') {
    return found.items.every((item, i) => {
      return isSame(queued[i]!, [], { expected: expected.items[i]!, found: item, variant })
    })
  }
  if (name === 'object' && variant.hasOwnEncodings === true) return found.kind === expected.kind
  // Compressed or not, and in the order in which it lies.
  if (name === 'dump') return found.kind === expected.kind
  return (step.row.same ?? exact)(found, expected, step.words)
}

class VariantRun {
  readonly #variant: Variant
  readonly #random: Random
  readonly #server: TestServer
  readonly #client: TestClient
  /** Commands until the next cut. */
  #wait: number
  #count = 0
  /** The digest at the instant of the cut that is open; '' when there is none. */
  #digestOfCut = ''
  cuts = 0

  constructor(script: Script, variant: Variant, random: Random) {
    this.#variant = variant
    this.#random = random
    this.#wait = random.below(variant.cutEvery ?? 1)
    this.#server = start({ ...script.config, ...variant.config, ...BASE_CONFIG })
    this.#client = this.#server.connect()
    if (script.version === 3) this.#client.call('HELLO', '3')
  }

  run({ words }: Step): Value {
    this.#count++
    this.#server.clock.advance(COMMAND_MS)
    const { cutEvery, scanSteps = 1, reloadEvery } = this.#variant
    if (cutEvery !== undefined) this.#advanceCut(scanSteps)
    const isReload = reloadEvery !== undefined && this.#count % reloadEvery === 0
    if (isReload) assert.equal(ask(this.#server.connect(), ['DEBUG', 'RELOAD']).text, 'OK')
    return ask(this.#client, this.#variant.isLazy === true ? lazily(words) : words)
  }

  /** Ends all that is under way; the digest of the data. */
  end(): string {
    const client = this.#server.connect()
    if (this.#digestOfCut !== '') this.#finishCut()
    const { keyspace } = this.#server.engine.server
    keyspace.check()
    const digest = ask(client, ['DEBUG', 'DIGEST']).text
    this.#checkFreed(client)
    return digest
  }

  /** After everything was deleted, however lazily, nothing is left to free. */
  #checkFreed(client: TestClient): void {
    const { keyspace } = this.#server.engine.server
    ask(client, ['FLUSHALL', this.#variant.isLazy === true ? 'ASYNC' : 'SYNC'])
    for (let i = 0; i < LAZY_TURNS_MAX && pendingOf(client) > 0; i++) {
      this.#server.clock.advance(COMMAND_MS * 10)
    }
    assert.equal(pendingOf(client), 0, 'lazy freeing comes to its end')
    keyspace.check()
  }

  #advanceCut(steps: number): void {
    const { persistence } = this.#server.engine.server
    assert.ok(persistence !== null)
    if (this.#digestOfCut === '') {
      if (this.#wait-- > 0) return
      this.#digestOfCut = ask(this.#server.connect(), ['DEBUG', 'DIGEST']).text
      assert.equal(persistence.startBackground(), null)
      // Without steps, it stands open for some commands, then ends at once.
      this.#wait = this.#random.below(this.#variant.cutEvery ?? 1)
      return
    }
    for (let i = 0; i < steps; i++) this.#server.runner.step()
    const isDue = steps === 0 && this.#wait-- <= 0
    if (isDue || !this.#server.runner.isBusy) this.#finishCut()
  }

  /** Ends the scan; its file must hold what was there when the cut was opened. */
  #finishCut(): void {
    const { persistence } = this.#server.engine.server
    assert.ok(persistence !== null)
    for (let i = 0; i < STEPS_MAX && this.#server.runner.isBusy; i++) this.#server.runner.step()
    persistence.cron()
    assert.ok(!persistence.isSaving, 'the save has ended')
    const disk = new TestServer().disk
    disk.put(FILE, Buffer.from(this.#server.disk.contents(FILE)!))
    const startMs = this.#server.clock.nowMs()
    const loaded = start(BASE_CONFIG, { disk, startMs })
    const digest = ask(loaded.connect(), ['DEBUG', 'DIGEST']).text
    assert.equal(digest, this.#digestOfCut, 'the file holds the data of the instant')
    this.#digestOfCut = ''
    this.#wait = this.#random.below(this.#variant.cutEvery ?? 1)
    this.cuts++
  }
}

function start(
  config: Readonly<Record<string, string>>,
  options: Partial<ConstructorParameters<typeof TestServer>[0]> = {},
): TestServer {
  const server = new TestServer({
    config,
    pageCapacity: PAGE_CAPACITY,
    hasPersistence: true,
    ...options,
  })
  // Replies come at once here; that delayed writers get theirs in order is shown by the simulation.
  server.engine.server.writeDelay.source = NO_CUT
  return server
}

/** The command whose work is done later, where there is one. */
function lazily(words: readonly string[]): readonly string[] {
  const name = words[0]!.toLowerCase()
  if (name === 'del' && words.length > 1) return ['UNLINK', ...words.slice(1)]
  if (name === 'flushall' && words.length === 1) return ['FLUSHALL', 'ASYNC']
  return words
}

/** What lazy freeing still has to do. */
function pendingOf(client: TestClient): number {
  const info = ask(client, ['INFO', 'memory']).text
  return Number(/lazyfree_pending_objects:(\d+)/.exec(info)?.[1])
}

function ask(client: TestClient, words: readonly string[]): Value {
  const reply = client.send(encodeCommand(words).toString('latin1'))
  const bytes = Buffer.from(reply, 'latin1')
  const parsed = parseValue(bytes, 0)
  assert.ok(parsed !== null && parsed.next === bytes.length, `one reply to ${words.join(' ')}`)
  return parsed.value
}
