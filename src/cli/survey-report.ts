// What a survey of an RDB stream has found, as text and as JSON: per database and type, and the
// largest keys. Names in JSON are part of the interface: scripts read them.

import type { KeyFigures, LargeKey, RdbSurvey } from '../persist/rdb/rdb-survey.ts'
import { byteText, keyText, tableText } from './text.ts'

/** What a program may rely on in the output of `--json`. */
export interface SurveyJson extends KeyFigures {
  readonly functions: number
  readonly emptyKeys: number
  readonly databases: readonly DatabaseJson[]
  readonly largestKeys: readonly LargeKeyJson[]
}

interface DatabaseJson extends KeyFigures {
  readonly id: number
  readonly types: Readonly<Record<string, KeyFigures>>
}

type LargeKeyJson = Omit<LargeKey, 'key'> & { readonly key: string }

export function surveyJson(survey: RdbSurvey): SurveyJson {
  const databases = filledDatabases(survey).map(({ types, ...database }) => ({
    ...database,
    types: Object.fromEntries(types.map(({ type, ...figures }) => [type, figures])),
  }))
  const largestKeys = survey.largest.map((large) => ({ ...large, key: keyText(large.key) }))
  const { functions, empty } = survey
  return { ...survey.totals(), functions, emptyKeys: empty, databases, largestKeys }
}

/** Tables; nothing for a file without keys. */
export function surveyText(survey: RdbSurvey): string {
  const databases = filledDatabases(survey)
  if (databases.length === 0) return ''
  const head = ['db', 'type', 'keys', 'expiring', 'elements', 'in the file', 'per key']
  const rows = databases.flatMap(({ id, types }) =>
    types.map(({ type, ...figures }) => [`${id}`, type, ...figureCells(figures)]),
  )
  const totals = rows.length > 1 ? [['all', '', ...figureCells(survey.totals())]] : []
  const largest = survey.largest.map(({ database, type, key, elements, bytes }) => [
    `${database}`,
    type,
    `${elements}`,
    byteText(bytes),
    `  ${keyText(key)}`,
  ])
  const largestHead = ['db', 'type', 'elements', 'in the file', '  largest keys']
  // The name comes last and stands at its beginning.
  const names = [largestHead, ...largest].map((row) => row.at(-1) ?? '')
  const width = Math.max(...names.map((name) => name.length))
  const padded = [largestHead, ...largest].map((row, i) => [
    ...row.slice(0, -1),
    names[i]!.padEnd(width),
  ])
  return `\n${tableText([head, ...rows, ...totals], 2)}\n${tableText(padded, 2)}`
}

function figureCells({ keys, expiring, elements, bytes }: KeyFigures): string[] {
  return [`${keys}`, `${expiring}`, `${elements}`, byteText(bytes), byteText(bytes / keys)]
}

function filledDatabases(survey: RdbSurvey) {
  return [...survey.databases.values()].filter(({ keys }) => keys > 0)
}
