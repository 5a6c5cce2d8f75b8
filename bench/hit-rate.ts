// hit-rate: how good are the keys that stay? Both servers are caches of the same number of keys,
// are asked for the same keys in the same order at the same pace, and get each key stored that they
// did not have. The share of lookups that found their key tells how well the policy chooses.
//
// A limit is in bytes, and the servers need different ones for the same number of keys: each is
// filled with the most wanted ones, and its limit is what it uses then; during the first part of
// the load that is corrected by the number of keys that it really holds. Lookups of that part are
// not counted.
//
// Loads: Zipf with exponents 0.8 and 0.99, and 0.99 broken by scans, four tenths of all requests,
// over keys that come once; lookups of these are not counted.

import { Random } from '../src/base/random.ts'
import { type Bench, type Measure, ROLES, type Role, type Setup } from './lib/bench.ts'
import { type KeySequence, nameOf, Polluted, runCache, Zipf } from './lib/cache-load.ts'
import type { RunningServer } from './lib/server.ts'

const POLICIES = ['allkeys-lru', 'allkeys-lfu'] as const
const SAMPLES = [5, 10] as const
const LOADS = ['Zipf 0.8', 'Zipf 0.99', 'Zipf 0.99 with scans'] as const
const SEED = 1
const VALUE_BYTES = 64
/** Slow enough that keys live for several ticks of the clocks, which count seconds. */
const PACE = 5000
/** Keys that are asked for, for each one that there is room for. */
const KEYS_PER_PLACE = 5
/** How often the limit is corrected before hits are counted. */
const CORRECTIONS = 4
/** Both choose at random: a lead of less than this is chance. */
const RATIO_LIMIT = 0.99

type Policy = (typeof POLICIES)[number]
type Load = (typeof LOADS)[number]

interface Case {
  readonly policy: Policy
  readonly samples: number
  readonly load: Load
}

const CASES: readonly Case[] = POLICIES.flatMap((policy) =>
  LOADS.flatMap((load) => SAMPLES.map((samples) => ({ policy, load, samples }))),
)

export const hitRate: Bench = {
  name: 'hit-rate',
  question: 'Which share of lookups finds its key in a cache of a given number of keys?',
  rounds: 1,
  measures: CASES.flatMap((each) => [hitMeasure(each), sizeMeasure(each)]),
  async run(setup) {
    const places = setup.keys(10_000, 500)
    const requests = setup.size(100_000, 2000)
    await setup.withServer('subject', (subject) =>
      setup.withServer('reference', async (reference) => {
        const servers = { subject, reference }
        for (let round = 0; round < setup.rounds; round++) {
          for (const each of CASES) {
            setup.log(titleOf(each))
            const measure = (role: Role) =>
              measureCase(setup, role, { ...each, server: servers[role], places, requests })
            // At the same time: what else goes on disturbs both alike.
            await Promise.all(ROLES.map(measure))
          }
        }
      }),
    )
    const keys = places * KEYS_PER_PLACE
    return { places, keys, requests, 'requests/s': PACE, 'value bytes': VALUE_BYTES }
  },
}

interface Measured extends Case {
  readonly server: RunningServer
  readonly places: number
  readonly requests: number
}

async function measureCase(setup: Setup, role: Role, each: Measured): Promise<void> {
  const { server, places, requests } = each
  const { client } = server
  await client.call(['CONFIG', 'SET', 'maxmemory', '0', 'maxmemory-policy', each.policy])
  await client.call(['CONFIG', 'SET', 'maxmemory-samples', String(each.samples)])
  await client.call(['FLUSHALL'])
  const emptyBytes = await usedBytes(server)
  const value = 'v'.repeat(VALUE_BYTES)
  for (let i = 0; i < places; i++) await client.call(['SET', nameOf(i), value])
  const fullBytes = await usedBytes(server)
  const keyBytes = (fullBytes - emptyBytes) / places
  await client.call(['CONFIG', 'SET', 'maxmemory', String(fullBytes)])

  const run = { keys: sequenceOf(each), requestsPerSecond: PACE, valueBytes: VALUE_BYTES }
  let limit = fullBytes
  for (let i = 0; i < CORRECTIONS; i++) {
    await runCache(server.port, { ...run, requests: requests / CORRECTIONS / 2 })
    limit += Math.round((places - (await sizeOf(server))) * keyBytes)
    await client.call(['CONFIG', 'SET', 'maxmemory', String(limit)])
  }
  const share = await runCache(server.port, { ...run, requests })
  setup.add(hitMeasure(each).name, role, share * 100)
  setup.add(sizeMeasure(each).name, role, await sizeOf(server))
}

function sequenceOf({ load, places }: Measured): KeySequence {
  const exponent = load === 'Zipf 0.8' ? 0.8 : 0.99
  const zipf = new Zipf(places * KEYS_PER_PLACE, exponent, new Random(SEED))
  if (load !== 'Zipf 0.99 with scans') return zipf
  return new Polluted(zipf, { period: places, scan: places * 0.4 })
}

async function sizeOf({ client }: RunningServer): Promise<number> {
  return Number(await client.call(['DBSIZE']))
}

async function usedBytes({ client }: RunningServer): Promise<number> {
  return Number((await client.info('memory')).get('used_memory'))
}

function titleOf({ policy, samples, load }: Case): string {
  return `${policy}, ${samples} samples, ${load}`
}

function hitMeasure(each: Case): Measure {
  return {
    name: `hits, ${titleOf(each)}`,
    unit: '%',
    better: 'higher',
    target: { of: 'ratio', limit: RATIO_LIMIT },
  }
}

function sizeMeasure(each: Case): Measure {
  return { name: `keys held, ${titleOf(each)}`, unit: 'keys' }
}
