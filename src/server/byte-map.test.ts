// ByteMap against a plain Map: random names, few and many, added and removed.

import { equal } from 'node:assert/strict'
import { test } from 'node:test'
import { latin1 } from '../base/bytes.ts'
import { Random } from '../base/random.ts'
import { ByteMap } from './byte-map.ts'

const SEED = Number(process.env['SEED'] ?? 7)

for (const names of [3, 40, 3000]) {
  test(`it holds what a Map holds, of ${names} names (SEED=${SEED})`, () => {
    const random = new Random(SEED)
    const model = new Map<string, number>()
    const map = new ByteMap<number>()
    for (let step = 0; step < 20_000; step++) {
      const name = `\xff${random.below(names)}`
      const bytes = latin1(`..${name}.`)
      const index = map.indexOf(bytes, 2, name.length)
      equal(map.find(bytes, 2, name.length), model.get(name))
      const isGrowing = step % 4000 < 2500
      if (index < 0 && isGrowing) {
        map.add(bytes, 2, name.length, step)
        model.set(name, step)
      } else if (index >= 0 && !isGrowing) {
        equal(map.nameAt(index), name)
        map.removeAt(index)
        model.delete(name)
      } else if (index >= 0) {
        map.replaceAt(index, -step)
        model.set(name, -step)
      }
      equal(map.size, model.size)
    }
    for (let i = 0; i < map.size; i++) equal(map.valueAt(i), model.get(map.nameAt(i)))
    map.clear()
    equal(map.size, 0)
    equal(map.indexOf(latin1('x'), 0, 1), -1)
  })
}

test('a name may be empty', () => {
  const map = new ByteMap<string>()
  map.add(latin1(''), 0, 0, 'nothing')
  equal(map.find(latin1('abc'), 1, 0), 'nothing')
  equal(map.find(latin1('abc'), 1, 1), undefined)
})
