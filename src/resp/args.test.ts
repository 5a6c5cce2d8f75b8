// Goal: arguments read the same from any place in their bytes; copies outlive them.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Args, word } from './args.ts'

test('reads words, numbers and texts', () => {
  const args = Args.of('SeT', 'k\xff', '-12', '1e3', '')
  assert.equal(args.count, 5)
  assert.ok(args.is(0, word('set')) && !args.is(1, word('set')))
  assert.equal(args.text(1), 'k\xff')
  assert.equal(args.integer(2), -12)
  assert.equal(args.integer(3), null)
  assert.equal(args.double(3), 1000)
  assert.equal(args.length(4), 0)
  assert.equal(args.size, 3 + 2 + 3 + 3)
})

test('copies and clones do not share the borrowed bytes', () => {
  const args = Args.of('get', 'key')
  const copy = args.copy(1)
  const clone = args.clone()
  args.bytes.fill(0)
  assert.deepEqual(copy, new Uint8Array([0x6b, 0x65, 0x79]))
  assert.equal(clone.text(0) + clone.text(1), 'getkey')
})

test('an argument that is not there is a bug', () => {
  assert.throws(() => Args.of('get').start(1), /no such argument/)
  assert.throws(() => Args.of('get').text(-1), /no such argument/)
  assert.throws(() => word('GET'), /lower case/)
})

test('grows for long commands and gives the room back', () => {
  const args = new Args()
  for (let i = 0; i < 5000; i++) args.add(i, 1)
  assert.equal(args.start(4999), 4999)
  const other = new Args()
  other.adopt(args, 7)
  assert.equal(other.start(4999), 5006)
  other.clear()
  other.shrink()
  assert.ok(other.starts.length < 100)
})
