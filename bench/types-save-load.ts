// types-save-load: how fast do collections go to disk and come back? As `save-load`, for one value
// of a million elements of each type and for a hundred thousand small hashes: both servers load the
// same RDB file, which the reference has written, save it in the background and in the foreground.
// Rates are of the common file's size and of its elements. Load time runs from spawn to the first
// PONG, less the median start of the same server with nothing to load.

import { copyFileSync, linkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench, Measure, Role, Setup } from './lib/bench.ts'
import { BIG_TYPES, type BigType, fillBig } from './lib/big-value.ts'
import { makeDirectory, removeDirectory } from './lib/children.ts'
import { runCommands } from './lib/commands.ts'
import { backgroundSave } from './lib/save.ts'
import type { RunningServer } from './lib/server.ts'
import { rounded } from './lib/stats.ts'
import { bytes, sequence } from './lib/template.ts'
import { machineMs } from './lib/time.ts'
import { emptyStartMs } from './save-load.ts'

interface Case {
  readonly name: string
  fill(server: RunningServer, elements: number): Promise<unknown>
}

const POLL_MS = 5
const SAVE_LIMIT_MS = 120_000
const MEGABYTE = 1e6
const KEY = 'value'
const SMALL_FIELDS = 10

const CASES: readonly Case[] = [
  ...BIG_TYPES.map(bigCase),
  {
    name: 'small hashes',
    fill: (server, elements) => {
      const fields = Array.from({ length: SMALL_FIELDS }, (_, i) => [`field_${i}`, bytes(16)])
      const commands = [['HSET', `hash:${sequence(11)}`, ...fields.flat()]]
      return runCommands(server, { commands, count: elements / SMALL_FIELDS })
    },
  },
]

export const typesSaveLoad: Bench = {
  name: 'types-save-load',
  question: 'How fast are collections saved, and how fast are they loaded at the start?',
  rounds: 3,
  measures: CASES.flatMap(({ name }): Measure[] => [
    rate('SAVE', name, 'MB/s'),
    rate('BGSAVE', name, 'MB/s'),
    rate('BGSAVE', name, 'elements/s'),
    rate('load', name, 'elements/s'),
  ]),
  async run(setup) {
    const elements = setup.keys(1_000_000, 10_000)
    const emptyMs = {
      subject: await emptyStartMs(setup, 'subject'),
      reference: await emptyStartMs(setup, 'reference'),
    }
    const parameters: Record<string, number> = { elements }
    for (const each of CASES) {
      const folder = makeDirectory(setup.work)
      try {
        const path = join(folder, 'dump.rdb')
        setup.log(`${each.name}: writing the file`)
        await writeFile(setup, { each, elements, path })
        await setup.alternate((role) =>
          measureFile(setup, role, { each, elements, path, emptyMs: emptyMs[role] }),
        )
        parameters[`file MB of ${each.name}`] = rounded(statSync(path).size / MEGABYTE)
      } finally {
        removeDirectory(folder)
      }
    }
    return parameters
  },
}

interface FileCase {
  readonly each: Case
  readonly elements: number
  readonly path: string
}

async function measureFile(
  setup: Setup,
  role: Role,
  { each, elements, path, emptyMs }: FileCase & { emptyMs: number },
): Promise<void> {
  const { name } = each
  const megabytes = statSync(path).size / MEGABYTE
  const prepare = (directory: string) => linkSync(path, join(directory, 'dump.rdb'))
  const measure = async (server: RunningServer) => {
    if (Number(await server.client.call(['DBSIZE'])) === 0) throw new Error('nothing was loaded')
    // At quick sizes a load may be lost in the noise of a start; it still counts as a moment.
    const loadSeconds = Math.max(server.readyMs - emptyMs, 1) / 1000
    setup.add(rate('load', name, 'elements/s').name, role, elements / loadSeconds)

    // The background save first: it must find the keyspace as the load has left it.
    const save = await backgroundSave(server, POLL_MS)
    const backgroundSeconds = (save.endMs - save.startMs) / 1000
    setup.add(rate('BGSAVE', name, 'MB/s').name, role, megabytes / backgroundSeconds)
    setup.add(rate('BGSAVE', name, 'elements/s').name, role, elements / backgroundSeconds)
    const startMs = machineMs()
    await server.client.call(['SAVE'], SAVE_LIMIT_MS)
    const seconds = (machineMs() - startMs) / 1000
    setup.add(rate('SAVE', name, 'MB/s').name, role, megabytes / seconds)
  }
  await setup.withServer(role, measure, { prepare })
}

/** Has the reference write the case's file. */
async function writeFile(setup: Setup, { each, elements, path }: FileCase): Promise<void> {
  await setup.withServer('reference', async (server) => {
    await each.fill(server, elements)
    await server.client.call(['SAVE'], SAVE_LIMIT_MS)
    copyFileSync(server.rdbPath, path)
  })
}

function bigCase(type: BigType): Case {
  return {
    name: `one ${type}`,
    fill: (server, elements) => fillBig(server, type, { key: KEY, count: elements }),
  }
}

function rate(what: string, name: string, unit: string): Measure {
  return {
    name: `${what}, ${name}, ${unit}`,
    unit,
    better: 'higher',
    target: { of: 'ratio', limit: 1 },
    cell: { row: name, column: `${what}, ${unit}` },
  }
}
