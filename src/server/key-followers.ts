// Who follows changes of keys: the engine's one `KeyObserver`. Each kind of follower registers
// itself and says by `isOn` whether it has anything to follow; while none has, commands pay one
// branch. Owner: the engine.

import type { Slice } from '../base/slice.ts'
import type { KeyEvent, KeyObserver } from '../command/key-event.ts'
import type { Database } from '../keyspace/database.ts'

export class KeyFollowers implements KeyObserver {
  readonly #followers: KeyObserver[] = []
  /** Kept by `update`, so that a command reads one field. */
  isOn = false

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
}
