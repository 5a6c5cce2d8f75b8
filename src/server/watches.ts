// WATCH: which client watches which key, and whose transaction must not run any more. A change of a
// watched key breaks the watch of everybody who watches it, the client that changes it included,
// and takes all keys of these clients off the table: one change is enough.
//
// - A key is watched in its numbered database: SWAPDB changes it if either side has such a key.
// - A key that was there and is gone at EXEC has expired, even if nobody has told. A key that had
//   expired already when it was watched counts as absent, and its removal as no change.
// While nobody watches, `isOn` is false and nothing here is called.
// Sources: Redis documentation, "Transactions"; the behaviour of redis-server 7.0.
// Owner: the engine.

import { assert } from '../base/assert.ts'
import { type Slice, scratchSlice } from '../base/slice.ts'
import type { KeyObserver } from '../command/key-event.ts'
import type { Database } from '../keyspace/database.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { NULL } from '../memory/layout.ts'
import type { Connection } from './connection.ts'
import type { KeyFollowers } from './key-followers.ts'
import { type KeyNode, KeyTable } from './key-table.ts'

type Watchers = Set<Connection>

interface Watch {
  readonly node: KeyNode<Watchers>
  /** Whether the key was there when it was watched. */
  readonly existed: boolean
}

const KEY = scratchSlice()

export class Watches implements KeyObserver {
  isOn = false
  readonly #keyspace: Keyspace
  readonly #followers: KeyFollowers
  readonly #table = new KeyTable<Watchers>()
  readonly #byClient = new Map<Connection, Watch[]>()

  constructor(keyspace: Keyspace, followers: KeyFollowers) {
    this.#keyspace = keyspace
    this.#followers = followers
    followers.add(this)
  }

  /** Watches a key for `client`; nothing when it does already. O(1). */
  watch(client: Connection, db: Database, key: Slice): void {
    assert(!client.isWatchBroken, 'a broken watch needs no further keys')
    const existed = db.peek(key) !== NULL
    const node = this.#table.find(db.id, key) ?? this.#table.add(db.id, key, new Set())
    if (node.value.has(client)) return
    node.value.add(client)
    const watches = this.#byClient.get(client)
    if (watches === undefined) this.#byClient.set(client, [{ node, existed }])
    else watches.push({ node, existed })
    client.watchCount++
    this.#update()
  }

  /** Forgets all that `client` watches, and what became of it. */
  unwatch(client: Connection): void {
    client.isWatchBroken = false
    this.#drop(client)
  }

  /** Whether something that `client` watches has changed. O(keys it watches). */
  isBroken(client: Connection): boolean {
    if (client.isWatchBroken) return true
    for (const { node, existed } of this.#byClient.get(client) ?? []) {
      if (existed && !this.#has(node, node.database)) return true
    }
    return false
  }

  noteTouch(db: Database, key: Slice): void {
    // `isBroken` finds what expires or is evicted gone; if it had expired before, nothing changes.
    if (this.#followers.isByServer) return
    const node = this.#table.find(db.id, key)
    if (node !== null) this.#break(node)
  }

  noteEvent(): void {}

  noteFlush(db: Database): void {
    for (const node of this.#table.nodesOf(db.id)) {
      if (this.#has(node, db.id)) this.#break(node)
    }
  }

  noteSwap(first: Database, second: Database): void {
    const nodes = [...this.#table.nodesOf(first.id), ...this.#table.nodesOf(second.id)]
    for (const node of nodes) {
      if (this.#has(node, first.id) || this.#has(node, second.id)) this.#break(node)
    }
  }

  /** Whether `database` has the node's key. */
  #has(node: KeyNode<Watchers>, database: number): boolean {
    const { key } = node
    return this.#keyspace.databases[database]!.peek(KEY.set(key, 0, key.length)) !== NULL
  }

  #break(node: KeyNode<Watchers>): void {
    for (const client of node.value) {
      client.isWatchBroken = true
      this.#drop(client)
    }
  }

  #drop(client: Connection): void {
    const watches = this.#byClient.get(client)
    if (watches === undefined) return
    this.#byClient.delete(client)
    client.watchCount = 0
    for (const { node } of watches) {
      node.value.delete(client)
      if (node.value.size === 0) this.#table.remove(node)
    }
    this.#update()
  }

  #update(): void {
    const isOn = this.#table.count > 0
    if (isOn === this.isOn) return
    this.isOn = isOn
    this.#followers.update()
  }
}
