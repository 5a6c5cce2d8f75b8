// Reads the commands of one append only file, one at a time, with the offsets that loading and
// repairing need. What is read: commands in RESP, `#TS:<unix seconds>` and other lines that begin
// with `#`; an RDB preamble is only recognised, its end is where the caller opens again.
//
//   *2\r\n $6\r\nSELECT\r\n $1\r\n0\r\n   #TS:1700000000\r\n   *3\r\n … cut off here
//   ^ commandStart                     ^ wholeEnd (after it was read)
//
// A file that ends inside of a command is Truncated: a crash may leave it so, and cutting it off at
// `wholeEnd` repairs it. Anything else that is not as expected is Damaged: `reason` says what and
// `badOffset` where. Neither throws; only the disk does.
//
// Invariants:
// - The byte at `#at` of the buffer is byte `#base + #at` of the file.
// - A length is compared with what remains of the file before anything is allocated.

import { assert } from '../../base/assert.ts'
import type { DiskFile } from '../../base/disk.ts'
import type { Args } from '../../resp/args.ts'

/** What was read. */
export const AofRead = {
  /** The arguments hold a command, borrowed until the next read. */
  Command: 0,
  /** A line that begins with `#`; `timestamp` is its time. */
  Annotation: 1,
  /** The file begins with an RDB stream. Nothing was consumed. */
  Preamble: 2,
  /** The file ends behind a whole command. */
  End: 3,
  Truncated: 4,
  Damaged: 5,
} as const
export type AofRead = (typeof AofRead)[keyof typeof AofRead]

/** What is read of a file. */
export type AofSource = Pick<DiskFile, 'path' | 'size' | 'read'>

const BUFFER_BYTES = 1024 * 1024
const BUFFER_BYTES_MIN = 64
/** A buffer that one long command made larger than this is given back. */
const KEPT_BYTES = 16 * 1024 * 1024
/** Longest line that begins with `#`. */
const ANNOTATION_BYTES_MAX = 1024
/** Longest line with a count or length, its end included. */
const NUMBER_BYTES_MAX = 32
const ARGUMENTS_MAX = 1024 * 1024 * 1024
const BULK_BYTES_MAX = 0x7fff_ffff

const CR = 0x0d
const LF = 0x0a
const STAR = 0x2a
const DOLLAR = 0x24
const HASH = 0x23
const ZERO = 0x30
const NINE = 0x39
const MAGIC = 'REDIS'
const TIME_MARK = '#TS:'

/** What parsing a part came to, below any number: more bytes are needed, or they are wrong. */
const MORE = -1
const BAD = -2

export class AofReader {
  /** Why the file is Damaged. */
  reason = ''
  /** Byte of the file that is not as expected. */
  badOffset = -1
  /** Unix seconds of the annotation that was read last; -1 when it was no time. */
  timestamp = -1
  #file: AofSource | null = null
  #size = 0
  #buffer: Uint8Array
  #at = 0
  #end = 0
  #base = 0
  #commandStart = 0
  readonly #bufferBytes: number
  /** Where the parser stands. */
  #cursor = 0
  /** Bytes that the command which is read needs at least, from its beginning. */
  #needed = 0

  constructor(bufferBytes = BUFFER_BYTES) {
    assert(bufferBytes >= BUFFER_BYTES_MIN, 'a buffer takes a line')
    this.#bufferBytes = bufferBytes
    this.#buffer = new Uint8Array(bufferBytes)
  }

  /** Begins to read at `offset`, where a command begins. */
  open(file: AofSource, offset = 0): void {
    this.#file = file
    this.#size = file.size()
    assert(offset >= 0 && offset <= this.#size, 'an offset in the file')
    this.#base = offset
    this.#at = 0
    this.#end = 0
    this.#commandStart = offset
    this.reason = ''
    this.badOffset = -1
    if (this.#buffer.length > KEPT_BYTES) this.#buffer = new Uint8Array(this.#bufferBytes)
  }

  /** Lets go of the file and of the bytes. */
  close(): void {
    this.#file = null
    this.#at = 0
    this.#end = 0
  }

  /** Bytes of the file when it was opened. */
  get size(): number {
    return this.#size
  }

  /** Byte of the file where the command that was read last begins, or the one that is not whole. */
  get commandStart(): number {
    return this.#commandStart
  }

  /** Byte of the file behind the last whole command or annotation. */
  get wholeEnd(): number {
    return this.#base + this.#at
  }

  /** Reads on. Throws StoreError when the disk does. */
  next(args: Args): AofRead {
    this.#commandStart = this.#base + this.#at
    this.#needed = 1
    for (;;) {
      if (this.#end - this.#at < this.#needed && !this.#fill()) return this.#atEnd()
      const found = this.#parse(args)
      if (found !== MORE) return found
      // Nothing is known of how much is missing: at least a byte.
      this.#needed = Math.max(this.#needed, this.#end - this.#at + 1)
    }
  }

  /** What it is that the file ends here. */
  #atEnd(): AofRead {
    return this.#commandStart === this.#size ? AofRead.End : AofRead.Truncated
  }

  #parse(args: Args): AofRead | typeof MORE {
    const first = this.#buffer[this.#at]!
    if (first === STAR) return this.#command(args)
    if (first === HASH) return this.#annotation()
    if (this.#commandStart === 0 && this.#size >= MAGIC.length) {
      if (this.#end < MAGIC.length) return MORE
      if (this.#text(0, MAGIC.length) === MAGIC) return AofRead.Preamble
    }
    return this.#damaged(this.#at, "Expected prefix '*'")
  }

  #command(args: Args): AofRead | typeof MORE {
    this.#cursor = this.#at + 1
    const count = this.#number(ARGUMENTS_MAX)
    if (count === MORE) return MORE
    if (count === BAD) return AofRead.Damaged
    if (count === 0) return this.#damaged(this.#at, 'Expected a command of one argument at least')
    args.count = 0
    args.bytes = this.#buffer
    for (let i = 0; i < count; i++) {
      const found = this.#argument(args)
      if (found === MORE) return MORE
      if (found === BAD) return AofRead.Damaged
    }
    this.#at = this.#cursor
    return AofRead.Command
  }

  #argument(args: Args): number {
    const buffer = this.#buffer
    if (this.#cursor >= this.#end) return MORE
    if (buffer[this.#cursor] !== DOLLAR) {
      this.#damaged(this.#cursor, "Expected prefix '$'")
      return BAD
    }
    this.#cursor++
    const length = this.#number(BULK_BYTES_MAX)
    if (length < 0) return length
    const start = this.#cursor
    const limit = start + length + 2
    if (limit > this.#end) {
      this.#needed = limit - this.#at
      return MORE
    }
    if (buffer[limit - 2] !== CR || buffer[limit - 1] !== LF) {
      this.#damaged(limit - 2, 'Expected \\r\\n')
      return BAD
    }
    args.add(start, length)
    this.#cursor = limit
    return length
  }

  /** The digits at the cursor and their line end, which are passed; MORE or BAD. */
  #number(max: number): number {
    const buffer = this.#buffer
    let at = this.#cursor
    const end = this.#end
    let value = 0
    let byte = 0
    while (at < end && (byte = buffer[at]!) >= ZERO && byte <= NINE) {
      value = value * 10 + (byte - ZERO)
      at++
    }
    const digits = at - this.#cursor
    if (at + 1 >= end && digits < NUMBER_BYTES_MAX && (at === end || byte === CR)) return MORE
    if (digits === 0 || value > max || byte !== CR || buffer[at + 1] !== LF) {
      this.#damaged(at, 'Expected a number and \\r\\n')
      return BAD
    }
    this.#cursor = at + 2
    return value
  }

  #annotation(): AofRead | typeof MORE {
    const limit = Math.min(this.#end, this.#at + ANNOTATION_BYTES_MAX)
    const end = this.#buffer.subarray(0, limit).indexOf(LF, this.#at)
    if (end < 0) {
      if (limit - this.#at < ANNOTATION_BYTES_MAX) return MORE
      return this.#damaged(this.#at, `Expected a line of at most ${ANNOTATION_BYTES_MAX} bytes`)
    }
    const text = this.#text(this.#at, end)
    const seconds = text.startsWith(TIME_MARK) ? Number.parseInt(text.slice(4), 10) : -1
    this.timestamp = Number.isSafeInteger(seconds) ? seconds : -1
    this.#at = end + 1
    return AofRead.Annotation
  }

  #damaged(at: number, reason: string): typeof AofRead.Damaged {
    this.badOffset = this.#base + at
    const found = this.#text(at, Math.min(at + 2, this.#end))
    this.reason = `${reason}, got: ${JSON.stringify(found)}`
    return AofRead.Damaged
  }

  #text(start: number, limit: number): string {
    return Buffer.from(this.#buffer.buffer, start, Math.max(0, limit - start)).toString('latin1')
  }

  /** Reads until `#needed` bytes are there; false when the file ends before. */
  #fill(): boolean {
    const file = this.#file
    assert(file !== null, 'open comes first')
    if (this.#base + this.#at + this.#needed > this.#size) return false
    this.#makeRoom()
    while (this.#end - this.#at < this.#needed) {
      const room = Math.min(this.#buffer.length - this.#end, this.#size - this.#base - this.#end)
      const count = file.read(this.#buffer, this.#end, room, this.#base + this.#end)
      if (count === 0) return false
      this.#end += count
    }
    return true
  }

  /** Moves what is unread to the front, into a longer buffer if need be. */
  #makeRoom(): void {
    const rest = this.#end - this.#at
    if (this.#needed > this.#buffer.length) {
      // Twice, so that a command of many short arguments is parsed again a few times only.
      const left = this.#size - this.#base - this.#at
      const grown = new Uint8Array(Math.min(2 * this.#needed + this.#bufferBytes, left))
      grown.set(this.#buffer.subarray(this.#at, this.#end))
      this.#buffer = grown
    } else if (this.#needed <= this.#bufferBytes && this.#buffer.length > KEPT_BYTES) {
      const smaller = new Uint8Array(Math.max(this.#bufferBytes, rest))
      smaller.set(this.#buffer.subarray(this.#at, this.#end))
      this.#buffer = smaller
    } else {
      this.#buffer.copyWithin(0, this.#at, this.#end)
    }
    this.#base += this.#at
    this.#at = 0
    this.#end = rest
  }
}
