// Glob patterns on bytes, as KEYS, SCAN MATCH, CONFIG GET and channel patterns use them:
//
//   *       any bytes, also none            [abc]   one of these bytes
//   ?       any one byte                    [a-z]   one byte of a range, in either order
//   \x      x itself                        [^a]    any one byte but these
//
// A class that is not closed ends with the pattern; a lone `\` at the end stands for itself.
// A mismatch falls back to the last `*` only, which is enough: bytes that an earlier `*` could
// give up would have to be matched by the later one anyway. So the cost is at most pattern length
// times text length, never exponential, and there is no recursion.
//
// A `Glob` is meant to be kept and set anew for each command: setting it copies the pattern into a
// buffer it owns and looks for the three simple forms (`*`, no special byte, `prefix*`), matching
// allocates nothing.
// One difference to Redis: there, `*` matches an empty text in KEYS and SCAN, but `**` does not.

import { assert } from './assert.ts'

const STAR = 0x2a
const QUESTION = 0x3f
const OPEN = 0x5b
const CLOSE = 0x5d
const BACKSLASH = 0x5c
const CARET = 0x5e
const DASH = 0x2d

const Form = { All: 0, Literal: 1, Prefix: 2, General: 3 } as const
type Form = (typeof Form)[keyof typeof Form]

const INITIAL_BYTES = 64

export type AsciiCase = 'exact' | 'ignore'

/** Whether `text` matches `pattern`; for few and short texts, such as names of parameters. */
export function globMatches(pattern: string, text: string, asciiCase: AsciiCase): boolean {
  const patternBytes = Buffer.from(pattern, 'utf8')
  const textBytes = Buffer.from(text, 'utf8')
  const glob = new Glob(asciiCase)
  glob.set(patternBytes, 0, patternBytes.length)
  return glob.matches(textBytes, 0, textBytes.length)
}

export class Glob {
  readonly #ignoresCase: boolean
  #pattern = new Uint8Array(INITIAL_BYTES)
  #length = 0
  #form: Form = Form.Literal
  #plainLength = 0

  /** A pattern that matches only the empty text until `set`. */
  constructor(asciiCase: AsciiCase = 'exact') {
    this.#ignoresCase = asciiCase === 'ignore'
  }

  /** Whether the pattern matches every text, so that the caller may skip asking. */
  get matchesAll(): boolean {
    return this.#form === Form.All
  }

  /** Takes a copy of the pattern in `bytes[start, start + length)`. */
  set(bytes: Uint8Array, start: number, length: number): void {
    assert(start >= 0 && length >= 0 && start + length <= bytes.length, 'range of the pattern')
    if (length > this.#pattern.length) this.#pattern = new Uint8Array(length * 2)
    for (let i = 0; i < length; i++) this.#pattern[i] = bytes[start + i]!
    this.#length = length
    this.#plainLength = this.#countPlain()
    this.#form = this.#findForm()
  }

  /** Whether `bytes[start, start + length)` matches as a whole. Allocates nothing. */
  matches(bytes: Uint8Array, start: number, length: number): boolean {
    assert(start >= 0 && length >= 0 && start + length <= bytes.length, 'range of the text')
    if (this.#form === Form.All) return true
    if (this.#form === Form.General) return this.#matchesGeneral(bytes, start, length)
    if (length < this.#plainLength) return false
    if (this.#form === Form.Literal && length !== this.#plainLength) return false
    return this.#startsPlain(bytes, start)
  }

  /** Count of leading bytes that stand for themselves. */
  #countPlain(): number {
    const pattern = this.#pattern
    for (let i = 0; i < this.#length; i++) {
      const byte = pattern[i]!
      if (byte === STAR || byte === QUESTION || byte === OPEN || byte === BACKSLASH) return i
    }
    return this.#length
  }

  #findForm(): Form {
    let stars = 0
    while (stars < this.#length && this.#pattern[this.#length - 1 - stars] === STAR) stars++
    const isStarredTail = this.#plainLength + stars === this.#length
    if (isStarredTail && this.#plainLength === 0 && stars > 0) return Form.All
    if (this.#ignoresCase) return Form.General
    if (!isStarredTail) return Form.General
    return stars > 0 ? Form.Prefix : Form.Literal
  }

  #startsPlain(bytes: Uint8Array, start: number): boolean {
    const pattern = this.#pattern
    const length = this.#plainLength
    for (let i = 0; i < length; i++) {
      if (bytes[start + i] !== pattern[i]) return false
    }
    return true
  }

  #matchesGeneral(bytes: Uint8Array, start: number, length: number): boolean {
    const pattern = this.#pattern
    const patternLength = this.#length
    const limit = start + length
    let text = start
    let at = 0
    // Where to go on after a mismatch: behind the last star, with one more byte given to it.
    let starAt = -1
    let starText = 0
    while (text < limit) {
      const own = at < patternLength ? pattern[at]! : -1
      if (own === STAR) {
        starAt = ++at
        starText = text
        continue
      }
      const next = own < 0 ? -1 : this.#matchOne(at, bytes[text]!)
      if (next >= 0) {
        at = next
        text++
        continue
      }
      if (starAt < 0) return false
      at = starAt
      text = ++starText
    }
    while (at < patternLength && pattern[at] === STAR) at++
    return at === patternLength
  }

  /** Index behind the element at `at` when it matches `byte`, else -1. Not for `*`. */
  #matchOne(at: number, byte: number): number {
    let own = this.#pattern[at]!
    if (own === QUESTION) return at + 1
    if (own === OPEN) return this.#matchClass(at + 1, byte)
    if (own === BACKSLASH && at + 1 < this.#length) own = this.#pattern[++at]!
    if (own === byte) return at + 1
    return this.#ignoresCase && this.#fold(own) === this.#fold(byte) ? at + 1 : -1
  }

  /** The same for a class whose first byte behind `[` is at `at`. */
  #matchClass(at: number, byte: number): number {
    const pattern = this.#pattern
    const isNegated = at < this.#length && pattern[at] === CARET
    if (isNegated) at++
    let found = false
    while (at < this.#length && pattern[at] !== CLOSE) {
      if (pattern[at] === BACKSLASH && at + 1 < this.#length) {
        // An escaped byte in a class is compared exactly, whatever the case rule.
        at++
        if (pattern[at] === byte) found = true
      } else if (at + 2 < this.#length && pattern[at + 1] === DASH) {
        if (this.#isInRange(at, byte)) found = true
        at += 2
      } else if (this.#fold(pattern[at]!) === this.#fold(byte)) {
        found = true
      }
      at++
    }
    if (found === isNegated) return -1
    return at < this.#length ? at + 1 : at
  }

  /** Whether `byte` lies in the range whose ends are at `at` and `at + 2`, in either order. */
  #isInRange(at: number, byte: number): boolean {
    const first = this.#pattern[at]!
    const last = this.#pattern[at + 2]!
    const low = this.#fold(Math.min(first, last))
    const high = this.#fold(Math.max(first, last))
    const folded = this.#fold(byte)
    return folded >= low && folded <= high
  }

  #fold(byte: number): number {
    return this.#ignoresCase && byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte
  }
}
