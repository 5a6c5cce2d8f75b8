// Results that have two dimensions, such as commands by sizes: one row per command, one column per
// size, `subject : reference` in each cell. A benchmark asks for it by giving every measure a
// `cell`; JSON keeps all that the plain table would show.

import type { Row } from './bench.ts'
import { formatNumber } from './table.ts'

/** Whether the result is to be shown so. */
export function isPivot(rows: readonly Row[]): boolean {
  return rows.some((row) => row.cell !== undefined)
}

/** Titles: what, the columns that have values, and the verdict. */
export function pivotHeader(rows: readonly Row[], title: string): string[] {
  return [title, ...columnsOf(rows), '']
}

/** One line per row name, in the order in which the measures were declared. */
export function pivotRows(rows: readonly Row[]): string[][] {
  const columns = columnsOf(rows)
  const names = [...new Set(rows.filter(hasValue).map((row) => row.cell!.row))]
  return names.map((name) => {
    const own = rows.filter((row) => hasValue(row) && row.cell!.row === name)
    const cells = columns.map((column) =>
      formatCell(own.find((row) => row.cell!.column === column)),
    )
    return [name, ...cells, formatVerdict(own)]
  })
}

function columnsOf(rows: readonly Row[]): string[] {
  return [...new Set(rows.filter(hasValue).map((row) => row.cell!.column))]
}

function hasValue(row: Row): boolean {
  return row.cell !== undefined && (row.subject ?? row.reference) !== undefined
}

function formatCell(row: Row | undefined): string {
  if (!row) return ''
  const [subject, reference] = [row.subject, row.reference].map((summary) =>
    formatNumber(summary?.median ?? Number.NaN),
  )
  return `${subject} : ${reference}`
}

/** `met` where every target of the line is, nothing where there is none. */
function formatVerdict(rows: readonly Row[]): string {
  const verdicts = rows.map((row) => row.isMet).filter((isMet) => isMet !== undefined)
  if (verdicts.length === 0) return ''
  return verdicts.every((isMet) => isMet) ? 'met' : 'missed'
}
