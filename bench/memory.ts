// memory: how many bytes does a key cost? Growth of `used_memory` and of the resident set while an
// empty server takes the dataset, divided by the keys. The V8 heap must stay flat: where INFO shows
// `tidemark_heap_used`, the keyspace is grown to twice the size and the heap's growth noted.
//
// Every key is then written once more before memory is read: Redis moves one bucket to its new
// table per command, and after the fill alone it still holds both tables (180 bytes per key at 5 M
// keys instead of 173), which it would be unfair to count.

import type { Bench, Role, Setup } from './lib/bench.ts'
import { type Dataset, fill } from './lib/load.ts'
import { rssTreeBytes } from './lib/proc.ts'
import { hasRedisBenchmark, runRedisBenchmark } from './lib/redis-benchmark.ts'
import type { RunningServer } from './lib/server.ts'
import { sleep } from './lib/time.ts'

const HEAP_FIELD = 'tidemark_heap_used'

export const memory: Bench = {
  name: 'memory',
  question: 'How many bytes does a key cost, and does the V8 heap stay flat?',
  rounds: 2,
  measures: [
    {
      name: 'used_memory per key',
      unit: 'B',
      better: 'lower',
      target: { of: 'ratio', limit: 0.62 },
    },
    { name: 'RSS per key', unit: 'B', better: 'lower', target: { of: 'ratio', limit: 0.62 } },
    { name: 'used_memory per key, filled by redis-benchmark', unit: 'B', better: 'lower' },
    {
      name: 'V8 heap growth at twice the keys',
      unit: 'MB',
      better: 'lower',
      target: { of: 'subject', limit: 30 },
    },
    { name: 'fill rate', unit: 'SET/s', better: 'higher' },
  ],
  async run(setup) {
    const keys = setup.keys(5_000_000, 20_000)
    const dataset: Dataset = { keys, valueBytes: 64, valueKind: 'random' }
    await setup.alternate(async (role) => {
      await setup.withServer(role, (server) => measureFill(setup, role, { server, dataset }))
    })
    if (hasRedisBenchmark()) await crossCheck(setup, Math.min(keys, 1_000_000))
    else setup.notes.push('redis-benchmark is not installed: no cross-check.')
    return { keys, 'key bytes': 16, 'value bytes': 64 }
  },
}

async function measureFill(
  setup: Setup,
  role: Role,
  { server, dataset }: { server: RunningServer; dataset: Dataset },
): Promise<void> {
  const settleMs = setup.size(2000, 200)
  await sleep(settleMs)
  const before = await readMemory(server)
  const filled = await fill(server, dataset)
  await fill(server, dataset)
  await sleep(settleMs)
  const after = await readMemory(server)
  const { keys } = dataset
  setup.add('used_memory per key', role, (after.usedBytes - before.usedBytes) / keys)
  setup.add('RSS per key', role, (after.rssBytes - before.rssBytes) / keys)
  setup.add('fill rate', role, (keys * 1000) / (filled.endMs - filled.startMs))

  if (Number.isNaN(before.heapBytes)) return
  await fill(server, dataset, keys)
  await sleep(settleMs)
  const grown = await readMemory(server)
  const growth = (grown.heapBytes - before.heapBytes) / 1e6
  setup.add('V8 heap growth at twice the keys', role, growth)
}

/** The same measure with keys and values that somebody else's program has written. */
async function crossCheck(setup: Setup, keys: number): Promise<void> {
  for (const role of ['subject', 'reference'] as const) {
    await setup.withServer(role, async (server) => {
      const before = await readMemory(server)
      await runRedisBenchmark({
        port: server.port,
        test: 'set',
        requests: keys,
        keys,
        valueBytes: 64,
        pipeline: 64,
      })
      await sleep(setup.size(1000, 100))
      const after = await readMemory(server)
      const count = Number(await server.client.call(['DBSIZE']))
      const perKey = (after.usedBytes - before.usedBytes) / count
      setup.add('used_memory per key, filled by redis-benchmark', role, perKey)
    })
  }
  setup.notes.push(
    `redis-benchmark wrote ${keys} times to random ones of ${keys} keys, which makes about 63 % ` +
      'of them; growth is divided by DBSIZE.',
  )
}

async function readMemory(server: RunningServer) {
  const info = await server.client.info('memory')
  const usedBytes = Number(info.get('used_memory'))
  if (!(usedBytes > 0)) throw new Error(`INFO memory: used_memory is ${usedBytes}`)
  const heap = info.get(HEAP_FIELD) ?? (await server.client.info('everything')).get(HEAP_FIELD)
  return { usedBytes, rssBytes: rssTreeBytes(server.pid), heapBytes: Number(heap ?? Number.NaN) }
}
