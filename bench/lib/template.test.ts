// Batches are whole RESP commands in turn, whose blanks are filled as their tokens say and whose
// other bytes never change.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../src/base/random.ts'
import { ValuePool } from './requests.ts'
import { bytes, CommandBatch, random, same, sequence } from './template.ts'

const source = { random: new Random(1), pool: new ValuePool('random', 2) }

/** The words of the commands in a buffer of RESP. */
function wordsOf(buffer: Buffer): string[][] {
  const commands: string[][] = []
  let position = 0
  const line = () => {
    const end = buffer.indexOf('\r\n', position)
    const text = buffer.toString('latin1', position, end)
    position = end + 2
    return text
  }
  while (position < buffer.length) {
    const count = Number(line().slice(1))
    const words: string[] = []
    for (let i = 0; i < count; i++) {
      const length = Number(line().slice(1))
      words.push(buffer.toString('latin1', position, position + length))
      assert.equal(buffer.toString('latin1', position + length, position + length + 2), '\r\n')
      position += length + 2
    }
    commands.push(words)
  }
  return commands
}

test('commands come in turn, with the numbers of their sequence', () => {
  const batch = new CommandBatch([['SADD', 's', `m:${sequence(4)}`], ['PING']], 4)
  for (let i = 0; i < 4; i++) batch.fill(i, 97 + i, source)
  assert.deepEqual(wordsOf(batch.view(4)), [
    ['SADD', 's', 'm:0097'],
    ['PING'],
    ['SADD', 's', 'm:0099'],
    ['PING'],
  ])
  assert.deepEqual(wordsOf(batch.view(2)), [['SADD', 's', 'm:0097'], ['PING']])
  assert.equal(batch.view(0).length, 0)
})

test('a sequence divides, multiplies, adds and wraps', () => {
  const forms = [{}, { over: 10 }, { times: 20, plus: 3 }, { over: 10, below: 4 }]
  const batch = new CommandBatch([['X', ...forms.map((form) => `a${sequence(5, form)}b`)]], 1)
  batch.fill(0, 57, source)
  assert.deepEqual(wordsOf(batch.view(1)), [['X', 'a00057b', 'a00005b', 'a01143b', 'a00001b']])
})

test('random numbers stay below their limit, and can be had again', () => {
  const batch = new CommandBatch([['X', random(3, 50), `${same(3)}-${same(5)}`]], 1)
  const seen = new Set<string>()
  for (let n = 0; n < 500; n++) {
    batch.fill(0, n, source)
    const [, first, second] = wordsOf(batch.view(1))[0]!
    assert.ok(Number(first) < 50)
    assert.equal(second, `${first}-00${first}`)
    seen.add(first!)
  }
  assert.equal(seen.size, 50)
})

test('bytes change and keep their length', () => {
  const batch = new CommandBatch([['SET', 'k', bytes(32)]], 1)
  batch.fill(0, 0, source)
  const before = Buffer.from(batch.view(1))
  batch.fill(0, 1, source)
  assert.equal(batch.view(1).length, before.length)
  assert.notDeepEqual(batch.view(1), before)
  assert.equal(before.indexOf('$32\r\n'), before.length - 34 - 5)
})

test('a batch that does not hold whole turns is refused', () => {
  assert.throws(() => new CommandBatch([['A'], ['B'], ['C']], 16), /does not hold 3 commands/)
  assert.throws(() => new CommandBatch([], 16), /does not hold 0 commands/)
})
