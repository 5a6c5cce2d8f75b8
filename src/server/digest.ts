// Digests of the data for DEBUG DIGEST: the same for the same keys, values and expiry, whatever the
// order, the encoding or the history. A key's digest is the SHA-1 of its parts; those of a database
// or server are combined by exclusive or. Equal only between servers of this kind, as in Redis.
//
// What is not repeated elsewhere does not count: who loads an append-only file has the same digest.
//
// The elements of a value are taken from its payload, as DUMP writes it, so that one way through
// all types and encodings serves both. Sets, hashes and sorted sets have no order here: their
// elements are combined by exclusive or, too.

import { createHash } from 'node:crypto'
import { type ByteRange, scratchSlice } from '../base/slice.ts'
import { type Database, NO_DEADLINE } from '../keyspace/database.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { Type } from '../keyspace/record.ts'
import type { Ptr } from '../memory/layout.ts'
import { readValue } from '../persist/dump.ts'
import type { CollectionTarget, RdbEntry, RdbTarget } from '../persist/rdb/rdb-target.ts'
import { StreamParts } from '../persist/rdb/stream-parts.ts'
import type { StreamTarget } from '../persist/rdb/stream-target.ts'

const DIGEST_BYTES = 20
const KEY = scratchSlice()

/** Digest of all databases, in hexadecimal. O(n). */
export function keyspaceDigest(keyspace: Keyspace): string {
  const total = new Uint8Array(DIGEST_BYTES)
  for (const database of keyspace.databases) {
    database.each((record) => {
      if (database.isExpired(record)) return
      const key = database.readKey(record, KEY)
      const head = `${database.id} ${key.length} ${expiryOf(database, record)} `
      const digest = createHash('sha1').update(head).update(key.toBytes())
      mix(total, digest.update(contentOf(database, record)).digest())
    })
  }
  return Buffer.from(total).toString('hex')
}

/** Digest of one value, in hexadecimal; zeros without a record. O(value). */
export function valueDigest(database: Database, record: Ptr | null): string {
  if (record === null) return '0'.repeat(DIGEST_BYTES * 2)
  const head = `${database.typeOf(record)} ${expiryOf(database, record)} `
  return createHash('sha1').update(head).update(contentOf(database, record)).digest('hex')
}

/** A digest of what the value holds. */
function contentOf(database: Database, record: Ptr): Uint8Array {
  const target = new DigestTarget()
  readValue(database, record, target)
  return target.digest
}

/** Digests the elements of one value. */
class DigestTarget implements RdbTarget, CollectionTarget {
  digest: Uint8Array = new Uint8Array(DIGEST_BYTES)
  #isOrdered = false

  onAux(): void {}

  onDatabase(): void {}

  onResize(): void {}

  onFunction(): void {}

  onString(entry: RdbEntry): void {
    this.#isOrdered = true
    this.onElement(entry.value)
  }

  onCollection(_entry: RdbEntry, type: Type): CollectionTarget {
    this.#isOrdered = type === Type.List
    return this
  }

  onStream(): StreamTarget {
    return new StreamParts({ onPart: (head, texts) => this.#add(commonHead(head), texts) })
  }

  onElement(element: ByteRange): void {
    this.#add('element', [bytesOf(element)])
  }

  onField(field: ByteRange, value: ByteRange, deadlineMs: number): void {
    this.#add(deadlineMs === 0 ? '-' : '!expire', [bytesOf(field), bytesOf(value)])
  }

  onMember(member: ByteRange, score: number): void {
    this.#add(`${score}`, [bytesOf(member)])
  }

  onCollectionEnd(): void {}

  #add(head: string, parts: readonly Uint8Array[]): void {
    const hash = createHash('sha1').update(head)
    for (const part of parts) hash.update(`${part.length} `).update(part)
    if (this.#isOrdered) this.digest = hash.update(this.digest).digest()
    else mix(this.digest, hash.digest())
  }
}

/**
 * Of a part of a stream what a replica, or a loaded append-only file, has in common with its
 * source: not when a consumer was last seen, nor how many entries a group has read.
 */
function commonHead(head: string): string {
  const [word = '', lastId = ''] = head.split(' ')
  if (word === 'consumer') return word
  return word === 'group' ? `${word} ${lastId}` : head
}

function bytesOf({ bytes, start, length }: ByteRange): Uint8Array {
  return bytes.slice(start, start + length)
}

function expiryOf(database: Database, record: Ptr): string {
  return database.deadlineOf(record) === NO_DEADLINE ? '-' : '!expire'
}

function mix(total: Uint8Array, digest: Uint8Array): void {
  for (let i = 0; i < DIGEST_BYTES; i++) total[i]! ^= digest[i]!
}
