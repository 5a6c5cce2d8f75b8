// Who takes a snapshot: a thread of its own (background) or the engine in slices (cooperative).
// Pure: facts in, method and reason out; asked at the start of a save and again while it runs.
//
// The background method wants a second core and memory for the pages that change before they are
// read. It keeps at most the reserve at any time, so what it can need is the least of what is
// likely to change (dirty pages per second × duration), the dataset, and the reserve. That is an
// upper bound, since the scanner empties preserved pages first. Where core or memory is missing
// the engine scans itself, with a reserve cut down to what is free: no save fails for memory.
//
// While a save runs, the method changes only when the case is clear (MARGIN): a change costs a
// handover, and figures that tremble around a threshold must not cause one each second.

import { assert } from '../../base/assert.ts'
import { PAGE_BYTES } from '../../memory/layout.ts'

export type SnapshotMethod = 'background' | 'cooperative'

export interface MethodFacts {
  /** `snapshot-method`. */
  readonly configured: 'auto' | SnapshotMethod
  /** What the command that asks for the save wants; null: nothing in particular. */
  readonly requested: SnapshotMethod | null
  /** Cores that this process may keep busy, fractions included; 0: not known, counts as enough. */
  readonly cores: number
  /** `unthrottledBytes` of base/machine.ts; 0: not known, counts as enough. */
  readonly availableBytes: number
  /**
   * What this or an earlier save already made resident of reserve and buffers, and thus is missing
   * in `availableBytes` although the save can use it.
   */
  readonly heldBytes: number
  /** `snapshot-reserve`. */
  readonly reserveBytes: number
  readonly datasetBytes: number
  /** Predicted; see dirty-rate.ts. */
  readonly dirtyPagesPerSecond: number
  /** Predicted for the background method; while saving: what is left of it. */
  readonly durationSeconds: number
  /** The method of the save under way; null before it starts. */
  readonly present: SnapshotMethod | null
}

export interface MethodChoice {
  readonly method: SnapshotMethod
  /** A short line with the figures that decided. */
  readonly reason: string
  /** What the background method is expected to need: changed pages and its buffers. */
  readonly neededBytes: number
  /** What is free for a save; 0: not known. */
  readonly freeBytes: number
  /** The configured reserve, cut to what is free. */
  readonly reserveBytes: number
}

/** Buffers of the encoder and the sink beside the reserve. */
export const BUFFER_BYTES = 8 * 1024 * 1024
/** The reserve is not cut below this, however little is free. */
export const RESERVE_BYTES_MIN = 1024 * 1024
/** Below this the scanner would take the engine's time: one core and a half. */
const CORES_MIN = 1.5
/** By which factor a figure must pass its threshold before a running save changes its method. */
const MARGIN = 1.25

/** The method for a save. What somebody asked for wins over all figures. */
export function chooseMethod(facts: MethodFacts): MethodChoice {
  assert(facts.availableBytes >= 0 && facts.heldBytes >= 0, 'memory is not negative')
  assert(facts.reserveBytes >= 0 && facts.datasetBytes >= 0, 'sizes are not negative')
  assert(facts.dirtyPagesPerSecond >= 0 && facts.durationSeconds >= 0, 'predictions are made')
  const changedBytes = predictChanged(facts)
  const isKnown = facts.availableBytes > 0
  const freeBytes = isKnown ? facts.availableBytes + facts.heldBytes : 0
  const figures = {
    neededBytes: changedBytes + BUFFER_BYTES,
    freeBytes,
    reserveBytes: isKnown ? cutReserve(facts.reserveBytes, freeBytes) : facts.reserveBytes,
  }
  const asked = askedMethod(facts)
  if (asked !== null) return { ...asked, ...figures }
  const fresh = judge(facts, figures, 1)
  const { present } = facts
  if (present === null || fresh.method === present) return { ...fresh, ...figures }
  // Another one would be chosen now: is it so with the margin in favour of the present one, too?
  const clear = judge(facts, figures, present === 'background' ? MARGIN : 1 / MARGIN)
  if (clear.method !== present) return { ...fresh, ...figures }
  const reason = `kept, as the difference is small: ${fresh.reason}`
  return { method: present, reason, ...figures }
}

/** Bytes of pages expected to change before they are read, at most what the reserve holds. */
function predictChanged(facts: MethodFacts): number {
  const changed = Math.ceil(facts.dirtyPagesPerSecond * facts.durationSeconds) * PAGE_BYTES
  return Math.min(changed, facts.datasetBytes, facts.reserveBytes)
}

function cutReserve(reserveBytes: number, freeBytes: number): number {
  return Math.min(reserveBytes, Math.max(RESERVE_BYTES_MIN, freeBytes - BUFFER_BYTES))
}

/** The command goes before the configuration. */
function askedMethod(facts: MethodFacts): { method: SnapshotMethod; reason: string } | null {
  const { requested, configured } = facts
  if (requested !== null) return { method: requested, reason: 'asked for by BGSAVE' }
  if (configured === 'auto') return null
  return { method: configured, reason: 'asked for by snapshot-method' }
}

/** Decides by the figures; `favour` above 1 is lenient with background, below 1 strict. */
function judge(
  facts: MethodFacts,
  { neededBytes, freeBytes }: { neededBytes: number; freeBytes: number },
  favour: number,
): { method: SnapshotMethod; reason: string } {
  const { cores } = facts
  if (cores > 0 && cores * favour < CORES_MIN) {
    return { method: 'cooperative', reason: coresText(cores) }
  }
  const changed = sizeText(neededBytes - BUFFER_BYTES)
  const isEnough = freeBytes === 0 || freeBytes * favour >= neededBytes
  if (!isEnough) {
    const buffers = ` and ${sizeText(BUFFER_BYTES)} of buffers`
    const isByBuffers = freeBytes * favour >= neededBytes - BUFFER_BYTES
    const expected = `${changed} of changed pages${isByBuffers ? buffers : ''} expected`
    return { method: 'cooperative', reason: `${sizeText(freeBytes)} free, ${expected}` }
  }
  const free =
    freeBytes === 0
      ? `${changed} of changed pages expected, free memory not known`
      : `${sizeText(freeBytes)} free for ${changed} of changed pages`
  return { method: 'background', reason: `${coresText(cores)}, ${free}` }
}

/** `1 core`, `1.5 cores`; what is not known says so. */
function coresText(cores: number): string {
  if (cores === 0) return 'cores not known'
  const rounded = Math.floor(cores * 10) / 10
  return rounded === 1 ? '1 core' : `${rounded} cores`
}

/** In decimal units, two or three digits: `1.2 GB`, `33 MB`, `512 kB`. */
function sizeText(size: number): string {
  const units = ['kB', 'MB', 'GB', 'TB']
  let value = size / 1000
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${value < 9.95 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]!}`
}
