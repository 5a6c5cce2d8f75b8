// Replies are counted the same however their bytes are split; those that hold nothing are told
// apart, and an error reply is thrown in the server's words.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReplyCounter } from './reply-counter.ts'

/** Wire bytes, replies in them, and how many of those hold nothing. */
const CASES: readonly [string, number, number][] = [
  ['+OK\r\n', 1, 0],
  [':-12\r\n:0\r\n', 2, 0],
  ['$3\r\nabc\r\n', 1, 0],
  ['$0\r\n\r\n', 1, 0],
  ['$-1\r\n', 1, 1],
  ['*-1\r\n', 1, 1],
  ['*0\r\n', 1, 1],
  ['*2\r\n$1\r\n*\r\n$2\r\n\r\n\r\n', 1, 0],
  ['*2\r\n*2\r\n:1\r\n*1\r\n$1\r\nx\r\n*0\r\n+PONG\r\n', 2, 0],
  ['*1\r\n$-1\r\n$-1\r\n', 2, 1],
  ['*2\r\n$1\r\n0\r\n*0\r\n', 1, 0],
]

for (const [wire, replies, emptyReplies] of CASES) {
  test(`${JSON.stringify(wire)}: ${replies} replies, ${emptyReplies} of nothing`, () => {
    const bytes = Buffer.from(wire)
    for (let split = 0; split <= bytes.length; split++) {
      const counter = new ReplyCounter()
      counter.feed(bytes.subarray(0, split), split)
      counter.feed(bytes.subarray(split), bytes.length - split)
      assert.deepEqual([counter.replies, counter.emptyReplies], [replies, emptyReplies])
    }
  })
}

test('bytes beyond the length are not looked at', () => {
  const counter = new ReplyCounter()
  counter.feed(Buffer.from('+OK\r\n-ERR stale\r\n'), 5)
  assert.equal(counter.replies, 1)
})

test('an error is thrown with its text, also inside an array', () => {
  for (const wire of ['-ERR no such command\r\n', '*2\r\n:1\r\n-ERR no such command\r\n']) {
    const bytes = Buffer.from(wire)
    assert.throws(() => new ReplyCounter().feed(bytes, bytes.length), /ERR no such command/)
  }
})
