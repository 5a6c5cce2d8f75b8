// What the arguments of MIGRATE say: options, where the keys stand, and which are secrets.
//
//    MIGRATE host port key|"" database timeout [COPY] [REPLACE]
//            [AUTH password | AUTH2 name password] [KEYS key …]
//
// What stands behind KEYS is keys, whatever its words are.

import { type Args, word } from '../resp/args.ts'
import { type ReplyError, replyError, SYNTAX_ERROR } from '../resp/replies.ts'

const COPY = word('copy')
const REPLACE = word('replace')
const AUTH = word('auth')
const AUTH2 = word('auth2')
const KEYS = word('keys')
const FIRST_OPTION = 6
/** Position of the one key; with KEYS it is the empty string. */
export const KEY = 3

const KEY_NOT_EMPTY = replyError(
  'ERR When using MIGRATE KEYS option, the key argument must be set to the empty string',
)

export interface MigrateOptions {
  isCopy: boolean
  isReplacing: boolean
  /** Positions of what AUTH or AUTH2 was given. */
  secrets: readonly number[]
  keys: readonly number[]
}

/** The options; or what is wrong with them. */
export function readMigrateOptions(args: Args): MigrateOptions | ReplyError {
  const options: MigrateOptions = { isCopy: false, isReplacing: false, secrets: [], keys: [KEY] }
  for (let i = FIRST_OPTION; i < args.count; i++) {
    const left = args.count - 1 - i
    if (args.is(i, COPY)) options.isCopy = true
    else if (args.is(i, REPLACE)) options.isReplacing = true
    else if (args.is(i, AUTH) && left >= 1) options.secrets = [++i]
    else if (args.is(i, AUTH2) && left >= 2) options.secrets = [++i, ++i]
    else if (args.is(i, KEYS)) {
      if (args.length(KEY) > 0) return KEY_NOT_EMPTY
      options.keys = positionsFrom(args, i + 1)
      return options
    } else return SYNTAX_ERROR
  }
  return options
}

function positionsFrom(args: Args, first: number): number[] {
  return Array.from({ length: args.count - first }, (_, i) => first + i)
}

/** The key, or those behind KEYS; none when both are given. */
export function findMigrateKeys(args: Args, positions: number[]): void {
  for (let i = FIRST_OPTION; i < args.count; i++) {
    if (args.is(i, AUTH)) i++
    else if (args.is(i, AUTH2)) i += 2
    else if (args.is(i, KEYS)) {
      if (args.length(KEY) === 0) positions.push(...positionsFrom(args, i + 1))
      return
    }
  }
  positions.push(KEY)
}

/** Positions of what must appear in no log. */
export function migrateSecrets(args: Args): readonly number[] {
  const secrets: number[] = []
  for (let i = FIRST_OPTION; i < args.count && !args.is(i, KEYS); i++) {
    const count = args.is(i, AUTH) ? 1 : args.is(i, AUTH2) ? 2 : 0
    for (let last = Math.min(i + count, args.count - 1); i < last; ) secrets.push(++i)
  }
  return secrets
}
