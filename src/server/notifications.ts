// Keyspace notifications: what happens to keys, as messages of pub/sub. `notify-keyspace-events`
// says which classes of events, and whether on the channel of the key, of the event, or both:
//
//   __keyspace@0__:KEY     the event's name       __keyevent@0__:EVENT     the key
//
// While nobody is subscribed to anything an event costs two branches. Channels are put together in
// one buffer; nothing is allocated. Source: Redis documentation, "Keyspace notifications".
//
// Owner: the engine.

import { latin1, writeInteger, writeLatin1 } from '../base/bytes.ts'
import { copySlice, Slice, scratchSlice } from '../base/slice.ts'
import {
  EventClass,
  KEY_MISS,
  type KeyEvent,
  type KeyObserver,
  NEW_KEY,
} from '../command/key-event.ts'
import type { Database } from '../keyspace/database.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { EventClass as EventBit } from './config-forms.ts'
import type { PubSub } from './pubsub.ts'

const BITS: ReadonlyMap<EventClass, number> = new Map([
  [EventClass.Generic, EventBit.Generic],
  [EventClass.String, EventBit.String],
  [EventClass.List, EventBit.List],
  [EventClass.Set, EventBit.Set],
  [EventClass.Hash, EventBit.Hash],
  [EventClass.Zset, EventBit.Zset],
  [EventClass.Expired, EventBit.Expired],
  [EventClass.Evicted, EventBit.Evicted],
  [EventClass.Stream, EventBit.Stream],
  [EventClass.Module, EventBit.Module],
  [EventClass.Miss, EventBit.Miss],
  [EventClass.New, EventBit.New],
])
const WHERE = EventBit.Keyspace | EventBit.Keyevent
/** Around the database's number. */
const KEYSPACE = '__keyspace@'
const KEYEVENT = '__keyevent@'
const CHANNEL_MID = '__:'
/** Room for what stands before the key or the event. */
const PREFIX_LENGTH_MAX = 64
const BUFFER_LENGTH = 1024

export class Notifications implements KeyObserver {
  /** Whether any event goes anywhere. */
  isOn = false
  #classes = 0
  readonly #pubsub: PubSub
  readonly #keyspace: Keyspace
  readonly #names = new Map<KeyEvent, Slice>()
  #bytes = new Uint8Array(BUFFER_LENGTH)
  readonly #channel = scratchSlice()

  constructor(pubsub: PubSub, keyspace: Keyspace) {
    this.#pubsub = pubsub
    this.#keyspace = keyspace
  }

  /** Takes the bits of `notify-keyspace-events`. Misses and new keys have hooks of their own. */
  setClasses(classes: number): void {
    this.#classes = classes
    this.isOn = (classes & WHERE) !== 0 && (classes & ~WHERE) !== 0
    const { databases } = this.#keyspace
    const hookOf = (event: KeyEvent, bit: number) => {
      if (!this.isOn || (classes & bit) === 0) return null
      return (id: number, key: Slice) => this.noteEvent(event, databases[id]!, key)
    }
    this.#keyspace.onMiss = hookOf(KEY_MISS, EventBit.Miss)
    this.#keyspace.onNew = hookOf(NEW_KEY, EventBit.New)
  }

  /** Changes without an event are nothing to notify of. */
  noteTouch(): void {}

  noteFlush(): void {}

  noteSwap(): void {}

  noteEvent(event: KeyEvent, db: Database, key: Slice): void {
    if ((this.#classes & (BITS.get(event.class) ?? 0)) === 0 || this.#pubsub.isIdle) return
    const name = this.#nameOf(event)
    if ((this.#classes & EventBit.Keyspace) !== 0) {
      this.#pubsub.publish(this.#channelOf(KEYSPACE, db.id, key), name)
    }
    if ((this.#classes & EventBit.Keyevent) !== 0) {
      this.#pubsub.publish(this.#channelOf(KEYEVENT, db.id, name), key)
    }
  }

  #nameOf(event: KeyEvent): Slice {
    let name = this.#names.get(event)
    if (name === undefined) {
      const bytes = latin1(event.name)
      name = new Slice().set(bytes, 0, bytes.length)
      this.#names.set(event, name)
    }
    return name
  }

  #channelOf(prefix: string, id: number, subject: Slice): Slice {
    const length = PREFIX_LENGTH_MAX + subject.length
    if (length > this.#bytes.length) this.#bytes = new Uint8Array(length)
    const bytes = this.#bytes
    let at = writeLatin1(bytes, 0, prefix)
    at = writeInteger(bytes, at, id)
    at = writeLatin1(bytes, at, CHANNEL_MID)
    copySlice(subject, bytes, at)
    this.#channel.set(bytes, 0, at + subject.length)
    // One huge key must not keep its memory for good.
    if (bytes.length > BUFFER_LENGTH * 64) this.#bytes = new Uint8Array(BUFFER_LENGTH)
    return this.#channel
  }
}
