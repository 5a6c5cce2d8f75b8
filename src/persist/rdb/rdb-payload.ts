// The value of DUMP, RESTORE and MIGRATE: type byte, value, then two bytes of version and the
// CRC-64 of all before it. Values come and go through the same encoder and decoder as files do.
//
// Usage of DUMP: `begin(type)`, the value into the writer it returns, `end()`, then `bytes`,
// `start` and `length` are the payload. A short payload is never copied: it lies in the kernel's
// memory. Owner: one thread; each call invalidates what the last one gave.

import { assert } from '../../base/assert.ts'
import { EMPTY_BYTES } from '../../base/bytes.ts'
import { ErrorCode, StoreError } from '../../base/errors.ts'
import type { ByteRange } from '../../base/slice.ts'
import { Kernels } from './kernels.ts'
import { PAYLOAD_FOOTER_BYTES, RDB_VERSION_MAX, VALKEY_VERSION, versionOf } from './rdb-format.ts'
import { BytesFile, RdbInput } from './rdb-input.ts'
import type { RdbEntry, RdbTarget } from './rdb-target.ts'
import { rdbTypes } from './rdb-types.ts'
import { RdbWriter } from './rdb-writer.ts'

const CHUNK_BYTES = 64 * 1024
const COLLECTED_MIN_BYTES = 256 * 1024

export class RdbPayload {
  /** The payload that `end` finished: `bytes[start, start + length)`. */
  bytes: Uint8Array = EMPTY_BYTES
  start = 0
  length = 0
  /** What was wrong with the value that `read` has refused. */
  damage = ''
  readonly #kernels: Kernels
  readonly #writer: RdbWriter
  readonly #input: RdbInput
  #isEnding = false
  #collected: Uint8Array = EMPTY_BYTES
  #collectedLength = 0

  constructor() {
    const regions = RdbWriter.regionBytes(CHUNK_BYTES) + RdbInput.regionBytes(CHUNK_BYTES)
    this.#kernels = new Kernels(regions)
    this.#writer = new RdbWriter(this.#kernels, CHUNK_BYTES)
    this.#input = new RdbInput(this.#kernels, CHUNK_BYTES)
  }

  /** Starts a payload with its type; the value goes into the writer that is returned. */
  begin(type: number, compress: boolean): RdbWriter {
    this.release()
    this.#isEnding = false
    const version = versionOf(type)
    this.#writer.beginPayload({ sink: this.#sink, compress, checksum: true, version })
    this.#writer.type(type)
    return this.#writer
  }

  /** Finishes the payload and points `bytes`, `start` and `length` to it. */
  end(): void {
    // The one piece that need not be collected is the last; a full chunk must go before it.
    this.#writer.makeRoomForEnd()
    this.#isEnding = true
    const total = this.#writer.endPayload()
    if (this.#collectedLength > 0) {
      this.bytes = this.#collected
      this.start = 0
      this.length = this.#collectedLength
    }
    assert(this.length === total, 'payload is whole')
  }

  /** Gives back the memory of a long payload. */
  release(): void {
    this.bytes = EMPTY_BYTES
    this.start = 0
    this.length = 0
    this.#collected = EMPTY_BYTES
    this.#collectedLength = 0
    this.#input.close()
  }

  /**
   * Whether a payload ends in a known version and the right checksum, which counts only with
   * `checksum`. Reads nothing of the value.
   */
  verify(bytes: Uint8Array, start: number, length: number, checksum = true): boolean {
    // One byte of type, and a value, are the least.
    if (length < PAYLOAD_FOOTER_BYTES + 2) return false
    const footer = start + length - PAYLOAD_FOOTER_BYTES
    const view = new DataView(bytes.buffer, bytes.byteOffset + footer, PAYLOAD_FOOTER_BYTES)
    const version = view.getUint16(0, true)
    if (version > RDB_VERSION_MAX && version !== VALKEY_VERSION) return false
    if (!checksum) return true
    const found = this.#kernels.crcOf(0n, bytes, start, length - 8)
    return found === view.getBigUint64(2, true)
  }

  /** The type byte of a payload that `verify` accepted. */
  typeOf(bytes: Uint8Array, start: number): number {
    return bytes[start]!
  }

  /**
   * Reads the value of a payload that `verify` accepted, and hands it to `target` as that of
   * `entry`, as a file's reader does; false if the type is unknown, the value is malformed, or
   * something follows it. What the target throws goes through.
   */
  read(range: ByteRange, entry: RdbEntry, target: RdbTarget): boolean {
    const { bytes, start, length } = range
    assert(length >= PAYLOAD_FOOTER_BYTES + 2, 'payload is verified')
    const type = rdbTypes.get(this.typeOf(bytes, start))
    this.damage = `payload: value type ${this.typeOf(bytes, start)}, expected a known one`
    if (type === undefined || type.read === null) return false
    this.damage = ''
    const value = length - PAYLOAD_FOOTER_BYTES - 1
    this.#input.open(new BytesFile('payload', bytes, start + 1, value))
    this.#input.skipChecksum()
    try {
      type.read(this.#input, entry, target)
    } catch (error) {
      if (!(error instanceof StoreError) || error.code === ErrorCode.OutOfMemory) throw error
      this.damage = error.message
      return false
    }
    const { remaining, position } = this.#input
    if (remaining > 0) this.damage = `payload: ${remaining} bytes behind the value at ${position}`
    return remaining === 0
  }

  readonly #sink = (bytes: Uint8Array, start: number, length: number): void => {
    if (this.#isEnding && this.#collectedLength === 0) {
      this.bytes = bytes
      this.start = start
      this.length = length
      return
    }
    const needed = this.#collectedLength + length
    if (needed > this.#collected.length) {
      const grown = new Uint8Array(
        Math.max(needed, 2 * this.#collected.length, COLLECTED_MIN_BYTES),
      )
      grown.set(this.#collected.subarray(0, this.#collectedLength))
      this.#collected = grown
    }
    this.#collected.set(bytes.subarray(start, start + length), this.#collectedLength)
    this.#collectedLength = needed
  }
}
