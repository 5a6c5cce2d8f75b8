// Bytes of one connection to commands. The fast path parses in the transport's receive buffer and
// copies nothing. Only a command that a chunk leaves incomplete moves to the reader's own buffer
// ("held"); it is completed there in small steps, and parsing returns to the chunk behind it.
//
//   feed(chunk)   next(args)* … until not Command   keep()      one turn
//
// - A turn may stop before everything is parsed (blocked client): `keep` then holds the rest.
// - Parsing never starts over: what is known of an incomplete command stays in `#partial`, so work
//   is linear in the bytes received, whatever the chunks.
// - A bulk of BIG_BULK bytes or more gets a buffer of its size at once; its bytes are copied once.
//   Such buffers are shared by all readers, one after the other (HELD_BUFFERS).
// - Limits, error texts and their order are Redis 7.0's; so is the rule that a NUL hides the end of
//   a line (strchr), and that the two bytes after a bulk are not looked at.
// Invariant: between turns all unparsed bytes are in `#held[0, #heldLength)`.

import { assert } from '../base/assert.ts'
import { BufferPool } from '../base/buffer-pool.ts'
import { EMPTY_BYTES, parseInteger } from '../base/bytes.ts'
import { Args } from './args.ts'
import { splitInline } from './inline.ts'
import {
  expectedBulk,
  INVALID_BULK_LENGTH,
  INVALID_MULTIBULK_LENGTH,
  type ReplyError,
  TOO_BIG_BULK_COUNT,
  TOO_BIG_INLINE,
  TOO_BIG_MULTIBULK_COUNT,
  UNAUTHENTICATED_BULK,
  UNAUTHENTICATED_MULTIBULK,
  UNBALANCED_QUOTES,
} from './replies.ts'

/** What `next` found. */
export const Read = {
  /** All bytes are parsed, or the rest is the beginning of a command. */
  Incomplete: 0,
  /** `args` holds a command. */
  Command: 1,
  /** `error` says what is wrong; send it and close. Final. */
  ProtocolError: 2,
  /** More bytes are held than `queryLengthMax`; close without a reply. Final. */
  QueryLimit: 3,
} as const
export type Read = (typeof Read)[keyof typeof Read]

/** One object for all connections; CONFIG SET changes it in place. Bytes. */
export interface ReaderLimits {
  /** `proto-max-bulk-len`. */
  bulkLengthMax: number
  /** `client-query-buffer-limit`. */
  queryLengthMax: number
}

export const DEFAULT_LIMITS: Readonly<ReaderLimits> = {
  bulkLengthMax: 512 * 1024 * 1024,
  queryLengthMax: 1024 * 1024 * 1024,
}

/** Longest inline request and longest header line. */
export const LINE_LENGTH_MAX = 64 * 1024
const MULTIBULK_MAX = 0x7fffffff
const UNAUTHENTICATED_MULTIBULK_MAX = 10
const UNAUTHENTICATED_BULK_MAX = 16384
/** From here on a bulk gets a buffer of its own size. */
const BIG_BULK = 32 * 1024
/** Bytes copied at a time to complete a held command. */
const STEP = 1024
/** A held buffer above this is given back as soon as it is empty. */
const KEPT_HELD_LENGTH = 4096
/** What the objects of an incomplete command take besides its bytes, and a range of an argument. */
const PARTIAL_BYTES = 400
const BYTES_PER_RANGE = 8
/** Buffers of large arguments, for all readers of the thread; `age` is for the cron. */
export const HELD_BUFFERS = new BufferPool({
  lengthMin: BIG_BULK,
  lengthMax: 4 * 1024 * 1024,
  bytesMax: 16 * 1024 * 1024,
})
/** Offsets are u32. */
const HELD_LENGTH_CAP = 0xffff0000

const STAR = 0x2a
const DOLLAR = 0x24
const CR = 0x0d
const LF = 0x0a
const ZERO = 0x30

/** What `#readHeader` returns instead of a length. */
const NEGATIVE = -1
const UNFINISHED = -2
const INVALID = -3
const TOO_LONG = -4
/** Up to nine digits fit a small integer. */
const FAST_DIGITS = 9

/** Stands for "no incomplete command yet", so that idle connections hold no arrays. */
const NO_ARGS = new Args()

export class QueryReader {
  /** Set while a password is required and has not been given: smaller limits hold. */
  isUnauthenticated = false
  /** Set for the stream of our primary: no limit on bulks and held bytes. */
  isPrimary = false

  readonly #limits: Readonly<ReaderLimits>
  #error: ReplyError | null = null
  /** Final outcome, once there is one. */
  #final: Read | null = null

  // Where parsing goes on: the chunk or the held buffer.
  #bytes: Uint8Array = EMPTY_BYTES
  /** Where `#bytes` began when this turn's chunk came in. */
  #firstByte = 0
  #at = 0
  #limit = 0
  /** First byte of the command that is being parsed. */
  #commandStart = 0
  /** Arguments still to come; 0 between commands. */
  #argsLeft = 0
  /** Length of the bulk whose header is read, or -1. */
  #bulkLength = -1
  /** Bytes from `#at` on that are known to hold no end of line. */
  #scanned = 0

  #held: Uint8Array = EMPTY_BYTES
  #heldLength = 0
  /** Bytes of the held buffer that are memory: behind them lies what was never written to. */
  #touchedLength = 0
  #isHeld = false
  /** Arguments of an incomplete command, offsets from its start; in use while `#isPartial`. */
  #partial: Args = NO_ARGS
  #isPartial = false

  // The rest of the chunk while parsing goes on in the held buffer.
  #chunk: Uint8Array = EMPTY_BYTES
  #chunkAt = 0
  #chunkLimit = 0
  /** How many bytes of the chunk have been copied behind the held ones. */
  #borrowed = 0

  constructor(limits: Readonly<ReaderLimits> = DEFAULT_LIMITS) {
    this.#limits = limits
  }

  /** What `ProtocolError` is about. */
  get error(): ReplyError {
    const error = this.#error
    assert(error !== null, 'no protocol error happened')
    return error
  }

  /** Hands in bytes received, borrowed until `keep`. */
  feed(bytes: Uint8Array, start: number, length: number): void {
    assert(start >= 0 && length >= 0 && start + length <= bytes.length, 'chunk outside of bytes')
    assert(this.#chunkAt === this.#chunkLimit, 'feed before keep')
    if (this.#heldLength > 0) {
      this.#chunk = bytes
      this.#chunkAt = start
      this.#chunkLimit = start + length
      return
    }
    assert(this.#at === this.#limit, 'feed before keep')
    this.#readFrom(bytes, start, start + length)
  }

  /**
   * Parses one command into `args`, whose bytes stay valid until the next call on this reader or
   * the return of the transport's callback. Skips empty commands.
   */
  next(args: Args): Read {
    args.count = 0
    if (this.#final !== null) return this.#final
    args.shrink()
    for (;;) {
      if (this.#argsLeft === 0 && this.#borrowed > 0) this.#returnToChunk()
      const found = this.#argsLeft === 0 ? this.#begin(args) : this.#readArgs(args)
      if (found === Read.Command) return found
      if (found !== Read.Incomplete) return this.#end(found)
      if (this.#limit - this.#commandStart > this.#queryLimit) return this.#end(Read.QueryLimit)
      if (this.#chunkAt === this.#chunkLimit) return found
      this.#borrowStep()
    }
  }

  /** Ends a turn: moves what is left of the chunk to the held buffer. */
  keep(): void {
    if (!this.#isHeld && this.#at === this.#limit && this.#argsLeft === 0) return this.#drop()
    if (this.#final !== null) return this.#drop()
    if (!this.#isHeld) {
      this.#hold()
      return
    }
    const rest = this.#chunkLimit - this.#chunkAt
    if (rest > 0) this.#append(rest)
    this.#borrowed = 0
    this.#chunk = EMPTY_BYTES
    this.#chunkAt = this.#chunkLimit = 0
    const start = this.#argsLeft > 0 ? this.#commandStart : this.#at
    if (start === this.#heldLength) return this.#drop()
    // Moving pays when at least half of the buffer is free again.
    if (start >= this.#heldLength - start) this.#compact(start)
  }

  /** Gives back an empty buffer; for the cron, on idle connections. */
  shrink(): void {
    if (this.#heldLength > 0 || this.#isPartial) return
    this.#held = EMPTY_BYTES
    this.#touchedLength = 0
    this.#partial = NO_ARGS
  }

  /** Bytes allocated for this connection's input. */
  get heldCapacity(): number {
    return this.#held.length + (this.#partial === NO_ARGS ? 0 : PARTIAL_BYTES + this.#rangeBytes)
  }

  /**
   * Bytes in the buffer that is parsed now, the running command included (`qbuf`); while a large
   * argument comes in, those of it. What is before it is counted by `partialLength`.
   */
  get queryLength(): number {
    if (!this.#isHeld) return this.#limit - this.#firstByte
    return this.#bulkLength >= BIG_BULK ? this.#heldLength - this.#at : this.#heldLength
  }

  /**
   * Memory of this connection's input. Of the room for a large argument that was announced, only
   * what bytes have arrived in: the rest is address space.
   */
  get heldBytes(): number {
    const untouched = this.#held.length - this.#touchedLength
    return this.heldCapacity - (untouched >= BIG_BULK ? untouched : 0)
  }

  /** Room behind the bytes held (`qbuf-free`). */
  get queryFree(): number {
    return this.#held.length - this.#heldLength
  }

  /** Bytes of arguments known of an incomplete command (part of `argv-mem`). */
  get partialLength(): number {
    return this.#isPartial ? this.#partial.size : 0
  }

  /** Whether bytes wait that no command has used yet; they may be an incomplete one. */
  get hasUnread(): boolean {
    return this.#at < this.#limit || this.#chunkAt < this.#chunkLimit
  }

  /** Whether a stopped turn (blocked client) has let too much pile up. */
  get isOverLimit(): boolean {
    return this.#heldLength > this.#queryLimit
  }

  get #rangeBytes(): number {
    return this.#partial.starts.length * BYTES_PER_RANGE
  }

  get #queryLimit(): number {
    if (this.isPrimary) return HELD_LENGTH_CAP
    return Math.min(this.#limits.queryLengthMax, HELD_LENGTH_CAP)
  }

  #end(final: Read): Read {
    this.#final = final
    return final
  }

  #fail(error: ReplyError): Read {
    this.#error = error
    return Read.ProtocolError
  }

  #readFrom(bytes: Uint8Array, start: number, limit: number): void {
    this.#bytes = bytes
    this.#firstByte = start
    this.#at = start
    this.#commandStart = start
    this.#limit = limit
    this.#scanned = 0
    this.#isHeld = false
  }

  /** Between commands: reads a multibulk's count or an inline command. */
  #begin(args: Args): Read {
    for (;;) {
      this.#commandStart = this.#at
      if (this.#at === this.#limit) return Read.Incomplete
      if (this.#bytes[this.#at]! !== STAR) {
        const found = this.#readInline(args)
        if (found !== Read.Command || args.count > 0) return found
        continue
      }
      const count = this.#readHeader()
      if (count === UNFINISHED) return Read.Incomplete
      if (count === TOO_LONG) return this.#fail(TOO_BIG_MULTIBULK_COUNT)
      if (count === INVALID || count > MULTIBULK_MAX) return this.#fail(INVALID_MULTIBULK_LENGTH)
      if (count > UNAUTHENTICATED_MULTIBULK_MAX && this.isUnauthenticated) {
        return this.#fail(UNAUTHENTICATED_MULTIBULK)
      }
      // Null and empty multibulks are no commands; they get no reply.
      if (count <= 0) continue
      this.#argsLeft = count
      return this.#readArgs(args)
    }
  }

  /** Inside a multibulk: reads bulks until none is left or bytes run out. */
  #readArgs(args: Args): Read {
    const target = this.#isPartial ? this.#partial : args
    const origin = this.#isPartial ? this.#commandStart : 0
    while (this.#argsLeft > 0) {
      if (this.#bulkLength < 0) {
        const found = this.#readBulkHeader()
        if (found === Read.Incomplete) return this.#suspend(args)
        if (found !== Read.Command) return found
      }
      if (this.#limit - this.#at < this.#bulkLength + 2) return this.#suspend(args)
      target.add(this.#at - origin, this.#bulkLength)
      this.#at += this.#bulkLength + 2
      this.#bulkLength = -1
      this.#argsLeft--
    }
    if (this.#isPartial) this.#resume(args)
    args.bytes = this.#bytes
    return Read.Command
  }

  /** Reads `$<length>`; Command means that `#bulkLength` is known. */
  #readBulkHeader(): Read {
    if (this.#at === this.#limit) return Read.Incomplete
    const type = this.#bytes[this.#at]!
    const length = this.#readHeader()
    if (length === UNFINISHED) return Read.Incomplete
    if (length === TOO_LONG) return this.#fail(TOO_BIG_BULK_COUNT)
    if (type !== DOLLAR) return this.#fail(expectedBulk(type))
    if (length < 0 || (length > this.#limits.bulkLengthMax && !this.isPrimary)) {
      return this.#fail(INVALID_BULK_LENGTH)
    }
    if (length > UNAUTHENTICATED_BULK_MAX && this.isUnauthenticated) {
      return this.#fail(UNAUTHENTICATED_BULK)
    }
    this.#bulkLength = length
    return Read.Command
  }

  /** The number of a header line, whose type byte is at `#at`; moves behind the line. */
  #readHeader(): number {
    const bytes = this.#bytes
    const first = this.#at + 1
    const limit = Math.min(this.#limit, first + FAST_DIGITS)
    let at = first
    let value = 0
    for (; at < limit; at++) {
      const digit = bytes[at]! - ZERO
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
    }
    // Anything but a plain number with its line end in sight is left to the slow way.
    if (at + 1 >= this.#limit || bytes[at]! !== CR || at === first) return this.#readOddHeader()
    if (bytes[first]! === ZERO && at > first + 1) return this.#readOddHeader()
    this.#at = at + 2
    this.#scanned = 0
    return value
  }

  #readOddHeader(): number {
    const end = this.#findLineEnd(CR)
    if (end < 0) return this.#limit - this.#at > LINE_LENGTH_MAX ? TOO_LONG : UNFINISHED
    if (end + 1 >= this.#limit) return UNFINISHED
    const value = parseInteger(this.#bytes, this.#at + 1, end - this.#at - 1)
    this.#at = end + 2
    this.#scanned = 0
    if (value === null) return INVALID
    if (value < 0) return NEGATIVE
    // What no number holds exactly is beyond every limit.
    return typeof value === 'number' ? value : Infinity
  }

  /**
   * Offset of `end` in the line that starts at `#at`, or -1. A NUL hides what is behind it. A line
   * that is too long has no end either, so that its fate does not depend on the chunks.
   */
  #findLineEnd(end: number): number {
    const limit = Math.min(this.#limit, this.#at + LINE_LENGTH_MAX + 1)
    for (let i = this.#at + this.#scanned; i < limit; i++) {
      const byte = this.#bytes[i]!
      if (byte !== end && byte !== 0) continue
      this.#scanned = i - this.#at
      return byte === end ? i : -1
    }
    this.#scanned = limit - this.#at
    return -1
  }

  #readInline(args: Args): Read {
    const end = this.#findLineEnd(LF)
    if (end < 0) {
      const isTooLong = this.#limit - this.#at > LINE_LENGTH_MAX
      return isTooLong ? this.#fail(TOO_BIG_INLINE) : Read.Incomplete
    }
    const start = this.#at
    const hasReturn = end > start && this.#bytes[end - 1]! === CR
    this.#at = end + 1
    this.#scanned = 0
    const isGood = splitInline(this.#bytes, start, hasReturn ? end - 1 : end, args)
    return isGood ? Read.Command : this.#fail(UNBALANCED_QUOTES)
  }

  /** Bytes ran out inside a multibulk: moves what is known of it to `#partial`. */
  #suspend(args: Args): Read {
    if (this.#isPartial) return Read.Incomplete
    if (this.#partial === NO_ARGS) this.#partial = new Args()
    this.#partial.adopt(args, -this.#commandStart)
    this.#isPartial = true
    args.count = 0
    return Read.Incomplete
  }

  /** The incomplete command is complete: its arguments go to `args`. */
  #resume(args: Args): void {
    const partial = this.#partial
    args.adopt(partial, this.#commandStart)
    partial.count = 0
    partial.shrink()
    this.#isPartial = false
  }

  /** Copies the unparsed end of the chunk; the reader then reads from the held buffer. */
  #hold(): void {
    const start = this.#argsLeft > 0 ? this.#commandStart : this.#at
    const length = this.#limit - start
    const parsed = this.#at - start
    assert(this.#heldLength === 0, 'held bytes would be overwritten')
    this.#reserve(Math.max(length, this.#wanted(parsed)))
    copy(this.#bytes, start, length, this.#held)
    this.#heldLength = length
    this.#noteTouched()
    this.#bytes = this.#held
    this.#isHeld = true
    this.#commandStart = 0
    this.#at = parsed
    this.#limit = length
  }

  /** Length at which the bulk begun is complete, when that is worth a buffer of its size. */
  #wanted(at: number): number {
    if (this.#bulkLength < BIG_BULK) return 0
    const wanted = at + this.#bulkLength + 2 + STEP
    // More than the limit will never be held; do not allocate for it.
    return wanted > this.#queryLimit ? 0 : wanted
  }

  /** Completes the held command with some bytes of the chunk. */
  #borrowStep(): void {
    const missing = this.#bulkLength < 0 ? 0 : this.#at + this.#bulkLength + 2 - this.#limit
    const step = Math.min(missing + STEP, this.#chunkLimit - this.#chunkAt)
    this.#append(step)
    this.#borrowed += step
  }

  #append(length: number): void {
    const needed = this.#heldLength + length
    this.#reserve(Math.max(needed, this.#wanted(this.#at)))
    const target = this.#held.subarray(this.#heldLength, needed)
    copy(this.#chunk, this.#chunkAt, length, target)
    this.#heldLength = needed
    this.#noteTouched()
    this.#chunkAt += length
    this.#bytes = this.#held
    this.#limit = needed
  }

  /** The held command is done; goes on in the chunk if all that is left came from there. */
  #returnToChunk(): void {
    const left = this.#limit - this.#at
    if (left > this.#borrowed) return
    const start = this.#chunkAt - left
    const limit = this.#chunkLimit
    this.#clearHeld()
    this.#readFrom(this.#chunk, start, limit)
    this.#chunk = EMPTY_BYTES
    this.#chunkAt = this.#chunkLimit = 0
  }

  #compact(start: number): void {
    if (start === 0) return
    this.#held.copyWithin(0, start, this.#heldLength)
    this.#heldLength -= start
    this.#at -= start
    this.#commandStart = 0
    this.#limit = this.#heldLength
  }

  #drop(): void {
    this.#clearHeld()
    this.#readFrom(EMPTY_BYTES, 0, 0)
    this.#chunk = EMPTY_BYTES
    this.#chunkAt = this.#chunkLimit = 0
  }

  #clearHeld(): void {
    this.#heldLength = 0
    this.#borrowed = 0
    if (this.#held.length <= KEPT_HELD_LENGTH) return
    // Whoever had the arguments of the command in it has returned.
    HELD_BUFFERS.give(this.#held)
    this.#held = EMPTY_BYTES
    this.#touchedLength = 0
  }

  #noteTouched(): void {
    if (this.#heldLength > this.#touchedLength) this.#touchedLength = this.#heldLength
  }

  /** Grows the held buffer to at least `capacity`: exactly the first time, then by half. */
  #reserve(capacity: number): void {
    if (capacity <= this.#held.length) return
    const grown = this.#heldLength === 0 ? 256 : this.#held.length * 1.5
    const length = Math.max(capacity, Math.ceil(grown))
    const kept = HELD_BUFFERS.take(length)
    const held = kept ?? new Uint8Array(length)
    held.set(this.#held.subarray(0, this.#heldLength))
    HELD_BUFFERS.give(this.#held)
    this.#held = held
    this.#touchedLength = kept === null ? this.#heldLength : kept.length
  }
}

function copy(source: Uint8Array, start: number, length: number, target: Uint8Array): void {
  target.set(source.subarray(start, start + length))
}
