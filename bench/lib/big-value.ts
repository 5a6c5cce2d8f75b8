// One value of each collection type with as many elements as wanted, the same on both servers:
// members and elements have 16 bytes, hash values 32, scores are random, stream entries have two
// fields. A fill sends several elements per command, so that millions take seconds.
//
// Element number i is `element:` and eight digits, in a list at index i; a stream's entry has the
// ID 1 and twelve digits, so that entries in the middle have IDs that are known beforehand.

import { runCommands } from './commands.ts'
import type { RunningServer } from './server.ts'
import { bytes, random, type SequenceForm, sequence, type Words } from './template.ts'

export const BIG_TYPES = ['list', 'set', 'hash', 'zset', 'stream'] as const
export type BigType = (typeof BIG_TYPES)[number]

/** Elements per command of a fill: divides all sizes that are powers of ten from 100 on. */
const PER_COMMAND = 20
const SCORE_DIGITS = 9
const SCORE_LIMIT = 1_000_000_000

const COUNT_COMMANDS: Readonly<Record<BigType, string>> = {
  list: 'LLEN',
  set: 'SCARD',
  hash: 'HLEN',
  zset: 'ZCARD',
  stream: 'XLEN',
}

/** The name of an element: 16 bytes. */
export function element(form: SequenceForm = {}): string {
  return `element:${sequence(8, form)}`
}

/** A random one of the first `count` elements. */
export function randomElement(count: number): string {
  return `element:${random(8, count)}`
}

export function randomScore(): string {
  return random(SCORE_DIGITS, SCORE_LIMIT)
}

/** Element number `index`, as a fixed word. */
export function elementAt(index: number): string {
  return `element:${String(index).padStart(8, '0')}`
}

/** The ID of stream entry number `index`. */
export function entryIdAt(index: number): string {
  return `1${String(index).padStart(12, '0')}-0`
}

/** Makes a value of `count` elements under `key` and checks that they are there. */
export async function fillBig(
  server: RunningServer,
  type: BigType,
  { key, count }: { readonly key: string; readonly count: number },
): Promise<void> {
  const perCommand = type === 'stream' ? 1 : PER_COMMAND
  if (count % perCommand !== 0) throw new Error(`fill: ${count} is not a multiple of ${perCommand}`)
  // One connection keeps the order of a list's elements and of a stream's entries.
  await runCommands(server, {
    commands: [fillCommand(type, key, perCommand)],
    count: count / perCommand,
    connections: 1,
    batches: 4,
  })
  const found = await server.client.call([COUNT_COMMANDS[type], key])
  if (found !== count) throw new Error(`fill: ${type} has ${found} elements, expected ${count}`)
}

/** One command that adds `perCommand` elements. */
function fillCommand(type: BigType, key: string, perCommand: number): Words {
  const name = (i: number) => element({ times: perCommand, plus: i })
  const repeat = (words: (i: number) => readonly string[]) =>
    Array.from({ length: perCommand }, (_, i) => words(i)).flat()
  switch (type) {
    case 'list':
      return ['RPUSH', key, ...repeat((i) => [name(i)])]
    case 'set':
      return ['SADD', key, ...repeat((i) => [name(i)])]
    case 'hash':
      return ['HSET', key, ...repeat((i) => [name(i), bytes(32)])]
    case 'zset':
      return ['ZADD', key, ...repeat((i) => [randomScore(), name(i)])]
    case 'stream':
      return ['XADD', key, `1${sequence(12)}-0`, ...entryFields()]
  }
}

/** The two fields of a stream entry. */
export function entryFields(): Words {
  return ['sensor', random(6, 1_000_000), 'value', random(6, 1_000_000)]
}
