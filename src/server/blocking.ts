// Clients whose command waits for keys (BLPOP, XREAD BLOCK), or only for its time to be up (WAIT).
//
//   wait       the handler asks for it; nothing has been replied
//   hold       the turn keeps a copy of the arguments and enters the client at each key
//   serve      after the command that changed a key: its waiters run again, the oldest first
//   released   served, out of time, unblocked by CLIENT UNBLOCK, or gone
//
// A change of a key only marks it as ready. Waiters run when the command is over, a whole EXEC
// included, and before the next one of the same pipeline; a waiter that still finds nothing keeps
// its place and its deadline. What a waiter changes makes further keys ready: served in turn, until
// none is. Each service takes a waiter away, so that this ends.
//
// Only commands on streams care about keys that are gone (a consumer group may have gone with one):
// for all others a key that does not exist is passed over, and a key that one of them has emptied
// ends its round. So a push that one of a thousand waiters takes costs one run.
//
// Times: one timer is armed for the first deadline. Answers to those who are not served are written
// to their sockets directly, as a command may be half replied meanwhile.
// Source: Redis documentation of BLPOP; the behaviour of redis-server 7.0. Owner: the engine.

import { assert } from '../base/assert.ts'
import { latin1 } from '../base/bytes.ts'
import type { Clock, Timer } from '../base/clock.ts'
import { type Slice, scratchSlice } from '../base/slice.ts'
import { type Blocker, NilForm, type Wait } from '../command/command.ts'
import { GROUP_DESTROYED, type KeyEvent, type KeyObserver } from '../command/key-event.ts'
import type { CommandEntry } from '../command/table.ts'
import type { Database } from '../keyspace/database.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { NULL } from '../memory/layout.ts'
import type { Args } from '../resp/args.ts'
import { type ReplyError, replyError } from '../resp/replies.ts'
import { type Connection, ReplyMode } from './connection.ts'
import { DeadlineHeap, type HeapItem } from './deadline-heap.ts'
import type { KeyFollowers } from './key-followers.ts'
import { type KeyNode, KeyTable } from './key-table.ts'
import type { Statistics } from './statistics.ts'

/** One client that waits. */
export interface Waiter extends HeapItem {
  readonly client: Connection
  readonly entry: CommandEntry
  readonly args: Args
  readonly nil: NilForm
  /** Gives the integer that is answered instead. */
  readonly onLate: (() => number) | null
  /** Where it stands in line. */
  readonly lines: KeyNode<Line>[]
}

/** Those who wait for one key. */
interface Line {
  /** The oldest first. */
  readonly waiters: Set<Waiter>
  /** How many of them wait for streams. */
  streamCount: number
  /** Something has happened to the key; it is in the list of ready keys. */
  isReady: boolean
}

/** What the turns of the engine do for those who wait. */
export interface BlockingHost {
  /** The client whose command runs. */
  readonly client: Connection
  /** Whether a client is being served: then `serve` is called soon. */
  readonly isBusy: boolean
  /** Has keys that became ready outside of a turn served. */
  serveReady(): void
  /** Goes on with what clients have sent while they were blocked. */
  proceed(): void
}

export interface BlockingOptions {
  readonly keyspace: Keyspace
  readonly followers: KeyFollowers
  readonly clock: Clock
  readonly statistics: Statistics
}

/** Timers cannot be set for longer than 2^31 ms; this is often enough to look. */
const TIMER_MAX_MS = 3_600_000

/** What a client that waits takes, and each key that only it waits for, as in connection.ts. */
const WAITER_BYTES = 1400
const LINE_BYTES = 600

const NIL_ARRAY = latin1('*-1\r\n')
const NIL_BULK = latin1('$-1\r\n')
const NIL_RESP3 = latin1('_\r\n')
export const UNBLOCKED = replyError('UNBLOCKED client unblocked via CLIENT UNBLOCK')

const KEY = scratchSlice()

export class Blocking implements Blocker, KeyObserver {
  isOn = false
  isRetry = false
  readonly #options: BlockingOptions
  #host: BlockingHost | null = null
  readonly #table = new KeyTable<Line>()
  readonly #waiters = new Map<Connection, Waiter>()
  readonly #deadlines = new DeadlineHeap<Waiter>()
  /** What the command that runs has asked for. */
  #asked: Wait | null = null
  #ready: KeyNode<Line>[] = []
  #isServing = false
  /** Released, with bytes that may hold further commands. */
  #released: Connection[] = []
  #timer: Timer | null = null
  #timerMs = 0

  constructor(options: BlockingOptions) {
    this.#options = options
    options.followers.add(this)
  }

  connect(host: BlockingHost): void {
    this.#host = host
  }

  get canWait(): boolean {
    return !this.#turns.client.isExecuting
  }

  wait(wait: Wait): void {
    assert(this.canWait, 'a handler asks first whether it can wait')
    const { client } = this.#turns
    assert(!client.isBlocked, 'a command waits once')
    this.#asked = wait
    client.isBlocked = true
  }

  /** Whether keys have changed that somebody waits for. */
  get hasReady(): boolean {
    return this.#ready.length > 0
  }

  /** Clients that wait with a time limit. */
  get timedCount(): number {
    return this.#deadlines.count
  }

  /** Keeps `client`, whose command has just asked to wait. */
  hold(client: Connection, args: Args): void {
    const wait = this.#asked
    const entry = client.lastEntry
    assert(wait !== null && entry !== null, 'the command has asked to wait')
    this.#asked = null
    if (client.isClosed) {
      client.isBlocked = false
      return
    }
    const { deadlineMs, nil, onLate = null } = wait
    const copy = wait.again ?? args.clone()
    const lines: KeyNode<Line>[] = []
    const heapIndex = -1
    const waiter: Waiter = { client, entry, args: copy, nil, onLate, lines, deadlineMs, heapIndex }
    for (const position of wait.positions) this.#enter(waiter, position)
    this.#waiters.set(client, waiter)
    client.isWaiting = true
    client.blockedBytes = copy.size
    client.waitBytes = WAITER_BYTES + lines.length * LINE_BYTES
    this.#update()
    if (deadlineMs === 0) return
    this.#deadlines.add(waiter)
    this.#arm()
  }

  /**
   * Runs the waiters of all ready keys by `retry`, which says whether one was served; what that
   * makes ready, too.
   */
  serve(retry: (waiter: Waiter) => boolean): void {
    assert(!this.#isServing, 'waiters are served by one')
    this.#isServing = true
    while (this.#ready.length > 0) {
      const ready = this.#ready
      this.#ready = []
      for (const node of ready) {
        node.value.isReady = false
        this.#serveLine(node, retry)
      }
    }
    this.#isServing = false
  }

  /** Whether clients are blocked no longer and have not gone on yet. */
  get hasReleased(): boolean {
    return this.#released.length > 0
  }

  /** These clients, which are then the caller's to go on with. */
  takeReleased(): Connection[] {
    const released = this.#released
    this.#released = []
    return released
  }

  /** CLIENT UNBLOCK: ends a wait as if its time were up, or with an error; false: none waits. */
  unblock(client: Connection, error: ReplyError | null): boolean {
    const waiter = this.#waiters.get(client)
    if (waiter === undefined) return false
    if (error !== null) waiter.entry.failed++
    this.#end(waiter, error === null ? nilOf(waiter) : error.bytes)
    return true
  }

  /** Ends a wait with `bytes` for an answer; the caller has clients go on (`proceed`). */
  answer(client: Connection, bytes: Uint8Array): void {
    const waiter = this.#waiters.get(client)
    if (waiter !== undefined) this.#end(waiter, bytes)
  }

  /** A client is gone. */
  forget(client: Connection): void {
    const waiter = this.#waiters.get(client)
    if (waiter !== undefined) this.#remove(waiter)
  }

  noteTouch(db: Database, key: Slice): void {
    const node = this.#table.find(db.id, key)
    if (node !== null) this.#mark(node)
  }

  noteEvent(event: KeyEvent, db: Database, key: Slice): void {
    if (event === GROUP_DESTROYED) this.noteTouch(db, key)
  }

  noteFlush(db: Database): void {
    for (const node of this.#table.nodesOf(db.id)) this.#mark(node)
  }

  noteSwap(first: Database, second: Database): void {
    this.noteFlush(first)
    this.noteFlush(second)
  }

  get #turns(): BlockingHost {
    assert(this.#host !== null, 'the engine has put the server together')
    return this.#host
  }

  #enter(waiter: Waiter, position: number): void {
    const { args, client, entry, lines } = waiter
    const { database } = client
    const key = KEY.set(args.bytes, args.start(position), args.length(position))
    const node =
      this.#table.find(database, key) ??
      this.#table.add(database, key, { waiters: new Set(), streamCount: 0, isReady: false })
    // The same key may be given twice.
    if (node.value.waiters.has(waiter)) return
    node.value.waiters.add(waiter)
    if (waitsForStreams(entry)) node.value.streamCount++
    lines.push(node)
  }

  #serveLine(node: KeyNode<Line>, retry: (waiter: Waiter) => boolean): void {
    const { waiters, streamCount } = node.value
    const existed = this.#exists(node)
    if (!existed && streamCount === 0) return
    // Nobody joins meanwhile: those who are served go on when this is over.
    for (const waiter of waiters) {
      if (!existed && !waitsForStreams(waiter.entry)) continue
      if (!this.#retry(waiter, retry)) continue
      // Those on streams hear of it because the key was touched.
      if (existed && !this.#exists(node)) return
    }
  }

  #retry(waiter: Waiter, retry: (waiter: Waiter) => boolean): boolean {
    const { client } = waiter
    client.isBlocked = false
    this.isRetry = true
    const isServed = retry(waiter)
    this.isRetry = false
    this.#asked = null
    assert(isServed || client.isBlocked, 'who is not served waits on')
    if (isServed && this.#waiters.has(client)) this.#release(waiter)
    return isServed
  }

  #exists(node: KeyNode<Line>): boolean {
    const { key, database } = node
    const db = this.#options.keyspace.databases[database]!
    return db.peek(KEY.set(key, 0, key.length)) !== NULL
  }

  #mark(node: KeyNode<Line>): void {
    if (node.value.isReady) return
    node.value.isReady = true
    this.#ready.push(node)
    if (this.#turns.isBusy || this.#ready.length > 1) return
    // Something outside of a command, as the active expire cycle.
    this.#options.clock.after(0, () => this.#turns.serveReady())
  }

  /** Ends a wait with `bytes` for an answer. */
  #end(waiter: Waiter, bytes: Uint8Array): void {
    const { client } = waiter
    this.#release(waiter)
    if (client.replyMode === ReplyMode.On) {
      const { statistics } = this.#options
      statistics.writes++
      statistics.outputBytes += bytes.length
      client.socket.write(bytes, 0, bytes.length)
    }
    endSkip(client)
  }

  #release(waiter: Waiter): void {
    this.#remove(waiter)
    this.#released.push(waiter.client)
  }

  #remove(waiter: Waiter): void {
    const { client, entry, lines } = waiter
    this.#waiters.delete(client)
    for (const node of lines) {
      node.value.waiters.delete(waiter)
      if (waitsForStreams(entry)) node.value.streamCount--
      if (node.value.waiters.size === 0) this.#table.remove(node)
    }
    if (waiter.heapIndex >= 0) this.#deadlines.remove(waiter)
    client.isBlocked = false
    client.isWaiting = false
    client.blockedBytes = 0
    client.waitBytes = 0
    this.#update()
  }

  /** Follows keys while any client waits for one. */
  #update(): void {
    const isOn = this.#table.count > 0
    if (isOn === this.isOn) return
    this.isOn = isOn
    this.#options.followers.update()
  }

  /** Has the timer run at the first deadline, if it would not run before. */
  #arm(): void {
    const { first } = this.#deadlines
    if (first === null) return
    const nowMs = this.#options.clock.nowMs()
    const dueMs = Math.min(first.deadlineMs, nowMs + TIMER_MAX_MS)
    if (this.#timer !== null && this.#timerMs <= dueMs) return
    this.#timer?.stop()
    this.#timerMs = dueMs
    this.#timer = this.#options.clock.after(Math.max(0, dueMs - nowMs), () => this.#expire())
  }

  /** Ends the waits whose time is up. */
  #expire(): void {
    this.#timer = null
    const nowMs = this.#options.clock.nowMs()
    for (;;) {
      const { first } = this.#deadlines
      if (first === null || first.deadlineMs > nowMs) break
      this.#end(first, nilOf(first))
    }
    this.#arm()
    this.#turns.proceed()
  }
}

/** After the answer that CLIENT REPLY SKIP has suppressed, further ones are given. */
export function endSkip(client: Connection): void {
  if (client.replyMode === ReplyMode.Skip) client.replyMode = ReplyMode.On
}

function waitsForStreams(entry: CommandEntry): boolean {
  return entry.command.group === 'stream'
}

function nilOf({ client, nil, onLate }: Waiter): Uint8Array {
  if (onLate !== null) return latin1(`:${onLate()}\r\n`)
  if (client.version === 3) return NIL_RESP3
  return nil === NilForm.Array ? NIL_ARRAY : NIL_BULK
}
