// The inner loops of the RDB format (kernels.as.ts) and the memory that they work on.
//
// WebAssembly reaches only its own linear memory, so whoever encodes or decodes keeps its buffers
// in there: take regions with `allocate` once, use `memory` as any other byte array, and pass
// addresses. Then no value is copied on the way in or out. Regions are never freed; the memory
// never grows, so `memory` stays valid for the life of the object.
//
// Layout: the first 128 KiB belong to the kernels (tables); then one region after the other, each
// aligned to 64 bytes and followed by at least SLACK bytes, because the kernels read and write in
// steps of 16 bytes and may pass the end of a range.
// Owner: one thread. Each thread that encodes has its own instance, each instance its own tables.

import { assert } from '../../base/assert.ts'
import { KERNELS_WASM } from './kernels.wasm.ts'

/** Bytes behind each region that a kernel may overwrite. */
export const SLACK = 64

const HEAP_START = 128 * 1024
const PAGE_BYTES = 64 * 1024
const REGIONS_MAX = 64
const SCRATCH_BYTES = 32 * 1024
const WINDOW = 8192
/** No stream shrinks more than this: three bytes make at most 264. */
export const LZF_RATIO_MAX = 88
/** Longest output of one instruction; a target with less room left may stop before its end. */
const COPY_MAX = 264
/** Longest instruction: the control byte and 32 literals. */
const INSTRUCTION_MAX = 33

interface Exports {
  initialise(): void
  crc64(crc: bigint, start: number, length: number): bigint
  encodeString(target: number, source: number, length: number, compress: number): number
  encodeInteger(target: number, low: number, high: number): number
  encodeLength(target: number, length: number): number
  lzfCompress(source: number, length: number, target: number, capacity: number): number
  lzfDecompressBegin(start: number): void
  lzfDecompressStep(source: number, limit: number, target: number, targetLimit: number): number
  lzfSourceStop(): number
  lzfTargetStop(): number
  surveyListpack(start: number, length: number, stride: number): number
}

/** What a survey came to: what it says of the listpack. */
export const ListpackState = { Damaged: 0, Surveyed: 1, Unclear: 2 } as const
export type ListpackState = (typeof ListpackState)[keyof typeof ListpackState]

/** What is used of WebAssembly; the compiler has its types only together with a browser's. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object
  Memory: new (limits: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer }
  Instance: new (
    module: object,
    imports: { env: { memory: object } },
  ) => { readonly exports: object }
}

let compiled: object | null = null

export class Kernels {
  /** The linear memory: regions from `allocate` are ranges of it. */
  readonly memory: Uint8Array<ArrayBuffer>
  /**
   * Of the last survey: keys, those that are numbers, the longest key and value, entries, and
   * whether all values are whole numbers that ascend.
   */
  readonly surveyed: Uint32Array
  /** What `memory` is a view of, for other modules that work in it. */
  readonly linear: object
  readonly #exports: Exports
  #heapTop = HEAP_START
  #regions = 0
  #scratch = 0

  /** Room for regions of `regionBytes` together. Takes about a millisecond. */
  constructor(regionBytes: number) {
    assert(Number.isSafeInteger(regionBytes) && regionBytes >= 0, 'region bytes')
    const bytes = HEAP_START + regionBytes + SCRATCH_BYTES + (REGIONS_MAX + 1) * 2 * SLACK
    const pages = Math.ceil(bytes / PAGE_BYTES)
    assert(pages <= 0x7fff, 'kernel memory stays below 2 GiB')
    compiled ??= new WebAssembly.Module(Buffer.from(KERNELS_WASM, 'base64'))
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
    const instance = new WebAssembly.Instance(compiled, { env: { memory } })
    this.#exports = instance.exports as Exports
    this.linear = memory
    this.memory = new Uint8Array(memory.buffer)
    this.surveyed = new Uint32Array(memory.buffer, 0, 6)
    this.#exports.initialise()
    this.#scratch = this.allocate(SCRATCH_BYTES)
  }

  /** The start of a new region. Asserts that it fits what the constructor was told. */
  allocate(length: number): number {
    assert(this.#regions++ <= REGIONS_MAX, 'too many regions')
    const start = this.#heapTop
    this.#heapTop = start + Math.ceil(length / SLACK) * SLACK + SLACK
    assert(this.#heapTop <= this.memory.length, 'regions exceed the kernel memory')
    return start
  }

  /** CRC-64 (Jones) of a range of `memory`, continuing from `crc`; 0n starts. */
  crc(crc: bigint, start: number, length: number): bigint {
    this.#assertRange(start, length)
    return BigInt.asUintN(64, this.#exports.crc64(crc, start, length))
  }

  /** CRC-64 of any bytes, continuing from `crc`: copies through a scratch region. */
  crcOf(crc: bigint, bytes: Uint8Array, start: number, length: number): bigint {
    assert(start >= 0 && length >= 0 && start + length <= bytes.length, 'range of bytes')
    if (bytes === this.memory) return this.crc(crc, start, length)
    let at = start
    const limit = start + length
    while (at < limit) {
      const part = Math.min(limit - at, SCRATCH_BYTES)
      this.memory.set(bytes.subarray(at, at + part), this.#scratch)
      crc = this.#exports.crc64(crc, this.#scratch, part)
      at += part
    }
    return BigInt.asUintN(64, crc)
  }

  /**
   * Encodes a string that lies in `memory` as RDB does and returns the address behind it. Needs
   * `length + 9` bytes at `target`. With `compress` 1 it is LZF if that saves 4 bytes.
   */
  encodeString(target: number, source: number, length: number, compress: 0 | 1): number {
    return this.#exports.encodeString(target, source, length, compress)
  }

  /** Encodes the 64-bit integer of two words, needs 22 bytes; returns the address behind it. */
  encodeInteger(target: number, low: number, high: number): number {
    return this.#exports.encodeInteger(target, low, high)
  }

  /** Writes a length < 2^32 as RDB does, 1 to 5 bytes; returns the address behind it. */
  encodeLength(target: number, length: number): number {
    return this.#exports.encodeLength(target, length)
  }

  /** LZF in `memory`: the compressed length, or 0 if it would exceed `capacity`. */
  lzfCompress(source: number, length: number, target: number, capacity: number): number {
    this.#assertRange(source, length)
    this.#assertRange(target, capacity)
    return this.#exports.lzfCompress(source, length, target, capacity)
  }

  /** LZF in `memory`: whether the source is a valid stream of exactly `targetLength` bytes. */
  lzfDecompress(source: number, length: number, target: number, targetLength: number): boolean {
    this.#assertRange(source, length)
    this.#assertRange(target, targetLength)
    const { lzfDecompressBegin, lzfDecompressStep, lzfSourceStop, lzfTargetStop } = this.#exports
    const limit = target + targetLength
    lzfDecompressBegin(target)
    const bad = lzfDecompressStep(source, source + length, target, limit)
    return bad === 0 && lzfSourceStop() === source + length && lzfTargetStop() === limit
  }

  /**
   * Checks a listpack in `memory` and fills `surveyed`, for which each `stride`-th entry is a key;
   * with 0 only entries are counted. Unclear: it may be whole or damaged, and was not surveyed.
   */
  surveyListpack(start: number, length: number, stride: 0 | 1 | 2): ListpackState {
    this.#assertRange(start, length)
    return this.#exports.surveyListpack(start, length, stride) as ListpackState
  }

  #assertRange(start: number, length: number): void {
    const inside = start >= HEAP_START && length >= 0
    assert(inside && start + length + SLACK <= this.memory.length, 'range of kernel memory')
  }

  /** A decompressor of streams of any length, with `bytes` of buffer; takes regions for good. */
  inflater(bytes: number): Inflater {
    return new Inflater(this, this.#exports, bytes)
  }
}

/** Takes what a stream expands to; the bytes are borrowed for the call. */
export type PutPiece = (memory: Uint8Array, start: number, count: number) => void

/**
 * Decompresses a stream that does not fit the kernel's memory: source bytes go in by pieces, what
 * they stand for comes out by pieces, the last 8 KiB of it kept as history between.
 */
export class Inflater {
  readonly #memory: Uint8Array
  readonly #exports: Exports
  readonly #source: number
  readonly #sourceBytes: number
  readonly #window: number
  readonly #windowLimit: number
  /** Source bytes that wait, from the start of the source region. */
  #pending = 0
  #out = 0

  constructor(kernels: Kernels, exports: Exports, bytes: number) {
    assert(bytes >= INSTRUCTION_MAX, 'source region holds one instruction')
    this.#memory = kernels.memory
    this.#exports = exports
    this.#sourceBytes = bytes
    this.#source = kernels.allocate(bytes)
    this.#window = kernels.allocate(WINDOW + COPY_MAX + bytes)
    this.#windowLimit = this.#window + WINDOW + COPY_MAX + bytes
    this.#out = this.#window
  }

  /**
   * Hands `length` bytes to `put`, piece by piece, from what `pull(memory, start, room)` puts into
   * the memory (it returns the count of bytes, 0 at the end). Returns whether the stream is valid
   * and has exactly that length.
   */
  inflate(
    length: number,
    pull: (memory: Uint8Array, start: number, room: number) => number,
    put: PutPiece,
  ): boolean {
    this.#pending = 0
    this.#out = this.#window
    this.#exports.lzfDecompressBegin(this.#window)
    let done = 0
    for (;;) {
      const room = this.#sourceBytes - this.#pending
      const added = pull(this.#memory, this.#source + this.#pending, room)
      this.#pending += added
      const taken = this.#drain(length - done, put)
      if (taken < 0) return false
      done += taken
      if (added === 0) return this.#pending === 0 && done === length
    }
  }

  /** Works off the pending source; returns how many bytes that gave, or -1: bad, or too many. */
  #drain(room: number, put: PutPiece): number {
    const { lzfDecompressStep, lzfSourceStop, lzfTargetStop } = this.#exports
    const memory = this.#memory
    let source = this.#source
    const sourceLimit = source + this.#pending
    let done = 0
    for (;;) {
      if (this.#windowLimit - this.#out < COPY_MAX) {
        memory.copyWithin(this.#window, this.#out - WINDOW, this.#out)
        this.#out = this.#window + WINDOW
      }
      const from = this.#out
      if (lzfDecompressStep(source, sourceLimit, from, this.#windowLimit)) return -1
      source = lzfSourceStop()
      this.#out = lzfTargetStop()
      const produced = this.#out - from
      if (done + produced > room) return -1
      put(memory, from, produced)
      done += produced
      // A full window ends a step as well as a lack of source does; only the first goes on.
      if (produced === 0 || source === sourceLimit) break
    }
    memory.copyWithin(this.#source, source, sourceLimit)
    this.#pending = sourceLimit - source
    return done
  }
}
