// The deliberate differences that the conformance files mark (`ours … because …`, `@only
// reference`), as a table in docs/compatibility.md between two markers. A test compares the page
// with the files.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../lib/server.ts'
import type { Case } from './parse.ts'
import { loadCaseFiles } from './runner.ts'

const PAGE = join(ROOT, 'docs/compatibility.md')
const BEGIN = '<!-- conformance differences: begin -->'
const END = '<!-- conformance differences: end -->'

/** The table as Markdown. */
export function differencesTable(): string {
  const rows: string[] = []
  for (const file of loadCaseFiles()) {
    for (const test of file.cases) {
      for (const row of rowsOf(test)) rows.push(`| ${file.name} | ${row} |`)
    }
  }
  if (rows.length === 0) return 'None so far.\n'
  const head =
    '| file | case | Redis 7.0 answers | Tidemark answers | why |\n|---|---|---|---|---|\n'
  return `${head}${rows.join('\n')}\n`
}

/** The table that the page holds now. */
export function writtenTable(): string {
  const { start, end, text } = locate()
  return text.slice(start, end)
}

/** Puts the table into the page. */
export function writeDifferences(): void {
  const { start, end, text } = locate()
  writeFileSync(PAGE, text.slice(0, start) + differencesTable() + text.slice(end))
}

function rowsOf(test: Case): string[] {
  const title = cell(test.title)
  if (test.referenceOnly !== '')
    return [`${title} | as the case says | not checked | ${cell(test.referenceOnly)}`]
  const rows: string[] = []
  for (const step of test.steps) {
    if (step.do !== 'expect' || !step.ours) continue
    const { shown, reason } = step.ours
    rows.push(`${title} | ${code(step.shown)} | ${code(shown)} | ${cell(reason)}`)
  }
  return rows
}

function locate(): { start: number; end: number; text: string } {
  const text = readFileSync(PAGE, 'utf8')
  const begin = text.indexOf(BEGIN)
  const end = text.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`${PAGE}: no markers for the differences`)
  return { start: begin + BEGIN.length + 1, end, text }
}

function cell(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/\|/g, '\\|')
}

function code(text: string): string {
  return `\`${cell(text)}\``
}
