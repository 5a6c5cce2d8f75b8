// Makes a stream out of what a reader of RDB streams tells: for loading and RESTORE. The entries of
// a node are written anew, many at a time, so that leaves are dense, and stay a node
// (keyspace/stream/entry-leaf.ts). One too large for a leaf of a page is added as a command would,
// and so are those of a node that the kernel leaves to TypeScript (stream-nodes.ts).

import { assert } from '../../base/assert.ts'
import type { I64 } from '../../base/i64.ts'
import { type ByteRange, Slice } from '../../base/slice.ts'
import type { Database } from '../../keyspace/database.ts'
import { defaultEncodingLimits } from '../../keyspace/encoding-limits.ts'
import { PackedEntry } from '../../keyspace/packed/packed.ts'
import { EntryCursor } from '../../keyspace/stream/entry-leaf.ts'
import { Fields } from '../../keyspace/stream/entry-writer.ts'
import { countedUpTo } from '../../keyspace/stream/progress.ts'
import { Streams } from '../../keyspace/stream/stream.ts'
import type { StreamId } from '../../keyspace/stream/stream-id.ts'
import type { Ptr } from '../../memory/layout.ts'
import type { StreamNodes } from './stream-nodes.ts'
import type { StreamFacts, StreamTarget } from './stream-target.ts'

/** Nodes end where they do in the file. */
const NODE_LIMITS = {
  ...defaultEncodingLimits(),
  streamNodeBytesMax: 0,
  streamNodeEntriesMax: 0,
}

export interface StreamBuilderOptions {
  /** Sees to it that the key of a stream that will have nodes is free. */
  readonly freeKey: (key: Slice) => void
  /** Is given the record of each stream that is complete. */
  readonly onEnd: (record: Ptr) => void
  /** Is given the bytes of a complete stream that is packed; else there is a record of it, too. */
  readonly onPacked?: (value: Slice) => void
}

export class StreamBuilder implements StreamTarget {
  readonly #options: StreamBuilderOptions
  /** Of the keyspace that the last stream went to: one is made for all of its streams. */
  #streams: Streams | null = null
  #hasBegun = false
  #unowned = 0
  readonly #slice = new Slice()
  readonly #cursor = new EntryCursor()
  readonly #fields = new Fields()
  readonly #name = new PackedEntry()
  readonly #value = new PackedEntry()

  constructor(options: StreamBuilderOptions) {
    this.#options = options
  }

  /** Begins a stream under `key`, whose bytes are borrowed until the end. */
  begin(db: Database, key: Slice): void {
    if (this.#streams?.collections !== db.collections) this.#streams = new Streams(db.collections)
    this.#streams.begin(db, key, this.#options.freeKey)
    this.#hasBegun = true
  }

  onNode(master: StreamId, listpack: ByteRange, live: number, nodes: StreamNodes | null): void {
    if (live === 0) return
    const streams = this.#open
    const cursor = this.#cursor
    streams.endNode()
    if (nodes === null) {
      cursor.openListpack(master, listpack.bytes, listpack.start)
      for (let found = cursor.first(); found; found = cursor.next()) this.#append(cursor)
      return
    }
    while (!streams.adopt(nodes)) {
      cursor.openListpack(master, listpack.bytes, listpack.start)
      const isThere = cursor.goTo(nodes.position)
      assert(isThere, 'what is too large is there')
      this.#append(cursor)
      nodes.goTo(cursor.behind())
    }
  }

  onFacts({ lastId, deletedId, added }: StreamFacts): void {
    const streams = this.#open
    streams.setLastId(lastId)
    streams.setDeletedId(deletedId)
    streams.setAdded(added)
  }

  onGroup(name: ByteRange, lastId: StreamId, entriesRead: I64 | null): boolean {
    const { groups } = this.#open
    this.#unowned = 0
    if (groups.openGroup(name)) return false
    groups.createGroup(name, lastId, entriesRead ?? countedUpTo(this.#open, lastId))
    return true
  }

  onPending(id: StreamId, timeMs: I64, deliveries: number): boolean {
    const { groups } = this.#open
    if (groups.findPending(id)) return false
    groups.addUnowned(id, timeMs, deliveries)
    this.#unowned++
    return true
  }

  onConsumer(name: ByteRange, seenMs: I64): boolean {
    const { groups } = this.#open
    if (groups.openConsumer(name)) return false
    groups.createConsumer(name, seenMs)
    return true
  }

  onOwned(id: StreamId): boolean {
    const { groups } = this.#open
    if (!groups.findPending(id) || groups.pendingConsumer !== 0) return false
    groups.ownUnowned(id)
    this.#unowned--
    return true
  }

  onGroupEnd(): boolean {
    return this.#unowned === 0
  }

  onStreamEnd(): void {
    const { onEnd, onPacked } = this.#options
    const streams = this.#open
    this.#hasBegun = false
    const packed = onPacked === undefined ? null : streams.packed()
    if (packed === null) onEnd(streams.finish())
    else onPacked?.(packed)
  }

  get #open(): Streams {
    assert(this.#streams !== null && this.#hasBegun, 'a stream has begun')
    return this.#streams
  }

  /** Adds an entry as a command would, to the node that is being made. */
  #append(cursor: EntryCursor): void {
    if (cursor.isDeleted) return
    this.#open.append(cursor.id, this.#fieldsAt(cursor), NODE_LIMITS)
  }

  #fieldsAt(cursor: EntryCursor): Fields {
    const texts: Uint8Array[] = []
    cursor.openFields()
    for (let i = 0; i < cursor.fields; i++) {
      cursor.readField(this.#name, this.#value)
      texts.push(this.#name.textInto(this.#slice).toBytes())
      texts.push(this.#value.textInto(this.#slice).toBytes())
    }
    const starts = new Uint32Array(texts.length)
    const lengths = Uint32Array.from(texts, (text) => text.length)
    for (let i = 1; i < texts.length; i++) starts[i] = starts[i - 1]! + lengths[i - 1]!
    return this.#fields.open({ bytes: Buffer.concat(texts), starts, lengths }, 0, cursor.fields)
  }
}
