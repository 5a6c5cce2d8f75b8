// Goal: a survey tells keys that come twice from those that do not, how long texts are, and what is
// not spelled as we do. Method: seeded random listpacks against a Set; literal bytes.

import { equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import { validate } from './listpack.ts'
import { SURVEY, survey, WIDEST_LENGTH } from './listpack-survey.ts'
import { hex, listpackOf } from './test-packed.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9))
console.log(`SEED=${SEED}`)

/** One of `choices` texts: numbers, short and long strings. */
function randomText(random: Random, choices: number): string {
  const choice = random.below(choices)
  const kind = choice % 5
  if (kind === 0) return String(choice)
  if (kind === 1) return String(-(2 ** (choice % 53)))
  if (kind === 2) return `text ${choice}`.padEnd(choice % 90, '.')
  return kind === 3 ? '' : `0${choice}`
}

for (const stride of [1, 2, 3]) {
  test(`each entry of ${stride} is a key`, () => {
    const random = new Random(SEED)
    let distinct = 0
    for (let round = 0; round < 600; round++) {
      const choices = 5 + random.below(4000)
      const texts: string[] = []
      const keys = 1 + random.below(50)
      for (let i = 0; i < keys * stride; i++) texts.push(randomText(random, choices))
      const found = texts.filter((_, i) => i % stride === 0)
      const others = texts.filter((_, i) => i % stride !== 0)
      const isDistinct = new Set(found).size === keys
      if (isDistinct) distinct++
      equal(survey(listpackOf(texts), 0, stride), isDistinct, texts.join())
      if (!isDistinct) continue
      equal(SURVEY.keys, keys)
      checkLongest(SURVEY.longestKey, found)
      checkLongest(SURVEY.longestValue, others)
      equal(SURVEY.integers, found.filter((text) => /^(0|-?[1-9]\d*)$/.test(text)).length)
    }
    equal(distinct > 50, true)
  })
}

/** Numbers may count as the longest that are as wide. */
function checkLongest(found: number, texts: readonly string[]): void {
  const length = longest(texts)
  if (length > WIDEST_LENGTH) equal(found, length)
  else ok(found >= length && found <= WIDEST_LENGTH, `${found} for ${texts.join()}`)
}

function longest(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((text) => text.length))
}

const IRREGULAR = [
  { name: 'a number as a string', bytes: '0c000000 0200 8131 02 0101 ff' },
  { name: 'a short string with a head of 12 bits', bytes: '0d000000 0200 e00161 03 0101 ff' },
  { name: 'one of 32 bits', bytes: '10000000 0200 f00100000061 06 0101 ff' },
]

for (const { name, bytes } of IRREGULAR) {
  test(`${name} is irregular`, () => {
    const listpack = hex(bytes)
    equal(validate(listpack, 0, listpack.length), true)
    equal(survey(listpack, 0, 2), false)
    equal(survey(listpack, 0, 1), false)
  })
}

test('numbers that are wider than they need are the same numbers', () => {
  // 1 in a byte, and 1 in 16 bits.
  const listpack = hex('0d000000 0200 0101 f10100 03 ff')
  equal(validate(listpack, 0, listpack.length), true)
  equal(survey(listpack, 0, 1), false)
  equal(survey(listpack, 0, 2), true)
})

test('an unknown count, and a listpack that is too long, are not surveyed', () => {
  const listpack = listpackOf(['a', 'b'])
  listpack[4] = 0xff
  listpack[5] = 0xff
  equal(survey(listpack, 0, 1), false)
  equal(survey(listpackOf(Array.from({ length: 90 }, (_, i) => `${i}`.padEnd(99))), 0, 1), false)
})
