// What a command does to the data, as the commands that repeat it elsewhere: in the append-only
// file and on replicas. Whoever repeats them must come to the same data, at another time, without
// randomness, and without waiting; so most commands are kept with their own words, and some say it
// in other ones: EXPIRE as PEXPIREAT, SPOP as SREM, BLPOP as LPOP.
//
// - By default a command that has changed something (`keyspace.dirty` has grown) is kept with its
//   own words. A handler that knows better calls `instead`, once for each command that is to be
//   kept in the place of its own words, or `suppress`; `force` keeps its own words even if nothing
//   has changed (FLUSHALL of an empty server, PUBLISH).
// - What the server removes of its own accord (`noteRemoval`: expired, evicted) is kept as DEL or
//   UNLINK, before the command that met it.
// - All of one *unit* belongs together: a command with the removals that it caused, a whole EXEC,
//   what one blocked client is served with, a batch of removals by the cron. `endUnit` hands it
//   over, complete, to `listener`.
//
// While nobody listens `isKept` is false, and then nothing here need be called: one branch.
// Words are written once, as RESP, into one buffer that is used again. Owner: the engine.
// Source: the behaviour of redis-server 7.0.

import { assert } from '../base/assert.ts'
import { EMPTY_BYTES, integerLength, latin1 } from '../base/bytes.ts'
import type { Slice } from '../base/slice.ts'
import type { Database } from '../keyspace/database.ts'
import type { Args } from '../resp/args.ts'
import { Reply } from '../resp/reply.ts'

/** Who a command is kept for. */
export const Target = { None: 0, Log: 1, Replicas: 2, All: 3 } as const
export type Target = (typeof Target)[keyof typeof Target]

/** The commands of a unit, in their order; borrowed until the listener returns. */
export interface Unit {
  readonly count: number
  /** Several commands are to be repeated together or not at all. */
  readonly isAtomic: boolean
  /** Where the commands lie, one behind the other, as RESP. */
  readonly bytes: Uint8Array
  /** Where command `i` begins; for `count`: where the last one ends. */
  startOf(i: number): number
  /** Number of the database that command `i` is for. */
  databaseOf(i: number): number
  targetOf(i: number): Target
}

export type UnitListener = (unit: Unit) => void

/** Commands of a unit for which the arrays are kept. */
const KEPT_COUNT = 1024

const DEL = latin1('DEL')
const UNLINK = latin1('UNLINK')
const HDEL = latin1('HDEL')
const DOLLAR = 0x24
const CR = 0x0d
const LF = 0x0a

export class Effects implements Unit {
  /** Whether anybody wants to know. */
  isKept = false
  /** Gets the units; set by whoever sets `isKept`. */
  listener: UnitListener | null = null
  /** Expired keys are kept as UNLINK instead of DEL (`lazyfree-lazy-expire`). */
  isExpiryLazy = false
  isAtomic = true
  bytes: Uint8Array = EMPTY_BYTES
  #count = 0
  #starts: number[] = []
  #databases: number[] = []
  #targets: Target[] = []
  /** The command that runs is not kept with its own words. */
  #isSuppressed = false
  #forced: Target = Target.None
  /** Held while a unit is open, so that all of it stays in the one buffer. */
  readonly #writer = new Reply((bytes) => this.#give(bytes))

  /** Commands of the open unit. */
  get count(): number {
    return this.#count
  }

  startOf(i: number): number {
    return this.#starts[i]!
  }

  databaseOf(i: number): number {
    return this.#databases[i]!
  }

  targetOf(i: number): Target {
    return this.#targets[i]!
  }

  /** The command that runs is not kept with its own words, whatever it changes. */
  suppress(): void {
    this.#isSuppressed = this.isKept
  }

  /** The command that runs is kept with its own words even if it changes nothing. */
  force(target: Target): void {
    if (this.isKept) this.#forced = target
  }

  /**
   * Begins a command of `count` words, the name included, that is kept in the place of what runs.
   * The caller writes the `count - 1` words behind the name as bulks into what is returned.
   */
  instead(db: Database, name: Uint8Array, count: number): Reply {
    this.#isSuppressed = true
    return this.#begin(db.id, name, count)
  }

  /** The same for what comes besides a command's own words, or of no command at all. */
  besides(db: Database, name: Uint8Array, count: number): Reply {
    return this.#begin(db.id, name, count)
  }

  /** The server removes `key` of its own accord. */
  noteRemoval(db: Database, key: Slice, isLazy: boolean): void {
    if (!this.isKept) return
    const writer = this.#begin(db.id, isLazy ? UNLINK : DEL, 2)
    writer.bulk(key.bytes, key.start, key.length)
  }

  /** A field of the hash at `key` is gone because its deadline passed. */
  noteFieldRemoval(db: Database, key: Slice, field: Slice): void {
    if (!this.isKept) return
    const writer = this.#begin(db.id, HDEL, 3)
    writer.bulk(key.bytes, key.start, key.length)
    writer.bulk(field.bytes, field.start, field.length)
  }

  /** A command has run: keeps its own words, unless it has said otherwise. */
  endCommand(args: Args, database: number, isChanged: boolean): void {
    const target = isChanged ? Target.All : this.#forced
    const isWanted = target !== Target.None && !this.#isSuppressed
    this.#isSuppressed = false
    this.#forced = Target.None
    if (!isWanted) return
    const { bytes, count } = args
    const writer = this.#open(database, target)
    writer.array(count)
    const start = wireStart(args)
    if (start < 0) return writeArguments(writer, args, 0, count)
    writer.raw(bytes, start, args.start(count - 1) + args.length(count - 1) + 2 - start)
  }

  /** Hands over the unit, if anything is in it. `isAtomic` is false for a batch of removals. */
  endUnit(isAtomic: boolean): void {
    if (this.#count === 0) return
    this.isAtomic = isAtomic
    this.#starts[this.#count] = this.#writer.length
    this.#writer.release()
    this.#writer.flush()
    assert(this.#count === 0, 'a unit is handed over in one piece')
  }

  #give(bytes: Uint8Array): void {
    // Nobody may listen any more, if that has changed in the middle of the unit.
    this.bytes = bytes
    if (this.isKept) this.listener?.(this)
    this.bytes = EMPTY_BYTES
    if (this.#count <= KEPT_COUNT) {
      this.#count = 0
      return
    }
    this.#count = 0
    this.#starts = []
    this.#databases = []
    this.#targets = []
  }

  #begin(database: number, name: Uint8Array, count: number): Reply {
    const writer = this.#open(database, Target.All)
    writer.array(count)
    writer.bulk(name, 0, name.length)
    return writer
  }

  /** Notes that a command begins where the buffer ends. */
  #open(database: number, target: Target): Reply {
    const writer = this.#writer
    const i = this.#count++
    if (i === 0) writer.hold()
    this.#starts[i] = writer.length
    this.#databases[i] = database
    this.#targets[i] = target
    return writer
  }
}

/** Keeps the command that runs as the removal of `key` in the selected database. */
export function keepDeletion({ effects, db }: Caller, key: Slice, isLazy: boolean): void {
  writeSlice(effects.instead(db, isLazy ? UNLINK : DEL, 2), key)
}

/** What of a command's context matters here. */
interface Caller {
  readonly effects: Effects
  readonly db: Database
}

/**
 * Where the arguments begin as they came by the wire, one bulk behind the other up to the last line
 * end, so that they can be copied as they are; -1 if they do not lie like that: those of an inline
 * command, of one that was queued, or with other bytes where line ends should be.
 */
function wireStart({ bytes, starts, lengths, count }: Args): number {
  let limit = -1
  for (let i = 0; i < count; i++) {
    const length = lengths[i]!
    const start = starts[i]!
    const head = start - headerLength(length)
    if (head < 0 || (i > 0 && head !== limit)) return -1
    limit = start + length + 2
    if (limit > bytes.length || bytes[head]! !== DOLLAR) return -1
    // Readers of queries do not look at each line end.
    if (bytes[start - 2]! !== CR || bytes[start - 1]! !== LF) return -1
    if (bytes[limit - 2]! !== CR || bytes[limit - 1]! !== LF) return -1
  }
  return starts[0]! - headerLength(lengths[0]!)
}

/** Bytes of the line that stands before a bulk: `$`, the length, CR LF. */
function headerLength(length: number): number {
  if (length < 10) return 4
  return length < 100 ? 5 : 3 + integerLength(length)
}

/** Writes the arguments from `from` to before `limit` into a command of `Effects.instead`. */
export function writeArguments(writer: Reply, args: Args, from: number, limit: number): void {
  for (let i = from; i < limit; i++) writer.bulk(args.bytes, args.start(i), args.length(i))
}

/** Writes a slice into a command of `Effects.instead`. */
export function writeSlice(writer: Reply, { bytes, start, length }: Slice): void {
  writer.bulk(bytes, start, length)
}
