// A row of the tables of commands: the form, how the replies of two servers are compared, and what
// is special about the command. Adding a command is one row in a file `rows-….ts`.

import type { Value } from '../lib/resp.ts'
import type { Same } from './same.ts'

export interface Row {
  /** See form.ts. */
  readonly form: string
  /** By default the replies must be equal. */
  readonly same?: Same
  /** How often, compared with other rows; by default 1. */
  readonly weight?: number
  /** The command for the reference that does what this server's reply says it did. */
  readonly follow?: (words: readonly string[], reply: Value) => readonly string[]
  /** A command for the reference whose reply must be free of nil and 0. */
  readonly witness?: (words: readonly string[], reply: Value) => readonly string[]
  /** Payloads are exchanged and their values compared. */
  readonly isDump?: boolean
  /** May wait: the words are never damaged, so that it does not wait for ever. */
  readonly isBlocking?: boolean
  /** The reference makes a skiplist of a sorted set by reading it. */
  readonly convertsZsets?: boolean
  /** How many changes it counts is another number here, on purpose. */
  readonly hasOwnChanges?: boolean
  /** No word is left out, added or replaced: 7.0 knows fewer options, or does any thing. */
  readonly isFirm?: boolean
  /** 7.0 has no such command: only this server is compared with itself. */
  readonly isNewer?: boolean
  /** Not in transactions. */
  readonly isAlone?: boolean
}
