// Goal: commands on strings and keys announce what Redis 7.0 announces, in its order, and nothing
// when nothing has changed. Method: a table of commands with their events, on one keyspace; the
// rows are what redis-server 7.0.15 publishes.

import { deepEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { Harness } from './harness.ts'

/** A command, and `db key class name` of its events. */
type Row = readonly [command: string, ...events: string[]]

const ROWS: readonly Row[] = [
  ['SET s v', '0 s $ set'],
  ['SET s v NX'],
  ['SET s v XX EX 100', '0 s $ set', '0 s g expire'],
  ['SET s v GET KEEPTTL', '0 s $ set'],
  ['SET n v XX'],
  ['SETNX s v'],
  ['SETNX s2 v', '0 s2 $ set'],
  ['SETEX s2 100 v', '0 s2 $ set', '0 s2 g expire'],
  ['PSETEX s2 100000 v', '0 s2 $ set', '0 s2 g expire'],
  ['GETSET s2 w', '0 s2 $ set'],
  ['GET s2'],
  ['GETEX s2'],
  ['GETEX s2 EX 100', '0 s2 g expire'],
  ['GETEX s2 PERSIST', '0 s2 g persist'],
  ['GETEX s2 PERSIST'],
  ['GETDEL s2', '0 s2 g del'],
  ['GETDEL s2'],
  ['MSET a 1 b 2', '0 a $ set', '0 b $ set'],
  ['MSETNX a 1 c 2'],
  ['MSETNX c 1 d 2', '0 c $ set', '0 d $ set'],
  ['APPEND a 1', '0 a $ append'],
  ['SETRANGE a 1 x', '0 a $ setrange'],
  ['SETRANGE a 1 '],
  ['INCR b', '0 b $ incrby'],
  ['DECRBY b 2', '0 b $ incrby'],
  ['INCRBYFLOAT b 1.5', '0 b $ incrbyfloat'],
  ['INCR s'],
  ['EXPIRE a 100', '0 a g expire'],
  ['EXPIRE a 100 NX'],
  ['PERSIST a', '0 a g persist'],
  ['PERSIST a'],
  ['EXPIRE a -1', '0 a g del'],
  ['DEL a b c', '0 b g del', '0 c g del'],
  ['UNLINK d', '0 d g del'],
  ['RENAME s t', '0 s g rename_from', '0 t g rename_to'],
  ['RENAME t t'],
  ['RENAMENX t u', '0 t g rename_from', '0 u g rename_to'],
  ['COPY u v', '0 v g copy_to'],
  ['COPY u v'],
  ['COPY u v DB 3 REPLACE', '3 v g copy_to'],
  ['MOVE u 2', '0 u g move_from', '2 u g move_to'],
  ['MOVE u 2'],
]

test('each command announces its events, and only when it has changed something', () => {
  const harness = new Harness()
  for (const [command, ...events] of ROWS) {
    harness.run(...command.split(' '))
    deepEqual(harness.observer.takeEvents(), events, command)
  }
})

test('a touch comes with every change, and names each key', () => {
  const harness = new Harness()
  for (const command of ['SET a 1', 'RENAME a b', 'COPY b c DB 1', 'MOVE b 2', 'DEL c']) {
    harness.run(...command.split(' '))
  }
  deepEqual(harness.observer.touches, ['0 a', '0 a', '0 b', '1 c', '0 b', '2 b'])
})

test('flushes and exchanges of databases are told as such', () => {
  const harness = new Harness({ databaseCount: 2 })
  harness.run('FLUSHDB')
  harness.run('FLUSHALL')
  harness.run('SWAPDB', 0, 1)
  harness.run('SWAPDB', 1, 1)
  deepEqual(harness.observer.touches, ['0 *', '0 *', '1 *', '0 <> 1'])
  deepEqual(harness.observer.events, [])
})

test('while nobody follows, nothing is told', () => {
  const harness = new Harness()
  harness.observer.isOn = false
  harness.run('SET', 'a', 1, 'EX', 5)
  harness.run('DEL', 'a')
  harness.run('FLUSHALL')
  deepEqual(harness.observer.events, [])
  deepEqual(harness.observer.touches, [])
})

test('misses and new keys are seen by their hooks', () => {
  const harness = new Harness()
  const seen: string[] = []
  harness.keyspace.onMiss = (id, key) => seen.push(`${id} miss ${key.toLatin1()}`)
  harness.keyspace.onNew = (id, key) => seen.push(`${id} new ${key.toLatin1()}`)
  const rows: readonly Row[] = [
    ['GET a', '0 miss a'],
    ['EXISTS a', '0 miss a'],
    ['OBJECT ENCODING a'],
    ['SETNX a 1', '0 new a'],
    ['SET a 2'],
    ['APPEND b 1', '0 new b'],
    ['SETRANGE z 1 1', '0 new z'],
    ['INCR c', '0 new c'],
    ['DEL nothing'],
    ['RENAME a b', '0 new b'],
    ['COPY b b2', '0 new b2'],
    ['MOVE b 1', '1 new b'],
    ['TTL b', '0 miss b'],
  ]
  for (const [command, ...events] of rows) {
    harness.run(...command.split(' '))
    deepEqual(seen.splice(0), events, command)
  }
})
