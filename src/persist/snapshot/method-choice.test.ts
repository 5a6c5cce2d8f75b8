// Goal: the method of a save follows from the facts, does not flap, and the reserve never passes
// what is free. Method: a table of facts, and a sweep of figures around the thresholds.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MethodFacts } from './method-choice.ts'
import { BUFFER_BYTES, chooseMethod, RESERVE_BYTES_MIN } from './method-choice.ts'

const MB = 1e6
const GB = 1e9
const RESERVE = 33 * MB

/** Two cores, much memory, writes that fill the reserve. */
const BASE: MethodFacts = {
  configured: 'auto',
  requested: null,
  cores: 2,
  availableBytes: 1.2 * GB,
  heldBytes: 0,
  reserveBytes: RESERVE,
  datasetBytes: 10 * GB,
  dirtyPagesPerSecond: 100_000,
  durationSeconds: 60,
  present: null,
}

const full = RESERVE + BUFFER_BYTES

// Name, what differs from BASE, method, reason.
const cases: [string, Partial<MethodFacts>, string, string][] = [
  ['room', {}, 'background', '2 cores, 1.2 GB free for 33 MB of changed pages'],
  ['one core', { cores: 1 }, 'cooperative', '1 core'],
  ['a quota below', { cores: 1.4 }, 'cooperative', '1.4 cores'],
  ['1.5 cores', { cores: 1.5 }, 'background', '1.5 cores, 1.2 GB free for 33 MB of changed pages'],
  ['rounded down', { cores: 1.49 }, 'cooperative', '1.4 cores'],
  ['half a core', { cores: 0.5 }, 'cooperative', '0.5 cores'],
  [
    'cores not known',
    { cores: 0 },
    'background',
    'cores not known, 1.2 GB free for 33 MB of changed pages',
  ],
  [
    'memory not known',
    { availableBytes: 0 },
    'background',
    '2 cores, 33 MB of changed pages expected, free memory not known',
  ],
  [
    'not known whatever is held',
    { availableBytes: 0, heldBytes: 5 * MB },
    'background',
    '2 cores, 33 MB of changed pages expected, free memory not known',
  ],
  [
    'little memory',
    { availableBytes: 12 * MB },
    'cooperative',
    '12 MB free, 33 MB of changed pages expected',
  ],
  [
    'no room for the buffers',
    { availableBytes: 35 * MB },
    'cooperative',
    '35 MB free, 33 MB of changed pages and 8.4 MB of buffers expected',
  ],
  [
    'just enough',
    { availableBytes: full },
    'background',
    '2 cores, 41 MB free for 33 MB of changed pages',
  ],
  [
    'one byte less',
    { availableBytes: full - 1 },
    'cooperative',
    '41 MB free, 33 MB of changed pages and 8.4 MB of buffers expected',
  ],
  [
    'enough with what is held',
    { availableBytes: 12 * MB, heldBytes: RESERVE },
    'background',
    '2 cores, 45 MB free for 33 MB of changed pages',
  ],
  [
    'few changes need little',
    { availableBytes: 12 * MB, dirtyPagesPerSecond: 10, durationSeconds: 10 },
    'background',
    '2 cores, 12 MB free for 410 kB of changed pages',
  ],
  [
    'no changes',
    { availableBytes: 12 * MB, dirtyPagesPerSecond: 0 },
    'background',
    '2 cores, 12 MB free for 0 kB of changed pages',
  ],
  [
    'a small dataset needs no more than itself',
    { availableBytes: 12 * MB, datasetBytes: 2 * MB },
    'background',
    '2 cores, 12 MB free for 2.0 MB of changed pages',
  ],
  ['configured', { configured: 'cooperative' }, 'cooperative', 'asked for by snapshot-method'],
  [
    'configured against the figures',
    { configured: 'background', cores: 1, availableBytes: 1 },
    'background',
    'asked for by snapshot-method',
  ],
  [
    'BGSAVE goes first',
    { configured: 'background', requested: 'cooperative' },
    'cooperative',
    'asked for by BGSAVE',
  ],
  [
    'BGSAVE while saving',
    { requested: 'background', cores: 1, present: 'cooperative' },
    'background',
    'asked for by BGSAVE',
  ],
  [
    'CONFIG SET while saving is obeyed at once',
    { configured: 'cooperative', present: 'background' },
    'cooperative',
    'asked for by snapshot-method',
  ],
]

for (const [name, facts, method, reason] of cases) {
  test(`choice: ${name}`, () => {
    const choice = chooseMethod({ ...BASE, ...facts })
    assert.deepEqual([choice.method, choice.reason], [method, reason])
  })
}

test('the figures are told', () => {
  const { neededBytes, freeBytes, reserveBytes } = chooseMethod({ ...BASE, heldBytes: 5 })
  assert.deepEqual([neededBytes, freeBytes, reserveBytes], [full, 1.2 * GB + 5, RESERVE])
  const unknown = chooseMethod({ ...BASE, availableBytes: 0 })
  assert.deepEqual([unknown.freeBytes, unknown.reserveBytes], [0, RESERVE])
})

test('the reserve is cut to what is free, whoever asked for the method', () => {
  for (const configured of ['auto', 'background', 'cooperative'] as const) {
    for (const availableBytes of [1, 8 * MB, 12 * MB, 30 * MB, full, GB]) {
      const { reserveBytes } = chooseMethod({ ...BASE, configured, availableBytes })
      const expected = Math.min(RESERVE, Math.max(RESERVE_BYTES_MIN, availableBytes - BUFFER_BYTES))
      assert.equal(reserveBytes, expected)
    }
  }
  // One that is configured smaller than the least (a percentage of little) is not made larger.
  for (const availableBytes of [0, 1, GB]) {
    assert.equal(
      chooseMethod({ ...BASE, reserveBytes: 40_000, availableBytes }).reserveBytes,
      40_000,
    )
  }
})

// Name, what differs from BASE, method that stays or comes.
const changes: [string, Partial<MethodFacts>, string][] = [
  ['background: nothing changed', { present: 'background' }, 'background'],
  [
    'background: a bit too little',
    { present: 'background', availableBytes: full * 0.81 },
    'background',
  ],
  [
    'background: far too little',
    { present: 'background', availableBytes: full * 0.79 },
    'cooperative',
  ],
  ['background: a quota of 1.3', { present: 'background', cores: 1.3 }, 'background'],
  ['background: a core taken away', { present: 'background', cores: 1 }, 'cooperative'],
  [
    'cooperative: a bit more than enough',
    { present: 'cooperative', availableBytes: full * 1.24 },
    'cooperative',
  ],
  [
    'cooperative: memory is back',
    { present: 'cooperative', availableBytes: full * 1.26 },
    'background',
  ],
  ['cooperative: 1.8 cores', { present: 'cooperative', cores: 1.8 }, 'cooperative'],
  ['cooperative: a core came', { present: 'cooperative', cores: 2 }, 'background'],
]

for (const [name, facts, method] of changes) {
  test(`while saving, ${name}`, () => {
    assert.equal(chooseMethod({ ...BASE, ...facts }).method, method)
  })
}

test('a method that is kept only for the margin says so', () => {
  const { reason } = chooseMethod({ ...BASE, present: 'background', cores: 1.4 })
  assert.equal(reason, 'kept, as the difference is small: 1.4 cores')
})

test('memory that trembles around the threshold changes the method once at most', () => {
  for (const start of ['background', 'cooperative'] as const) {
    let present: 'background' | 'cooperative' = start
    let count = 0
    for (let i = 0; i < 100; i++) {
      const availableBytes = full * (1 + 0.15 * Math.sin(i))
      const { method } = chooseMethod({ ...BASE, availableBytes, present })
      if (method !== present) count++
      present = method
    }
    assert.equal(count, 0)
  }
})

test('the use of its own reserve does not turn a save out of the background', () => {
  const total = full + MB
  let present: 'background' | null = null
  for (let heldBytes = 0; heldBytes <= RESERVE; heldBytes += MB) {
    const facts = { ...BASE, availableBytes: total - heldBytes, heldBytes, present }
    const choice = chooseMethod(facts)
    assert.equal(choice.method, 'background')
    assert.equal(choice.reserveBytes, RESERVE)
    present = 'background'
  }
})
