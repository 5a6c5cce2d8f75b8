// The same measurement over datasets of random strings, small values and large: each case on a
// fresh server of each variant, filled with its dataset.

import type { Setup, Variant } from './bench.ts'
import { type Dataset, fill } from './load.ts'
import type { RunningServer } from './server.ts'

export interface StringCase {
  readonly name: string
  readonly valueBytes: number
  /** So many times the keys of the first case. */
  readonly times: number
}

export interface StringRun {
  readonly server: RunningServer
  readonly variant: Variant
  readonly each: StringCase
  readonly dataset: Dataset
}

/** Measures each case with each variant, in turn; returns the sizes for the result's parameters. */
export async function eachStringCase(
  setup: Setup,
  cases: readonly StringCase[],
  variants: readonly Variant[],
  measure: (run: StringRun) => Promise<void>,
): Promise<Record<string, number>> {
  const keys = setup.keys(1_000_000, 2000)
  for (const each of cases) {
    setup.log(each.name)
    const { valueBytes, times } = each
    const dataset: Dataset = { keys: keys * times, valueBytes, valueKind: 'random' }
    await setup.rotate(variants, (variant) =>
      setup.withVariant(variant, async (server) => {
        await fill(server, dataset)
        await measure({ server, variant, each, dataset })
      }),
    )
  }
  return Object.fromEntries(cases.map(({ name, times }) => [`keys of ${name}`, keys * times]))
}
