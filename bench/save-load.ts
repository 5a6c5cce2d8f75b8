// save-load: how fast does a dataset go to disk and come back? Both servers load the same RDB file,
// which the reference has written, and save it again. Load time runs from spawn to the first PONG,
// less the median start of the same server with nothing to load. Rates are of the common file's
// size, so that they compare times on the same data and not the file sizes of two writers.
//
// The file is in the page cache when it is loaded, and a save includes its fsync.

import { copyFileSync, linkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Bench, type Measure, ROLES, type Role, type Setup } from './lib/bench.ts'
import { makeDirectory, removeDirectory } from './lib/children.ts'
import { type Dataset, fill } from './lib/load.ts'
import { backgroundSave } from './lib/save.ts'
import type { RunningServer } from './lib/server.ts'
import { median, rounded } from './lib/stats.ts'
import { machineMs } from './lib/time.ts'

interface Case {
  readonly name: string
  readonly dataset: Dataset
  readonly quickKeys: number
}

const CASES: readonly Case[] = [
  {
    name: '512 B random',
    dataset: { keys: 1_000_000, valueBytes: 512, valueKind: 'random' },
    quickKeys: 2000,
  },
  {
    name: '512 B text',
    dataset: { keys: 1_000_000, valueBytes: 512, valueKind: 'compressible' },
    quickKeys: 2000,
  },
  {
    name: '64 B random',
    dataset: { keys: 5_000_000, valueBytes: 64, valueKind: 'random' },
    quickKeys: 5000,
  },
]

const POLL_MS = 5
const SAVE_LIMIT_MS = 120_000
const MEGABYTE = 1e6

export const saveLoad: Bench = {
  name: 'save-load',
  question: 'How fast is a dataset saved, and how fast is it loaded at the start?',
  rounds: 3,
  measures: CASES.flatMap(({ name }): Measure[] => [
    { name: `SAVE, ${name}`, unit: 'MB/s', better: 'higher', target: { of: 'ratio', limit: 1 } },
    { name: `BGSAVE, ${name}`, unit: 'MB/s', better: 'higher', target: { of: 'ratio', limit: 1 } },
    { name: `load, ${name}`, unit: 'keys/s', better: 'higher', target: { of: 'ratio', limit: 1 } },
    { name: `file written, ${name}`, unit: 'MB', better: 'lower' },
  ]),
  async run(setup) {
    const emptyMs = {
      subject: await emptyStartMs(setup, 'subject'),
      reference: await emptyStartMs(setup, 'reference'),
    }
    const parameters: Record<string, number> = {}
    for (const each of CASES) {
      const keys = setup.keys(each.dataset.keys, each.quickKeys)
      const folder = makeDirectory(setup.work)
      try {
        const path = join(folder, 'dump.rdb')
        setup.log(`${each.name}: writing the file`)
        await writeFile(setup, { ...each.dataset, keys }, path)
        await setup.alternate((role) =>
          measureFile(setup, role, { name: each.name, keys, path, emptyMs: emptyMs[role] }),
        )
        parameters[`keys of ${each.name}`] = keys
        parameters[`file MB of ${each.name}`] = rounded(statSync(path).size / MEGABYTE)
      } finally {
        removeDirectory(folder)
      }
    }
    for (const role of ROLES) {
      parameters[`empty start of the ${role}, ms`] = Math.round(emptyMs[role])
    }
    return parameters
  },
}

interface FileCase {
  readonly name: string
  readonly keys: number
  readonly path: string
  readonly emptyMs: number
}

async function measureFile(setup: Setup, role: Role, file: FileCase): Promise<void> {
  const fileMegabytes = statSync(file.path).size / MEGABYTE
  const prepare = (directory: string) => linkSync(file.path, join(directory, 'dump.rdb'))
  const measure = async (server: RunningServer) => {
    const count = await server.client.call(['DBSIZE'])
    if (count !== file.keys) throw new Error(`loaded ${count} keys, expected ${file.keys}`)
    // At quick sizes a load may be lost in the noise of a start; it still counts as a moment.
    const loadSeconds = Math.max(server.readyMs - file.emptyMs, 1) / 1000
    setup.add(`load, ${file.name}`, role, file.keys / loadSeconds)

    // The background save first: it must find the keyspace as the load has left it.
    const save = await backgroundSave(server, POLL_MS)
    const backgroundSeconds = (save.endMs - save.startMs) / 1000
    setup.add(`BGSAVE, ${file.name}`, role, fileMegabytes / backgroundSeconds)
    const startMs = machineMs()
    await server.client.call(['SAVE'], SAVE_LIMIT_MS)
    const seconds = (machineMs() - startMs) / 1000
    setup.add(`SAVE, ${file.name}`, role, fileMegabytes / seconds)
    setup.add(`file written, ${file.name}`, role, statSync(server.rdbPath).size / MEGABYTE)
  }
  await setup.withServer(role, measure, { prepare })
}

/** Has the reference write the dataset's file. */
async function writeFile(setup: Setup, dataset: Dataset, path: string): Promise<void> {
  await setup.withServer('reference', async (server) => {
    await fill(server, dataset)
    await server.client.call(['SAVE'], SAVE_LIMIT_MS)
    copyFileSync(server.rdbPath, path)
  })
}

/** Milliseconds from spawn to the first PONG with nothing to load, the median of a few starts. */
export async function emptyStartMs(setup: Setup, role: Role): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < setup.size(5, 1); i++) {
    await setup.withServer(role, async (server) => {
      times.push(server.readyMs)
    })
  }
  return median(times)
}
