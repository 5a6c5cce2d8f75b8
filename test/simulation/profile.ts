// What distinguishes one simulated run from another besides chance: how fast the snapshot goes,
// how small the reserve is, when the server saves by itself, how clients are limited.

import type { Random } from '../../src/base/random.ts'

export interface Profile {
  readonly databaseCount: number
  readonly config: ReadonlyMap<string, string>
  /** Steps of the snapshot that are taken at a time, at most; few keep cuts open for long. */
  readonly snapshotSteps: number
  /** Whether clients stop reading now and then. */
  readonly hasSlowClients: boolean
  /** Whether the disk fails now and then. */
  readonly hasFaults: boolean
}

export function profileOf(random: Random): Profile {
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!
  const config = new Map([
    ['enable-debug-command', 'yes'],
    ['save', pick(['', '1 1', '3 50', '100 10 2 300'])],
    // A percent of little data is no more than the smallest reserve: writers wait all the time.
    ['snapshot-reserve', pick(['1%', '1%', '10%', '1mb'])],
    ['rdbcompression', pick(['yes', 'no'])],
    ['rdbchecksum', pick(['yes', 'yes', 'no'])],
    ['rdb-save-incremental-fsync', 'yes'],
    ['stop-writes-on-bgsave-error', pick(['yes', 'yes', 'no'])],
    ['lazyfree-lazy-user-flush', pick(['yes', 'no'])],
    ['client-output-buffer-limit', pick(['normal 0 0 0', 'normal 0 100000 2'])],
    ['hz', pick(['10', '100'])],
    ['active-expire-effort', '1'],
    // Loading in many slices, or in one.
    ['key-load-delay', pick(['0', '1000'])],
    ['loading-process-events-interval-bytes', '1024'],
  ])
  return {
    databaseCount: pick([1, 2, 4, 16]),
    config,
    snapshotSteps: pick([2, 10, 60]),
    hasSlowClients: pick([true, false]),
    hasFaults: pick([true, true, false]),
  }
}
