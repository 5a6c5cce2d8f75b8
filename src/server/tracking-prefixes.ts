// Broadcast mode of client side caching: clients that want to hear of every change of keys with
// certain prefixes. What changes is collected, and told at the end of the turn, in one message per
// prefix, keys in the order of their bytes, as Redis does.
//
// Invariant: a prefix is there exactly while clients have it. Owner: the engine.

import { assert } from '../base/assert.ts'
import { textOf } from '../base/bytes.ts'
import type { Slice } from '../base/slice.ts'
import type { Connection } from './connection.ts'
import type { Invalidations } from './invalidations.ts'

interface Prefix {
  readonly text: string
  readonly clients: Set<Connection>
  /** What has changed, and by whom it was last; null: by the server itself. */
  changes: Map<string, Connection | null>
}

export class TrackingPrefixes {
  readonly #invalidations: Invalidations
  /** In the order of their bytes. */
  #prefixes: Prefix[] = []
  /** Whether anything has changed since the last `broadcast`. */
  isPending = false

  constructor(invalidations: Invalidations) {
    this.#invalidations = invalidations
  }

  get count(): number {
    return this.#prefixes.length
  }

  /** Has a client told of keys that begin with `text`, one character per byte. */
  add(text: string, client: Connection): void {
    assert(client.tracking !== null, 'who has prefixes tracks')
    let prefix = this.#prefixes.find((each) => each.text === text)
    if (prefix === undefined) {
      prefix = { text, clients: new Set(), changes: new Map() }
      this.#prefixes.push(prefix)
      this.#prefixes.sort((a, b) => (a.text < b.text ? -1 : 1))
    }
    prefix.clients.add(client)
    client.tracking.addPrefix(text)
  }

  remove(text: string, client: Connection): void {
    const prefix = this.#prefixes.find((each) => each.text === text)
    assert(prefix !== undefined, 'a prefix is there while clients have it')
    prefix.clients.delete(client)
    if (prefix.clients.size > 0) return
    this.#prefixes = this.#prefixes.filter((each) => each !== prefix)
  }

  /** A key was changed by `client`, or by the server itself (null). O(prefixes). */
  noteChange(key: Slice, client: Connection | null): void {
    let name: string | null = null
    for (const { text, changes } of this.#prefixes) {
      if (!startsWith(key, text)) continue
      name ??= textOf(key.bytes, key.start, key.length)
      changes.set(name, client)
      this.isPending = true
    }
  }

  /** Tells all clients what has changed. */
  broadcast(): void {
    if (!this.isPending) return
    this.isPending = false
    for (const prefix of this.#prefixes) {
      const { changes } = prefix
      if (changes.size === 0) continue
      prefix.changes = new Map()
      this.#tell(prefix.clients, changes)
    }
  }

  #tell(clients: ReadonlySet<Connection>, changes: ReadonlyMap<string, Connection | null>): void {
    const names = [...changes.keys()].sort()
    this.#invalidations.setNames(names)
    for (const client of clients) {
      if (!client.tracking?.options.isNoLoop) this.#invalidations.send(client)
    }
    // Who does not want to hear of its own changes gets a message of its own.
    for (const client of clients) {
      if (!client.tracking?.options.isNoLoop) continue
      const others = names.filter((name) => changes.get(name) !== client)
      if (others.length === 0) continue
      this.#invalidations.setNames(others)
      this.#invalidations.send(client)
    }
  }
}

function startsWith(key: Slice, text: string): boolean {
  if (key.length < text.length) return false
  for (let i = 0; i < text.length; i++) {
    if (key.bytes[key.start + i] !== text.charCodeAt(i)) return false
  }
  return true
}
