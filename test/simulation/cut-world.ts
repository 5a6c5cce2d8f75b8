// A world in which cuts are taken all the time: a whole engine on fake doors, clients that change
// values of all types, snapshots whose steps come when the events say. What is checked:
//
//   - a file or stream that ended well holds, key by key, what was there at the cut (value-digests)
//   - a save that failed leaves the file as it was, and INFO tells how the last one ended
//   - no page changed without touch (checking mode), and nothing is held when a cut is over
//   - use of the reserve stays within the bound, what one command takes, and the output queue
//   - every client gets one reply to each command, in order, held back or not (cut-client.ts)
//   - after a power cut the file is that of one of the saves that may have survived
//
// It looks at snapshots through `Snapshots`' methods, which it stands in front of: a cut begins and
// ends inside of them. Owner: the test; one thread.

import { Random } from '../../src/base/random.ts'
import { PAGE_BYTES } from '../../src/memory/layout.ts'
import { OUTPUT_QUEUE_BYTES } from '../../src/persist/snapshot/frames.ts'
import type { SnapshotEnd, SnapshotOrder, Snapshots } from '../../src/persist/snapshot/snapshots.ts'
import { setCores, tickingClock } from '../../src/persist/snapshot/test-cut.ts'
import { TestServer } from '../../src/server/test-server.ts'
import type { Value } from '../lib/resp.ts'
import { CutClient } from './cut-client.ts'
import { CLIENTS, type CutEvent, type CutProfile } from './cut-events.ts'
import { CutLoads } from './cut-loads.ts'
import { StreamReader } from './cut-readers.ts'
import { CutWords } from './cut-words.ts'
import { type Contents, differenceOf } from './model.ts'
import { DUMP_PATH, SimDisk } from './sim-disk.ts'
import { digestsOf } from './value-digests.ts'

/** What a run did, to see that it did something. */
export interface CutTally {
  commands: number
  saves: number
  streams: number
  failed: number
  aborted: number
  cooperative: number
  /** How often a scan went over from one side to the other. */
  handovers: number
  delayed: number
  /** Commands while a step waited for a reader. */
  stalled: number
  preservedPages: number
  spilledBytes: number
  crashes: number
}

/** The cut that is open. */
interface OpenCut {
  readonly contents: Contents
  readonly isSave: boolean
  readonly startMethod: string
  /** A sink may fail: the disk did, or a reader went. */
  mayFail: boolean
  boundPages: number
  /** Most pages that one command, or one look of a timer, has taken. */
  takenMax: number
  /** What was taken by those that are never held back while more than the bound was in use. */
  beyondPages: number
  /** What was used, charged and held when it was looked at last. */
  usedPages: number
  chargedPages: number
  heldPages: number
}

const PAGE_CAPACITY = 16384 * 4
const START_MS = 1_700_000_000_000
const PLENTY_BYTES = 2 ** 31
/** More data than this is flushed. */
const DATA_BYTES_MAX = 48 * 1024 * 1024
/** The longest piece of time between two looks at what was charged. */
const TIME_STEP_MS = 5
const TURNS_MAX = 20_000
const QUEUE_PAGES = OUTPUT_QUEUE_BYTES / PAGE_BYTES
/** How often a reader that makes the thread wait lets clients have a turn, and how long it is. */
const STALLS_PER_BATCH = 4
const STALL_BATCH = 12
const REVIEW_US = 1_100_000
const GOES_ON = 'Snapshot goes on '
const STALLED = /^nothing was written for/

export class CutWorld {
  readonly tally: CutTally = {
    commands: 0,
    saves: 0,
    streams: 0,
    failed: 0,
    aborted: 0,
    cooperative: 0,
    handovers: 0,
    delayed: 0,
    stalled: 0,
    preservedPages: 0,
    spilledBytes: 0,
    crashes: 0,
  }
  /** Changes with every reply and every file: equal for equal runs. */
  trace = 0x811c9dc5
  /** Of the files that were compared the one whose pages changed most meanwhile; null: none. */
  hardestFile: Uint8Array | null = null
  #hardestPages = 0
  readonly #disk = new SimDisk()
  readonly #profile: CutProfile
  readonly #random: Random
  readonly #seed: number
  readonly #loads: CutLoads
  #server: TestServer
  #clock = tickingClock(new Random(0))
  #clients: CutClient[] = []
  #admin: CutClient
  #clientCount = 0
  #readers: StreamReader[] = []
  #pace = 1
  /** A step has not begun inside of the engine. */
  #isThreadAlone = false
  readonly #words: CutWords
  #cut: OpenCut | null = null
  #isDiskFaulty = false
  #isLastSaveOk = true
  /** Bytes of the file as the last save left it; null: there is none. */
  #file: Uint8Array | null = null

  constructor(seed: number, profile: CutProfile) {
    this.#seed = seed
    this.#profile = profile
    this.#random = new Random(seed ^ 0x5eed)
    this.#words = new CutWords(new Random(seed + 1), profile.databaseCount)
    this.#loads = new CutLoads(profile.databaseCount, PAGE_CAPACITY)
    this.#server = this.#start(START_MS)
    this.#admin = this.#connect(3)
    this.#enter()
  }

  /** What there is before the first event. */
  fill(): void {
    for (const words of this.#profile.filling) this.#clients[0]!.send([words])
  }

  /** One event, and what follows each: some steps, some reading. */
  handle(event: CutEvent): void {
    this.#attempt(() => this.#act(event))
    this.#attempt(() => this.#goOn())
  }

  /** Brings all that is under way to its end, and looks at everything once more. */
  finish(): void {
    this.#heal()
    this.#pace = 100
    for (const reader of this.#readers) reader.pace = OUTPUT_QUEUE_BYTES
    for (let turn = 0; this.#isUnderWay(); turn++) {
      if (turn > TURNS_MAX) throw new Error(`not over in the end: ${this.#state()}`)
      this.#attempt(() => this.#advance(turn < 100 ? 1 : 200))
      this.#attempt(() => this.#goOn())
    }
    this.#check()
  }

  get #dumped(): Uint8Array | null {
    return this.#disk.contents(DUMP_PATH)
  }

  #act(event: CutEvent): void {
    switch (event.kind) {
      case 'commands':
        return this.#clients[event.client]!.send(event.commands)
      case 'order':
        return this.#admin.send([event.words])
      case 'time':
        return this.#advance(event.ms)
      case 'steps':
        return this.#step(event.count)
      case 'pace':
        this.#pace = event.count
        return
      case 'cores':
        return setCores(this.#disk, event.count)
      case 'review':
        return this.#review(event.count)
      case 'memory':
        return this.#setMemory(event.availableBytes)
      case 'stream':
        return this.#requestStream(event)
      case 'readerPace':
        for (const reader of this.#readers) reader.pace = event.pace
        return
      case 'readerGone':
        this.#readers[0]?.leave()
        if (this.#cut !== null) this.#cut.mayFail = true
        return
      case 'fault':
        this.#isDiskFaulty = true
        if (this.#cut !== null) this.#cut.mayFail = true
        return this.#disk.fail(event.fault)
      case 'heal':
        return this.#heal()
      case 'powerCut':
        return this.#disk.cutPowerAt(this.#disk.operations + event.afterOperations)
      case 'abort':
        return this.#persistence.abort()
      case 'reconnect':
        return this.#reconnect()
      case 'check':
        return this.#check()
    }
  }

  #goOn(): void {
    this.#step(this.#pace)
    for (const reader of this.#readers) reader.take()
    this.#endReaders()
    const { keyspace } = this.#engine
    if (keyspace.usedBytes > DATA_BYTES_MAX) this.#admin.send([['FLUSHALL']])
    this.#expect(this.#persistence.isLastSaveOk === this.#isLastSaveOk, 'how the last save ended')
  }

  /** Decides again who scans, as the cron does when a second has passed. */
  #review(cores: 1 | 2): void {
    setCores(this.#disk, cores)
    this.#clock.skip(REVIEW_US)
    this.#persistence.cron()
  }

  get #engine(): TestServer['engine']['server'] {
    return this.#server.engine.server
  }

  get #persistence(): NonNullable<TestServer['engine']['server']['persistence']> {
    const { persistence } = this.#engine
    if (persistence === null) throw new Error('a server that saves')
    return persistence
  }

  #expect(isSo: boolean, what: string): void {
    if (!isSo) throw new Error(`${what}: ${this.#state()}`)
  }

  /** What there is to know when something is wrong. */
  #state(): string {
    const { current, openCut } = this.#persistence
    const waiting = this.#clients.map(({ unanswered }) => unanswered)
    const saving = current === null ? 'no save' : `${current.method} ${JSON.stringify(current)}`
    const use = `${openCut?.usedPages} of ${openCut?.boundPages}`
    return `replies ${waiting}, pages ${use}, ${saving}, error '${this.#persistence.lastError}'`
  }

  #start(atMs: number): TestServer {
    this.#setMemory(PLENTY_BYTES)
    const clock = tickingClock(new Random(this.#random.u32()), atMs)
    this.#clock = clock
    return new TestServer({
      config: this.#profile.config,
      pageCapacity: PAGE_CAPACITY,
      seed: this.#seed,
      disk: this.#disk,
      clock,
      hasPersistence: true,
    })
  }

  /** Takes up a server that has been started, when it has loaded. */
  #enter(): void {
    const server = this.#server
    for (let turn = 0; !server.messages.some(({ kind }) => kind === 'ready'); turn++) {
      const isEnded = server.messages.some(({ kind }) => kind === 'exit')
      if (isEnded || turn > TURNS_MAX) throw new Error(`no start: ${server.log.slice(-3).join()}`)
      server.clock.advance(1)
    }
    server.runner.onStall = () => this.#stall()
    this.#isLastSaveOk = true
    this.#file = this.#dumped
    this.#stand(this.#persistence.snapshots)
    this.#admin = this.#connect(3)
    this.#clients = Array.from({ length: CLIENTS }, (_, i) => {
      return this.#connect(i < this.#profile.newerClients ? 3 : 2)
    })
  }

  #attempt(action: () => void): void {
    try {
      action()
    } catch (fault) {
      // Whatever was thrown or found wrong since is of the power cut.
      if (!this.#disk.isOff) throw fault
    }
    if (this.#disk.isOff) this.#crash()
  }

  /** Comes back with what the disk has kept; that is one of the states it may have kept. */
  #crash(): void {
    this.tally.crashes++
    this.#heal()
    this.#disk.crash(this.#random)
    this.#cut = null
    this.#readers = []
    this.#isThreadAlone = false
    const file = this.#dumped
    const found = file === null ? [] : this.#loads.load(file)
    const fault = this.#disk.settle(found, 0)
    if (fault !== '') throw new Error(`after a power cut: ${fault}`)
    this.#server = this.#start(this.#server.clock.nowMs() + this.#random.below(2000))
    this.#enter()
  }

  #heal(): void {
    this.#isDiskFaulty = false
    this.#disk.heal()
  }

  #setMemory(availableBytes: number): void {
    const text = `MemTotal: 4194304 kB\nMemAvailable: ${Math.floor(availableBytes / 1024)} kB\n`
    this.#disk.put('/proc/meminfo', Buffer.from(text))
  }

  #connect(version: 2 | 3): CutClient {
    const client = new CutClient(++this.#clientCount, (words, reply) => this.#note(words, reply))
    client.socket.attach(this.#server.transport.accept(client.socket))
    if (version === 3) client.send([['HELLO', '3']])
    return client
  }

  /** One client goes, whatever it waits for, and another one comes. */
  #reconnect(): void {
    const at = this.#random.below(CLIENTS)
    this.#clients[at]!.socket.close()
    this.#clients[at] = this.#connect(2)
  }

  #advance(ms: number): void {
    for (let left = ms; left > 0; left -= TIME_STEP_MS) {
      this.#server.clock.advance(Math.min(left, TIME_STEP_MS))
      this.#noteCharge()
      // Clients that are served from a line have their replies now.
      for (const client of this.#clients) client.settle()
    }
    this.#admin.settle()
  }

  #note(words: readonly string[], reply: Value): void {
    this.tally.commands++
    const name = words[0]!.toLowerCase()
    // These tell of the process as well: its memory, its time.
    if (name !== 'info' && name !== 'snapshot') this.trace = mix(this.trace, reply)
    if (name !== 'info') return
    const status = `rdb_last_bgsave_status:${this.#isLastSaveOk ? 'ok' : 'err'}\r\n`
    this.#expect(reply.text.includes(status), `INFO does not say ${status}`)
  }

  #step(count: number): void {
    this.#isThreadAlone = true
    for (let i = 0; i < count; i++) this.#server.runner.step()
    this.#isThreadAlone = false
  }

  /** A step waits for a reader: the engine works on meanwhile, unless it waits for the step. */
  #stall(): void {
    if (this.#isThreadAlone && this.#random.below(STALLS_PER_BATCH) === 0) {
      this.#isThreadAlone = false
      const commands = Array.from({ length: this.#random.below(STALL_BATCH) }, () =>
        this.#words.crowdChange(),
      )
      this.#clients[this.#random.below(CLIENTS)]!.send(commands)
      this.tally.stalled += commands.length
      this.#isThreadAlone = true
    }
    for (const reader of this.#readers) reader.stall()
  }

  /** Stands in front of what begins and ends cuts. */
  #stand(snapshots: Snapshots): void {
    this.#disk.capture = () => this.#cut?.contents ?? []
    const start = snapshots.start.bind(snapshots)
    const runNow = snapshots.runNow.bind(snapshots)
    const poll = snapshots.poll.bind(snapshots)
    const abort = snapshots.abort.bind(snapshots)
    const assist = snapshots.assist.bind(snapshots)
    snapshots.start = (order) => {
      const cut = this.#begin(order, '')
      const choice = start(order)
      this.#cut = { ...cut, startMethod: choice.method, boundPages: this.#boundPages() }
      return choice
    }
    snapshots.runNow = (order) => {
      this.#cut = this.#begin(order, 'background')
      return this.#end(runNow(order))
    }
    snapshots.poll = () => {
      const end = poll()
      // One that stalls is ended by `abort`, which has looked at it.
      if (end === null || this.#cut === null) return end
      if (end.outcome.kind === 'aborted') throw new Error('aborted though nobody wanted it')
      return this.#end(end)
    }
    snapshots.abort = (as) => this.#end(abort(as))
    snapshots.assist = () => {
      this.#noteCharge()
      assist()
    }
    this.#standBeforeWriters()
  }

  /** Who is to be held back does not start while the bound is passed. */
  #standBeforeWriters(): void {
    const { writeDelay } = this.#engine
    const holds = writeDelay.holds.bind(writeDelay)
    writeDelay.holds = (client, nowUs) => {
      const isHeld = holds(client, nowUs)
      const { usedPages = 0, boundPages = 0 } = this.#persistence.openCut ?? {}
      this.#expect(isHeld || usedPages <= boundPages, 'a writer starts beyond the bound')
      return isHeld
    }
  }

  #boundPages(): number {
    return this.#persistence.openCut?.boundPages ?? 0
  }

  #begin(order: SnapshotOrder, startMethod: string): OpenCut {
    const isSave = order.sinks.some(({ kind }) => kind === 'file')
    const cut = {
      contents: digestsOf(this.#engine.keyspace),
      isSave,
      startMethod,
      mayFail: this.#isDiskFaulty || this.#readers.some(({ isGone }) => isGone),
      boundPages: Number.POSITIVE_INFINITY,
      takenMax: 0,
      beyondPages: 0,
      usedPages: 0,
      heldPages: 0,
      chargedPages: 0,
    }
    this.#cut = cut
    return cut
  }

  /** Books what the last command, or a timer, has taken of the reserve. */
  #noteCharge(): void {
    const open = this.#persistence.openCut
    const cut = this.#cut
    if (open === null || cut === null) return
    const heldPages = this.#persistence.cutFigures?.heldPages ?? 0
    const charged = open.chargedPages - cut.chargedPages
    const taken = charged + Math.max(0, heldPages - cut.heldPages)
    if (cut.usedPages > cut.boundPages) cut.beyondPages += taken
    cut.takenMax = Math.max(cut.takenMax, taken)
    cut.usedPages = open.usedPages
    cut.chargedPages = open.chargedPages
    cut.heldPages = heldPages
  }

  /** A snapshot has ended: looks at what it has left. */
  #end(end: SnapshotEnd): SnapshotEnd {
    const cut = this.#cut
    if (cut === null) throw new Error('what ends has begun')
    this.#cut = null
    const { outcome, figures } = end
    const [own] = outcome.sinks
    this.#count(end)
    const isSaved = outcome.kind === 'saved' && cut.isSave && own?.kind !== 'failed'
    if (isSaved) this.#compareFile(cut.contents, figures.preservedPages)
    else this.#compareOldFile()
    if (cut.isSave && outcome.kind !== 'aborted') {
      const isForeground = cut.boundPages === Number.POSITIVE_INFINITY
      if (isSaved) this.#isLastSaveOk = true
      else if (!isForeground) this.#isLastSaveOk = false
    }
    const isExcused = cut.mayFail || (outcome.kind === 'failed' && STALLED.test(outcome.message))
    if (outcome.kind === 'failed') this.#expect(isExcused, `a save failed: ${outcome.message}`)
    if (outcome.kind === 'saved' && !cut.mayFail) this.#expect(isSaved || !cut.isSave, 'no file')
    const { usedPeak } = figures
    const isQueueUsed = end.method === 'cooperative' || cut.startMethod === 'cooperative'
    const limit = cut.boundPages + cut.takenMax + cut.beyondPages + (isQueueUsed ? QUEUE_PAGES : 0)
    this.#expect(usedPeak <= limit, `${usedPeak} pages were used, at most ${limit} may be`)
    this.#checkNothingHeld()
    return end
  }

  #count({ outcome, method, figures, spilledBytes }: SnapshotEnd): void {
    const { tally } = this
    if (outcome.kind === 'saved') tally.saves++
    if (outcome.kind === 'failed') tally.failed++
    if (outcome.kind === 'aborted') tally.aborted++
    if (method === 'cooperative') tally.cooperative++
    tally.handovers += this.#server.log.filter((line) => line.startsWith(GOES_ON)).length
    this.#server.log.length = 0
    tally.preservedPages += figures.preservedPages
    tally.spilledBytes += spilledBytes
    tally.delayed += this.#engine.writeDelay.figures.count
  }

  #compareFile(expected: Contents, preservedPages: number): void {
    const file = this.#dumped
    if (file === null) throw new Error('a save that ended well has left no file')
    this.#file = file
    const fault = differenceOf(this.#loads.load(file), expected)
    if (fault !== '') throw new Error(`the file: ${fault}`)
    this.trace = Math.imul(this.trace ^ file.length, 0x01000193) >>> 0
    if (preservedPages < this.#hardestPages) return
    this.#hardestPages = preservedPages
    this.hardestFile = file
  }

  /** A save that did not end well leaves the old file, or the whole new one. */
  #compareOldFile(): void {
    const file = this.#dumped
    const isSame =
      file === null || this.#file === null ? file === this.#file : same(file, this.#file)
    if (isSame) return
    const found = file === null ? [] : this.#loads.load(file)
    const fault = differenceOf(found, this.#disk.live ?? [])
    if (fault !== '') throw new Error(`after a save that failed: ${fault}`)
    this.#file = file
  }

  #checkNothingHeld(): void {
    const { snapshots } = this.#persistence
    this.#expect(snapshots.openCut === null, 'the cut is closed')
    this.#expect(this.#engine.keyspace.arena.guard === null, 'pages take writes again')
    if (this.#random.below(4) > 0) return
    let hasMore = true
    while (hasMore) hasMore = snapshots.freeHeld(1000)
    this.#expect(snapshots.figures?.heldPages === 0, 'a page is still held')
    this.#engine.keyspace.check()
  }

  #requestStream({ capacity, pace }: { capacity: number; pace: number }): void {
    const reader = new StreamReader(capacity, pace)
    this.#readers.push(reader)
    this.#persistence.requestStream({
      queue: reader.shared,
      onCut: () => {
        reader.atCut = this.#cut?.contents ?? null
      },
      onEnd: (error) => {
        reader.error = error
      },
    })
  }

  /** Looks at the streams that have ended since. */
  #endReaders(): void {
    const ended = this.#readers.filter(({ error }) => error !== undefined)
    if (ended.length === 0) return
    this.#readers = this.#readers.filter(({ error }) => error === undefined)
    for (const reader of ended) {
      if (reader.error !== null || reader.isGone) continue
      reader.take(Number.POSITIVE_INFINITY)
      this.#expect(reader.isComplete && !reader.isFailed, 'a stream ended well without its end')
      const fault = differenceOf(this.#loads.load(reader.bytes()), reader.atCut ?? [])
      if (fault !== '') throw new Error(`a stream: ${fault}`)
      this.tally.streams++
    }
  }

  #isUnderWay(): boolean {
    const isAnswered = [...this.#clients, this.#admin].every(({ unanswered }) => unanswered === 0)
    return this.#persistence.isSaving || this.#readers.length > 0 || !isAnswered
  }

  #check(): void {
    this.#engine.keyspace.check()
    this.#engine.writeDelay.check(this.#engine.clients)
    const { snapshots, isSaving } = this.#persistence
    this.#expect(snapshots.isOpen === isSaving, 'a save has a snapshot')
    if (isSaving || this.#isDiskFaulty) return
    const left = this.#disk.list('/data').filter((name) => name !== 'dump.rdb')
    this.#expect(left.length === 0 || this.tally.crashes > 0, `files are left behind: ${left}`)
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

function mix(hash: number, { kind, text, items }: Value): number {
  hash = Math.imul(hash ^ kind.length ^ text.length, 0x01000193)
  for (let i = 0; i < Math.min(text.length, 64); i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  for (const item of items) hash = mix(hash, item)
  return hash >>> 0
}
