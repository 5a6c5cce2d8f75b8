// Goal: a buffer of hundreds of megabytes that nobody refers to any more goes back to the system
// though V8 has no reason of its own to collect, and live ones do not cost a collection a second.
// Method: a keyspace with a large value that is deleted; bytes of all buffers before and after.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { bufferBytes } from '../base/heap.ts'
import { Slice } from '../base/slice.ts'
import { Keyspace } from '../keyspace/keyspace.ts'
import { BufferGarbage } from './buffer-garbage.ts'

const MIB = 1024 * 1024

test('a large deleted value is given back', async () => {
  const keyspace = new Keyspace({ databaseCount: 1, pageCapacity: 16384 * 8 })
  const garbage = new BufferGarbage(keyspace, () => 0)
  const before = bufferBytes()
  const database = keyspace.databases[0]!
  const key = Slice.ofText('key')
  database.putString(key, new Slice().set(new Uint8Array(100 * MIB), 0, 100 * MIB), 0)
  database.remove(database.peek(key))
  assert.ok(bufferBytes() > before + 150 * MIB)
  for (let i = 0; i < 100 && bufferBytes() > before + 80 * MIB; i++) {
    garbage.step()
    await sleep(10)
  }
  // What is left is the segment of the records.
  assert.ok(bufferBytes() < before + 80 * MIB, `${bufferBytes() - before} bytes more`)
})

test('a live buffer costs fewer and fewer collections', () => {
  const keyspace = new Keyspace({ databaseCount: 1, pageCapacity: 16384 * 8 })
  const garbage = new BufferGarbage(keyspace, () => 0)
  const live = new Uint8Array(96 * MIB)
  let collections = 0
  for (let i = 0; i < 120; i++) if (garbage.step()) collections++
  assert.ok(collections >= 1 && collections <= 8, `${collections} collections in 120 steps`)
  assert.equal(live.length, 96 * MIB)
})
