// load: how many keys a second come back from disk, by type? Both servers load the same RDB files,
// which the reference has written: many small values of each type, and one large value of each.
// `save-load` and `types-save-load` measure saves of much the same data; here is what loading alone
// takes, for every form in which values lie in a file. Load time runs from spawn to the first PONG,
// less the median start of the same server with nothing to load. Files are in the page cache.

import { copyFileSync, linkSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench, Measure, Role, Setup } from './lib/bench.ts'
import { BIG_TYPES, type BigType, fillBig } from './lib/big-value.ts'
import { makeDirectory, removeDirectory } from './lib/children.ts'
import { runCommands } from './lib/commands.ts'
import type { RunningServer } from './lib/server.ts'
import { bytes, random, sequence, type Words } from './lib/template.ts'
import { emptyStartMs } from './save-load.ts'

interface Case {
  readonly name: string
  /** What is counted: keys of small values, elements of one large value. */
  readonly unit: 'keys/s' | 'elements/s'
  readonly count: number
  readonly quickCount: number
  fill(server: RunningServer, count: number): Promise<unknown>
}

const SAVE_LIMIT_MS = 120_000
/** Elements of a small value. */
const ELEMENTS = 10
const NUMBERS = Array.from({ length: ELEMENTS }, (_, i) => i)
/** IDs in a stream ascend. */
const ENTRIES = 5

const small = (name: string, words: Words, count = 500_000): Case => ({
  name,
  unit: 'keys/s',
  count,
  quickCount: 2000,
  fill: (server, keys) => runCommands(server, { commands: [words], count: keys }),
})

const CASES: readonly Case[] = [
  small('strings of 64 B', ['SET', `key:${sequence(9)}`, bytes(64)], 3_000_000),
  small('strings of 512 B', ['SET', `key:${sequence(9)}`, bytes(512)], 1_000_000),
  small('small lists', ['RPUSH', `list:${sequence(9)}`, ...NUMBERS.map(() => bytes(16))]),
  small('small sets', ['SADD', `set:${sequence(9)}`, ...NUMBERS.map(() => bytes(16))]),
  small('intsets', [
    'SADD',
    `ints:${sequence(9)}`,
    ...NUMBERS.map((i) => `${i + 1}${random(5, 1e5)}`),
  ]),
  small('small hashes', [
    'HSET',
    `hash:${sequence(9)}`,
    ...NUMBERS.flatMap((i) => [`field_${i}`, bytes(16)]),
  ]),
  small('small sorted sets', [
    'ZADD',
    `zset:${sequence(9)}`,
    ...NUMBERS.flatMap((i) => [`${i + 1}${random(5, 1e5)}`, bytes(16)]),
  ]),
  { ...small('small streams', []), count: 200_000, fill: fillStreams },
  ...BIG_TYPES.map(large),
]

export const load: Bench = {
  name: 'load',
  question: 'How many keys of each type are loaded a second?',
  rounds: 3,
  measures: CASES.map(measureOf),
  async run(setup) {
    const emptyMs = {
      subject: await emptyStartMs(setup, 'subject'),
      reference: await emptyStartMs(setup, 'reference'),
    }
    const parameters: Record<string, number> = {}
    for (const each of CASES) {
      const count = setup.keys(each.count, each.quickCount)
      const folder = makeDirectory(setup.work)
      try {
        const path = join(folder, 'dump.rdb')
        setup.log(`${each.name}: writing the file`)
        await writeFile(setup, { each, count, path })
        await setup.alternate((role) =>
          loadFile(setup, role, { each, count, path, emptyMs: emptyMs[role] }),
        )
        parameters[each.name] = count
      } finally {
        removeDirectory(folder)
      }
    }
    return parameters
  },
}

interface FileCase {
  readonly each: Case
  readonly count: number
  readonly path: string
}

async function loadFile(
  setup: Setup,
  role: Role,
  { each, count, path, emptyMs }: FileCase & { readonly emptyMs: number },
): Promise<void> {
  const prepare = (directory: string) => linkSync(path, join(directory, 'dump.rdb'))
  const measure = async (server: RunningServer) => {
    const keys = await server.client.call(['DBSIZE'])
    const expected = each.unit === 'keys/s' ? count : 1
    if (keys !== expected) throw new Error(`loaded ${keys} keys, expected ${expected}`)
    // At quick sizes a load may be lost in the noise of a start; it still counts as a moment.
    const seconds = Math.max(server.readyMs - emptyMs, 1) / 1000
    setup.add(measureOf(each).name, role, count / seconds)
  }
  await setup.withServer(role, measure, { prepare })
}

/** Has the reference write the case's file. */
async function writeFile(setup: Setup, { each, count, path }: FileCase): Promise<void> {
  await setup.withServer('reference', async (server) => {
    await each.fill(server, count)
    await server.client.call(['SAVE'], SAVE_LIMIT_MS)
    copyFileSync(server.rdbPath, path)
  })
}

async function fillStreams(server: RunningServer, keys: number): Promise<void> {
  for (let id = 1; id <= ENTRIES; id++) {
    const words = [
      'XADD',
      `stream:${sequence(9)}`,
      `${id}-0`,
      'sensor',
      bytes(8),
      'value',
      bytes(8),
    ]
    await runCommands(server, { commands: [words], count: keys })
  }
}

function large(type: BigType): Case {
  return {
    name: `one ${type}`,
    unit: 'elements/s',
    count: 2_000_000,
    quickCount: 10_000,
    fill: (server, count) => fillBig(server, type, { key: 'value', count }),
  }
}

function measureOf({ name, unit }: Case): Measure {
  return { name, unit, better: 'higher', target: { of: 'ratio', limit: 1 } }
}
