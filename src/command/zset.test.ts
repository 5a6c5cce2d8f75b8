// Goal: what conformance cases against Redis 7.0 cannot show of the commands on sorted sets: events
// and counts of changes, waiting, options of 7.2, large sets, want of memory. Method: tables of
// commands on one keyspace; a plain model for ranges of a large set.

import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../base/random.ts'
import { type Answer, type Change, Harness, line, runChanges } from './harness.ts'

const SEED = Number(process.env['SEED'] ?? 5)
const PAGES = 256 * 1024

const CHANGES: readonly Change[] = [
  ['zadd z 1 a 2 b 3 c', 3, 3],
  ['zadd z 1 a', 0, 0],
  ['zadd z 5 a 4 d', 1, 2],
  ['zadd z nx 9 a', 0, 0],
  ['zadd z xx ch 9 a 9 nobody', 1, 1],
  ['zincrby z 0 a', '9', 0],
  ['zincrby z 1 a', '10', 1],
  ['zrem z b nobody', 1, 1],
  ['zremrangebyrank z 0 0', 1, 1],
  ['zrange z 0 -1', ['d', 'a'], 0],
  ['zrangestore y z 0 -1', 2, 1],
  ['zrangestore y no 0 -1', 0, 1],
  ['zrangestore y no 0 -1', 0, 0],
  ['zunionstore y 1 z', 2, 1],
  ['zinterstore y 2 z no', 0, 1],
  ['zpopmin z', ['d', '4'], 1],
  ['zpopmax z 5', ['a', '10'], 1],
  ['zpopmax z', [], 0],
  ['zremrangebyscore z 0 1', 0, 0],
  ['geoadd g 1 1 a 2 2 b', 2, 2],
  ['geosearchstore h g fromlonlat 1 1 byradius 1000 km', 2, 2],
  ['geosearchstore h g fromlonlat 50 50 byradius 1 km', 0, 1],
]

test('changes are counted as Redis counts them', () => runChanges(CHANGES))

const EVENTS: readonly (readonly [command: string, events: readonly string[]])[] = [
  ['zadd z 1 a 2 b', ['0 z z zadd']],
  ['zadd z 1 a', []],
  ['zadd z incr 1 a', ['0 z z zincr']],
  ['zincrby z 1 a', ['0 z z zincr']],
  ['zrem z a', ['0 z z zrem']],
  ['zrem z b', ['0 z z zrem', '0 z g del']],
  ['zadd z 1 a 2 b 3 c 4 d', ['0 z z zadd']],
  ['zremrangebyrank z 0 0', ['0 z z zremrangebyrank']],
  ['zremrangebyscore z 2 2', ['0 z z zremrangebyscore']],
  ['zpopmin z', ['0 z z zpopmin']],
  ['zmpop 1 z max', ['0 z z zpopmax', '0 z g del']],
  ['zadd z 0 a 0 b', ['0 z z zadd']],
  ['zrangestore y z 0 -1', ['0 y z zrangestore']],
  ['zunionstore y 1 z', ['0 y z zunionstore']],
  ['zinterstore y 1 z', ['0 y z zinterstore']],
  ['zdiffstore y 1 z', ['0 y z zdiffstore']],
  ['zdiffstore y 2 z z', ['0 y g del']],
  ['zremrangebylex z - +', ['0 z z zremrangebylex', '0 z g del']],
  ['geoadd g 1 1 a', ['0 g z zadd']],
  ['geosearchstore h g frommember a byradius 1 km', ['0 h z geosearchstore']],
  ['georadius g 1 1 1 km store h', ['0 h z georadiusstore']],
  ['georadius g 50 1 1 km store h', ['0 h g del']],
]

test('each change is announced by the name that Redis gives it', () => {
  const harness = new Harness()
  for (const [command, events] of EVENTS) {
    harness.run(...command.split(' '))
    deepEqual(harness.observer.takeEvents(), events, command)
  }
})

test('ZRANK and ZREVRANK with scores', () => {
  const harness = new Harness()
  harness.run('zadd', 'z', 1, 'a', 2.5, 'b')
  deepEqual(harness.run('zrank', 'z', 'b', 'withscore'), [1, '2.5'])
  deepEqual(harness.run('zrevrank', 'z', 'b', 'WITHSCORE'), [0, '2.5'])
  equal(harness.raw('zrank', 'z', 'x', 'withscore').toString(), '*-1\r\n')
  equal(harness.raw('zrank', 'no', 'x', 'withscore').toString(), '*-1\r\n')
  deepEqual(harness.run('zrank', 'z', 'b', 'foo'), line('-ERR syntax error'))
  harness.reply.version = 3
  equal(harness.raw('zrank', 'z', 'b', 'withscore').toString(), '*2\r\n:1\r\n,2.5\r\n')
})

test('blocking commands wait for all their keys, and for no other type', () => {
  const harness = new Harness()
  const { blocker } = harness
  equal(harness.raw('bzpopmin', 'a', 'b', '0').length, 0)
  deepEqual(blocker.waiting?.positions, [1, 2])
  equal(blocker.waiting?.deadlineMs, 0)
  equal(harness.raw('bzmpop', '2', '2', 'a', 'b', 'min').length, 0)
  deepEqual(blocker.waiting?.positions, [3, 4])
  equal(blocker.waiting?.deadlineMs, harness.context.nowMs + 2000)
  // Woken by a key that has become a string: not an error, but no reason to end.
  harness.run('set', 'a', 'x')
  blocker.isRetry = true
  blocker.waiting = null
  equal(harness.raw('bzpopmax', 'a', 'b', '0').length, 0)
  deepEqual(blocker.waiting === null, false)
  harness.run('zadd', 'b', 1, 'm')
  deepEqual(harness.run('bzpopmax', 'a', 'b', '0'), ['b', 'm', '1'])
  blocker.isRetry = false
  blocker.canWait = false
  equal(harness.raw('bzpopmin', 'none', '0').toString(), '*-1\r\n')
})

test('ranges of a large set agree with a sorted array', () => {
  const harness = new Harness()
  const random = new Random(SEED)
  const scores = new Map<string, number>()
  for (let i = 0; i < 2000; i++) {
    const member = `m${random.below(5000)}`
    const score = random.below(500)
    scores.set(member, score)
    harness.run('zadd', 'z', score, member)
  }
  const sorted = [...scores].sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1))
  for (let i = 0; i < 200; i++) {
    const min = random.below(500)
    const max = random.below(500)
    const inside = sorted.filter(([, score]) => score > min && score <= max).map(([name]) => name)
    deepEqual(harness.run('zrangebyscore', 'z', `(${min}`, max), inside)
    equal(harness.run('zcount', 'z', `(${min}`, max), inside.length)
    const offset = random.below(20)
    const limited = inside.toReversed().slice(offset, offset + 5)
    const bounds = [max, `(${min}`, 'limit', offset, 5]
    deepEqual(harness.run('zrevrangebyscore', 'z', ...bounds), limited)
    const rank = random.below(sorted.length)
    equal(harness.run('zrank', 'z', sorted[rank]![0]), rank)
    const ranked = sorted.slice(rank, rank + 7).map(([name]) => name)
    deepEqual(harness.run('zrange', 'z', rank, rank + 6), ranked)
  }
})

test('a scan of a large set gives every member once, with its score', () => {
  const harness = new Harness()
  for (let i = 0; i < 1000; i++) harness.run('zadd', 'z', i / 4, `m${i}`)
  const seen = new Map<Answer, Answer>()
  let cursor: Answer = '0'
  let steps = 0
  do {
    const [next, items] = harness.run('zscan', 'z', String(cursor)) as [string, string[]]
    for (let i = 0; i < items.length; i += 2) seen.set(items[i]!, items[i + 1]!)
    cursor = next
    steps++
  } while (cursor !== '0')
  equal(seen.size, 1000)
  for (let i = 0; i < 1000; i++) equal(seen.get(`m${i}`), String(i / 4))
  ok(steps > 5)
  deepEqual((harness.run('zscan', 'z', '0', 'match', 'm99*', 'count', '5000') as Answer[])[1], [
    ...pairsFrom(harness, 'm99*'),
  ])
})

function pairsFrom(harness: Harness, pattern: string): Answer[] {
  return (harness.run('zscan', 'z', '0', 'count', '100000', 'match', pattern) as Answer[][])[1]!
}

test('members at random are different, and all of them come', () => {
  const harness = new Harness({ seed: SEED })
  for (let i = 0; i < 300; i++) harness.run('zadd', 'z', i, `m${i}`)
  for (const count of [1, 20, 99, 150, 299, 300, 500]) {
    const found = harness.run('zrandmember', 'z', count) as string[]
    equal(found.length, Math.min(count, 300))
    equal(new Set(found).size, found.length)
  }
  const seen = new Set<Answer>()
  for (let i = 0; i < 200; i++) {
    for (const member of harness.run('zrandmember', 'z', 20) as string[]) seen.add(member)
  }
  equal(seen.size, 300)
  equal((harness.run('zrandmember', 'z', -700, 'withscores') as string[]).length, 1400)
})

test('without memory a member is refused, and those before it are announced', () => {
  const harness = new Harness()
  const { arena } = harness.keyspace
  harness.run('zadd', 'z', 1, 'a')
  for (let left = PAGES - 200; left > 0; left -= 4096) arena.allocateTable(Math.min(left, 4096))
  harness.observer.takeEvents()
  const words: (string | number)[] = ['zadd', 'z']
  for (let i = 0; i < 400; i++) words.push(i, `${i}${'y'.repeat(4000)}`)
  let error: unknown = null
  try {
    harness.run(...words)
  } catch (thrown) {
    error = thrown
  }
  ok(error !== null, 'the arena is full')
  deepEqual(harness.observer.takeEvents(), ['0 z z zadd'])
  const count = harness.run('zcard', 'z') as number
  ok(count > 1 && count < 401)
  equal(harness.keyspace.dirty, count)
  harness.keyspace.check()
})
