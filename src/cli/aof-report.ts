// What a check of an append only file has found, as text and as JSON: per file the commands by
// name, transactions and times, and the keys of an RDB preamble. Names in JSON are part of the
// interface: scripts read them.

import type { AofScan, CommandFigures } from './aof-scan.ts'
import { surveyJson, surveyText } from './survey-report.ts'
import { byteText, tableText } from './text.ts'

/** A file that is to be looked at. */
export interface AofPart {
  readonly path: string
  /** What lines call it. */
  readonly name: string
  readonly role: 'AOF' | 'BASE AOF' | 'INCR AOF'
  /** Only this one may be cut. */
  readonly isLast: boolean
}

/** What was found, and done. */
export interface AofVerdict {
  readonly part: AofPart
  readonly scan: AofScan
  readonly isValid: boolean
  /** What was kept when it was cut; null: it was not. */
  readonly copy: string | null
  /** What repairs it; null: nothing needs or can be repaired by this. */
  readonly repair: string | null
}

/** Commands that the table shows of each file; JSON has all. */
const SHOWN_MAX = 15
const MS_PER_SECOND = 1000

export function aofJson(path: string, verdicts: readonly AofVerdict[], ok: boolean): string {
  const files = verdicts.map(({ part, scan, isValid, copy, repair }) => ({
    file: part.path,
    role: part.role === 'AOF' ? 'single' : part.role === 'BASE AOF' ? 'base' : 'increment',
    fileBytes: scan.bytes,
    ok: isValid,
    okUpTo: scan.okUpTo,
    okUpToLine: scan.okUpToLine,
    cutAt: scan.cutAt < 0 ? null : scan.cutAt,
    rest: scan.rest,
    error: scan.fault,
    repair,
    copy,
    commands: scan.count,
    transactions: scan.transactions,
    firstTimestamp: scan.firstTimestamp < 0 ? null : scan.firstTimestamp,
    lastTimestamp: scan.lastTimestamp < 0 ? null : scan.lastTimestamp,
    byCommand: Object.fromEntries(sortedCommands(scan)),
    rdb: scan.rdb === null ? null : { error: scan.rdb.damage, ...surveyJson(scan.rdb.survey) },
  }))
  return `${JSON.stringify({ file: path, ok, files }, null, 2)}\n`
}

/** A part for each file; nothing for empty ones. */
export function aofText(verdicts: readonly AofVerdict[]): string {
  return verdicts.map(({ part, scan }) => scanText(part.name, scan)).join('')
}

function scanText(name: string, scan: AofScan): string {
  const keys = scan.rdb === null ? '' : surveyText(scan.rdb.survey)
  if (scan.count === 0) return keys === '' ? '' : `\n${name}${keys}`
  const { firstTimestamp: first, lastTimestamp: last } = scan
  const times = first < 0 ? '' : `, written from ${timeText(first)} to ${timeText(last)}`
  const head = `${name}: ${scan.count} commands, ${scan.transactions} transactions${times}`
  const sorted = sortedCommands(scan)
  const rows = sorted.slice(0, SHOWN_MAX).map(([command, { count, bytes }]) => {
    return [command, `${count}`, byteText(bytes)]
  })
  const more = sorted.length > SHOWN_MAX ? `(${sorted.length - SHOWN_MAX} more)\n` : ''
  const gap = keys === '' ? '' : '\n'
  return `\n${head}\n${keys}${gap}${tableText([['command', 'count', 'bytes'], ...rows], 1)}${more}`
}

/** By bytes, the most first. */
function sortedCommands({ commands }: AofScan): [string, CommandFigures][] {
  return [...commands].sort(([, a], [, b]) => b.bytes - a.bytes)
}

function timeText(seconds: number): string {
  const date = new Date(seconds * MS_PER_SECOND)
  return Number.isNaN(date.getTime()) ? `${seconds}` : date.toISOString().replace('.000', '')
}
