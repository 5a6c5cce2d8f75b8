// What happened to a key, as keyspace notifications name it, and the one call by which a command
// says so. Whoever follows changes hears of them here: WATCH, client side caching, clients that
// wait for a key, and subscribers of notifications. While nobody does it costs one branch.
//
// A handler calls `noteChange` once for each key that it changed, after the change, with the event
// that Redis documents for it. What Redis announces besides (`del` when the last element went) goes
// through `noteEvent`; a change without an event (a GETEX that only reads has none) is `noteTouch`.
// Sources: Redis documentation, "Keyspace notifications"; the behaviour of redis-server 7.0.

import type { Slice } from '../base/slice.ts'
import type { Database } from '../keyspace/database.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'

/** Classes of events: the letters of `notify-keyspace-events`. */
export const EventClass = {
  Generic: 'g',
  String: '$',
  List: 'l',
  Set: 's',
  Hash: 'h',
  Zset: 'z',
  Expired: 'x',
  Evicted: 'e',
  Stream: 't',
  Module: 'd',
  Miss: 'm',
  New: 'n',
} as const
export type EventClass = (typeof EventClass)[keyof typeof EventClass]

/** One kind of event. There is one object for each: compare by identity. */
export interface KeyEvent {
  readonly class: EventClass
  readonly name: string
}

/** Defines an event; at module level only. */
export function keyEvent(eventClass: EventClass, name: string): KeyEvent {
  return { class: eventClass, name }
}

/** Who follows changes of keys. The slices are borrowed for the call. */
export interface KeyObserver {
  /** False while nobody follows anything: then nothing else here is called. */
  readonly isOn: boolean
  /** The key was made, changed or removed. */
  noteTouch(db: Database, key: Slice): void
  noteEvent(event: KeyEvent, db: Database, key: Slice): void
  /** All keys of `db` are about to go. */
  noteFlush(db: Database): void
  /** Two databases have exchanged their keys. */
  noteSwap(first: Database, second: Database): void
}

/** What of a command's context matters here. */
interface Context {
  readonly keyspace: Keyspace
  readonly observer: KeyObserver
  readonly db: Database
}

/** The command changed `key` in the selected database: one change, and one event. */
export function noteChange(context: Context, key: Slice, event: KeyEvent): void {
  context.keyspace.dirty++
  const { observer, db } = context
  if (!observer.isOn) return
  observer.noteTouch(db, key)
  observer.noteEvent(event, db, key)
}

/** An event besides that of `noteChange`, in the selected database. */
export function noteEvent(context: Context, key: Slice, event: KeyEvent): void {
  const { observer, db } = context
  if (observer.isOn) observer.noteEvent(event, db, key)
}

/** The command changed `key` in the selected database in a way that has no event. */
export function noteTouch(context: Context, key: Slice): void {
  context.keyspace.dirty++
  const { observer, db } = context
  if (observer.isOn) observer.noteTouch(db, key)
}

/**
 * `key` of `db` changed besides what `noteChange` counts: the new name of a key, the key in another
 * database.
 */
export function tellChange(context: Context, db: Database, key: Slice, event: KeyEvent): void {
  const { observer } = context
  if (!observer.isOn) return
  observer.noteTouch(db, key)
  observer.noteEvent(event, db, key)
}

/** `del`: the key is gone, by command or because its last element went. */
export const DEL = keyEvent(EventClass.Generic, 'del')
/** The key has got a deadline. */
export const EXPIRE = keyEvent(EventClass.Generic, 'expire')
/** The key has lost its deadline. */
export const PERSIST = keyEvent(EventClass.Generic, 'persist')
/** The key is gone because its deadline passed. */
export const EXPIRED = keyEvent(EventClass.Expired, 'expired')
/** The key is gone because memory was short. */
export const EVICTED = keyEvent(EventClass.Evicted, 'evicted')
/** Fields of a hash are gone because their deadlines passed. */
export const HEXPIRED = keyEvent(EventClass.Hash, 'hexpired')
/** A command that reads did not find the key. */
export const KEY_MISS = keyEvent(EventClass.Miss, 'keymiss')
/** A consumer group is gone: no touch of the key, but those who wait in the group hear of it. */
export const GROUP_DESTROYED = keyEvent(EventClass.Stream, 'xgroup-destroy')
/** The key was not there before. */
export const NEW_KEY = keyEvent(EventClass.New, 'new')
