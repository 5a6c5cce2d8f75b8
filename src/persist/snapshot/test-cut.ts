// For tests of snapshots of one type: a keyspace with persistence on a disk in memory, whose
// scanner goes on by single steps, with a small reserve and every page checked. By seed the thread
// scans, or the engine, or now one and now the other, as cores come and go.

import { deepEqual, equal } from 'node:assert/strict'
import { assert } from '../../base/assert.ts'
import { FakeClock } from '../../base/clock.ts'
import { FakeDisk } from '../../base/disk-fake.ts'
import { Random } from '../../base/random.ts'
import { Keyspace } from '../../keyspace/keyspace.ts'
import { PAGE_BYTES } from '../../memory/layout.ts'
import { Persistence, type PersistenceSettings } from '../persistence.ts'
import { SteppedRunner } from './test-runner.ts'

export const NOW_MS = 1_700_000_000_000
export const FILE = '/data/dump.rdb'
const PAGE_CAPACITY = 16384 * 16
/** Mean turns between two changes of the count of cores. */
const CORES_TURNS = 8
const STATUS_FILE = '/proc/self/status'

/** Who scans. `changing`: `auto` on a machine that loses and gains a core now and then. */
export const SCANNERS = ['background', 'cooperative', 'changing'] as const
export type ScannerName = (typeof SCANNERS)[number]

/** A clock that moves on with every look at it, so that slices of time end. */
export function tickingClock(random: Random, startMs = NOW_MS): FakeClock {
  return new FakeClock(startMs, () => random.below(1500))
}

/**
 * What all that `finishSave` has driven in this process has brought about: a test whose seeds never
 * meet one of these shows nothing of it (`expectAllSeen`).
 */
const seen = {
  preservedPages: 0,
  heldPages: 0,
  spilledBytes: 0,
  toEngine: 0,
  toThread: 0,
}

/** Asserts, behind all seeds of a file, that each part of the engine had its turn in them. */
export function expectAllSeen(): void {
  for (const [what, count] of Object.entries(seen)) assert(count > 0, what)
}

/** What `finishSave` drives. */
export interface SavingBench {
  readonly random: Random
  readonly disk: FakeDisk
  readonly clock: FakeClock
  readonly runner: SteppedRunner
  readonly keyspace: Keyspace
  readonly persistence: Persistence
}

/** What was given back to the system holds nothing any more, and nobody may count on zeros. */
const release = (bytes: Uint8Array): boolean => bytes.fill(0xdb).length > 0

/** Some steps of compaction, and some free pages for the system. */
function compact({ keyspace, random }: SavingBench): void {
  const { compaction, arena } = keyspace
  if (!compaction.isRunning) compaction.begin(random.below(2) === 0 ? 1 : 0.5)
  for (let i = random.below(20); i > 0 && compaction.step(); i--);
  arena.pool.releasePages(random.below(64))
}

/** Gives the machine one core or two. */
export function setCores(disk: FakeDisk, count: 1 | 2): void {
  const list = count === 1 ? '0' : '0-1'
  disk.put(STATUS_FILE, Buffer.from(`Name:\tnode\nCpus_allowed_list:\t${list}\n`))
}

/** Begins a save and brings it to its end, with `change` called between the steps of it. */
export function finishSave(bench: SavingBench, scanner: ScannerName, change: () => void): void {
  const { random, disk, clock, runner, persistence } = bench
  if (scanner === 'changing') setCores(disk, random.below(2) === 0 ? 1 : 2)
  equal(persistence.startBackground(), null)
  let method = persistence.current?.method
  for (let turn = 0; persistence.isSaving; turn++) {
    assert(turn < 1_000_000, 'a save comes to its end')
    change()
    if (random.below(4) === 0) compact(bench)
    if (random.below(2) === 0) persistence.snapshots.assist()
    const steps = random.below(3)
    for (let i = 0; i < steps; i++) runner.step()
    if (scanner !== 'background') clock.advance(random.below(3) * 0.2)
    if (scanner === 'changing' && random.below(CORES_TURNS) === 0) {
      setCores(disk, random.below(2) === 0 ? 1 : 2)
      // The method is decided again once a second.
      clock.skip(1_000_001)
    }
    persistence.cron()
    const now = persistence.current?.method ?? method
    if (now !== method) seen[now === 'cooperative' ? 'toEngine' : 'toThread']++
    method = now
  }
  equal(persistence.lastError, '')
  // The next save finds nothing of this one.
  while (persistence.snapshots.freeHeld(1000));
  seen.preservedPages += persistence.cutFigures?.preservedPages ?? 0
  seen.heldPages += persistence.cutFigures?.heldPagesPeak ?? 0
  seen.spilledBytes += persistence.lastEnd?.spilledBytes ?? 0
}

/** Pages of the reserve, by seed. */
const RESERVES = [16, 24, 64, 1024]

const log = {
  level: 'notice' as const,
  debug: () => undefined,
  verbose: () => undefined,
  notice: () => undefined,
  warning: () => undefined,
  raw: () => undefined,
}

export interface CutRun {
  readonly seed: number
  readonly scanner: ScannerName
}

export interface TestCutOptions extends CutRun {
  readonly reservePages: number
  /** Two, if missing. */
  readonly databaseCount?: number
}

/** A test cut with random changes of one type, and what its databases hold. */
export interface CutBench extends SavingBench {
  readonly keyspace: Keyspace
  change(): void
  /** By database: keys with their contents, in an order that only depends on the contents. */
  contents(): Map<string, string[]>[]
}

/**
 * Three saves one after the other, with changes between the single steps of the scanner: each file
 * must hold what was there at its cut.
 */
export function runCuts(make: (options: TestCutOptions) => CutBench, options: CutRun): void {
  const { seed, scanner } = options
  const reservePages = RESERVES[seed % RESERVES.length]!
  const bench = make({ seed, reservePages, scanner })
  for (let i = 0; i < 12_000; i++) bench.change()
  for (let save = 0; save < 3; save++) {
    const atCut = bench.contents()
    let writes = 0
    finishSave(bench, scanner, () => {
      const turns = bench.random.below(60)
      for (let i = 0; i < turns; i++, writes++) if (writes < 6000) bench.change()
    })
    bench.keyspace.reclaimAll()
    bench.keyspace.check()
    const other = make({ seed: 99, reservePages: 64, scanner })
    const file = bench.disk.contents(FILE)
    assert(file !== null, 'the save has left a file')
    other.disk.put(FILE, file)
    other.persistence.loadNow({ mayOverwrite: false })
    other.keyspace.check()
    deepEqual(other.contents(), atCut, `seed ${seed}, ${scanner}, save ${save}`)
  }
}

/** A keyspace with persistence, all chance from `seed`; a reserve of `reservePages`. */
export class TestCut implements SavingBench {
  readonly scanner: ScannerName
  readonly random: Random
  readonly disk = new FakeDisk()
  readonly clock: FakeClock
  readonly runner = new SteppedRunner(this.disk)
  readonly keyspace: Keyspace
  readonly persistence: Persistence
  readonly settings: { -readonly [K in keyof PersistenceSettings]: PersistenceSettings[K] }

  constructor({ seed, reservePages, scanner, databaseCount = 2 }: TestCutOptions) {
    this.scanner = scanner
    this.random = new Random(seed)
    this.clock = tickingClock(new Random(seed + 2))
    this.keyspace = new Keyspace({
      databaseCount,
      pageCapacity: PAGE_CAPACITY,
      hashSecret: new Uint32Array([seed, 7]),
      random: new Random(seed + 1),
      release,
    })
    this.keyspace.advance(NOW_MS)
    this.disk.makeDirectory('/data')
    this.settings = settingsOf(seed, reservePages, scanner)
    this.persistence = new Persistence({
      keyspace: this.keyspace,
      disk: this.disk,
      clock: this.clock,
      log: log as never,
      settings: this.settings,
      runner: this.runner,
      processId: 1,
      isChecking: true,
      relieve: () => this.runner.step(),
    })
  }
}

function settingsOf(seed: number, reservePages: number, scanner: ScannerName): PersistenceSettings {
  return {
    filePath: FILE,
    savePoints: [],
    compress: seed % 2 === 0,
    checksum: true,
    syncsWhileWriting: true,
    stopsWritesOnError: true,
    reserveBytes: reservePages * PAGE_BYTES,
    method: scanner === 'changing' ? 'auto' : scanner,
    stallTimeoutSeconds: 0,
    keyDelayUs: 0,
    keepsClocks: false,
    version: '7.0.15',
    usedMemory: 0,
  }
}
