// One simulated world: a whole engine on fake doors, clients that talk to it in random ways, a disk
// that fails and loses power, time that passes in jumps, snapshots whose steps come at any moment.
// One seed is one run. Everything the server says is held against a model of the keyspace, and what
// it finds on the disk after each restart against what its files must hold.

import { Random } from '../../src/base/random.ts'
import { contentsOf } from '../../src/keyspace/test-contents.ts'
import { Request } from '../../src/server/mailbox.ts'
import { TestServer } from '../../src/server/test-server.ts'
import type { Value } from '../lib/resp.ts'
import { Generator } from './generator.ts'
import {
  aliveAt,
  brief,
  type Contents,
  differenceOf,
  type Expected,
  error,
  faultOf,
  Model,
} from './model.ts'
import { KEY_ROWS } from './model-keys.ts'
import { MISCONF, ServerModel, serverRows } from './model-server.ts'
import { type Row, STRING_ROWS } from './model-strings.ts'
import { type Profile, profileOf } from './profile.ts'
import { type Sent, SimClient } from './sim-client.ts'
import { SimDisk, statesAt } from './sim-disk.ts'

/** What a run did, to see that it did something. */
export interface Tally {
  commands: number
  saves: number
  failedSaves: number
  crashes: number
  restarts: number
  refusals: number
  /** Iterations by SCAN that came to their end. */
  scans: number
}

const START_MS = 1_700_000_000_000
const PAGE_CAPACITY = 16384 * 4
export const CLIENTS_MAX = 6
const LOAD_TURNS_MAX = 10_000
/** By then a pause that is over has been noticed. */
const RESUME_MS_MAX = 250
/** Subcommands with a row of their own. */
const OWN_ROWS = ['RELOAD', 'PAUSE', 'UNPAUSE']
const ROWS = { ...STRING_ROWS, ...KEY_ROWS }
const NO_CUT = { openCut: null, cutNumber: 0 }

export class World {
  readonly random: Random
  readonly profile: Profile
  readonly disk = new SimDisk()
  readonly tally: Tally = {
    commands: 0,
    saves: 0,
    failedSaves: 0,
    crashes: 0,
    restarts: 0,
    refusals: 0,
    scans: 0,
  }
  readonly generator: Generator
  /** Changes with every reply: equal for equal runs. */
  trace = 0x811c9dc5
  server: TestServer
  model: Model
  about: ServerModel
  clients: SimClient[] = []
  #rows: Readonly<Record<string, Row>> = {}
  #clientCount = 0
  /** The client whose bytes the server is working on. */
  #served: SimClient | null = null
  /** Changes counted when the last cut was opened. */
  #dirtyAtCut = 0
  /** Changes that are left to save after the save that has just ended; null: none has. */
  #dirtyAfterSave: number | null = null
  /** Files that a crash or a failed removal has left behind. */
  #leftovers = new Set<string>()

  constructor(seed: number) {
    this.random = new Random(seed)
    this.profile = profileOf(this.random)
    this.model = new Model(this.profile.databaseCount)
    this.generator = new Generator(this.random, {
      databaseCount: this.profile.databaseCount,
      nowMs: START_MS,
      payloads: [],
    })
    this.server = this.#newServer(START_MS)
    this.about = this.#enter()
  }

  get nowMs(): number {
    return this.server.clock.nowMs()
  }

  below(limit: number): number {
    return this.random.below(limit)
  }

  /** A client that does nothing at the moment, connected now if there is none; null: not now. */
  idleClient(): SimClient | null {
    const idle = this.clients.find((client) => client.isIdle)
    if (idle !== undefined || this.clients.length >= CLIENTS_MAX) return idle ?? null
    return this.connect({ isNamed: false })
  }

  connect({ isNamed = true } = {}): SimClient {
    const client = new SimClient(++this.#clientCount)
    client.attach(this.server.transport.accept(client))
    client.onWrite = () => this.#onWrite(client)
    this.clients.push(client)
    if (isNamed && this.below(2) === 0) client.send(['HELLO', '3'])
    return client
  }

  /** Puts commands into a client's outbox, made by the generator. */
  compose(client: SimClient, count: number): void {
    this.generator.around = {
      databaseCount: this.profile.databaseCount,
      nowMs: this.nowMs,
      payloads: this.model.offeredPayloads,
    }
    for (let i = 0; i < count; i++) {
      const words = this.generator.next()
      const isPlain = words.every((word) => /^[\w:*-]{1,60}$/.test(word))
      client.send(words, isPlain && this.below(8) === 0 ? 'inline' : 'array')
    }
  }

  /** Delivers bytes of the client and looks at what comes back. */
  deliver(client: SimClient, bytes: number): void {
    if (bytes === 0 || client.isClosed) return
    this.#served = client
    client.deliver(bytes)
    this.#served = null
    this.#settle(client)
  }

  advance(ms: number): void {
    const { keyspace } = this.server.engine.server
    const isAnybodyHeld = this.clients.some((client) => client.isHeld)
    this.#dirtyAfterSave = null
    this.about.isInTimer = true
    this.server.clock.advance(ms)
    this.about.isInTimer = false
    if (this.#dirtyAfterSave !== null && !isAnybodyHeld) {
      const isRight = keyspace.dirty === this.#dirtyAfterSave
      const fault = `${keyspace.dirty}, expected ${this.#dirtyAfterSave}`
      this.expectNoFault('changes since the cut', isRight ? '' : fault)
    }
    this.#keepTime()
    for (const client of [...this.clients]) this.#settle(client)
    if (ms < RESUME_MS_MAX || this.about.pausedUntilMs + RESUME_MS_MAX > this.nowMs) return
    const isLeft = this.clients.some((client) => client.isPostponed)
    this.expectNoFault('after a pause', isLeft ? 'a command is still kept back' : '')
  }

  /** The connection breaks. */
  drop(client: SimClient): void {
    client.close()
    this.clients = this.clients.filter((other) => other !== client)
  }

  /** Compares all data, and walks all invariants. */
  check(): void {
    const { keyspace } = this.server.engine.server
    keyspace.check()
    this.#keepTime()
    const found = aliveAt(contentsOf(keyspace), this.nowMs)
    this.expectNoFault('the data', differenceOf(found, this.model.contents()))
    if (this.about.isSaving || this.disk.refusesRemoval) return
    const files = this.disk.list('/data').filter((name) => !this.#leftovers.has(name))
    const extra = files.filter((name) => name !== 'dump.rdb')
    this.expectNoFault('the directory', extra.length === 0 ? '' : `also has ${extra}`)
  }

  /** The disk works again; files that could not be removed stay. */
  heal(): void {
    this.#mendDisk()
    this.about.heal()
  }

  /** Loses power now, and starts again from what the disk kept. */
  crash(): void {
    this.tally.crashes++
    this.disk.heal()
    this.disk.crash(this.random)
    this.#leftovers = new Set(this.disk.list('/data'))
    this.#reboot()
    this.expectNoFault('after a crash', this.disk.settle(this.#contents(), this.nowMs))
  }

  /** Ends the server in order, by command or signal; it may stay when it cannot save. */
  shutDown(options: readonly string[]): void {
    const { about, disk } = this
    this.#keepTime()
    const before = this.model.contents()
    const isForced = options.includes('FORCE')
    const isSaveWanted =
      options.includes('SAVE') || (about.hasSavePoints && !options.includes('NOSAVE'))
    if (!this.#order(options)) return
    if (!this.server.engine.shutdown.isDone) {
      const isExcused = isSaveWanted && about.isDiskFaulty && !isForced
      return this.expectNoFault('SHUTDOWN', isExcused ? '' : 'the server stays')
    }
    if (isSaveWanted && !(isForced && about.isDiskFaulty)) {
      const found = statesAt(disk.live, before.length, this.nowMs)
      this.expectNoFault('the final save', differenceOf(found, before))
    }
    this.tally.restarts++
    this.#reboot()
    const expected = statesAt(disk.live, before.length, this.nowMs)
    this.expectNoFault('after a restart', differenceOf(this.#contents(), expected))
  }

  /** Runs an action; a power cut in the middle of it becomes a crash. */
  attempt(action: () => void): void {
    try {
      action()
    } catch (fault) {
      // Whatever was thrown or found wrong since is of the cut.
      if (!this.disk.isOff) throw fault
    }
    if (!this.disk.isOff) return
    this.#served = null
    this.crash()
  }

  expectNoFault(where: string, fault: string): void {
    if (fault !== '') throw new Error(`${where}: ${fault}`)
  }

  /** Orders the end; false: nobody could. */
  #order(options: readonly string[]): boolean {
    if (options.length === 0 && this.below(2) === 0) {
      this.server.mailbox.request(Request.Terminate)
      this.server.engine.wake()
      return true
    }
    const client = this.idleClient()
    if (client === null) return false
    client.send(['SHUTDOWN', ...options])
    this.#served = client
    client.deliver(client.outboxBytes)
    this.#served = null
    if (!this.server.engine.shutdown.isDone) this.#settle(client)
    return true
  }

  #contents(): Contents {
    return aliveAt(contentsOf(this.server.engine.server.keyspace), this.nowMs)
  }

  #newServer(startMs: number): TestServer {
    const { config, databaseCount } = this.profile
    return new TestServer({
      config: { ...Object.fromEntries(config), databases: String(databaseCount) },
      pageCapacity: PAGE_CAPACITY,
      seed: this.below(0x7fffffff),
      disk: this.disk,
      startMs,
      hasPersistence: true,
    })
  }

  /** Starts a server on the disk as it is, after some time without one. */
  #reboot(): void {
    const startMs = this.nowMs + this.below(3000)
    for (const client of this.clients) client.isClosed = true
    this.clients = []
    this.disk.capture = () => []
    if (this.about.isDiskFaulty && this.below(2) === 0) this.#startInVain(startMs)
    this.#mendDisk()
    this.model = new Model(this.profile.databaseCount, this.model.payloads)
    this.server = this.#newServer(startMs)
    // Ended while it loads, it leaves the file as it was.
    const isEnded = this.#awaitReady({ mayEnd: this.below(3) === 0 })
    if (isEnded) {
      this.server = this.#newServer(this.nowMs)
      this.#awaitReady({ mayEnd: false })
    }
    this.about = this.#enter()
    // With what has expired meanwhile: DBSIZE may count that.
    this.model.load(contentsOf(this.server.engine.server.keyspace))
  }

  /** Waits for the end of the load, during which nobody is served; true: the server was ended. */
  #awaitReady({ mayEnd }: { readonly mayEnd: boolean }): boolean {
    const { server } = this
    const hears = (kind: string) => server.messages.some((message) => message.kind === kind)
    for (let turn = 0; !hears('ready'); turn++) {
      const isStuck = hears('exit') || turn > LOAD_TURNS_MAX
      this.expectNoFault('the start', isStuck ? server.log.slice(-3).join(' | ') : '')
      const client = server.connect()
      const reply = client.call('GET', 'a')
      this.expectNoFault('during a load', reply.startsWith('-LOADING ') ? '' : reply)
      if (mayEnd && this.below(10) === 0) {
        client.call('SHUTDOWN', 'SAVE')
        return true
      }
      client.close()
      server.clock.advance(this.below(400))
    }
    return false
  }

  #mendDisk(): void {
    if (this.disk.refusesRemoval) this.#leftovers = new Set(this.disk.list('/data'))
    this.disk.heal()
  }

  /** A start with a faulty disk serves, or ends without having changed anything. */
  #startInVain(startMs: number): void {
    const server = this.#newServer(startMs)
    const kinds = server.messages.map(({ kind }) => kind)
    const isUndecided = kinds.includes('ready') && kinds.includes('exit')
    this.expectNoFault('a start with a bad disk', isUndecided ? kinds.join() : '')
  }

  /** Takes up a new server. */
  #enter(): ServerModel {
    const { disk, model, profile, server } = this
    model.nowMs = server.clock.nowMs()
    // The model cannot tell who is held back, so nobody is: writers meet a full reserve inside of
    // their commands. The delay has its part in the simulation of cuts.
    server.engine.server.writeDelay.source = NO_CUT
    const capture = () => contentsOf(server.engine.server.keyspace)
    disk.capture = capture
    const about = new ServerModel({
      config: profile.config,
      disk,
      model,
      capture,
      startedMs: server.engine.server.startedMs,
    })
    server.runner.onOutcome = (outcome) => {
      // A FLUSHALL that a pause held back may have begun this very save.
      for (const client of this.clients) if (client.isWaiting) this.#runHeld(client)
      this.#keepTime()
      if (outcome.kind === 'saved') this.tally.saves++
      if (outcome.kind === 'failed') {
        this.tally.failedSaves++
        this.expectNoFault('a save', about.mayFail ? '' : outcome.message)
      }
      about.noteOutcome(outcome)
      const { dirty } = server.engine.server.keyspace
      this.#dirtyAfterSave = outcome.kind === 'saved' ? dirty - this.#dirtyAtCut : dirty
    }
    server.runner.onStart = () => {
      this.#dirtyAtCut = server.engine.server.keyspace.dirty
      if (this.#served === null) about.isSaving = true
    }
    this.#rows = { ...ROWS, ...serverRows(about) }
    return about
  }

  #keepTime(): void {
    this.model.nowMs = this.nowMs
  }

  /** Commands that were held back run in a timer: their order is that of what is written. */
  #onWrite(client: SimClient): void {
    if (this.#served !== null) return
    for (const other of this.clients) if (other !== client) this.#runHeld(other)
    this.#settle(client)
  }

  /** Takes the replies that have come, and holds each against the model's. */
  #settle(client: SimClient): void {
    for (;;) {
      const sent = client.received
      const reply = client.takeReply()
      if (reply === null) break
      if (sent === null) throw new Error(`a reply nobody asked for: ${brief(reply.text)}`)
      client.queue.shift()
      const expected = sent.expected ?? this.#run(client, sent)
      this.#note(sent, reply)
      this.expectNoFault(
        `client ${client.remoteAddress}, ${shown(sent.words)}`,
        faultOf(reply, expected),
      )
    }
    if (client.isClosed) return this.drop(client)
    this.#runHeld(client)
  }

  /** Runs the command that the server has run but not answered. */
  #runHeld(client: SimClient): void {
    const sent = client.received
    if (sent === null || client.isClosed || sent.expected !== null) return
    if (client.isPostponed) return
    if (!client.isWaiting) {
      if (this.about.isInTimer) return
      throw new Error(`no reply to ${shown(sent.words)}`)
    }
    if (sent.words[0] !== 'FLUSHALL') throw new Error(`${shown(sent.words)} waits`)
    sent.expected = this.#run(client, sent)
    this.about.isSaving = this.server.engine.server.persistence?.isSaving ?? false
  }

  #run(client: SimClient, { words }: Sent): Expected {
    this.#keepTime()
    const { model, about } = this
    const { session } = client
    const name = OWN_ROWS.includes(words[1] ?? '') ? words[1]! : words[0]!
    const row = this.#rows[name]
    if (row === undefined) return ({ text }) => (/^ERR unknown command/.test(text) ? '' : text)
    const isShort = row.arity < 0 ? words.length < -row.arity : words.length !== row.arity
    if (isShort && name === words[0] && name !== 'OBJECT') {
      return error(`ERR wrong number of arguments for '${name.toLowerCase()}' command`)
    }
    if (row.isWrite && about.refusesWrites) {
      this.tally.refusals++
      return MISCONF
    }
    if (row.isWrite && name !== 'PING' && about.pausedUntilMs > this.nowMs) {
      return () => 'ran during CLIENT PAUSE WRITE'
    }
    return row.run({ model, session, words })
  }

  #note({ words }: Sent, reply: Value): void {
    this.tally.commands++
    if (words[0] === 'SCAN' && reply.items[0]?.text === '0') this.tally.scans++
    if (words[0] !== 'INFO') this.trace = mix(this.trace, reply)
  }
}

function shown(words: readonly string[]): string {
  return words.map((word) => brief(word)).join(' ')
}

function mix(hash: number, { kind, text, items }: Value): number {
  hash = Math.imul(hash ^ kind.length, 0x01000193)
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  for (const item of items) hash = mix(hash, item)
  return hash >>> 0
}
