// Keys that somebody waits for or watches, by database and bytes. A lookup allocates nothing and is
// O(1), because it happens at every change of a key while there is anybody to tell; whoever chooses
// the keys cannot choose collisions (byte-map.ts). Owner: the engine.

import { assert } from '../base/assert.ts'
import type { Slice } from '../base/slice.ts'
import { ByteMap } from './byte-map.ts'

/** A key of the table, in bytes of its own. `value` is the owner's. */
export interface KeyNode<T> {
  readonly database: number
  readonly key: Uint8Array
  readonly value: T
}

export class KeyTable<T> {
  /** By database; made when it has its first key. */
  readonly #maps: (ByteMap<KeyNode<T>> | undefined)[] = []
  #count = 0

  get count(): number {
    return this.#count
  }

  find(database: number, key: Slice): KeyNode<T> | null {
    return this.#maps[database]?.find(key.bytes, key.start, key.length) ?? null
  }

  /** Adds a key that is not there, with a copy of its bytes. */
  add(database: number, key: Slice, value: T): KeyNode<T> {
    const node: KeyNode<T> = { database, key: key.toBytes(), value }
    this.#maps[database] ??= new ByteMap()
    this.#maps[database].add(node.key, 0, node.key.length, node)
    this.#count++
    return node
  }

  /** Removes a node that is in the table. */
  remove(node: KeyNode<T>): void {
    const map = this.#maps[node.database]
    assert(map !== undefined, 'the node is in the table')
    map.removeAt(map.indexOf(node.key, 0, node.key.length))
    this.#count--
  }

  /** The nodes of a database as they are now. O(n). */
  nodesOf(database: number): KeyNode<T>[] {
    const map = this.#maps[database]
    if (map === undefined) return []
    return Array.from({ length: map.size }, (_, index) => map.valueAt(index))
  }
}
