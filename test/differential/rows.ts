// All rows of commands that are compared, by family, with their forms parsed. A new family is one
// line here.

import { type Form, parseForm } from './form.ts'
import type { Row } from './row.ts'
import { HASH_ROWS, LIST_ROWS, NEWER_ROWS, SET_ROWS } from './rows-collections.ts'
import { KEY_ROWS, SORT_ROWS, STRING_ROWS } from './rows-keys.ts'
import { GEO_ROWS, STREAM_ROWS, ZSET_ROWS } from './rows-ordered.ts'

/** A row with its form parsed. */
export interface ParsedRow extends Row {
  readonly parsed: Form
  /** The command, in lower case. */
  readonly name: string
}

/** Rows by family; each family is equally frequent in a round of all. SORT is in some rounds. */
export const FAMILIES: Readonly<Record<string, readonly ParsedRow[]>> = {
  key: KEY_ROWS.map(parse),
  string: STRING_ROWS.map(parse),
  list: LIST_ROWS.map(parse),
  hash: HASH_ROWS.map(parse),
  set: SET_ROWS.map(parse),
  zset: ZSET_ROWS.map(parse),
  geo: GEO_ROWS.map(parse),
  stream: STREAM_ROWS.map(parse),
  sort: SORT_ROWS.map(parse),
  newer: NEWER_ROWS.map(parse),
}

function parse(row: Row): ParsedRow {
  return { ...row, parsed: parseForm(row.form), name: row.form.split(' ')[0]!.toLowerCase() }
}
