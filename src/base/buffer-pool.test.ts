// Goal: buffers come back to who needs one of about their size, and what is kept stays bounded.
// Method: literal sequences.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { BufferPool } from './buffer-pool.ts'

const LIMITS = { lengthMin: 100, lengthMax: 1000, bytesMax: 2500 }

it('gives back a buffer of at most twice the length that is wanted', () => {
  const pool = new BufferPool(LIMITS)
  const [small, large] = [new Uint8Array(200), new Uint8Array(900)]
  pool.give(small)
  pool.give(large)
  assert.equal(pool.bytes, 1100)
  assert.equal(pool.take(250), null, 'one is too short, one too long')
  assert.equal(pool.take(450), large)
  assert.equal(pool.take(100), small)
  assert.equal(pool.take(100), null)
  assert.equal(pool.bytes, 0)
})

it('keeps no more than its limits', () => {
  const pool = new BufferPool(LIMITS)
  pool.give(new Uint8Array(99))
  pool.give(new Uint8Array(1001))
  assert.equal(pool.bytes, 0)
  for (let i = 0; i < 5; i++) pool.give(new Uint8Array(1000))
  assert.equal(pool.bytes, 2000)
  const many = new BufferPool({ lengthMin: 1, lengthMax: 1, bytesMax: 1000 })
  for (let i = 0; i < 500; i++) many.give(new Uint8Array(1))
  assert.equal(many.bytes, 64)
})

it('drops what was not needed between two looks', () => {
  const pool = new BufferPool(LIMITS)
  pool.give(new Uint8Array(500))
  pool.give(new Uint8Array(500))
  pool.age()
  assert.equal(pool.bytes, 1000, 'they have just come')
  const taken = pool.take(500)
  assert.ok(taken)
  pool.give(taken)
  pool.age()
  assert.equal(pool.bytes, 500, 'one was never taken')
  pool.age()
  assert.equal(pool.bytes, 0)
})
