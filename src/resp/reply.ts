// Values to bytes: the one writer of replies, RESP2 or RESP3 by `version`. The engine owns one,
// sets `version` to the client's before a command runs, and flushes once per read, so that the
// replies of a pipeline leave in one write.
//
// - A full buffer goes to the sink and is used again; large bulks go to the sink as they are. The
//   sink must have taken or copied the bytes when it returns.
// - While an array of unknown length is open (`beginArray`), or replies are held or muted, nothing
//   is sent: the buffer grows, and `flush` gives the memory back.
// - Nothing here allocates for integers, headers and bulks; texts and errors made of texts do.
// Source: the RESP2 and RESP3 specifications; the formats of doubles are Redis 7.0's.

import { assert } from '../base/assert.ts'
import {
  DOUBLE_LENGTH_MAX,
  formatDouble,
  INTEGER_LENGTH_MAX,
  integerLength,
  latin1,
  writeDouble,
  writeInteger,
  writeLatin1,
} from '../base/bytes.ts'
import type { I64 } from '../base/i64.ts'
import { copySlice, scratchSlice } from '../base/slice.ts'
import { codeOf, type ReplyError } from './replies.ts'

export type Sink = (bytes: Uint8Array, start: number, length: number) => void

/** The buffer's usual size; what is full beyond it is sent. */
const CAPACITY = 64 * 1024
/** Bulks of this length bypass the buffer. */
const DIRECT_LENGTH = 32 * 1024
/** Type byte, integer, CR LF. */
const HEADER_LENGTH_MAX = INTEGER_LENGTH_MAX + 3
/** Bulks up to this length are copied by loop. */
const LOOP_LIMIT = 32

const CR = 0x0d
const LF = 0x0a
const ZERO = 0x30
const DOLLAR = 0x24
const COLON = 0x3a
const STAR = 0x2a
const PERCENT = 0x25
const TILDE = 0x7e
const GREATER = 0x3e
const COMMA = 0x2c
const PLUS = 0x2b
const MINUS = 0x2d
const HASH = 0x23
const LEFT_PAREN = 0x28
const EQUALS = 0x3d
const BAR = 0x7c
const UNDERSCORE = 0x5f

const OK = latin1('+OK\r\n')
const NIL2 = latin1('$-1\r\n')
const NIL_ARRAY2 = latin1('*-1\r\n')

export class Reply {
  /** Protocol of the client that is served. */
  version: 2 | 3 = 2
  /** Error replies written since the start, for INFO and commandstats. */
  errorCount = 0
  /** Code word of the last of them. */
  lastErrorCode = ''
  /** Nobody will get the rest: who has a very long reply to write may leave it at that. */
  isRefused = false
  /** Whether memory that a long reply took is given back when it is sent (DEBUG REPLYBUFFER). */
  isShrinking = true
  /** How often the buffer grew for a reply, and was given back. */
  growths = 0
  shrinks = 0

  readonly #sink: Sink
  readonly #range = scratchSlice()
  #bytes = new Uint8Array(CAPACITY)
  #length = 0
  /** Arrays of unknown length that are open, and holds. */
  #openArrays = 0
  /** Where muting began, or -1. */
  #mutedFrom = -1

  constructor(sink: Sink) {
    this.#sink = sink
  }

  /** Bytes not yet with the sink. */
  get length(): number {
    return this.#length
  }

  /** Bytes allocated. */
  get capacity(): number {
    return this.#bytes.length
  }

  /** Hands all bytes to the sink. */
  flush(): void {
    assert(this.#openArrays === 0 && this.#mutedFrom < 0, 'flush inside of a reply')
    if (this.#length === 0) return
    const length = this.#length
    this.#length = 0
    this.#sink(this.#bytes, 0, length)
    if (this.#bytes.length > CAPACITY && this.isShrinking) this.#shrink()
  }

  /** From here to `unmute` replies are dropped (CLIENT REPLY OFF and SKIP). */
  mute(): void {
    assert(this.#mutedFrom < 0, 'muted twice')
    this.#mutedFrom = this.#length
  }

  unmute(): void {
    assert(this.#mutedFrom >= 0, 'not muted')
    this.#length = this.#mutedFrom
    this.#mutedFrom = -1
  }

  /**
   * Keeps what follows in the buffer until `release`, so that `rewind` can take it back: for
   * handlers that reply a value before they replace it, which a full arena may prevent.
   */
  hold(): void {
    this.#openArrays++
  }

  release(): void {
    assert(this.#openArrays > 0, 'not held')
    this.#openArrays--
  }

  /** Takes back what was written since `length` was `length`. It must not have been sent. */
  rewind(length: number): void {
    assert(length <= this.#length, 'what was sent cannot be taken back')
    this.#openArrays = 0
    this.#length = length
  }

  ok(): void {
    this.#constant(OK)
  }

  /** A status: `+text`; without line ends. */
  simple(text: string): void {
    this.#line(PLUS, text)
  }

  error(error: ReplyError): void {
    this.errorCount++
    this.lastErrorCode = error.code
    this.raw(error.bytes, 0, error.bytes.length)
  }

  /** An error put together from texts; begins with its code. CR and LF become blanks. */
  errorText(message: string): void {
    const line = message.replace(/[\r\n]/g, ' ')
    this.errorCount++
    this.lastErrorCode = codeOf(line)
    this.#line(MINUS, line)
  }

  integer(value: I64): void {
    this.#header(COLON, value)
  }

  /** A bulk of `bytes[start, start + length)`; may be shared memory. */
  bulk(bytes: Uint8Array, start: number, length: number): void {
    assert(start >= 0 && start + length <= bytes.length, 'bulk outside of its bytes')
    this.#header(DOLLAR, length)
    this.raw(bytes, start, length)
    this.#lineEnd()
  }

  /** A bulk of the text's characters, one byte each. */
  bulkText(text: string): void {
    this.#header(DOLLAR, text.length)
    this.#ensure(text.length + 2)
    this.#length = writeLatin1(this.#bytes, this.#length, text)
    this.#lineEnd()
  }

  /** A bulk that is the integer in ASCII. Allocates nothing for safe integers. */
  bulkInteger(value: I64): void {
    if (typeof value === 'bigint') return this.bulkText(String(value))
    this.#ensure(HEADER_LENGTH_MAX * 2)
    this.#header(DOLLAR, integerLength(value))
    this.#length = writeInteger(this.#bytes, this.#length, value)
    this.#lineEnd()
  }

  /** No value: `$-1` or `_`. */
  nil(): void {
    if (this.version === 2) this.#constant(NIL2)
    else this.#line(UNDERSCORE, '')
  }

  /** No array: `*-1` or `_`. */
  nilArray(): void {
    if (this.version === 2) this.#constant(NIL_ARRAY2)
    else this.#line(UNDERSCORE, '')
  }

  array(count: number): void {
    this.#header(STAR, count)
  }

  /** `count` pairs follow; in RESP2 an array of twice as many. */
  map(count: number): void {
    if (this.version === 2) this.#header(STAR, count * 2)
    else this.#header(PERCENT, count)
  }

  set(count: number): void {
    this.#header(this.version === 2 ? STAR : TILDE, count)
  }

  /** Out-of-band data; an array in RESP2. */
  push(count: number): void {
    this.#header(this.version === 2 ? STAR : GREATER, count)
  }

  /** `count` pairs about the reply that follows; only RESP3 has them. */
  attribute(count: number): void {
    assert(this.version === 3, 'attributes are RESP3')
    this.#header(BAR, count)
  }

  /** `,1.5`; in RESP2 a bulk. */
  double(value: number): void {
    if (this.version === 2) return this.#doubleBulk(value)
    this.#ensure(DOUBLE_LENGTH_MAX + 3)
    this.#bytes[this.#length++] = COMMA
    this.#length = writeDouble(this.#bytes, this.#length, value)
    this.#lineEnd()
  }

  /** `#t` or `#f`; in RESP2 1 or 0. */
  boolean(value: boolean): void {
    if (this.version === 2) this.#header(COLON, value ? 1 : 0)
    else this.#line(HASH, value ? 't' : 'f')
  }

  /** `digits` is a decimal integer of any length; in RESP2 a bulk. */
  bigNumber(digits: string): void {
    if (this.version === 2) this.bulkText(digits)
    else this.#line(LEFT_PAREN, digits)
  }

  /** A text with its format (`txt`, `mkd`); in RESP2 a bulk. */
  verbatim(format: string, text: string): void {
    assert(format.length === 3, 'formats have three letters')
    if (this.version === 2) return this.bulkText(text)
    this.#header(EQUALS, text.length + 4)
    this.#ensure(text.length + 6)
    this.#length = writeLatin1(this.#bytes, this.#length, `${format}:`)
    this.#length = writeLatin1(this.#bytes, this.#length, text)
    this.#lineEnd()
  }

  /** Opens an array whose length is not known yet; returns the mark for `endArray`. Nests. */
  beginArray(): number {
    return this.#begin()
  }

  /** Closes the array opened at `mark`. Moves its bytes if its header needs more than one digit. */
  endArray(mark: number, count: number): void {
    this.#close(STAR, mark, count)
  }

  /** As `endArray`, for a set. */
  endSet(mark: number, count: number): void {
    this.#close(this.version === 2 ? STAR : TILDE, mark, count)
  }

  /** As `endArray`, for `count` pairs. */
  endMap(mark: number, count: number): void {
    if (this.version === 2) this.#close(STAR, mark, count * 2)
    else this.#close(PERCENT, mark, count)
  }

  /** Bytes that are a reply, or part of one, already. */
  raw(bytes: Uint8Array, start: number, length: number): void {
    if (length >= DIRECT_LENGTH && this.#openArrays === 0 && this.#mutedFrom < 0) {
      this.flush()
      this.#sink(bytes, start, length)
      return
    }
    this.#ensure(length)
    if (length <= LOOP_LIMIT) {
      const target = this.#bytes
      const at = this.#length
      for (let i = 0; i < length; i++) target[at + i] = bytes[start + i]!
    } else {
      copySlice(this.#range.set(bytes, start, length), this.#bytes, this.#length)
    }
    this.#length += length
  }

  #begin(): number {
    this.#ensure(4)
    this.#openArrays++
    const mark = this.#length
    // Type byte, one digit, CR LF.
    this.#length += 4
    return mark
  }

  #close(type: number, mark: number, count: number): void {
    assert(this.#openArrays > 0 && mark >= 0 && mark + 4 <= this.#length, 'no such open array')
    this.#ensure(HEADER_LENGTH_MAX)
    const end = this.#length
    if (count > 9) {
      this.#length = mark
      let digits = 2
      for (let limit = 100; count >= limit; limit *= 10) digits++
      this.#bytes.copyWithin(mark + digits + 3, mark + 4, end)
      this.#header(type, count)
      this.#length = end + digits - 1
    } else {
      this.#length = mark
      this.#header(type, count)
      this.#length = end
    }
    this.#openArrays--
  }

  #doubleBulk(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) return this.bulkInteger(value)
    this.bulkText(formatDouble(value))
  }

  #constant(line: Uint8Array): void {
    const length = line.length
    this.#ensure(length)
    const at = this.#length
    const bytes = this.#bytes
    for (let i = 0; i < length; i++) bytes[at + i] = line[i]!
    this.#length = at + length
  }

  #line(type: number, text: string): void {
    this.#ensure(text.length + 3)
    this.#bytes[this.#length++] = type
    this.#length = writeLatin1(this.#bytes, this.#length, text)
    this.#lineEnd()
  }

  /** Type byte, integer, CR LF. */
  #header(type: number, value: I64): void {
    this.#ensure(HEADER_LENGTH_MAX)
    const bytes = this.#bytes
    let at = this.#length
    bytes[at++] = type
    if (typeof value === 'number' && value >= 0 && value < 100) {
      // Most lengths and counts.
      const tens = (value / 10) | 0
      if (tens > 0) bytes[at++] = ZERO + tens
      bytes[at++] = ZERO + value - tens * 10
    } else {
      at = writeInteger(bytes, at, value)
    }
    bytes[at++] = CR
    bytes[at++] = LF
    this.#length = at
  }

  #lineEnd(): void {
    this.#ensure(2)
    this.#bytes[this.#length++] = CR
    this.#bytes[this.#length++] = LF
  }

  /** Makes room for `length` bytes: by sending, or by growing where nothing may be sent. */
  #ensure(length: number): void {
    if (this.#length + length <= this.#bytes.length) return
    this.#makeRoom(length)
  }

  #makeRoom(length: number): void {
    if (this.#openArrays === 0) {
      if (this.#mutedFrom >= 0) this.#length = this.#mutedFrom
      else this.flush()
    }
    const needed = this.#length + length
    if (needed <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
    this.growths++
  }

  #shrink(): void {
    this.#bytes = new Uint8Array(CAPACITY)
    this.shrinks++
  }
}
