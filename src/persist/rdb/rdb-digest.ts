// What is in an RDB stream, as a number of 128 bits and as counts: the same whatever the encodings
// in the file, the order of its keys and the engine that wrote it (docs/formats/digest.md). A
// target of the reader, for backups and their verification; memory does not grow with the file.

import { assert } from '../../base/assert.ts'
import { ErrorCode, StoreError } from '../../base/errors.ts'
import type { I64 } from '../../base/i64.ts'
import { type ByteRange, Slice } from '../../base/slice.ts'
import * as intset from '../../keyspace/packed/intset.ts'
import * as listpack from '../../keyspace/packed/listpack.ts'
import { PackedEntry } from '../../keyspace/packed/packed.ts'
import { Type } from '../../keyspace/record.ts'
import { EntryCursor } from '../../keyspace/stream/entry-leaf.ts'
import type { StreamId } from '../../keyspace/stream/stream-id.ts'
import { DigestKernel, PackedForm } from './digest-kernel.ts'
import type { Kernels } from './kernels.ts'
import type { LongString } from './rdb-input.ts'
import type { CollectionTarget, PackedValue, RdbEntry, RdbTarget } from './rdb-target.ts'
import type { StreamFacts, StreamTarget } from './stream-target.ts'

/** Keys of one database. */
export interface DigestCounts {
  readonly database: number
  keys: number
  /** Keys with a deadline. */
  expiring: number
  /** Keys by type, only those with any. */
  readonly types: Record<string, number>
}

export interface DigestOptions {
  /**
   * Keys, and fields of hashes, whose deadline is before this (unix ms) are left out, as a primary
   * that loads does.
   */
  readonly withoutBeforeMs?: number
}

interface DigestType {
  readonly name: string
  /** The number of the type in the digest: part of its definition. */
  readonly number: number
  readonly form: PackedForm
}

/** Elements, and bytes of names, of metadata that is kept; files have a dozen short ones. */
const AUX_MAX = 64
const AUX_BYTES_MAX = 1024
const FUNCTION_TYPE = 100
const DATABASE_OF_FUNCTIONS = 0
/** A record of a stream begins with its kind. */
const Part = { Entry: 1, Facts: 2, Group: 3, Pending: 4, Consumer: 5, Owned: 6 } as const

const TYPES: ReadonlyMap<Type, DigestType> = new Map([
  [Type.String, { name: 'string', number: 0, form: PackedForm.List }],
  [Type.List, { name: 'list', number: 1, form: PackedForm.List }],
  [Type.Set, { name: 'set', number: 2, form: PackedForm.Set }],
  [Type.Zset, { name: 'zset', number: 3, form: PackedForm.Zset }],
  [Type.Hash, { name: 'hash', number: 4, form: PackedForm.Hash }],
  [Type.Stream, { name: 'stream', number: 5, form: PackedForm.Set }],
])

export class RdbDigest implements RdbTarget, CollectionTarget, StreamTarget {
  readonly aux = new Map<string, string>()
  /** By number, in the order of the file. */
  readonly databases = new Map<number, DigestCounts>()
  functions = 0
  keys = 0
  /** Collections without elements, which no server loads, and keys that were left out. */
  empty = 0
  left = 0
  readonly longString: LongString
  readonly #kernel: DigestKernel
  readonly #memory: Uint8Array
  readonly #withoutBeforeMs: number
  readonly #text = new Slice()
  readonly #name = new PackedEntry()
  readonly #value = new PackedEntry()
  readonly #cursor = new EntryCursor()
  #database: DigestCounts
  /** The collection that is being read. */
  #type: Type = Type.String
  #entry: RdbEntry | null = null
  /** Of a hash: whether fields of it count, and whether some were left out. */
  #hasFields = false
  #hasLostFields = false

  /** Takes `DigestKernel.regionBytes` from the kernels. */
  constructor(kernels: Kernels, { withoutBeforeMs = 0 }: DigestOptions = {}) {
    this.#kernel = new DigestKernel(kernels)
    this.#memory = kernels.memory
    this.#withoutBeforeMs = withoutBeforeMs
    this.#kernel.reset()
    this.longString = {
      onLength: () => this.#kernel.hashBegin(),
      onPiece: (bytes, start, length) => this.#kernel.hashPiece(bytes, start, length),
    }
    this.#database = this.#open(0)
  }

  /** Of all keys and functions so far: 32 hexadecimal digits. */
  total(): string {
    return this.#kernel.total()
  }

  onAux(name: string, value: string): void {
    if (this.aux.size < AUX_MAX && value.length <= AUX_BYTES_MAX) this.aux.set(name, value)
  }

  onDatabase(id: number): void {
    this.#database = this.#open(id)
  }

  onResize(): void {}

  onFunction(code: string): void {
    this.functions++
    this.#kernel.hash(Slice.ofText(code))
    this.#kernel.beginKey()
    this.#kernel.endKey(DATABASE_OF_FUNCTIONS, FUNCTION_TYPE, -1)
  }

  onString(entry: RdbEntry): void {
    this.#beginKey(entry, Type.String)
    this.#kernel.hash(entry.value)
    this.#kernel.pushAny()
    this.#endKey()
  }

  onLongString(entry: RdbEntry): void {
    this.#kernel.hashEnd()
    this.#kernel.keep()
    this.#beginKey(entry, Type.String)
    this.#kernel.recall()
    this.#kernel.pushAny()
    this.#endKey()
  }

  onPacked(entry: RdbEntry, type: Type, value: PackedValue): boolean {
    const { bytes, start, isIntset } = value
    if (bytes !== this.#memory) {
      if (!isIntset) return false
      this.#beginKey(entry, type)
      this.#addForeignIntset(value)
    } else {
      this.#beginKey(entry, type)
      if (isIntset) this.#kernel.addIntset(start)
      else if (!this.#kernel.addListpack(start, typeOf(type).form)) throw badScore(entry)
    }
    this.#endKey()
    return true
  }

  onCollection(entry: RdbEntry, type: Type): this {
    return this.#beginKey(entry, type)
  }

  onStream(entry: RdbEntry): this {
    return this.#beginKey(entry, Type.Stream)
  }

  onEmpty(): void {
    this.empty++
  }

  onElement(element: ByteRange): void {
    this.#kernel.hash(element)
    if (this.#type === Type.List) this.#kernel.pushNext()
    else this.#kernel.pushAny()
  }

  onListpack({ bytes, start }: ByteRange): void {
    if (bytes === this.#memory) {
      this.#kernel.addListpack(start, PackedForm.List)
      return
    }
    let at = listpack.firstEntry(bytes, start)
    while (at !== listpack.END) {
      at = listpack.readEntry(bytes, at, this.#value)
      this.onElement(this.#value.textInto(this.#text))
    }
  }

  onField(field: ByteRange, value: ByteRange, deadlineMs: number): void {
    if (deadlineMs > 0 && deadlineMs < this.#withoutBeforeMs) {
      this.#hasLostFields = true
      return
    }
    this.#hasFields = true
    this.#kernel.hash(field)
    this.#kernel.keep()
    this.#kernel.hash(value)
    this.#kernel.pushField(deadlineMs)
  }

  onMember(member: ByteRange, score: number): void {
    this.#kernel.hash(member)
    this.#kernel.pushMember(score)
  }

  onCollectionEnd(): void {
    this.#endKey()
  }

  onNode(master: StreamId, { bytes, start }: ByteRange): void {
    const cursor = this.#cursor.openListpack(master, bytes, start)
    for (let found = cursor.first(); found; found = cursor.next()) {
      if (!cursor.isDeleted) this.#addEntry(cursor)
    }
  }

  onFacts({ lastId, deletedId, added }: StreamFacts): void {
    this.#writeHead(Part.Facts, lastId)
    this.#writeId(24, deletedId)
    this.#writeI64(40, added)
    this.#pushRecord(48)
  }

  /** What a group has read is not in files of all versions: it does not count. */
  onGroup(name: ByteRange, lastId: StreamId): boolean {
    this.#kernel.hash(name)
    this.#kernel.writeResult(64)
    this.#kernel.hash(NO_NAME)
    this.#kernel.writeResult(80)
    this.#writeHead(Part.Group, lastId)
    this.#pushNamed(0, 0)
    return true
  }

  onPending(id: StreamId, timeMs: I64, deliveries: number): boolean {
    this.#writeHead(Part.Pending, id)
    this.#pushNamed(timeMs, deliveries)
    return true
  }

  /** When it was seen differs between a primary and its replicas: it does not count. */
  onConsumer(name: ByteRange): boolean {
    this.#kernel.hash(name)
    this.#kernel.writeResult(80)
    this.#writeHead(Part.Consumer, null)
    this.#pushNamed(0, 0)
    return true
  }

  onOwned(id: StreamId): boolean {
    this.#writeHead(Part.Owned, id)
    this.#pushNamed(0, 0)
    return true
  }

  onGroupEnd(): boolean {
    return true
  }

  onStreamEnd(): void {
    this.#endKey()
  }

  #addEntry(cursor: EntryCursor): void {
    const kernel = this.#kernel
    this.#writeHead(Part.Entry, cursor.id)
    kernel.beginChain()
    kernel.hashRecord(24)
    kernel.chainNext()
    cursor.openFields()
    const { fields } = cursor
    for (let i = 0; i < fields; i++) {
      cursor.readField(this.#name, this.#value)
      kernel.hash(this.#name.textInto(this.#text))
      kernel.chainNext()
      kernel.hash(this.#value.textInto(this.#text))
      kernel.chainNext()
    }
    kernel.endChain(1 + 2 * fields)
    kernel.pushAny()
  }

  /** Part and ID, which are bytes 0 to 23 of the record. */
  #writeHead(part: number, id: StreamId | null): void {
    this.#writeI64(0, part)
    if (id !== null) return this.#writeId(8, id)
    this.#writeI64(8, 0)
    this.#writeI64(16, 0)
  }

  #writeId(at: number, { words }: StreamId): void {
    for (let i = 0; i < 4; i++) this.#kernel.record.setUint32(at + 4 * i, words[i]!)
  }

  #writeI64(at: number, value: I64): void {
    const { record } = this.#kernel
    if (typeof value === 'bigint') return record.setBigInt64(at, value, true)
    record.setUint32(at, value >>> 0, true)
    record.setInt32(at + 4, Math.floor(value / 0x100000000), true)
  }

  /** Pushes a record that ends with the hashes of the group's and the consumer's name. */
  #pushNamed(first: I64, second: number): void {
    this.#writeI64(24, first)
    this.#writeI64(32, second)
    this.#writeI64(40, 0)
    this.#writeI64(48, 0)
    this.#writeI64(56, 0)
    this.#pushRecord(96)
  }

  #pushRecord(length: number): void {
    this.#kernel.hashRecord(length)
    this.#kernel.pushAny()
  }

  #addForeignIntset({ bytes, start }: PackedValue): void {
    for (let i = 0; i < intset.count(bytes, start); i++) {
      intset.readEntry(bytes, start, i, this.#value)
      this.#kernel.hash(this.#value.textInto(this.#text))
      this.#kernel.pushAny()
    }
  }

  #beginKey(entry: RdbEntry, type: Type): this {
    this.#entry = entry
    this.#type = type
    this.#hasFields = false
    this.#hasLostFields = false
    this.#kernel.hash(entry.key)
    this.#kernel.beginKey()
    return this
  }

  #endKey(): void {
    assert(this.#entry !== null, 'what ends has begun')
    const { deadlineMs } = this.#entry
    this.#entry = null
    // A hash whose fields have all expired is gone, too.
    const isEmptied = this.#hasLostFields && !this.#hasFields
    if (isEmptied || (deadlineMs >= 0 && deadlineMs < this.#withoutBeforeMs)) {
      this.left++
      return
    }
    const { name, number } = typeOf(this.#type)
    const database = this.#database
    database.keys++
    if (deadlineMs >= 0) database.expiring++
    database.types[name] = (database.types[name] ?? 0) + 1
    this.keys++
    if (this.#type === Type.List) this.#kernel.endListKey(database.database, number, deadlineMs)
    else this.#kernel.endKey(database.database, number, deadlineMs)
  }

  #open(id: number): DigestCounts {
    const known = this.databases.get(id)
    const database = known ?? { database: id, keys: 0, expiring: 0, types: {} }
    this.databases.set(id, database)
    return database
  }
}

const NO_NAME = new Slice()

function typeOf(type: Type): DigestType {
  const known = TYPES.get(type)
  assert(known !== undefined, 'each type has a place in the digest')
  return known
}

function badScore({ key }: RdbEntry): StoreError {
  const name = JSON.stringify(new Slice().set(key.bytes, key.start, key.length).toLatin1())
  const text = `sorted set score of key ${name}, found not a number, expected a number`
  return new StoreError(ErrorCode.RdbCorrupt, text)
}
