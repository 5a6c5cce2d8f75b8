// The write delay: while a cut is open and more than half of its bound is in use, writers (EXEC as
// one), never readers, are held back before their command starts, so that use settles below the
// bound and no command waits inside of itself for the scanner. Never held: what MULTI queues, the
// server's own changes, and blocked clients whom somebody's write serves.
//
//   use / bound   0 ───────── ½ ─────────────────────── 0.9 ──── 1
//   writers       pass        │ metered, 5 % ╲ falling ╲ none    │ room for what is under way
//
// Metered: each tick gives (0.9 × bound − use) / 8 pages of credit, which commands spend with what
// they really charge. In balance the credit of a tick is what the scanner empties in one: 2.5 pages
// at 10 MB/s, so that use settles 20 pages below 0.9; if it stands still use creeps up to 0.9.
//
// The line is first in, first out; who is served runs a quantum of its pipeline and goes to the end
// again. A tick serves at most a millisecond. Below half, and when the cut has closed, everybody
// passes, and those in line are served in their order over the next ticks.
//
// Invariant: a writer is in `#line` if and only if its `delayedSinceUs` is not 0; its command is in
// `postponed` then, and nobody but `#serve` resumes it.
// Owner: the engine.

import { assert } from '../base/assert.ts'
import type { Clock, Timer } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { Flag } from '../command/command.ts'
import { DelayFigures } from './delay-figures.ts'

/** Of an open cut, what the delay steers by; all in pages. */
export interface OpenCut {
  /** Copies, output that waits, and growth forced by held pages. */
  readonly usedPages: number
  readonly boundPages: number
  /** Taken of the bound since the cut opened; only grows. */
  readonly chargedPages: number
}

export interface DelaySource {
  /** null while no cut is open. */
  readonly openCut: OpenCut | null
  /** Differs from cut to cut. */
  readonly cutNumber: number
  /** Whether memory is short, and can be freed only when less of the bound is in use. */
  readonly isStarved?: boolean
}

/** A client whose commands may be held back. */
export interface Writer {
  /** Since when its command stands in line, monotonic; 0: it does not. */
  delayedSinceUs: number
}

/** What the turns of the engine do for writers. */
export interface DelayHost<Client> {
  /** Whether writers are held back for another reason (CLIENT PAUSE, MIGRATE) as well. */
  readonly arePaused: boolean
  /** From now on commands with any of `flags` ask `holds` before they start. */
  setFlags(flags: number): void
  /** Runs the command that was held and what was sent behind it, which asks `holds` again. */
  resume(client: Client): void
}

export interface WriteDelayOptions {
  readonly source: DelaySource
  readonly clock: Clock
  readonly log: Log
  /** Hears how long each command was held. */
  readonly onDelay: (durationUs: number) => void
}

/** Shares of the bound: where writers begin to be held, where they stop, and upkeep stops. */
const DELAY_SHARE = 0.5
const SETTLE_SHARE = 0.9
const TIGHT_SHARE = 0.75
const TICK_MS = 1
const TICK_US = 1000
/** Ticks in which the credit would use up what is left, if it stayed as it is. */
const TICKS_TO_SETTLE = 8
/** What a command costs besides its pages: those that touch no new page have an end, too. */
const COMMAND_COST = 1 / 64
/** Time that one tick serves the line. */
const SERVE_US = 1000
/** Writing commands of one client before the next one's turn: metered, and while open. */
const METERED_QUANTUM = 16
const OPEN_QUANTUM = 128

export class WriteDelay<Client extends Writer> {
  /** Delays in the cut that is open or was last, and since the start or CONFIG RESETSTAT. */
  readonly figures = new DelayFigures()
  readonly totals = new DelayFigures()
  /** Where the cut is found; tests put another one here. */
  source: DelaySource
  readonly #options: WriteDelayOptions
  #host: DelayHost<Client> | null = null
  /** In the order of standing in line. */
  readonly #line = new Set<Client>()
  #cut: OpenCut | null = null
  #cutNumber = -1
  /** Pages that may be charged until the next tick. */
  #credit = 0
  /** When it was given, and what had been charged when it was last paid. */
  #creditUs = 0
  #paidPages = 0
  /** Who is taken from the line just now, and how many commands it may still start. */
  #served: Client | null = null
  #quantum = 0
  #timer: Timer | null = null
  #isStopped = false
  /** Delays of the last cut have begun, and the log does not say yet how they went. */
  #hasNews = false

  constructor(options: WriteDelayOptions) {
    this.#options = options
    this.source = options.source
  }

  connect(host: DelayHost<Client>): void {
    this.#host = host
  }

  /** Clients that stand in line. */
  get waitingCount(): number {
    return this.#line.size
  }

  /** Whether so much of the bound is in use that upkeep (expiry, freeing) must wait. */
  get isTight(): boolean {
    const cut = this.#cut
    return cut !== null && cut.usedPages > cut.boundPages * TIGHT_SHARE
  }

  /** Takes notice of a cut that has opened or closed. To be called before clients are served. */
  look(): void {
    const { openCut, cutNumber } = this.source
    if (openCut === this.#cut && (openCut === null || cutNumber === this.#cutNumber)) return
    if (openCut === null) this.#noteEnd()
    else this.#noteBegin(cutNumber)
    this.#cut = openCut
    this.#turns.setFlags(openCut === null ? 0 : Flag.Write)
  }

  /** Whether a writing command of `client` must not start at `nowUs`: then it is in line. */
  holds(client: Client, nowUs: number): boolean {
    const cut = this.#cut
    if (cut === null) return false
    assert(client.delayedSinceUs === 0, 'who stands in line starts nothing')
    const isServed = client === this.#served
    const isTurnOver = isServed && this.#quantum-- <= 0 && this.#line.size > 0
    if (!isTurnOver) {
      if (isOpen(cut)) return false
      // Credit that those in line leave over is for everybody, also between two ticks.
      const isFirst = isServed || this.#line.size === 0
      if (isFirst && this.#takeCredit(cut, nowUs, isServed)) return false
    }
    this.#enter(client, nowUs)
    return true
  }

  /** A client is gone. */
  forget(client: Client): void {
    if (client.delayedSinceUs > 0) this.#leave(client, this.#options.clock.monotonicUs())
  }

  /** CONFIG RESETSTAT. Delays that have begun and not ended are counted when they end. */
  resetTotals(): void {
    this.totals.reset(this.#line.size)
  }

  /** Serves nobody any more: the server has ended. */
  stop(): void {
    this.#isStopped = true
    this.#timer?.stop()
    this.#timer = null
  }

  /** Asserts the invariant of the line. */
  check(clients: Iterable<Client>): void {
    let count = 0
    for (const client of clients) {
      const stands = client.delayedSinceUs > 0
      assert(stands === this.#line.has(client), 'who waits stands in line')
      if (stands) count++
    }
    assert(count === this.#line.size, 'nobody in line is gone')
    assert(count === 0 || this.#timer !== null, 'those in line will be served')
  }

  get #turns(): DelayHost<Client> {
    assert(this.#host !== null, 'the engine has put the server together')
    return this.#host
  }

  /** Takes the credit for one command; false when there is none. */
  #takeCredit(cut: OpenCut, nowUs: number, isServed: boolean): boolean {
    if (!isServed && nowUs - this.#creditUs >= TICK_US) this.#giveCredit(cut, nowUs)
    if (!this.#hasCredit(cut)) return false
    this.#credit -= COMMAND_COST
    return true
  }

  /** Begins a tick: the nearer use is to where it is to settle, the less may be charged. */
  #giveCredit(cut: OpenCut, nowUs: number): void {
    const left = cut.boundPages * SETTLE_SHARE - cut.usedPages
    this.#credit = left > 0 ? Math.max(1, left / TICKS_TO_SETTLE) : 0
    this.#creditUs = nowUs
    this.#paidPages = cut.chargedPages
  }

  /** Pays what has been charged since the last look; whether anything is left. */
  #hasCredit(cut: OpenCut): boolean {
    const { chargedPages } = cut
    this.#credit -= chargedPages - this.#paidPages
    this.#paidPages = chargedPages
    // Use also grows by what is charged to nobody: output that waits, and freed pages.
    if (this.source.isStarved === true) return false
    return this.#credit > 0 && cut.usedPages <= cut.boundPages
  }

  #enter(client: Client, nowUs: number): void {
    assert(nowUs > 0, 'a time that is not "never"')
    if (!this.#hasNews) this.#tellBegin()
    client.delayedSinceUs = nowUs
    this.#line.add(client)
    this.figures.begin()
    this.totals.begin()
    this.#arm()
  }

  #leave(client: Client, nowUs: number): void {
    const stood = this.#line.delete(client)
    assert(stood, 'only who stands in line leaves it')
    const durationUs = Math.max(0, nowUs - client.delayedSinceUs)
    client.delayedSinceUs = 0
    this.figures.end(durationUs)
    this.totals.end(durationUs)
    this.#options.onDelay(durationUs)
  }

  #arm(): void {
    if (this.#timer !== null || this.#isStopped) return
    this.#timer = this.#options.clock.after(TICK_MS, () => this.#tick())
  }

  #tick(): void {
    this.#timer = null
    this.look()
    // A pause holds all of them anyway; they keep their places.
    if (!this.#turns.arePaused) this.#serveLine()
    if (this.#line.size > 0) this.#arm()
    else if (this.#cut === null) this.#noteEnd()
  }

  #serveLine(): void {
    const { clock } = this.#options
    let nowUs = clock.monotonicUs()
    const limitUs = nowUs + SERVE_US
    if (this.#cut !== null) this.#giveCredit(this.#cut, nowUs)
    // Who is held again comes up once more at the end of the same set.
    for (const client of this.#line) {
      if (nowUs >= limitUs || this.#turns.arePaused || this.#isStopped) return
      // A command may have ended the cut, or begun another.
      const cut = this.#cut
      const areFree = cut === null || isOpen(cut)
      if (!areFree && !this.#hasCredit(cut)) return
      this.#quantum = areFree ? OPEN_QUANTUM : METERED_QUANTUM
      this.#serve(client, nowUs)
      nowUs = clock.monotonicUs()
    }
  }

  #serve(client: Client, nowUs: number): void {
    assert(this.#served === null, 'one client is served at a time')
    this.#leave(client, nowUs)
    this.#served = client
    this.#turns.resume(client)
    this.#served = null
  }

  /** A cut opens: its figures begin. */
  #noteBegin(cutNumber: number): void {
    this.#tellEnd()
    this.#cutNumber = cutNumber
    this.#creditUs = 0
    this.figures.reset(this.#line.size)
  }

  /** The cut is closed; those in line still belong to it. */
  #noteEnd(): void {
    if (this.#line.size === 0) this.#tellEnd()
  }

  #tellBegin(): void {
    this.#hasNews = true
    this.#options.log.notice('Snapshot: half of its reserve is in use, writers are delayed')
  }

  #tellEnd(): void {
    if (!this.#hasNews) return
    this.#hasNews = false
    const { count, totalUs, maxUs } = this.figures
    this.#options.log.notice(
      `Snapshot: writers are no longer delayed; ${count} commands were, ` +
        `${(totalUs / 1e6).toFixed(3)} s together, the longest ${(maxUs / 1000).toFixed(3)} ms`,
    )
  }
}

function isOpen(cut: OpenCut): boolean {
  return cut.usedPages <= cut.boundPages * DELAY_SHARE
}
