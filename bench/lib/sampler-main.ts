// The memory sampler, a helper process: the PSS of a process tree every `intervalMs`, until told to
// stop. Where one reading takes longer than the interval (the kernel walks every page table), the
// next one follows at once and the series says so by its times.

import { helperDone, helperOptions, helperReady } from './helper.ts'
import { pssTreeBytes } from './proc.ts'
import { machineMs } from './time.ts'

export interface SampleOptions {
  readonly pid: number
  readonly intervalMs: number
  readonly limitMs: number
}

export interface SampleResult {
  /** [machine ms at the middle of the reading, bytes]. */
  readonly samples: [number, number][]
}

const options = helperOptions<SampleOptions>()
const samples: [number, number][] = []
const startMs = machineMs()
let isStopping = false

function step(): void {
  const beforeMs = machineMs()
  const bytes = pssTreeBytes(options.pid)
  const afterMs = machineMs()
  samples.push([(beforeMs + afterMs) / 2, bytes])
  if (isStopping || afterMs - startMs > options.limitMs) {
    helperDone({ samples } satisfies SampleResult)
    return
  }
  setTimeout(step, Math.max(0, beforeMs + options.intervalMs - machineMs()))
}

helperReady(() => {
  isStopping = true
})
step()
