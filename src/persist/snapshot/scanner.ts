// The scanner: walks the record pages of a cut and encodes their keys as an RDB stream.
//
// It takes a run of pages into kernel memory, which frees the engine to write there, and then emits
// the keys from that private copy. Values that lie in spans or nodes are noted as *pending* and
// read page by page when their turn comes. What comes next, in this order:
//
//   1. the page the engine waits for (urgent)
//   2. a pending value, when many wait
//   3. pages that were preserved or freed (early): their copies fill the reserve
//   4. a pending value
//   5. runs that were spilled
//   6. a large collection, the largest parts of the data that must be read in one go
//   7. the next unread run in physical order; then again from the start, until nothing is left
//
// So the reserve drains at scan speed, and a small constant reserve serves any dataset. A large
// value is emitted in steps (`emission`), between which no other key can be; what fills the reserve
// meanwhile is spilled, unless it is a leaf of that value whose order does not matter.
//
// Keys come in the order of their pages, with SELECTDB wherever the database changes, which any
// loader takes. Between two values a scan may go over to another thread (`suspend`).
// Owner: whoever scans: the snapshot thread, or the engine.

import { assert, fail } from '../../base/assert.ts'
import type { Steps } from '../../base/steps.ts'
import type { FrozenCollections } from '../../keyspace/collections.ts'
import {
  clockOfWord,
  Encoding,
  encodingOfWord,
  flagsOf,
  HEADER_BYTES,
  inlineKeyLength,
  inlineValueLength,
  keyRefWord,
  RecordFlag,
  readDeadline,
  readFieldDeadline,
  rootWord,
  Type,
  typeOfWord,
  valueRefWord,
} from '../../keyspace/record.ts'
import { ROOT_WORDS, RootWord } from '../../keyspace/root.ts'
import type { FrozenPages, PageSpill } from '../../memory/frozen-pages.ts'
import { NULL, PAGE_BYTES, type Ptr } from '../../memory/layout.ts'
import { CELL_BYTES_MIN, RUN_PAGES_MAX, SLAB_HEADER_BYTES } from '../../memory/size-class.ts'
import type { Kernels } from '../rdb/kernels.ts'
import type { RdbWriter } from '../rdb/rdb-writer.ts'
import { VALUE_ENCODERS } from '../rdb/value-encoders.ts'
import { LEAF_READERS, type ValueEncoder, type ValueView } from '../rdb/value-view.ts'
import { FrozenLeaves } from './frozen-leaves.ts'
import { ClockForm, type SnapshotPlan } from './plan.ts'
import type { ScanSource } from './scan-source.ts'
import { SpanReader } from './span-reader.ts'

const RUN_BYTES_MAX = RUN_PAGES_MAX * PAGE_BYTES
/** Bytes of kernel memory for the private copies of a run and of a leaf per reader. */
export const SCAN_REGION_BYTES = RUN_BYTES_MAX * (1 + LEAF_READERS)
const OUT_OF_LINE = RecordFlag.KeyOut | RecordFlag.ValueOut | RecordFlag.Root
/** From here on pending values go before pages of the early ring. */
const PENDING_MAX = 256
/** LRU clocks are seconds modulo 2^24. */
const LRU_MASK = 0xffffff
/** Pages looked at in physical order before `step` returns, used or not. */
const WALK_PAGES = 4096
/** Pages of the early ring kept for later; more would take memory, and are met by the walk. */
const DEFERRED_MAX = 65_536
/** Runs that are spilled in one go. */
const SPILL_RUNS = 32

/** A collection of at least so many pages is emitted before the walk begins. */
const LARGE_PAGES = 256
/** Numbers of collections looked at in one step. */
const LOOK_COLLECTIONS = 4096
const NO_BYTES = new Uint8Array(0)
const STRING_RDB_TYPE = 0

/** A key whose value (or key) lies in spans or nodes, to be read in its turn. */
interface Pending {
  readonly type: Type
  readonly encoding: Encoding
  readonly database: number
  readonly deadlineMs: number
  readonly fieldDeadlineMs: number
  readonly clock: number
  readonly key: Uint8Array | null
  readonly keySpan: Ptr
  readonly keyLength: number
  readonly value: Uint8Array | null
  readonly valueSpan: Ptr
  readonly valueLength: number
  readonly root: Uint32Array | null
}

/** The one value that is being emitted, as its encoder sees it. */
class FrozenValue implements ValueView {
  type: Type = Type.String
  encoding: Encoding = Encoding.Raw
  fieldDeadlineMs = 0
  root: Uint32Array | null = null
  bytes: Uint8Array = NO_BYTES
  start = 0
  length = 0
  readonly #readers: readonly FrozenLeaves[]
  readonly #elementSteps: (span: Ptr, length: number) => Steps

  constructor(
    readers: readonly FrozenLeaves[],
    elementSteps: (span: Ptr, length: number) => Steps,
  ) {
    this.#readers = readers
    this.#elementSteps = elementSteps
  }

  reader(index: number): FrozenLeaves {
    return this.#readers[index] ?? fail('a value has three readers')
  }

  elementSteps(_writer: RdbWriter, span: Ptr, length: number): Steps {
    return this.#elementSteps(span, length)
  }
}

export interface ScannerOptions {
  readonly writer: RdbWriter
  /** SCAN_REGION_BYTES of kernel memory, 8-byte aligned. */
  readonly region: number
  readonly plan: SnapshotPlan
}

/** What has been done so far. */
export interface ScanProgress {
  keys: number
  pages: number
}

/** How far a scan is between two values, as it travels between threads. */
export interface ScannerState {
  readonly progress: ScanProgress
  readonly pending: readonly Pending[]
  readonly deferred: readonly number[]
  readonly number: number
  readonly database: number
  readonly cursor: number
  readonly isLeftover: boolean
  readonly isWalked: boolean
}

export class Scanner {
  readonly progress: ScanProgress = { keys: 0, pages: 0 }
  readonly #frozen: FrozenPages
  readonly #collections: FrozenCollections
  readonly #writer: RdbWriter
  readonly #plan: SnapshotPlan
  /** Null: a scan beside which nobody writes. */
  readonly #spill: PageSpill | null
  readonly #bytes: Uint8Array
  readonly #words: Uint32Array
  readonly #region: number
  readonly #spans: SpanReader
  /** By the page of each span that the entry reads; insertion order is the order of turns. */
  readonly #pending = new Map<number, Pending>()
  /** The same by the number of each collection. */
  readonly #pendingCollections = new Map<number, Pending>()
  /** Pages of the early ring that were met while a collection was emitted. */
  #deferred: number[] = []
  readonly #value: FrozenValue
  /** The large value that is being emitted. */
  #emission: Steps | null = null
  /** The next collection to look at for its size. */
  #number = 1
  #database = -1
  #cursor = 1
  #isLeftover = true
  /** All runs are taken; what is left has no record. */
  #isWalked = false

  constructor(source: ScanSource, kernels: Kernels, options: ScannerOptions) {
    assert(options.region % 8 === 0, 'the private copy is aligned')
    const { frozen } = source
    this.#frozen = frozen
    this.#collections = source.collections
    this.#writer = options.writer
    this.#plan = options.plan
    this.#spill = source.frozen.spillPlace
    this.#bytes = kernels.memory
    this.#words = new Uint32Array(kernels.memory.buffer)
    this.#region = options.region
    this.#spans = new SpanReader(frozen, { isReadTwice: options.plan.compress })
    const readers = Array.from(
      { length: LEAF_READERS },
      (_, i) =>
        new FrozenLeaves({
          frozen,
          bytes: this.#bytes,
          words: this.#words,
          region: options.region + (1 + i) * RUN_BYTES_MAX,
          defer: (page) => this.#defer(page),
          onTaken: (pageCount) => {
            this.progress.pages += pageCount
          },
        }),
    )
    this.#value = new FrozenValue(readers, (span, length) => this.#spanSteps(span, length))
  }

  /** Goes on where another scanner of the same cut left off. */
  resume(state: ScannerState): void {
    Object.assign(this.progress, state.progress)
    for (const entry of state.pending) this.#notePending(entry)
    this.#deferred = [...state.deferred]
    this.#number = state.number
    this.#database = state.database
    this.#cursor = state.cursor
    this.#isLeftover = state.isLeftover
    this.#isWalked = state.isWalked
  }

  /** Whether the scan stands between two values, and can change hands. */
  get canSuspend(): boolean {
    return this.#emission === null
  }

  /** How far the scan is. */
  suspend(): ScannerState {
    assert(this.canSuspend, 'a scan changes hands between two values')
    return {
      progress: { ...this.progress },
      pending: [...new Set([...this.#pending.values(), ...this.#pendingCollections.values()])],
      deferred: this.#deferred,
      number: this.#number,
      database: this.#database,
      cursor: this.#cursor,
      isLeftover: this.#isLeftover,
      isWalked: this.#isWalked,
    }
  }

  /** Ends a scan that does not come to its end. */
  drop(): void {
    this.#emission?.return()
    this.#emission = null
  }

  /** Whether pages that fill the reserve could be emitted now. */
  get hasEarly(): boolean {
    return this.#emission === null && (this.#deferred.length > 0 || this.#frozen.earlyCount > 0)
  }

  /** Emits some keys, or a part of a large one; true while there are more. */
  step(): boolean {
    if (this.#emission !== null) return this.#goOn(this.#emission)
    const urgent = this.#frozen.urgentPage()
    if (urgent >= 0 && this.#takeFirst(urgent)) return true
    if (this.#pendingCount > PENDING_MAX) return this.#emitPending()
    const early = this.#deferred.pop() ?? this.#frozen.nextEarly()
    if (early >= 0) {
      this.#takeFirst(early)
      return true
    }
    if (this.#pendingCount > 0) return this.#emitPending()
    const spilled = this.#frozen.nextSpilledRun()
    if (spilled >= 0) return this.#takeRun(spilled) || true
    return this.#findLarge() || this.#walk()
  }

  /**
   * Moves pages to the spill that fill the reserve and cannot be emitted soon. For the middle of a
   * large value, and while no sink takes anything.
   */
  spillDue(): void {
    const frozen = this.#frozen
    const spill = this.#spill
    if (spill === null) return
    for (let i = 0; i < SPILL_RUNS && frozen.isSpillDue && spill.makeRoom(); i++) {
      if (frozen.goesOnSpilling()) continue
      const page = this.#deferred.pop() ?? frozen.nextEarly()
      if (page < 0) return
      frozen.spill(frozen.isSpanPage(page) ? page : frozen.headOf(page))
    }
  }

  #defer(page: number): void {
    if (this.#deferred.length < DEFERRED_MAX) this.#deferred.push(page)
  }

  /** Goes on with a large value. */
  #goOn(emission: Steps): boolean {
    this.spillDue()
    if (emission.next().done === true) this.#emission = null
    return true
  }

  get #pendingCount(): number {
    return this.#pending.size + this.#pendingCollections.size
  }

  /** Takes a page out of turn; false when it is settled already. */
  #takeFirst(page: number): boolean {
    const frozen = this.#frozen
    // What is spilled or settled needs no haste, and its page may be used for something else: of a
    // span, say, whose first page was another thing when it was spilled.
    if (frozen.isSpilled(page) || !frozen.isOpen(page)) return false
    const head = frozen.headOf(page)
    if (frozen.isNodePage(page)) return this.#takeCollection(head, frozen.headWord(head, 0))
    if (!frozen.isSpanPage(page)) return this.#takeRun(head)
    if (!this.#pending.has(head)) {
      const owner = frozen.headWord(head, 0)
      if (owner === 0) return this.#takeCollection(head, frozen.headWord(head, 1))
      this.#takeRun(frozen.headOf(frozen.pageOf(owner)))
    }
    const entry = this.#pending.get(head)
    // Without a record it belongs to a flushed database.
    if (entry) this.#emit(entry)
    else this.#skip(head)
    return true
  }

  /** Emits the collection of that number, one of whose nodes or elements is `head`. */
  #takeCollection(head: number, number: number): boolean {
    if (number === 0) return false
    if (!this.#pendingCollections.has(number)) {
      const record = this.#collections.recordOf(number)
      if (record !== NULL) this.#takeRun(this.#frozen.headOf(this.#frozen.pageOf(record)))
    }
    const entry = this.#pendingCollections.get(number)
    // Without a record it was being freed at the cut, or belongs to a flushed database.
    if (entry) this.#emit(entry)
    else this.#skip(head)
    return true
  }

  /** Notes the large collections, one step at a time; false when all have been looked at. */
  #findLarge(): boolean {
    const limit = Math.min(this.#number + LOOK_COLLECTIONS, this.#collections.limit)
    while (this.#number < limit) {
      const number = this.#number++
      if (this.#collections.pagesOf(number) < LARGE_PAGES) continue
      const record = this.#collections.recordOf(number)
      if (record === NULL) continue
      if (this.#takeRun(this.#frozen.headOf(this.#frozen.pageOf(record)))) return true
    }
    return this.#number < this.#collections.limit
  }

  #walk(): boolean {
    if (this.#isWalked) return this.#settleOrphans()
    const limit = Math.min(this.#cursor + WALK_PAGES, this.#frozen.pageLimit)
    while (this.#cursor < limit) {
      const page = this.#cursor++
      if (this.#frozen.isOpenRun(page) && this.#takeRun(page)) {
        this.#isLeftover = true
        return true
      }
    }
    if (this.#cursor < this.#frozen.pageLimit) return true
    // Early pages may have been missed behind the cursor: walk until a pass finds nothing.
    this.#cursor = 1
    this.#isWalked = !this.#isLeftover
    this.#isLeftover = false
    return true
  }

  /** Settles what has no record: values and databases that were half freed at the cut. */
  #settleOrphans(): boolean {
    const frozen = this.#frozen
    const limit = Math.min(this.#cursor + WALK_PAGES, frozen.pageLimit)
    for (; this.#cursor < limit; this.#cursor++) {
      const page = this.#cursor
      if (frozen.isSpanPage(page)) frozen.skipSpanPage(page)
      else if (frozen.isNodePage(page) && frozen.headOf(page) === page) frozen.skipNode(page)
    }
    return this.#cursor < frozen.pageLimit
  }

  /** Settles a node or span whose content is not wanted. */
  #skip(head: number): void {
    if (this.#frozen.isNodePage(head)) this.#frozen.skipNode(head)
    else this.#goOn((this.#emission = this.#skipSteps(head)))
  }

  #takeRun(head: number): boolean {
    assert(head > 0 && head < this.#frozen.pageLimit, 'a run is in the arena of the cut')
    const pageCount = this.#frozen.takeRecords(head, this.#bytes, this.#region)
    if (pageCount === 0) return false
    this.progress.pages += pageCount
    this.#emitRun()
    return true
  }

  /** Emits the live cells of the run in the private copy. */
  #emitRun(): void {
    const first = this.#region / 4
    const cellBytes = this.#words[first]! & 0xffff
    const cellCount = this.#words[first]! >>> 16
    const database = this.#plan.databaseOfSpace[this.#words[first + 1]!] ?? -1
    // A flushed database that was being freed at the cut: what its records name may be gone, and
    // be somebody else's by then. What of it is left is settled with the orphans.
    if (database < 0) return
    assert(cellBytes >= CELL_BYTES_MIN && cellBytes % 8 === 0, 'a slab tells its cells')
    assert(SLAB_HEADER_BYTES + cellBytes * cellCount <= RUN_BYTES_MAX, 'a run fits the copy')
    for (let i = 0; i < cellCount; i++) {
      const mask = this.#words[first + 2 + (i >>> 5)]!
      if (mask === 0) {
        i |= 31
        continue
      }
      if ((mask & (1 << (i & 31))) === 0) continue
      this.#emitRecord((this.#region + SLAB_HEADER_BYTES + i * cellBytes) / 4, database)
    }
  }

  #emitRecord(at: number, database: number): void {
    const words = this.#words
    const shape = words[at + 1]!
    const flags = flagsOf(shape)
    if ((flags & OUT_OF_LINE) !== 0) {
      this.#note(at, flags, database)
      return
    }
    const deadlineMs = (flags & RecordFlag.Deadline) !== 0 ? readDeadline(words, at) : 0
    this.#beginKey(database, deadlineMs, clockOfWord(words[at]!))
    const keyLength = inlineKeyLength(shape)
    const start = at * 4 + HEADER_BYTES[flags]!
    const length = inlineValueLength(shape)
    const type = typeOfWord(words[at]!)
    if (type === Type.String) {
      this.#writer.type(STRING_RDB_TYPE)
      this.#writer.string(this.#bytes, start, keyLength)
      this.#writer.string(this.#bytes, start + keyLength, length)
      return
    }
    const encoder = this.#openValue(type, encodingOfWord(words[at]!), null)
    this.#value.fieldDeadlineMs = fieldDeadlineAt(words, at)
    this.#value.bytes = this.#bytes
    this.#value.start = start + keyLength
    this.#value.length = length
    this.#writer.type(encoder.rdbType(this.#value))
    this.#writer.string(this.#bytes, start, keyLength)
    encoder.writePacked(this.#writer, this.#value)
  }

  /** Makes the value of a collection ready for its encoder, which is returned. */
  #openValue(type: Type, encoding: Encoding, root: Uint32Array | null): ValueEncoder {
    const value = this.#value
    value.type = type
    value.encoding = encoding
    value.root = root
    return VALUE_ENCODERS.get(type) ?? fail('each type of collection has an encoder')
  }

  /** Notes a record with spans or nodes; what is inline is copied. */
  #note(at: number, flags: number, database: number): void {
    const words = this.#words
    const shape = words[at + 1]!
    const isKeyOut = (flags & RecordFlag.KeyOut) !== 0
    const isValueOut = (flags & RecordFlag.ValueOut) !== 0
    const start = at * 4 + HEADER_BYTES[flags]!
    const keyEnd = start + inlineKeyLength(shape)
    const keyWord = at + keyRefWord(flags)
    const valueWord = at + valueRefWord(flags)
    const rootAt = (flags & RecordFlag.Root) !== 0 ? at + rootWord(flags) : -1
    const entry: Pending = {
      type: typeOfWord(words[at]!),
      encoding: encodingOfWord(words[at]!),
      database,
      deadlineMs: (flags & RecordFlag.Deadline) !== 0 ? readDeadline(words, at) : 0,
      fieldDeadlineMs: fieldDeadlineAt(words, at),
      clock: clockOfWord(words[at]!),
      key: isKeyOut ? null : this.#bytes.slice(start, keyEnd),
      keySpan: isKeyOut ? words[keyWord]! : 0,
      keyLength: isKeyOut ? words[keyWord + 1]! : keyEnd - start,
      value: isValueOut ? null : this.#bytes.slice(keyEnd, keyEnd + inlineValueLength(shape)),
      valueSpan: isValueOut ? words[valueWord]! : 0,
      valueLength: isValueOut ? words[valueWord + 1]! : inlineValueLength(shape),
      root: rootAt < 0 ? null : words.slice(rootAt, rootAt + ROOT_WORDS),
    }
    assert(isKeyOut || isValueOut || entry.root !== null, 'what is inline is emitted at once')
    this.#notePending(entry)
  }

  #notePending(entry: Pending): void {
    const { keySpan, valueSpan, root } = entry
    if (keySpan !== NULL) this.#pending.set(this.#frozen.pageOf(keySpan), entry)
    if (valueSpan !== NULL) this.#pending.set(this.#frozen.pageOf(valueSpan), entry)
    if (root !== null) this.#pendingCollections.set(root[RootWord.Number]!, entry)
  }

  #emitPending(): boolean {
    let [first] = this.#pending.values()
    if (first === undefined) [first] = this.#pendingCollections.values()
    assert(first !== undefined, 'something is pending')
    this.#emit(first)
    return true
  }

  /** Begins to emit a noted key, and to settle all pages of its spans and nodes. */
  #emit(entry: Pending): void {
    assert(this.#emission === null, 'one value at a time')
    if (entry.keySpan !== NULL) this.#pending.delete(this.#frozen.pageOf(entry.keySpan))
    if (entry.valueSpan !== NULL) this.#pending.delete(this.#frozen.pageOf(entry.valueSpan))
    if (entry.root) this.#pendingCollections.delete(entry.root[RootWord.Number]!)
    this.#goOn((this.#emission = this.#entrySteps(entry)))
  }

  *#entrySteps(entry: Pending): Steps {
    this.#beginKey(entry.database, entry.deadlineMs, entry.clock)
    if (entry.type === Type.String) {
      this.#writer.type(STRING_RDB_TYPE)
      yield* this.#keySteps(entry)
      if (entry.value) this.#writer.string(entry.value, 0, entry.valueLength)
      else yield* this.#spanSteps(entry.valueSpan, entry.valueLength)
      return
    }
    const encoder = this.#openValue(entry.type, entry.encoding, entry.root)
    this.#value.fieldDeadlineMs = entry.fieldDeadlineMs
    this.#value.bytes = entry.value ?? NO_BYTES
    this.#value.start = 0
    this.#value.length = entry.valueLength
    this.#writer.type(encoder.rdbType(this.#value))
    yield* this.#keySteps(entry)
    if (entry.root === null) encoder.writePacked(this.#writer, this.#value)
    else yield* encoder.writeLeaves(this.#writer, this.#value, entry.root)
  }

  *#keySteps(entry: Pending): Steps {
    if (entry.key) this.#writer.string(entry.key, 0, entry.keyLength)
    else yield* this.#spanSteps(entry.keySpan, entry.keyLength)
  }

  /** Writes the string in a span, and settles its pages. */
  *#spanSteps(span: Ptr, length: number): Steps {
    this.#spans.open(this.#frozen.pageOf(span), length)
    yield* this.#writer.stringSteps(length, this.#spans)
    this.progress.pages += this.#spans.close()
    yield
  }

  *#skipSteps(head: number): Steps {
    const limit = head + this.#frozen.pageCountOf(head)
    for (let page = head; page < limit; page++) {
      this.#frozen.skipSpanPage(page)
      if (page % WALK_PAGES === 0) yield
    }
  }

  /** What stands before the type of a key: database, deadline, clock. */
  #beginKey(database: number, deadlineMs: number, clock: number): void {
    if (database !== this.#database) {
      this.#writer.selectDb(database)
      this.#database = database
    }
    if (deadlineMs !== 0) this.#writer.expireMs(deadlineMs)
    if (this.#plan.clockForm === ClockForm.Idle) {
      this.#writer.idle((this.#plan.nowSeconds - clock) & LRU_MASK)
    } else if (this.#plan.clockForm === ClockForm.Frequency) this.#writer.freq(clock & 0xff)
    this.progress.keys++
  }
}

/** The earliest deadline of a hash's fields in the record at `words[at]`; 0: none. */
function fieldDeadlineAt(words: Uint32Array, at: number): number {
  const hasDeadline = (flagsOf(words[at + 1]!) & RecordFlag.FieldDeadline) !== 0
  return hasDeadline ? readFieldDeadline(words, at) : 0
}
