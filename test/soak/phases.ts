// The phases of a soak. In each one values have other sizes, which is what fills a heap with holes
// of the wrong size, and keys are evicted by another policy. Sizes come in rounds: each once, in an
// order that follows from the seed; policies are dealt in the same way, so that in the long run
// each meets each.

import { Random } from '../../src/base/random.ts'
import { POLICIES } from '../../src/server/eviction-policy.ts'

const KIB = 1024

export interface SizeRange {
  readonly name: string
  /** Bytes of a value, both ends included; drawn evenly over the logarithm. */
  readonly least: number
  readonly most: number
}

export interface Phase extends SizeRange {
  readonly index: number
  readonly policy: string
  readonly ms: number
}

const SIZES: readonly SizeRange[] = [
  { name: '20 B', least: 14, most: 28 },
  { name: '300 B', least: 200, most: 450 },
  { name: '5 KB', least: 3 * KIB, most: 8 * KIB },
  { name: '100 KB', least: 60 * KIB, most: 160 * KIB },
  { name: '1 MB', least: 600 * KIB, most: 1024 * KIB },
  { name: 'mixed', least: 14, most: 1024 * KIB },
]

/** Phases that fill `totalMs`; the last one may be shorter. */
export function planPhases(seed: number, totalMs: number, phaseMs: number): readonly Phase[] {
  const random = new Random(seed)
  const sizes: SizeRange[] = []
  const policies: string[] = []
  const phases: Phase[] = []
  for (let startMs = 0; startMs < totalMs; startMs += phaseMs) {
    if (sizes.length === 0) sizes.push(...shuffled(SIZES, random))
    if (policies.length === 0) policies.push(...shuffled(POLICIES, random))
    const size = sizes.pop()
    const policy = policies.pop()
    if (size === undefined || policy === undefined) break
    const ms = Math.min(phaseMs, totalMs - startMs)
    phases.push({ ...size, index: phases.length, policy, ms })
  }
  return phases
}

/** Whether commands may be refused, since some keys or all of them may not be evicted. */
export function mayRefuse({ policy }: Phase): boolean {
  return !policy.startsWith('allkeys-')
}

/** A value's length, in bytes. */
export function drawLength({ least, most }: SizeRange, random: Random): number {
  return Math.round(least * (most / least) ** random.float())
}

/** What a value is on average. */
export function meanLength({ least, most }: SizeRange): number {
  return (most - least) / Math.log(most / least)
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  const left = [...list]
  const result: T[] = []
  while (left.length > 0) result.push(...left.splice(random.below(left.length), 1))
  return result
}
