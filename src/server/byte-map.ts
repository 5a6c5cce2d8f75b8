// Values by names that are bytes: channels, patterns, tracked keys. Finding takes a range of bytes
// and allocates nothing, which a `Map` of texts cannot; a name is kept as a text of one character
// per byte, the smallest form that the heap has. Entries stand in dense arrays, so that any one can
// be picked at random and their order follows from the calls alone; an open hash table of their
// indexes leads to them. Names come from strangers: the hash is keyed (key-hash.ts).
//
// Invariants: entry `i` is in the table once, as `i + 1` · the table is at most half full.

import { assert } from '../base/assert.ts'
import { textOf } from '../base/bytes.ts'
import { secretWords } from '../base/random.ts'
import { KeyHash } from '../keyspace/key-hash.ts'

const MIN_CAPACITY = 16
/** A name's header and the slots of an entry in the arrays, as heap snapshots show them. */
const ENTRY_BYTES = 48
/** Of the table. */
const SLOT_BYTES = 4

export class ByteMap<Value> {
  readonly #hash = new KeyHash(secretWords(2))
  #table = new Int32Array(MIN_CAPACITY)
  #hashes: number[] = []
  #names: string[] = []
  #values: Value[] = []
  #nameBytes = 0

  get size(): number {
    return this.#values.length
  }

  /** Memory, values aside, roughly. */
  get bytes(): number {
    return this.#nameBytes + this.size * ENTRY_BYTES + this.#table.length * SLOT_BYTES
  }

  /** The index of a name, -1 when it is not there. Valid until the next `remove`. */
  indexOf(bytes: Uint8Array, start: number, length: number): number {
    this.#hash.of(bytes, start, length)
    const hash = this.#hash.low
    const mask = this.#table.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const index = this.#table[slot]! - 1
      if (index < 0) return -1
      if (this.#hashes[index] === hash && isName(this.#names[index]!, bytes, start, length)) {
        return index
      }
    }
  }

  /** The value of a name. */
  find(bytes: Uint8Array, start: number, length: number): Value | undefined {
    const index = this.indexOf(bytes, start, length)
    return index < 0 ? undefined : this.#values[index]
  }

  valueAt(index: number): Value {
    assert(index >= 0 && index < this.size, 'no such entry')
    return this.#values[index]!
  }

  /** One character per byte. */
  nameAt(index: number): string {
    assert(index >= 0 && index < this.size, 'no such entry')
    return this.#names[index]!
  }

  replaceAt(index: number, value: Value): void {
    assert(index >= 0 && index < this.size, 'no such entry')
    this.#values[index] = value
  }

  /** Adds a name that is not there. */
  add(bytes: Uint8Array, start: number, length: number, value: Value): void {
    assert(this.indexOf(bytes, start, length) < 0, 'a name is there once')
    if ((this.size + 1) * 2 > this.#table.length) this.#resize(this.#table.length * 2)
    this.#hash.of(bytes, start, length)
    this.#hashes.push(this.#hash.low)
    this.#names.push(textOf(bytes, start, length))
    this.#values.push(value)
    this.#nameBytes += length
    this.#enter(this.size - 1)
  }

  /** Removes an entry; the last one takes its index. */
  removeAt(index: number): void {
    assert(index >= 0 && index < this.size, 'no such entry')
    this.#leave(this.#slotOf(index))
    this.#nameBytes -= this.#names[index]!.length
    const last = this.size - 1
    if (index !== last) {
      this.#table[this.#slotOf(last)] = index + 1
      this.#hashes[index] = this.#hashes[last]!
      this.#names[index] = this.#names[last]!
      this.#values[index] = this.#values[last]!
    }
    this.#hashes.pop()
    this.#names.pop()
    this.#values.pop()
    const capacity = this.#table.length
    if (capacity > MIN_CAPACITY && this.size * 8 < capacity) this.#resize(capacity / 2)
  }

  clear(): void {
    this.#table = new Int32Array(MIN_CAPACITY)
    this.#hashes = []
    this.#names = []
    this.#values = []
    this.#nameBytes = 0
  }

  /** The slot where the index of an entry stands. */
  #slotOf(index: number): number {
    const mask = this.#table.length - 1
    let slot = this.#hashes[index]! & mask
    while (this.#table[slot] !== index + 1) {
      assert(this.#table[slot] !== 0, 'every entry is in the table')
      slot = (slot + 1) & mask
    }
    return slot
  }

  #enter(index: number): void {
    const mask = this.#table.length - 1
    let slot = this.#hashes[index]! & mask
    while (this.#table[slot] !== 0) slot = (slot + 1) & mask
    this.#table[slot] = index + 1
  }

  /** Frees a slot, and moves those behind it that would not be found any more. */
  #leave(slot: number): void {
    const mask = this.#table.length - 1
    let free = slot
    for (let at = (slot + 1) & mask; this.#table[at] !== 0; at = (at + 1) & mask) {
      const home = this.#hashes[this.#table[at]! - 1]! & mask
      // It may move if its home does not lie between the free slot and where it stands.
      if (((at - home) & mask) < ((at - free) & mask)) continue
      this.#table[free] = this.#table[at]!
      free = at
    }
    this.#table[free] = 0
  }

  #resize(capacity: number): void {
    this.#table = new Int32Array(capacity)
    for (let index = 0; index < this.size; index++) this.#enter(index)
  }
}

function isName(name: string, bytes: Uint8Array, start: number, length: number): boolean {
  if (name.length !== length) return false
  for (let i = 0; i < length; i++) {
    if (name.charCodeAt(i) !== bytes[start + i]) return false
  }
  return true
}
