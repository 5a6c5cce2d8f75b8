// What snapshots look at of the configuration, and what they show of themselves: to INFO, to
// SNAPSHOT STATUS, to the latency monitor. The figures are those of the moment they are asked for;
// while the thread scans it writes them every few keys, so they lag a little behind. How
// a snapshot went in the end is `SnapshotEnd` in snapshots.ts.

import type { SnapshotMethod } from './method-choice.ts'

/** What of the configuration matters here; read anew at each use. */
export interface SnapshotSettings {
  readonly method: 'auto' | SnapshotMethod
  readonly reserveBytes: number
  /** Standstill of a sink after which the save is given up if writers wait; 0: never. */
  readonly stallTimeoutSeconds: number
}

/** Names that the latency monitor gives to what held the engine up. */
export type DelayEvent = 'snapshot-cut' | 'snapshot-wait'

/** What INFO and SNAPSHOT STATUS show of the snapshot under way. */
export interface CurrentSnapshot {
  readonly method: SnapshotMethod
  readonly reason: string
  readonly seconds: number
  readonly keysDone: number
  readonly keysTotal: number
  readonly pagesDone: number
  readonly pagesTotal: number
  readonly bytesWritten: number
  /** -1 while it cannot be told. */
  readonly etaSeconds: number
  readonly reserveUsedBytes: number
  readonly queuedBytes: number
  readonly spilledBytes: number
  /** Pages that the engine encoded because a command was about to change them. */
  readonly inlinePages: number
  /** The scan is through; sinks are brought to their end. */
  readonly isCommitting: boolean
}
