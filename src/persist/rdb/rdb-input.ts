// The bytes of an RDB stream as the reader of opcodes and types wants them: bytes, integers,
// lengths and strings from a file or from memory, with position, checksum and errors. The buffer
// lies in kernel memory, so that compressed strings are expanded in place; strings that fit the
// buffer are never copied, longer ones go to one array that is kept for the next.
//
// Every length is compared with what remains of the file before anything is allocated or read: a
// bad length costs nothing. Errors are `StoreError`s that say where, what was found and what was
// expected: `dump.rdb: string length at byte 93, found 2000, expected at most 12`.
//
// Invariants:
// - `#start ≤ #summed ≤ #at ≤ #end`: bytes up to `#summed` are in the checksum.
// - The byte at `#end` is byte `#loaded` of the file.

import { assert } from '../../base/assert.ts'
import type { DiskFile } from '../../base/disk.ts'
import { ErrorCode, StoreError } from '../../base/errors.ts'
import {
  type Inflater,
  type Kernels,
  ListpackState,
  LZF_RATIO_MAX,
  type PutPiece,
} from './kernels.ts'
import { LengthMark, StringEncoding } from './rdb-format.ts'
import { StreamNodes } from './stream-nodes.ts'

/** What is read of a file. */
export type RdbFile = Pick<DiskFile, 'path' | 'size' | 'read'>

/** Takes a string that is longer than the buffer, by pieces. Bytes are borrowed for the call. */
export interface LongString {
  onLength(length: number): void
  onPiece(bytes: Uint8Array, start: number, length: number): void
}

/** A string's bytes, borrowed: valid until the next read into the same kind of slot. */
export class RdbString {
  bytes: Uint8Array = NO_BYTES
  start = 0
  length = 0
}

const NO_BYTES = new Uint8Array(0)
const BUFFER_BYTES_DEFAULT = 512 * 1024
const BUFFER_BYTES_MIN = 1024
const INFLATER_BYTES = 64 * 1024
/** Keys up to this length are kept in kernel memory; longer ones are copied out. */
const KEY_BYTES = 64 * 1024
/** Bytes of a string besides those of its text, compressed or not, at most. */
const STRING_HEADS_MAX = 20
const DIGITS_MAX = 11
/** Longest metadata and function library. */
const TEXT_BYTES_MAX = 64 * 1024 * 1024
/** The array for long strings is given back above this length, unless the next needs half of it. */
const LARGE_KEPT_BYTES = 16 * 1024 * 1024
const TWO_32 = 0x100000000

export class RdbInput {
  readonly memory: Uint8Array
  /** Checks nodes of streams that the last string was. */
  readonly nodes: StreamNodes
  readonly #kernels: Kernels
  readonly #view: DataView
  readonly #inflater: Inflater
  readonly #start: number
  readonly #bufferBytes: number
  /** Where expanded and decimal values go. */
  readonly #value: number
  readonly #key: number
  #file: RdbFile = NO_FILE
  #at = 0
  #end = 0
  #summed = 0
  #loaded = 0
  #size = 0
  #crc = 0n
  #hasChecksum = false
  #encoding = -1
  #large: Uint8Array = NO_BYTES
  /** Takes the string that is read, if it is long. */
  #long: LongString | null = null
  #isInPieces = false

  /** Takes regions of `regionBytes(bufferBytes)` from the kernels. */
  constructor(kernels: Kernels, bufferBytes = BUFFER_BYTES_DEFAULT) {
    assert(bufferBytes >= BUFFER_BYTES_MIN, 'buffer bytes')
    this.#kernels = kernels
    this.memory = kernels.memory
    this.#view = new DataView(kernels.memory.buffer)
    this.#bufferBytes = bufferBytes
    this.#start = kernels.allocate(bufferBytes)
    this.#value = kernels.allocate(bufferBytes)
    this.#key = kernels.allocate(KEY_BYTES)
    this.#inflater = kernels.inflater(INFLATER_BYTES)
    this.nodes = new StreamNodes(kernels)
    this.#reset()
  }

  /** Kernel memory that an input with such a buffer takes. */
  static regionBytes(bufferBytes = BUFFER_BYTES_DEFAULT): number {
    const fixedBytes = KEY_BYTES + 2 * INFLATER_BYTES + StreamNodes.regionBytes
    return 2 * bufferBytes + fixedBytes + 16 * 1024
  }

  /** Starts to read a file from its beginning. */
  open(file: RdbFile): void {
    this.#file = file
    this.#size = file.size()
    this.#reset()
  }

  /** Forgets the file and gives large memory back. */
  close(): void {
    this.#file = NO_FILE
    this.#size = 0
    this.#large = NO_BYTES
    this.#reset()
  }

  get path(): string {
    return this.#file.path
  }

  /** Byte of the file that is read next. */
  get position(): number {
    return this.#loaded - (this.#end - this.#at)
  }

  /** Bytes from `position` to the end of the file. */
  get remaining(): number {
    return this.#size - this.position
  }

  get size(): number {
    return this.#size
  }

  /** Checksum of all bytes read so far. */
  checksum(): bigint {
    this.#updateChecksum()
    return this.#crc
  }

  /** Leaves the checksum alone from here on: for files that have none. */
  skipChecksum(): void {
    this.#hasChecksum = false
  }

  byte(what: string): number {
    this.#need(1, what)
    return this.memory[this.#at++]!
  }

  /** 32 bits, little-endian, signed. */
  int32(what: string): number {
    this.#need(4, what)
    this.#at += 4
    return this.#view.getInt32(this.#at - 4, true)
  }

  /** 64 bits, little-endian, signed, as a number: exact up to 2^53. */
  int64(what: string): number {
    this.#need(8, what)
    this.#at += 8
    const low = this.#view.getUint32(this.#at - 8, true)
    return this.#view.getInt32(this.#at - 4, true) * TWO_32 + low
  }

  /** 64 bits, little-endian, unsigned, exact. */
  uint64(what: string): bigint {
    this.#need(8, what)
    this.#at += 8
    return this.#view.getBigUint64(this.#at - 8, true)
  }

  /** A length or count; throws on a string encoding and above 2^53. */
  length(what: string): number {
    const position = this.position
    const value = this.#lengthOrEncoding(what)
    if (value >= 0) return value
    throw this.corrupt(what, position, `string encoding ${this.#encoding}`, 'a length')
  }

  /** A length of all 64 bits, as module ids are. */
  wideLength(what: string): bigint {
    this.#need(1, what)
    if (this.memory[this.#at] !== LengthMark.Bits64) return BigInt(this.length(what))
    this.#need(9, what)
    this.#at += 9
    return this.#view.getBigUint64(this.#at - 8)
  }

  /** A length of all 64 bits as two words, the higher one first. */
  wideWords(what: string, words: Uint32Array, at: number): void {
    this.#need(1, what)
    if (this.memory[this.#at] !== LengthMark.Bits64) {
      const value = this.length(what)
      words[at] = value < TWO_32 ? 0 : Math.floor(value / TWO_32)
      words[at + 1] = value >>> 0
      return
    }
    this.#need(9, what)
    this.#at += 9
    words[at] = this.#view.getUint32(this.#at - 8)
    words[at + 1] = this.#view.getUint32(this.#at - 4)
  }

  /** A string; integers become their text, compressed ones are expanded. Valid to the next read. */
  string(slot: RdbString, what: string): void {
    const position = this.position
    const length = this.#lengthOrEncoding(what)
    if (length < 0) {
      if (this.#encoding === StringEncoding.Lzf) this.#compressed(slot, what)
      else this.#integer(slot, what, position)
      return
    }
    this.#assertRemaining(length, what, position)
    slot.length = length
    if (length > this.#bufferBytes) {
      if (this.#long !== null) return this.#readPieces(length, what, this.#long)
      slot.bytes = this.#largeArray(length, what, position)
      slot.start = 0
      this.#readLarge(slot.bytes, length, what)
      return
    }
    this.#need(length, what)
    slot.bytes = this.memory
    slot.start = this.#at
    this.#at += length
  }

  /** As `string`; but one that is longer than the buffer goes to `long`, and it returns true. */
  stringOrPieces(slot: RdbString, what: string, long: LongString): boolean {
    this.#long = long
    this.#isInPieces = false
    this.string(slot, what)
    this.#long = null
    return this.#isInPieces
  }

  /**
   * Checks the listpack that a slot holds, and surveys it (`Kernels.surveyListpack`). Unclear where
   * it does not lie in kernel memory.
   */
  survey({ bytes, start, length }: RdbString, stride: 0 | 1 | 2): ListpackState {
    if (bytes !== this.memory) return ListpackState.Unclear
    return this.#kernels.surveyListpack(start, length, stride)
  }

  /** What `survey` has found, as `Kernels.surveyed`. */
  get surveyed(): Uint32Array {
    return this.#kernels.surveyed
  }

  /** Whether `count` bytes more can be read while all that was read last stays where it is. */
  isBuffered(count: number): boolean {
    return this.#end - this.#at >= count
  }

  /** Whether the string in `slot`, which was read last, stays valid while another is read. */
  staysValid(slot: RdbString): boolean {
    const left = this.#end - this.#at
    if (slot.bytes !== this.memory || left < STRING_HEADS_MAX) return false
    const first = this.memory[this.#at]!
    const mark = first & LengthMark.Encoded
    const isInBuffer = slot.start < this.#start + this.#bufferBytes
    if (mark === 0) return first + 1 <= left
    const second = this.memory[this.#at + 1]!
    if (mark === LengthMark.Bits14) return (((first & 0x3f) << 8) | second) + 2 <= left
    // What is expanded or written as text goes where such strings lie.
    if (mark !== LengthMark.Encoded || !isInBuffer) return false
    if ((first & 0x3f) !== StringEncoding.Lzf) return true
    const third = this.memory[this.#at + 2]!
    const length = (second & LengthMark.Encoded) === 0 ? second : ((second & 0x3f) << 8) | third
    return second < LengthMark.Bits32 && length + STRING_HEADS_MAX <= left
  }

  /** A string that stays valid until the next key is read. */
  key(slot: RdbString, what: string): void {
    this.string(slot, what)
    const { start, length } = slot
    if (slot.bytes !== this.memory || length > KEY_BYTES) {
      slot.bytes = slot.bytes.slice(start, start + length)
      slot.start = 0
      return
    }
    slot.start = this.#key
    if (length > 32) {
      this.memory.copyWithin(this.#key, start, start + length)
      return
    }
    for (let i = 0; i < length; i++) this.memory[this.#key + i] = this.memory[start + i]!
  }

  /** A string as text, read as UTF-8. */
  text(slot: RdbString, what: string): string {
    const position = this.position
    this.string(slot, what)
    if (slot.length > TEXT_BYTES_MAX) {
      const found = `${slot.length} bytes`
      throw this.corrupt(what, position, found, `at most ${TEXT_BYTES_MAX}`)
    }
    return Buffer.from(
      slot.bytes.buffer,
      slot.bytes.byteOffset + slot.start,
      slot.length,
    ).toString()
  }

  /** An error about bytes that are there and wrong. */
  corrupt(what: string, position: number, found: string, expected: string): StoreError {
    return this.#error(ErrorCode.RdbCorrupt, what, position, [found, expected])
  }

  /** An error about bytes that are valid but not known here. */
  unsupported(what: string, position: number, found: string, expected: string): StoreError {
    return this.#error(ErrorCode.RdbUnsupported, what, position, [found, expected])
  }

  #error(
    code: ErrorCode,
    what: string,
    position: number,
    [found, expected]: [string, string],
  ): StoreError {
    const text = `${this.path}: ${what} at byte ${position}, found ${found}, expected ${expected}`
    return new StoreError(code, text)
  }

  #reset(): void {
    this.#at = this.#start
    this.#end = this.#start
    this.#summed = this.#start
    this.#loaded = 0
    this.#crc = 0n
    this.#hasChecksum = true
  }

  /** A length, or -1 with the form of the string in `#encoding`. */
  #lengthOrEncoding(what: string): number {
    this.#need(1, what)
    const position = this.position
    const first = this.memory[this.#at++]!
    const mark = first & LengthMark.Encoded
    if (mark === 0) return first
    if (mark === LengthMark.Bits14) return ((first & 0x3f) << 8) | this.byte(what)
    if (mark === LengthMark.Encoded) {
      this.#encoding = first & 0x3f
      return -1
    }
    if (first === LengthMark.Bits32) {
      this.#need(4, what)
      this.#at += 4
      return this.#view.getUint32(this.#at - 4)
    }
    if (first !== LengthMark.Bits64) {
      throw this.corrupt(what, position, `length mark ${first}`, 'a known length mark')
    }
    this.#need(8, what)
    this.#at += 8
    const high = this.#view.getUint32(this.#at - 8)
    const value = high * TWO_32 + this.#view.getUint32(this.#at - 4)
    if (value <= Number.MAX_SAFE_INTEGER) return value
    throw this.corrupt(what, position, `${value}`, 'a length below 2^53')
  }

  #integer(slot: RdbString, what: string, position: number): void {
    let value: number
    if (this.#encoding === StringEncoding.Int8) {
      value = (this.byte(what) << 24) >> 24
    } else if (this.#encoding === StringEncoding.Int16) {
      this.#need(2, what)
      this.#at += 2
      value = this.#view.getInt16(this.#at - 2, true)
    } else if (this.#encoding === StringEncoding.Int32) {
      value = this.int32(what)
    } else {
      throw this.corrupt(what, position, `string encoding ${this.#encoding}`, '0 to 3')
    }
    slot.bytes = this.memory
    const limit = this.#value + DIGITS_MAX
    let at = limit
    let digits = Math.abs(value)
    do {
      this.memory[--at] = 48 + (digits % 10)
      digits = Math.floor(digits / 10)
    } while (digits > 0)
    if (value < 0) this.memory[--at] = 45
    slot.start = at
    slot.length = limit - at
  }

  #compressed(slot: RdbString, what: string): void {
    const position = this.position
    const length = this.length(what)
    const expanded = this.length(what)
    this.#assertRemaining(length, what, position)
    if (expanded > length * LZF_RATIO_MAX || expanded === 0) {
      const most = `1 to ${length * LZF_RATIO_MAX} for ${length} compressed bytes`
      throw this.corrupt(what, position, `expanded length ${expanded}`, most)
    }
    slot.length = expanded
    let isValid: boolean
    if (length <= this.#bufferBytes && expanded <= this.#bufferBytes) {
      this.#need(length, what)
      slot.bytes = this.memory
      slot.start = this.#value
      isValid = this.#kernels.lzfDecompress(this.#at, length, this.#value, expanded)
      this.#at += length
    } else if (this.#long !== null) {
      const long = this.#long
      this.#isInPieces = true
      long.onLength(expanded)
      const put: PutPiece = (memory, start, count) => long.onPiece(memory, start, count)
      isValid = this.#inflate(length, expanded, what, put)
    } else {
      const array = this.#largeArray(expanded, what, position)
      slot.bytes = array
      slot.start = 0
      let done = 0
      isValid = this.#inflate(length, expanded, what, (memory, start, count) => {
        array.set(memory.subarray(start, start + count), done)
        done += count
      })
    }
    if (isValid) return
    const stream = `${expanded} bytes from ${length} compressed`
    throw this.corrupt(what, position, 'a bad LZF stream', stream)
  }

  /** Expands a stream of `length` bytes into pieces; whether it is right. */
  #inflate(length: number, expanded: number, what: string, put: PutPiece): boolean {
    let left = length
    const pull = (memory: Uint8Array, start: number, room: number) => {
      const part = Math.min(left, room, this.#bufferBytes)
      if (part === 0) return 0
      this.#need(part, what)
      memory.copyWithin(start, this.#at, this.#at + part)
      this.#at += part
      left -= part
      return part
    }
    const isValid = this.#inflater.inflate(expanded, pull, put)
    return isValid && left === 0
  }

  /** An array of at least `length` bytes, the same as last time if that one is long enough. */
  #largeArray(length: number, what: string, position: number): Uint8Array {
    const kept = this.#large.length
    if (kept >= length && (kept <= LARGE_KEPT_BYTES || kept <= 2 * length)) return this.#large
    try {
      this.#large = NO_BYTES
      this.#large = new Uint8Array(length)
    } catch (cause) {
      const text = `${this.path}: ${what} at byte ${position}, no memory for ${length} bytes`
      throw new StoreError(ErrorCode.OutOfMemory, text, { cause })
    }
    return this.#large
  }

  /** Reads past the buffer: what is in it first, the rest from the file. */
  #readLarge(target: Uint8Array, length: number, what: string): void {
    const buffered = Math.min(this.#end - this.#at, length)
    target.set(this.memory.subarray(this.#at, this.#at + buffered))
    this.#at += buffered
    this.#updateChecksum()
    let done = buffered
    while (done < length) {
      const count = this.#file.read(target, done, length - done, this.#loaded)
      if (count === 0) throw this.#truncated(length - done, 0, what)
      assert(count > 0 && count <= length - done, 'count read')
      this.#loaded += count
      done += count
    }
    if (this.#hasChecksum) {
      this.#crc = this.#kernels.crcOf(this.#crc, target, buffered, length - buffered)
    }
  }

  /** Hands on the bytes of a string, as much at a time as the buffer holds. */
  #readPieces(length: number, what: string, long: LongString): void {
    this.#isInPieces = true
    long.onLength(length)
    for (let left = length; left > 0; ) {
      this.#need(1, what)
      const part = Math.min(left, this.#end - this.#at)
      long.onPiece(this.memory, this.#at, part)
      this.#at += part
      left -= part
    }
  }

  #assertRemaining(length: number, what: string, position: number): void {
    if (length <= this.remaining) return
    const most = `at most the ${this.remaining} bytes that remain`
    throw this.#error(ErrorCode.RdbTruncated, `${what} length`, position, [`${length}`, most])
  }

  /** Makes the next `count` bytes lie in the buffer. */
  #need(count: number, what: string): void {
    if (this.#end - this.#at < count) this.#fill(count, what)
  }

  #fill(count: number, what: string): void {
    assert(count <= this.#bufferBytes, 'one piece fits the buffer')
    this.#updateChecksum()
    this.memory.copyWithin(this.#start, this.#at, this.#end)
    this.#end -= this.#at - this.#start
    this.#at = this.#start
    this.#summed = this.#start
    while (this.#end - this.#at < count) {
      const room = this.#start + this.#bufferBytes - this.#end
      // Never past the size seen at the start: a file that grows meanwhile is read as it was.
      const part = Math.min(room, this.#size - this.#loaded)
      const done = part > 0 ? this.#file.read(this.memory, this.#end, part, this.#loaded) : 0
      if (done === 0) throw this.#truncated(count, this.#end - this.#at, what)
      assert(done > 0 && done <= part, 'count read')
      this.#end += done
      this.#loaded += done
    }
  }

  #truncated(expected: number, found: number, what: string): StoreError {
    const bytes: [string, string] = [`${found} bytes to the end of the file`, `${expected}`]
    return this.#error(ErrorCode.RdbTruncated, what, this.position, bytes)
  }

  #updateChecksum(): void {
    const length = this.#at - this.#summed
    if (this.#hasChecksum && length > 0) {
      this.#crc = this.#kernels.crc(this.#crc, this.#summed, length)
    }
    this.#summed = this.#at
  }
}

/** Bytes in memory as a file; `path` is what errors call them. */
export class BytesFile implements RdbFile {
  readonly path: string
  readonly #bytes: Uint8Array
  readonly #start: number
  readonly #length: number

  constructor(path: string, bytes: Uint8Array, start = 0, length = bytes.length - start) {
    assert(start >= 0 && length >= 0 && start + length <= bytes.length, 'range of bytes')
    this.path = path
    this.#bytes = bytes
    this.#start = start
    this.#length = length
  }

  size(): number {
    return this.#length
  }

  read(bytes: Uint8Array, start: number, length: number, position: number): number {
    assert(start + length <= bytes.length && position >= 0, 'what is read fits its place')
    const count = Math.max(0, Math.min(length, this.#length - position))
    const from = this.#start + position
    bytes.set(this.#bytes.subarray(from, from + count), start)
    return count
  }
}

const NO_FILE: RdbFile = new BytesFile('no file', NO_BYTES)
