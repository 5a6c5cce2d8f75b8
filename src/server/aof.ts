// Ties the append only file (persist/aof/aof-log.ts) to the server: changes go from propagation to
// the log, replies through the gate, CONFIG SET appendonly to its states, a disk that refuses to
// MISCONF. The commands about it are in aof-commands.ts.
// Owner: the engine.

import type { Clock } from '../base/clock.ts'
import { Target } from '../command/effects.ts'
import { AofLoader, type AofReplayer } from '../persist/aof/aof-loader.ts'
import { AofLog } from '../persist/aof/aof-log.ts'
import type { Persistence } from '../persist/persistence.ts'
import { type ReplyError, replyError } from '../resp/replies.ts'
import type { AofGate } from './aof-gate.ts'
import { LiveAofSettings } from './aof-settings.ts'
import type { AofView } from './aof-view.ts'
import { UNKNOWN_COMMAND } from './replay.ts'
import type { Server } from './server.ts'

export interface AofOptions {
  readonly server: Server
  readonly persistence: Persistence
  readonly gate: AofGate
  readonly processId: number
  readonly replayer: () => AofReplayer
}

const US_PER_MS = 1000
const LOAD_STEP_BYTES = 1024 * 1024
/** Redis's rule of two seconds: so long the disk may be busy before writers wait for it. */
const STALL_MS = 2000
/** Most that gathers while the disk is busy, before the next run of the cron sees it. */
const BUFFER_BYTES_MAX = 64 * 1024 * 1024
const TURN_ON_FAILED = 'Unable to turn on AOF. Check server logs.'

export class Aof implements AofView {
  readonly log: AofLog
  readonly clock: Clock
  readonly #server: Server
  readonly #persistence: Persistence
  readonly #gate: AofGate
  readonly #replayer: () => AofReplayer
  readonly #settings: LiveAofSettings
  #isAttached = false
  isStalled = false
  /** The error that writes are refused with, and why. */
  #error: ReplyError | null = null
  #errorReason = ''
  /** Told when the log has come further. */
  readonly #watchers = new Set<() => void>()

  constructor({ server, persistence, gate, processId, replayer }: AofOptions) {
    this.#server = server
    this.clock = server.clock
    this.#persistence = persistence
    this.#gate = gate
    this.#replayer = replayer
    const { disk, clock, log, latency } = server
    this.#settings = new LiveAofSettings(server)
    this.log = new AofLog({
      disk,
      clock,
      log,
      settings: this.#settings,
      bases: persistence,
      processId,
      begin: () => this.#attach(),
      end: () => this.#detach(),
      onProgress: () => this.#noteProgress(),
      onFatal: () => server.send({ kind: 'exit', code: 1, isGraceful: false }),
      onDelay: (event, us) => latency.add(event, us / US_PER_MS),
    })
    gate.source = this.log.writer
  }

  /** Whether the data is to be loaded from the append only file. */
  get isWanted(): boolean {
    return this.#server.config.values.appendonly
  }

  /** Why writes are to be refused, or null. */
  get refusal(): ReplyError | null {
    const { failure } = this.log.writer
    if (failure === '' || this.log.state === 'off') return null
    if (this.#error === null || this.#errorReason !== failure) {
      this.#errorReason = failure
      this.#error = replyError(`MISCONF Errors writing to the AOF file: ${failure}`)
    }
    return this.#error
  }

  /** Looks at what there is to load. Throws StoreError. */
  openLoader(): AofLoader {
    const { directory } = this.log
    directory.read()
    directory.upgrade()
    return this.#loader()
  }

  /** Loads all of the log at once into the empty keyspace, as DEBUG LOADAOF does. Throws. */
  loadNow(): void {
    const { propagation, keyspace } = this.#server
    const loader = this.#loader()
    propagation.suspend()
    keyspace.isExpiryOn = false
    try {
      let hasMore = true
      while (hasMore) hasMore = loader.step(LOAD_STEP_BYTES)
    } finally {
      loader.close()
      keyspace.isExpiryOn = true
      propagation.resume()
    }
  }

  /** CONFIG SET appendonly: an error text, or null. */
  applySetting(): string | null {
    const isOn = this.log.state !== 'off'
    if (isOn === this.isWanted) return null
    if (isOn) {
      this.log.disable()
      return null
    }
    return this.log.enable() === null ? null : TURN_ON_FAILED
  }

  /** What recurs. */
  cron(): void {
    this.log.cron()
    this.#lookForStall()
    // The policy may have changed, or a save that held syncs may be over.
    this.#gate.release()
  }

  /** Calls `look` whenever the log has come further, until `unwatch`. */
  watch(look: () => void): void {
    this.#watchers.add(look)
  }

  unwatch(look: () => void): void {
    this.#watchers.delete(look)
  }

  #loader(): AofLoader {
    const { disk, clock, log, config } = this.#server
    return new AofLoader({
      disk,
      clock,
      log,
      directory: this.#settings.directory,
      manifest: this.log.directory.manifest,
      replayer: this.#replayer(),
      unknown: UNKNOWN_COMMAND,
      openRdb: (path) => this.#persistence.openPreamble(path),
      mayBeTruncated: config.values.aofLoadTruncated,
    })
  }

  #attach(): void {
    const { propagation } = this.#server
    if (this.#isAttached) return propagation.reselect(this.#sink)
    this.#isAttached = true
    propagation.attach(this.#sink)
  }

  #detach(): void {
    if (!this.#isAttached) return
    this.#isAttached = false
    this.#server.propagation.detach(this.#sink)
  }

  #lookForStall(): void {
    const { log, clock, parts } = this.#server
    const { waitingMs, bufferedBytes, failure } = this.log.writer
    // A disk that refuses is another matter: then writers are told.
    const isHanging = waitingMs > STALL_MS || bufferedBytes > BUFFER_BYTES_MAX
    const isStalled = isHanging && failure === '' && this.log.state !== 'off'
    if (isStalled === this.isStalled) return
    this.isStalled = isStalled
    if (isStalled) {
      log.warning(
        `The disk has not taken ${bufferedBytes} bytes of the AOF for ${waitingMs} ms: ` +
          'writers wait',
      )
      return
    }
    log.warning('The disk takes writes to the AOF again')
    // Never in the middle of what moved the log on.
    clock.after(0, () => parts.resume())
  }

  readonly #sink = {
    target: Target.Log,
    write: (bytes: Uint8Array, start: number, length: number) => {
      this.log.write(bytes, start, length)
    },
    endUnit: () => this.log.endUnit(),
  }

  #noteProgress(): void {
    if (this.isStalled) this.#lookForStall()
    this.#gate.release()
    for (const look of this.#watchers) look()
  }
}
