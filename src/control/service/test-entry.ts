// Entries of a catalog for tests of what decides by them: only what rules look at is filled in, and
// there are no shards.

import type { BackupEntry } from '../backup/catalog.ts'
import type { BackupKind } from '../backup/manifest.ts'

export interface TestEntry {
  readonly name: string
  readonly cluster?: string
  readonly kind?: BackupKind
  /** ISO 8601. */
  readonly at: string
  readonly storedBytes?: number
  readonly isPinned?: boolean
  /** Null: never verified. */
  readonly isGood?: boolean | null
}

export function testEntry({
  name,
  cluster = 'main',
  kind = 'automatic',
  at,
  storedBytes = 1e9,
  isPinned = false,
  isGood = null,
}: TestEntry): BackupEntry {
  const time = new Date(at).toISOString()
  return {
    name,
    state: 'available',
    manifest: {
      version: 1,
      name,
      id: `id-${name}`,
      cluster,
      kind,
      startedAt: time,
      finishedAt: time,
      takenAt: time,
      tool: { name: 'tidemark', version: '0.0.0' },
      compression: null,
      encryption: null,
      shards: [],
      totals: { keys: 1, rdbBytes: storedBytes, storedBytes },
      labels: {},
    },
    pin: isPinned ? { since: time, reason: 'audit' } : null,
    verification:
      isGood === null
        ? null
        : {
            version: 1,
            name,
            id: `id-${name}`,
            at: time,
            isGood,
            level: 'engine',
            faults: [],
            engine: 'tidemark',
            tookMs: 1,
          },
    claim: null,
    problem: '',
  }
}
