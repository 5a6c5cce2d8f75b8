// Nodes of streams in kernel memory: checked, and written as leaves have them (stream-node.as.ts).
// The kernel is made when the first node comes. What lies elsewhere, as a listpack that is longer
// than the buffer of the file, or is longer than nodes of ours may be, is left to TypeScript
// (keyspace/stream/entry-check.ts); tests compare the two ways.
// Owner: one thread, and one node at a time.

import { assert } from '../../base/assert.ts'
import type { ByteRange } from '../../base/slice.ts'
import { DAMAGED } from '../../keyspace/stream/entry-check.ts'
import { EntryFlag } from '../../keyspace/stream/entry-leaf.ts'
import type { NodeSource, TakeOptions } from '../../keyspace/stream/node-source.ts'
import type { StreamId } from '../../keyspace/stream/stream-id.ts'
import { PAGE_BYTES } from '../../memory/layout.ts'
import { RUN_PAGES_MAX } from '../../memory/size-class.ts'
import type { Kernels } from './kernels.ts'
import { STREAM_NODE_WASM } from './stream-node.wasm.ts'

/** What `check` says of a node that it leaves to others. */
export const UNCHECKED = -2

const RECORD_BYTES = 128
const LEAF_BYTES_MAX = RUN_PAGES_MAX * PAGE_BYTES
/** Longest listpack. An entry with its names is written in twice as much, and a little. */
const NODE_BYTES_MAX = LEAF_BYTES_MAX
const NAMES_BYTES = NODE_BYTES_MAX + 1024
const ENTRIES_BYTES = LEAF_BYTES_MAX + 2 * NODE_BYTES_MAX + 1024
const LAST = 0xff

/** Words of the record of numbers; IDs have the lower word first there. */
const Word = {
  Master: 0,
  Leaf: 4,
  Last: 8,
  Live: 12,
  Names: 14,
  NamesLimit: 15,
  First: 16,
  Next: 17,
  LastStart: 18,
  Entries: 19,
  TakenLive: 20,
  TakenBytes: 21,
} as const

interface Exports {
  initialise(record: number): void
  check(start: number, length: number): number
  seekLive(from: number): number
  copyNames(target: number): number
  take(from: number, target: number, room: number, wanted: number): number
}

/** What is used of WebAssembly; the compiler has its types only together with a browser's. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object, imports: object) => { readonly exports: object }
}

let compiled: object | null = null

export class StreamNodes implements NodeSource {
  readonly bytes: Uint8Array
  readonly namesStart: number
  namesLength = 0
  namesListpackBytes = 0
  readonly start: number
  length = 0
  lastStart = 0
  entries = 0
  live = 0
  listpackBytes = 0
  /** Address of the next entry. */
  #at = 0
  readonly #linear: object
  readonly #record: number
  readonly #words: Uint32Array
  #exports: Exports | null = null

  /** Takes `regionBytes` from the kernels. */
  constructor(kernels: Kernels) {
    this.bytes = kernels.memory
    this.#linear = kernels.linear
    this.#record = kernels.allocate(RECORD_BYTES)
    this.#words = new Uint32Array(kernels.memory.buffer, this.#record, RECORD_BYTES / 4)
    this.namesStart = kernels.allocate(NAMES_BYTES)
    this.start = kernels.allocate(ENTRIES_BYTES)
  }

  /** Kernel memory that it takes. */
  static get regionBytes(): number {
    return RECORD_BYTES + NAMES_BYTES + ENTRIES_BYTES
  }

  /** `checkListpack`, and goes to the first entry; or UNCHECKED, and nothing has been done. */
  check(master: StreamId, listpack: ByteRange, last: StreamId): number {
    const { bytes, start, length } = listpack
    if (bytes !== this.bytes || length > NODE_BYTES_MAX) return UNCHECKED
    const kernel = this.#open()
    const words = this.#words
    writeId(master.words, 0, words, Word.Master)
    writeId(last.words, 0, words, Word.Last)
    if (kernel.check(start, length) === 0) return DAMAGED
    readId(words, Word.Last, last)
    this.#at = words[Word.First]!
    this.namesListpackBytes = words[Word.NamesLimit]! - words[Word.Names]!
    this.namesLength = kernel.copyNames(this.namesStart) - this.namesStart
    assert(this.namesLength <= NAMES_BYTES, 'names have room')
    return words[Word.Live]!
  }

  get isAtEnd(): boolean {
    return this.bytes[this.#at]! === LAST
  }

  /** Offset of the next entry. */
  get position(): number {
    return this.#at
  }

  /** Goes to an entry that the caller knows to begin there, or to the end. */
  goTo(position: number): void {
    this.#at = position
  }

  seekLive(out: StreamId): boolean {
    const at = this.#open().seekLive(this.#at)
    if (at === 0) return false
    this.#at = at
    readId(this.#words, Word.Leaf, out)
    return true
  }

  take({ words, at, room, isSame, isStart }: TakeOptions): void {
    assert(room >= 0 && room <= LEAF_BYTES_MAX, 'no leaf has more room')
    const own = this.#words
    writeId(words, at, own, Word.Leaf)
    const { start } = this
    const wanted = (isSame ? EntryFlag.SameFields : 0) | (isStart ? EntryFlag.NodeStart : 0)
    this.length = this.#open().take(this.#at, start, room, wanted) - start
    assert(this.length <= room, 'what is taken fits')
    this.#at = own[Word.Next]!
    this.lastStart = own[Word.LastStart]!
    this.entries = own[Word.Entries]!
    this.live = own[Word.TakenLive]!
    this.listpackBytes = own[Word.TakenBytes]!
  }

  #open(): Exports {
    if (this.#exports !== null) return this.#exports
    compiled ??= new WebAssembly.Module(Buffer.from(STREAM_NODE_WASM, 'base64'))
    const instance = new WebAssembly.Instance(compiled, { env: { memory: this.#linear } })
    this.#exports = instance.exports as Exports
    this.#exports.initialise(this.#record)
    return this.#exports
  }
}

/** Writes the ID at `words[at]`, whose highest word comes first. */
function writeId(words: Uint32Array, at: number, target: Uint32Array, to: number): void {
  target[to] = words[at + 1]!
  target[to + 1] = words[at]!
  target[to + 2] = words[at + 3]!
  target[to + 3] = words[at + 2]!
}

function readId(words: Uint32Array, at: number, out: StreamId): void {
  out.words[0] = words[at + 1]!
  out.words[1] = words[at]!
  out.words[2] = words[at + 3]!
  out.words[3] = words[at + 2]!
}
