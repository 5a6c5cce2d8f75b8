// What the server as a whole must know, and its commands on the model: saves and how they ended,
// parameters, FLUSHALL, DEBUG RELOAD.

import type { SnapshotOutcome } from '../../src/persist/snapshot/session.ts'
import { scalar, type Value } from '../lib/resp.ts'
import { bulk, differenceOf, type Expected, error, integer, type Model, OK } from './model.ts'
import type { Call, Row } from './model-strings.ts'
import { type SimDisk, statesAt } from './sim-disk.ts'

const IN_PROGRESS: Value = error('ERR Background save already in progress')
export const MISCONF = error(
  "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to " +
    'disk. Commands that may modify the data set are disabled, because this instance is ' +
    'configured to report errors during writes if RDB snapshotting fails ' +
    '(stop-writes-on-bgsave-error option). Please check the Redis logs for details about the ' +
    'RDB error.',
)

export class ServerModel {
  readonly config: Map<string, string>
  readonly disk: SimDisk
  readonly model: Model
  /** Reads what the server holds, to go on from where a failed load has left it. */
  readonly capture: () => Map<string, string>[]
  isSaving = false
  isLastSaveOk = true
  lastSaveSeconds: number
  /** Whether the disk may fail. */
  isDiskFaulty = false
  /** A timer runs commands: what else happened in the same millisecond cannot be told. */
  isInTimer = false
  /** Until when CLIENT PAUSE holds writers back; 0: it does not. */
  pausedUntilMs = 0
  #isSaveExcused = false

  constructor(options: {
    readonly config: ReadonlyMap<string, string>
    readonly disk: SimDisk
    readonly model: Model
    readonly capture: () => Map<string, string>[]
    readonly startedMs: number
  }) {
    this.config = new Map(options.config)
    this.disk = options.disk
    this.model = options.model
    this.capture = options.capture
    this.lastSaveSeconds = Math.floor(options.startedMs / 1000)
  }

  get nowSeconds(): number {
    return Math.floor(this.model.nowMs / 1000)
  }

  get hasSavePoints(): boolean {
    return this.config.get('save') !== ''
  }

  get refusesWrites(): boolean {
    const stops = this.config.get('stop-writes-on-bgsave-error') === 'yes'
    return !this.isLastSaveOk && stops && this.hasSavePoints
  }

  /** Whether a save may fail: a fault may have met it, be it over by now. */
  get mayFail(): boolean {
    return this.isDiskFaulty || this.#isSaveExcused
  }

  /** The disk works again. */
  heal(): void {
    this.#isSaveExcused = this.isSaving && this.mayFail
    this.isDiskFaulty = false
  }

  noteOutcome({ kind }: SnapshotOutcome): void {
    this.isSaving = false
    this.#isSaveExcused = false
    if (kind === 'saved') this.noteSaved()
    if (kind === 'failed') this.isLastSaveOk = false
  }

  noteSaved(): void {
    if (this.disk.candidates.length > 1) throw new Error('saved, but a power cut may undo it')
    this.isLastSaveOk = true
    this.lastSaveSeconds = this.nowSeconds
  }
}

/** The rows of the server's own commands. */
export function serverRows(server: ServerModel): Readonly<Record<string, Row>> {
  return {
    BGSAVE: { arity: -1, run: () => bgsave(server) },
    SAVE: { arity: 1, run: () => save(server) },
    LASTSAVE: { arity: 1, run: () => integer(server.lastSaveSeconds) },
    INFO: { arity: -1, run: () => info(server) },
    CONFIG: { arity: -2, run: (call) => config(server, call) },
    FLUSHALL: { arity: -1, isWrite: true, run: () => flushall(server) },
    RELOAD: { arity: -1, run: (call) => reload(server, call) },
    SHUTDOWN: { arity: -1, run: () => error('ERR Errors trying to SHUTDOWN. Check logs.') },
    QUIT: { arity: -1, run: () => OK },
    PAUSE: { arity: 4, run: ({ words }) => pause(server, Number(words[2])) },
    UNPAUSE: { arity: 2, run: () => pause(server, null) },
  }
}

function bgsave(server: ServerModel): Expected {
  const started = scalar('simple', 'Background saving started')
  if (server.isInTimer) {
    return ({ kind }) => {
      server.isSaving = true
      return kind === 'simple' || kind === 'error' ? '' : kind
    }
  }
  if (server.isSaving) return IN_PROGRESS
  server.isSaving = true
  return started
}

/** A pause within a pause never ends it earlier; null ends all. */
function pause(server: ServerModel, ms: number | null): Expected {
  const untilMs = ms === null ? 0 : server.model.nowMs + ms
  server.pausedUntilMs = ms === null ? 0 : Math.max(server.pausedUntilMs, untilMs)
  return OK
}

function save(server: ServerModel): Expected {
  if (server.isSaving && !server.isInTimer) return IN_PROGRESS
  const mayBeRefused = server.isSaving
  return ({ kind, text }) => {
    if (mayBeRefused && text === IN_PROGRESS.text) return ''
    if (kind === 'simple') server.noteSaved()
    else if (!server.isDiskFaulty) return `${kind} ${text} of a disk that works`
    return kind === 'simple' || text === 'ERR' ? '' : `${kind} ${text}`
  }
}

function info(server: ServerModel): Expected {
  const { isSaving, isLastSaveOk, isInTimer } = server
  return ({ text }) => {
    if (isInTimer) return ''

    const field = (name: string) => new RegExp(`${name}:(.*)\r`).exec(text)?.[1]
    const found = `${field('rdb_bgsave_in_progress')} ${field('rdb_last_bgsave_status')}`
    const expected = `${isSaving ? 1 : 0} ${isLastSaveOk ? 'ok' : 'err'}`
    return found === expected ? '' : `saving and status ${found}, expected ${expected}`
  }
}

function config(server: ServerModel, { session, words }: Call): Expected {
  const [, action, name, value] = words as [string, string, string, string]
  if (action === 'SET') {
    server.config.set(name, value)
    return OK
  }
  const items = [bulk(name), bulk(server.config.get(name)!)]
  return { kind: session.version === 3 ? 'map' : 'array', text: '', items }
}

function flushall({ model }: ServerModel): Expected {
  for (let id = 0; id < model.databases.length; id++) model.flush(id)
  return OK
}

/** DEBUG RELOAD: what was there is there again, or, with NOSAVE, what the file holds. */
function reload(server: ServerModel, { words }: Call): Expected {
  const { model, disk } = server
  const isSaved = words[2] !== 'NOSAVE'
  return (reply: Value) => {
    server.isSaving = false
    if (reply.kind === 'error') {
      if (!server.isDiskFaulty) return `${reply.text} of a disk that works`
      if (reply.text.includes('load')) model.load(server.capture())
      // What was saved before the load failed counts as saved.
      if (reply.text.includes('load') && isSaved) server.noteSaved()
      return ''
    }
    const found = statesAt(disk.live, model.databases.length, model.nowMs)
    const difference = isSaved ? differenceOf(found, model.contents()) : ''
    if (isSaved) server.noteSaved()
    model.load(found)
    return difference
  }
}
