// For tests of snapshots of one type: a keyspace with persistence on a disk in memory, whose
// scanner goes on by single steps, with a small reserve and every page checked.

import { FakeClock } from '../../base/clock.ts'
import { FakeDisk } from '../../base/disk-fake.ts'
import { Random } from '../../base/random.ts'
import { Keyspace } from '../../keyspace/keyspace.ts'
import { Persistence } from '../persistence.ts'
import { SteppedRunner } from './test-runner.ts'

export const NOW_MS = 1_700_000_000_000
export const FILE = '/data/dump.rdb'
const PAGE_CAPACITY = 16384 * 16

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
