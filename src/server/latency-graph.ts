// The chart of LATENCY GRAPH, laid out as Redis does, since tools show it as it is: a line of
// facts, a rule, then per 80 samples four rows of columns, with how long ago each was below it,
// written downwards.
//
//   command - high 300 ms, low 10 ms (all time high 300 ms)
//   ----------------------------------------------------------- …
//      #        a column has twelve levels, three to a row: _ o #
//      |        full rows below its top are |
//   __o|
//             an empty row
//   6543
//   ssss

import { assert } from '../base/assert.ts'
import type { LatencySample, LatencySeries } from './latency-monitor.ts'

const COLUMNS = 80
const ROWS = 4
/** The top of a column, by its level in the row. */
const TOPS = '_o#'
const BODY = '|'
const LEVELS = TOPS.length * ROWS
const SECONDS_PER_MINUTE = 60
const SECONDS_PER_HOUR = 3600
const SECONDS_PER_DAY = 86_400

/** What the levels of columns are measured by. */
interface Scale {
  readonly lowMs: number
  readonly rangeMs: number
}

/** The chart of a series with samples. */
export function drawLatency(event: string, series: LatencySeries, nowSeconds: number): string {
  const samples = series.samples()
  assert(samples.length > 0, 'a series begins with a sample')
  const durations = samples.map(({ durationMs }) => durationMs)
  const lowMs = Math.min(...durations)
  const highMs = Math.max(...durations)
  const facts = `high ${highMs} ms, low ${lowMs} ms (all time high ${series.maxMs} ms)`
  const scale = { lowMs, rangeMs: Math.max(1, highMs - lowMs) }
  const charts: string[] = []
  for (let i = 0; i < samples.length; i += COLUMNS) {
    const part = samples.slice(i, i + COLUMNS)
    const labels = part.map(({ unixSeconds }) => formatAge(nowSeconds - unixSeconds))
    charts.push(drawColumns(part, scale) + drawLabels(labels))
  }
  return `${event} - ${facts}\n${'-'.repeat(COLUMNS)}\n${charts.join('\n')}`
}

/** How long ago, in the largest unit that fits, as `59s`, `1m`, `23h`, `2d`. */
export function formatAge(seconds: number): string {
  if (seconds < SECONDS_PER_MINUTE) return `${seconds}s`
  if (seconds < SECONDS_PER_HOUR) return `${Math.floor(seconds / SECONDS_PER_MINUTE)}m`
  if (seconds < SECONDS_PER_DAY) return `${Math.floor(seconds / SECONDS_PER_HOUR)}h`
  return `${Math.floor(seconds / SECONDS_PER_DAY)}d`
}

function drawColumns(samples: readonly LatencySample[], { lowMs, rangeMs }: Scale): string {
  let text = ''
  for (let row = ROWS - 1; row >= 0; row--) {
    for (const { durationMs } of samples) {
      const level = Math.min(LEVELS - 1, Math.floor(((durationMs - lowMs) * LEVELS) / rangeMs))
      const above = level - row * TOPS.length
      text += above < 0 ? ' ' : (TOPS[above] ?? BODY)
    }
    text += '\n'
  }
  return text
}

/** An empty row, then the labels downwards. */
function drawLabels(labels: readonly string[]): string {
  const lengthMax = Math.max(...labels.map((label) => label.length))
  let text = `${' '.repeat(labels.length)}\n`
  for (let i = 0; i < lengthMax; i++) {
    text += `${labels.map((label) => label[i] ?? ' ').join('')}\n`
  }
  return text
}
