// A table of variants puts each value into its column, judges it by its own target, and shows the
// reference once. By a made-up benchmark.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Bench, Setup, type SetupOptions } from './bench.ts'
import { makeRow } from './result.ts'
import {
  AUTO,
  BACKGROUND,
  COOPERATIVE,
  hasVariants,
  REFERENCE,
  remarkMethods,
  variantHeader,
  variantMeasures,
  variantRows,
} from './variants.ts'

const ALL = [BACKGROUND, COOPERATIVE, REFERENCE]

const BENCH: Bench = {
  name: 'made-up',
  question: '',
  rounds: 3,
  measures: variantMeasures(ALL, [
    {
      name: 'memory',
      unit: 'MB',
      better: 'lower',
      targets: {
        [BACKGROUND.name]: { of: 'subject', limit: 56 },
        [COOPERATIVE.name]: { of: 'subject', limit: 32 },
      },
    },
    {
      name: 'rate',
      unit: 'op/s',
      better: 'higher',
      targets: { [BACKGROUND.name]: { of: 'ratio', limit: 1 } },
    },
    {
      name: 'outcome',
      unit: '',
      better: 'lower',
      words: ['saved', 'killed'],
      targets: { [BACKGROUND.name]: { of: 'subject', limit: 0 } },
    },
  ]),
  run: async () => ({}),
}

test('each value stands in its column, with its own verdict', () => {
  const setup = setupOf({})
  for (const [variant, memory, rate] of [
    [BACKGROUND, 40, 50],
    [COOPERATIVE, 40, 200],
    [REFERENCE, 700, 100],
  ] as const) {
    setup.note('memory', variant, memory)
    setup.note('rate', variant, rate)
  }
  const rows = rowsOf(setup)
  assert.ok(hasVariants(rows))
  assert.deepEqual(variantHeader(rows, 'redis'), [
    'measure',
    'unit',
    'background',
    'cooperative',
    'redis',
  ])
  assert.deepEqual(variantRows(rows), [
    ['memory', 'MB', '40.0 (≤ 56: met)', '40.0 (≤ 32: missed)', '700'],
    ['rate', 'op/s', '50.0 (≥ 1 ×: missed)', '200', '100'],
  ])
})

test('of outcomes the worst is shown', () => {
  const setup = setupOf({})
  for (const value of [0, 0, 1]) setup.note('outcome', BACKGROUND, value)
  for (const value of [0, 0, 0]) setup.note('outcome', REFERENCE, value)
  assert.deepEqual(variantRows(rowsOf(setup)), [['outcome', '', 'killed (missed)', 'saved']])
})

test('variants take turns, and only those that are wanted', async () => {
  const seen: string[] = []
  const note = async ({ name }: { name: string }) => void seen.push(name)
  await setupOf({ rounds: 2 }).rotate(ALL, note)
  assert.deepEqual(seen.splice(0), [
    'background',
    'cooperative',
    'reference',
    'cooperative',
    'reference',
    'background',
  ])
  await setupOf({ rounds: 1, variants: ['reference'] }).rotate(ALL, note)
  assert.deepEqual(seen, ['reference'])
})

test('the first series of a name and variant is kept', () => {
  const setup = setupOf({})
  const series = { name: 'x', variant: 'a', unit: '', saveMs: 1, atMs: [0], values: [1] }
  setup.addSeries(series)
  setup.addSeries({ ...series, values: [2] })
  setup.addSeries({ ...series, variant: 'b' })
  assert.deepEqual(
    setup.series.map(({ variant, values }) => [variant, values[0]]),
    [
      ['a', 1],
      ['b', 1],
    ],
  )
})

test('a save by another method than the one asked for is remarked upon, once', () => {
  const setup = setupOf({})
  remarkMethods(setup, BACKGROUND, { methods: ['background'], choice: 'asked for' })
  remarkMethods(setup, REFERENCE, { methods: [], choice: '' })
  assert.deepEqual(setup.notes, [])
  const both = ['background', 'cooperative']
  remarkMethods(setup, BACKGROUND, { methods: both, choice: '12 MB free' })
  remarkMethods(setup, BACKGROUND, { methods: both, choice: '11 MB free' })
  remarkMethods(setup, AUTO, { methods: ['background'], choice: '' })
  assert.deepEqual(setup.notes, [
    'background: method background, then cooperative (12 MB free)',
    'auto: method background',
  ])
})

function setupOf(more: Partial<SetupOptions>): Setup {
  return new Setup(BENCH, {
    commands: { subject: 'a', reference: 'b' },
    isQuick: true,
    isFull: false,
    work: '',
    log: () => {},
    variants: null,
    rounds: null,
    keys: null,
    sizes: null,
    ...more,
  })
}

function rowsOf(setup: Setup) {
  return setup.measures.map((measure) => makeRow(measure, setup.values.get(measure.name)!))
}
