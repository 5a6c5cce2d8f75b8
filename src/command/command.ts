// What a command is: one row in a table and one function. The rows of all families form the command
// table (table.ts), which is the only registration: dispatch, COMMAND, ACL categories and the test
// matrices read it. Handlers are synchronous and allocate nothing on the common path; they read
// their arguments from `Args` (borrowed bytes of the query buffer) and write into `Reply`.

import type { Slice } from '../base/slice.ts'
import type { Database } from '../keyspace/database.ts'
import type { EncodingLimits } from '../keyspace/encoding-limits.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { Args } from '../resp/args.ts'
import type { Reply } from '../resp/reply.ts'
import type { Effects } from './effects.ts'
import type { KeyObserver } from './key-event.ts'
import type { KeySpec } from './key-spec.ts'

/** What a command may do and where it may run; Redis's flags, by Redis's names. */
export const Flag = {
  Write: 1 << 0,
  ReadOnly: 1 << 1,
  DenyOom: 1 << 2,
  Admin: 1 << 3,
  PubSub: 1 << 4,
  NoScript: 1 << 5,
  Blocking: 1 << 6,
  Loading: 1 << 7,
  Stale: 1 << 8,
  SkipMonitor: 1 << 9,
  SkipSlowlog: 1 << 10,
  Asking: 1 << 11,
  Fast: 1 << 12,
  NoAuth: 1 << 13,
  MayReplicate: 1 << 14,
  NoMulti: 1 << 15,
  AllowBusy: 1 << 16,
  NoAsyncLoading: 1 << 17,
  NoMandatoryKeys: 1 << 18,
  Protected: 1 << 19,
  MovableKeys: 1 << 20,
} as const

/** Redis's groups, as COMMAND DOCS reports them. */
export type Group =
  | 'string'
  | 'bitmap'
  | 'hyperloglog'
  | 'list'
  | 'hash'
  | 'set'
  | 'sorted-set'
  | 'geo'
  | 'stream'
  | 'generic'
  | 'connection'
  | 'server'
  | 'transactions'
  | 'pubsub'

export type Handler = (context: Context, args: Args, reply: Reply) => void

export interface Command {
  /** Lower case; of a subcommand only its own word. */
  readonly name: string
  /** Count of arguments with the name; negative: at least that many. */
  readonly arity: number
  /** Bits of `Flag`. */
  readonly flags: number
  /** First key, last key (negative: from the end), step; [0, 0, 0] when there are none. */
  readonly keys: readonly [number, number, number]
  readonly group: Group
  readonly since: string
  readonly summary: string
  readonly complexity: string
  /** ACL categories beyond those that follow from flags and group, as `dangerous`. */
  readonly categories?: readonly string[]
  /** The command is not in the ACL category of its group, as few are not. */
  readonly isOutOfGroup?: boolean
  /** Hints for client libraries, as COMMAND INFO lists them: `nondeterministic_output`. */
  readonly tips?: readonly string[]
  /**
   * What happens to each key, for COMMAND: words of `KEY_FLAGS` such as `RW update`. One text for
   * all keys, or one per key position. Without it a reader says `RO access`, a writer `RW update`.
   */
  readonly keyFlags?: readonly string[]
  /** Where the keys are, for COMMAND INFO, if `keys` cannot tell. */
  readonly keySpecs?: readonly KeySpec[]
  /** `syscmd` and the like, for COMMAND DOCS. */
  readonly docFlags?: readonly string[]
  /** For `variable_flags`: what these arguments do to the keys. */
  readonly keyFlagsOf?: (args: Args) => string
  /** Present for commands that Redis advises against. */
  readonly deprecated?: { readonly since: string; readonly replacedBy: string }
  /** Missing for a container command whose subcommands do all. */
  readonly run?: Handler
  readonly subcommands?: readonly Command[]
  /** Positions of the keys, for commands whose keys no [first, last, step] describes. */
  readonly findKeys?: (args: Args, positions: number[]) => void
}

/** What handlers of data commands may see; the engine owns the one instance, filled per call. */
export interface Context {
  readonly keyspace: Keyspace
  /** The database that the calling client has selected; `session.database` follows it. */
  db: Database
  /** Unix ms, read once per turn of the loop. */
  nowMs: number
  readonly session: Session
  readonly limits: CommandLimits
  /** Who hears of changes of keys; see key-event.ts for how to tell. */
  readonly observer: KeyObserver
  /** What the command is kept as for those who repeat it; see effects.ts. */
  readonly effects: Effects
  /**
   * The command comes out of a log or from a primary: no deadline is over before that says so, and
   * one that has passed is set like any other.
   */
  readonly isReplayed: boolean
  readonly blocker: Blocker
  /** Hears of FLUSHALL; true: the client is answered later, by whoever was told. */
  noteFlushAll(): boolean
  /** A client has sent damaged data: tells the operator. */
  noteDamage(message: string): void
  /** Scratch for keys and values; whoever calls something that may fill them says so. */
  readonly key: Slice
  readonly value: Slice
}

/** The calling client, as far as data commands care. */
export interface Session {
  /** Number of the selected database. */
  database: number
}

/** What a blocking command answers when its time is up: nil, as `*-1` or `$-1` in RESP2. */
export const NilForm = {
  Array: 0,
  Bulk: 1,
} as const
export type NilForm = (typeof NilForm)[keyof typeof NilForm]

/** What a command waits for. Keys stand at `positions` of its arguments. */
export interface Wait {
  readonly positions: readonly number[]
  /** Unix ms; 0: for ever. */
  readonly deadlineMs: number
  readonly nil: NilForm
  /**
   * What to run again in place of the arguments given, with the keys at the same positions: XREAD
   * puts the ID that `$` stood for. The caller gives them away.
   */
  readonly again?: Args
  /** Gives the integer that is answered when the time is up, in place of nil. */
  readonly onLate?: () => number
}

/**
 * Lets a command wait for keys (BLPOP, XREAD BLOCK). A command that waits is run again, whole, from
 * a copy of its arguments, whenever one of its keys has been changed, clients that wait longer for
 * the key first; so a handler holds no state between. It must have replied nothing and changed
 * nothing when it calls `wait`. Commands on streams are run again also when the key is gone.
 */
export interface Blocker {
  /** False where nothing can wait (inside EXEC): the handler answers as if the time were up. */
  readonly canWait: boolean
  /** This run is a further one, after a change of a key: what the first run checked, holds. */
  readonly isRetry: boolean
  wait(wait: Wait): void
}

/** Bounds from the configuration, as numbers. The engine changes them in place on CONFIG SET. */
export interface CommandLimits {
  readonly encodings: EncodingLimits
  /** Longest string, `proto-max-bulk-len`. */
  stringLengthMax: number
  /** `lazyfree-lazy-user-flush`: FLUSHALL without an option is ASYNC. */
  isUserFlushLazy: boolean
  /** `lazyfree-lazy-user-del`: GETDEL is kept as UNLINK. */
  isUserDelLazy: boolean
  /** `rdbcompression`: DUMP compresses. */
  isRdbCompressed: boolean
  /** RESTORE compares checksums; off after DEBUG SET-SKIP-CHECKSUM-VALIDATION 1. */
  isPayloadChecked: boolean
  /**
   * OBJECT REFCOUNT calls small integers shared: `maxmemory` is 0, or `maxmemory-policy` needs no
   * clock of each key (neither LRU nor LFU).
   */
  isIntegerShared: boolean
}
