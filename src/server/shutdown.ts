// The end of the server: by SHUTDOWN or a signal. Saves first if that is wanted, and stays alive
// when the save fails, unless it is forced.

import type { Log } from '../base/log.ts'
import type { Persistence } from '../persist/persistence.ts'
import type { ShutdownOption } from './config-forms.ts'
import type { Mailbox } from './mailbox.ts'
import type { Server, ShutdownOptions } from './server.ts'

/** Options from the words of `shutdown-on-sigterm` and the like. */
export function shutdownOptionsOf(words: readonly ShutdownOption[]): ShutdownOptions {
  return {
    isSaveForced: words.includes('save'),
    isSaveForbidden: words.includes('nosave'),
    isForced: words.includes('force'),
  }
}

export interface ShutdownParts {
  /** Holds signals that nobody has acted on yet. */
  readonly mailbox: Mailbox
  /** Ends listeners and connections. */
  readonly closeSockets: () => void
}

export class Shutdown {
  readonly #server: Server
  readonly #log: Log
  readonly #parts: ShutdownParts
  #isDone = false

  constructor(server: Server, parts: ShutdownParts) {
    this.#server = server
    this.#log = server.log
    this.#parts = parts
  }

  /** Whether the server has ended. */
  get isDone(): boolean {
    return this.#isDone
  }

  /** Ends the server; false, logged, when it must stay because it could not save. */
  run(options: ShutdownOptions): boolean {
    const { persistence, config, send, isLoading } = this.#server
    this.#log.notice('User requested shutdown...')
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
      return false
    }
    persistence?.abort()
    if (persistence !== null && isSaveWanted && !this.#save(persistence, options)) {
      this.#log.warning(
        'Errors trying to shut down the server. Check the logs for more information.',
      )
      send({ kind: 'staying' })
      return false
    }
    this.#isDone = true
    this.#parts.closeSockets()
    send({ kind: 'exit', code: 0, isGraceful: true })
    return true
  }

  /** Drops a shutdown that a signal has ordered and that has not begun; false without one. */
  abort(): boolean {
    if (this.#parts.mailbox.take() === 0) return false
    this.#log.notice('Shutdown manually aborted.')
    this.#server.send({ kind: 'staying' })
    return true
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
