// The append only file as the rest of the server sees it. aof.ts is what stands behind; it needs
// the server itself, which therefore does not import it.
// Owner: the engine.

import type { Clock } from '../base/clock.ts'
import type { AofLoader } from '../persist/aof/aof-loader.ts'
import type { AofLog } from '../persist/aof/aof-log.ts'
import type { ReplyError } from '../resp/replies.ts'

export interface AofView {
  readonly clock: Clock
  readonly log: AofLog
  /** Whether the data is to be loaded from the append only file. */
  readonly isWanted: boolean
  /**
   * The disk has taken nothing for a while: writers wait, so that no more than the documented
   * window is at risk, and the buffer is bounded; readers go on.
   */
  readonly isStalled: boolean
  /** Why writes are to be refused, or null. */
  readonly refusal: ReplyError | null
  /** Looks at what there is to load. Throws StoreError. */
  openLoader(): AofLoader
  /** Loads all of the log at once into the empty keyspace, as DEBUG LOADAOF does. Throws. */
  loadNow(): void
  /** CONFIG SET appendonly: an error text, or null. */
  applySetting(): string | null
  /** What recurs. */
  cron(): void
  /** Calls `look` whenever the log has come further, until `unwatch`. */
  watch(look: () => void): void
  unwatch(look: () => void): void
}
