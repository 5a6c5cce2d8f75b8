// What RESTORE takes: type byte, value, version of RDB (2 bytes), CRC-64 of all before it. A server
// refuses payloads of a version above its own. So a payload says the lowest version that has its
// type, and values of types that are younger than the target are rewritten into an older form:
//
//   version   of            types of it                     rewritten as
//   9         Redis 5, 6    0 to 15
//   10        Redis 7.0     16 hash, 17 sorted set,         4, 5, 1, 15
//                           18 list, 19 stream
//   11        7.2           20 set, 21 stream               2, 19 or 15
//   12        7.4           24, 25 hash with deadlines      not: they would be lost

import { assert } from '../../base/assert.ts'
import type { ByteRange } from '../../base/slice.ts'
import type { Kernels } from '../../persist/rdb/kernels.ts'
import { PAYLOAD_FOOTER_BYTES } from '../../persist/rdb/rdb-format.ts'
import { BytesFile, RdbInput } from '../../persist/rdb/rdb-input.ts'
import { type CollectionTarget, RdbEntry, type RdbTarget } from '../../persist/rdb/rdb-target.ts'
import { rdbTypes } from '../../persist/rdb/rdb-types.ts'
import { RdbWriter } from '../../persist/rdb/rdb-writer.ts'
import { olderStream, STREAM_ACTIVE, STREAM_COUNTED, STREAM_FIRST } from './older-stream.ts'
import type { RdbSplitter } from './rdb-splitter.ts'

/** The oldest that is restored into: Redis 5. */
export const OLDEST_VERSION = 9

const VERSION_OF_TYPE: ReadonlyMap<number, number> = new Map([
  [16, 10],
  [17, 10],
  [18, 10],
  [19, 10],
  [20, 11],
  [21, 11],
  [24, 12],
  [25, 12],
])
const OLDER_FORM: ReadonlyMap<number, number> = new Map([
  [16, 4],
  [17, 5],
  [18, 1],
  [20, 2],
])
const CHUNK_BYTES = 64 * 1024
const SCORE_BYTES = 8

export class RestorePayload {
  /** The payload that `take` made: `bytes[0, length)`. */
  bytes: Uint8Array = new Uint8Array(CHUNK_BYTES)
  length = 0
  isRewritten = false
  readonly #kernels: Kernels
  readonly #targetVersion: number
  readonly #input: RdbInput
  readonly #writer: RdbWriter

  /** Takes regions of `RestorePayload.regionBytes`. */
  constructor(kernels: Kernels, targetVersion: number) {
    this.#kernels = kernels
    this.#targetVersion = targetVersion
    this.#input = new RdbInput(kernels, CHUNK_BYTES)
    this.#writer = new RdbWriter(kernels, CHUNK_BYTES)
  }

  static get regionBytes(): number {
    return RdbInput.regionBytes(CHUNK_BYTES) + RdbWriter.regionBytes(CHUNK_BYTES)
  }

  /** Makes the payload of the splitter's key; false: the target has no form for it. */
  take(splitter: RdbSplitter): boolean {
    const { type, valueLength } = splitter
    const version = VERSION_OF_TYPE.get(type) ?? OLDEST_VERSION
    this.isRewritten = version > this.#targetVersion
    if (this.isRewritten) return this.#rewrite(splitter)
    this.length = 1 + valueLength + PAYLOAD_FOOTER_BYTES
    this.#reserve(this.length)
    this.bytes[0] = type
    splitter.copyValue(this.bytes, 1)
    this.#sign(version)
    return true
  }

  #rewrite(splitter: RdbSplitter): boolean {
    const { type } = splitter
    const older = OLDER_FORM.get(type)
    const isStream = type === STREAM_COUNTED || type === STREAM_ACTIVE
    if (older === undefined && !isStream) return false
    const value = new Uint8Array(splitter.valueLength)
    splitter.copyValue(value, 0)
    if (older === undefined) this.#rewriteStream(value, type)
    else this.#rewriteCollection(value, type, older)
    return true
  }

  #rewriteStream(value: Uint8Array, type: number): void {
    const isCounted = this.#targetVersion > OLDEST_VERSION
    const older = isCounted ? STREAM_COUNTED : STREAM_FIRST
    const stream = olderStream(value, type, older)
    this.length = 1 + stream.length + PAYLOAD_FOOTER_BYTES
    this.#reserve(this.length)
    this.bytes[0] = older
    this.bytes.set(stream, 1)
    this.#sign(VERSION_OF_TYPE.get(older) ?? OLDEST_VERSION)
  }

  #rewriteCollection(value: Uint8Array, type: number, older: number): void {
    const counter = new Counter()
    this.#read(type, value, counter)
    this.length = 0
    const sink = (bytes: Uint8Array, start: number, length: number) => {
      this.#reserve(this.length + length)
      this.bytes.set(bytes.subarray(start, start + length), this.length)
      this.length += length
    }
    const options = { sink, compress: true, checksum: true, version: OLDEST_VERSION }
    this.#writer.beginPayload(options)
    this.#writer.type(older)
    this.#writer.length(counter.count)
    this.#read(type, value, new TextForm(this.#writer))
    this.#writer.endPayload()
  }

  #read(type: number, value: Uint8Array, target: CollectionTarget): void {
    const row = rdbTypes.get(type)
    assert(row !== undefined && row.read !== null, 'a type that was read before')
    this.#input.open(new BytesFile('value', value))
    this.#input.skipChecksum()
    row.read(this.#input, new RdbEntry(), new OneCollection(target))
    this.#input.close()
  }

  #reserve(length: number): void {
    if (length <= this.bytes.length) return
    const grown = new Uint8Array(2 * length)
    grown.set(this.bytes.subarray(0, this.length))
    this.bytes = grown
  }

  /** Version and checksum behind the value. */
  #sign(version: number): void {
    const footer = this.length - PAYLOAD_FOOTER_BYTES
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset)
    view.setUint16(footer, version, true)
    const crc = this.#kernels.crcOf(0n, this.bytes, 0, footer + 2)
    view.setBigUint64(footer + 2, crc, true)
  }
}

class OneCollection implements RdbTarget {
  readonly #target: CollectionTarget

  constructor(target: CollectionTarget) {
    this.#target = target
  }

  onAux(): void {}
  onDatabase(): void {}
  onResize(): void {}
  onFunction(): void {}
  onString(): void {}

  onCollection(): CollectionTarget {
    return this.#target
  }

  onStream(): null {
    return null
  }
}

class Counter implements CollectionTarget {
  count = 0

  onElement(): void {
    this.count++
  }

  onField(): void {
    this.count++
  }

  onMember(): void {
    this.count++
  }

  onCollectionEnd(): void {}
}

/** Elements one by one, as all versions have them. */
class TextForm implements CollectionTarget {
  readonly #writer: RdbWriter
  readonly #score = new Uint8Array(SCORE_BYTES)
  readonly #view = new DataView(this.#score.buffer)

  constructor(writer: RdbWriter) {
    this.#writer = writer
  }

  onElement(element: ByteRange): void {
    this.#string(element)
  }

  onField(field: ByteRange, value: ByteRange): void {
    this.#string(field)
    this.#string(value)
  }

  onMember(member: ByteRange, score: number): void {
    this.#string(member)
    this.#view.setFloat64(0, score, true)
    this.#writer.raw(this.#score, 0, SCORE_BYTES)
  }

  onCollectionEnd(): void {}

  #string({ bytes, start, length }: ByteRange): void {
    this.#writer.string(bytes, start, length)
  }
}
