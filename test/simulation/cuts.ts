// The simulation of cuts: exactness of snapshots over all types, commands and methods. A seed is a
// list of events (cut-events.ts) that happen to a world (cut-world.ts). The first thing that is
// wrong ends a run, with a list of events that is as short as can be found quickly.

import {
  type CutEvent,
  type CutRun,
  type CutRunOptions,
  cutRunOf,
  showEvent,
} from './cut-events.ts'
import { type CutTally, CutWorld } from './cut-world.ts'

export interface CutResult {
  readonly tally: CutTally
  readonly trace: number
  /** Of the files that were compared the one whose pages changed most meanwhile; null: none. */
  readonly file: Uint8Array | null
}

/** Runs that making a failure short may take, and events that it ends with at best. */
const SHRINK_RUNS_MAX = 60
const SHOWN_EVENTS_MAX = 40

/** One run; throws at the first thing that is wrong, and says how to see it again. */
export function simulateCuts(options: CutRunOptions): CutResult {
  const run = cutRunOf(options)
  const fault = runEvents(options.seed, run, run.events)
  if (!('text' in fault)) return fault
  const again = `SEED=${options.seed} EVENTS=${options.count}`
  const command = `npm run simulate -- --only cuts --seed ${options.seed} --events ${options.count}`
  throw new Error(`${again}: event ${fault.at}: ${fault.text}\nagain: ${command}`, {
    cause: fault.cause,
  })
}

/** The events that are left of a failing run when all that can be spared are left out. */
export function shrinkCuts(options: CutRunOptions): string {
  const run = cutRunOf(options)
  const first = runEvents(options.seed, run, run.events)
  if (!('text' in first)) return 'nothing is wrong'
  let left = run.events.slice(0, first.at + 1)
  let shown = first.text
  let runs = 0
  for (let size = left.length >> 1; size >= 1 && runs < SHRINK_RUNS_MAX; size >>= 1) {
    for (let at = left.length - size; at >= 0 && runs < SHRINK_RUNS_MAX; at -= size) {
      const fewer = [...left.slice(0, at), ...left.slice(at + size)]
      runs++
      const found = runEvents(options.seed, run, fewer)
      if (!('text' in found)) continue
      left = fewer.slice(0, found.at + 1)
      shown = found.text
    }
  }
  const lines = left.slice(-SHOWN_EVENTS_MAX).map(showEvent)
  return `${left.length} events are left:\n${lines.join('\n')}\n-> ${shown}`
}

interface Fault {
  readonly at: number
  readonly text: string
  readonly cause: unknown
}

function runEvents(
  seed: number,
  { profile }: CutRun,
  events: readonly CutEvent[],
): CutResult | Fault {
  let at = -1
  try {
    const world = new CutWorld(seed, profile)
    world.fill()
    for (at = 0; at < events.length; at++) world.handle(events[at]!)
    world.finish()
    return { tally: world.tally, trace: world.trace, file: world.hardestFile }
  } catch (cause) {
    return { at, text: cause instanceof Error ? cause.message : String(cause), cause }
  }
}
