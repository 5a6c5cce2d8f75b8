// The chart of the README, docs/images/snapshot.svg: memory above the dataset and the longest waits
// of a client over time, while redis-server and both methods of this server save. Drawn from the
// series in the results of snapshot-storm and snapshot-latency, by hand, without a library.
//
//    +--------------------------+
//    | title                    |
//    | legend of the panel      |   PANEL_TOP
//    | plot                     |   PLOT_HEIGHT
//    | one bar per save         |   SPANS_HEIGHT
//    | seconds                  |
//    +--------------------------+   … and the second panel below, on the same seconds
//
// Colours are given twice, for light and for dark pages; the background is the page's own.

import type { Result } from './lib/result.ts'
import { maximum } from './lib/stats.ts'
import { formatNumber } from './lib/table.ts'
import { BACKGROUND, COOPERATIVE, REFERENCE } from './lib/variants.ts'
import type { Series } from './lib/window.ts'
import { LATENCY_SERIES } from './snapshot-latency.ts'
import { MEMORY_SERIES } from './snapshot-storm.ts'

const WIDTH = 860
const LEFT = 62
const RIGHT = 18
const PANEL_TOP = 66
const PLOT_HEIGHT = 190
const SPANS_HEIGHT = 22
const PANEL_HEIGHT = PANEL_TOP + PLOT_HEIGHT + SPANS_HEIGHT + 30
const FOOT_HEIGHT = 24
const LEGEND_WIDTH = 258
const PLOT_WIDTH = WIDTH - LEFT - RIGHT
/** The axis begins a second before BGSAVE. */
const FIRST_SECOND = -1
const TICKS_WANTED = 8

/** In the order in which they are drawn: what lies lowest comes last. */
const SHOWN = [
  { variant: REFERENCE.name, colour: 'redis' },
  { variant: COOPERATIVE.name, colour: 'cooperative' },
  { variant: BACKGROUND.name, colour: 'background' },
] as const

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #57606a }
  .title { font-size: 14px; font-weight: 600; fill: #24292f }
  .key { font-size: 11.5px }
  .end { text-anchor: end }
  .middle { text-anchor: middle }
  .grid { stroke: #8c959f; stroke-opacity: 0.3 }
  .start { stroke: #57606a; stroke-dasharray: 3 3 }
  .line { fill: none; stroke-width: 1.6; stroke-linejoin: round }
  .redis { stroke: #cf222e } .background { stroke: #0969da } .cooperative { stroke: #1a7f37 }
  .bar { stroke-width: 4 }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1 }
    .title { fill: #f0f6fc }
    .start { stroke: #9198a1 }
    .redis { stroke: #ff7b72 } .background { stroke: #58a6ff } .cooperative { stroke: #3fb950 }
  }
`

interface Panel {
  readonly title: string
  readonly unit: string
  readonly series: readonly Series[]
  /** Values of the horizontal lines, from the lowest to the highest. */
  readonly ticks: readonly number[]
  /** Where a value lies between bottom (0) and top (1). */
  place(value: number): number
}

/** The chart as SVG, or null where one of the results has no series for it. */
export function renderChart(storm: Result, latency: Result): string | null {
  const memory = seriesOf(storm, MEMORY_SERIES)
  const waits = seriesOf(latency, LATENCY_SERIES)
  if (memory.length === 0 || waits.length === 0) return null
  const panels = [memoryPanel(memory), waitPanel(waits, writesOf(latency))]
  const seconds = lastSecond([...memory, ...waits])
  const body = panels.map((panel, i) => drawPanel(panel, i * PANEL_HEIGHT, seconds, storm))
  const height = panels.length * PANEL_HEIGHT + FOOT_HEIGHT
  const foot = describe(storm, latency)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img">
<title>Memory and longest waits while saving</title>
<style>${STYLE}</style>
${body.join('\n')}
${text(LEFT, height - 8, foot)}
</svg>
`
}

function seriesOf(result: Result, name: string): readonly Series[] {
  const known = result.series ?? []
  return SHOWN.flatMap(({ variant }) =>
    known.filter((each) => each.name === name && each.variant === variant),
  ).filter((each) => each.atMs.length > 0)
}

function memoryPanel(series: readonly Series[]): Panel {
  const step = niceStep(Math.max(1, maximum(series.map(peakOf))) / 4)
  const count = Math.ceil(Math.max(1, maximum(series.map(peakOf))) / step)
  const limit = step * count
  return {
    title: 'Memory above the dataset, MB, while every key is being overwritten at full speed',
    unit: 'MB',
    series,
    ticks: Array.from({ length: count + 1 }, (_, i) => i * step),
    place: (value) => Math.min(1, Math.max(0, value / limit)),
  }
}

/** Decades, from a tenth of a millisecond on. */
function waitPanel(series: readonly Series[], writes: number): Panel {
  const decades = Math.max(1, Math.ceil(Math.log10(maximum(series.map(peakOf)) * 10)))
  return {
    title: `Longest wait of a client, ms, in each 50 ms, at ${whole(writes)} writes per second`,
    unit: 'ms',
    series,
    ticks: Array.from({ length: decades + 1 }, (_, i) => 10 ** i / 10),
    place: (value) => Math.min(1, Math.max(0, Math.log10(Math.max(value, 1e-3) * 10) / decades)),
  }
}

function drawPanel(panel: Panel, top: number, seconds: number, { servers }: Result): string {
  const plot = top + PANEL_TOP
  const bottom = plot + PLOT_HEIGHT
  const x = (ms: number) => round(LEFT + placeOf(ms / 1000, seconds) * PLOT_WIDTH)
  const y = (value: number) => round(bottom - panel.place(value) * PLOT_HEIGHT)
  const parts = [text(LEFT, top + 24, panel.title, 'title')]
  for (const tick of panel.ticks) {
    parts.push(line([LEFT, y(tick)], [WIDTH - RIGHT, y(tick)], 'grid'))
    parts.push(text(LEFT - 8, y(tick) + 4, String(tick), 'end'))
  }
  for (const second of secondTicks(seconds)) {
    const label = `${second} s`
    parts.push(text(x(second * 1000), bottom + SPANS_HEIGHT + 16, label, 'middle'))
  }
  parts.push(line([x(0), plot], [x(0), bottom + SPANS_HEIGHT], 'start'))
  panel.series.forEach((series, i) => {
    const { colour } = SHOWN.find(({ variant }) => variant === series.variant)!
    const points = series.atMs.map((ms, k) => `${x(ms)},${y(series.values[k]!)}`)
    parts.push(`<polyline class="line ${colour}" points="${points.join(' ')}"/>`)
    const bar = bottom + 6 + i * 6
    parts.push(line([x(0), bar], [x(series.saveMs), bar], `bar ${colour}`))
    const left = LEFT + i * LEGEND_WIDTH
    parts.push(line([left, top + 46], [left + 18, top + 46], `bar ${colour}`))
    const legend = legendOf(series, panel.unit, servers.reference.name)
    parts.push(text(left + 24, top + 50, legend, 'key'))
  })
  return parts.join('\n')
}

/** Who it is, the highest value in the save, and how long that took. */
function legendOf(series: Series, unit: string, reference: string): string {
  const name = series.variant === REFERENCE.name ? reference : series.variant
  const seconds = formatNumber(series.saveMs / 1000)
  const inSave = series.values.filter((_, i) => isIn(series.atMs[i]!, series.saveMs))
  const peak = formatNumber(maximum(inSave.length > 0 ? inSave : series.values))
  return `${name}: max ${peak} ${unit}, save ${seconds} s`
}

function describe(storm: Result, latency: Result): string {
  const { reference } = storm.servers
  const counts = [storm.parameters['keys of 512 B'], latency.parameters['keys']]
  const [above, below] = counts.map((count) => whole(Number(count)))
  const keys = above === below ? above : `${above} (above) and ${below} (below)`
  const dates = [...new Set([storm, latency].map(({ date }) => date.slice(0, 10)))].join(', ')
  const { machine } = storm
  return (
    `${keys} keys of 512 B; BGSAVE at 0 s; coloured bars: the save. ` +
    `${machine.cpu}, ${machine.cores} cores; ${reference.name} ${reference.version}; ${dates}.`
  )
}

function isIn(ms: number, saveMs: number): boolean {
  return ms >= 0 && ms <= saveMs
}

function writesOf({ parameters }: Result): number {
  return Number(parameters['SET/s']) + Number(parameters['other writes/s'])
}

/** A count, with its thousands grouped. */
function whole(count: number): string {
  return count < 100 ? String(count) : formatNumber(count)
}

function peakOf({ values }: Series): number {
  return maximum(values)
}

function lastSecond(series: readonly Series[]): number {
  return Math.ceil(maximum(series.map(({ atMs }) => atMs.at(-1)! / 1000)))
}

function placeOf(second: number, last: number): number {
  const part = (second - FIRST_SECOND) / (last - FIRST_SECOND)
  return Math.min(1, Math.max(0, part))
}

function secondTicks(last: number): number[] {
  const step = Math.max(1, niceStep(last / TICKS_WANTED))
  return Array.from({ length: Math.floor(last / step) + 1 }, (_, i) => i * step)
}

/** 1, 2 or 5 times a power of ten, not below `step`. */
function niceStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step))
  return [1, 2, 5, 10].map((times) => times * power).find((each) => each >= step) ?? 10 * power
}

type Point = readonly [number, number]

function line([x1, y1]: Point, [x2, y2]: Point, name: string): string {
  return `<line class="${name}" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"/>`
}

function text(x: number, y: number, content: string, name = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text class="${name}" x="${x}" y="${y}">${escaped}</text>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
