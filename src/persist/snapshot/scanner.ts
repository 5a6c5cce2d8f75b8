// The scanner: walks the record pages of a cut and encodes their keys as an RDB stream.
//
// It takes a run of pages into kernel memory, which frees the engine to write there, and then emits
// the keys from that private copy. Values that lie in spans are noted as *pending* and read page by
// page when their turn comes. What comes next, in this order:
//
//   1. the page the engine waits for (urgent)
//   2. a pending value, when many wait
//   3. pages that were preserved or freed (early): their copies fill the reserve
//   4. a pending value
//   5. the next unread run in physical order; then again from the start, until nothing is left
//
// So the reserve drains at scan speed, and a small constant reserve serves any dataset. Keys come
// in the order of their pages, with SELECTDB wherever the database changes, which any loader takes.
// Owner: the snapshot thread; for SAVE the engine.

import { assert } from '../../base/assert.ts'
import {
  clockOfWord,
  flagsOf,
  HEADER_BYTES,
  inlineKeyLength,
  inlineValueLength,
  keyRefWord,
  RecordFlag,
  readDeadline,
  Type,
  typeOfWord,
  valueRefWord,
} from '../../keyspace/record.ts'
import type { FrozenPages } from '../../memory/frozen-pages.ts'
import type { Ptr } from '../../memory/layout.ts'
import { PAGE_BYTES } from '../../memory/layout.ts'
import { CELL_BYTES_MIN, RUN_PAGES_MAX, SLAB_HEADER_BYTES } from '../../memory/size-class.ts'
import type { Kernels } from '../rdb/kernels.ts'
import type { RdbWriter } from '../rdb/rdb-writer.ts'
import { ClockForm, type SnapshotPlan } from './plan.ts'
import { SpanReader } from './span-reader.ts'

/** Bytes of kernel memory for the private copy of a run. */
export const SCAN_REGION_BYTES = RUN_PAGES_MAX * PAGE_BYTES
/** From here on pending values go before pages of the early ring. */
const PENDING_MAX = 256
/** LRU clocks are seconds modulo 2^24. */
const LRU_MASK = 0xffffff
/** Pages looked at in physical order before `step` returns, used or not. */
const WALK_PAGES = 4096

/** A key whose value (or key) lies in spans, to be read in its turn. */
interface Pending {
  readonly database: number
  readonly deadlineMs: number
  readonly clock: number
  readonly key: Uint8Array | null
  readonly keySpan: Ptr
  readonly keyLength: number
  readonly value: Uint8Array | null
  readonly valueSpan: Ptr
  readonly valueLength: number
}

/** What has been done so far. */
export interface ScanProgress {
  keys: number
  pages: number
}

export class Scanner {
  readonly progress: ScanProgress = { keys: 0, pages: 0 }
  readonly #frozen: FrozenPages
  readonly #writer: RdbWriter
  readonly #plan: SnapshotPlan
  readonly #bytes: Uint8Array
  readonly #words: Uint32Array
  readonly #region: number
  readonly #spans: SpanReader
  /** By the page of each span that the entry reads; insertion order is the order of turns. */
  readonly #pending = new Map<number, Pending>()
  #database = -1
  #cursor = 1
  #isLeftover = true

  /** `region`: SCAN_REGION_BYTES of kernel memory, 8-byte aligned. */
  constructor(
    frozen: FrozenPages,
    kernels: Kernels,
    options: { readonly writer: RdbWriter; readonly region: number; readonly plan: SnapshotPlan },
  ) {
    assert(options.region % 8 === 0, 'the private copy is aligned')
    this.#frozen = frozen
    this.#writer = options.writer
    this.#plan = options.plan
    this.#bytes = kernels.memory
    this.#words = new Uint32Array(kernels.memory.buffer)
    this.#region = options.region
    this.#spans = new SpanReader(frozen, { isReadTwice: options.plan.compress })
  }

  /** Emits some keys; true while there are more. */
  step(): boolean {
    const urgent = this.#frozen.urgentPage()
    if (urgent >= 0 && this.#takeFirst(urgent)) return true
    if (this.#pending.size > PENDING_MAX) return this.#emitPending()
    const early = this.#frozen.nextEarly()
    if (early >= 0) {
      this.#takeFirst(early)
      return true
    }
    if (this.#pending.size > 0) return this.#emitPending()
    return this.#walk()
  }

  /** Takes a page out of turn; false when it is settled already. */
  #takeFirst(page: number): boolean {
    if (!this.#frozen.isSpanPage(page)) return this.#takeRun(this.#frozen.headOf(page))
    const head = this.#frozen.headOf(page)
    if (!this.#pending.has(head)) {
      const owner = this.#frozen.headWord(head, 0)
      if (owner === 0) return false
      this.#takeRun(this.#frozen.headOf(this.#frozen.pageOf(owner)))
    }
    const entry = this.#pending.get(head)
    if (!entry) return false
    this.#emit(entry)
    return true
  }

  #walk(): boolean {
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
    const goesOn = this.#isLeftover
    this.#isLeftover = false
    if (!goesOn) this.#settleOrphans()
    return goesOn
  }

  /** Settles spans without a record: of a flushed database that was half freed at the cut. */
  #settleOrphans(): void {
    for (let page = 1; page < this.#frozen.pageLimit; page++) {
      if (this.#frozen.isSpanPage(page)) this.#frozen.skipSpanPage(page)
    }
  }

  #takeRun(head: number): boolean {
    assert(head > 0 && head < this.#frozen.pageLimit, 'a run is in the arena of the cut')
    const pageCount = this.#frozen.takeRun(head, this.#bytes, this.#region)
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
    const isSkipped = database < 0
    assert(cellBytes >= CELL_BYTES_MIN && cellBytes % 8 === 0, 'a slab tells its cells')
    assert(SLAB_HEADER_BYTES + cellBytes * cellCount <= SCAN_REGION_BYTES, 'a run fits the copy')
    for (let i = 0; i < cellCount; i++) {
      const mask = this.#words[first + 2 + (i >>> 5)]!
      if (mask === 0) {
        i |= 31
        continue
      }
      if ((mask & (1 << (i & 31))) === 0) continue
      this.#emitRecord((this.#region + SLAB_HEADER_BYTES + i * cellBytes) / 4, database, isSkipped)
    }
  }

  #emitRecord(at: number, database: number, isSkipped: boolean): void {
    const words = this.#words
    const shape = words[at + 1]!
    const flags = flagsOf(shape)
    assert(typeOfWord(words[at]!) === Type.String, 'records are strings so far')
    if ((flags & (RecordFlag.KeyOut | RecordFlag.ValueOut)) !== 0) {
      this.#note(at, flags, isSkipped ? -1 : database)
      return
    }
    if (isSkipped) return
    const deadlineMs = (flags & RecordFlag.Deadline) !== 0 ? readDeadline(words, at) : 0
    this.#beginKey(database, deadlineMs, clockOfWord(words[at]!))
    const keyLength = inlineKeyLength(shape)
    const start = at * 4 + HEADER_BYTES[flags]!
    this.#writer.string(this.#bytes, start, keyLength)
    this.#writer.string(this.#bytes, start + keyLength, inlineValueLength(shape))
  }

  /** Notes a record with spans; keys and values that are inline are copied. */
  #note(at: number, flags: number, database: number): void {
    const words = this.#words
    const shape = words[at + 1]!
    const isKeyOut = (flags & RecordFlag.KeyOut) !== 0
    const isValueOut = (flags & RecordFlag.ValueOut) !== 0
    const start = at * 4 + HEADER_BYTES[flags]!
    const keyEnd = start + inlineKeyLength(shape)
    const keyWord = at + keyRefWord(flags)
    const valueWord = at + valueRefWord(flags)
    const entry: Pending = {
      database,
      deadlineMs: (flags & RecordFlag.Deadline) !== 0 ? readDeadline(words, at) : 0,
      clock: clockOfWord(words[at]!),
      key: isKeyOut ? null : this.#bytes.slice(start, keyEnd),
      keySpan: isKeyOut ? words[keyWord]! : 0,
      keyLength: isKeyOut ? words[keyWord + 1]! : keyEnd - start,
      value: isValueOut ? null : this.#bytes.slice(keyEnd, keyEnd + inlineValueLength(shape)),
      valueSpan: isValueOut ? words[valueWord]! : 0,
      valueLength: isValueOut ? words[valueWord + 1]! : inlineValueLength(shape),
    }
    assert(isKeyOut || isValueOut, 'what is inline is emitted at once')
    if (isKeyOut) this.#pending.set(this.#frozen.pageOf(entry.keySpan), entry)
    if (isValueOut) this.#pending.set(this.#frozen.pageOf(entry.valueSpan), entry)
  }

  #emitPending(): boolean {
    const [first] = this.#pending.values()
    assert(first !== undefined, 'something is pending')
    this.#emit(first)
    return true
  }

  /** Emits a noted key and settles all pages of its spans. */
  #emit(entry: Pending): void {
    const isSkipped = entry.database < 0
    if (!isSkipped) this.#beginKey(entry.database, entry.deadlineMs, entry.clock)
    if (entry.key) {
      if (!isSkipped) this.#writer.string(entry.key, 0, entry.keyLength)
    } else this.#emitSpan(entry.keySpan, entry.keyLength, isSkipped)
    if (entry.value) {
      if (!isSkipped) this.#writer.string(entry.value, 0, entry.valueLength)
    } else this.#emitSpan(entry.valueSpan, entry.valueLength, isSkipped)
  }

  #emitSpan(span: Ptr, length: number, isSkipped: boolean): void {
    const page = this.#frozen.pageOf(span)
    assert(this.#pending.has(page), 'a span is read once')
    this.#pending.delete(page)
    this.#spans.open(page, length)
    if (!isSkipped) this.#writer.stringFrom(length, this.#spans)
    this.progress.pages += this.#spans.close()
  }

  /** What stands before a key: database, deadline, clock, type. */
  #beginKey(database: number, deadlineMs: number, clock: number): void {
    if (database !== this.#database) {
      this.#writer.selectDb(database)
      this.#database = database
    }
    if (deadlineMs !== 0) this.#writer.expireMs(deadlineMs)
    if (this.#plan.clockForm === ClockForm.Idle) {
      this.#writer.idle((this.#plan.nowSeconds - clock) & LRU_MASK)
    } else if (this.#plan.clockForm === ClockForm.Frequency) this.#writer.freq(clock & 0xff)
    this.#writer.type(Type.String)
    this.progress.keys++
  }
}
