// The end of the server: by SHUTDOWN or a signal. Saves first if that is wanted, and stays alive
// when the save fails, unless it is forced.
//
//   run ──► Waiting ──replicas have all, or shutdown-timeout──► the end
//    │         └──abort──► it stays                               ▲ │
//    └── none lags behind ────────────────────────────────────────┘ └─save fails──► it stays
//
// While it waits for replicas writers wait, so that these can come to an end.

import type { Log } from '../base/log.ts'
import type { Persistence } from '../persist/persistence.ts'
import type { ShutdownOption } from './config-forms.ts'
import type { Mailbox } from './mailbox.ts'
import type { Server, ShutdownOptions, ShutdownOutcome } from './server.ts'

/** Options from the words of `shutdown-on-sigterm` and the like. */
export function shutdownOptionsOf(words: readonly ShutdownOption[]): ShutdownOptions {
  return {
    isSaveForced: words.includes('save'),
    isSaveForbidden: words.includes('nosave'),
    isForced: words.includes('force'),
    isImmediate: words.includes('now'),
  }
}

export interface ShutdownParts {
  /** Holds signals that nobody has acted on yet. */
  readonly mailbox: Mailbox
  /** Ends listeners and connections. */
  readonly closeSockets: () => void
}

/** A shutdown that waits for replicas. */
interface Waiting {
  readonly options: ShutdownOptions
  readonly limitMs: number
  /** Where in the stream they have to be. */
  readonly offset: number
  /** Told when the server stays after all. */
  readonly onStay: (() => void)[]
}

const MS_PER_SECOND = 1000

export class Shutdown {
  readonly #server: Server
  readonly #log: Log
  readonly #parts: ShutdownParts
  #isDone = false
  #waiting: Waiting | null = null

  constructor(server: Server, parts: ShutdownParts) {
    this.#server = server
    this.#log = server.log
    this.#parts = parts
  }

  /** Whether the server has ended. */
  get isDone(): boolean {
    return this.#isDone
  }

  /**
   * Ends the server, after replicas have what was written, if they are not too slow for that.
   * `onStay` is called if it has waited for them and stays; why is in the log.
   */
  run(options: ShutdownOptions, onStay: () => void = () => {}): ShutdownOutcome {
    if (this.#waiting !== null && !options.isImmediate) {
      this.#waiting.onStay.push(onStay)
      return 'waiting'
    }
    this.#log.notice('User requested shutdown...')
    const { config, primary, clock } = this.#server
    const { offset } = primary
    const limitMs = clock.nowMs() + config.values.shutdownTimeout * MS_PER_SECOND
    const isWait = !options.isImmediate && config.values.shutdownTimeout > 0
    if (!isWait || primary.countLagging(offset) === 0) return this.#end(options)
    this.#waiting = { options, limitMs, offset, onStay: [onStay] }
    this.#server.isEnding = true
    this.#server.keyspace.isExpiryPaused = true
    primary.requestAcks()
    return 'waiting'
  }

  /** Ends the wait for replicas when that is due. Called by the cron. */
  look(nowMs: number): void {
    const waiting = this.#waiting
    if (waiting === null) return
    const { primary } = this.#server
    if (nowMs < waiting.limitMs && primary.countLagging(waiting.offset) > 0) return
    primary.logLagging(waiting.offset)
    if (this.#end(waiting.options) === 'failed') this.#stay()
  }

  #end(options: ShutdownOptions): ShutdownOutcome {
    const { persistence, config, send, isLoading } = this.#server
    // What has moved to another server must not be in the file.
    this.#server.migrations.abort()
    send({ kind: 'stopping', temporaryPath: persistence?.temporaryPath ?? '' })
    const hasSavePoints = config.values.save.length > 0
    const isOrdered = options.isSaveForced || (hasSavePoints && !options.isSaveForbidden)
    // Half a dataset must not replace a whole one.
    const isSaveWanted = isOrdered && !isLoading
    if (!this.#endLog(options)) {
      this.#log.warning(
        'Errors trying to shut down the server. Check the logs for more information.',
      )
      send({ kind: 'staying' })
      return 'failed'
    }
    persistence?.abort()
    if (persistence !== null && isSaveWanted && !this.#save(persistence, options)) {
      this.#log.warning(
        'Errors trying to shut down the server. Check the logs for more information.',
      )
      send({ kind: 'staying' })
      return 'failed'
    }
    this.#isDone = true
    this.#parts.closeSockets()
    send({ kind: 'exit', code: 0, isGraceful: true })
    return 'ended'
  }

  /** Drops a shutdown that waits, or that a signal has ordered; false without one. */
  abort(): boolean {
    const isOrdered = this.#parts.mailbox.take() !== 0
    if (!isOrdered && this.#waiting === null) return false
    this.#log.notice('Shutdown manually aborted.')
    this.#server.send({ kind: 'staying' })
    this.#stay()
    return true
  }

  /** Serves writers again after a wait, and tells those who have ordered the shutdown. */
  #stay(): void {
    const waiting = this.#waiting
    if (waiting === null) return
    this.#waiting = null
    const { clock, clients, keyspace, parts } = this.#server
    this.#server.isEnding = false
    keyspace.isExpiryPaused = clients.isPaused
    for (const onStay of waiting.onStay) clock.after(0, onStay)
    clock.after(0, parts.resume)
  }

  /** Brings the log to disk; whether the server may end as far as that is concerned. */
  #endLog({ isForced }: ShutdownOptions): boolean {
    const { aof } = this.#server
    if (aof === null || aof.log.state === 'off') return true
    const { log } = aof
    if (log.isRewriting && log.state === 'waiting') {
      // Without its base the log is worth nothing.
      this.#log.warning(`Writing initial AOF${isForced ? '. Exit anyway.' : ", can't exit."}`)
      if (!isForced) return false
    }
    if (log.isRewriting) this.#log.warning('There is a child rewriting the AOF. Killing it!')
    log.abandon()
    this.#log.notice('Calling fsync() on the AOF file.')
    return log.flush() || isForced
  }

  /** Whether the server may end now. */
  #save(persistence: Persistence, { isForced }: ShutdownOptions): boolean {
    this.#log.notice('Saving the final RDB snapshot before exiting.')
    if (persistence.save() === null) return true
    const consequence = isForced ? 'Exit anyway.' : "can't exit."
    this.#log.warning(`Error trying to save the DB, ${consequence}`)
    return isForced
  }
}
