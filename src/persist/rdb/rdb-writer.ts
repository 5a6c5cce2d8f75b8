// Encodes an RDB stream (docs/formats/rdb.md) into a chunk of kernel memory and hands each full
// chunk to a sink: a file, an AOF base, a replica, a DUMP reply. The caller gives the parts in the
// order of the format; the writer knows lengths, string encodings and the checksum, not the order.
//
// Bytes equal those of Redis 7.0 where the same choice is made; of a compressed string the LZF
// stream may differ. Strings that lie in the kernel's memory are encoded where they are, others are
// first copied in. A string longer than half a chunk is compressed block by block – an LZF stream
// may be the sum of streams – and twice, since its length comes before it: once to add the lengths
// up, once to write. So memory stays bounded whatever the length, and a source must give the same
// bytes both times. Such a string can be left between any two blocks (`stringSteps`); nothing else
// goes into the writer until it is complete.
//
// In a file, strings of a length of which many in a row did not get shorter are tried now and then
// only: a hopeless try costs as much as all else of a short string. A payload is always the same.
//
// What the sink throws passes through; `begin` makes the writer usable again.
// Owner: the thread that owns the kernels.

import { assert } from '../../base/assert.ts'
import { copySlice, Slice } from '../../base/slice.ts'
import { drain, type Steps } from '../../base/steps.ts'
import type { Kernels } from './kernels.ts'
import {
  CHECKSUM_VERSION,
  LengthMark,
  LZF_GAIN_MIN,
  Opcode,
  RDB_VERSION,
  RDB_VERSION_MAX,
  StringEncoding,
} from './rdb-format.ts'

/** Takes encoded bytes, which are valid until it returns. */
export type ByteSink = (bytes: Uint8Array, start: number, length: number) => void

/** A string too long for one buffer, or spread over pages. */
export interface StringSource {
  /** Copies `length` bytes of the string from `offset` to `target[targetStart…]`. */
  copy(offset: number, length: number, target: Uint8Array, targetStart: number): void
}

export interface RdbWriterOptions {
  readonly sink: ByteSink
  /** Redis's rdbcompression: LZF for strings longer than 20 bytes. */
  readonly compress: boolean
  /** Redis's rdbchecksum; without it the checksum is written as 0. */
  readonly checksum: boolean
  /** Written into the header or footer; 10 if missing. */
  readonly version?: number
}

/** How far a stream is, as it travels between threads. */
export interface WriterState {
  readonly checksum: bigint
  readonly bytes: number
}

/** Longest string that LZF is not tried on, as in Redis. */
const UNCOMPRESSED_MAX = 20
/** Strings in a row, of about the same length, after which compression is tried less. */
const MISSES_MAX = 64
/** Of so many strings one is tried then. */
const TRY_EVERY = 8
const LENGTH_CLASSES = 33

const CHUNK_BYTES_DEFAULT = 256 * 1024
const CHUNK_BYTES_MIN = 1024
const CHUNK_BYTES_MAX = 64 * 1024 * 1024
/** Longest encoding of anything but a string's bytes: mark and two lengths. */
const HEAD_MAX = 24
/** Shorter strings are copied by a loop. */
const LOOP_COPY_MAX = 32
const TWO_32 = 0x100000000

export class RdbWriter {
  readonly #kernels: Kernels
  readonly #memory: Uint8Array
  readonly #view: DataView
  readonly #chunk: number
  readonly #chunkLimit: number
  readonly #stage: number
  /** Longest string that is encoded in one go. */
  readonly #directMax: number
  readonly #copied = new Slice()
  #sink: ByteSink = noSink
  #compress: 0 | 1 = 0
  #checksum = true
  #version = RDB_VERSION
  /** Whether hopeless strings are passed over. */
  #isSparing = false
  /** By class of length: strings in a row that did not get shorter. */
  readonly #misses = new Uint8Array(LENGTH_CLASSES)
  #skips = 0
  #at: number
  #crc = 0n
  #flushedBytes = 0
  #partsLeft = 0

  /** Takes two regions of `chunkBytes` from the kernels; a full chunk goes to the sink. */
  constructor(kernels: Kernels, chunkBytes = CHUNK_BYTES_DEFAULT) {
    assert(chunkBytes >= CHUNK_BYTES_MIN && chunkBytes <= CHUNK_BYTES_MAX, 'chunk bytes')
    this.#kernels = kernels
    this.#memory = kernels.memory
    this.#view = new DataView(kernels.memory.buffer)
    this.#chunk = kernels.allocate(chunkBytes)
    this.#chunkLimit = this.#chunk + chunkBytes
    this.#directMax = chunkBytes >> 1
    this.#stage = kernels.allocate(this.#directMax)
    this.#at = this.#chunk
  }

  /** Kernel memory that a writer with such chunks takes. */
  static regionBytes(chunkBytes = CHUNK_BYTES_DEFAULT): number {
    return chunkBytes + (chunkBytes >> 1)
  }

  /** Bytes of the stream so far, those that still wait in the chunk included. */
  get bytesWritten(): number {
    return this.#flushedBytes + this.#at - this.#chunk
  }

  /** Starts a file: magic and version. Drops whatever an earlier stream left behind. */
  begin(options: RdbWriterOptions): void {
    this.beginPayload(options)
    this.#isSparing = true
    const magic = `REDIS${String(this.#version).padStart(4, '0')}`
    for (let i = 0; i < magic.length; i++) this.#byte(magic.charCodeAt(i))
  }

  /** How far the stream is, with nothing left in the chunk, for `resume` of another writer. */
  suspend(): WriterState {
    assert(this.#partsLeft === 0, 'string is complete')
    this.flush()
    return { checksum: this.#crc, bytes: this.#flushedBytes }
  }

  /** Goes on with a stream that another writer has begun. */
  resume(options: RdbWriterOptions, state: WriterState): void {
    this.beginPayload(options)
    this.#isSparing = true
    this.#crc = state.checksum
    this.#flushedBytes = state.bytes
  }

  /** Ends a file: EOF, checksum, flush. Returns the bytes of the whole file. */
  end(): number {
    assert(this.#partsLeft === 0, 'string is complete')
    this.#room(HEAD_MAX)
    this.#byte(Opcode.Eof)
    if (this.#version >= CHECKSUM_VERSION) {
      const from = this.#at
      this.#updateChecksum()
      this.#view.setBigUint64(from, this.#checksum ? this.#crc : 0n, true)
      this.#at += 8
    }
    const total = this.bytesWritten
    this.#handOver()
    return total
  }

  /** Starts a DUMP payload: no header. */
  beginPayload(options: RdbWriterOptions): void {
    const version = options.version ?? RDB_VERSION
    assert(Number.isInteger(version) && version >= 1 && version <= RDB_VERSION_MAX, 'rdb version')
    this.#sink = options.sink
    this.#compress = options.compress ? 1 : 0
    this.#checksum = options.checksum
    this.#version = version
    this.#at = this.#chunk
    this.#crc = 0n
    this.#flushedBytes = 0
    this.#partsLeft = 0
    this.#isSparing = false
    this.#misses.fill(0)
    this.#skips = 0
  }

  /** Hands over what is there if the end of a payload would not fit behind it. */
  makeRoomForEnd(): void {
    this.#room(HEAD_MAX)
  }

  /** Ends a DUMP payload: version, checksum, flush. Returns its bytes. */
  endPayload(): number {
    assert(this.#partsLeft === 0, 'string is complete')
    assert(this.#checksum, 'a payload has a checksum')
    this.#room(HEAD_MAX)
    this.#view.setUint16(this.#at, this.#version, true)
    this.#at += 2
    const from = this.#at
    this.#updateChecksum()
    this.#view.setBigUint64(from, this.#crc, true)
    this.#at += 8
    const total = this.bytesWritten
    this.#handOver()
    return total
  }

  /** A field of metadata, as `redis-ver`. */
  aux(name: string, value: string | number): void {
    this.#room(1)
    this.#byte(Opcode.Aux)
    this.text(name)
    this.text(String(value))
  }

  /** The keys that follow belong to this database. */
  selectDb(id: number): void {
    this.#room(HEAD_MAX)
    this.#byte(Opcode.SelectDb)
    this.length(id)
  }

  /** How many keys, and keys with a deadline, the database has: hints for the loader. */
  resizeDb(keys: number, expires: number): void {
    this.#room(HEAD_MAX)
    this.#byte(Opcode.ResizeDb)
    this.length(keys)
    this.length(expires)
  }

  /** The next key's deadline, unix ms. */
  expireMs(deadlineMs: number): void {
    this.#room(HEAD_MAX)
    this.#byte(Opcode.ExpireTimeMs)
    this.time(deadlineMs)
  }

  /** Unix ms in eight bytes. */
  time(ms: number): void {
    assert(Number.isSafeInteger(ms), 'a time is whole milliseconds')
    this.#room(HEAD_MAX)
    this.#view.setUint32(this.#at, ms >>> 0, true)
    this.#view.setInt32(this.#at + 4, Math.floor(ms / TWO_32), true)
    this.#at += 8
  }

  /** The next key's idle time, for the LRU policies. */
  idle(seconds: number): void {
    this.#room(HEAD_MAX)
    this.#byte(Opcode.Idle)
    this.length(seconds)
  }

  /** The next key's LFU counter, 0 to 255. */
  freq(counter: number): void {
    assert(counter >= 0 && counter <= 255, 'frequency is a byte')
    this.#room(HEAD_MAX)
    this.#byte(Opcode.Freq)
    this.#byte(counter)
  }

  /** The source of a library of functions. */
  function2(code: string): void {
    this.#room(1)
    this.#byte(Opcode.Function2)
    this.text(code)
  }

  /** The type byte; key and value follow. */
  type(type: number): void {
    assert(type >= 0 && type <= 255, 'type is a byte')
    this.#room(1)
    this.#byte(type)
  }

  /** A length or count, up to 2^53. */
  length(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, 'length')
    this.#room(HEAD_MAX)
    if (value < TWO_32) {
      this.#at = this.#kernels.encodeLength(this.#at, value)
      return
    }
    this.#byte(LengthMark.Bits64)
    this.#view.setUint32(this.#at, Math.floor(value / TWO_32))
    this.#view.setUint32(this.#at + 4, value >>> 0)
    this.#at += 8
  }

  /** A string of any length, encoded as Redis does: integer, LZF or plain. */
  string(bytes: Uint8Array, start: number, length: number): void {
    assert(start >= 0 && length >= 0 && start + length <= bytes.length, 'range of bytes')
    assert(this.#partsLeft === 0, 'string is complete')
    if (length > this.#directMax) {
      drain(this.stringSteps(length, new BytesSource(bytes, start)))
      return
    }
    this.#room(length + HEAD_MAX)
    let source = start
    if (bytes !== this.#memory) {
      source = this.#stage
      this.#copyIn(source, bytes, start, length)
    }
    const before = this.#at
    const compress = this.#compressOf(length)
    this.#at = this.#kernels.encodeString(before, source, length, compress)
    if (compress === 1 && length > UNCOMPRESSED_MAX) this.#noteTry(length, this.#at - before)
  }

  /** Whether this string is to be compressed, if that makes it shorter. */
  #compressOf(length: number): 0 | 1 {
    if (!this.#isSparing || this.#misses[lengthClass(length)]! < MISSES_MAX) return this.#compress
    this.#skips = (this.#skips + 1) % TRY_EVERY
    return this.#skips === 0 ? this.#compress : 0
  }

  #noteTry(length: number, written: number): void {
    const each = lengthClass(length)
    if (written < length) this.#misses[each] = 0
    else if (this.#misses[each]! < MISSES_MAX) this.#misses[each]!++
  }

  /** A string of text, as UTF-8. */
  text(value: string): void {
    const bytes = Buffer.from(value, 'utf8')
    this.string(bytes, 0, bytes.length)
  }

  /** The string that is the text of a 64-bit integer, given as two words. */
  integer(low: number, high: number): void {
    this.#room(HEAD_MAX)
    this.#at = this.#kernels.encodeInteger(this.#at, low, high)
  }

  /** A string that `source` copies out by ranges, in order, and twice if it is to be compressed. */
  stringFrom(length: number, source: StringSource): void {
    if (length <= this.#directMax) this.#stringDirect(length, source)
    else drain(this.stringSteps(length, source))
  }

  /**
   * As `stringFrom`, block by block: a string longer than half a chunk can be left after each block
   * of either reading, any other is written at once.
   */
  *stringSteps(length: number, source: StringSource): Steps {
    if (length <= this.#directMax) {
      this.#stringDirect(length, source)
      return
    }
    assert(this.#partsLeft === 0, 'string is complete')
    this.#partsLeft = length
    if (this.#compress && length < TWO_32) {
      const compressedLength = yield* this.#measureSteps(length, source)
      if (compressedLength <= length - LZF_GAIN_MIN) {
        yield* this.#compressedSteps(length, compressedLength, source)
        return
      }
    }
    this.length(length)
    for (let offset = 0; offset < length; offset += this.#directMax) {
      const part = Math.min(length - offset, this.#directMax)
      this.#room(part)
      source.copy(offset, part, this.#memory, this.#at)
      this.#at += part
      this.#passPart(part)
      yield
    }
  }

  /** Begins a plain string of `length` bytes that `part` gives by ranges, each once, in order. */
  stringParts(length: number): void {
    assert(this.#partsLeft === 0, 'string is complete')
    this.length(length)
    this.#partsLeft = length
  }

  /** The next range of the string that `stringParts` began. */
  part(bytes: Uint8Array, start: number, length: number): void {
    assert(length <= this.#partsLeft, 'parts exceed the string')
    this.#partsLeft -= length
    let at = start
    const limit = start + length
    while (at < limit) {
      const part = Math.min(limit - at, this.#directMax)
      this.#room(part)
      this.#copyIn(this.#at, bytes, at, part)
      this.#at += part
      at += part
    }
  }

  /** Bytes as they are: a value that is already encoded. */
  raw(bytes: Uint8Array, start: number, length: number): void {
    assert(this.#partsLeft === 0, 'string is complete')
    this.#partsLeft = length
    this.part(bytes, start, length)
  }

  /** Hands what waits in the chunk to the sink. */
  flush(): void {
    this.#updateChecksum()
    this.#handOver()
  }

  #stringDirect(length: number, source: StringSource): void {
    assert(this.#partsLeft === 0, 'string is complete')
    source.copy(0, length, this.#memory, this.#stage)
    this.string(this.#memory, this.#stage, length)
  }

  /** Counts down what is left of a string that is written in steps. */
  #passPart(length: number): void {
    assert(length <= this.#partsLeft, 'blocks are those of the string that was begun')
    this.#partsLeft -= length
  }

  /** Length of a long string's LZF stream. Uses the chunk, which is empty after a flush. */
  *#measureSteps(length: number, source: StringSource): Generator<void, number, void> {
    this.flush()
    const block = this.#directMax
    let total = 0
    for (let offset = 0; offset < length; offset += block) {
      const part = Math.min(length - offset, block)
      source.copy(offset, part, this.#memory, this.#stage)
      total += this.#compressBlock(part, this.#chunk)
      yield
    }
    return total
  }

  *#compressedSteps(length: number, compressedLength: number, source: StringSource): Steps {
    assert(compressedLength > 0, 'compressed length')
    this.#room(HEAD_MAX)
    this.#byte(LengthMark.Encoded | StringEncoding.Lzf)
    this.length(compressedLength)
    this.length(length)
    const block = this.#directMax
    let total = 0
    for (let offset = 0; offset < length; offset += block) {
      const part = Math.min(length - offset, block)
      source.copy(offset, part, this.#memory, this.#stage)
      this.#room(blockRoom(part))
      const written = this.#compressBlock(part, this.#at)
      this.#at += written
      total += written
      this.#passPart(part)
      yield
    }
    assert(total === compressedLength, 'source gave the same bytes twice')
  }

  #compressBlock(length: number, target: number): number {
    const capacity = blockRoom(length)
    const written = this.#kernels.lzfCompress(this.#stage, length, target, capacity)
    assert(written > 0, 'a block always fits its room')
    return written
  }

  #copyIn(target: number, bytes: Uint8Array, start: number, length: number): void {
    if (length <= LOOP_COPY_MAX) {
      for (let i = 0; i < length; i++) this.#memory[target + i] = bytes[start + i]!
    } else {
      copySlice(this.#copied.set(bytes, start, length), this.#memory, target)
    }
  }

  #byte(value: number): void {
    this.#memory[this.#at++] = value
  }

  /** Makes room for `bytes` more in the chunk. */
  #room(bytes: number): void {
    if (this.#at + bytes <= this.#chunkLimit) return
    this.flush()
    assert(this.#at + bytes <= this.#chunkLimit, 'one piece fits a chunk')
  }

  #updateChecksum(): void {
    const length = this.#at - this.#chunk
    if (this.#checksum) this.#crc = this.#kernels.crc(this.#crc, this.#chunk, length)
  }

  #handOver(): void {
    const length = this.#at - this.#chunk
    this.#at = this.#chunk
    this.#flushedBytes += length
    if (length > 0) this.#sink(this.#memory, this.#chunk, length)
  }
}

/** A long range of bytes, which stay where they are until the string is written, as a source. */
export class BytesSource implements StringSource {
  readonly #copied = new Slice()
  readonly #bytes: Uint8Array
  readonly #start: number

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes
    this.#start = start
  }

  copy(offset: number, length: number, target: Uint8Array, targetStart: number): void {
    const from = this.#start + offset
    copySlice(this.#copied.set(this.#bytes, from, length), target, targetStart)
  }
}

function noSink(): void {
  assert(false, 'begin comes first')
}

/** The power of two below the length. */
function lengthClass(length: number): number {
  return 32 - Math.clz32(length)
}

/** Most bytes that LZF makes of `length`. */
function blockRoom(length: number): number {
  return length + (length >> 5) + HEAD_MAX
}
