// Makes a stream out of what a reader of RDB streams tells: for loading and RESTORE. Nodes become
// leaves as they are; one too large for a leaf is taken apart, so that a leaf in a span has one
// entry only (keyspace/stream/entry-leaf.ts).

import { assert } from '../../base/assert.ts'
import type { I64 } from '../../base/i64.ts'
import { type ByteRange, Slice } from '../../base/slice.ts'
import type { Database } from '../../keyspace/database.ts'
import { defaultEncodingLimits } from '../../keyspace/encoding-limits.ts'
import { PackedEntry } from '../../keyspace/packed/packed.ts'
import { EntryCursor, listpackRoom } from '../../keyspace/stream/entry-leaf.ts'
import { Fields } from '../../keyspace/stream/entry-writer.ts'
import { countedUpTo } from '../../keyspace/stream/progress.ts'
import { Streams } from '../../keyspace/stream/stream.ts'
import type { StreamId } from '../../keyspace/stream/stream-id.ts'
import { NULL, type Ptr } from '../../memory/layout.ts'
import { RUN_PAGES_MAX } from '../../memory/size-class.ts'
import type { StreamFacts, StreamTarget } from './stream-target.ts'

export class StreamBuilder implements StreamTarget {
  readonly #onEnd: (record: Ptr) => void
  #streams: Streams | null = null
  #record: Ptr = NULL
  #unowned = 0
  readonly #slice = new Slice()
  readonly #cursor = new EntryCursor()
  readonly #fields = new Fields()
  readonly #name = new PackedEntry()
  readonly #value = new PackedEntry()

  /** `onEnd` is given the record of each stream that is complete. */
  constructor(onEnd: (record: Ptr) => void) {
    this.#onEnd = onEnd
  }

  /** Begins a stream under `key`, which the last lookup in `db` did not find. */
  begin(db: Database, key: Slice): void {
    this.#streams = new Streams(db.collections)
    this.#record = this.#streams.create(db, key)
  }

  /** The record of the stream. */
  end(): Ptr {
    const record = this.#record
    this.#streams = null
    this.#record = NULL
    return record
  }

  onNode(master: StreamId, listpack: ByteRange, live: number): void {
    const { bytes, start, length } = listpack
    if (live === 0) return
    const slice = this.#slice.set(bytes, start, length)
    if (length <= listpackRoom(RUN_PAGES_MAX)) this.#open.adoptListpack(master, slice, live)
    else this.#takeApart(master, slice)
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
    const record = this.#record
    assert(record !== NULL, 'what ends has begun')
    this.#streams = null
    this.#record = NULL
    this.#onEnd(record)
  }

  get #open(): Streams {
    assert(this.#streams !== null, 'a stream has begun')
    return this.#streams
  }

  /** Appends the live entries of a node one by one. */
  #takeApart(master: StreamId, { bytes, start }: ByteRange): void {
    const limits = defaultEncodingLimits()
    const cursor = this.#cursor.openBytes(master, bytes, start)
    for (let found = cursor.first(); found; found = cursor.next()) {
      if (cursor.isDeleted) continue
      this.#open.append(cursor.id, this.#fieldsAt(cursor), limits)
    }
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
