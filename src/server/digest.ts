// Digests of the data for DEBUG DIGEST: the same for the same keys, values and expiry, whatever the
// order, the encoding or the history. A key's digest is the SHA-1 of its parts; those of a database
// or server are combined by exclusive or. Equal only between servers of this kind, as in Redis.

import { createHash } from 'node:crypto'
import { scratchSlice } from '../base/slice.ts'
import { type Database, NO_DEADLINE } from '../keyspace/database.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { Ptr } from '../memory/layout.ts'

const DIGEST_BYTES = 20
const KEY = scratchSlice()
const VALUE = scratchSlice()

/** Digest of all databases, in hexadecimal. O(n). */
export function keyspaceDigest(keyspace: Keyspace): string {
  const total = new Uint8Array(DIGEST_BYTES)
  for (const database of keyspace.databases) {
    database.each((record) => {
      if (database.isExpired(record)) return
      const key = database.readKey(record, KEY)
      const head = `${database.id} ${key.length} ${expiryOf(database, record)} `
      const digest = createHash('sha1').update(head).update(key.toBytes())
      mix(total, digest.update(valueBytes(database, record)).digest())
    })
  }
  return Buffer.from(total).toString('hex')
}

/** Digest of one value, in hexadecimal; zeros without a record. O(value). */
export function valueDigest(database: Database, record: Ptr | null): string {
  if (record === null) return '0'.repeat(DIGEST_BYTES * 2)
  const head = `${database.typeOf(record)} ${expiryOf(database, record)} `
  return createHash('sha1').update(head).update(valueBytes(database, record)).digest('hex')
}

function valueBytes(database: Database, record: Ptr): Uint8Array {
  return database.readString(record, VALUE).toBytes()
}

function expiryOf(database: Database, record: Ptr): string {
  return database.deadlineOf(record) === NO_DEADLINE ? '-' : '!expire'
}

function mix(total: Uint8Array, digest: Uint8Array): void {
  for (let i = 0; i < DIGEST_BYTES; i++) total[i]! ^= digest[i]!
}
