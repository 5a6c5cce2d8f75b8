// What all databases of a keyspace share: memory, hash, clocks, counts, the rules of expiry.
// Made by Keyspace, never by anybody else. Owner: the engine.

import type { Slice } from '../base/slice.ts'
import type { Arena } from '../memory/arena.ts'
import type { Ptr } from '../memory/layout.ts'
import type { AccessClock } from './access-clock.ts'
import type { Collections } from './collections.ts'
import type { KeyHash } from './key-hash.ts'
import type { LazyFree } from './lazy-free.ts'
import type { LeafDict } from './leaf-dict/leaf-dict.ts'
import type { RecordStore } from './record-store.ts'

export interface Commons {
  readonly arena: Arena
  readonly collections: Collections
  readonly hash: KeyHash
  readonly store: RecordStore
  readonly lazyFree: LazyFree
  /** The large sets and the large hashes. */
  readonly memberDict: LeafDict
  readonly fieldDict: LeafDict
  readonly clock: AccessClock
  readonly stats: KeyspaceStats
  readonly expiry: Expiry
  readonly hooks: KeyHooks
  /** True while a client with NO-TOUCH runs: accesses leave no trace. */
  isClockStopped: boolean
}

/** Who is told of keys that a read missed and of keys that are new; null: nobody. */
export interface KeyHooks {
  onMiss: KeyHook | null
  /** Called when the key is in its place. */
  onNew: KeyHook | null
  /** Keys are made that nobody shall see: they are not told as new. */
  isHiding: boolean
}

/** Sees a key of a database; must not change the keyspace. */
export type KeyHook = (database: number, key: Slice) => void

/** Counts since the start or the last CONFIG RESETSTAT. */
export interface KeyspaceStats {
  hits: number
  misses: number
  expired: number
  /** Fields of hashes removed because their deadline passed. */
  expiredFields: number
  /** Share of keys whose deadline passed but that still lie there, by sampling, 0 to 1. */
  staleShare: number
  /** Times that active expiry ran out of its time budget. */
  timeCapReached: number
}

export interface Expiry {
  /** Unix ms of this turn; what deadlines are compared with. */
  nowMs: number
  /** False while loading: nothing expires. */
  isOn: boolean
  /** True on a replica: expired keys are hidden, not removed. */
  isPaused: boolean
  /** Called with the database's number before an expired record is removed. */
  onExpire: ((database: number, record: Ptr) => void) | null
  /**
   * Called with the database's number after fields of a hash have expired, and before its record is
   * removed if it `isEmpty` now.
   */
  onExpireFields: ((database: number, record: Ptr, isEmpty: boolean) => void) | null
  /** Times the removal of each expired record; null: nobody wants to know. */
  removalTimer: RemovalTimer | null
}

/** Is told how long the removal of an expired record took, in µs. */
export interface RemovalTimer {
  monotonicUs(): number
  note(durationUs: number): void
}
