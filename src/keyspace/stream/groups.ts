// Consumer groups of a stream: groups and consumers as named records, and what has been delivered
// but not acknowledged in two trees per group.
//
//    groups         named-records.ts, found from the stream's root
//    a group's      last delivered ID · entries read · chain of pending · consumers, a named
//    facts          chain · chain of owned
//    a consumer's   count of pending · time of its last command, unix ms
//    pending        by ID: number of the consumer · time of the delivery, unix ms · deliveries
//    owned          number of a consumer and ID, for each ID that is pending
//
// So acknowledging, claiming and reading a consumer's history are O(log n) each, and thousands of
// consumers share a few leaves. All of that is part of the snapshot: owned and consumers are both
// in the order of numbers, so that a snapshot reads them in step.
//
// A cursor: `open` points at the groups of a stream, `openGroup` at one of them, `openConsumer` at
// one of its consumers; valid until a record of the same kind comes or goes. Times are i64.
// Invariants: every pending ID is owned by its consumer, and by no other · counts are those of
// owned.

import { assert } from '../../base/assert.ts'
import type { I64 } from '../../base/i64.ts'
import type { ByteRange, Slice } from '../../base/slice.ts'
import type { Arena } from '../../memory/arena.ts'
import { NULL, PTR_SEGMENT_SHIFT, type Ptr } from '../../memory/layout.ts'
import type { Collections } from '../collections.ts'
import { releaseChain } from '../leaf-tree/leaf-tree.ts'
import { Int64 } from '../packed/int64.ts'
import { CHAIN_WORDS, Chain, type Root } from '../root.ts'
import { freeLongNames, freeNameIndex, NAMED_CHAIN_WORDS, NamedRecords } from './named-records.ts'
import { ID_WORDS, StreamId } from './stream-id.ts'
import { KeyWords } from './word-order.ts'
import { WordTree } from './word-tree.ts'

/** Words of a group's facts. */
export const GroupWord = {
  LastId: 0,
  Read: ID_WORDS,
  Pending: ID_WORDS + 2,
  Consumers: ID_WORDS + 2 + CHAIN_WORDS,
  Owned: ID_WORDS + 2 + CHAIN_WORDS + NAMED_CHAIN_WORDS,
} as const
export const GROUP_WORDS = GroupWord.Owned + CHAIN_WORDS

/** Words of a consumer's facts. */
export const ConsumerWord = { Pending: 0, Seen: 1 } as const
export const CONSUMER_WORDS = 3

/** Words of an entry of the pending tree. */
export const PendingWord = {
  Id: 0,
  Consumer: ID_WORDS,
  Time: ID_WORDS + 1,
  Count: ID_WORDS + 3,
} as const
export const PENDING_WORDS = ID_WORDS + 4
export const OWNED_WORDS = 1 + ID_WORDS

/** The count of entries read is not known. */
export const READ_UNKNOWN = -1
const DELIVERIES_MAX = 0xffffffff

export class StreamGroups {
  /** Deliveries of the open group; a cursor. */
  readonly pending: WordTree
  /** IDs by consumer of the open group; a cursor. */
  readonly owned: WordTree
  /** The chains of the open group. */
  readonly pendingChain = new Chain()
  readonly ownedChain = new Chain()
  readonly #collections: Collections
  readonly #arena: Arena
  readonly #beforeFirst: () => void
  readonly #groups: NamedRecords
  readonly #consumers: NamedRecords
  readonly #groupsChain = new Chain()
  readonly #consumersChain = new Chain()
  /** The open group's facts, and its leaf. */
  #words: Uint32Array = new Uint32Array(0)
  #at = 0
  #leaf: Ptr = NULL
  /** The open consumer: leaf, facts, number; 0: none is open. */
  #consumerLeaf: Ptr = NULL
  #consumerAt = 0
  #consumerNumber = 0
  readonly #ownedKey = new Uint32Array(OWNED_WORDS)
  readonly #int64 = new Int64()
  readonly #id = new StreamId()

  /** `beforeFirst` is called before a stream gets its first group; it may `open` anew. */
  constructor(collections: Collections, beforeFirst: () => void) {
    this.#collections = collections
    this.#beforeFirst = beforeFirst
    this.#arena = collections.arena
    this.#groups = new NamedRecords(collections, GROUP_WORDS)
    this.#consumers = new NamedRecords(collections, CONSUMER_WORDS)
    this.pending = new WordTree(collections, KeyWords.Id, PENDING_WORDS)
    this.owned = new WordTree(collections, KeyWords.NumberAndId, OWNED_WORDS)
  }

  /** Points at the groups of a stream, whose words begin at `at` in its root's words. */
  open(root: Root, at: number): void {
    const chain = this.#groupsChain
    chain.words = root.words
    chain.at = at
    chain.holder = root.record
    chain.number = root.number
    this.#leaf = NULL
    this.#consumerNumber = 0
  }

  /** Groups of the stream. */
  get count(): number {
    return this.#groupsChain.count
  }

  /** Leads to the group of that name; false: there is none. */
  openGroup(name: ByteRange): boolean {
    if (!this.#groups.find(this.#groupsChain, name)) return false
    this.#enterGroup()
    return true
  }

  /** Leads to group `index` in the order of the names. */
  openGroupAt(index: number): void {
    this.#groups.seekIndex(this.#groupsChain, index)
    this.#enterGroup()
  }

  /** Makes a group of a name that is not there, and leads to it. ARENA_FULL: nothing changed. */
  createGroup(name: ByteRange, lastId: StreamId, entriesRead: I64): void {
    if (this.count === 0) this.#beforeFirst()
    this.#groups.insert(this.#groupsChain, name)
    this.#enterGroup()
    this.setGroupId(lastId)
    this.setEntriesRead(entriesRead)
  }

  /** Removes the open group with all that it has. O(its leaves). */
  destroyGroup(name: ByteRange): void {
    const isFound = this.openGroup(name)
    assert(isFound, 'the group is there')
    this.#groups.touch()
    releaseGroup(this.#collections, this.#words, this.#at, Infinity)
    this.#groups.remove(this.#groupsChain, name)
    this.#leaf = NULL
  }

  /** Points `out` at the open group's name. */
  groupName(out: Slice): Slice {
    return this.#groups.nameInto(out)
  }

  groupId(out: StreamId): StreamId {
    return out.setWords(this.#words, this.#at + GroupWord.LastId)
  }

  setGroupId(id: StreamId): void {
    this.#arena.touch(this.#leaf)
    id.writeWords(this.#words, this.#at + GroupWord.LastId)
  }

  /** Entries that the group has read of all ever added; READ_UNKNOWN. */
  get entriesRead(): I64 {
    return this.#readInt64(this.#words, this.#at + GroupWord.Read)
  }

  setEntriesRead(value: I64): void {
    this.#arena.touch(this.#leaf)
    this.#writeInt64(this.#words, this.#at + GroupWord.Read, value)
  }

  /** IDs that are pending in the open group. */
  get pendingCount(): number {
    return this.pendingChain.count
  }

  /** Consumers of the open group. */
  get consumerCount(): number {
    return this.#consumersChain.count
  }

  /** Leads to the consumer of that name in the open group; false: there is none. */
  openConsumer(name: ByteRange): boolean {
    this.#consumerNumber = 0
    if (!this.#consumers.find(this.#consumersChain, name)) return false
    this.#enterConsumer()
    return true
  }

  /** Leads to consumer `index` of the open group in the order of the names. */
  openConsumerAt(index: number): void {
    this.#consumers.seekIndex(this.#consumersChain, index)
    this.#enterConsumer()
  }

  /** Leads to the consumer with that number in the open group. */
  openConsumerNumber(number: number): void {
    this.#consumers.seekNumber(this.#consumersChain, number)
    this.#enterConsumer()
  }

  /** Makes a consumer of a name that is not there, and leads to it. ARENA_FULL as `createGroup`. */
  createConsumer(name: ByteRange, seenMs: I64): void {
    this.#consumers.insert(this.#consumersChain, name)
    this.#enterConsumer()
    this.setSeen(seenMs)
  }

  /** Removes the consumer of that name, to which `openConsumer` led, with what it owns. */
  deleteConsumer(name: ByteRange): void {
    const number = this.#consumerNumber
    while (this.seekOwned(number, this.#id.setMin())) {
      this.#id.setWords(this.owned.words, this.owned.at + 1)
      const isOwned = this.#seekOwner(number, this.#id)
      assert(isOwned, 'what has been found is there')
      this.owned.remove(this.ownedChain)
      const isPending = this.findPending(this.#id)
      assert(isPending, 'what is owned is pending')
      this.pending.remove(this.pendingChain)
    }
    const isFound = this.#consumers.find(this.#consumersChain, name)
    assert(isFound, 'the consumer is there')
    this.#consumers.remove(this.#consumersChain, name)
    this.#consumerNumber = 0
  }

  /** Points `out` at the name of the consumer that was opened last. */
  consumerName(out: Slice): Slice {
    return this.#consumers.nameInto(out)
  }

  get consumerNumber(): number {
    return this.#consumerNumber
  }

  /** IDs that are pending for the open consumer. */
  get consumerPending(): number {
    return this.#consumerWords()[this.#consumerAt + ConsumerWord.Pending]!
  }

  /** When the open consumer has been seen, unix ms. */
  get seen(): I64 {
    return this.#readInt64(this.#consumerWords(), this.#consumerAt + ConsumerWord.Seen)
  }

  setSeen(ms: I64): void {
    this.#arena.touch(this.#consumerLeaf)
    this.#writeInt64(this.#consumerWords(), this.#consumerAt + ConsumerWord.Seen, ms)
  }

  /** Leads `pending` to an ID; whether it is there. */
  findPending(id: StreamId): boolean {
    return this.pending.seek(this.pendingChain, id.words, 0)
  }

  /** Leads `owned` to the first ID of a consumer that is not before `id`; false: there is none. */
  seekOwned(number: number, id: StreamId): boolean {
    this.#ownedKey[0] = number
    id.writeWords(this.#ownedKey, 1)
    if (!this.owned.seekFrom(this.ownedChain, this.#ownedKey, 0)) return false
    return this.owned.words[this.owned.at] === number
  }

  /** Number of the consumer that the current pending ID was delivered to. */
  get pendingConsumer(): number {
    return this.pending.words[this.pending.at + PendingWord.Consumer]!
  }

  get pendingTime(): I64 {
    return this.#readInt64(this.pending.words, this.pending.at + PendingWord.Time)
  }

  get pendingDeliveries(): number {
    return this.pending.words[this.pending.at + PendingWord.Count]!
  }

  /** Changes what is known of the current pending ID. */
  setDelivery(timeMs: I64, deliveries: number): void {
    this.pending.touch()
    this.#writeDelivery(timeMs, deliveries)
  }

  /**
   * Notes that an ID, which `findPending`, the last call of `pending`, did not find, went to the
   * open consumer; `pending` leads to it then. ARENA_FULL, and nothing has changed. O(log n).
   */
  addPending(id: StreamId, timeMs: I64, deliveries: number): void {
    this.#own(id)
    try {
      this.pending.insert(this.pendingChain, id.words, 0)
    } catch (error) {
      this.#disown(this.#consumerNumber, id)
      throw error
    }
    this.pending.words[this.pending.at + PendingWord.Consumer] = this.#consumerNumber
    this.#writeDelivery(timeMs, deliveries)
  }

  /** `addPending`, likewise after `findPending`, for an ID that nobody owns so far: for loading. */
  addUnowned(id: StreamId, timeMs: I64, deliveries: number): void {
    this.pending.insert(this.pendingChain, id.words, 0)
    this.pending.words[this.pending.at + PendingWord.Consumer] = 0
    this.#writeDelivery(timeMs, deliveries)
  }

  /** Gives an unowned ID, to which `findPending` led, to the open consumer: for loading. */
  ownUnowned(id: StreamId): void {
    assert(this.pendingConsumer === 0, 'nobody owns the ID')
    this.#own(id)
    this.pending.touch()
    this.pending.words[this.pending.at + PendingWord.Consumer] = this.#consumerNumber
  }

  /**
   * Makes the open consumer the owner of the current pending ID, whoever it was. ARENA_FULL, and
   * nothing has changed. O(log n).
   */
  claimPending(id: StreamId): void {
    const old = this.pendingConsumer
    if (old === this.#consumerNumber) return
    this.#own(id)
    this.#disown(old, id)
    this.pending.touch()
    this.pending.words[this.pending.at + PendingWord.Consumer] = this.#consumerNumber
  }

  /** Removes the ID to which `findPending`, the last call of `pending`, led. O(log n). */
  removePending(id: StreamId): void {
    this.#disown(this.pendingConsumer, id)
    this.pending.remove(this.pendingChain)
  }

  /** Walks all groups; for tests. */
  check(): void {
    this.#groups.check(this.#groupsChain)
    for (let i = 0; i < this.count; i++) {
      this.openGroupAt(i)
      this.#consumers.check(this.#consumersChain)
      this.pending.check(this.pendingChain)
      this.owned.check(this.ownedChain)
      assert(this.pendingCount === this.ownedChain.count, 'each pending ID is owned once')
      let sum = 0
      for (let k = 0; k < this.consumerCount; k++) {
        this.openConsumerAt(k)
        sum += this.consumerPending
        let owned = 0
        let found = this.seekOwned(this.#consumerNumber, this.#id.setMin())
        while (found && this.owned.words[this.owned.at] === this.#consumerNumber) {
          this.#id.setWords(this.owned.words, this.owned.at + 1)
          assert(this.findPending(this.#id), 'what is owned is pending')
          assert(this.pendingConsumer === this.#consumerNumber, 'a pending ID knows its owner')
          owned++
          found = this.owned.next()
        }
        assert(owned === this.consumerPending, 'what a consumer owns is counted')
      }
      assert(sum === this.pendingCount, 'what is pending is counted')
    }
  }

  #enterGroup(): void {
    const { words, leaf } = this.#groups
    const at = this.#groups.facts
    this.#words = words
    this.#at = at
    this.#leaf = leaf
    this.#consumerNumber = 0
    this.#point(this.pendingChain, GroupWord.Pending)
    this.#point(this.#consumersChain, GroupWord.Consumers)
    this.#point(this.ownedChain, GroupWord.Owned)
  }

  /** Points at a chain of the open group. */
  #point(chain: Chain, word: number): void {
    chain.words = this.#words
    chain.at = this.#at + word
    chain.holder = this.#leaf
    chain.number = this.#groupsChain.number
  }

  #enterConsumer(): void {
    this.#consumerLeaf = this.#consumers.leaf
    this.#consumerAt = this.#consumers.facts
    this.#consumerNumber = this.#consumers.number
  }

  #consumerWords(): Uint32Array {
    return this.#arena.u32[this.#consumerLeaf >>> PTR_SEGMENT_SHIFT]!
  }

  /** Gives an ID to the open consumer. */
  #own(id: StreamId): void {
    const isOwned = this.#seekOwner(this.#consumerNumber, id)
    assert(!isOwned, 'an ID is owned once')
    this.owned.insert(this.ownedChain, this.#ownedKey, 0)
    this.#arena.touch(this.#consumerLeaf)
    this.#consumerWords()[this.#consumerAt + ConsumerWord.Pending]!++
  }

  /** Takes an ID from a consumer. */
  #disown(number: number, id: StreamId): void {
    const isOwned = this.#seekOwner(number, id)
    assert(isOwned, 'what is taken is owned')
    this.owned.remove(this.ownedChain)
    this.#consumers.seekNumber(this.#consumersChain, number)
    this.#consumers.touch()
    this.#consumers.words[this.#consumers.facts + ConsumerWord.Pending]!--
  }

  #seekOwner(number: number, id: StreamId): boolean {
    this.#ownedKey[0] = number
    id.writeWords(this.#ownedKey, 1)
    return this.owned.seek(this.ownedChain, this.#ownedKey, 0)
  }

  #writeDelivery(timeMs: I64, deliveries: number): void {
    const { words, at } = this.pending
    this.#writeInt64(words, at + PendingWord.Time, timeMs)
    words[at + PendingWord.Count] = Math.min(deliveries, DELIVERIES_MAX)
  }

  #readInt64(words: Uint32Array, at: number): I64 {
    this.#int64.low = words[at]! | 0
    this.#int64.high = words[at + 1]! | 0
    return this.#int64.value
  }

  #writeInt64(words: Uint32Array, at: number, value: I64): void {
    this.#int64.set(value)
    words[at] = this.#int64.low
    words[at + 1] = this.#int64.high
  }
}

/**
 * Frees up to about `limit` leaves of the group whose facts start at `words[at]`, and notes there
 * what is left; true while something is.
 */
export function releaseGroup(
  collections: Collections,
  words: Uint32Array,
  at: number,
  limit: number,
): boolean {
  const chains = [GroupWord.Pending, GroupWord.Owned] as const
  for (const word of chains) {
    if (releaseChain(collections, { words, at: at + word }, limit, null)) return true
  }
  const consumers = at + GroupWord.Consumers
  if (releaseChain(collections, { words, at: consumers }, limit, freeLongNames)) return true
  freeNameIndex(collections, words, consumers)
  return false
}
