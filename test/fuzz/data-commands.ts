// Fuzz of the data commands against redis-server 7.0: the same random commands, right and wrong
// ones, run on handlers of this code (without a server) and on the reference; replies must be the
// same bytes, and the changes counted since the start the same number. Both protocols. Exempt are
// the order of KEYS and SCAN, and times to live by some ms.
//
//   node test/fuzz/data-commands.ts [commands]     SEED=n repeats a run

import assert from 'node:assert/strict'
import { Random } from '../../src/base/random.ts'
import { Harness } from '../../src/command/harness.ts'
import { dumpCommands } from '../../src/persist/dump.ts'
import type { RawClient } from '../lib/client.ts'
import { parseValue, showText, showValue, type Value } from '../lib/resp.ts'
import { REFERENCE, TestServer } from '../lib/server.ts'
import { BITS, SKETCHES } from './bit-commands.ts'

const BATCH = 200
/** Times may differ by what a batch takes. */
const TOLERATED_MS = 5000n

/** OBJECT REFCOUNT of a shared integer. */
const SHARED = '2147483647'

type Word = string | Buffer

const KEYS = ['a', 'b', 'c', 'd', '', '\x00\xff', 'k'.repeat(300), 'K'.repeat(2000)]
const INTEGERS = [
  '0',
  '1',
  '-1',
  '5',
  '10',
  '100',
  '-7',
  '9223372036854775807',
  '-9223372036854775808',
  '9223372036854775806',
  '9007199254740991',
  '-9007199254740993',
  '4294967296',
  'x',
  '1.5',
  '',
  '01',
  '-0',
  ' 1',
  '99999999999999999999',
]
const FLOATS = [
  '0',
  '1',
  '1.5',
  '-2.25',
  '0.1',
  '0.2',
  '1e5',
  '1e-5',
  '3.0',
  '-0',
  '1e20',
  '0x10',
  'inf',
  'nan',
  'abc',
  '',
  '1e300',
  '1e4932',
  '-1e4932',
  '1e5000',
  '1e-4940',
  '1e-5000',
  '.5',
  '5.',
  '1e',
  '+1',
  ' 1',
  '-1e-18',
  '0x.8p3',
  '0x1p-16445',
  '123456789.123456789',
]
/** Relative times that are refused, or delete. */
const TIMES = [
  '0',
  '-1',
  'x',
  '1.5',
  '9223372036854775807',
  '9223372036854775',
  '-9223372036854776',
  '-9223372036854775',
]
const DATABASES = ['0', '1', '2', '15', '16', '-1', 'x', '99999999999']
const CURSORS = [
  '0',
  '00',
  '-0',
  '+0',
  '',
  'x',
  '+',
  '-',
  '1 ',
  '18446744073709551616',
  '-18446744073709551616',
]

/** Makes the words of commands. */
class Generator {
  readonly #random: Random
  nowMs = 0
  payload: Word = ''

  constructor(seed: number) {
    this.#random = new Random(seed)
  }

  next(): Word[] {
    if (this.below(300) === 0) return [this.pick(['FLUSHDB', 'FLUSHALL']), this.pick(['SYNC', 'X'])]
    return this.pick([...STRINGS, ...ENTRIES, ...BITS, ...SKETCHES])(this)
  }

  below(limit: number): number {
    return this.#random.below(limit)
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }

  key(): string {
    return this.pick(KEYS)
  }

  value(): string {
    switch (this.below(7)) {
      case 0:
        return this.pick(INTEGERS)
      case 1:
        return this.pick(FLOATS)
      case 2:
        return 'x'.repeat(this.below(100))
      case 3:
        return 'y'.repeat(this.below(20_000))
      case 4:
        return String(this.below(20_000) - 5000)
      case 5:
        return String.fromCharCode(this.below(256), this.below(256), 13, 10, 0)
      default:
        return Array.from({ length: this.below(30) }, () => this.pick(['a', 'b', 'c'])).join('')
    }
  }

  float(): string {
    if (this.below(2) === 0) return this.pick(FLOATS)
    const size = 10 ** (this.below(20) - 8)
    return ((this.#random.float() - 0.3) * size).toFixed(this.below(18))
  }

  /** A unix time far ahead, in the unit, or something that is refused. */
  at(unitMs: number): string {
    if (this.below(4) === 0) return this.pick(['1', '-1', '0', 'x'])
    return String(Math.floor((this.nowMs + 5_000_000 + this.below(1e9)) / unitMs))
  }

  /** A time ahead that hardly any other command takes: GT and LT must not meet an equal one. */
  ahead(): string {
    if (this.below(3) === 0) return this.pick(TIMES)
    return String(2_000_000 + this.below(1e9))
  }

  /** Up to `limit` of the options, words in any case. */
  options(limit: number, list: readonly (readonly string[])[]): string[] {
    const words: string[] = []
    for (let i = this.below(limit + 1); i > 0; i--) words.push(...this.pick(list))
    return words.map((word) => (this.below(3) === 0 ? word.toLowerCase() : word))
  }
}

type Form = (make: Generator) => Word[]

const STRINGS: readonly Form[] = [
  (g) => ['SET', g.key(), g.value()],
  (g) => ['SET', g.key(), g.value()],
  (g) => [
    'SET',
    g.key(),
    g.value(),
    ...g.options(3, [
      ['NX'],
      ['XX'],
      ['GET'],
      ['KEEPTTL'],
      ['EX', g.ahead()],
      ['PX', g.ahead()],
      ['EXAT', g.at(1000)],
      ['PXAT', g.at(1)],
      ['PERSIST'],
      ['BOGUS'],
      ['EX'],
    ]),
  ],
  (g) => ['GET', g.key()],
  (g) => [
    'GETEX',
    g.key(),
    ...g.options(2, [
      ['PERSIST'],
      ['EX', g.ahead()],
      ['PX', g.ahead()],
      ['EXAT', g.at(1000)],
      ['PXAT', g.at(1)],
      ['KEEPTTL'],
      ['EX'],
    ]),
  ],
  (g) => ['GETDEL', g.key()],
  (g) => ['GETSET', g.key(), g.value()],
  (g) => ['SETNX', g.key(), g.value()],
  (g) => ['SETEX', g.key(), g.ahead(), g.value()],
  (g) => ['PSETEX', g.key(), g.ahead(), g.value()],
  (g) => ['MSET', g.key(), g.value(), g.key(), g.value()],
  (g) => ['MSET', g.key(), g.value(), g.key()],
  (g) => ['MSETNX', g.key(), g.value(), g.key(), g.value()],
  (g) => ['MGET', g.key(), g.key(), g.key()],
  (g) => ['APPEND', g.key(), g.value()],
  (g) => ['STRLEN', g.key()],
  (g) => ['SETRANGE', g.key(), g.pick(['0', '1', '99', '536870912', ...INTEGERS]), g.value()],
  (g) => [g.pick(['GETRANGE', 'SUBSTR']), g.key(), g.pick(INTEGERS), g.pick(['-2', ...INTEGERS])],
  (g) => [g.pick(['INCR', 'DECR']), g.key()],
  (g) => [g.pick(['INCRBY', 'DECRBY']), g.key(), g.pick(INTEGERS)],
  (g) => ['INCRBYFLOAT', g.key(), g.float()],
  (g) => [
    'LCS',
    g.key(),
    g.key(),
    ...g.options(3, [
      ['LEN'],
      ['IDX'],
      ['MINMATCHLEN', g.pick(['2', 'x', '-1'])],
      ['WITHMATCHLEN'],
      ['BOGUS'],
      ['MINMATCHLEN'],
    ]),
  ],
]

const ENTRIES: readonly Form[] = [
  (g) => [g.pick(['DEL', 'UNLINK', 'TOUCH', 'EXISTS']), g.key(), g.key()],
  (g) => ['TYPE', g.key()],
  (g) => ['EXPIRE', g.key(), g.ahead(), ...g.options(2, CONDITIONS)],
  (g) => ['PEXPIRE', g.key(), g.ahead(), ...g.options(2, CONDITIONS)],
  (g) => ['EXPIREAT', g.key(), g.at(1000), ...g.options(1, CONDITIONS)],
  (g) => ['PEXPIREAT', g.key(), g.at(1), ...g.options(1, CONDITIONS)],
  (g) => [g.pick(['TTL', 'PTTL', 'EXPIRETIME', 'PEXPIRETIME']), g.key()],
  (g) => ['PERSIST', g.key()],
  (g) => [g.pick(['RENAME', 'RENAMENX']), g.key(), g.key()],
  (g) => ['MOVE', g.key(), g.pick(DATABASES)],
  (g) => [
    'COPY',
    g.key(),
    g.key(),
    ...g.options(2, [['DB', g.pick(DATABASES)], ['REPLACE'], ['BOGUS'], ['DB']]),
  ],
  (g) => ['OBJECT', g.pick(['ENCODING', 'REFCOUNT', 'FREQ']), g.key()],
  (g) => ['DUMP', g.key()],
  (g) => [
    'RESTORE',
    g.key(),
    g.pick(['0', '100000', '-1', 'x']),
    g.payload,
    // Not REPLACE and ABSTTL at once: Redis counts it when an expired key is replaced by nothing.
    ...g.options(1, [
      ['REPLACE'],
      ['ABSTTL'],
      ['IDLETIME', '5'],
      ['FREQ', g.pick(['5', '300'])],
      ['IDLETIME', '-1'],
      ['BOGUS'],
      ['FREQ'],
    ]),
  ],
  (g) => ['RESTORE', g.key(), '0', g.payload, 'REPLACE'],
  (g) => ['SELECT', g.pick(DATABASES)],
  (g) => ['SWAPDB', g.pick(DATABASES), g.pick(DATABASES)],
  () => ['DBSIZE'],
  (g) => [
    'SCAN',
    g.pick(CURSORS),
    ...g.options(2, [
      ['COUNT', g.pick(['1000', '0', 'x'])],
      ['MATCH', '[ab]*'],
      ['TYPE', 'string'],
      ['TYPE', 'hash'],
      ['TYPE', 'zzz'],
      ['MATCH'],
    ]),
    'COUNT',
    '1000',
  ],
  (g) => ['KEYS', g.pick(['*', 'a*', '[a-c]', 'k*', 'zz'])],
]

const CONDITIONS = [['NX'], ['XX'], ['GT'], ['LT'], ['BOGUS']]

/** Runs `commands` random commands on both; returns how many were compared. */
export async function fuzzDataCommands(options: {
  readonly seed: number
  readonly commands: number
}): Promise<number> {
  // Payloads are compared uncompressed: there are many right ways to compress.
  const args = ['--rdbcompression', 'no', '--enable-debug-command', 'yes']
  const server = await TestServer.start({ command: REFERENCE, args })
  try {
    const client = await server.connect()
    // Nothing expires here by itself either; DBSIZE tells.
    await client.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
    const harness = new Harness({ commands: dumpCommands, seed: options.seed })
    harness.context.limits.isRdbCompressed = false
    const make = new Generator(options.seed)
    for (let done = 0; done < options.commands; done += BATCH) {
      const version = make.pick([2, 3] as const)
      await client.call('HELLO', String(version))
      harness.reply.version = version
      harness.advance(Math.max(0, Date.now() - harness.clock.nowMs()))
      make.nowMs = harness.context.nowMs
      await compareBatch(client, harness, make)
      harness.keyspace.check()
      const info = (await client.call('INFO', 'persistence')).text
      const changes = Number(/rdb_changes_since_last_save:(\d+)/.exec(info)?.[1])
      assert.equal(harness.keyspace.dirty, changes, `changes after ${done + BATCH} commands`)
    }
    client.close()
    return options.commands
  } finally {
    await server.stop()
  }
}

async function compareBatch(client: RawClient, harness: Harness, make: Generator): Promise<void> {
  const batch: { words: Word[]; ours: Value }[] = []
  for (let i = 0; i < BATCH; i++) {
    const words = make.next()
    const parsed = parseValue(Buffer.from(harness.raw(...words)), 0)
    assert.ok(parsed !== null)
    const ours = parsed.value
    if (words[0] === 'DUMP' && ours.kind === 'bulk') make.payload = Buffer.from(ours.text, 'latin1')
    batch.push({ words, ours })
    client.send(...words.map((word) => Buffer.from(word as string, 'latin1')))
  }
  for (const { words, ours } of batch) {
    const theirs = await client.receive()
    assert.ok(theirs !== null)
    const shown = words.map((word) => showText(String(word)).slice(0, 60)).join(' ')
    if (areSame(words, ours, theirs)) continue
    assert.equal(showValue(ours).slice(0, 500), showValue(theirs).slice(0, 500), shown)
    assert.fail(`the replies differ past 500 characters: ${shown}`)
  }
}

function areSame(words: readonly Word[], ours: Value, theirs: Value): boolean {
  const name = String(words[0])
  if (ours.kind !== theirs.kind) return false
  if (/TTL$|EXPIRETIME$/.test(name) && ours.kind === 'integer') {
    return areNear(BigInt(ours.text), BigInt(theirs.text))
  }
  // A copy that COPY made of a shared integer is not shared there.
  if (name === 'OBJECT' && ours.text === SHARED && theirs.text === '1') return true
  if (ours.kind === 'array' && name === 'KEYS') return sorted(ours) === sorted(theirs)
  if (ours.kind === 'array' && name === 'SCAN') {
    return sorted(ours.items[1]!) === sorted(theirs.items[1]!)
  }
  return JSON.stringify(ours) === JSON.stringify(theirs)
}

/** Deadlines past 2^53 ms are clamped here; what is far away on both sides is the same. */
function areNear(a: bigint, b: bigint): boolean {
  const difference = a - b
  const isNear = difference < TOLERATED_MS && difference > -TOLERATED_MS
  return isNear || (b > a && a > BigInt(Number.MAX_SAFE_INTEGER) / 2000n)
}

function sorted(value: Value): string {
  return JSON.stringify(value.items.map((item) => item.text).sort())
}

if (import.meta.main) {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32))
  console.log(`SEED=${seed}`)
  const commands = Number(process.argv[2] ?? 100_000)
  console.log(`${await fuzzDataCommands({ seed, commands })} commands`)
}
