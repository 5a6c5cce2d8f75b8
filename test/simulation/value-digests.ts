// What a keyspace of all types holds, in a form that fits many comparisons: for each key its
// deadline, its type, how many parts the value has, and 64 bits that depend on every part, on the
// order of a list's elements, and on the deadlines of fields. It says nothing of encodings, so that
// a value and what was loaded of it are the same.
//
// The bits are FNV-1a, twice with different factors, which is no match for an adversary but more
// than enough for chance, and much faster than a cryptographic hash of so many parts.

import { assert } from '../../src/base/assert.ts'
import { type ByteRange, Slice } from '../../src/base/slice.ts'
import type { Database } from '../../src/keyspace/database.ts'
import type { Keyspace } from '../../src/keyspace/keyspace.ts'
import { Type } from '../../src/keyspace/record.ts'
import type { Ptr } from '../../src/memory/layout.ts'
import { readValue } from '../../src/persist/dump.ts'
import type { CollectionTarget, RdbEntry, RdbTarget } from '../../src/persist/rdb/rdb-target.ts'
import { StreamParts } from '../../src/persist/rdb/stream-parts.ts'
import type { StreamTarget } from '../../src/persist/rdb/stream-target.ts'
import type { Contents } from './model.ts'

const FNV_BASIS = 0x811c9dc5
const FNV_PRIME = 0x01000193
const OTHER_PRIME = 0x85ebca6b

/** For each database, its keys with deadline and digest in one text. Those past it are there. */
export function digestsOf(keyspace: Keyspace): Contents {
  const name = new Slice()
  return keyspace.databases.map((database) => {
    const keys = new Map<string, string>()
    database.each((record) => {
      const key = database.readKey(record, name).toLatin1()
      const deadline = database.deadlineOf(record)
      keys.set(key, `${deadline} ${database.typeOf(record)} ${digestOf(database, record)}`)
    })
    assert(keys.size === database.size, 'a walk meets each key once')
    return keys
  })
}

function digestOf(database: Database, record: Ptr): string {
  const target = new DigestTarget()
  readValue(database, record, target)
  return target.text
}

/** Digests the parts of one value. */
class DigestTarget implements RdbTarget, CollectionTarget {
  #count = 0
  #sum = 0
  #otherSum = 0
  #isOrdered = false
  #hash = 0
  #otherHash = 0

  get text(): string {
    return `${this.#count} ${this.#sum.toString(16)} ${this.#otherSum.toString(16)}`
  }

  onAux(): void {}

  onDatabase(): void {}

  onResize(): void {}

  onFunction(): void {}

  onString(entry: RdbEntry): void {
    this.onElement(entry.value)
  }

  onCollection(_entry: RdbEntry, type: Type): CollectionTarget {
    this.#isOrdered = type === Type.List
    return this
  }

  onStream(): StreamTarget {
    return new StreamParts({
      onPart: (head, texts) => {
        this.#begin()
        this.#mixText(head)
        for (const bytes of texts) this.#mix({ bytes, start: 0, length: bytes.length })
        this.#end()
      },
    })
  }

  onElement(element: ByteRange): void {
    this.#begin()
    this.#mix(element)
    this.#end()
  }

  onField(field: ByteRange, value: ByteRange, deadlineMs: number): void {
    this.#begin()
    this.#mixText(`${deadlineMs}`)
    this.#mix(field)
    this.#mix(value)
    this.#end()
  }

  onMember(member: ByteRange, score: number): void {
    this.#begin()
    // Packed values do not tell -0 from 0, as in Redis; loading may make a value packed.
    this.#mixText(`${score}`)
    this.#mix(member)
    this.#end()
  }

  onCollectionEnd(): void {}

  #begin(): void {
    this.#hash = FNV_BASIS
    this.#otherHash = FNV_BASIS ^ OTHER_PRIME
    if (this.#isOrdered) this.#mixByte(this.#count)
  }

  /** The parts of a value are added up, so that their order does not matter. */
  #end(): void {
    this.#count++
    this.#sum = (this.#sum + this.#hash) >>> 0
    this.#otherSum = (this.#otherSum + this.#otherHash) >>> 0
  }

  #mix({ bytes, start, length }: ByteRange): void {
    this.#mixByte(length)
    let hash = this.#hash
    let other = this.#otherHash
    for (let i = start; i < start + length; i++) {
      hash = Math.imul(hash ^ bytes[i]!, FNV_PRIME)
      other = Math.imul((other ^ bytes[i]!) + (other >>> 15), OTHER_PRIME)
    }
    this.#hash = hash
    this.#otherHash = other
  }

  #mixText(text: string): void {
    for (let i = 0; i < text.length; i++) this.#mixByte(text.charCodeAt(i))
  }

  #mixByte(byte: number): void {
    this.#hash = Math.imul(this.#hash ^ byte, FNV_PRIME)
    this.#otherHash = Math.imul((this.#otherHash ^ byte) + (this.#otherHash >>> 15), OTHER_PRIME)
  }
}
