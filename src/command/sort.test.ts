// SORT on collections whose elements are the lines of their record's bytes, which is all that SORT
// must know of them: options, patterns, comparison, limits, STORE. Expected replies are those of
// redis-server 7.0.15. Sorting against JavaScript's own is at the end.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../base/random.ts'
import { Slice } from '../base/slice.ts'
import { Encoding, Type } from '../keyspace/record.ts'
import { type Answer, Harness, line } from './harness.ts'
import { type SortTypes, sortCommands } from './sort.ts'
import { SortItems, sortItems } from './sort-items.ts'

const SEED = Number(process.env.SEED ?? 9)
const BAD_SCORE = line("-ERR One or more scores can't be converted into double")
const SYNTAX_ERROR = line('-ERR syntax error')
const WRONG_TYPE = line('-WRONGTYPE Operation against a key holding the wrong kind of value')

/** Elements are lines; a hash has lines of `field=value`. */
const LINES: SortTypes = {
  collect({ db }, record, into) {
    const bytes = db.readString(record, new Slice()).toBytes()
    for (const each of Buffer.from(bytes).toString('latin1').split('\n')) {
      into.add(Buffer.from(each, 'latin1'), 0, each.length)
    }
  },
  findField({ db }, record, field, out) {
    const lines = db.readString(record, new Slice()).toLatin1().split('\n')
    const found = lines.find((each) => each.startsWith(`${field.toLatin1()}=`))
    if (found === undefined) return false
    const value = Buffer.from(found.slice(field.length + 1), 'latin1')
    out.set(value, 0, value.length)
    return true
  },
  storeList({ db }, key, items) {
    const out = new Slice()
    const lines = Array.from({ length: items.count }, (_, i) => items.read(i, out).toLatin1())
    db.putPacked(key, Slice.ofText(lines.join('\n')), LIST)
  },
}
const LIST = { type: Type.List, encoding: Encoding.Quicklist }

type Row = readonly [command: string, expected: Answer]

function check(rows: readonly Row[]): Harness {
  const harness = made()
  for (const [command, expected] of rows) {
    assert.deepEqual(harness.run(...command.split(' ')), expected, command)
  }
  return harness
}

/** A keyspace with a list l (3 1 2), a set s (b c a), a sorted set z, keys w_… and hashes h_…. */
function made(): Harness {
  const harness = new Harness({ commands: sortCommands(LINES) })
  const { db } = harness.context
  const put = (key: string, type: Type, lines: string[]) => {
    const head = { type, encoding: Encoding.Listpack }
    db.putPacked(Slice.ofText(key), Slice.ofText(lines.join('\n')), head)
  }
  put('l', Type.List, ['3', '1', '2'])
  put('s', Type.Set, ['b', 'c', 'a'])
  put('z', Type.Zset, ['a', 'b', 'c', 'd'])
  put('mixed', Type.List, ['b', 'a', 'B', 'A', '_', '1'])
  put('floats', Type.List, ['1', '0x10', 'inf', '-inf', '1e2', '', ' 7'])
  put('bad', Type.List, ['1', '2 '])
  put('h_1', Type.Hash, ['f=30', 'g=x'])
  put('h_2', Type.Hash, ['f=20'])
  put('h_3', Type.Hash, ['f=10'])
  for (const [key, value] of [
    ['w_1', '20'],
    ['w_2', '10'],
    ['x:1->', 'arrow'],
    ['n_1', 'x'],
    ['str', 'x'],
  ] as const) {
    harness.run('SET', key, value)
  }
  return harness
}

test('elements are ordered by number or by bytes', () => {
  check([
    ['SORT l', ['1', '2', '3']],
    ['SORT l DESC', ['3', '2', '1']],
    ['SORT l DESC ASC', ['1', '2', '3']],
    ['SORT mixed ALPHA', ['1', 'A', 'B', '_', 'a', 'b']],
    ['SORT s alpha desc', ['c', 'b', 'a']],
    ['SORT floats', ['-inf', '', '1', ' 7', '0x10', '1e2', 'inf']],
    ['SORT s', BAD_SCORE],
    ['SORT bad', BAD_SCORE],
    ['SORT none', []],
    ['SORT str', WRONG_TYPE],
    ['SORT h_1', WRONG_TYPE],
  ])
})

test('LIMIT takes a part', () => {
  check([
    ['SORT l LIMIT 0 2', ['1', '2']],
    ['SORT l LIMIT 1 1', ['2']],
    ['SORT l LIMIT 0 -1', ['1', '2', '3']],
    ['SORT l LIMIT -5 2', ['1', '2']],
    ['SORT l LIMIT 1 0', []],
    ['SORT l LIMIT 3 1', []],
    ['SORT l LIMIT 9223372036854775807 9223372036854775807', []],
    ['SORT l LIMIT 0 2 LIMIT 1 1', ['2']],
    ['SORT l LIMIT 0', SYNTAX_ERROR],
    ['SORT l LIMIT x 1', line('-ERR value is not an integer or out of range')],
  ])
})

test('BY orders by keys and by fields', () => {
  check([
    ['SORT l BY w_*', ['3', '2', '1']],
    ['SORT l BY w_* DESC', ['1', '2', '3']],
    ['SORT l BY h_*->f', ['3', '2', '1']],
    ['SORT l BY h_*->none', ['1', '2', '3']],
    ['SORT l BY h_*->g ALPHA DESC', ['1', '3', '2']],
    ['SORT l BY n_*', BAD_SCORE],
    ['SORT s BY none_*', ['a', 'b', 'c']],
    ['SORT l BY', SYNTAX_ERROR],
  ])
})

test('BY without a star keeps the order', () => {
  check([
    ['SORT l BY nosort', ['3', '1', '2']],
    ['SORT l BY nosort DESC', ['2', '1', '3']],
    ['SORT l BY nosort LIMIT 1 2', ['1', '2']],
    ['SORT l BY nosort BY w_*', ['3', '1', '2']],
    ['SORT s BY nosort', ['b', 'c', 'a']],
    ['SORT z BY nosort DESC LIMIT 1 2', ['c', 'b']],
    // Nobody could say why a stored list has the order of a set.
    ['SORT s BY nosort STORE d', 3],
    ['SORT d BY nosort', ['a', 'b', 'c']],
  ])
})

test('GET answers what it names', () => {
  check([
    ['SORT l GET #', ['1', '2', '3']],
    ['SORT l GET w_* GET #', ['20', '1', '10', '2', null, '3']],
    ['SORT l GET h_*->f LIMIT 0 2', ['30', '20']],
    ['SORT l GET nostar GET x:*->', [null, 'arrow', null, null, null, null]],
    ['SORT l GET h_* LIMIT 0 1', [null]],
    ['SORT l GET', SYNTAX_ERROR],
  ])
})

test('STORE makes a list, or removes the key', () => {
  const harness = check([
    ['SORT l GET w_* STORE d', 3],
    ['SORT d BY nosort', ['20', '10', '']],
    ['SORT l STORE l', 3],
    ['SORT l BY nosort', ['1', '2', '3']],
    ['SORT none STORE str', 0],
    ['EXISTS str', 0],
    ['SORT l STORE', SYNTAX_ERROR],
  ])
  harness.observer.takeEvents()
  const before = harness.keyspace.dirty
  harness.run('SORT', 'l', 'STORE', 'd')
  assert.deepEqual(harness.observer.takeEvents(), ['0 d l sortstore'])
  assert.equal(harness.keyspace.dirty - before, 3)
  harness.run('SORT', 'none', 'STORE', 'd')
  assert.deepEqual(harness.observer.takeEvents(), ['0 d g del'])
})

test('SORT_RO sorts and does not store', () => {
  check([
    ['SORT_RO l DESC', ['3', '2', '1']],
    ['SORT_RO l STORE d', SYNTAX_ERROR],
    ['SORT_RO none foo', SYNTAX_ERROR],
  ])
})

test('order of many items is that of JavaScript', () => {
  console.log(`SEED=${SEED}`)
  const random = new Random(SEED)
  const texts = Array.from({ length: 2000 }, () => String(random.below(500) - 250))
  const items = new SortItems()
  for (const text of texts) items.add(Buffer.from(text), 0, text.length)
  items.addInteger(-1000n)
  const byNumber = [...texts, '-1000'].sort((a, b) => Number(a) - Number(b))
  const byText = [...texts, '-1000'].sort()
  const sorted = (isAlpha: boolean, isDescending: boolean) => {
    const order = sortItems(items, items, { isAlpha, isDescending })
    assert.ok(order !== null)
    const out = new Slice()
    return Array.from(order, (i) => items.read(i, out).toLatin1())
  }
  assert.deepEqual(sorted(false, false), byNumber)
  assert.deepEqual(sorted(false, true), byNumber.toReversed())
  assert.deepEqual(sorted(true, false), byText)
})
