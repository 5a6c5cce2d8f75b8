// Random commands of everything that exists, right ones and wrong ones. They depend on the seed and
// on what is passed in, never on time or on replies, but for payloads of DUMP.

import type { Random } from '../../src/base/random.ts'

/** What commands are made of besides chance. */
export interface Surroundings {
  readonly databaseCount: number
  readonly nowMs: number
  /** Payloads that DUMP has given. */
  readonly payloads: readonly string[]
}

type Form = (make: Generator) => string[]

const KEYS = [
  '',
  'a',
  'b',
  'c',
  '\x00\xff\r\n',
  ...Array.from({ length: 24 }, (_, i) => `key:${i}`),
  'k'.repeat(40),
  'k'.repeat(1023),
  'k'.repeat(1024),
  'k'.repeat(5000),
]
/** Lengths at which a value changes its form in memory, and some between. */
const LENGTHS = [
  0, 1, 3, 8, 19, 20, 21, 44, 45, 100, 255, 1000, 2000, 4000, 4096, 5000, 16_300, 16_384, 16_400,
  70_000,
]
const HUGE_LENGTH = 300_000
/** Keys that come and go in crowds, so that the dict splits its segments. */
const CROWD_KEYS = 12_000
const CROWD_SIZE = 1000
const AMOUNTS = ['1', '-1', '7', '-100', '9223372036854775807', '-9223372036854775808']
const TIMES_MS = [1, 5, 30, 200, 1000, 5000, 100_000]

export class Generator {
  readonly #random: Random
  around: Surroundings

  constructor(random: Random, around: Surroundings) {
    this.#random = random
    this.around = around
  }

  /** A command on data. */
  next(): string[] {
    if (this.below(60) === 0) return this.wrong()
    return this.pick(DATA_FORMS)(this)
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

  /** Keys of small values only, which LCS may compare. */
  small(): string {
    return `small:${this.below(4)}`
  }

  letters(): string {
    return Array.from({ length: this.below(30) }, () => this.pick(['a', 'b', 'c'])).join('')
  }

  value(): string {
    const kind = this.below(10)
    if (kind < 3) return String(this.below(100_000) - 50_000)
    if (kind === 3) return String((this.below(4000) - 2000) / 4)
    if (kind === 4) return this.noise(this.below(600))
    const length = this.below(200) === 0 ? this.below(HUGE_LENGTH) : this.pick(LENGTHS)
    return String.fromCharCode(this.below(256)).repeat(length)
  }

  noise(length: number): string {
    return Array.from({ length }, () => String.fromCharCode(this.below(256))).join('')
  }

  /** A time to live or a unix time in the future, in the unit of the word. */
  time(unit: string): string {
    const ms = this.pick(TIMES_MS)
    if (unit === 'PX') return String(ms)
    if (unit === 'EX') return String(Math.ceil(ms / 1000))
    const atMs = this.around.nowMs + ms
    return String(unit === 'PXAT' ? atMs : Math.ceil(atMs / 1000))
  }

  unit(): string {
    return this.pick(['EX', 'PX', 'EXAT', 'PXAT'])
  }

  database(): string {
    return String(this.below(this.around.databaseCount + (this.below(20) === 0 ? 1 : 0)))
  }

  maybe(...words: readonly string[]): string[] {
    return this.below(2) === 0 ? [...words] : []
  }

  /** What must be refused. */
  wrong(): string[] {
    return this.pick([
      ['GET'],
      ['SET', 'a'],
      ['NOSUCHCOMMAND', 'a', 'b'],
      ['EXPIRE', 'a'],
      ['COPY', 'a'],
      ['SWAPDB', '1'],
    ])
  }
}

function setWithOptions(g: Generator): string[] {
  const unit = g.unit()
  const lifetime = g.pick([[], [], ['KEEPTTL'], [unit, g.time(unit)]])
  return [
    'SET',
    g.key(),
    g.value(),
    ...g.pick([[], ['NX'], ['XX']]),
    ...g.maybe('GET'),
    ...lifetime,
  ]
}

function getex(g: Generator): string[] {
  const unit = g.unit()
  return ['GETEX', g.key(), ...g.pick([[], ['PERSIST'], [unit, g.time(unit)]])]
}

function expire(g: Generator): string[] {
  const [name, unit] = g.pick([
    ['EXPIRE', 'EX'],
    ['PEXPIRE', 'PX'],
    ['EXPIREAT', 'EXAT'],
    ['PEXPIREAT', 'PXAT'],
  ] as const)
  const time = g.below(10) === 0 ? '-1' : g.time(unit)
  return [name, g.key(), time, ...g.pick([[], [], ['NX'], ['XX'], ['GT'], ['LT']])]
}

function restore(g: Generator): string[] {
  const { payloads } = g.around
  const isKnown = payloads.length > 0 && g.below(10) > 0
  const payload = isKnown ? g.pick(payloads) : g.noise(g.below(30))
  return ['RESTORE', g.key(), g.pick(['0', '0', '100', '5000']), payload, ...g.maybe('REPLACE')]
}

/** Many small keys at once, or the same many gone; seldom. */
function crowd(g: Generator): string[] {
  if (g.below(4) > 0) return ['GET', `crowd:${g.below(CROWD_KEYS)}`]
  const first = g.below(CROWD_KEYS - CROWD_SIZE)
  const names = Array.from({ length: CROWD_SIZE }, (_, i) => `crowd:${first + i}`)
  if (g.below(3) === 0) return [g.pick(['DEL', 'UNLINK']), ...names]
  const value = g.noise(g.below(40))
  return ['MSET', ...names.flatMap((name) => [name, value])]
}

const DATA_FORMS: readonly Form[] = [
  (g) => ['SET', g.key(), g.value()],
  (g) => ['SET', g.key(), g.value()],
  (g) => ['SET', g.key(), g.value()],
  (g) => ['SET', g.small(), g.letters()],
  crowd,
  crowd,
  setWithOptions,
  setWithOptions,
  (g) => ['GET', g.key()],
  (g) => ['GET', g.key()],
  getex,
  (g) => ['GETDEL', g.key()],
  (g) => ['GETSET', g.key(), g.value()],
  (g) => ['SETNX', g.key(), g.value()],
  (g) => ['SETEX', g.key(), g.time('EX'), g.value()],
  (g) => ['PSETEX', g.key(), g.time('PX'), g.value()],
  (g) => ['MSET', g.key(), g.value(), g.key(), g.value()],
  (g) => ['MSETNX', g.key(), g.value(), g.key(), g.value()],
  (g) => ['MGET', g.key(), g.key(), g.key()],
  (g) => ['APPEND', g.key(), g.value()],
  (g) => ['STRLEN', g.key()],
  (g) => ['SETRANGE', g.key(), String(g.pick([0, 0, 3, 100, 4090, 20_000])), g.value()],
  (g) => [
    g.pick(['GETRANGE', 'SUBSTR']),
    g.key(),
    String(g.below(200) - 100),
    String(g.below(9000) - 100),
  ],
  (g) => [g.pick(['INCR', 'DECR']), g.key()],
  (g) => [g.pick(['INCRBY', 'DECRBY']), g.key(), g.pick(AMOUNTS.slice(0, 5))],
  (g) => ['INCRBYFLOAT', g.key(), g.pick(['0.25', '-0.5', '3', '-7.75'])],
  (g) => ['LCS', g.small(), g.small(), ...g.maybe('LEN')],
  (g) => [g.pick(['DEL', 'UNLINK', 'EXISTS', 'TOUCH']), g.key(), g.key()],
  (g) => ['TYPE', g.key()],
  expire,
  expire,
  (g) => [g.pick(['TTL', 'PTTL', 'EXPIRETIME', 'PEXPIRETIME']), g.key()],
  (g) => ['PERSIST', g.key()],
  (g) => [g.pick(['RENAME', 'RENAMENX']), g.key(), g.key()],
  (g) => ['MOVE', g.key(), g.database()],
  (g) => ['COPY', g.key(), g.key(), ...g.maybe('DB', g.database()), ...g.maybe('REPLACE')],
  (g) => ['OBJECT', 'ENCODING', g.key()],
  (g) => ['DUMP', g.key()],
  restore,
  (g) => ['SELECT', g.database()],
  (g) => ['SWAPDB', g.database(), g.database()],
  (g) => (g.below(10) === 0 ? ['FLUSHDB', ...g.maybe(g.pick(['SYNC', 'ASYNC']))] : ['DBSIZE']),
  () => ['RANDOMKEY'],
  () => ['KEYS', '*'],
  (g) => ['PING', ...g.maybe('hi')],
  (g) => ['ECHO', g.value()],
  (g) => ['CLIENT', 'SETNAME', g.letters()],
  () => ['CLIENT', 'GETNAME'],
  () => ['CLIENT', 'ID'],
]
