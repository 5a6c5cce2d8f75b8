// A stream told part by part, for those who only compare or show: digests and tests. A part is a
// word, what belongs to it, and the names and values of an entry; how entries are cut into nodes
// does not show, nor what was deleted.

import type { I64 } from '../../base/i64.ts'
import { type ByteRange, Slice } from '../../base/slice.ts'
import { PackedEntry } from '../../keyspace/packed/packed.ts'
import { EntryCursor } from '../../keyspace/stream/entry-leaf.ts'
import type { StreamId } from '../../keyspace/stream/stream-id.ts'
import type { StreamFacts, StreamTarget } from './stream-target.ts'

export interface StreamPartsOptions {
  readonly onPart: (head: string, texts: readonly Uint8Array[]) => void
  readonly onEnd?: () => void
}

export class StreamParts implements StreamTarget {
  readonly #options: StreamPartsOptions
  readonly #cursor = new EntryCursor()
  readonly #name = new PackedEntry()
  readonly #value = new PackedEntry()
  readonly #slice = new Slice()
  #group: Uint8Array = new Uint8Array(0)
  #consumer: Uint8Array = new Uint8Array(0)

  constructor(options: StreamPartsOptions) {
    this.#options = options
  }

  onNode(master: StreamId, { bytes, start }: ByteRange): void {
    const cursor = this.#cursor.openListpack(master, bytes, start)
    for (let found = cursor.first(); found; found = cursor.next()) {
      if (!cursor.isDeleted) this.#tell(`entry ${cursor.id}`, this.#texts())
    }
  }

  onFacts({ lastId, deletedId, added }: StreamFacts): void {
    this.#tell(`facts ${lastId} ${deletedId} ${added}`, [])
  }

  onGroup(name: ByteRange, lastId: StreamId, entriesRead: I64 | null): boolean {
    this.#group = bytesOf(name)
    this.#tell(`group ${lastId} ${entriesRead}`, [this.#group])
    return true
  }

  onPending(id: StreamId, timeMs: I64, deliveries: number): boolean {
    this.#tell(`pending ${id} ${timeMs} ${deliveries}`, [this.#group])
    return true
  }

  onConsumer(name: ByteRange, seenMs: I64): boolean {
    this.#consumer = bytesOf(name)
    this.#tell(`consumer ${seenMs}`, [this.#group, this.#consumer])
    return true
  }

  onOwned(id: StreamId): boolean {
    this.#tell(`owned ${id}`, [this.#group, this.#consumer])
    return true
  }

  onGroupEnd(): boolean {
    return true
  }

  onStreamEnd(): void {
    this.#options.onEnd?.()
  }

  #tell(head: string, texts: readonly Uint8Array[]): void {
    this.#options.onPart(head, texts)
  }

  /** Names and values of the cursor's entry, in turn. */
  #texts(): Uint8Array[] {
    const texts: Uint8Array[] = []
    this.#cursor.openFields()
    for (let i = 0; i < this.#cursor.fields; i++) {
      this.#cursor.readField(this.#name, this.#value)
      texts.push(this.#name.textInto(this.#slice).toBytes())
      texts.push(this.#value.textInto(this.#slice).toBytes())
    }
    return texts
  }
}

function bytesOf({ bytes, start, length }: ByteRange): Uint8Array {
  return bytes.slice(start, start + length)
}
