// Scripts: lists of commands made from a seed, each with the row it came from. A script runs from
// an empty server with given parameters, so it repeats, and any part of it is a script too.

import type { Random } from '../../src/base/random.ts'
import { showText } from '../lib/resp.ts'
import { expand } from './form.ts'
import type { Row } from './row.ts'
import { FAMILIES, type ParsedRow } from './rows.ts'
import { type Profile, Words } from './words.ts'

export interface Step {
  readonly words: readonly string[]
  readonly row: Row
}

export interface Script {
  readonly version: 2 | 3
  /** Parameters set before the first command. */
  readonly config: Readonly<Record<string, string>>
  readonly steps: readonly Step[]
}

const PLAIN: Row = { form: '' }
const SORTING_ONE_IN = 4
/** Of 100 commands, how many begin a transaction. */
const MULTI_PERCENT = 1
const MULTI_LENGTH_MAX = 8
/** Of 100 commands, how many have a word too few, too many, or a strange one. */
const DAMAGE_PERCENT = 3
const STRANGE = ['BOGUS', '', '-1', 'x', '18446744073709551616', 'NX', 'COUNT', '0']

const PROFILES: readonly Profile[] = [
  { memberCount: 8, valueBytesMax: 20, repeatMax: 6, wrongPercent: 3 },
  { memberCount: 40, valueBytesMax: 100, repeatMax: 12, wrongPercent: 5 },
  { memberCount: 400, valueBytesMax: 200, repeatMax: 150, wrongPercent: 1 },
  { memberCount: 20, valueBytesMax: 9000, repeatMax: 8, wrongPercent: 2 },
]

/** Limits of the encodings: those of Redis, the smallest, small, and large ones. */
export const THRESHOLDS: readonly Readonly<Record<string, string>>[] = [
  thresholds({ entries: '128', bytes: '64', list: '-2', depth: '0', nodeEntries: '100' }),
  thresholds({ entries: '0', bytes: '0', list: '1', depth: '1', nodeEntries: '1' }),
  thresholds({ entries: '4', bytes: '10', list: '3', depth: '1', nodeEntries: '3' }),
  thresholds({ entries: '5000', bytes: '5000', list: '-5', depth: '0', nodeEntries: '0' }),
]

/** Parameters with these limits. */
export function thresholds(limits: {
  readonly entries: string
  readonly bytes: string
  readonly list: string
  readonly depth: string
  readonly nodeEntries: string
}): Record<string, string> {
  const { entries, bytes, list, depth, nodeEntries } = limits
  return {
    'hash-max-listpack-entries': entries,
    'hash-max-listpack-value': bytes,
    'zset-max-listpack-entries': entries,
    'zset-max-listpack-value': bytes,
    'set-max-intset-entries': entries,
    'list-max-listpack-size': list,
    'list-compress-depth': depth,
    'stream-node-max-entries': nodeEntries,
    'hll-sparse-max-bytes': entries === '4' ? '60' : '3000',
  }
}

/** A script of so many commands, of the rows that `isKnown` lets pass. */
export function makeScript(
  random: Random,
  count: number,
  isKnown: (row: ParsedRow) => boolean,
): Script {
  const words = new Words(random, PROFILES[random.below(PROFILES.length)]!)
  const families = Object.entries(FAMILIES).map(([name, rows]) => ({
    name,
    rows: rows.filter(isKnown),
  }))
  const isSorting = random.below(SORTING_ONE_IN) === 0
  const present = families
    .filter(({ name, rows }) => rows.length > 0 && (name !== 'sort' || isSorting))
    .map(({ rows }) => rows)
  // Half of the rounds are about one type, so that its values grow.
  const isNarrow = random.below(2) === 0 && !isSorting
  const chosen = isNarrow ? [present[0]!, words.pick(present)] : present
  const steps: Step[] = []
  while (steps.length < count) {
    if (words.chance(MULTI_PERCENT)) addTransaction(words, chosen, steps)
    else steps.push(makeStep(words, chosen))
  }
  return {
    version: random.below(3) === 0 ? 3 : 2,
    config: words.pick(THRESHOLDS),
    steps,
  }
}

/** The scripts of a text: a command in each line, an empty line after each script. */
export function parseScripts(text: string): Script[] {
  return text
    .split(/\n\s*\n/)
    .map((block) => block.split('\n').filter((line) => line !== '' && !line.startsWith('#')))
    .filter((lines) => lines.length > 0)
    .map((lines) => ({
      version: 2,
      config: THRESHOLDS[0]!,
      steps: lines.map((line) => ({ words: line.split(' '), row: PLAIN })),
    }))
}

/** A command in one line, as redis-cli takes it. */
export function showStep({ words }: Step): string {
  return words.map((word) => (/^[\w:.+*#()-]+$/.test(word) ? word : showText(word))).join(' ')
}

/** A script as lines. */
export function showScript({ version, config, steps }: Script): string {
  const parameters = Object.entries(config)
    .filter(([name, value]) => THRESHOLDS[0]![name] !== value)
    .map(([name, value]) => `CONFIG SET ${name} ${value}`)
  return [`HELLO ${version}`, ...parameters, ...steps.map(showStep)].join('\n')
}

function addTransaction(
  words: Words,
  families: readonly (readonly ParsedRow[])[],
  steps: Step[],
): void {
  steps.push({ words: ['MULTI'], row: PLAIN })
  for (let i = words.below(MULTI_LENGTH_MAX); i > 0; i--) {
    const step = makeStep(words, families)
    if (step.row.isAlone !== true) steps.push(step)
  }
  steps.push({ words: [words.chance(85) ? 'EXEC' : 'DISCARD'], row: PLAIN })
}

function makeStep(words: Words, families: readonly (readonly ParsedRow[])[]): Step {
  const row = pickRow(words, words.pick(families))
  const command = expand(row.parsed, words)
  const isFirm = row.isBlocking === true || row.isAlone === true || row.isFirm === true
  if (!isFirm && words.chance(DAMAGE_PERCENT)) damage(words, command)
  return { words: command, row }
}

function pickRow(words: Words, rows: readonly ParsedRow[]): ParsedRow {
  const total = rows.reduce((sum, { weight = 1 }) => sum + weight, 0)
  let left = words.random.float() * total
  for (const row of rows) {
    left -= row.weight ?? 1
    if (left < 0) return row
  }
  return rows[0]!
}

function damage(words: Words, command: string[]): void {
  const at = 1 + words.below(command.length)
  const strange = words.pick(STRANGE)
  switch (words.below(3)) {
    case 0:
      command.splice(at, 1)
      return
    case 1:
      command.splice(at, 0, strange)
      return
    default:
      if (at < command.length) command[at] = strange
      else if (at > 1) command.pop()
  }
}
