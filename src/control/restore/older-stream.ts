// A stream's value in an older form of RDB: what the older one does not have is left out, all else
// is copied as it is. The value has been checked by the reader; here only its parts are counted.
//
//   nodes    count, then per node its ID and a listpack, both strings
//   facts    length, last ID; since 19 first ID, deleted ID, entries added
//   groups   count, then per group name, last ID; since 19 entries read
//            pending: count, then 16 bytes of ID, 8 of time, deliveries
//            consumers: count, then name, 8 bytes of seen time; since 21 8 of active time
//                       IDs: count, then 16 bytes each
//
// Lengths are RDB's: 1, 2, 5 or 9 bytes.

import { assert } from '../../base/assert.ts'

export const STREAM_FIRST = 15
export const STREAM_COUNTED = 19
export const STREAM_ACTIVE = 21

const ID_BYTES = 16
const TIME_BYTES = 8
/** Bytes of strings that are integers, by their encoding; 3 is a compressed string. */
const INTEGER_BYTES = [1, 2, 4]

/** The value as type `to`, which is older than `from`. */
export function olderStream(value: Uint8Array, from: number, to: number): Uint8Array {
  assert(from > to && to >= STREAM_FIRST, 'an older form of a stream')
  return new StreamCopy(value, from, to).run()
}

class StreamCopy {
  readonly #value: Uint8Array
  readonly #view: DataView
  readonly #from: number
  readonly #to: number
  readonly #out: Uint8Array
  #outLength = 0
  #at = 0
  /** What was passed and not copied begins here. */
  #kept = 0

  constructor(value: Uint8Array, from: number, to: number) {
    this.#value = value
    this.#view = new DataView(value.buffer, value.byteOffset, value.length)
    this.#from = from
    this.#to = to
    this.#out = new Uint8Array(value.length)
  }

  run(): Uint8Array {
    const isCountLost = this.#to < STREAM_COUNTED && this.#from >= STREAM_COUNTED
    for (let left = this.#length(); left > 0; left--) {
      this.#string()
      this.#string()
    }
    this.#lengths(3)
    if (isCountLost) this.#drop(() => this.#lengths(5))
    for (let left = this.#length(); left > 0; left--) {
      this.#string()
      this.#lengths(2)
      if (isCountLost) this.#drop(() => this.#length())
      else if (this.#from >= STREAM_COUNTED) this.#length()
      this.#group()
    }
    this.#copy()
    assert(this.#at === this.#value.length, 'the value ends where its last part does')
    return this.#out.subarray(0, this.#outLength)
  }

  /** What is pending, and the consumers. */
  #group(): void {
    const isActiveLost = this.#to < STREAM_ACTIVE && this.#from >= STREAM_ACTIVE
    for (let left = this.#length(); left > 0; left--) {
      this.#at += ID_BYTES + TIME_BYTES
      this.#length()
    }
    for (let left = this.#length(); left > 0; left--) {
      this.#string()
      this.#at += TIME_BYTES
      if (isActiveLost) this.#drop(() => (this.#at += TIME_BYTES))
      const owned = this.#length()
      this.#at += owned * ID_BYTES
    }
  }

  #lengths(count: number): void {
    for (let i = 0; i < count; i++) this.#length()
  }

  #length(): number {
    const first = this.#value[this.#at++]!
    if (first < 0x40) return first
    if (first < 0x80) return ((first & 0x3f) << 8) | this.#value[this.#at++]!
    const isWide = first === 0x81
    const at = this.#at
    this.#at += isWide ? 8 : 4
    return isWide ? Number(this.#view.getBigUint64(at)) : this.#view.getUint32(at)
  }

  #string(): void {
    const first = this.#value[this.#at]!
    if (first < 0xc0) {
      const length = this.#length()
      this.#at += length
      return
    }
    this.#at++
    const integerBytes = INTEGER_BYTES[first & 0x3f]
    if (integerBytes !== undefined) {
      this.#at += integerBytes
      return
    }
    const compressed = this.#length()
    this.#length()
    this.#at += compressed
  }

  /** Passes over what `skip` passes, and leaves it out. */
  #drop(skip: () => void): void {
    this.#copy()
    skip()
    this.#kept = this.#at
  }

  #copy(): void {
    this.#out.set(this.#value.subarray(this.#kept, this.#at), this.#outLength)
    this.#outLength += this.#at - this.#kept
    this.#kept = this.#at
  }
}
