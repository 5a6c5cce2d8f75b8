// Counts what is in an RDB stream without keeping any of it: keys, deadlines, elements and bytes in
// the file, by database and type, and the largest keys. A target of the reader, for tools; memory
// does not grow with the file. It owns the reader, since only that knows how many bytes a key took.
//
// A key's bytes are those from the end of what stood before it to the end of its value: its
// deadline and access figure count as its own.

import { assert } from '../../base/assert.ts'
import type { ByteRange } from '../../base/slice.ts'
import * as intset from '../../keyspace/packed/intset.ts'
import * as listpack from '../../keyspace/packed/listpack.ts'
import { Type } from '../../keyspace/record.ts'
import type { StreamId } from '../../keyspace/stream/stream-id.ts'
import { Kernels } from './kernels.ts'
import { type RdbFile, RdbInput } from './rdb-input.ts'
import { RdbReader, type RdbReaderOptions } from './rdb-reader.ts'
import type { CollectionTarget, PackedValue, RdbEntry, RdbTarget } from './rdb-target.ts'
import type { StreamTarget } from './stream-target.ts'

/** What keys have in common. */
export interface KeyFigures {
  keys: number
  /** Keys with a deadline, and those of them whose deadline has passed. */
  expiring: number
  expired: number
  /** Elements of collections, entries of streams; a string is one. */
  elements: number
  /** In the file, compressed as they are there. */
  bytes: number
}

export interface TypeFigures extends KeyFigures {
  readonly type: string
}

export interface DatabaseFigures extends KeyFigures {
  readonly id: number
  /** In the order of `SURVEY_TYPES`; only those with keys. */
  types: TypeFigures[]
}

export interface LargeKey {
  readonly database: number
  readonly type: string
  /** The first bytes only when it is long. */
  readonly key: Uint8Array
  readonly elements: number
  readonly bytes: number
}

/** Hears of what stands between the keys, as it comes. */
export interface SurveyListener {
  onAux(name: string, value: string): void
  onDatabase(id: number): void
}

/** Bytes of a long key's name that are kept. */
export const NAME_BYTES_MAX = 256
const LARGEST_COUNT = 10
const BUFFER_BYTES = 1024 * 1024

/** In the order in which they are shown. */
const TYPE_NAMES: readonly (readonly [Type, string])[] = [
  [Type.String, 'string'],
  [Type.List, 'list'],
  [Type.Set, 'set'],
  [Type.Hash, 'hash'],
  [Type.Zset, 'zset'],
  [Type.Stream, 'stream'],
]
export const SURVEY_TYPES: readonly string[] = TYPE_NAMES.map(([, name]) => name)
const NAME_OF: ReadonlyMap<Type, string> = new Map(TYPE_NAMES)
/** Elements of a packed value that are one element of the type: a field and its value. */
const PAIRS: ReadonlySet<Type> = new Set([Type.Hash, Type.Zset])

export class RdbSurvey implements RdbTarget, CollectionTarget, StreamTarget {
  readonly reader: RdbReader
  readonly aux = new Map<string, string>()
  /** By number, in the order of the file. */
  readonly databases = new Map<number, DatabaseFigures>()
  /** The largest keys by bytes, the largest first. */
  readonly largest: LargeKey[] = []
  functions = 0
  /** Collections without elements, which no server loads. */
  empty = 0
  readonly #nowMs: number
  readonly #listener: SurveyListener
  readonly #byType = new Map<string, TypeFigures>()
  #database: DatabaseFigures
  /** The collection that is being read. */
  #type: Type = Type.String
  #entry: RdbEntry | null = null
  #elements = 0
  /** Where what was counted last has ended. */
  #counted = 0

  /** Deadlines before `nowMs` count as passed. */
  constructor(nowMs: number, listener: SurveyListener) {
    this.#nowMs = nowMs
    this.#listener = listener
    this.reader = new RdbReader(new Kernels(RdbInput.regionBytes(BUFFER_BYTES)), BUFFER_BYTES)
    this.#database = this.#openDatabase(0)
  }

  /** Opens the stream; then `step` as long as it is true. Both throw what the reader throws. */
  begin(file: RdbFile, options: Partial<RdbReaderOptions> = {}): void {
    this.#counted = 0
    this.reader.begin(file, this, options)
  }

  step(bytes: number): boolean {
    return this.reader.step(bytes)
  }

  /** All databases together. */
  totals(): KeyFigures {
    const totals = noFigures()
    for (const figures of this.databases.values()) addFigures(totals, figures)
    return totals
  }

  onAux(name: string, value: string): void {
    this.aux.set(name, value)
    this.#counted = this.reader.position
    this.#listener.onAux(name, value)
  }

  onDatabase(id: number): void {
    this.#database = this.#openDatabase(id)
    this.#counted = this.reader.position
    this.#listener.onDatabase(id)
  }

  onResize(): void {
    this.#counted = this.reader.position
  }

  onFunction(): void {
    this.functions++
    this.#counted = this.reader.position
  }

  onString(entry: RdbEntry): void {
    this.#count(entry, Type.String, 1)
  }

  onPacked(entry: RdbEntry, type: Type, value: PackedValue): boolean {
    const { bytes, start, isIntset } = value
    const found = isIntset ? intset.count(bytes, start) : listpack.count(bytes, start)
    this.#count(entry, type, PAIRS.has(type) ? found / 2 : found)
    return true
  }

  onCollection(entry: RdbEntry, type: Type): this {
    return this.#begin(entry, type)
  }

  onStream(entry: RdbEntry): this {
    return this.#begin(entry, Type.Stream)
  }

  onEmpty(): void {
    this.empty++
    this.#counted = this.reader.position
  }

  onElement(): void {
    this.#elements++
  }

  onListpack({ bytes, start }: ByteRange): void {
    this.#elements += listpack.count(bytes, start)
  }

  onField(): void {
    this.#elements++
  }

  onMember(): void {
    this.#elements++
  }

  onCollectionEnd(): void {
    this.#end()
  }

  onNode(_master: StreamId, _listpack: ByteRange, live: number): void {
    this.#elements += live
  }

  onFacts(): void {}

  onGroup(): boolean {
    return true
  }

  onPending(): boolean {
    return true
  }

  onConsumer(): boolean {
    return true
  }

  onOwned(): boolean {
    return true
  }

  onGroupEnd(): boolean {
    return true
  }

  onStreamEnd(): void {
    this.#end()
  }

  #begin(entry: RdbEntry, type: Type): this {
    this.#entry = entry
    this.#type = type
    this.#elements = 0
    return this
  }

  #end(): void {
    assert(this.#entry !== null, 'what ends has begun')
    this.#count(this.#entry, this.#type, this.#elements)
    this.#entry = null
  }

  #openDatabase(id: number): DatabaseFigures {
    const known = this.databases.get(id)
    const database = known ?? { id, types: [], ...noFigures() }
    this.databases.set(id, database)
    this.#byType.clear()
    for (const figures of database.types) this.#byType.set(figures.type, figures)
    return database
  }

  #count({ key, deadlineMs }: RdbEntry, type: Type, elements: number): void {
    const name = NAME_OF.get(type)
    assert(name !== undefined, 'each type has a name')
    const bytes = this.reader.position - this.#counted
    this.#counted = this.reader.position
    const isExpiring = deadlineMs >= 0
    const figures = {
      keys: 1,
      expiring: isExpiring ? 1 : 0,
      expired: isExpiring && deadlineMs < this.#nowMs ? 1 : 0,
      elements,
      bytes,
    }
    addFigures(this.#database, figures)
    addFigures(this.#figuresOf(name), figures)
    this.#noteSize(name, key, figures)
  }

  #figuresOf(type: string): TypeFigures {
    const known = this.#byType.get(type)
    if (known !== undefined) return known
    const figures = { type, ...noFigures() }
    this.#byType.set(type, figures)
    this.#database.types = SURVEY_TYPES.flatMap((each) => this.#byType.get(each) ?? [])
    return figures
  }

  /** Keeps the key if it is one of the largest. */
  #noteSize(type: string, key: ByteRange, { elements, bytes }: KeyFigures): void {
    const { largest } = this
    if (largest.length === LARGEST_COUNT && largest[LARGEST_COUNT - 1]!.bytes >= bytes) return
    const length = Math.min(key.length, NAME_BYTES_MAX)
    const name = key.bytes.slice(key.start, key.start + length)
    const large = { database: this.#database.id, type, key: name, elements, bytes }
    const at = largest.findIndex((other) => other.bytes < bytes)
    largest.splice(at < 0 ? largest.length : at, 0, large)
    if (largest.length > LARGEST_COUNT) largest.pop()
  }
}

function noFigures(): KeyFigures {
  return { keys: 0, expiring: 0, expired: 0, elements: 0, bytes: 0 }
}

function addFigures(sum: KeyFigures, { keys, expiring, expired, elements, bytes }: KeyFigures) {
  sum.keys += keys
  sum.expiring += expiring
  sum.expired += expired
  sum.elements += elements
  sum.bytes += bytes
}
