// Writes the results under bench/results/ into docs/benchmarks.md. Each result has a place there
// between two markers; what stands outside of them is written by hand and left alone:
//
//   <!-- bench:memory -->
//   …replaced…
//   <!-- /bench:memory -->
//
// The chart of snapshots (snapshot-chart.ts) is drawn anew as well.
//
// `bench:control` takes one table of all control runs (results/control/): both servers are the same
// program there, so every ratio should be 1, and its distance from 1 is the harness's error.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describeRun, type Result, tableHeader, tableRows } from './lib/result.ts'
import { formatNumber, markdownTable } from './lib/table.ts'
import { renderChart } from './snapshot-chart.ts'

/** Brings docs/benchmarks.md under `root` up to date with bench/results/. */
export function renderDocs(root: string): void {
  const path = join(root, 'docs', 'benchmarks.md')
  let text = readFileSync(path, 'utf8')
  const results = readResults(join(root, 'bench', 'results'))
  for (const result of results) {
    text = replaceBetween(text, result.bench, renderResult(result))
  }
  const controls = readResults(join(root, 'bench', 'results', 'control'))
  if (controls.length > 0) text = replaceBetween(text, 'control', renderControls(controls))
  writeFileSync(path, text)
  drawChart(root, results)
}

/** `text` with everything between the markers of `name` replaced. Throws when they are missing. */
export function replaceBetween(text: string, name: string, content: string): string {
  const open = `<!-- bench:${name} -->`
  const close = `<!-- /bench:${name} -->`
  const start = text.indexOf(open)
  const limit = text.indexOf(close)
  if (start < 0 || limit < start) throw new Error(`docs/benchmarks.md: no markers for '${name}'`)
  return `${text.slice(0, start + open.length)}\n${content}\n${text.slice(limit)}`
}

/** docs/images/snapshot.svg, where there are the results that it needs. */
function drawChart(root: string, results: readonly Result[]): void {
  const storm = results.find(({ bench }) => bench === 'snapshot-storm')
  const latency = results.find(({ bench }) => bench === 'snapshot-latency')
  const chart = storm && latency ? renderChart(storm, latency) : null
  if (chart === null) return
  const folder = join(root, 'docs', 'images')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'snapshot.svg'), chart)
}

function renderResult(result: Result): string {
  const table = markdownTable(tableHeader(result), tableRows(result))
  const lines = [...describeRun(result), ...result.notes]
  return `${table}\n\n${lines.join('  \n')}`
}

function renderControls(results: readonly Result[]): string {
  const rows = results.flatMap((result) =>
    result.rows
      .filter((row) => row.subject && row.reference)
      .map((row) => [
        `${result.bench}: ${row.name}`,
        row.unit,
        formatNumber(row.subject!.median),
        formatNumber(row.reference!.median),
        row.ratio === undefined ? '–' : row.ratio.toFixed(2),
      ]),
  )
  const table = markdownTable(['measure', 'unit', 'first', 'second', 'ratio'], rows)
  const [first] = results
  return `${table}\n\n${describeRun(first!).slice(0, 3).join('  \n')}`
}

function readResults(folder: string): Result[] {
  let names: string[]
  try {
    names = readdirSync(folder).filter((name) => name.endsWith('.json'))
  } catch {
    return []
  }
  return names.sort().map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Result)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  renderDocs(resolve(dirname(fileURLToPath(import.meta.url)), '..'))
}
