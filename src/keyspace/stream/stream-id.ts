// IDs of stream entries: two unsigned 64-bit integers, milliseconds and sequence, as four words,
// the highest first. So IDs lie in roots, leaves and trees as they do here, and one loop compares
// them: no part of a stream computes with wider integers than words, but for text.
//
//    0       1       2        3
//    +-------+-------+--------+--------+
//    | ms    | ms    | seq    | seq    |
//    | high  | low   | high   | low    |
//    +-------+-------+--------+--------+
//
// In listpacks and RDB files an ID is the same 16 bytes, big-endian.
// Text is `ms-seq` in decimal. What Redis 7.0 takes for one of the two numbers is what C's strtoull
// takes: leading zeros, a plus and blanks are fine. That is the slow way.

import { assert } from '../../base/assert.ts'
import { textOf, writeInteger, writeLatin1 } from '../../base/bytes.ts'

export const ID_WORDS = 4
export const ID_BYTES = 16
/** Longest text: 20 digits, a dash, 20 digits. */
export const ID_TEXT_MAX = 41

const TWO_32 = 0x100000000
const SAFE_HIGH_MAX = 0x1fffff
const WORD_MAX = 0xffffffff
const ZERO = 0x30
const DASH = 0x2d
const STAR = 0x2a
/** Digits that are computed in one double. */
const SAFE_DIGITS = 15
const U64_LIMIT = 1n << 64n
/** Redis reads IDs of up to this length. */
const PARSED_LENGTH_MAX = 127

/** Below, at or above 0 as the ID at `a[aAt]` sorts before, with or after that at `b[bAt]`. */
export function compareIds(a: Uint32Array, aAt: number, b: Uint32Array, bAt: number): number {
  for (let i = 0; i < ID_WORDS; i++) {
    const left = a[aAt + i]!
    const right = b[bAt + i]!
    if (left !== right) return left < right ? -1 : 1
  }
  return 0
}

/** What an ID's text is, besides an ID. */
export const IdForm = { Invalid: 0, Whole: 1, AnySequence: 2 } as const
export type IdForm = (typeof IdForm)[keyof typeof IdForm]

/** An ID, made once and filled again and again. */
export class StreamId {
  readonly words = new Uint32Array(ID_WORDS)

  /** Takes two safe integers; for tests and small constants. */
  set(ms: number, sequence: number): this {
    this.setMs(ms)
    this.setSequence(sequence)
    return this
  }

  setMs(ms: number): void {
    assert(Number.isSafeInteger(ms) && ms >= 0, 'milliseconds are a safe integer')
    this.words[0] = Math.floor(ms / TWO_32)
    this.words[1] = ms >>> 0
  }

  setSequence(sequence: number): void {
    assert(Number.isSafeInteger(sequence) && sequence >= 0, 'a sequence is a safe integer')
    this.words[2] = Math.floor(sequence / TWO_32)
    this.words[3] = sequence >>> 0
  }

  setTo(other: StreamId): this {
    return this.setWords(other.words, 0)
  }

  setWords(words: Uint32Array, at: number): this {
    const own = this.words
    own[0] = words[at]!
    own[1] = words[at + 1]!
    own[2] = words[at + 2]!
    own[3] = words[at + 3]!
    return this
  }

  writeWords(words: Uint32Array, at: number): void {
    const own = this.words
    words[at] = own[0]!
    words[at + 1] = own[1]!
    words[at + 2] = own[2]!
    words[at + 3] = own[3]!
  }

  /** Takes 16 big-endian bytes. */
  setBytes(bytes: Uint8Array, start: number): this {
    for (let i = 0; i < ID_WORDS; i++) {
      const at = start + i * 4
      const upper = (bytes[at]! << 24) | (bytes[at + 1]! << 16)
      this.words[i] = upper | (bytes[at + 2]! << 8) | bytes[at + 3]!
    }
    return this
  }

  /** Writes 16 big-endian bytes. */
  writeBytes(target: Uint8Array, at: number): void {
    writeIdBytes(this.words, 0, target, at)
  }

  setMin(): this {
    this.words.fill(0)
    return this
  }

  setMax(): this {
    this.words.fill(WORD_MAX)
    return this
  }

  get isZero(): boolean {
    const words = this.words
    return (words[0]! | words[1]! | words[2]! | words[3]!) === 0
  }

  get isLast(): boolean {
    const words = this.words
    return (words[0]! & words[1]! & words[2]! & words[3]!) === -1
  }

  compare(other: StreamId): number {
    return compareIds(this.words, 0, other.words, 0)
  }

  compareTo(words: Uint32Array, at: number): number {
    return compareIds(this.words, 0, words, at)
  }

  /** The next ID; false, and nothing changed, for the last one. */
  increment(): boolean {
    const words = this.words
    for (let i = ID_WORDS - 1; i >= 0; i--) {
      if (words[i]! !== WORD_MAX) {
        words[i]!++
        words.fill(0, i + 1)
        return true
      }
    }
    return false
  }

  /** The ID before; false, and nothing changed, for 0-0. */
  decrement(): boolean {
    const words = this.words
    for (let i = ID_WORDS - 1; i >= 0; i--) {
      if (words[i]! !== 0) {
        words[i]!--
        words.fill(WORD_MAX, i + 1)
        return true
      }
    }
    return false
  }

  /** The next sequence of the same millisecond; false when there is none. */
  incrementSequence(): boolean {
    const words = this.words
    if (words[3]! !== WORD_MAX) {
      words[3]!++
      return true
    }
    if (words[2]! === WORD_MAX) return false
    words[2]!++
    words[3] = 0
    return true
  }

  /** Writes the text; returns the offset after it. Allocates only beyond 2^53. */
  writeText(target: Uint8Array, at: number): number {
    return writeIdText(this.words, 0, target, at)
  }

  /** Writes the text up to the dash and with it; returns the offset after it. */
  writeMsText(target: Uint8Array, at: number): number {
    const next = writeU64(target, at, this.words[0]!, this.words[1]!)
    target[next] = DASH
    return next + 1
  }

  /** Writes the text behind the dash; returns the offset after it. */
  writeSequenceText(target: Uint8Array, at: number): number {
    return writeU64(target, at, this.words[2]!, this.words[3]!)
  }

  /** The text. Allocates; for tests and rare paths. */
  toString(): string {
    const target = new Uint8Array(ID_TEXT_MAX)
    return textOf(target, 0, this.writeText(target, 0))
  }

  /**
   * Takes the ID of a text. `missingSequence` is 0, or WORD_MAX for the last one, of a text without
   * a sequence. AnySequence: `ms-*`. Invalid: no sensible ID is left here.
   */
  parse(bytes: Uint8Array, start: number, length: number, missingSequence: number): IdForm {
    let end = start
    const limit = start + length
    while (end < limit && bytes[end]! !== DASH) end++
    if (length > PARSED_LENGTH_MAX) return IdForm.Invalid
    if (!this.#parsePart(bytes, start, end, 0)) {
      return this.#parseOdd(bytes, start, length, missingSequence)
    }
    if (end === limit) {
      this.words[2] = missingSequence
      this.words[3] = missingSequence
      return IdForm.Whole
    }
    if (end + 2 === limit && bytes[end + 1]! === STAR) {
      this.words[2] = 0
      this.words[3] = 0
      return IdForm.AnySequence
    }
    if (this.#parsePart(bytes, end + 1, limit, 2)) return IdForm.Whole
    return this.#parseOdd(bytes, start, length, missingSequence)
  }

  /** The common way: few digits, nothing else. */
  #parsePart(bytes: Uint8Array, start: number, limit: number, word: number): boolean {
    if (start === limit || limit - start > SAFE_DIGITS) {
      return limit - start > SAFE_DIGITS && this.#parseLong(bytes, start, limit - start, word)
    }
    let value = 0
    for (let at = start; at < limit; at++) {
      const digit = bytes[at]! - ZERO
      if (digit < 0 || digit > 9) return false
      value = value * 10 + digit
    }
    this.words[word] = Math.floor(value / TWO_32)
    this.words[word + 1] = value >>> 0
    return true
  }

  #parseLong(bytes: Uint8Array, start: number, length: number, word: number): boolean {
    const value = parseU64(textOf(bytes, start, length))
    if (value === null) return false
    this.words[word] = Number(value >> 32n)
    this.words[word + 1] = Number(value & 0xffffffffn)
    return true
  }

  /** What C would make of the text: up to a NUL, each part by strtoull. */
  #parseOdd(bytes: Uint8Array, start: number, length: number, missingSequence: number): IdForm {
    const [text = ''] = textOf(bytes, start, length).split('\0')
    const dash = text.indexOf('-')
    const ms = parseU64(dash < 0 ? text : text.slice(0, dash))
    if (ms === null) return IdForm.Invalid
    this.words[0] = Number(ms >> 32n)
    this.words[1] = Number(ms & 0xffffffffn)
    this.words[2] = missingSequence
    this.words[3] = missingSequence
    if (dash < 0) return IdForm.Whole
    const rest = text.slice(dash + 1)
    const sequence = rest === '*' ? 0n : parseU64(rest)
    if (sequence === null) return IdForm.Invalid
    this.words[2] = Number(sequence >> 32n)
    this.words[3] = Number(sequence & 0xffffffffn)
    return rest === '*' ? IdForm.AnySequence : IdForm.Whole
  }
}

/** Writes the text of the ID at `words[at]`; returns the offset after it. */
export function writeIdText(
  words: Uint32Array,
  at: number,
  target: Uint8Array,
  to: number,
): number {
  let next = writeU64(target, to, words[at]!, words[at + 1]!)
  target[next++] = DASH
  next = writeU64(target, next, words[at + 2]!, words[at + 3]!)
  return next
}

/** Writes the ID at `words[at]` as 16 big-endian bytes. */
export function writeIdBytes(words: Uint32Array, at: number, target: Uint8Array, to: number): void {
  for (let i = 0; i < ID_WORDS; i++) {
    const word = words[at + i]!
    target[to++] = word >>> 24
    target[to++] = word >>> 16
    target[to++] = word >>> 8
    target[to++] = word
  }
}

function writeU64(target: Uint8Array, at: number, high: number, low: number): number {
  if (high <= SAFE_HIGH_MAX) return writeInteger(target, at, high * TWO_32 + low)
  return writeLatin1(target, at, ((BigInt(high) << 32n) | BigInt(low)).toString())
}

/** As C's strtoull would read the whole text, but for a minus before a number Redis can read. */
function parseU64(text: string): bigint | null {
  const parts = /^[ \t-\r]*([+-]?)(\d+)$/.exec(text)
  if (!parts) return null
  const value = BigInt(parts[2]!)
  if (value >= U64_LIMIT) return null
  if (parts[1] !== '-') return value
  // `-5` is refused as negative; `-05` is no canonical integer and goes through strtoull.
  if (/^-[1-9]\d*$/.test(text) && value <= 1n << 63n) return null
  return BigInt.asUintN(64, -value)
}
