// PFADD, PFCOUNT and PFMERGE against plain sets; their events and counted changes; deadlines; and
// the same sketches by way of the sparse and the dense form. What the bytes must be is in
// test/conformance/hyperloglog.txt, the algorithm in keyspace/string/hyperloglog.test.ts.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../base/random.ts'
import { Harness, runChanges } from './harness.ts'

const SEED = Number(process.env.SEED ?? 3)
const KEYS = ['a', 'b', 'c']
const TURNS = 600

test('counts of several keys are near those of sets', () => {
  console.log(`SEED=${SEED}`)
  const random = new Random(SEED)
  const harness = new Harness({ seed: SEED })
  const model = new Map<string, Set<string>>()
  const setOf = (key: string) => model.get(key) ?? new Set<string>()
  const pick = () => KEYS[random.below(KEYS.length)]!
  for (let turn = 0; turn < TURNS; turn++) {
    const key = pick()
    const others = [pick(), pick()]
    switch (random.below(5)) {
      case 0:
      case 1: {
        const count = random.below(random.below(10) === 0 ? 3000 : 10)
        const elements = Array.from({ length: count }, () => `e${random.below(50_000)}`)
        harness.run('PFADD', key, ...elements)
        model.set(key, union([setOf(key), new Set(elements)]))
        break
      }
      case 2:
        harness.run('PFMERGE', key, ...others)
        model.set(key, union([key, ...others].map(setOf)))
        break
      case 3:
        near(harness.run('PFCOUNT', key), setOf(key).size)
        break
      default:
        near(harness.run('PFCOUNT', key, ...others), union([key, ...others].map(setOf)).size)
    }
  }
  harness.keyspace.check()
})

test('sparse and dense sketches come to the same registers', () => {
  const random = new Random(SEED)
  const harness = new Harness({ seed: SEED })
  harness.run('PFADD', 'dense')
  harness.run('PFDEBUG', 'TODENSE', 'dense')
  for (let i = 0; i < 300; i++) {
    const element = `e${random.below(1000)}`
    const changed = harness.run('PFADD', 'sparse', element)
    if (i > 0) assert.equal(harness.run('PFADD', 'dense', element), changed)
    else harness.run('PFADD', 'dense', element)
  }
  assert.deepEqual(harness.run('PFDEBUG', 'ENCODING', 'sparse'), { line: '+sparse' })
  const count = harness.run('PFCOUNT', 'sparse')
  assert.equal(harness.run('PFCOUNT', 'dense'), count)
  assert.equal(harness.run('PFDEBUG', 'TODENSE', 'sparse'), 1)
  assert.equal(harness.run('GET', 'sparse'), harness.run('GET', 'dense'))
  // One more element is in neither; the count that was kept is stale then.
  assert.equal(harness.run('PFADD', 'dense', 'another'), 1)
  assert.notEqual(harness.run('GET', 'sparse'), harness.run('GET', 'dense'))
  assert.equal(harness.run('PFCOUNT', 'dense'), Number(count) + 1)
})

test('changes of sketches are counted as in Redis', () => {
  runChanges([
    ['PFADD k', 1, 1],
    ['PFADD k a b c', 1, 3],
    ['PFADD k a', 0, 0],
    ['PFADD new a b', 1, 3],
    ['PFCOUNT k', 3, 1],
    ['PFCOUNT k', 3, 0],
    ['PFCOUNT k new', 3, 0],
    ['PFMERGE k', { line: '+OK' }, 1],
    ['PFDEBUG TODENSE k', 1, 1],
    ['PFDEBUG TODENSE k', 0, 0],
    ['PFADD k a d', 1, 1],
  ])
})

test('events of sketches', () => {
  const harness = new Harness()
  const events = (command: string) => {
    harness.run(...command.split(' '))
    return harness.observer.takeEvents()
  }
  assert.deepEqual(events('PFADD k a'), ['0 k $ pfadd'])
  assert.deepEqual(events('PFADD k a'), [])
  harness.observer.touches.length = 0
  assert.deepEqual(events('PFCOUNT k'), [])
  assert.deepEqual(harness.observer.touches, ['0 k'], 'a count that is kept is a change')
  assert.deepEqual(events('PFMERGE t k'), ['0 t $ pfadd'])
  harness.run('SET', 'bad', 'HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x7f')
  harness.observer.takeEvents()
  assert.deepEqual(events('PFADD bad a b c'), [])
  assert.deepEqual(events('PFMERGE t bad'), [])
})

test('PFSELFTEST passes', () => {
  assert.deepEqual(new Harness().run('PFSELFTEST'), { line: '+OK' })
})

function near(answer: unknown, expected: number): void {
  const off = Math.abs(Number(answer) - expected)
  assert.ok(off <= Math.max(2, expected * 0.04), `${answer} counted, ${expected} added`)
}

function union(sets: readonly Set<string>[]): Set<string> {
  return new Set(sets.flatMap((set) => [...set]))
}
