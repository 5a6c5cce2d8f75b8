// How benchmarks use the load generator: fill a keyspace, or keep a load running beside something
// else and ask afterwards how many operations a span of time saw.

import { type Helper, runHelper, startHelper } from './helper.ts'
import type { LoadOptions, LoadResult } from './load-main.ts'
import type { ValueKind } from './requests.ts'
import type { RunningServer } from './server.ts'

export interface Dataset {
  readonly keys: number
  readonly valueBytes: number
  readonly valueKind: ValueKind
}

const FILL_LIMIT_MS = 300_000
const LOAD_LIMIT_MS = 600_000

/** Writes the whole dataset, keys from `firstKey` on, and checks that all of it is there. */
export async function fill(
  server: RunningServer,
  dataset: Dataset,
  firstKey = 0,
): Promise<LoadResult> {
  const options: LoadOptions = {
    ...dataset,
    port: server.port,
    mode: 'fill',
    firstKey,
    connections: 4,
    batches: 4,
    pipeline: 64,
    limitMs: FILL_LIMIT_MS,
    seed: 1 + firstKey,
  }
  const result = await runHelper<LoadResult>('load-main.ts', options, FILL_LIMIT_MS)
  const count = await server.client.call(['DBSIZE'])
  const expected = firstKey + dataset.keys
  if (count !== expected) throw new Error(`fill: DBSIZE is ${count}, expected ${expected}`)
  return result
}

/** SETs of random keys of the dataset at full speed, until stopped. */
export function startStorm(server: RunningServer, dataset: Dataset): Promise<Helper<LoadResult>> {
  const options: LoadOptions = {
    ...dataset,
    port: server.port,
    mode: 'storm',
    connections: 4,
    batches: 4,
    pipeline: 64,
    limitMs: LOAD_LIMIT_MS,
    seed: 7,
  }
  return startHelper<LoadResult>('load-main.ts', options)
}

/** SETs of random keys of the dataset at `rate` per second, until stopped. */
export function startPaced(
  server: RunningServer,
  dataset: Dataset,
  rate: number,
): Promise<Helper<LoadResult>> {
  const options: LoadOptions = {
    ...dataset,
    port: server.port,
    mode: 'paced',
    connections: 4,
    batches: 16,
    pipeline: 64,
    rate,
    limitMs: LOAD_LIMIT_MS,
    seed: 8,
  }
  return startHelper<LoadResult>('load-main.ts', options)
}

/** Operations per second between two instants of machine time. */
export function operationsPerSecond(result: LoadResult, fromMs: number, untilMs: number): number {
  const count = answeredBy(result.timeline, untilMs) - answeredBy(result.timeline, fromMs)
  return (count * 1000) / (untilMs - fromMs)
}

/** Operations answered by an instant, interpolated between the points of the timeline. */
export function answeredBy(timeline: LoadResult['timeline'], atMs: number): number {
  let previous: [number, number] = timeline[0] ?? [atMs, 0]
  if (atMs <= previous[0]) return previous[1]
  for (const point of timeline) {
    if (point[0] >= atMs) {
      const part = (atMs - previous[0]) / Math.max(point[0] - previous[0], 0.001)
      return previous[1] + part * (point[1] - previous[1])
    }
    previous = point
  }
  return previous[1]
}
