// For tests of the write delay: a cut whose use is a number, and whose scanner is told by the test
// how much to empty.

import { FakeClock } from '../base/clock.ts'
import { ForwardLog, LogLevel } from '../base/log.ts'
import {
  type DelayHost,
  type DelaySource,
  type OpenCut,
  WriteDelay,
  type Writer,
} from './write-delay.ts'

export class FakeCut implements OpenCut {
  usedPages = 0
  chargedPages = 0
  usedPeak = 0
  readonly boundPages: number

  constructor(boundPages: number) {
    this.boundPages = boundPages
  }

  /** A command takes pages of the bound. */
  take(pages: number): void {
    this.usedPages += pages
    this.chargedPages += pages
    this.usedPeak = Math.max(this.usedPeak, this.usedPages)
  }

  /** The scanner empties pages. */
  drain(pages: number): void {
    this.usedPages = Math.max(0, this.usedPages - pages)
  }
}

export class FakeSource implements DelaySource {
  openCut: FakeCut | null = null
  cutNumber = 0
  isStarved = false

  open(boundPages: number): FakeCut {
    this.cutNumber++
    this.openCut = new FakeCut(boundPages)
    return this.openCut
  }
}

/** A client that sends commands, each of which takes `pages`. */
export interface SimulatedWriter extends Writer {
  readonly name: string
  readonly pages: number
  /** Commands that it has sent and that have not run. */
  sent: number
  done: number
  /** When its last command ran, and the longest time between two. */
  doneMs: number
  gapMs: number
}

/** An engine of writers only, one millisecond per step; a command takes `COMMAND_US`. */
export class SimulatedEngine implements DelayHost<SimulatedWriter> {
  readonly source = new FakeSource()
  readonly clock = new FakeClock()
  readonly log: string[] = []
  readonly delay: WriteDelay<SimulatedWriter>
  readonly writers: SimulatedWriter[] = []
  arePaused = false
  flags = 0
  /** Time that commands have taken in this millisecond. */
  #workUs = 0
  /** Commands by the names of their clients, in the order in which they ran. */
  readonly order: string[] = []

  constructor() {
    const { clock, source } = this
    const note = ({ message }: { readonly message: string }) => this.log.push(message)
    this.delay = new WriteDelay<SimulatedWriter>({
      source,
      clock: {
        nowMs: () => clock.nowMs(),
        nowUs: () => clock.nowUs(),
        monotonicUs: () => this.nowUs(),
        every: (intervalMs, run) => clock.every(intervalMs, run),
        after: (delayMs, run) => clock.after(delayMs, run),
        soon: (run) => clock.soon(run),
      },
      log: new ForwardLog(clock, LogLevel.Notice, note),
      onDelay: () => undefined,
    })
    this.delay.connect(this)
  }

  nowUs(): number {
    return this.clock.monotonicUs() + this.#workUs
  }

  setFlags(flags: number): void {
    this.flags = flags
  }

  resume(writer: SimulatedWriter): void {
    this.#run(writer)
  }

  add(name: string, pages: number): SimulatedWriter {
    const nowMs = this.clock.nowMs()
    const counts = { sent: 0, done: 0, doneMs: nowMs, gapMs: 0, delayedSinceUs: 0 }
    const writer: SimulatedWriter = { name, pages, ...counts }
    this.writers.push(writer)
    return writer
  }

  /** A client sends `count` commands. */
  send(writer: SimulatedWriter, count: number): void {
    writer.sent += count
    this.delay.look()
    if (writer.delayedSinceUs === 0) this.#run(writer)
  }

  /** One millisecond: the scanner empties pages, timers run, and who has an answer sends again. */
  step(drained: number): void {
    this.source.openCut?.drain(drained)
    this.#workUs = 0
    this.clock.advance(1)
    this.delay.look()
    // Clients send one after the other as long as the engine has time in this millisecond.
    let isAnyServed = true
    while (isAnyServed && this.#workUs < 1000) {
      isAnyServed = false
      for (const writer of this.writers) {
        if (writer.delayedSinceUs > 0 || this.#workUs >= 1000) continue
        if (writer.sent === 0) writer.sent = 1
        this.#run(writer)
        isAnyServed = true
      }
    }
    this.delay.check(this.writers)
  }

  #run(writer: SimulatedWriter): void {
    while (writer.sent > 0) {
      if (this.flags !== 0 && this.delay.holds(writer, this.nowUs())) return
      this.#workUs += COMMAND_US
      writer.sent--
      writer.done++
      const nowMs = this.clock.nowMs()
      writer.gapMs = Math.max(writer.gapMs, nowMs - writer.doneMs)
      writer.doneMs = nowMs
      this.order.push(writer.name)
      this.source.openCut?.take(writer.pages)
    }
  }
}

/** 400 000 commands a second. */
const COMMAND_US = 2.5
