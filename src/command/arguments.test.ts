// Goal: time limits of blocking commands are read as Redis reads them. Method: a table of texts.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Args } from '../resp/args.ts'
import { Reply } from '../resp/reply.ts'
import { timeoutArgument, timeoutMsArgument } from './arguments.ts'
import { Harness } from './harness.ts'

const NOT_FLOAT = '-ERR timeout is not a float or out of range\r\n'
const NOT_INTEGER = '-ERR timeout is not an integer or out of range\r\n'
const NEGATIVE = '-ERR timeout is negative\r\n'
const OUT_OF_RANGE = '-ERR timeout is out of range\r\n'

/** Ms from now, 0 for ever, or the error. */
function read(argument: typeof timeoutArgument, text: string): number | string {
  const { context } = new Harness()
  let error = ''
  const reply = new Reply((bytes, start, length) => {
    error += Buffer.from(bytes.subarray(start, start + length)).toString('latin1')
  })
  const deadlineMs = argument(context, Args.of('x', text), 1, reply)
  reply.flush()
  if (deadlineMs === null) return error
  assert.equal(error, '')
  return deadlineMs === 0 ? 0 : deadlineMs - context.nowMs
}

it('seconds have decimals, and are rounded up to a millisecond', () => {
  const rows: readonly [string, number | string][] = [
    ['0', 0],
    ['-0', 0],
    ['0.0', 0],
    ['1', 1000],
    ['+1', 1000],
    ['0.1', 100],
    ['0.0001', 1],
    ['1.0005', 1001],
    ['0x1p-1', 500],
    ['1e-400', 1],
    ['-0.0001', 0],
    ['-0.5', NEGATIVE],
    ['-1', NEGATIVE],
    ['-inf', NEGATIVE],
    ['inf', OUT_OF_RANGE],
    ['1e400', OUT_OF_RANGE],
    ['9223372036854776', OUT_OF_RANGE],
    ['1e5000', NOT_FLOAT],
    ['', NOT_FLOAT],
    ['nan', NOT_FLOAT],
    [' 1', NOT_FLOAT],
    ['1 ', NOT_FLOAT],
    ['abc', NOT_FLOAT],
  ]
  for (const [text, expected] of rows) assert.equal(read(timeoutArgument, text), expected, text)
})

it('milliseconds are whole', () => {
  const rows: readonly [string, number | string][] = [
    ['0', 0],
    ['1', 1],
    ['-1', NEGATIVE],
    ['-9223372036854775808', NEGATIVE],
    ['9223372036854775807', OUT_OF_RANGE],
    ['9223372036854775808', NOT_INTEGER],
    ['1.5', NOT_INTEGER],
    ['', NOT_INTEGER],
  ]
  for (const [text, expected] of rows) assert.equal(read(timeoutMsArgument, text), expected, text)
})
