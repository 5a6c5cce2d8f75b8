// A short run of the comparison with redis-server; `npm run fuzz -- commands` runs it at length.
// The machinery is tested by itself: a difference is found, made small, and nothing else is.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Random } from '../../src/base/random.ts'
import { REFERENCE } from '../lib/server.ts'
import { runDifferential, startPair } from './differential.ts'
import { expand, parseForm } from './form.ts'
import { FAMILIES } from './rows.ts'
import { makeScript, parseScripts, type Step, showScript } from './script.ts'
import { shrink } from './shrink.ts'
import { Words } from './words.ts'

const SEED = Number(process.env['SEED'] ?? 4711)
const ROUNDS = Number(process.env['ROUNDS'] ?? 40)
const COMMANDS = 300
const skip = REFERENCE === '' ? 'redis-server is not installed' : false

test('random commands of all types do what redis-server does', { skip }, async () => {
  console.log(`SEED=${SEED}`)
  const result = await runDifferential({ seed: SEED, rounds: ROUNDS, commands: COMMANDS })
  assert.deepEqual(result.missing, [], 'every command is known')
  assert.equal(result.failures.join('\n\n'), '')
  const total = [...result.counts.values()].reduce((sum, count) => sum + count, 0)
  assert.ok(total > 0.9 * ROUNDS * COMMANDS, `${total} commands`)
})

test('what once differed is the same', { skip }, async () => {
  const scripts = parseScripts(readFileSync(join(import.meta.dirname, 'found.txt'), 'utf8'))
  assert.ok(scripts.length > 5)
  const pair = await startPair()
  try {
    for (const script of scripts) {
      const difference = await pair.run(script)
      assert.equal(difference, null, `${showScript(script)}\n${difference?.text}`)
    }
  } finally {
    await pair.stop()
  }
})

test('redis-server does what redis-server does', { skip }, async () => {
  const result = await runDifferential({ seed: SEED, rounds: 4, commands: 300, server: REFERENCE })
  assert.deepEqual(result.missing, [])
  assert.equal(result.failures.join('\n\n'), '')
})

test('a seed always gives the same script', () => {
  const make = () => makeScript(new Random(SEED), 200, () => true)
  assert.deepEqual(make(), make())
})

test('each row gives commands', () => {
  const profile = { memberCount: 10, valueBytesMax: 10, repeatMax: 5, wrongPercent: 5 }
  const words = new Words(new Random(SEED), profile)
  for (const row of Object.values(FAMILIES).flat()) {
    const command = expand(row.parsed, words)
    assert.equal(command[0]!.toLowerCase(), row.name)
  }
})

const FORMS: readonly [form: string, pattern: RegExp][] = [
  ['A B', /^A B$/],
  ['A (B|C D)', /^A (B|C D)$/],
  ['A [B]', /^A( B)?$/],
  ['A {B C}+', /^A( B C)+$/],
  ['A B*', /^A( B)*$/],
  ['A (=|~) *', /^A [=~] \*$/],
  ['A - + (B|C)', /^A - \+ [BC]$/],
]

for (const [form, pattern] of FORMS) {
  test(`form ${form}`, () => {
    const profile = { memberCount: 10, valueBytesMax: 10, repeatMax: 5, wrongPercent: 0 }
    const words = new Words(new Random(SEED), profile)
    const parsed = parseForm(form)
    for (let i = 0; i < 50; i++) {
      assert.match(expand(parsed, words).join(' ').toUpperCase(), pattern)
    }
  })
}

test('forms with errors are refused', () => {
  for (const form of ['A [B', 'A )', 'A nokind']) assert.throws(() => parseForm(form), form)
})

test('a script is shrunk to what is needed', async () => {
  const steps = Array.from({ length: 100 }, (_, i) => step(`C${i}`, 'a', 'b', 'c'))
  const needs = (list: readonly Step[]) =>
    list.some(({ words }) => words[0] === 'C17' && words.includes('b')) &&
    list.some(({ words }) => words[0] === 'C80')
  const left = await shrink(steps, async (candidate) => needs(candidate))
  assert.deepEqual(
    left.map(({ words }) => words.join(' ')),
    ['C17 b', 'C80'],
  )
})

function step(...words: string[]): Step {
  return { words, row: { form: '' } }
}
