// Who follows changes of keys: the engine's one `KeyObserver`. Each kind of follower registers
// itself and says by `isOn` whether it has anything to follow; while none has, commands pay one
// branch. What the server removes of its own accord is kept for those who repeat it, too
// (command/effects.ts). Owner: the engine.

import { type Slice, scratchSlice } from '../base/slice.ts'
import type { Effects } from '../command/effects.ts'
import { DEL, EXPIRED, HEXPIRED, type KeyEvent, type KeyObserver } from '../command/key-event.ts'
import type { Database } from '../keyspace/database.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { Ptr } from '../memory/layout.ts'
import type { ChangeSource } from './tracking.ts'

export class KeyFollowers implements KeyObserver, ChangeSource {
  readonly #databases: readonly Database[]
  readonly #key = scratchSlice()
  readonly #effects: Effects
  readonly #followers: KeyObserver[] = []
  /** Kept by `update`, so that a command reads one field. */
  isOn = false
  /** The change that is told was made by the server itself, not by a client's command. */
  isByServer = false

  constructor(keyspace: Keyspace, effects: Effects) {
    this.#databases = keyspace.databases
    this.#effects = effects
    keyspace.onExpire = (id, record) => this.#noteExpiry(id, record)
    keyspace.onExpireFields = (id, record, isEmpty) => this.#noteFields(id, record, isEmpty)
  }

  /** Adds a follower; it calls `update` whenever its `isOn` changes. */
  add(follower: KeyObserver): void {
    this.#followers.push(follower)
    this.update()
  }

  /** Looks again at whether anybody follows anything. */
  update(): void {
    this.isOn = this.#followers.some((follower) => follower.isOn)
  }

  noteTouch(db: Database, key: Slice): void {
    for (const follower of this.#followers) if (follower.isOn) follower.noteTouch(db, key)
  }

  noteEvent(event: KeyEvent, db: Database, key: Slice): void {
    for (const follower of this.#followers) if (follower.isOn) follower.noteEvent(event, db, key)
  }

  noteFlush(db: Database): void {
    for (const follower of this.#followers) if (follower.isOn) follower.noteFlush(db)
  }

  noteSwap(first: Database, second: Database): void {
    for (const follower of this.#followers) if (follower.isOn) follower.noteSwap(first, second)
  }

  /** The server removes a key of its own accord: because it has expired, or for want of memory. */
  noteRemoval(event: KeyEvent, db: Database, key: Slice): void {
    if (!this.isOn) return
    this.isByServer = true
    this.noteTouch(db, key)
    this.noteEvent(event, db, key)
    this.isByServer = false
  }

  #noteExpiry(id: number, record: Ptr): void {
    const effects = this.#effects
    if (!this.isOn && !effects.isKept) return
    const db = this.#databases[id]!
    const key = db.readKey(record, this.#key)
    effects.noteRemoval(db, key, effects.isExpiryLazy)
    this.noteRemoval(EXPIRED, db, key)
  }

  #noteFields(id: number, record: Ptr, isEmpty: boolean): void {
    if (!this.isOn) return
    const db = this.#databases[id]!
    const key = db.readKey(record, this.#key)
    this.noteRemoval(HEXPIRED, db, key)
    if (isEmpty) this.noteRemoval(DEL, db, key)
  }
}
