// Commands that need memory, a row for each way to grow: what counts what has become of them, what
// reads it, and what makes room again.

const BYTES = 2 * 1024
const text = 'v'.repeat(BYTES)
const value = (i: number) => `${text}${i}`

/** Enough for a HyperLogLog to be dense, 12 KB. */
const SEEN = Array.from({ length: 1500 }, (_, i) => `${i}`)

export interface Growth {
  readonly name: string
  /** The command of step `i`. */
  readonly grow: (i: number) => readonly string[]
  /** Counts what is there; each command raises that by `step`. */
  readonly count: readonly string[]
  readonly step: number
  /** A command that reads, and what its reply shows. */
  readonly read: readonly string[]
  readonly shown: RegExp
  /** A key that goes, and with it at least a tenth of all. */
  readonly gone: readonly string[]
}

const one = { gone: ['DEL', 'key'], step: 1 }
const many = {
  ...one,
  count: ['DBSIZE'],
  gone: ['DEL', ...Array.from({ length: 2000 }, (_, i) => `key${i}`)],
}
export const GROWTHS: readonly Growth[] = [
  {
    ...many,
    name: 'SET',
    grow: (i) => ['SET', `key${i}`, value(i)],
    read: ['GET', 'key0'],
    shown: /v0$/,
  },
  {
    ...many,
    name: 'MSET',
    grow: (i) => ['MSET', `key${i}`, value(i), `other${i}`, value(i)],
    step: 2,
    read: ['GET', 'other0'],
    shown: /v0$/,
  },
  {
    ...one,
    name: 'APPEND',
    grow: () => ['APPEND', 'key', text],
    count: ['STRLEN', 'key'],
    step: BYTES,
    read: ['GETRANGE', 'key', '0', '1'],
    shown: /^vv$/,
  },
  {
    ...one,
    name: 'SETRANGE',
    grow: (i) => ['SETRANGE', 'key', `${i * BYTES}`, text],
    count: ['STRLEN', 'key'],
    step: BYTES,
    read: ['GETRANGE', 'key', '0', '1'],
    shown: /^vv$/,
  },
  {
    ...many,
    name: 'SETBIT',
    grow: (i) => ['SETBIT', `key${i}`, `${8 * BYTES}`, '1'],
    read: ['BITCOUNT', 'key0'],
    shown: /^1$/,
  },
  {
    ...many,
    name: 'INCR',
    grow: (i) => ['INCR', `${'key'.repeat(200)}${i}`],
    gone: ['DEL', ...Array.from({ length: 8000 }, (_, i) => `${'key'.repeat(200)}${i}`)],
    read: ['GET', `${'key'.repeat(200)}0`],
    shown: /^1$/,
  },
  {
    ...one,
    name: 'RPUSH',
    grow: (i) => ['RPUSH', 'key', value(i)],
    count: ['LLEN', 'key'],
    read: ['LINDEX', 'key', '0'],
    shown: /v0$/,
  },
  {
    ...one,
    name: 'HSET',
    grow: (i) => ['HSET', 'key', `${i}`, value(i)],
    count: ['HLEN', 'key'],
    read: ['HGET', 'key', '0'],
    shown: /v0$/,
  },
  {
    ...one,
    name: 'SADD',
    grow: (i) => ['SADD', 'key', value(i)],
    count: ['SCARD', 'key'],
    read: ['SISMEMBER', 'key', value(0)],
    shown: /^1$/,
  },
  {
    ...one,
    name: 'ZADD',
    grow: (i) => ['ZADD', 'key', `${i}`, value(i)],
    count: ['ZCARD', 'key'],
    read: ['ZSCORE', 'key', value(0)],
    shown: /^0$/,
  },
  {
    ...one,
    name: 'GEOADD',
    grow: (i) => ['GEOADD', 'key', '13.36', '38.11', value(i)],
    count: ['ZCARD', 'key'],
    read: ['GEOHASH', 'key', value(0)],
    shown: /sqc8b/,
  },
  {
    ...one,
    name: 'XADD',
    grow: (i) => ['XADD', 'key', `1-${i + 1}`, 'field', value(i)],
    count: ['XLEN', 'key'],
    read: ['XRANGE', 'key', '1-1', '1-1'],
    shown: /"1-1"/,
  },
  {
    ...many,
    name: 'PFMERGE',
    grow: (i) => (i === 0 ? ['PFADD', 'key0', ...SEEN] : ['PFMERGE', `key${i}`, 'key0']),
    read: ['PFCOUNT', 'key0'],
    shown: /^1[45]\d\d$/,
  },
  {
    ...many,
    name: 'COPY',
    grow: (i) => (i === 0 ? ['SET', 'key0', text] : ['COPY', 'key0', `key${i}`]),
    read: ['STRLEN', 'key0'],
    shown: /^2048$/,
  },
]
