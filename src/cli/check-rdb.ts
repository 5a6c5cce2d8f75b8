// tidemark check-rdb: reads an RDB file to its end as the server would load it, and says whether it
// is whole and what is in it. Lines, in their essential parts, and exit codes are those of
// redis-check-rdb, so that scripts made for that work here. Never changes anything; what is damaged
// in an RDB file cannot be repaired, so the answer names what can be done instead.
//
// What the server refuses is refused here: also bytes behind the end, and data of modules, which
// redis-check-rdb lets pass.

import type { DiskFile } from '../base/disk.ts'
import { ErrorCode, StoreError } from '../base/errors.ts'
import { RdbSurvey } from '../persist/rdb/rdb-survey.ts'
import { rdbTypes } from '../persist/rdb/rdb-types.ts'
import { parseFileArguments } from './arguments.ts'
import { ProgressBar, watchedFile } from './progress-bar.ts'
import { type CliContext, ExitCode, type Subcommand } from './subcommand.ts'
import { surveyJson, surveyText } from './survey-report.ts'
import { keyText } from './text.ts'

/** Bytes that are read at a time. */
const STEP_BYTES = 16 * 1024 * 1024

const CRC_ERROR = 'RDB CRC error'
/** What went wrong, in the words of redis-check-rdb, by how the reader's message begins. */
const HEADLINES: readonly (readonly [start: string, headline: string])[] = [
  ['checksum ', CRC_ERROR],
  ['header ', 'Wrong signature trying to load DB from file'],
  ['version ', "Can't handle RDB format version"],
]
const TRUNCATED = 'Unexpected EOF reading RDB file'

/** What is known of the damage. */
interface Damage {
  readonly code: ErrorCode
  /** Where the reader stood. */
  readonly offset: number
  readonly headline: string
  /** File, byte, what was found and what was expected. */
  readonly message: string
  readonly key: string | null
  readonly type: string | null
  /** What the operator can do. */
  readonly advice: string
}

export const checkRdb: Subcommand = {
  name: 'check-rdb',
  usage: 'FILE [--json]',
  summary: 'Says whether an RDB file is whole, and what is in it',
  details: [
    'Reads the file as a server would load it, in bounded memory, and changes nothing.',
    'Ends with 0 when the file is whole, else with 1, as redis-check-rdb does.',
    '',
    '  --json  one JSON object in place of text',
  ],
  run(args, context) {
    const { path, values } = parseFileArguments(args, {
      json: { type: 'boolean', default: false },
    })
    const file = context.disk.openRead(path)
    try {
      return values.json ? checkAsJson(file, context) : checkAsText(file, context)
    } finally {
      file.close()
    }
  },
}

function checkAsText(file: DiskFile, context: CliContext): ExitCode {
  const bar = new ProgressBar(context, file.size())
  const tell = (line: string): void => {
    bar.clear()
    context.out(`${line}\n`)
  }
  const tellAt = (text: string): void => tell(`[offset ${survey.reader.position}] ${text}`)
  const survey: RdbSurvey = new RdbSurvey(context.clock.nowMs(), {
    onAux: (name, value) => tellAt(`AUX FIELD ${name} = '${printable(value)}'`),
    onDatabase: (id) => tellAt(`Selecting DB ID ${id}`),
  })
  tell(`[offset 0] Checking RDB file ${file.path}`)
  const damage = read(survey, file, bar)
  if (damage === null) {
    if (survey.reader.isVerified) tellAt('Checksum OK')
    tellAt('\\o/ RDB looks OK! \\o/')
  } else {
    for (const line of damageLines(damage)) tell(line)
  }
  const { expiring, expired } = survey.totals()
  tell(`[info] ${survey.reader.keys} keys read`)
  tell(`[info] ${expiring} expires`)
  tell(`[info] ${expired} already expired`)
  if (survey.empty > 0) tell(`[info] ${survey.empty} keys without elements, which are not loaded`)
  if (survey.functions > 0) tell(`[info] ${survey.functions} libraries of functions`)
  context.out(surveyText(survey))
  return damage === null ? ExitCode.Ok : ExitCode.Failed
}

function damageLines({ offset, headline, message, key, type, advice }: Damage): string[] {
  const lines = ['--- RDB ERROR DETECTED ---', `[offset ${offset}] ${headline}`]
  lines.push(`[additional info] ${message}`)
  if (key !== null) lines.push(`[additional info] Reading key '${key}'`)
  if (type !== null) lines.push(`[additional info] Reading type ${type}`)
  lines.push(`[additional info] ${advice}`)
  return lines
}

function checkAsJson(file: DiskFile, context: CliContext): ExitCode {
  const bar = new ProgressBar(context, file.size())
  const listener = { onAux: () => {}, onDatabase: () => {} }
  const survey = new RdbSurvey(context.clock.nowMs(), listener)
  const damage = read(survey, file, bar)
  const { version, isVerified } = survey.reader
  const result = {
    file: file.path,
    fileBytes: file.size(),
    ok: damage === null,
    error: damage,
    version,
    checksum: damage !== null ? 'unknown' : isVerified ? 'ok' : 'none',
    aux: Object.fromEntries(survey.aux),
    ...surveyJson(survey),
    // Of those that were read, not only of those that could be counted.
    keys: survey.reader.keys,
  }
  context.out(`${JSON.stringify(result, null, 2)}\n`)
  return damage === null ? ExitCode.Ok : ExitCode.Failed
}

/** Reads the whole file; returns what is wrong with it, or null. Throws when it cannot be read. */
function read(survey: RdbSurvey, file: DiskFile, bar: ProgressBar): Damage | null {
  try {
    survey.begin(watchedFile(file, bar))
    let hasMore = true
    while (hasMore) hasMore = survey.step(STEP_BYTES)
    return null
  } catch (error) {
    if (!(error instanceof StoreError) || error.code === ErrorCode.DiskFailed) throw error
    return describe(error, survey, file)
  } finally {
    bar.clear()
  }
}

function describe(error: StoreError, survey: RdbSurvey, file: DiskFile): Damage {
  const { code, message } = error
  const { position, reading } = survey.reader
  const detail = message.slice(file.path.length + 2)
  const known = HEADLINES.find(([start]) => detail.startsWith(start))
  const headline = code === ErrorCode.RdbTruncated ? TRUNCATED : (known?.[1] ?? detail)
  const type = reading === null ? null : `${reading.type} (${typeName(reading.type)})`
  const key = reading?.key == null ? null : keyText(Buffer.from(reading.key, 'latin1'))
  const advice = adviceFor(code, headline, survey.reader.keys)
  return { code, offset: position, headline, message, key, type, advice }
}

function adviceFor(code: ErrorCode, headline: string, keys: number): string {
  const other = 'take a backup, the AOF, or a file from a replica (redis-cli --rdb FILE)'
  if (headline === CRC_ERROR) {
    const look = 'tidemark-server --rdbchecksum no loads it as it is'
    return `All ${keys} keys could be read, but some byte is wrong: ${other}; ${look}`
  }
  if (code === ErrorCode.RdbUnsupported) {
    return 'The file may be whole: it holds what this version does not read'
  }
  return `${keys} keys before it could be read. RDB files cannot be repaired: ${other}`
}

function typeName(type: number): string {
  return rdbTypes.get(type)?.name ?? 'unknown'
}

function printable(text: string): string {
  return keyText(Buffer.from(text))
}
