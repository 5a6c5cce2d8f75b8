// Random commands of all types for the simulation of cuts: those that are compared with the
// reference (test/differential), and what these lack: values of hundreds of kilobytes, collections
// of thousands of elements, short deadlines of keys and fields, crowds of small keys, other
// databases. Nothing depends on replies, so that a list of events repeats.

import type { Random } from '../../src/base/random.ts'
import { expand } from '../differential/form.ts'
import { FAMILIES } from '../differential/rows.ts'
import { type Profile, Words } from '../differential/words.ts'

type Form = (words: CutWords) => string[]

/** Keys that come and go in crowds. */
const CROWD_KEYS = 6000
const CROWD_SIZE_MAX = 300
/** Elements that one command adds or removes. */
const MANY_MAX = 600
/** Members there are to choose from. */
const MEMBERS = 9000
/** Lengths of large strings; the longest is seldom. */
const LARGE_LENGTHS = [9000, 20_000, 70_000, 100_000, 150_000, 300_000]
const HUGE_LENGTH = 2_000_000
const PROFILES: readonly Profile[] = [
  { memberCount: 40, valueBytesMax: 100, repeatMax: 12, wrongPercent: 5 },
  { memberCount: 400, valueBytesMax: 5000, repeatMax: 150, wrongPercent: 1 },
  { memberCount: 3000, valueBytesMax: 9000, repeatMax: 40, wrongPercent: 2 },
]
/** Of 100 commands, how many are of `FORMS`, the rest of the families. */
const OWN_PERCENT = 55
const TYPES = ['string', 'list', 'hash', 'set', 'zset', 'stream']

export class CutWords {
  readonly words: Words
  readonly databaseCount: number
  #streamMs = 1_000_000

  constructor(random: Random, databaseCount: number) {
    this.words = new Words(random, PROFILES[random.below(PROFILES.length)]!)
    this.databaseCount = databaseCount
  }

  /** A command, or a transaction of some. */
  next(): string[][] {
    if (this.below(60) > 0) return [this.command()]
    const count = 1 + this.below(6)
    const inside = Array.from({ length: count }, () => this.command())
    return [['MULTI'], ...inside, [this.below(8) === 0 ? 'DISCARD' : 'EXEC']]
  }

  command(): string[] {
    if (this.words.chance(OWN_PERCENT)) return this.pick(FORMS)(this)
    const row = this.pick(this.pick(Object.values(FAMILIES)))
    // What is seldom there, as it ends or empties much, is as seldom here.
    return this.words.random.float() < (row.weight ?? 1)
      ? expand(row.parsed, this.words)
      : this.command()
  }

  /** Values of all types, some large; `share` of 1 is some megabytes. */
  filling(share: number): string[][] {
    const commands: string[][] = []
    for (let i = 0; i < 40 * share; i++) commands.push(crowdOf(this, CROWD_SIZE_MAX))
    for (let i = 0; i < 40 * share; i++) commands.push(this.pick(GROWING)(this))
    for (let i = 0; i < 6 * share; i++) commands.push(['SET', this.key('string'), this.large()])
    return commands
  }

  /** A change of one small key. */
  crowdChange(): string[] {
    const [name, ...rest] = this.pick([
      ['SET', this.value()],
      ['APPEND', 'x'],
      ['PEXPIRE', this.ttl()],
      ['UNLINK'],
    ])
    return [name!, this.crowdKey(), ...rest]
  }

  below(limit: number): number {
    return this.words.below(limit)
  }

  pick<T>(list: readonly T[]): T {
    return this.words.pick(list)
  }

  key(type: string): string {
    return this.words.key(type)
  }

  anyKey(): string {
    return this.below(4) === 0 ? this.crowdKey() : this.key(this.pick(TYPES))
  }

  crowdKey(): string {
    return `crowd:${this.below(CROWD_KEYS)}`
  }

  database(): string {
    return `${this.below(this.databaseCount)}`
  }

  /** A long text: of one letter, of few words, or of noise that compresses to nothing. */
  large(): string {
    const length = this.below(12) === 0 ? this.below(HUGE_LENGTH) : this.pick(LARGE_LENGTHS)
    const kind = this.below(3)
    if (kind === 0) return 'x'.repeat(length)
    const piece = this.noise(kind === 1 ? 40 : 5000)
    return piece.repeat(Math.ceil(length / piece.length)).slice(0, length)
  }

  noise(length: number): string {
    let text = ''
    for (let i = 0; i < length; i++) text += String.fromCharCode(this.below(256))
    return text
  }

  /** Members of a collection of thousands, next to each other. */
  members(count: number): string[] {
    const first = this.below(MEMBERS)
    return Array.from({ length: count }, (_, i) => `member:${first + i}`)
  }

  many(): number {
    return 1 + this.below(this.below(3) === 0 ? MANY_MAX : 20)
  }

  /** Mostly short, now and then longer than a packed value may be. */
  value(): string {
    if (this.below(40) === 0) return this.noise(1 + this.below(6000))
    return 'v'.repeat(this.below(90)) + this.below(1000)
  }

  /** Milliseconds until something expires. */
  ttl(): string {
    return `${this.pick([1, 5, 20, 100, 700, 5000, 100_000])}`
  }

  entryId(): string {
    this.#streamMs += this.below(2)
    return `${this.#streamMs}-*`
  }
}

/** Many small keys at once. */
function crowdOf(words: CutWords, size: number): string[] {
  const first = words.below(CROWD_KEYS - size)
  const value = words.value()
  const pairs = Array.from({ length: size }, (_, i) => [`crowd:${first + i}`, `${value}${i}`])
  return ['MSET', ...pairs.flat()]
}

function crowdGone(words: CutWords): string[] {
  const size = 1 + words.below(CROWD_SIZE_MAX)
  const first = words.below(CROWD_KEYS - size)
  const keys = Array.from({ length: size }, (_, i) => `crowd:${first + i}`)
  return [words.pick(['DEL', 'UNLINK']), ...keys]
}

/** What makes collections grow. */
const GROWING: readonly Form[] = [
  (w) => {
    const value = w.value()
    const values = Array.from({ length: w.many() }, (_, i) => `${value}${i}`)
    return [w.pick(['LPUSH', 'RPUSH']), w.key('list'), ...values]
  },
  (w) => {
    const value = w.value()
    return ['HSET', w.key('hash'), ...w.members(w.many()).flatMap((name) => [name, value])]
  },
  (w) => ['SADD', w.key('set'), ...w.members(w.many())],
  (w) => ['SADD', w.key('set'), ...w.members(w.many()).map((name) => name.slice(7))],
  (w) => {
    const score = w.below(1000)
    return ['ZADD', w.key('zset'), ...w.members(w.many()).flatMap((name) => [`${score}`, name])]
  },
  (w) => ['XADD', w.key('stream'), w.entryId(), 'name', w.value(), 'other', w.value()],
  (w) => ['XADD', w.key('stream'), w.entryId(), 'name', w.value()],
  (w) => ['PFADD', w.key('hll'), ...w.members(w.many())],
]

const FORMS: readonly Form[] = [
  ...GROWING,
  ...GROWING,
  (w) => crowdOf(w, 1 + w.below(40)),
  (w) => ['SET', w.crowdKey(), w.value()],
  (w) => ['SET', w.crowdKey(), w.value(), 'PX', w.ttl()],
  (w) => ['APPEND', w.crowdKey(), w.value()],
  crowdGone,
  (w) => ['SET', w.key('string'), w.below(4) === 0 ? w.large() : w.value()],
  (w) => ['SETRANGE', w.key('string'), `${w.below(300_000)}`, w.value()],
  (w) => ['SETRANGE', w.key('string'), `${w.below(3000)}`, w.value()],
  (w) => ['APPEND', w.key('string'), w.below(20) === 0 ? w.large() : w.value()],
  (w) => ['SETBIT', w.key('bits'), `${w.below(800_000)}`, '1'],
  (w) => ['BITOP', 'OR', w.key('bits'), w.key('string'), w.key('bits')],
  (w) => ['HDEL', w.key('hash'), ...w.members(w.many())],
  (w) => ['HINCRBY', w.key('hash'), w.members(1)[0]!, '1'],
  (w) => {
    const names = w.members(1 + w.below(30))
    return ['HPEXPIRE', w.key('hash'), w.ttl(), 'FIELDS', `${names.length}`, ...names]
  },
  (w) => ['SREM', w.key('set'), ...w.members(w.many())],
  (w) => ['SPOP', w.key('set'), `${w.many()}`],
  (w) => ['SMOVE', w.key('set'), w.key('set'), w.members(1)[0]!],
  (w) => ['ZREM', w.key('zset'), ...w.members(w.many())],
  (w) => ['ZREMRANGEBYRANK', w.key('zset'), `${w.below(100)}`, `${w.below(300)}`],
  (w) => ['ZINCRBY', w.key('zset'), '1.5', w.members(1)[0]!],
  (w) => [w.pick(['LPOP', 'RPOP']), w.key('list'), `${w.many()}`],
  (w) => ['LSET', w.key('list'), `${w.below(400) - 200}`, w.value()],
  (w) => ['LINSERT', w.key('list'), 'BEFORE', w.value(), w.value()],
  (w) => ['LTRIM', w.key('list'), `${w.below(50)}`, `${-1 - w.below(50)}`],
  (w) => ['RPUSH', w.key('list'), w.below(6) === 0 ? w.large() : w.value()],
  (w) => ['HSET', w.key('hash'), w.members(1)[0]!, w.below(6) === 0 ? w.large() : w.value()],
  (w) => ['XTRIM', w.key('stream'), 'MAXLEN', w.pick(['=', '~']), `${w.below(2000)}`],
  (w) => ['XGROUP', 'CREATE', w.key('stream'), 'g0', '0', 'MKSTREAM'],
  (w) => {
    const count = `${w.many()}`
    const key = w.key('stream')
    return ['XREADGROUP', 'GROUP', 'g0', 'c0', 'COUNT', count, 'STREAMS', key, '>']
  },
  (w) => ['XAUTOCLAIM', w.key('stream'), 'g0', 'c1', '0', '0', 'COUNT', `${w.many()}`],
  (w) => ['PFCOUNT', w.key('hll')],
  (w) => ['PFMERGE', w.key('hll'), w.key('hll'), w.key('hll')],
  (w) => ['GETEX', w.key('string'), 'PX', w.ttl()],
  (w) => ['PEXPIRE', w.anyKey(), w.ttl()],
  (w) => ['PEXPIRE', w.crowdKey(), w.ttl()],
  (w) => ['PERSIST', w.anyKey()],
  (w) => ['GET', w.crowdKey()],
  (w) => ['RENAME', w.anyKey(), w.anyKey()],
  (w) => ['COPY', w.anyKey(), w.anyKey(), 'DB', w.database(), 'REPLACE'],
  (w) => ['COPY', w.crowdKey(), w.crowdKey(), 'REPLACE'],
  (w) => ['MOVE', w.anyKey(), w.database()],
  (w) => ['SORT', w.key('nums'), 'BY', 'weight:*', 'STORE', w.key('list')],
  (w) => ['SORT', w.key('set'), 'ALPHA', 'STORE', w.key('list')],
  (w) => ['SUNIONSTORE', w.key('set'), w.key('set'), w.key('set')],
  (w) => ['ZUNIONSTORE', w.key('zset'), '2', w.key('zset'), w.key('set')],
  (w) => ['ZRANGESTORE', w.key('zset'), w.key('zset'), '0', `${w.many()}`],
  (w) => [w.pick(['UNLINK', 'UNLINK', 'DEL']), w.anyKey()],
  (w) => ['SELECT', w.database()],
  () => ['SELECT', '0'],
  (w) => (w.below(5) === 0 ? ['SWAPDB', w.database(), w.database()] : ['DBSIZE']),
  (w) => {
    if (w.below(60) > 0) return ['RANDOMKEY']
    return [w.pick(['FLUSHDB', 'FLUSHDB', 'FLUSHALL']), ...w.pick([[], ['ASYNC'], ['SYNC']])]
  },
  (w) => [w.pick(['BLPOP', 'BRPOP']), w.key('list'), w.pick(['0.02', '0.3'])],
  (w) => ['BLMOVE', w.key('list'), w.key('list'), 'LEFT', 'RIGHT', '0.1'],
  (w) => ['BZPOPMIN', w.key('zset'), '0.05'],
]
