// What a sampler and a prober have seen around a save: their readings cut to the spans of time
// before and during it, the figures made of them, and the same readings as series for a chart.

import type { ProbeResult } from './prober-main.ts'
import type { SampleResult } from './sampler-main.ts'
import type { Save } from './save.ts'
import { maximum, median, rounded } from './stats.ts'

const MEGABYTE = 1e6
/** Probes of so long a time become one point of a chart: the longest wait of them. */
const LATENCY_STEP_MS = 50

/** Readings over time, for a chart. Time 0 is the instant at which BGSAVE was sent. */
export interface Series {
  readonly name: string
  readonly variant: string
  readonly unit: string
  /** How long the save took. */
  readonly saveMs: number
  readonly atMs: number[]
  readonly values: number[]
}

/** When the readings began that count as before the save, and the save. */
export interface Window {
  readonly beforeMs: number
  readonly save: Pick<Save, 'startMs' | 'endMs'>
}

/** Of a series with one value per probe, those of the probes that were due in a span of time. */
export function windowOf(
  probes: Pick<ProbeResult, 'startMs' | 'intervalMs'>,
  series: readonly number[],
  [fromMs, untilMs]: readonly [number, number],
): number[] {
  const first = firstProbe(probes, fromMs)
  return series.slice(first, Math.max(first, firstProbe(probes, untilMs)))
}

/**
 * Waits in µs of the probes that were due before the save and in it; never empty. A probe that was
 * still without an answer when the save began has waited for its beginning, and counts as in it.
 */
export function waitsAround(
  probes: ProbeResult,
  { beforeMs, save }: Window,
): { before: number[]; during: number[] } {
  const early = windowOf(probes, probes.latencyUs, [beforeMs, save.startMs])
  const firstMs = probes.startMs + firstProbe(probes, beforeMs) * probes.intervalMs
  const isPending = (us: number, i: number) =>
    firstMs + i * probes.intervalMs + us / 1000 > save.startMs
  const before = early.filter((us, i) => !isPending(us, i))
  const pending = early.filter(isPending)
  const during = windowOf(probes, probes.latencyUs, [save.startMs, save.endMs])
  during.unshift(...pending)
  if (before.length === 0 || during.length === 0) throw new Error('no probes around the save')
  return { before, during }
}

/** Megabytes: the median before the save, and how far the highest reading in it lies above. */
export function memoryAround(
  { samples }: SampleResult,
  { beforeMs, save }: Window,
  intervalMs: number,
): { baseline: number; extra: number } {
  const between = (fromMs: number, untilMs: number) =>
    samples.filter(([atMs]) => atMs >= fromMs && atMs <= untilMs).map(([, bytes]) => bytes)
  const before = between(beforeMs, save.startMs)
  // A reading may end after the save it began in: one interval of grace.
  const during = between(save.startMs, save.endMs + intervalMs)
  if (before.length === 0 || during.length === 0) throw new Error('no PSS samples around the save')
  const baseline = median(before) / MEGABYTE
  return { baseline, extra: Math.max(0, maximum(during) / MEGABYTE - baseline) }
}

/** Megabytes above the median before the save, from a second before it to a second after it. */
export function memorySeries(
  { samples }: SampleResult,
  { save }: Window,
  { name, variant, baseline }: { name: string; variant: string; baseline: number },
): Series {
  const shown = samples.filter(([atMs]) => isShown(atMs, save))
  return {
    name,
    variant,
    unit: 'MB',
    saveMs: Math.round(save.endMs - save.startMs),
    atMs: shown.map(([atMs]) => Math.round(atMs - save.startMs)),
    values: shown.map(([, bytes]) => rounded(bytes / MEGABYTE - baseline)),
  }
}

/** The longest wait of each 50 ms, in ms, from a second before the save to a second after it. */
export function latencySeries(
  probes: ProbeResult,
  { save }: Window,
  { name, variant }: { name: string; variant: string },
): Series {
  const atMs: number[] = []
  const values: number[] = []
  for (let ms = -1000; isShown(save.startMs + ms, save); ms += LATENCY_STEP_MS) {
    const fromMs = save.startMs + ms
    const waits = windowOf(probes, probes.latencyUs, [fromMs, fromMs + LATENCY_STEP_MS])
    if (waits.length === 0) continue
    atMs.push(ms)
    values.push(rounded(maximum(waits) / 1000))
  }
  return { name, variant, unit: 'ms', saveMs: Math.round(save.endMs - save.startMs), atMs, values }
}

/** The first probe that was due at an instant or after it. */
function firstProbe(probes: Pick<ProbeResult, 'startMs' | 'intervalMs'>, atMs: number): number {
  return Math.max(0, Math.ceil((atMs - probes.startMs) / probes.intervalMs))
}

function isShown(atMs: number, save: Window['save']): boolean {
  return atMs >= save.startMs - 1000 && atMs <= save.endMs + 1000
}
