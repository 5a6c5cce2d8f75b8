// Reads an RDB stream to its end as the server would load it, tells on the way what stands between
// the keys, and says what is wrong: for a file of its own and for the preamble of an AOF. The lines
// are, in their essential parts, those of redis-check-rdb, so that scripts made for that work here.

import { ErrorCode, StoreError } from '../base/errors.ts'
import type { RdbFile } from '../persist/rdb/rdb-input.ts'
import { RdbSurvey } from '../persist/rdb/rdb-survey.ts'
import { rdbTypes } from '../persist/rdb/rdb-types.ts'
import { keyText } from './text.ts'

/** What is known of the damage. */
export interface RdbDamage {
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

export interface RdbCheckOptions {
  /** Deadlines before it have passed. */
  readonly nowMs: number
  /** Whether commands may follow the stream. */
  readonly mayTrail: boolean
  /** Takes line after line; absent: only the result counts. */
  readonly tell?: (line: string) => void
}

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

export class RdbCheck {
  readonly survey: RdbSurvey
  /** What is wrong; null: nothing. */
  damage: RdbDamage | null = null
  readonly #file: RdbFile
  readonly #options: RdbCheckOptions

  constructor(file: RdbFile, options: RdbCheckOptions) {
    this.#file = file
    this.#options = options
    this.survey = new RdbSurvey(options.nowMs, {
      onAux: (name, value) => this.#tellAt(`AUX FIELD ${name} = '${printable(value)}'`),
      onDatabase: (id) => this.#tellAt(`Selecting DB ID ${id}`),
    })
  }

  /** Reads all of it; whether it is whole. Throws StoreError when the disk does. */
  run(): boolean {
    const { survey } = this
    this.#tell(`[offset 0] Checking RDB file ${this.#file.path}`)
    this.#read()
    if (this.damage === null) {
      if (survey.reader.isVerified) this.#tellAt('Checksum OK')
      this.#tellAt('\\o/ RDB looks OK! \\o/')
    } else this.#tellDamage(this.damage)
    const { expiring, expired } = survey.totals()
    this.#tell(`[info] ${survey.reader.keys} keys read`)
    this.#tell(`[info] ${expiring} expires`)
    this.#tell(`[info] ${expired} already expired`)
    const { empty, functions } = survey
    if (empty > 0) this.#tell(`[info] ${empty} keys without elements, which are not loaded`)
    if (functions > 0) this.#tell(`[info] ${functions} libraries of functions`)
    return this.damage === null
  }

  #read(): void {
    const { mayTrail } = this.#options
    try {
      this.survey.begin(this.#file, { mayTrail })
      let hasMore = true
      while (hasMore) hasMore = this.survey.step(STEP_BYTES)
    } catch (error) {
      if (!(error instanceof StoreError) || error.code === ErrorCode.DiskFailed) throw error
      this.damage = this.#describe(error)
    }
  }

  #describe({ code, message }: StoreError): RdbDamage {
    const { position, reading, keys } = this.survey.reader
    const detail = message.slice(this.#file.path.length + 2)
    const known = HEADLINES.find(([start]) => detail.startsWith(start))
    const headline = code === ErrorCode.RdbTruncated ? TRUNCATED : (known?.[1] ?? detail)
    const type = reading === null ? null : `${reading.type} (${typeName(reading.type)})`
    const name = reading?.key ?? null
    const key = name === null ? null : keyText(Buffer.from(name, 'latin1'))
    const advice = adviceFor(code, headline, keys)
    return { code, offset: position, headline, message, key, type, advice }
  }

  #tellDamage({ offset, headline, message, key, type, advice }: RdbDamage): void {
    this.#tell('--- RDB ERROR DETECTED ---')
    this.#tell(`[offset ${offset}] ${headline}`)
    this.#tell(`[additional info] ${message}`)
    if (key !== null) this.#tell(`[additional info] Reading key '${key}'`)
    if (type !== null) this.#tell(`[additional info] Reading type ${type}`)
    this.#tell(`[additional info] ${advice}`)
  }

  #tellAt(text: string): void {
    this.#tell(`[offset ${this.survey.reader.position}] ${text}`)
  }

  #tell(line: string): void {
    this.#options.tell?.(line)
  }
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
