// Client side caching: which clients hold copies of which keys, and telling them when one changes.
//
// - In the default mode the server remembers who has read a key, tells them once when it changes,
//   and forgets. Clients stand in the table by id, and ids are never used again, so a client that
//   goes is not looked for in it. The table is bounded by `tracking-table-max-keys`: beyond that
//   keys picked at random are declared invalid.
// - In broadcast mode a client names prefixes of keys and is told of every change
//   (tracking-prefixes.ts), once per turn of the loop.
//
// An invalidation never stands inside of a reply: the client that is being served gets it after the
// reply of its command. Source: Redis documentation, "Client-side caching"; redis-server 7.0.
//
// Invariant: `items` is the number of clients of all keys. Owner: the engine.

import { assert } from '../base/assert.ts'
import { latin1 } from '../base/bytes.ts'
import type { Random } from '../base/random.ts'
import { type Slice, scratchSlice } from '../base/slice.ts'
import { Flag } from '../command/command.ts'
import type { KeyObserver } from '../command/key-event.ts'
import type { CommandEntry } from '../command/table.ts'
import type { Database } from '../keyspace/database.ts'
import type { Args } from '../resp/args.ts'
import { ByteMap } from './byte-map.ts'
import type { Clients } from './clients.ts'
import { keyPositions } from './command-facts.ts'
import type { Connection } from './connection.ts'
import { Invalidations } from './invalidations.ts'
import type { Pushes } from './pushes.ts'
import { TrackingPrefixes } from './tracking-prefixes.ts'
import { type TrackingOptions, TrackingState } from './tracking-state.ts'

/** Keys that a step may declare invalid to make room; more with each that does not suffice. */
const EVICTIONS_PER_STEP = 100

/** An entry in a set of clients, as heap snapshots show it; a single client takes less. */
const ITEM_BYTES = 16

/** Whether the change that is told was made by the server itself: expiry, eviction. */
export interface ChangeSource {
  readonly isByServer: boolean
}

export interface TrackingParts {
  readonly clients: Clients
  readonly pushes: Pushes
  readonly random: Random
  readonly source: ChangeSource
  /** Called when `isOn` changes. */
  readonly onSwitch: () => void
}

/** Ids of the clients that hold a copy: mostly one. */
type Holders = number | Set<number>

export class Tracking implements KeyObserver {
  readonly #parts: TrackingParts
  readonly #invalidations: Invalidations
  readonly #prefixes: TrackingPrefixes
  readonly #keys = new ByteMap<Holders>()
  readonly #key = scratchSlice()
  /** `tracking-table-max-keys`; 0: no limit. */
  keysMax = 0
  /** Steps in a row that left too many keys. */
  #shortSteps = 0
  #items = 0
  #clientCount = 0
  /** All was declared invalid, and nothing was read or changed since. */
  #isAllTold = false

  constructor(parts: TrackingParts) {
    this.#parts = parts
    this.#invalidations = new Invalidations(parts.clients, parts.pushes)
    this.#prefixes = new TrackingPrefixes(this.#invalidations)
  }

  get isOn(): boolean {
    return this.#clientCount > 0
  }

  /** Clients that track. */
  get clientCount(): number {
    return this.#clientCount
  }

  get keyCount(): number {
    return this.#keys.size
  }

  /** Clients of all keys; one counts once for each key. */
  get itemCount(): number {
    return this.#items
  }

  /** Memory of the table, roughly. */
  get bytes(): number {
    return this.#keys.bytes + this.#items * ITEM_BYTES
  }

  get prefixCount(): number {
    return this.#prefixes.count
  }

  /** Makes a client track, or changes how; `prefixes` are added in broadcast mode. */
  enable(client: Connection, options: TrackingOptions, prefixes: readonly string[]): void {
    this.#isAllTold = false
    if (client.tracking === null) {
      client.tracking = new TrackingState(options)
      this.#clientCount++
      if (this.#clientCount === 1) this.#parts.onSwitch()
    }
    client.tracking.options = options
    client.tracking.isBroken = false
    if (!options.isBroadcast) return
    for (const prefix of prefixes.length === 0 ? [''] : prefixes) this.#prefixes.add(prefix, client)
  }

  /**
   * Ends a client's tracking, if it does. Its entries in the table stay until their keys change, or
   * nobody tracks any more.
   */
  disable(client: Connection): void {
    if (client.tracking === null) return
    for (const prefix of client.tracking.prefixes) this.#prefixes.remove(prefix, client)
    client.tracking = null
    assert(this.#clientCount > 0, 'a client that tracks is counted')
    this.#clientCount--
    if (this.#clientCount > 0) return
    this.#forgetKeys()
    this.#parts.onSwitch()
  }

  /** The client's command is over: CLIENT CACHING was for one command, or one transaction. */
  endCommand(client: Connection): void {
    if (client.tracking === null || !client.tracking.isCaching) return
    if (client.transaction !== null) return
    if (client.lastEntry?.fullName.startsWith('client|')) return
    client.tracking.isCaching = false
  }

  /** A command begins: what is flushed in it is told anew. */
  beginCommand(): void {
    this.#isAllTold = false
  }

  /** The served client has executed a command: remembers the keys that it read. */
  noteExecuted(client: Connection, entry: CommandEntry, args: Args): void {
    const { tracking } = client
    if (tracking === null || !tracking.isRemembering) return
    if ((entry.flags & Flag.ReadOnly) === 0 || (entry.flags & Flag.PubSub) !== 0) return
    const { command } = entry
    const [first, last, step] = command.keys
    if (command.findKeys !== undefined) {
      for (const i of keyPositions(command, args)) this.#remember(client.id, args, i)
    } else if (first > 0) {
      const limit = Math.min(last < 0 ? args.count + last : last, args.count - 1)
      for (let i = first; i <= limit; i += step) this.#remember(client.id, args, i)
    }
    this.limitKeys()
  }

  /** The key has changed: whoever holds a copy is told. */
  noteTouch(_db: Database, key: Slice): void {
    const { pushes, source } = this.#parts
    const changer = source.isByServer ? null : pushes.served
    if (this.#prefixes.count > 0) this.#prefixes.noteChange(key, changer)
    const index = this.#keys.indexOf(key.bytes, key.start, key.length)
    if (index >= 0) this.#invalidate(index, key, changer)
  }

  noteEvent(): void {}

  /** Every client is told that all is invalid; keys are not told apart by databases. */
  noteFlush(): void {
    if (this.#isAllTold) return
    this.#isAllTold = true
    this.#invalidations.setAll()
    for (const client of this.#parts.clients) {
      if (client.tracking !== null) this.#invalidations.send(client)
    }
    this.#parts.pushes.enforceLimits()
    this.#forgetKeys()
  }

  /** Clients do not know which database a key was in: what they hold is as good as flushed. */
  noteSwap(): void {
    this.noteFlush()
  }

  /** Whether clients in broadcast mode have something to be told. */
  get hasBroadcasts(): boolean {
    return this.#prefixes.isPending
  }

  /** Tells clients in broadcast mode what has changed since the last call. */
  broadcast(): void {
    this.#prefixes.broadcast()
    this.#parts.pushes.enforceLimits()
  }

  /** Brings the table back to its limit, in bounded steps; true while it is above. */
  limitKeys(): boolean {
    const { keysMax } = this
    if (keysMax === 0 || this.#keys.size <= keysMax) {
      this.#shortSteps = 0
      return false
    }
    this.#shortSteps++
    for (let left = EVICTIONS_PER_STEP * this.#shortSteps; left > 0; left--) {
      const index = this.#parts.random.below(this.#keys.size)
      const name = latin1(this.#keys.nameAt(index))
      this.#invalidate(index, this.#key.set(name, 0, name.length), null)
      if (this.#keys.size <= keysMax) return false
    }
    return true
  }

  #forgetKeys(): void {
    this.#keys.clear()
    this.#items = 0
  }

  #remember(id: number, args: Args, i: number): void {
    const start = args.start(i)
    const length = args.length(i)
    const index = this.#keys.indexOf(args.bytes, start, length)
    if (index < 0) {
      this.#keys.add(args.bytes, start, length, id)
      this.#items++
      return
    }
    const holders = this.#keys.valueAt(index)
    if (holders === id) return
    if (typeof holders === 'number') this.#keys.replaceAt(index, new Set([holders, id]))
    else if (holders.has(id)) return
    else holders.add(id)
    this.#items++
  }

  /** Tells the holders of an entry's key, which `changer` has changed, and forgets it. */
  #invalidate(index: number, key: Slice, changer: Connection | null): void {
    const holders = this.#keys.valueAt(index)
    this.#keys.removeAt(index)
    this.#invalidations.setKey(key)
    if (typeof holders === 'number') {
      this.#items--
      this.#tell(holders, changer)
    } else {
      this.#items -= holders.size
      for (const id of holders) this.#tell(id, changer)
    }
    assert(this.#items >= 0, 'items are counted')
    this.#parts.pushes.enforceLimits()
  }

  #tell(id: number, changer: Connection | null): void {
    const client = this.#parts.clients.find(id)
    // It may be gone, or track in another way by now.
    if (client === null || client.tracking === null) return
    const { isBroadcast, isNoLoop } = client.tracking.options
    if (isBroadcast || (isNoLoop && client === changer)) return
    this.#invalidations.send(client)
  }
}
