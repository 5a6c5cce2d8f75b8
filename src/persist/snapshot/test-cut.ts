// For tests of snapshots of one type: a keyspace with persistence on a disk in memory, whose
// scanner goes on by single steps, with a small reserve and every page checked.

import { deepEqual, equal } from 'node:assert/strict'
import { assert } from '../../base/assert.ts'
import { FakeClock } from '../../base/clock.ts'
import { FakeDisk } from '../../base/disk-fake.ts'
import { Random } from '../../base/random.ts'
import { Keyspace } from '../../keyspace/keyspace.ts'
import { Persistence } from '../persistence.ts'
import { SteppedRunner } from './test-runner.ts'

export const NOW_MS = 1_700_000_000_000
export const FILE = '/data/dump.rdb'
const PAGE_CAPACITY = 16384 * 16
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

export interface TestCut {
  readonly random: Random
  readonly disk: FakeDisk
  readonly runner: SteppedRunner
  readonly keyspace: Keyspace
  readonly persistence: Persistence
}

/** A test cut with random changes of one type, and what its databases hold. */
export interface CutBench extends TestCut {
  change(): void
  /** By database: keys with their contents, in an order that only depends on the contents. */
  contents(): Map<string, string[]>[]
}

/**
 * Three saves one after the other, with changes between the single steps of the scanner: each file
 * must hold what was there at its cut.
 */
export function runCuts(
  make: (seed: number, reservePages: number) => CutBench,
  seed: number,
): void {
  const bench = make(seed, RESERVES[seed % RESERVES.length]!)
  for (let i = 0; i < 12_000; i++) bench.change()
  for (let save = 0; save < 3; save++) {
    const atCut = bench.contents()
    equal(bench.persistence.startBackground(), null)
    let writes = 0
    while (bench.persistence.isSaving) {
      const turns = bench.random.below(60)
      for (let i = 0; i < turns; i++, writes++) if (writes < 6000) bench.change()
      const steps = bench.random.below(3)
      for (let i = 0; i < steps; i++) bench.runner.step()
      bench.persistence.cron()
    }
    equal(bench.persistence.lastError, '')
    bench.keyspace.reclaimAll()
    bench.keyspace.check()
    const other = make(99, 64)
    const file = bench.disk.contents(FILE)
    assert(file !== null, 'the save has left a file')
    other.disk.put(FILE, file)
    other.persistence.loadNow({ mayOverwrite: false })
    other.keyspace.check()
    deepEqual(other.contents(), atCut, `seed ${seed}, save ${save}`)
  }
}

/** Two databases, all chance from `seed`; a reserve of `reservePages`. */
export function makeTestCut(seed: number, reservePages: number): TestCut {
  const disk = new FakeDisk()
  const runner = new SteppedRunner(disk)
  const keyspace = new Keyspace({
    databaseCount: 2,
    pageCapacity: PAGE_CAPACITY,
    hashSecret: new Uint32Array([seed, 7]),
    random: new Random(seed + 1),
  })
  keyspace.advance(NOW_MS)
  disk.makeDirectory('/data')
  const persistence = new Persistence({
    keyspace,
    disk,
    clock: new FakeClock(NOW_MS),
    log: log as never,
    settings: {
      filePath: FILE,
      savePoints: [],
      compress: seed % 2 === 0,
      checksum: true,
      syncsWhileWriting: true,
      stopsWritesOnError: true,
      reserveBytes: reservePages * 4096,
      method: 'background',
      stallTimeoutSeconds: 60,
      keyDelayUs: 0,
      keepsClocks: false,
      version: '7.0.15',
      usedMemory: 0,
    },
    runner,
    processId: 1,
    isChecking: true,
    relieve: () => runner.step(),
  })
  return { random: new Random(seed), disk, runner, keyspace, persistence }
}
