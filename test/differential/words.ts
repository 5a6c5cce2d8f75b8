// The words of random commands: small pools of keys, members and values, so that commands meet, and
// now and then one of another kind, out of range, or no number at all. What a kind gives depends on
// the random sequence and on how many stream entries were asked for, never on replies: a script can
// be written down, repeated and cut to pieces.

import type { Random } from '../../src/base/random.ts'

/** What a round is made of. */
export interface Profile {
  /** How many members, fields and scores there are to choose from. */
  readonly memberCount: number
  /** The longest value, in bytes. */
  readonly valueBytesMax: number
  /** How many elements the commands that take several get at most. */
  readonly repeatMax: number
  /** Of 100 words, how many are wrong on purpose. */
  readonly wrongPercent: number
}

const KEYS_PER_TYPE = 3
const KEY_TYPES = ['string', 'list', 'hash', 'set', 'zset', 'stream', 'hll', 'geo', 'bits', 'nums']
const ODD_MEMBERS = ['', '\xff\x01\r\n', '-5', '007', '1e3', ' 3', 'ÿ', '9223372036854775807']
const INTEGERS = ['0', '1', '-1', '2', '3', '5', '10', '100', '-7', '-2', '-3', '1', '2', '3', '4']
const WRONG_INTEGERS = [
  'x',
  '1.5',
  '',
  '01',
  ' 1',
  '9223372036854775807',
  '-9223372036854775808',
  '99999999999999999999',
  '4294967296',
]
const SCORES = ['0', '1', '2', '3', '-1', '1.5', '2', '1e3', '-2.25', '0.1', '3', '4', '5', '10']
const WRONG_SCORES = ['inf', '-inf', '+inf', 'nan', 'x', '', '1e400', '0x10', '-0', '1e-300']
const PATTERNS = ['*', 'a*', '*1*', '[a-m]*', '?', 'zz', '*[^0-9]', '\\*', 'm:*']
const LONGITUDES = ['13.361389', '15.087269', '0', '-122.4', '180', '-180', '13.583333', '2.35']
const LATITUDES = ['38.115556', '37.502669', '0', '37.77', '85.05', '-85.05', '37.316667', '48.85']

/** Whether there are words of that kind. */
export function isKind(name: string): boolean {
  return KINDS[name] !== undefined
}

export class Words {
  readonly random: Random
  readonly profile: Profile
  /** What the last `kind#` counted. */
  lastCount = 0
  #streamMs = 1

  constructor(random: Random, profile: Profile) {
    this.random = random
    this.profile = profile
  }

  below(limit: number): number {
    return this.random.below(limit)
  }

  /** Whether an event of so many percent happens. */
  chance(percent: number): boolean {
    return this.random.below(1000) < percent * 10
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }

  /** A word of a kind of `KINDS`. */
  word(kind: string): string {
    return KINDS[kind]!(this)
  }

  /** A key that mostly holds that type. */
  key(type: string): string {
    if (this.chance(this.profile.wrongPercent)) return this.anyKey()
    return `${type}:${this.below(KEYS_PER_TYPE)}`
  }

  anyKey(): string {
    if (this.chance(10)) return `none:${this.below(2)}`
    return `${this.pick(KEY_TYPES)}:${this.below(KEYS_PER_TYPE)}`
  }

  member(): string {
    if (this.chance(15)) return this.pick(ODD_MEMBERS)
    const at = this.below(this.profile.memberCount)
    if (at % 3 === 0) return `${at}`
    return at % 7 === 6 ? `m:${'long'.repeat(20)}${at}` : `m:${at}`
  }

  value(): string {
    const max = this.profile.valueBytesMax
    switch (this.below(6)) {
      case 0:
        return this.pick(INTEGERS)
      case 1:
        return this.member()
      case 2:
        return String.fromCharCode(1 + this.below(255), this.below(256), 13, 10, 0)
      case 3:
        return 'v'.repeat(this.below(this.chance(20) ? max : Math.min(max, 100)))
      default:
        return `v:${this.below(30)}`
    }
  }

  of(right: readonly string[], wrong: readonly string[]): string {
    return this.pick(this.chance(this.profile.wrongPercent) ? wrong : right)
  }

  /** An ID for a new entry: larger than all before, mostly. */
  entryId(): string {
    if (this.chance(8)) return this.streamId()
    this.#streamMs += this.below(3)
    const ms = this.#streamMs
    return `${ms}-${this.pick(['1', '2', '3', '*', '*', `${this.below(1000)}`])}`
  }

  /** An ID among those in use. */
  streamId(): string {
    const ms = this.below(this.#streamMs + 2)
    return this.of(
      [`${ms}-${this.below(4)}`, `${ms}`, `${ms}-1`, '0', '0-0'],
      [
        'x',
        '1-x',
        '18446744073709551615-18446744073709551615',
        '18446744073709551616',
        '-1',
        '1-*',
      ],
    )
  }

  rangeId(): string {
    const id = this.streamId()
    return this.pick(['-', '+', id, id, id, `(${id}`])
  }

  float(): string {
    if (this.chance(50)) return this.of(SCORES, WRONG_SCORES)
    return ((this.random.float() - 0.4) * 10 ** this.below(12)).toFixed(this.below(12))
  }

  lexBound(): string {
    const member = this.member()
    return this.of(['-', '+', `[${member}`, `(${member}`, `[${member}`], ['x', '', '(', '['])
  }

  scoreBound(): string {
    const score = this.float()
    return this.of([score, `(${score}`, '-inf', '+inf', `${this.below(8)}`], ['x', '((1', '(nan'])
  }

  /** Mostly anywhere: what is equally far away comes in any order. */
  degrees(known: readonly string[], most: number, wrong: readonly string[]): string {
    if (this.chance(10)) return this.of(known, wrong)
    return ((this.random.float() * 2 - 1) * most).toFixed(this.pick([4, 5, 12]))
  }

  bitfieldType(): string {
    return this.of(['u8', 'i8', 'u4', 'i16', 'u1', 'i64', 'u63', 'i5'], ['u64', 'i65', 'x', 'u0'])
  }

  bitfieldOffset(): string {
    return this.of([`${this.below(200)}`, `#${this.below(20)}`, '0'], ['-1', '#-1', 'x', '#x'])
  }
}

/** Kinds of words by the name that forms use; a kind that is missing here is a type of key. */
const KINDS: Readonly<Record<string, (words: Words) => string>> = {
  ...Object.fromEntries(KEY_TYPES.map((type) => [type, (words: Words) => words.key(type)])),
  key: (words) => words.anyKey(),
  // What takes sorted sets often takes sets.
  zsets: (words) => words.key(words.pick(['zset', 'zset', 'set', 'geo'])),
  // By name is only a defined order where all scores are equal: nothing else writes these.
  lexes: (words) => `lexes:${words.below(2)}`,
  typename: (words) => words.pick(['string', 'list', 'set', 'zset', 'hash', 'stream', 'zzz']),
  nosort: () => 'nosort',
  v: () => 'v',
  w: () => 'w',
  weightkey: (words) => `weight:${words.below(12)}`,
  hashkey: (words) => `object:${words.below(12)}`,
  member: (words) => words.member(),
  field: (words) => words.member(),
  value: (words) => words.value(),
  int: (words) => words.of(INTEGERS, WRONG_INTEGERS),
  count: (words) => words.of(['1', '2', '3', '10', '0'], WRONG_INTEGERS),
  any: (words) => words.of(INTEGERS, ['-100', '1000', 'x', '-2147483648']),
  index: (words) => words.of([...INTEGERS, '-1', '20', '-20'], WRONG_INTEGERS),
  number: (words) => `${words.below(12)}`,
  float: (words) => words.float(),
  score: (words) => words.float(),
  min: (words) => words.scoreBound(),
  lex: (words) => words.lexBound(),
  offset: (words) => words.of([`${words.below(300)}`, '0', '7', '8'], ['-1', 'x', '4294967296']),
  bit: (words) => words.of(['0', '1'], ['2', 'x', '-1']),
  bitfieldtype: (words) => words.bitfieldType(),
  bitfieldoffset: (words) => words.bitfieldOffset(),
  pattern: (words) => words.pick(PATTERNS),
  ttl: (words) => words.of([`${20_000 + words.below(80_000)}`], ['0', '-1', 'x', '1.5', '']),
  at: (words) => words.of([`${4_000_000_000 + words.below(1000)}`], ['1', '-1', 'x']),
  atms: (words) => words.of([`${4_000_000_000_000 + words.below(1000)}`], ['1', '-1', 'x']),
  timeout: (words) => words.of(['0.01', '0.001'], ['-1', 'x']),
  db: (words) => words.of(['0', '1'], ['-1', 'x', '16', '99999999999']),
  longitude: (words) => words.degrees(LONGITUDES, 180, ['181', 'x', '-180.1']),
  latitude: (words) => words.degrees(LATITUDES, 85, ['86', 'x', '-85.06']),
  radius: (words) => words.of(['200', '1000', '20000', '0', '1.5'], ['-1', 'x', 'nan']),
  unit: (words) => words.of(['m', 'km', 'mi', 'ft'], ['x', '']),
  newid: (words) => words.entryId(),
  id: (words) => words.streamId(),
  rangeid: (words) => words.rangeId(),
  group: (words) => words.pick(['g0', 'g0', 'g1']),
  consumer: (words) => words.pick(['c0', 'c1', 'c2']),
  idle: (words) => words.of(['0', '0', '999999999'], ['-1', 'x']),
  weights: (words) => words.pick(['weight:*', 'object:*->w', 'none*', 'weight:*->x']),
  get: (words) => words.pick(['#', 'weight:*', 'object:*->w', 'none*', 'object:*->']),
}
