// Goal: the kernel that checks and surveys listpacks in one walk never contradicts the long way
// (listpack.ts, listpack-survey.ts): what it calls surveyed is whole and has those figures, what it
// calls damaged is. Method: random listpacks, whole and with bytes changed, go both ways.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import * as listpack from '../../keyspace/packed/listpack.ts'
import { SURVEY, survey } from '../../keyspace/packed/listpack-survey.ts'
import { hex, listpackOf } from '../../keyspace/packed/test-packed.ts'
import { isAscending } from '../../keyspace/zset/packed-zset.ts'
import { Kernels, ListpackState } from './kernels.ts'

const SEED = Number(process.env['SEED'] ?? 4711)
const REGION_BYTES = 64 * 1024
const kernels = new Kernels(REGION_BYTES)
const region = kernels.allocate(REGION_BYTES)

console.log(`SEED=${SEED}`)

/** The kernel's verdict, which must agree with the long way. */
function compare(bytes: Uint8Array, stride: 0 | 1 | 2, name: string): ListpackState {
  kernels.memory.set(bytes, region)
  const state = kernels.surveyListpack(region, bytes.length, stride)
  const isWhole = listpack.validate(bytes, 0, bytes.length)
  if (state === ListpackState.Damaged) assert.equal(isWhole, false, name)
  if (state !== ListpackState.Surveyed) return state
  assert.equal(isWhole, true, name)
  const [keys, integers, longestKey, longestValue, entries, isAscendingSeen] = kernels.surveyed
  if (isAscendingSeen === 1) assert.equal(isAscending(bytes, 0), true, name)
  assert.equal(entries, listpack.count(bytes, 0), name)
  if (stride === 0) return state
  assert.equal(survey(bytes, 0, stride), true, name)
  assert.deepEqual({ keys, integers, longestKey, longestValue }, { ...SURVEY }, name)
  return state
}

function randomText(random: Random, maxLength: number): string {
  const kind = random.below(6)
  if (kind === 0) return `${random.below(200) - 100}`
  if (kind === 1) return `${Math.floor((random.below(1e9) - 5e8) * 2 ** random.below(34))}`
  const length = random.below(maxLength)
  return Array.from({ length }, () => String.fromCharCode(32 + random.below(90))).join('')
}

test('random listpacks, whole and damaged', () => {
  const random = new Random(SEED)
  const found = [0, 0, 0]
  for (let round = 0; round < 3000; round++) {
    const count = 2 * random.below(random.below(10) === 0 ? 200 : 12)
    const maxLength = random.below(8) === 0 ? 90 : 30
    const bytes = listpackOf(Array.from({ length: count }, () => randomText(random, maxLength)))
    const name = `SEED=${SEED} round ${round}`
    for (const stride of [0, 1, 2] as const) {
      compare(bytes, stride, name)
      const damaged = Uint8Array.from(bytes)
      for (let i = random.below(3); i >= 0; i--) {
        damaged[random.below(damaged.length)] = random.below(256)
      }
      found[compare(damaged, stride, name)]!++
      compare(bytes.subarray(0, random.below(bytes.length)), stride, name)
    }
  }
  assert.ok(Math.min(...found) > 50, `each verdict is seen: ${found}`)
})

test('verdicts of single listpacks', () => {
  const { Damaged, Surveyed, Unclear } = ListpackState
  const rows: [name: string, bytes: Uint8Array, stride: 0 | 1 | 2, expected: ListpackState][] = [
    ['empty', listpackOf([]), 2, Surveyed],
    ['pairs', listpackOf(['a', '1', 'b', '1']), 2, Surveyed],
    ['a key twice', listpackOf(['a', '1', 'a', '2']), 2, Unclear],
    ['a number twice', listpackOf(['7', '1', '7', '2']), 2, Unclear],
    ['a value twice', listpackOf(['a', '1', 'b', '1']), 2, Surveyed],
    ['half a pair', listpackOf(['a', '1', 'b']), 2, Unclear],
    ['a member twice', listpackOf(['a', 'a']), 1, Unclear],
    ['elements twice, no keys', listpackOf(['a', 'a']), 0, Surveyed],
    ['a long string', listpackOf(['a'.repeat(64)]), 1, Unclear],
    ['the longest short string', listpackOf(['a'.repeat(63)]), 1, Surveyed],
    ['a number as a string', hex('0a0000000100 813102 ff'), 1, Unclear],
    ['a small number in 13 bits', hex('0a0000000100c00502ff'), 1, Unclear],
    ['more keys than the head says', hex('0b000000010001010201ff'), 1, Damaged],
    ['fewer', hex('090000000200 0101 ff'), 1, Damaged],
    ['no end', hex('07000000000000'), 1, Damaged],
    ['a length behind that is wrong', hex('090000000100 0102 ff'), 0, Damaged],
    ['too many for the table', listpackOf(numbers(1025)), 1, Unclear],
    ['as many as the table takes', listpackOf(numbers(1024)), 1, Surveyed],
  ]
  for (const [name, bytes, stride, expected] of rows) {
    assert.equal(compare(bytes, stride, name), expected, name)
  }
})

test('scores that ascend are seen where they are whole, exact and different', () => {
  const rows: [scores: string[], isSeen: boolean][] = [
    [['1'], true],
    [['-5', '-4', '0', '127', '128', '4095', '4096', '40000', '9000000', '9007199254740991'], true],
    [['-9007199254740991', '-3000000000', '-70000', '-1'], true],
    [['1', '1'], false],
    [['2', '1'], false],
    [['1', '1.5'], false],
    [['9007199254740992'], false],
    [['-9007199254740992'], false],
    [[], true],
  ]
  for (const [scores, isSeen] of rows) {
    const bytes = listpackOf(scores.flatMap((score, i) => [`m${i}`, score]))
    assert.equal(compare(bytes, 2, scores.join()), ListpackState.Surveyed)
    assert.equal(kernels.surveyed[5] === 1, isSeen, scores.join())
  }
})

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${i * 3}`)
}
