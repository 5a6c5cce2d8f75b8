// Rows of mutations.test.ts: paths that change values, and the reads that might. There are some
// dozen values of each type, from a few elements, packed, to more than a thousand, in leaves; keys
// are chosen by chance, so commands may meet a value that another one has made or removed.

import assert from 'node:assert/strict'
import { anyKey, fillStrings, keyOf } from './mutation-rows-keys.ts'
import type { Mutation } from './mutations.ts'
import type { SavingServer } from './saving-server.ts'

const TYPES = ['list', 'hash', 'set', 'zset', 'stream', 'hll', 'ints'] as const
const COUNT = 24

/** One of the keys of a type; of sizes from a few elements to thousands. */
function any(type: (typeof TYPES)[number], { random }: SavingServer): string {
  return `${type}:${random.below(COUNT)}`
}

function below(scene: SavingServer, limit: number): string {
  return `${scene.random.below(limit)}`
}

/** Elements of a value: some hundred bytes now and then. */
function elementsOf(key: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) =>
    `${i}`.padEnd((i * key) % 50 === 1 ? 400 : 12, 'e'),
  )
}

/** Values of every type, small and large. */
function fillTypes(scene: SavingServer): void {
  const commands: string[][] = []
  for (let i = 0; i < COUNT; i++) {
    const elements = elementsOf(i, i % 4 === 3 ? 1600 : 5 + i * 3)
    commands.push(['RPUSH', `list:${i}`, ...elements])
    commands.push(['HSET', `hash:${i}`, ...elements.flatMap((each) => [each, `of ${each}`])])
    commands.push(['SADD', `set:${i}`, ...elements])
    commands.push(['ZADD', `zset:${i}`, ...elements.flatMap((each, n) => [`${n * 1.5}`, each])])
    commands.push(['SADD', `ints:${i}`, ...elements.map((_, n) => `${n * 7}`)])
    commands.push(['PFADD', `hll:${i}`, ...elements])
    for (const [n, each] of elements.slice(0, 400).entries()) {
      commands.push(['XADD', `stream:${i}`, `${n + 1}-1`, 'field', each])
    }
    commands.push(['XGROUP', 'CREATE', `stream:${i}`, 'group', '0'])
  }
  scene.fill(commands)
}

const STORES: readonly (readonly string[])[] = [
  ['SUNIONSTORE', 'set:T', 'set:A', 'ints:B'],
  ['SINTERSTORE', 'set:T', 'set:A', 'set:B'],
  ['SDIFFSTORE', 'set:T', 'set:A', 'set:B'],
  ['ZUNIONSTORE', 'zset:T', '2', 'zset:A', 'set:B'],
  ['ZINTERSTORE', 'zset:T', '2', 'zset:A', 'zset:B'],
  ['ZDIFFSTORE', 'zset:T', '2', 'zset:A', 'zset:B'],
  ['ZRANGESTORE', 'zset:T', 'zset:A', '0', '30'],
  ['PFMERGE', 'hll:T', 'hll:A', 'hll:B'],
  ['SORT', 'list:A', 'ALPHA', 'LIMIT', '0', '50', 'STORE', 'list:T'],
  ['SORT', 'ints:A', 'DESC', 'STORE', 'list:T'],
]

/** A command of `STORES` with keys by chance. */
function store(scene: SavingServer): void {
  const words = STORES[scene.random.below(STORES.length)]!
  scene.do(...words.map((word) => word.replace(/:[TAB]$/, () => `:${below(scene, COUNT)}`)))
}

const READS: readonly (readonly string[])[] = [
  ['LRANGE', 'list:N', '0', '-1'],
  ['LINDEX', 'list:N', '3'],
  ['LPOS', 'list:N', '4'],
  ['HGETALL', 'hash:N'],
  ['HRANDFIELD', 'hash:N', '-5'],
  ['HSCAN', 'hash:N', '0'],
  ['SMEMBERS', 'set:N'],
  ['SRANDMEMBER', 'ints:N', '4'],
  ['SISMEMBER', 'ints:N', 'no integer'],
  ['SINTER', 'set:N', 'ints:N'],
  ['ZRANGE', 'zset:N', '(1', '50', 'BYSCORE'],
  ['ZRANDMEMBER', 'zset:N', '-3'],
  ['ZUNION', '2', 'zset:N', 'set:N'],
  ['XRANGE', 'stream:N', '-', '+', 'COUNT', '9'],
  ['XREAD', 'COUNT', '3', 'STREAMS', 'stream:N', '5'],
  ['XINFO', 'STREAM', 'stream:N', 'FULL'],
  ['XPENDING', 'stream:N', 'group'],
  ['BITCOUNT', 'hll:N'],
  ['BITFIELD_RO', 'hll:N', 'GET', 'u8', '300'],
  ['SORT_RO', 'ints:N'],
  ['OBJECT', 'ENCODING', 'list:N'],
  ['OBJECT', 'FREQ', 'hll:N'],
  ['DUMP', 'zset:N'],
  ['MEMORY', 'USAGE', 'hash:N'],
  ['TOUCH', 'set:N', 'hash:N'],
  ['DEBUG', 'OBJECT', 'stream:N'],
  ['SCAN', 'N', 'COUNT', '30'],
]

export const rowsOfValues: readonly Mutation[] = [
  {
    name: 'reads of every type and encoding, with inner nodes of lists to be compressed',
    config: { 'list-compress-depth': '1', 'maxmemory-policy': 'allkeys-lfu' },
    fill: fillTypes,
    change: (scene) => {
      for (const words of READS) {
        scene.call(...words.map((word) => word.replace('N', () => below(scene, COUNT))))
      }
    },
    isReadOnly: true,
  },
  {
    name: 'SORT STORE and the STORE forms of sets, sorted sets and HyperLogLogs',
    fill: fillTypes,
    change: (scene) => {
      for (let i = 0; i < 3; i++) store(scene)
    },
  },
  {
    name: 'GEOSEARCHSTORE and BITOP',
    fill: (scene) => {
      fillStrings(scene)
      for (let key = 0; key < COUNT; key++) {
        const places = Array.from({ length: 60 }, (_, i) => [`${key}`, `${i}`, `place ${i}`])
        scene.do('GEOADD', `zset:${key}`, ...places.flat())
      }
    },
    change: (scene) => {
      const from = any('zset', scene)
      const by = ['FROMLONLAT', '20', '20', 'BYRADIUS', '5000', 'km']
      scene.do('GEOSEARCHSTORE', any('zset', scene), from, ...by)
      for (let i = 0; i < 6; i++) scene.do('BITOP', 'XOR', anyKey(scene), anyKey(scene), keyOf(9))
    },
  },
  {
    name: "PFCOUNT, which writes the count's cache",
    fill: (scene) => {
      const many = Array.from({ length: 3000 }, (_, i) => `${i}`)
      for (let i = 0; i < 60; i++) scene.do('PFADD', `hll:${i}`, ...many.slice(0, 20 + i * 40))
    },
    change: (scene) => {
      for (let i = 0; i < 3; i++) scene.do('PFCOUNT', `hll:${below(scene, 60)}`)
    },
  },
  {
    name: 'encodings that writes convert: int, embstr, listpack, intset, sparse HyperLogLog',
    fill: (scene) => {
      const small = Array.from({ length: 100 }, (_, i) => `${i}`)
      for (let i = 0; i < 300; i++) {
        scene.do('SET', `int:${i}`, `${i}`)
        scene.do('SADD', `ints:${i}`, ...small)
        scene.do('HSET', `hash:${i}`, ...small)
        scene.do('ZADD', `zset:${i}`, ...small)
        scene.do('RPUSH', `list:${i}`, ...small)
        scene.do('PFADD', `hll:${i}`, ...small)
      }
    },
    change: (scene, turn) => {
      const n = `${scene.random.below(300)}`
      const many = Array.from({ length: 600 }, (_, i) => `m${i}`)
      scene.do('APPEND', `int:${n}`, 'x'.repeat(turn % 90))
      scene.do('SADD', `ints:${n}`, 'text', ...(turn % 2 === 0 ? many : []))
      scene.do('HSET', `hash:${n}`, 'long', 'l'.repeat(100))
      scene.do('ZADD', `zset:${n}`, '1', 'l'.repeat(100))
      scene.do('RPUSH', `list:${n}`, ...(turn % 2 === 0 ? many : ['l'.repeat(9000)]))
      scene.do('PFADD', `hll:${n}`, ...many)
    },
  },
  {
    name: 'hashes, sets and sorted sets whose dicts split and shrink',
    fill: fillTypes,
    change: (scene, turn) => {
      const words = Array.from({ length: 40 }, (_, i) => `${turn}:${i}`)
      scene.do('HSET', any('hash', scene), ...words)
      scene.do('SADD', any('set', scene), ...words)
      scene.do('ZADD', any('zset', scene), ...words.flatMap((each, i) => [`${i * turn}`, each]))
      scene.do('SPOP', 'set:3', '60')
      scene.do('ZREMRANGEBYRANK', 'zset:7', '0', '50')
      scene.do('HDEL', 'hash:11', ...elementsOf(11, 40 + turn).slice(turn))
    },
  },
  {
    name: 'lists: both ends, LSET, LINSERT, LREM, LTRIM, LMOVE',
    fill: fillTypes,
    change: (scene, turn) => {
      scene.do('LPUSH', any('list', scene), `front ${turn}`, 'f'.repeat(turn % 900))
      scene.do('RPUSH', any('list', scene), 'b'.repeat(turn % 100 === 0 ? 30_000 : 20))
      scene.call('LSET', any('list', scene), below(scene, 100), 's'.repeat(turn % 700))
      scene.do('LINSERT', any('list', scene), 'BEFORE', '3'.padEnd(12, 'e'), 'inserted')
      scene.do('LREM', any('list', scene), '1', `${turn % 50}`.padEnd(12, 'e'))
      scene.do('LTRIM', any('list', scene), '1', '-2')
      scene.do('LMOVE', any('list', scene), any('list', scene), 'LEFT', 'RIGHT')
    },
  },
  {
    name: 'pops of every type, SMOVE',
    fill: fillTypes,
    change: (scene) => {
      scene.do('LPOP', any('list', scene), '9')
      scene.do('SPOP', any('set', scene), '9')
      scene.do('ZPOPMIN', any('zset', scene), '9')
      scene.do('LMPOP', '2', any('list', scene), any('list', scene), 'RIGHT', 'COUNT', '20')
      scene.do('ZMPOP', '1', any('zset', scene), 'MAX', 'COUNT', '20')
      scene.do('SMOVE', any('set', scene), any('set', scene), '2'.padEnd(12, 'e'))
    },
  },
  {
    name: 'streams: XADD with MAXLEN, XTRIM, XDEL',
    fill: fillTypes,
    change: (scene, turn) => {
      const id = `${10_000 + turn}-1`
      scene.do('XADD', 'stream:23', 'MAXLEN', '~', '150', id, 'field', 'x'.repeat(turn % 500))
      scene.do('XTRIM', any('stream', scene), 'MAXLEN', `${50 + scene.random.below(100)}`)
      scene.do('XTRIM', any('stream', scene), 'MINID', '~', below(scene, 200))
      scene.do('XDEL', any('stream', scene), `${below(scene, 400)}-1`)
    },
  },
  {
    name: 'consumer groups: XREADGROUP, XACK, XCLAIM, XGROUP',
    fill: fillTypes,
    change: (scene, turn) => {
      const key = any('stream', scene)
      const who = `consumer${below(scene, 4)}`
      scene.do('XREADGROUP', 'GROUP', 'group', who, 'COUNT', '40', 'STREAMS', key, '>')
      scene.do('XACK', key, 'group', `${below(scene, 40)}-1`, `${below(scene, 40)}-1`)
      scene.do('XCLAIM', key, 'group', 'thief', '0', `${below(scene, 40)}-1`)
      if (turn % 50 === 0) scene.call('XGROUP', 'CREATE', key, `group${turn}`, '$')
      if (turn % 70 === 0) scene.do('XGROUP', 'DELCONSUMER', key, 'group', who)
    },
  },
  {
    name: 'lazy free of large values, and what overwrites them',
    fill: fillTypes,
    change: (scene, turn) => {
      if (turn % 5 === 0) scene.do('UNLINK', any('hash', scene), any('zset', scene))
      if (turn % 5 === 1) scene.do('SET', any('list', scene).replace('list', 'set'), 'a string')
      if (turn % 7 === 2) scene.do('RENAME', keyFor(scene), any('stream', scene))
      scene.do('HSET', `fresh:${turn % 30}`, ...elementsOf(turn, 20))
      scene.clock.advance(0.5)
    },
  },
  {
    name: 'strings in place: SETRANGE, APPEND, SETBIT, BITFIELD, INCR, INCRBYFLOAT, GETSET',
    fill: (scene) => {
      fillStrings(scene)
      for (let i = 0; i < 50; i++) scene.do('SET', `count:${i}`, `${i}`)
    },
    change: (scene, turn) => {
      const offset = below(scene, 25_000)
      scene.do('SETRANGE', anyKey(scene), offset, `range ${turn}`)
      scene.do('APPEND', anyKey(scene), 'a'.repeat(turn % 500))
      scene.do('SETBIT', anyKey(scene), offset, '1')
      scene.do('BITFIELD', anyKey(scene), 'SET', 'u16', '80', below(scene, 9999))
      scene.do('INCR', `count:${below(scene, 50)}`)
      scene.do('INCRBYFLOAT', `count:5${below(scene, 9)}`, '0.25')
      scene.call('GETSET', anyKey(scene), `set ${turn}`)
    },
  },
  {
    name: 'blocked clients that somebody else serves',
    fill: fillTypes,
    change: (scene, turn) => {
      const waiter = scene.server.connect()
      const [from, to] = [`source:${turn}`, any('list', scene)]
      waiter.call('BLMOVE', from, to, 'LEFT', 'LEFT', '0')
      scene.do('RPUSH', from, `served ${turn}`)
      scene.server.clock.advance(0)
      assert.match(waiter.take(), /served/)
      const other = scene.server.connect()
      other.call('BZPOPMIN', `zsource:${turn}`, '0')
      scene.do('ZADD', `zsource:${turn}`, '1', 'one', '2', 'two')
      waiter.close()
      other.close()
    },
  },
]

/** The key of a list that is there; one is made if need be. */
function keyFor(scene: SavingServer): string {
  const key = any('list', scene)
  scene.call('RPUSH', key, 'one')
  return scene.call('EXISTS', key) === ':1\r\n' ? key : keyFor(scene)
}
