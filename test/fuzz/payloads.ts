// Payloads of RESTORE of all types and encodings: those that redis-server dumps under several
// limits of its encodings, where it is installed, and old ones that it only reads, made by hand
// here.

import { Random } from '../../src/base/random.ts'
import type { ParsedRow } from '../differential/rows.ts'
import { makeScript, THRESHOLDS } from '../differential/script.ts'
import { REFERENCE, TestServer } from '../lib/server.ts'

export interface Payload {
  readonly type: string
  readonly payload: Buffer
}

const SCRIPT_COMMANDS = 300
const SCRIPTS = 8
const RDB_VERSION = 10
/** Large ones would only slow the runs. */
const PAYLOAD_BYTES_MAX = 4000

/** All payloads; the last part of each, the checksum, is 0, which says that there is none. */
export async function payloadCorpus(seed: number): Promise<Payload[]> {
  const old = OLD_VALUES.map(([type, ...parts]) => ({ type, payload: sealed(parts) }))
  const dumped = REFERENCE === '' ? [] : await dumpedPayloads(seed)
  // There are many dumped ones: the old ones get as much of the attention.
  return [...dumped, ...Array.from({ length: 8 }, () => old).flat()]
}

async function dumpedPayloads(seed: number): Promise<Payload[]> {
  const args = ['--enable-debug-command', 'yes', '--rdbcompression', seed % 2 ? 'yes' : 'no']
  const server = await TestServer.start({ command: REFERENCE, args })
  const payloads: Payload[] = []
  try {
    const client = await server.connect()
    for (let i = 0; i < SCRIPTS; i++) {
      const script = makeScript(new Random(seed + i), SCRIPT_COMMANDS, isQuick)
      await client.text('FLUSHALL')
      await client.text('CONFIG', 'SET', ...Object.entries(THRESHOLDS[i % 4]!).flat())
      for (const { words } of script.steps) {
        await client.call(...words.map((word) => Buffer.from(word, 'latin1')))
      }
      await client.call('DISCARD')
      const keys = await client.call('KEYS', '*')
      for (const { text } of keys.items) {
        const key = Buffer.from(text, 'latin1')
        const type = (await client.call('TYPE', key)).text
        const payload = Buffer.from((await client.call('DUMP', key)).text, 'latin1')
        if (payload.length < PAYLOAD_BYTES_MAX) payloads.push({ type, payload })
      }
    }
    client.close()
    return payloads
  } finally {
    await server.stop()
  }
}

/** Rows that neither wait nor save. */
function isQuick({ name, isBlocking, isNewer }: ParsedRow): boolean {
  return isBlocking !== true && isNewer !== true && name !== 'debug' && name !== 'select'
}

type Part = number | string | Buffer

/** A value's parts with what a payload ends in: the version, and no checksum. */
function sealed(parts: readonly Part[]): Buffer {
  const bytes = parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : text(part)))
  return Buffer.concat([...bytes, Buffer.from([RDB_VERSION, 0]), Buffer.alloc(8)])
}

/** An RDB string: texts with their length, buffers as they are. */
function text(part: string | Buffer): Buffer {
  if (typeof part !== 'string') return part
  return Buffer.concat([Buffer.from([part.length]), Buffer.from(part, 'latin1')])
}

/** Bytes as one RDB string of up to 16383 bytes. */
function blob(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x40 | (bytes.length >> 8), bytes.length & 0xff]), bytes])
}

/** A ziplist: total bytes, offset of the last entry, count, entries, end. */
function ziplist(entries: readonly (string | number)[]): Buffer {
  const parts: Buffer[] = []
  let previous = 0
  let tail = 10
  let total = 10
  for (const entry of entries) {
    const bytes = Buffer.concat([Buffer.from([previous]), ziplistEntry(entry)])
    tail = total
    total += bytes.length
    previous = bytes.length
    parts.push(bytes)
  }
  const head = Buffer.alloc(10)
  head.writeUInt32LE(total + 1, 0)
  head.writeUInt32LE(tail, 4)
  head.writeUInt16LE(entries.length, 8)
  return blob(Buffer.concat([head, ...parts, Buffer.from([0xff])]))
}

function ziplistEntry(entry: string | number): Buffer {
  if (typeof entry === 'string') return text(entry)
  if (entry >= 0 && entry <= 12) return Buffer.from([0xf1 + entry])
  const bytes = Buffer.alloc(5)
  bytes[0] = 0xd0
  bytes.writeInt32LE(entry, 1)
  return bytes
}

/** An intset of 16 bits: width, count, members. */
function intset(members: readonly number[]): Buffer {
  const bytes = Buffer.alloc(8 + 2 * members.length)
  bytes.writeUInt32LE(2, 0)
  bytes.writeUInt32LE(members.length, 4)
  for (const [i, member] of members.entries()) bytes.writeInt16LE(member, 8 + 2 * i)
  return blob(bytes)
}

/** A zipmap: count, then length and bytes of each field and value, with a free byte before it. */
function zipmap(pairs: readonly (readonly [string, string])[]): Buffer {
  const parts = pairs.flatMap(([field, value]) => [
    text(field),
    Buffer.from([value.length, 0]),
    Buffer.from(value, 'latin1'),
  ])
  return blob(Buffer.concat([Buffer.from([pairs.length]), ...parts, Buffer.from([0xff])]))
}

/** Types of value by their number in RDB, with contents. */
const OLD_VALUES: readonly (readonly [string, ...Part[]])[] = [
  ['list', 1, 3, 'a', 'b', '12'],
  ['set', 2, 3, 'a', 'b', '12'],
  ['sorted set with text scores', 3, 3, 'a', '1.5', 'b', '-2', 'c', 0xfe],
  ['hash', 4, 2, 'a', 'one', 'b', '12'],
  [
    'hash as zipmap',
    9,
    zipmap([
      ['a', 'one'],
      ['b', '12'],
      ['c', ''],
    ]),
  ],
  ['list as ziplist', 10, ziplist(['a', 3, 100_000, 'text', -5])],
  ['set as intset', 11, intset([-7, 1, 2, 300])],
  ['sorted set as ziplist', 12, ziplist(['a', 1, 'b', '1.5', 'c', 100])],
  ['hash as ziplist', 13, ziplist(['a', 'one', 'b', 12, 'c', ''])],
  ['list as quicklist', 14, 2, ziplist(['a', 3]), ziplist([-70_000, 'end'])],
]
