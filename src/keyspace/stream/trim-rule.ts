// How far a stream is cut off at its old end: to a length, or to an ID; exactly, or by whole nodes,
// which is cheaper in Redis and so what most clients ask for.

import type { StreamId } from './stream-id.ts'

export interface TrimRule {
  /** Entries that are kept; -1: those from `minimum` on. */
  readonly lengthMax: number
  readonly minimum: StreamId
  /** Only whole nodes. */
  readonly isApproximate: boolean
  /** Entries that are removed at most, by whole nodes; 0: no limit. */
  readonly limit: number
}
