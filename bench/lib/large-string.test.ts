// Random offsets stay inside of the string, are integers as Redis takes them, and reach most of it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../src/base/random.ts'
import { offsetsBelow } from './large-string.ts'
import { ValuePool } from './requests.ts'
import { CommandBatch } from './template.ts'

const WRITE_BYTES = 16

for (const size of [536_871, 1_234_567, 2_500_000, 53_687_091, 536_870_912]) {
  test(`offsets below ${size}`, () => {
    const offsets = offsetsBelow(size)
    const batch = new CommandBatch(
      offsets.map((offset) => ['SETRANGE', 'key', offset]),
      offsets.length,
    )
    const source = { random: new Random(1), pool: new ValuePool('random', 2) }
    const found: number[] = []
    for (let n = 0; n < 400; n++) {
      for (let i = 0; i < offsets.length; i++) batch.fill(i, n, source)
      const text = batch.view(offsets.length).toString('latin1')
      const words = [...text.matchAll(/\$3\r\nkey\r\n\$\d+\r\n(\d+)\r\n/g)]
      assert.equal(words.length, offsets.length)
      for (const [, digits] of words) {
        assert.match(digits!, /^[1-9]/, 'an integer without zeros in front')
        found.push(Number(digits))
      }
    }
    const [low, high] = [Math.min(...found), Math.max(...found)]
    assert.ok(high + WRITE_BYTES <= size, `${high} lies outside`)
    assert.ok(high - low > size / 3, `only from ${low} to ${high}`)
  })
}
