// Goal: copies are whole at every length and overlap, in shared memory as in other memory, and
// scratch lets go. Method: tables of lengths around the change from loop to native copy, with the
// bytes on both sides looked at.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { copySlice, forgetScratch, moveWithin, Slice, scratchSlice } from './slice.ts'

const LENGTHS = [0, 1, 7, 8, 23, 24, 25, 26, 64, 1000]

function counted(bytes: Uint8Array): Uint8Array {
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 7 + 3) & 0xff
  return bytes
}

function memories(length: number): Uint8Array[] {
  return [new Uint8Array(length), new Uint8Array(new SharedArrayBuffer(length))]
}

test('a slice is copied into other bytes, and nothing beside it is written', () => {
  for (const length of LENGTHS) {
    for (const source of memories(length + 10)) {
      for (const target of memories(length + 20)) {
        counted(source)
        copySlice(new Slice().set(source, 3, length), target, 5)
        assert.deepEqual([...target.subarray(5, 5 + length)], [...source.subarray(3, 3 + length)])
        assert.ok(target.subarray(0, 5).every((byte) => byte === 0))
        assert.ok(target.subarray(5 + length).every((byte) => byte === 0))
      }
    }
  }
})

test('moves within the same bytes agree with copyWithin, whatever overlaps', () => {
  for (const length of LENGTHS) {
    for (const shift of [-20, -8, -1, 0, 1, 8, 20]) {
      for (const bytes of memories(length + 60)) {
        const expected = counted(bytes).slice()
        expected.copyWithin(30 + shift, 30, 30 + length)
        moveWithin(bytes, 30 + shift, 30, 30 + length)
        assert.deepEqual([...bytes], [...expected], `${length} by ${shift}`)
        counted(bytes)
        copySlice(new Slice().set(bytes, 30, length), bytes, 30 + shift)
        assert.deepEqual([...bytes], [...expected], `${length} by ${shift}, as a slice`)
      }
    }
  }
})

test('a copy that does not fit is refused', () => {
  const bytes = new Uint8Array(40)
  assert.throws(() => copySlice(new Slice().set(bytes, 0, 30), new Uint8Array(34), 5))
  assert.throws(() => moveWithin(bytes, 11, 0, 30))
  assert.throws(() => moveWithin(bytes, -1, 0, 30))
  assert.throws(() => moveWithin(bytes, 0, 20, 41))
})

test('scratch slices let go of their bytes', () => {
  const scratch = scratchSlice().set(new Uint8Array(10), 2, 5)
  forgetScratch()
  assert.equal(scratch.bytes.length, 0)
  assert.equal(scratch.length, 0)
})
