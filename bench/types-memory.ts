// types-memory: how many bytes does an element of a collection cost? Growth of `used_memory` and of
// the resident set while an empty server takes one case, divided by the elements. Each case has a
// fresh server, because a resident set does not shrink; it takes a fiftieth of the case first, and
// is flushed, so that compiled code and buffers do not count as elements.
//
// A set, hash or sorted set is then read half as often as it has elements, before memory is looked
// at: Redis moves one bucket to its new table per command, and would otherwise still hold both.

import type { Bench, Measure, Role, Setup } from './lib/bench.ts'
import { type BigType, fillBig, randomElement } from './lib/big-value.ts'
import { runCommands } from './lib/commands.ts'
import { rssTreeBytes } from './lib/proc.ts'
import type { RunningServer } from './lib/server.ts'
import { bytes, sequence, type Words } from './lib/template.ts'
import { sleep } from './lib/time.ts'

interface Case {
  readonly name: string
  readonly elements: number
  fill(server: RunningServer, elements: number): Promise<unknown>
}

const RATIO_LIMIT = 0.9
const MILLION = 1_000_000
const WARM_PART = 50
const SMALL_FIELDS = 10
const KEY = 'value'

const CASES: readonly Case[] = [
  bigCase('set, 16 B', 'set', 'SISMEMBER'),
  bigCase('hash, 16 + 32 B', 'hash', 'HEXISTS'),
  bigCase('sorted set, 16 B', 'zset', 'ZSCORE'),
  bigCase('list, 16 B', 'list'),
  {
    name: 'list, 100 B',
    elements: MILLION,
    fill: (server, elements) =>
      runCommands(server, { commands: [['RPUSH', KEY, bytes(100)]], count: elements }),
  },
  bigCase('stream, 2 fields', 'stream'),
  {
    name: 'small hashes, per field of 10',
    elements: MILLION,
    fill: (server, elements) =>
      runCommands(server, { commands: [smallHash()], count: elements / SMALL_FIELDS }),
  },
]

export const typesMemory: Bench = {
  name: 'types-memory',
  question: 'How many bytes does an element of a collection cost?',
  rounds: 2,
  measures: CASES.flatMap(({ name }): Measure[] => [
    {
      name: `used_memory, ${name}`,
      unit: 'B',
      better: 'lower',
      target: { of: 'ratio', limit: RATIO_LIMIT },
    },
    { name: `RSS, ${name}`, unit: 'B', better: 'lower' },
  ]),
  async run(setup) {
    for (const each of CASES) {
      setup.log(each.name)
      await setup.alternate((role) =>
        setup.withServer(role, (server) => measureCase(setup, role, { server, each })),
      )
    }
    return { elements: setup.keys(MILLION, 20_000) }
  },
}

async function measureCase(
  setup: Setup,
  role: Role,
  { server, each }: { server: RunningServer; each: Case },
): Promise<void> {
  const settleMs = setup.size(1500, 100)
  const elements = setup.keys(each.elements, 20_000)
  await each.fill(server, elements / WARM_PART)
  await server.client.call(['FLUSHALL'])
  await sleep(settleMs)
  const before = await readMemory(server)
  await each.fill(server, elements)
  await sleep(settleMs)
  const after = await readMemory(server)
  setup.add(`used_memory, ${each.name}`, role, (after.usedBytes - before.usedBytes) / elements)
  const grown = Math.max(0, after.rssBytes - before.rssBytes)
  setup.add(`RSS, ${each.name}`, role, grown / elements)
}

async function readMemory(server: RunningServer) {
  const info = await server.client.info('memory')
  const usedBytes = Number(info.get('used_memory'))
  if (!(usedBytes > 0)) throw new Error(`INFO memory: used_memory is ${usedBytes}`)
  return { usedBytes, rssBytes: rssTreeBytes(server.pid) }
}

/** One value of a million elements; `read` looks one of them up, and moves a bucket on in Redis. */
function bigCase(name: string, type: BigType, read?: string): Case {
  return {
    name,
    elements: MILLION,
    async fill(server, elements) {
      await fillBig(server, type, { key: KEY, count: elements })
      if (!read) return
      const commands = [[read, KEY, randomElement(elements)]]
      await runCommands(server, { commands, count: elements / 2 })
    },
  }
}

/** A hash of ten fields, made by one command. */
function smallHash(): Words {
  const fields = Array.from({ length: SMALL_FIELDS }, (_, i) => [`field_${i}`, bytes(16)])
  return ['HSET', `hash:${sequence(11)}`, ...fields.flat()]
}
