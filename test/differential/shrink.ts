// Makes a failing script small: halves, then smaller parts of it are left out as long as it still
// fails in the same way (delta debugging, Zeller 1999), then single words.

import type { Step } from './script.ts'

/** Whether a script of these steps still shows the failure. */
export type Probe = (steps: readonly Step[]) => Promise<boolean>

const RUNS_MAX = 300

/** The steps that are left; `probe` must hold for `steps` and holds for the result. */
export async function shrink(steps: readonly Step[], probe: Probe): Promise<readonly Step[]> {
  const budget = { runs: RUNS_MAX }
  const fewer = await shrinkSteps(steps, probe, budget)
  return shrinkWords(fewer, probe, budget)
}

async function shrinkSteps(
  steps: readonly Step[],
  probe: Probe,
  budget: { runs: number },
): Promise<readonly Step[]> {
  let left = steps
  let size = Math.ceil(left.length / 2)
  while (size >= 1 && budget.runs > 0) {
    let removed = false
    for (let at = left.length - size; at > -size && budget.runs > 0; at -= size) {
      const start = Math.max(0, at)
      const candidate = [...left.slice(0, start), ...left.slice(at + size)]
      if (candidate.length === 0 || candidate.length === left.length) continue
      budget.runs--
      if (!(await probe(candidate))) continue
      left = candidate
      removed = true
    }
    if (size === 1 && !removed) break
    size = removed ? Math.min(size, Math.ceil(left.length / 2)) : Math.floor(size / 2)
  }
  return left
}

async function shrinkWords(
  steps: readonly Step[],
  probe: Probe,
  budget: { runs: number },
): Promise<readonly Step[]> {
  let left = steps
  for (let i = 0; i < left.length; i++) {
    for (const size of [2, 1]) {
      for (let at = left[i]!.words.length - size; at >= 1 && budget.runs > 0; at--) {
        const step = left[i]!
        if (step.row.isBlocking === true || at + size > step.words.length) continue
        const words = [...step.words.slice(0, at), ...step.words.slice(at + size)]
        const candidate = left.map((other, j) => (j === i ? { ...step, words } : other))
        budget.runs--
        if (await probe(candidate)) left = candidate
      }
    }
  }
  return left
}
