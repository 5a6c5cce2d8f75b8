// Rows of mutations.test.ts: paths that change keys as wholes, their deadlines, their databases.
// Keys are strings of up to 300 bytes, some of them in spans; where time must pass, the scan is
// slowed down by `rdb-key-save-delay`, so that it does not end meanwhile.

import assert from 'node:assert/strict'
import type { Mutation } from './mutations.ts'
import type { SavingServer } from './saving-server.ts'

const KEYS = 6000
/** Lets time pass that the engine does not scan in, and upkeep come up often. */
const SLOW = { 'rdb-key-save-delay': '1000', hz: '500' } as const

export function keyOf(i: number): string {
  return `key:${String(i).padStart(6, '0')}`
}

export function anyKey({ random }: SavingServer): string {
  return keyOf(random.below(KEYS))
}

/** Strings of up to 300 bytes, and some in spans. */
export function fillStrings(scene: SavingServer): void {
  scene.fill(
    Array.from({ length: KEYS }, (_, i) => [
      'SET',
      keyOf(i),
      `${i} `.padEnd(i % 101 === 0 ? 20_000 : i % 300, 'v'),
    ]),
  )
}

/** Strings of which each goes within the next 40 ms. */
function fillExpiring(scene: SavingServer): void {
  fillStrings(scene)
  scene.fill(Array.from({ length: KEYS }, (_, i) => ['PEXPIRE', keyOf(i), `${5 + (i % 40)}`]))
}

function expiredCount(scene: SavingServer): number {
  const found = /\r\nexpired_keys:(\d+)/.exec(scene.call('INFO', 'stats'))
  return Number(found?.[1])
}

export const rowsOfKeys: readonly Mutation[] = [
  {
    name: 'lazy expiry',
    fill: (scene) => {
      scene.do('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
      fillExpiring(scene)
    },
    change: (scene, turn) => {
      if (turn % 4 === 0) scene.clock.advance(1)
      for (let i = 0; i < 20; i++) scene.call('GET', anyKey(scene))
    },
    prove: (scene) => assert.ok(expiredCount(scene) > 100),
  },
  {
    name: 'active expiry',
    config: SLOW,
    fill: fillExpiring,
    change: (scene) => scene.clock.advance(2),
    prove: (scene) => assert.ok(expiredCount(scene) > 100),
  },
  {
    name: 'fields of hashes that expire, met by reads and by the cycle',
    config: SLOW,
    fill: (scene) => {
      for (let i = 0; i < 400; i++) {
        const names = Array.from({ length: 30 + (i % 120) }, (_, n) => `field${n}`)
        scene.do('HSET', keyOf(i), ...names.flatMap((name) => [name, 'value'.repeat(4)]))
        const half = names.slice(0, names.length / 2)
        scene.do('HPEXPIRE', keyOf(i), `${10 + (i % 30)}`, 'FIELDS', `${half.length}`, ...half)
      }
    },
    change: (scene, turn) => {
      if (turn % 2 === 0) scene.clock.advance(2)
      for (let i = 0; i < 5; i++) scene.call('HGETALL', keyOf(scene.random.below(400)))
    },
  },
  {
    name: 'EXPIRE, PERSIST and GETEX, which change the form of records',
    fill: fillStrings,
    change: (scene) => {
      for (let i = 0; i < 6; i++) {
        scene.call('EXPIRE', anyKey(scene), '1000')
        scene.call('PERSIST', anyKey(scene))
        scene.call('GETEX', anyKey(scene), 'EX', '500')
      }
    },
  },
  {
    name: 'RENAME and RENAMENX, over existing keys and to new ones',
    fill: fillStrings,
    change: (scene) => {
      for (let i = 0; i < 10; i++) scene.call('RENAME', anyKey(scene), anyKey(scene))
      scene.call('RENAMENX', anyKey(scene), `new${scene.random.below(9999)}`)
    },
  },
  {
    name: 'MOVE to another database and back',
    fill: fillStrings,
    change: (scene) => {
      for (let i = 0; i < 8; i++) scene.call('MOVE', anyKey(scene), '3')
      scene.do('SELECT', '3')
      for (let i = 0; i < 4; i++) scene.call('MOVE', anyKey(scene), '0')
      scene.do('SELECT', '0')
    },
  },
  {
    name: 'COPY REPLACE, within a database and to another',
    fill: fillStrings,
    change: (scene) => {
      for (let i = 0; i < 5; i++) {
        scene.call('COPY', anyKey(scene), anyKey(scene), 'REPLACE')
        scene.call('COPY', anyKey(scene), anyKey(scene), 'DB', '2', 'REPLACE')
      }
    },
  },
  {
    name: 'SWAPDB of a full database with a small one, writes to both',
    fill: (scene) => {
      fillStrings(scene)
      scene.do('SELECT', '1')
      scene.do('SET', 'small', 'one')
      scene.do('SELECT', '0')
    },
    change: (scene, turn) => {
      if (turn % 10 === 0) scene.do('SWAPDB', '0', '1')
      for (let i = 0; i < 5; i++) scene.do('SET', anyKey(scene), `swapped ${turn}`)
    },
  },
  {
    name: 'FLUSHDB and writes to what is empty then',
    fill: (scene) => {
      fillStrings(scene)
      scene.do('SELECT', '5')
      fillStrings(scene)
      scene.do('SELECT', '0')
    },
    change: (scene, turn) => {
      if (turn % 60 === 5) scene.do('FLUSHDB', scene.random.below(2) === 0 ? 'ASYNC' : 'SYNC')
      for (let i = 0; i < 10; i++) scene.do('SET', anyKey(scene), `flushed ${turn}`.repeat(9))
    },
  },
  {
    name: 'FLUSHALL and writes after it',
    fill: (scene) => {
      fillStrings(scene)
      scene.do('SELECT', '9')
      fillStrings(scene)
      scene.do('SELECT', '0')
    },
    change: (scene, turn) => {
      if (turn % 60 === 5) scene.do('FLUSHALL', scene.random.below(2) === 0 ? 'ASYNC' : 'SYNC')
      for (let i = 0; i < 10; i++) scene.do('SET', anyKey(scene), `flushed ${turn}`.repeat(9))
    },
  },
  {
    name: 'DEL, UNLINK, GETDEL and SET, which uses freed cells again',
    fill: fillStrings,
    change: (scene, turn) => {
      for (let i = 0; i < 4; i++) {
        scene.call('DEL', anyKey(scene))
        scene.call('UNLINK', anyKey(scene))
        scene.call('GETDEL', anyKey(scene))
        scene.do('SET', `again${turn}:${i}`, 'a'.repeat(scene.random.below(300)))
      }
    },
  },
  {
    name: 'EXEC of many writes to many keys',
    fill: fillStrings,
    change: (scene, turn) => {
      scene.do('MULTI')
      for (let i = 0; i < 20; i++) scene.do('SET', anyKey(scene), `${turn} in a transaction`)
      scene.do('RENAME', keyOf(turn % KEYS), keyOf((turn + 1) % KEYS))
      scene.call('EXEC')
    },
  },
  {
    name: 'new keys until the dict splits',
    fill: fillStrings,
    change: (scene, turn) => {
      for (let i = 0; i < 150; i++) {
        scene.do('SET', `more:${turn}:${i}`, 'm')
        scene.call('APPEND', anyKey(scene), 'x')
      }
    },
    prove: (scene) => assert.ok(scene.keyspace.size > KEYS * 1.25),
  },
  {
    name: 'RESTORE REPLACE',
    fill: fillStrings,
    change: (scene) => {
      const reply = scene.do('DUMP', keyOf(1))
      const payload = reply.slice(reply.indexOf('\n') + 1, -2)
      for (let i = 0; i < 8; i++) scene.do('RESTORE', anyKey(scene), '0', payload, 'REPLACE')
    },
  },
]
