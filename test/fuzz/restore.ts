// Fuzz of RESTORE with damaged payloads of all types and encodings: an error that changes nothing,
// or a value that all commands can read, change, dump and restore; never an assertion, a hang or
// unsound memory. The checksum is not looked at, so that the damage reaches what lies behind it.
//
//   node test/fuzz/restore.ts [rounds]     SEED=n repeats a run

import assert from 'node:assert/strict'
import { Random } from '../../src/base/random.ts'
import { type TestClient, TestServer } from '../../src/server/test-server.ts'
import { encodeCommand, parseValue, showText, showValue, type Value } from '../lib/resp.ts'
import { damage } from './damage.ts'
import { payloadCorpus } from './payloads.ts'

export interface RestoreTally {
  restored: number
  refused: number
  /** Types of what was restored from a damaged payload. */
  readonly types: Map<string, number>
}

const PAGE_CAPACITY = 16384
/** Longest treatment of a payload of some KB. */
const PAYLOAD_MS_MAX = 3000
const CHECK_EVERY = 20
const KEY = 'k'
const COPY = 'copy'

/** Commands that read a value of the type, in all ways. */
const READERS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  string: [
    ['GET', KEY],
    ['STRLEN', KEY],
    ['BITCOUNT', KEY],
    ['PFCOUNT', KEY],
    ['INCR', KEY],
  ],
  list: [
    ['LLEN', KEY],
    ['LRANGE', KEY, '0', '-1'],
    ['LINDEX', KEY, '-1'],
    ['LPOS', KEY, 'a'],
    ['SORT', KEY, 'ALPHA'],
  ],
  hash: [
    ['HLEN', KEY],
    ['HGETALL', KEY],
    ['HSCAN', KEY, '0', 'COUNT', '10000'],
    ['HVALS', KEY],
    ['HRANDFIELD', KEY, '-5', 'WITHVALUES'],
    ['HGET', KEY, 'a'],
  ],
  set: [
    ['SCARD', KEY],
    ['SMEMBERS', KEY],
    ['SISMEMBER', KEY, '1'],
    ['SSCAN', KEY, '0'],
    ['SRANDMEMBER', KEY, '-5'],
    ['SUNION', KEY, KEY],
  ],
  zset: [
    ['ZCARD', KEY],
    ['ZRANGE', KEY, '0', '-1', 'WITHSCORES'],
    ['ZRANK', KEY, 'a'],
    ['ZREVRANGEBYSCORE', KEY, '+inf', '-inf'],
    ['ZRANGEBYLEX', KEY, '-', '+'],
    ['ZSCAN', KEY, '0', 'COUNT', '10000'],
  ],
  stream: [
    ['XLEN', KEY],
    ['XRANGE', KEY, '-', '+'],
    ['XREVRANGE', KEY, '+', '-'],
    ['XINFO', 'STREAM', KEY, 'FULL', 'COUNT', '0'],
    ['XINFO', 'GROUPS', KEY],
    ['XREAD', 'STREAMS', KEY, '0'],
  ],
}

/** Commands that change a value of the type. */
const WRITERS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  string: [
    ['APPEND', KEY, 'x'],
    ['SETBIT', KEY, '7', '1'],
    ['PFADD', KEY, 'a', 'b'],
  ],
  list: [
    ['LPUSH', KEY, 'new'],
    ['LSET', KEY, '0', '12'],
    ['LINSERT', KEY, 'AFTER', '12', 'y'],
    ['LREM', KEY, '0', 'a'],
    ['LTRIM', KEY, '1', '-2'],
    ['RPOP', KEY, '3'],
  ],
  hash: [
    ['HSET', KEY, 'a', 'new', 'b', '12'],
    ['HINCRBY', KEY, 'b', '1'],
    ['HDEL', KEY, 'a'],
  ],
  set: [
    ['SADD', KEY, 'a', '12', '-70000'],
    ['SREM', KEY, 'a'],
    ['SPOP', KEY, '2'],
  ],
  zset: [
    ['ZADD', KEY, '1.5', 'a', '-2', 'b'],
    ['ZINCRBY', KEY, '1', 'a'],
    ['ZPOPMIN', KEY, '2'],
    ['ZREMRANGEBYRANK', KEY, '0', '1'],
  ],
  stream: [
    ['XADD', KEY, '*', 'f', 'v'],
    ['XGROUP', 'CREATE', KEY, 'new', '0'],
    ['XREADGROUP', 'GROUP', 'new', 'c', 'COUNT', '5', 'STREAMS', KEY, '>'],
    ['XTRIM', KEY, 'MAXLEN', '2'],
    ['XDEL', KEY, '1-1'],
  ],
}

/** Damages and restores; throws on the first payload that is not treated as it should be. */
export async function fuzzRestore(options: {
  readonly seed: number
  readonly rounds: number
}): Promise<RestoreTally> {
  const random = new Random(options.seed)
  const tally: RestoreTally = { restored: 0, refused: 0, types: new Map() }
  const corpus = await payloadCorpus(options.seed)
  const server = new TestServer({
    config: { save: '', 'enable-debug-command': 'yes' },
    pageCapacity: PAGE_CAPACITY,
    hasPersistence: true,
  })
  const run = new RestoreRun(server)
  for (let round = 0; round < options.rounds; round++) {
    const { type, payload } = corpus[random.below(corpus.length)]!
    const bytes = damage(payload, random)
    try {
      const found = run.treat(bytes)
      if (found === null) tally.refused++
      else {
        tally.restored++
        tally.types.set(found, (tally.types.get(found) ?? 0) + 1)
      }
      if (round % CHECK_EVERY === 0) server.engine.server.keyspace.check()
    } catch (cause) {
      const shown = bytes.toString('hex').slice(0, 20_000)
      const reason = cause instanceof Error ? cause.message : String(cause)
      const where = `SEED=${options.seed} round ${round}, ${type}`
      throw new Error(`${where}: ${reason}\npayload ${shown}`, { cause })
    }
  }
  return tally
}

class RestoreRun {
  readonly #client: TestClient

  constructor(server: TestServer) {
    this.#client = server.connect()
    this.#ask('DEBUG', 'SET-SKIP-CHECKSUM-VALIDATION', '1')
  }

  /** The type that the payload gave; null when it was refused. */
  treat(payload: Buffer): string | null {
    const startMs = performance.now()
    const text = payload.toString('latin1')
    const restored = this.#ask('RESTORE', KEY, '0', text)
    if (restored.kind === 'error') {
      assert.match(restored.text, /^(ERR|OOM)/)
      assert.equal(this.#ask('DBSIZE').text, '0', 'what is refused leaves nothing behind')
      return null
    }
    const type = this.#ask('TYPE', KEY).text
    for (const words of READERS[type] ?? []) this.#ask(...words)
    this.#checkRoundTrip()
    for (const words of WRITERS[type] ?? []) this.#ask(...words)
    if (this.#ask('EXISTS', KEY).text === '1') this.#checkRoundTrip()
    this.#ask('FLUSHALL')
    const ms = Math.round(performance.now() - startMs)
    assert.ok(ms < PAYLOAD_MS_MAX, `${ms} ms for ${payload.length} bytes`)
    return type
  }

  /** What was restored is dumped, restored and copied without loss. */
  #checkRoundTrip(): void {
    const dumped = this.#ask('DUMP', KEY)
    assert.equal(this.#ask('RESTORE', COPY, '0', dumped.text, 'REPLACE').text, 'OK', 'its own dump')
    this.#compareDigests()
    assert.equal(this.#ask('COPY', KEY, COPY, 'REPLACE').text, '1')
    this.#compareDigests()
    this.#ask('DEL', COPY)
  }

  #compareDigests(): void {
    const { items } = this.#ask('DEBUG', 'DIGEST-VALUE', KEY, COPY)
    assert.equal(items[0]!.text, items[1]!.text, 'the digest of the copy')
  }

  #ask(...words: readonly string[]): Value {
    const reply = this.#client.send(encodeCommand(words).toString('latin1'))
    const bytes = Buffer.from(reply, 'latin1')
    const parsed = parseValue(bytes, 0)
    const shown = words.map((word) => showText(word).slice(0, 60)).join(' ')
    assert.ok(parsed !== null && parsed.next === bytes.length, `one reply to ${shown}`)
    assert.ok(!/^ERR unknown command/.test(parsed.value.text), showValue(parsed.value))
    return parsed.value
  }
}

if (import.meta.main) {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  const rounds = Number(process.argv[2] ?? 50_000)
  console.log(`SEED=${seed}`)
  const { restored, refused, types } = await fuzzRestore({ seed, rounds })
  const shown = [...types].map(([type, count]) => `${count} ${type}`).join(', ')
  console.log(`${rounds} rounds: ${refused} refused, ${restored} restored: ${shown}`)
}
