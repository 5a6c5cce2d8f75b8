// Whether a node that forks to save has the memory for it, as far as INFO tells: while the child
// writes, every page that is written is copied, so a save may take up to the dataset again.
//
//   worst   resident + dataset (all of it rewritten while saving)
//   likely  resident + the larger of the last copy on write and what the changes since the last
//           save point to, or RESERVE of the dataset for a node of which nothing is known
//   limit   the machine's memory (total_system_memory). A container's limit, other processes, and
//           vm.overcommit_memory are not seen from outside: `maxmemory` is all that hints at them.
//
// likely > REFUSE of the limit: it will not fit; > WARN, or worst > limit: it may not. Engines
// that save without fork (Tidemark) always fit. Formulas: reference/doctor.md, mem and snap rows.

import type { NodeFacts } from './node-facts.ts'

export interface ForkPrediction {
  readonly verdict: 'fits' | 'tight' | 'refuse' | 'unknown'
  /** For people: the numbers behind the verdict. */
  readonly reason: string
  readonly likelyBytes: number
  readonly worstBytes: number
  readonly limitBytes: number | null
}

/** What is done with a bad verdict: `refuse` and `warn` act on it, `ignore` does not ask. */
export type ForkPolicy = 'refuse' | 'warn' | 'ignore'

/** Shares of the limit; those of an open monitoring tool are 0.8 and 0.9. */
const WARN_SHARE = 0.8
const REFUSE_SHARE = 0.9
/** Of the dataset: what ElastiCache reserves for saves of engines that fork. */
const RESERVE_SHARE = 0.25
/** A changed key dirties at least the page it is in. */
const PAGE_BYTES = 4096
const MIB = 1024 * 1024

export function predictFork({ engine, memory }: NodeFacts): ForkPrediction {
  const { datasetBytes, systemBytes, residentBytes, lastCowBytes, changesSinceSave } = memory
  if (engine === 'tidemark') {
    const none = { likelyBytes: 0, worstBytes: 0, limitBytes: systemBytes }
    return { verdict: 'fits', reason: 'it saves without fork', ...none }
  }
  const resident = residentBytes ?? memory.usedBytes
  const known = Math.max(lastCowBytes, Math.min(datasetBytes, changesSinceSave * PAGE_BYTES))
  const copied = known > 0 ? known : RESERVE_SHARE * datasetBytes
  const likelyBytes = Math.round(resident + Math.min(copied, Math.max(datasetBytes, lastCowBytes)))
  const worstBytes = resident + datasetBytes
  const bytes = { likelyBytes, worstBytes, limitBytes: systemBytes }
  if (systemBytes === null || systemBytes === 0) {
    return { verdict: 'unknown', reason: 'it does not tell how much memory there is', ...bytes }
  }
  const share = likelyBytes / systemBytes
  const figures =
    `forking takes it to about ${mib(likelyBytes)} MiB, at worst ${mib(worstBytes)} MiB, ` +
    `of ${mib(systemBytes)} MiB`
  if (share > REFUSE_SHARE) return { verdict: 'refuse', reason: figures, ...bytes }
  const isTight = share > WARN_SHARE || worstBytes > systemBytes
  return { verdict: isTight ? 'tight' : 'fits', reason: figures, ...bytes }
}

/** What is to be done: null: go on; else what to say, and whether that ends it. */
export function forkAdvice(
  { verdict, reason }: ForkPrediction,
  policy: ForkPolicy,
): { readonly text: string; readonly isRefused: boolean } | null {
  if (policy === 'ignore' || verdict === 'fits' || verdict === 'unknown') return null
  return { text: reason, isRefused: policy === 'refuse' && verdict === 'refuse' }
}

function mib(bytes: number): number {
  return Math.round(bytes / MIB)
}
