// Goal: patterns match what Redis 7.0 matches, at a cost that cannot explode. Method: a table of
// single cases, and seeded random patterns compared with a plain recursive matcher.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Glob, globMatches } from './glob.ts'
import { Random } from './random.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32))

const CASES: readonly (readonly [pattern: string, text: string, matches: boolean])[] = [
  ['*', '', true],
  ['*', 'anything', true],
  ['**', 'anything', true],
  ['', '', true],
  ['', 'a', false],
  ['abc', 'abc', true],
  ['abc', 'abcd', false],
  ['abc', 'ab', false],
  ['abc', 'ABC', false],
  ['user:*', 'user:17', true],
  ['user:*', 'user:', true],
  ['user:*', 'user', false],
  ['user:**', 'user:1', true],
  ['?', 'a', true],
  ['?', '', false],
  ['h?llo', 'hello', true],
  ['h?llo', 'hllo', false],
  ['h*llo', 'heeeello', true],
  ['*b', 'aab', true],
  ['*b', 'aaba', false],
  ['a*b*c', 'a-b-b-c', true],
  ['a*b*c', 'a-c-b', false],
  ['h[ae]llo', 'hallo', true],
  ['h[ae]llo', 'hillo', false],
  ['h[^e]llo', 'hallo', true],
  ['h[^e]llo', 'hello', false],
  ['h[a-c]llo', 'hbllo', true],
  ['h[c-a]llo', 'hbllo', true],
  ['h[a-c]llo', 'hdllo', false],
  ['h[a\\-c]llo', 'h-llo', true],
  ['h[a\\-c]llo', 'hbllo', false],
  ['[a-]', 'a', true],
  ['[a-]', ']', true],
  ['[abc', 'b', true],
  ['[abc', 'd', false],
  ['[', '[', false],
  ['[]', 'a', false],
  ['[^', 'a', true],
  ['[^]', 'a', true],
  ['a[', 'a', false],
  ['\\*', '*', true],
  ['\\*', 'a', false],
  ['\\a', 'a', true],
  ['a\\', 'a\\', true],
  ['[\\', '\\', true],
  ['[\\]]', ']', true],
  ['*\\?', 'what?', true],
  ['a\\*', 'a*', true],
  ['a\\*', 'ab', false],
  ['\x00*', '\x00\xff', true],
  ['\xff[\x80-\xff]', '\xff\x90', true],
]

test('each form of pattern matches what it should', () => {
  for (const [pattern, text, expected] of CASES) {
    assert.equal(exactly(pattern, text), expected, `${pattern} on ${text}`)
  }
})

test('a pattern and a text may lie anywhere in their buffers', () => {
  const glob = new Glob()
  const bytes = Buffer.from('xxa*czz-abbc-', 'latin1')
  glob.set(bytes, 2, 3)
  assert.equal(glob.matches(bytes, 8, 4), true)
  assert.equal(glob.matches(bytes, 8, 3), false)
  assert.equal(glob.matches(bytes, 8, 5), false)
  glob.set(bytes, 0, 0)
  assert.equal(glob.matches(bytes, 0, 0), true)
  assert.throws(() => glob.matches(bytes, 8, 6))
  assert.throws(() => glob.set(bytes, -1, 2))
})

test('a long pattern after a short one, and back', () => {
  const glob = new Glob()
  const long = Buffer.alloc(1000, 'ab')
  glob.set(long, 0, long.length)
  assert.equal(glob.matches(long, 0, long.length), true)
  glob.set(Buffer.from('?'), 0, 1)
  assert.equal(glob.matches(long, 0, 1), true)
  assert.equal(glob.matches(long, 0, 2), false)
})

test('names are matched regardless of ASCII case, except what is escaped in a class', () => {
  assert.equal(globMatches('MAX*', 'maxmemory', 'ignore'), true)
  assert.equal(globMatches('max*', 'MAXMEMORY', 'ignore'), true)
  assert.equal(globMatches('[A-M]ax', 'max', 'ignore'), true)
  assert.equal(globMatches('[a-c]', 'B', 'ignore'), true)
  assert.equal(globMatches('maxmemory', 'MaxMemory', 'ignore'), true)
  assert.equal(globMatches('[\\M]', 'm', 'ignore'), false)
  assert.equal(globMatches('max', 'maxx', 'ignore'), false)
  assert.equal(globMatches('*', '', 'ignore'), true)
})

test('many stars on a text that almost matches take no time', () => {
  const pattern = `${'a*'.repeat(40)}b`
  const text = Buffer.alloc(20_000, 'a')
  const glob = new Glob()
  glob.set(Buffer.from(pattern), 0, pattern.length)
  const start = process.cpuUsage().user
  assert.equal(glob.matches(text, 0, text.length), false)
  assert.ok(process.cpuUsage().user - start < 1_000_000)
})

test('random patterns agree with a plain recursive matcher', () => {
  const random = new Random(SEED)
  const letters = 'ab*?[]^-\\'
  const pick = (limit: number, count: number) => {
    let text = ''
    for (let i = random.below(limit); i > 0; i--) text += letters[random.below(count)]
    return text
  }
  for (let round = 0; round < 40_000; round++) {
    const pattern = pick(9, letters.length)
    const text = pick(7, random.below(2) === 0 ? 2 : letters.length)
    assert.equal(
      exactly(pattern, text),
      plainMatch(pattern, text),
      `SEED=${SEED} ${JSON.stringify(pattern)} on ${JSON.stringify(text)}`,
    )
  }
})

function exactly(pattern: string, text: string): boolean {
  const glob = new Glob()
  const patternBytes = Buffer.from(pattern, 'latin1')
  const textBytes = Buffer.from(text, 'latin1')
  glob.set(patternBytes, 0, patternBytes.length)
  return glob.matches(textBytes, 0, textBytes.length)
}

/** Tries every split for `*`: exponential, obvious. */
function plainMatch(pattern: string, text: string): boolean {
  if (pattern === '') return text === ''
  if (pattern[0] === '*') {
    for (let i = 0; i <= text.length; i++) {
      if (plainMatch(pattern.slice(1), text.slice(i))) return true
    }
    return false
  }
  if (text === '') return false
  if (pattern[0] === '?') return plainMatch(pattern.slice(1), text.slice(1))
  if (pattern[0] === '[') {
    const [set, rest] = readClass(pattern.slice(1))
    return set(text[0]!) && plainMatch(rest, text.slice(1))
  }
  const escaped = pattern[0] === '\\' && pattern.length > 1
  const own = escaped ? pattern[1] : pattern[0]
  return own === text[0] && plainMatch(pattern.slice(escaped ? 2 : 1), text.slice(1))
}

function readClass(pattern: string): [(byte: string) => boolean, string] {
  const negated = pattern[0] === '^'
  let rest = negated ? pattern.slice(1) : pattern
  const ranges: [string, string][] = []
  while (rest !== '' && rest[0] !== ']') {
    if (rest[0] === '\\' && rest.length > 1) {
      ranges.push([rest[1]!, rest[1]!])
      rest = rest.slice(2)
    } else if (rest.length > 2 && rest[1] === '-') {
      const ends = [rest[0]!, rest[2]!].sort()
      ranges.push([ends[0]!, ends[1]!])
      rest = rest.slice(3)
    } else {
      ranges.push([rest[0]!, rest[0]!])
      rest = rest.slice(1)
    }
  }
  const has = (byte: string) => ranges.some(([low, high]) => byte >= low && byte <= high)
  return [(byte) => has(byte) !== negated, rest.slice(1)]
}
