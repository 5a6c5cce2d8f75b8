// The hashing behind digests (digest.as.ts, docs/formats/digest.md), in the memory of this thread's
// kernels: strings that lie there are hashed where they are, others pass through a scratch region.
//
// What is hashed becomes "the last result", which the next call does something with:
//   hash(key) beginKey · hash(element) pushNext … · endKey
// Owner: one thread, and one digest at a time.

import { assert } from '../../base/assert.ts'
import type { ByteRange } from '../../base/slice.ts'
import { parseScore } from '../../keyspace/zset/packed-zset.ts'
import { DIGEST_WASM } from './digest.wasm.ts'
import type { Kernels } from './kernels.ts'

const SCRATCH_BYTES = 64 * 1024
const DIGITS_BYTES = 64
const RECORD_BYTES = 128
const BLOCK = 16

/** How the entries of a listpack belong together. */
export const PackedForm = { List: 0, Set: 1, Hash: 2, Zset: 3 } as const
export type PackedForm = (typeof PackedForm)[keyof typeof PackedForm]

interface Exports {
  initialise(scratch: number): void
  reset(): void
  hash(start: number, length: number): void
  begin(): void
  blocks(start: number, length: number): void
  end(start: number, length: number, total: number): void
  keep(): void
  recall(): void
  beginChain(): void
  chainNext(): void
  endChain(results: number): void
  beginKey(): void
  pushNext(): void
  pushAny(): void
  pushField(deadlineMs: number): void
  pushMember(score: number): void
  endKey(database: number, type: number, deadlineMs: number, isChain: number): void
  writeTotal(at: number): void
  writeResult(at: number): void
  addListpack(start: number, form: number): number
  addIntset(start: number): void
}

/** What is used of WebAssembly; the compiler has its types only together with a browser's. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object, imports: object) => { readonly exports: object }
}

let compiled: object | null = null

export class DigestKernel {
  /** A record of numbers to be hashed: its bytes in kernel memory. */
  readonly record: DataView
  readonly #memory: Uint8Array
  readonly #exports: Exports
  readonly #scratch: number
  readonly #recordAt: number
  /** Of a string that comes by pieces: bytes that wait in the scratch region, and those before. */
  #held = 0
  #passed = 0

  /** Takes `regionBytes` from the kernels. */
  constructor(kernels: Kernels) {
    compiled ??= new WebAssembly.Module(Buffer.from(DIGEST_WASM, 'base64'))
    this.#memory = kernels.memory
    const env = {
      memory: kernels.linear,
      parseScore: (start: number, length: number) => this.#parseScore(start, length),
    }
    const instance = new WebAssembly.Instance(compiled, { env })
    this.#exports = instance.exports as Exports
    this.#scratch = kernels.allocate(SCRATCH_BYTES)
    this.#recordAt = kernels.allocate(RECORD_BYTES)
    this.record = new DataView(kernels.memory.buffer, this.#recordAt, RECORD_BYTES)
    this.#exports.initialise(kernels.allocate(DIGITS_BYTES))
  }

  /** Kernel memory that a digest takes. */
  static get regionBytes(): number {
    return SCRATCH_BYTES + RECORD_BYTES + DIGITS_BYTES
  }

  /** Forgets all keys. */
  reset(): void {
    this.#exports.reset()
  }

  /** Hashes a string, wherever it is. */
  hash({ bytes, start, length }: ByteRange): void {
    if (bytes === this.#memory) return this.#exports.hash(start, length)
    if (length <= SCRATCH_BYTES) {
      copyIn(this.#memory, this.#scratch, { bytes, start, length })
      return this.#exports.hash(this.#scratch, length)
    }
    this.hashBegin()
    this.hashPiece(bytes, start, length)
    this.hashEnd()
  }

  /** Begins a string that comes by pieces. */
  hashBegin(): void {
    this.#exports.begin()
    this.#held = 0
    this.#passed = 0
  }

  /** A piece of the string, of any length. */
  hashPiece(bytes: Uint8Array, start: number, length: number): void {
    const limit = start + length
    for (let at = start; at < limit; ) {
      const part = Math.min(limit - at, SCRATCH_BYTES - this.#held)
      copyIn(this.#memory, this.#scratch + this.#held, { bytes, start: at, length: part })
      at += part
      const filled = this.#held + part
      const whole = filled & -BLOCK
      this.#exports.blocks(this.#scratch, whole)
      this.#memory.copyWithin(this.#scratch, this.#scratch + whole, this.#scratch + filled)
      this.#held = filled - whole
      this.#passed += whole
    }
  }

  /** The string is complete. */
  hashEnd(): void {
    this.#exports.end(this.#scratch, this.#held, this.#passed + this.#held)
  }

  /** Hashes the first bytes of `record`. */
  hashRecord(length: number): void {
    assert(length <= RECORD_BYTES, 'a record has room')
    this.#exports.hash(this.#recordAt, length)
  }

  /** Writes the last result's 16 bytes into `record`. */
  writeResult(at: number): void {
    assert(at >= 0 && at + BLOCK <= RECORD_BYTES, 'a result has room')
    this.#exports.writeResult(this.#recordAt + at)
  }

  /** Puts the last result aside, for `pushField`. */
  keep(): void {
    this.#exports.keep()
  }

  /** What was put aside is the last result again. */
  recall(): void {
    this.#exports.recall()
  }

  /** Begins a chain of results: `chainNext` for each, `endChain` makes them one. */
  beginChain(): void {
    this.#exports.beginChain()
  }

  chainNext(): void {
    this.#exports.chainNext()
  }

  endChain(results: number): void {
    this.#exports.endChain(results)
  }

  /** The last result is the key's; a value without elements begins. */
  beginKey(): void {
    this.#exports.beginKey()
  }

  /** The last result is what comes next in the value. */
  pushNext(): void {
    this.#exports.pushNext()
  }

  /** The last result is something in the value, wherever. */
  pushAny(): void {
    this.#exports.pushAny()
  }

  /** The field that was kept has the last result as value, and a deadline (0: none). */
  pushField(deadlineMs: number): void {
    this.#exports.pushField(deadlineMs)
  }

  /** The last result is a member with this score. */
  pushMember(score: number): void {
    this.#exports.pushMember(score)
  }

  /** Adds the key to the total; a deadline of -1: none. Parts of its value came in any order. */
  endKey(database: number, type: number, deadlineMs: number): void {
    this.#exports.endKey(database, type, deadlineMs, 0)
  }

  /** As `endKey`, of a value whose parts came in their order. */
  endListKey(database: number, type: number, deadlineMs: number): void {
    this.#exports.endKey(database, type, deadlineMs, 1)
  }

  /** Adds the elements of a listpack in kernel memory that was checked; false: a score is none. */
  addListpack(start: number, form: PackedForm): boolean {
    return this.#exports.addListpack(start, form) === 0
  }

  /** Adds the members of an intset in kernel memory that was checked. */
  addIntset(start: number): void {
    this.#exports.addIntset(start)
  }

  /** Of all keys so far: 32 hexadecimal digits. */
  total(): string {
    this.#exports.writeTotal(this.#recordAt)
    const high = this.record.getBigUint64(8, true)
    return hex(high) + hex(this.record.getBigUint64(0, true))
  }

  #parseScore(start: number, length: number): number {
    const bytes = this.#memory
    return parseScore(Buffer.from(bytes.buffer, start, length).toString('latin1'))
  }
}

/** Short ranges by a loop: a view costs more. */
function copyIn(memory: Uint8Array, at: number, { bytes, start, length }: ByteRange): void {
  if (length > 32) memory.set(bytes.subarray(start, start + length), at)
  else for (let i = 0; i < length; i++) memory[at + i] = bytes[start + i]!
}

function hex(value: bigint): string {
  return value.toString(16).padStart(16, '0')
}
