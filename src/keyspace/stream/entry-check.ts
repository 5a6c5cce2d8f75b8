// Looks at a listpack from outside before its entries are taken over: whether it is what
// node-listpack.ts draws, so that whoever reads it need not look again.

import type { ByteRange } from '../../base/slice.ts'
import {
  entryBytes,
  HEADER_BYTES,
  LAST,
  placeBehind,
  readEntry,
  validate,
} from '../packed/listpack.ts'
import { scratchEntry } from '../packed/packed.ts'
import { EntryCursor, EntryFlag } from './entry-leaf.ts'
import { ENTRY_EXTRAS } from './node-listpack.ts'
import type { StreamId } from './stream-id.ts'

/** What `checkListpack` says of a listpack that is none of a stream. */
export const DAMAGED = -1

const NUMBER = scratchEntry()
const CURSOR = new EntryCursor()
/** Largest number that a count or a length can be. */
const COUNT_MAX = 0x7fffffff
const FLAGS_NONE = 0xff

/**
 * The live entries of a listpack whose master has that ID; DAMAGED. All IDs must be behind `last`,
 * which becomes the highest of them, and ascend. O(bytes).
 */
export function checkListpack(master: StreamId, listpack: ByteRange, last: StreamId): number {
  const { bytes, start, length } = listpack
  if (!validate(bytes, start, length)) return DAMAGED
  const reader = new Reader(bytes, start + HEADER_BYTES)
  const live = reader.count()
  const deleted = reader.count()
  const masterFields = reader.count()
  reader.skip(masterFields)
  if (reader.count() !== 0 || reader.isDamaged) return DAMAGED
  let flagged = 0
  let entries = 0
  while (!reader.isAtEnd) {
    const flags = reader.flags()
    if (flags > (EntryFlag.Deleted | EntryFlag.SameFields)) return DAMAGED
    const isSame = (flags & EntryFlag.SameFields) !== 0
    reader.integer()
    reader.integer()
    const fields = isSame ? masterFields : reader.count()
    reader.skip(isSame ? fields : 2 * fields)
    const elements = isSame ? fields + ENTRY_EXTRAS : 2 * fields + ENTRY_EXTRAS + 1
    if (reader.count() !== elements || reader.isDamaged) return DAMAGED
    if ((flags & EntryFlag.Deleted) !== 0) flagged++
    entries++
  }
  if (reader.isDamaged || flagged !== deleted || entries !== live + deleted) return DAMAGED
  return checkOrder(master, bytes, start, last) ? live : DAMAGED
}

/** Whether the IDs ascend, none before the master's and all behind `last`, which is moved on. */
function checkOrder(master: StreamId, bytes: Uint8Array, start: number, last: StreamId): boolean {
  const cursor = CURSOR.openListpack(master, bytes, start)
  // Leaves are found by the IDs of their masters.
  if (master.compare(last) <= 0) return false
  for (let found = cursor.first(); found; found = cursor.next()) {
    if (cursor.id.compare(last) <= 0 || cursor.id.compare(master) < 0) return false
    last.setTo(cursor.id)
  }
  return true
}

/** Reads elements one after the other, and notes what is wrong. */
class Reader {
  isDamaged = false
  readonly #bytes: Uint8Array
  #at: number

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  get isAtEnd(): boolean {
    return this.isDamaged || this.#bytes[this.#at]! === LAST
  }

  /** Passes an integer of any size. */
  integer(): void {
    if (this.#passSmall() >= 0) return
    if (this.isAtEnd) {
      this.isDamaged = true
      return
    }
    readEntry(this.#bytes, this.#at, NUMBER)
    if (!NUMBER.isInteger) this.isDamaged = true
    this.#at += entryBytes(this.#bytes, this.#at)
  }

  /** A number that counts something; 0 when it does not. */
  count(): number {
    const small = this.#passSmall()
    if (small >= 0) return small
    this.integer()
    const { low, high } = NUMBER.int64
    if (this.isDamaged || high !== 0 || low < 0 || low > COUNT_MAX) {
      this.isDamaged = true
      return 0
    }
    return low
  }

  /** Flags, which are their own byte; more than all of them when they are not. */
  flags(): number {
    const small = this.#passSmall()
    return small >= 0 ? small : FLAGS_NONE
  }

  skip(elements: number): void {
    for (let i = 0; i < elements && !this.isDamaged; i++) {
      if (this.isAtEnd) this.isDamaged = true
      else this.#at = placeBehind(this.#bytes, this.#at)
    }
  }

  /** Passes a number below 128, which most are, and returns it; -1: there is none, or damage. */
  #passSmall(): number {
    const head = this.#bytes[this.#at]!
    if (head >= 0x80 || this.isDamaged) return -1
    this.#at += 2
    return head
  }
}
