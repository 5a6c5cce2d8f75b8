// The results of the Tcl suite as a table in docs/compatibility.md. Results of earlier runs are
// kept in test/suite/results.tsv, so that a run of a few units changes their rows only; the
// reasons for failing tests are written by hand in test/suite/reasons.tsv (unit, test, reason). A
// failing test without a reason is an open question and is shown as one.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { readBaseline, readUnits, rowsOf, type UnitResult } from './suite.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const PAGE = join(ROOT, 'docs/compatibility.md')
const RESULTS = join(ROOT, 'test/suite/results.tsv')
const REASONS = join(ROOT, 'test/suite/reasons.tsv')
const BEGIN = '<!-- tcl suite: begin -->'
const END = '<!-- tcl suite: end -->'
const BREAKS_OFF = '(breaks off)'
const OPEN = '**open**'
/** With more tests of one reason, the table shows their number; results.tsv has the names. */
const NAMED_MAX = 3

interface Row {
  readonly unit: string
  readonly baseline: string
  readonly passed: string
  /** Names of failing tests. */
  readonly failing: readonly string[]
}

/** Puts the results into results.tsv and the page. */
export function recordResults(results: readonly UnitResult[]): void {
  const rows = new Map(readRows().map((row) => [row.unit, row]))
  const baseline = readBaseline()
  for (const { unit, passed, failures } of results) {
    const failing = failures.map((failure) => failure.test || BREAKS_OFF)
    const of = String(baseline.get(unit) ?? '?')
    rows.set(unit, { unit, baseline: of, passed: String(passed), failing })
  }
  const order = readUnits().map((unit) => unit.name)
  const sorted = [...rows.values()].sort((a, b) => order.indexOf(a.unit) - order.indexOf(b.unit))
  writeRows(sorted)
  writeTable()
}

/** Writes the page's table anew from results and reasons. */
export function writeTable(): void {
  const text = readFileSync(PAGE, 'utf8')
  const begin = text.indexOf(BEGIN)
  const end = text.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`${PAGE}: no markers for the Tcl suite`)
  const start = begin + BEGIN.length + 1
  writeFileSync(PAGE, text.slice(0, start) + suiteTable() + text.slice(end))
}

/** The table as Markdown. */
export function suiteTable(): string {
  const reasons = readReasons()
  const head =
    '| unit | Redis 7.0.15 passes | Tidemark passes | failing tests, and why |\n|---|---|---|---|\n'
  const lines = readRows().map((row) => {
    const remarks = [...leftOut(row.unit), ...remarksOf(reasons, row)]
    return `| ${row.unit} | ${row.baseline} | ${row.passed} | ${remarks.join('<br>')} |\n`
  })
  const later = readUnits().filter((unit) => !unit.applies)
  const rest = later.map((unit) => `| ${unit.name} | | | ${unit.remark} |\n`)
  return head + lines.join('') + rest.join('')
}

/** Whether reasons.tsv says why a test fails; '' stands for a unit that breaks off. */
export function isExplained(unit: string, test: string): boolean {
  return reasonOf(readReasons(), unit, test || BREAKS_OFF) !== OPEN
}

/** What a unit is run without. */
function leftOut(name: string): string[] {
  return readUnits()
    .filter((unit) => unit.name === name && unit.remark !== '')
    .map((unit) => `run ${unit.remark}`)
}

/** The failing tests of a unit by their reasons; their number where there are many. */
function remarksOf(reasons: ReadonlyMap<string, string>, { unit, failing }: Row): string[] {
  const byReason = new Map<string, string[]>()
  for (const test of failing) {
    const reason = reasonOf(reasons, unit, test)
    const name = test.replace(/\|/g, '\\|').replace(/</g, '&lt;')
    byReason.set(reason, [...(byReason.get(reason) ?? []), name])
  }
  return [...byReason].map(([reason, tests]) => {
    const isShort = tests.length <= NAMED_MAX || reason === OPEN
    return `${reason}: ${isShort ? tests.join(', ') : `${tests.length} tests`}`
  })
}

/** The reason for a failing test, for a whole unit (`*`), or the open question. */
function reasonOf(reasons: ReadonlyMap<string, string>, unit: string, test: string): string {
  return reasons.get(`${unit}\t${test}`) ?? reasons.get(`${unit}\t*`) ?? OPEN
}

function readReasons(): Map<string, string> {
  if (!existsSync(REASONS)) return new Map()
  const rows = rowsOf(REASONS)
  return new Map(rows.map(([unit, test, reason]) => [`${unit}\t${test}`, reason ?? '']))
}

function readRows(): Row[] {
  if (!existsSync(RESULTS)) return []
  return rowsOf(RESULTS).map(([unit = '', baseline = '', passed = '', ...failing]) => ({
    unit,
    baseline,
    passed,
    failing: failing.filter((test) => test !== ''),
  }))
}

function writeRows(rows: readonly Row[]): void {
  const head =
    '# Written by npm run tcl: unit, tests Redis 7.0.15 passes, we pass, failing tests.\n'
  const lines = rows.map((row) => [row.unit, row.baseline, row.passed, ...row.failing].join('\t'))
  writeFileSync(RESULTS, `${head}${lines.join('\n')}\n`)
}
