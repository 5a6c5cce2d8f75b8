// Goal: a sorted set whose leaves and index lie in several segments is as good as any. Method: the
// first segment is filled up to a few hundred pages, so that the set grows over its end; random
// scores split leaves on both sides of it, and `check` compares tree, leaves and index.

import { equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import { Slice } from '../../base/slice.ts'
import { NULL, PAGES_PER_SEGMENT } from '../../memory/layout.ts'
import { defaultEncodingLimits } from '../encoding-limits.ts'
import { Keyspace } from '../keyspace.ts'
import { zsetsOf } from './zset.ts'

const SEED = Number(process.env['SEED'] ?? 20240702)
console.log(`SEED=${SEED}`)

const LIMITS = defaultEncodingLimits()
/** Pages that are left of the first segment: half of what the set needs. */
const PAGES_LEFT = 300
const MEMBERS = 40_000
const KEY = Slice.ofText('z')

test('a set grows over the end of a segment, and shrinks again', () => {
  const keyspace = new Keyspace({
    databaseCount: 1,
    pageCapacity: 4 * PAGES_PER_SEGMENT,
    hashSecret: new Uint32Array([SEED, ~SEED]),
    random: new Random(SEED),
  })
  const db = keyspace.databases[0]!
  const random = new Random(SEED)
  const set = () => zsetsOf(db).main.open(db, db.peek(KEY))
  const { made } = zsetsOf(db)
  made.openNew().add(Slice.ofText('first'), 0, LIMITS)
  made.storeAs(db, KEY)
  keyspace.arena.allocateTable(PAGES_PER_SEGMENT - PAGES_LEFT)

  for (let i = 0; i < MEMBERS; i++) {
    set().add(Slice.ofText(`element:${i}`), random.below(1_000_000), LIMITS)
  }
  ok(keyspace.arena.u32.length > 1, 'the set lies in two segments')
  equal(set().count, MEMBERS + 1)
  set().check()

  // Other scores move members between leaves, and so between segments.
  for (let i = 0; i < MEMBERS; i += 2) {
    const member = Slice.ofText(`element:${i}`)
    ok(set().find(member))
    zsetsOf(db).main.setScore(member, random.below(1_000_000))
  }
  set().check()
  for (let i = 0; i < MEMBERS; i++) {
    const found = set()
    ok(found.find(Slice.ofText(`element:${i}`)))
    found.remove()
  }
  set().check()
  equal(set().count, 1)
  ok(db.peek(KEY) !== NULL)
})
