// The entries of a stream: appended to the last leaf or a new one, flagged as deleted, cut off at
// the old end. Leaves and nodes are drawn in entry-leaf.ts.
//
// An entry goes into a new node when the last one has as many bytes or entries as
// `stream-node-max-*` allow, and into a new leaf when the last one has no room. Approximate
// trimming removes whole nodes. When a leaf goes whose nodes go on in the next one, a node starts
// there.
//
// A cursor: `open` points at a stream's chain. Invariants: a leaf has a live entry · the first
// entry starts a node · the first leaf counts the nodes.

import { assert } from '../../base/assert.ts'
import { copySlice, Slice, scratchSlice } from '../../base/slice.ts'
import type { Arena } from '../../memory/arena.ts'
import {
  NULL,
  PAGE_BYTES,
  PTR_SEGMENT_MASK,
  PTR_SEGMENT_SHIFT,
  type Ptr,
} from '../../memory/layout.ts'
import { RUN_PAGES_MAX } from '../../memory/size-class.ts'
import type { Collections } from '../collections.ts'
import type { EncodingLimits } from '../encoding-limits.ts'
import { LeafTree } from '../leaf-tree/leaf-tree.ts'
import { backlenBytes, bodyBytes } from '../packed/listpack.ts'
import { readSpan } from '../record-access.ts'
import { Chain, LEAF_HEADER_BYTES, LeafWord, nodeWord, setNodeWord } from '../root.ts'
import {
  CLOSED,
  ENTRY_ROOM_MAX,
  EntryCursor,
  EntryFlag,
  EntryWord,
  FIRST_MASK,
  NAMES_START,
  NODE_BYTES_MASK,
  NODE_ENTRIES_SHIFT,
  pagesFor,
} from './entry-leaf.ts'
import {
  EntryWriter,
  type Fields,
  fitsLeaf,
  HEAD_BYTES_MAX,
  namesBytes,
  valuesBytes,
} from './entry-writer.ts'
import { checkLeaves } from './leaf-check.ts'
import { NodeListpack } from './node-listpack.ts'
import { hasNamesAt, type NodeSource } from './node-source.ts'
import { StreamId } from './stream-id.ts'
import type { TrimRule } from './trim-rule.ts'
import { KeyWords, payloadOf, WordOrder } from './word-order.ts'

const PLACE = scratchSlice()
/** Bytes of a node, as Redis has it, that no limit lifts: a snapshot makes each in memory. */
const NODE_BYTES_MAX = RUN_PAGES_MAX * PAGE_BYTES
/** Bytes of a listpack's header, end and master entry but for the names. */
const MASTER_BYTES = 15
const NOTHING_OUT = -1

export class StreamEntries {
  readonly arena: Arena
  readonly cursor = new EntryCursor()
  readonly #collections: Collections
  readonly #order: WordOrder
  readonly #tree: LeafTree
  readonly #writer = new EntryWriter(false)
  readonly #listpack = new NodeListpack()
  readonly #id = new StreamId()
  readonly #slice = new Slice()
  #chain = new Chain()
  /** The node that the next entry goes into: as the last leaf has it, and whether it is new. */
  #nodeEntries = 0
  #nodeBytes = 0
  #hasOtherNames = false
  #isStart = false
  /** Whether the entry has the names of the last leaf. */
  #isSame = false
  /** Where the first entry is that stays; NULL: none does. */
  #cutLeaf: Ptr = NULL
  #cutAt = 0

  constructor(collections: Collections) {
    this.#collections = collections
    this.arena = collections.arena
    this.#order = new WordOrder(collections.arena, KeyWords.Id)
    this.#tree = new LeafTree(collections, this.#order)
  }

  open(chain: Chain): void {
    this.#chain = chain
  }

  /** Nodes, as Redis counts radix tree keys. */
  get nodes(): number {
    const { first } = this.#chain
    return first === NULL ? 0 : nodeWord(this.arena, first, EntryWord.Nodes)
  }

  /** The leaf where a walk from `id` on, or backwards, begins; NULL: there are none. O(log n). */
  leafAt(id: StreamId): Ptr {
    return this.#tree.seekKey(this.#chain, this.#order.seeking(id.words, 0))
  }

  /** Appends an entry behind all others. ARENA_FULL, and nothing has changed. O(fields). */
  append(id: StreamId, fields: Fields, limits: EncodingLimits): void {
    const { last } = this.#chain
    this.#openNode(last)
    const { streamNodeBytesMax: limit, streamNodeEntriesMax: entriesMax } = limits
    const bytesMax = limit === 0 ? NODE_BYTES_MAX : Math.min(limit, NODE_BYTES_MAX)
    if (this.#nodeBytes + fields.textBytes >= bytesMax) this.#isStart = true
    if (entriesMax !== 0 && this.#nodeEntries >= entriesMax) this.#isStart = true
    if (last === NULL || !this.#appendTo(last, id, fields)) this.#appendLeaf(id, fields)
  }

  /** Ends the last node: the next entry starts one. */
  endNode(): void {
    const { last } = this.#chain
    if (last === NULL) return
    this.arena.touch(last)
    const first = nodeWord(this.arena, last, EntryWord.First) & FIRST_MASK
    setNodeWord(this.arena, last, EntryWord.First, (first | (CLOSED << NODE_ENTRIES_SHIFT)) >>> 0)
  }

  /**
   * Takes the entries that a node has left, behind all others; false: the next one is too large for
   * a leaf of a page. For loading; ARENA_FULL, and what has been taken stays.
   */
  adopt(node: NodeSource): boolean {
    while (!node.isAtEnd) {
      const { last } = this.#chain
      if (last !== NULL && this.#adoptTo(last, node)) continue
      // Leaves begin with a live entry.
      if (!node.seekLive(this.#id)) return true
      if (!this.#adoptLeaf(node)) return false
    }
    return true
  }

  /**
   * Takes a copy of a leaf of another stream, in `from`, behind all others. ARENA_FULL: nothing
   * changed.
   */
  copyLeaf(from: Arena, leaf: Ptr): void {
    const { arena } = this
    const chain = this.#chain
    const span = nodeWord(from, leaf, EntryWord.Span)
    const used = nodeWord(from, leaf, LeafWord.Used)
    const words = from.u32[leaf >>> PTR_SEGMENT_SHIFT]!
    const master = this.#id.setWords(words, payloadOf(leaf))
    const made = this.#makeLeaf(master, from.nodePages(leaf), span === NULL ? 0 : used)
    const target = nodeWord(arena, made, EntryWord.Span)
    const start = (leaf & PTR_SEGMENT_MASK) << 3
    const bytes = from.u8[leaf >>> PTR_SEGMENT_SHIFT]!
    const length = span === NULL ? used : NAMES_START
    for (let word = LeafWord.Used; word < LEAF_HEADER_BYTES / 4; word++) {
      setNodeWord(arena, made, word, nodeWord(from, leaf, word))
    }
    setNodeWord(arena, made, EntryWord.Span, target)
    this.#slice.set(bytes, start + LEAF_HEADER_BYTES, length - LEAF_HEADER_BYTES)
    const place = ((made & PTR_SEGMENT_MASK) << 3) + LEAF_HEADER_BYTES
    copySlice(this.#slice, arena.u8[made >>> PTR_SEGMENT_SHIFT]!, place)
    if (span !== NULL) {
      readSpan(from, span, this.#slice, used)
      readSpan(arena, target, PLACE, used)
      copySlice(this.#slice, PLACE.bytes, PLACE.start)
    }
    this.#slice.forget()
    this.#tree.addLast(chain, nodeWord(from, leaf, LeafWord.Count))
  }

  /** Whether there is a live entry with that ID; the cursor is there. */
  has(id: StreamId): boolean {
    const leaf = this.leafAt(id)
    if (leaf === NULL) return false
    const cursor = this.cursor.open(this.arena, leaf)
    return cursor.seek(id) && cursor.id.compare(id) === 0 && !cursor.isDeleted
  }

  /** Deletes the entry with that ID; false: there is none. Cannot fail. O(log n + leaf). */
  delete(id: StreamId): boolean {
    if (!this.has(id)) return false
    const { cursor } = this
    if (nodeWord(this.arena, cursor.leaf, LeafWord.Count) === 1) {
      this.#removeLeaf(cursor.leaf)
      return true
    }
    this.#addFlag(EntryFlag.Deleted)
    this.#tree.addCount(this.#chain, -1)
    this.#forgetFirst()
    return true
  }

  /** Removes the deleted entries before the first live one, of a stream that has one. */
  dropDeleted(): void {
    const cursor = this.cursor.open(this.arena, this.#chain.first)
    let found = cursor.first()
    while (found && cursor.isDeleted) found = cursor.next()
    assert(found, 'a leaf has a live entry')
    this.#advance(cursor.at, 0)
  }

  /** Removes old entries; returns how many. Cannot fail. O(entries removed). */
  trim(rule: TrimRule): number {
    if (!rule.isApproximate) return this.#trimExactly(rule)
    let deleted = 0
    for (;;) {
      const live = this.#nodeOut(rule, deleted)
      if (live === NOTHING_OUT) return deleted
      this.#cutTo(live)
      deleted += live
    }
  }

  /** Walks leaves and entries; for tests and the debug commands. O(n). */
  check(last: StreamId): void {
    const chain = this.#chain
    this.#tree.check(chain)
    const starts = checkLeaves(this.arena, chain, last)
    assert(starts === this.nodes, 'nodes are counted')
    if (chain.first === NULL) return
    const known = nodeWord(this.arena, chain.first, EntryWord.NodeLive)
    this.#setNodes(starts)
    assert(known === 0 || known === this.#firstLive(), 'entries of the first node are counted')
  }

  /** Learns how the last node is. */
  #openNode(last: Ptr): void {
    this.#nodeEntries = CLOSED
    this.#nodeBytes = 0
    this.#hasOtherNames = false
    if (last !== NULL) {
      const bytes = nodeWord(this.arena, last, EntryWord.NodeBytes)
      this.#nodeEntries = nodeWord(this.arena, last, EntryWord.First) >>> NODE_ENTRIES_SHIFT
      this.#nodeBytes = bytes & NODE_BYTES_MASK
      this.#hasOtherNames = bytes > NODE_BYTES_MASK
    }
    this.#isStart = this.#nodeEntries === CLOSED
  }

  /** Appends to the last leaf; false: it has no room. */
  #appendTo(leaf: Ptr, id: StreamId, fields: Fields): boolean {
    if (nodeWord(this.arena, leaf, EntryWord.Span) !== NULL) return false
    const cursor = this.cursor.open(this.arena, leaf)
    const isSame = fields.hasNames(cursor.bytes, cursor.masterNames, cursor.masterFields)
    this.#isSame = isSame
    if (!fitsLeaf(fields, isSame, this.#roomIn(leaf))) return false
    this.arena.touch(leaf)
    const writer = this.#writer
    writer.open(cursor.bytes, cursor.limit)
    writer.head(this.#flags(isSame), cursor.master.words, id)
    if (isSame) writer.values(fields)
    else writer.namesAndValues(fields)
    this.#noteEntry(leaf, isSame, isSame ? this.#namesIn(cursor) : 0)
    return true
  }

  /** Appends in a new leaf. */
  #appendLeaf(id: StreamId, fields: Fields): void {
    const bytes = HEAD_BYTES_MAX + namesBytes(fields) + valuesBytes(fields)
    if (bytes > ENTRY_ROOM_MAX) return this.#appendSpan(id, fields)
    const leaf = this.#makeLeaf(id, pagesFor(bytes), 0)
    const writer = this.#writer
    this.#openNames(leaf, fields.count)
    writer.names(fields)
    const names = this.#endNames(leaf)
    writer.head(this.#flags(true), id.words, id)
    writer.values(fields)
    this.#noteEntry(leaf, true, names)
  }

  /** Appends in a leaf of its own, as a node of its own. */
  #appendSpan(id: StreamId, fields: Fields): void {
    const node = this.#listpack
    node.setOnly(id, fields)
    const { length } = node
    const leaf = this.#makeLeaf(id, 1, length)
    readSpan(this.arena, nodeWord(this.arena, leaf, EntryWord.Span), PLACE, length)
    copySlice(this.#slice.set(node.bytes, node.start, length), PLACE.bytes, PLACE.start)
    this.#slice.forget()
    node.begin()
    setNodeWord(this.arena, leaf, LeafWord.Used, length)
    setNodeWord(this.arena, leaf, EntryWord.First, CLOSED << NODE_ENTRIES_SHIFT)
    this.#tree.addLast(this.#chain, 1)
    this.#setNodes(this.nodes + 1)
  }

  /** Takes entries into the last leaf; false: it has no room. */
  #adoptTo(leaf: Ptr, node: NodeSource): boolean {
    if (nodeWord(this.arena, leaf, EntryWord.Span) !== NULL) return false
    this.#openNode(leaf)
    const isStart = this.#isStart
    const start = (leaf & PTR_SEGMENT_MASK) << 3
    const bytes = this.arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!
    const isSame = hasNamesAt(node, bytes, start + NAMES_START)
    const words = this.arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!
    node.take({ words, at: payloadOf(leaf), room: this.#roomIn(leaf), isSame, isStart })
    if (node.entries === 0) return false
    this.arena.touch(leaf)
    this.#noteTaken(leaf, node, isSame)
    return true
  }

  /** Takes entries into a new leaf of a page, whose names are the node's; false: none fits. */
  #adoptLeaf(node: NodeSource): boolean {
    const { last } = this.#chain
    this.#openNode(last)
    const isStart = this.#isStart
    const room = PAGE_BYTES - NAMES_START - node.namesLength
    if (room <= 0) return false
    const { words } = this.#id
    node.take({ words, at: 0, room, isSame: true, isStart })
    if (node.entries === 0) return false
    const leaf = this.#makeLeaf(this.#id, 1, 0)
    const start = (leaf & PTR_SEGMENT_MASK) << 3
    const bytes = this.arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!
    const names = this.#slice.set(node.bytes, node.namesStart, node.namesLength)
    copySlice(names, bytes, start + NAMES_START)
    setNodeWord(this.arena, leaf, EntryWord.First, NAMES_START + node.namesLength)
    setNodeWord(this.arena, leaf, LeafWord.Used, NAMES_START + node.namesLength)
    this.#noteTaken(leaf, node, true)
    return true
  }

  /** Copies the entries that a node has given into the last leaf, and counts them. */
  #noteTaken(leaf: Ptr, node: NodeSource, isSame: boolean): void {
    const words = this.arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!
    const at = (leaf & PTR_SEGMENT_MASK) << 1
    const isStart = this.#isStart
    const used = words[at + LeafWord.Used]!
    copySlice(
      this.#slice.set(node.bytes, node.start, node.length),
      this.arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!,
      ((leaf & PTR_SEGMENT_MASK) << 3) + used,
    )
    this.#slice.forget()
    const before = isStart ? MASTER_BYTES + node.namesListpackBytes : this.#nodeBytes
    const bytes = before + node.listpackBytes
    const entries = (isStart ? 0 : this.#nodeEntries) + node.entries
    const first = words[at + EntryWord.First]! & FIRST_MASK
    words[at + EntryWord.First] = (first | (entries << NODE_ENTRIES_SHIFT)) >>> 0
    words[at + EntryWord.NodeBytes] = (bytes | (isSame ? 0 : ~NODE_BYTES_MASK)) >>> 0
    words[at + EntryWord.Last] = used + node.lastStart
    words[at + LeafWord.Used] = used + node.length
    this.#tree.addLast(this.#chain, node.live)
    if (isStart) this.#setNodes(this.nodes + 1)
  }

  #flags(isSame: boolean): number {
    return (isSame ? EntryFlag.SameFields : 0) | (this.#isStart ? EntryFlag.NodeStart : 0)
  }

  #roomIn(leaf: Ptr): number {
    const { arena } = this
    return arena.nodePages(leaf) * PAGE_BYTES - nodeWord(arena, leaf, LeafWord.Used)
  }

  /** Bytes that the names of a leaf take in a listpack; 0 where it does not matter. */
  #namesIn({ bytes, masterNames, masterFields }: EntryCursor): number {
    if (!this.#isStart && !this.#hasOtherNames) return 0
    let sum = 0
    let at = masterNames
    for (let i = masterFields; i > 0; i--) {
      const body = bodyBytes(bytes, at)
      sum += body + backlenBytes(body)
      at += body
    }
    return sum
  }

  /** Begins the names of a new leaf. */
  #openNames(leaf: Ptr, count: number): void {
    const start = (leaf & PTR_SEGMENT_MASK) << 3
    this.#writer.open(this.arena.u8[leaf >>> PTR_SEGMENT_SHIFT]!, start + NAMES_START)
    this.#writer.number(count)
  }

  /** Ends them; returns their bytes in a listpack. The first entry follows. */
  #endNames(leaf: Ptr): number {
    const writer = this.#writer
    const { at, listpackBytes } = writer
    const start = (leaf & PTR_SEGMENT_MASK) << 3
    setNodeWord(this.arena, leaf, EntryWord.First, at - start)
    writer.open(writer.bytes, at)
    // A node that goes on here has this leaf's names if it had the last one's, and those are these.
    if (!this.#isStart && !this.#isSame) this.#hasOtherNames = true
    return listpackBytes
  }

  /** Counts the live entry that the writer has just ended in the last leaf. */
  #noteEntry(leaf: Ptr, isSame: boolean, names: number): void {
    const words = this.arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!
    const at = (leaf & PTR_SEGMENT_MASK) << 1
    const isStart = this.#isStart
    const isOther = isStart ? !isSame : this.#hasOtherNames
    // The entry's count is a listpack's as well; so are its names where the node has others.
    let bytes = (isStart ? MASTER_BYTES : this.#nodeBytes) + this.#writer.listpackBytes + 2
    if (isSame && (isStart || isOther)) bytes += names
    const entries = isStart ? 1 : this.#nodeEntries + 1
    const first = words[at + EntryWord.First]! & FIRST_MASK
    words[at + EntryWord.First] = (first | (entries << NODE_ENTRIES_SHIFT)) >>> 0
    words[at + EntryWord.NodeBytes] = (bytes | (isOther ? ~NODE_BYTES_MASK : 0)) >>> 0
    words[at + EntryWord.Last] = this.#writer.start - ((leaf & PTR_SEGMENT_MASK) << 3)
    words[at + LeafWord.Used] = this.#writer.at - ((leaf & PTR_SEGMENT_MASK) << 3)
    this.#tree.addLast(this.#chain, 1)
    if (isStart) this.#setNodes(this.nodes + 1)
  }

  /** Notes how many nodes there are, and that what the first one has may have changed. */
  #setNodes(nodes: number): void {
    const { first } = this.#chain
    if (first === NULL) return
    this.arena.touch(first)
    setNodeWord(this.arena, first, EntryWord.Nodes, nodes)
    setNodeWord(this.arena, first, EntryWord.NodeLive, 0)
  }

  /** Notes that what the first node has may have changed. */
  #forgetFirst(): void {
    const { first } = this.#chain
    if (nodeWord(this.arena, first, EntryWord.NodeLive) !== 0) this.#setNodes(this.nodes)
  }

  /** Live entries of the first node; counted once for all who add to a stream of limited length. */
  #firstLive(): number {
    const { first, count } = this.#chain
    const { arena, nodes } = this
    if (nodes === 1) return count
    const known = nodeWord(arena, first, EntryWord.NodeLive)
    if (known !== 0) return known
    let live = 0
    this.cursor.open(arena, first).first()
    do {
      if (!this.cursor.isDeleted) live++
    } while (this.#nextEntry() && !this.cursor.isNodeStart)
    arena.touch(first)
    setNodeWord(arena, first, EntryWord.NodeLive, live)
    return live
  }

  /** Makes the next entry of the stream current; false: there is none. */
  #nextEntry(): boolean {
    const { cursor } = this
    if (cursor.next()) return true
    const next = this.#tree.nextLeaf(cursor.leaf)
    return next !== NULL && cursor.open(this.arena, next).first()
  }

  /** A leaf behind all others, with a span for `spanBytes` if that is not 0. */
  #makeLeaf(master: StreamId, pages: number, spanBytes: number): Ptr {
    const chain = this.#chain
    const { arena } = this
    let span = NULL
    this.#tree.seekLast(chain)
    if (spanBytes > 0) span = this.#collections.allocateElement(chain.number, spanBytes)
    try {
      const leaf = this.#tree.insertAfter(chain, pages, this.#order.coarse(master.words, 0))
      setNodeWord(arena, leaf, EntryWord.Span, span)
      setNodeWord(arena, leaf, EntryWord.First, 0)
      setNodeWord(arena, leaf, EntryWord.NodeBytes, 0)
      setNodeWord(arena, leaf, EntryWord.Nodes, 0)
      setNodeWord(arena, leaf, EntryWord.NodeLive, 0)
      master.writeWords(arena.u32[leaf >>> PTR_SEGMENT_SHIFT]!, payloadOf(leaf))
      return leaf
    } catch (error) {
      if (span !== NULL) arena.freeSpan(span)
      throw error
    }
  }

  /** Flags the cursor's entry. */
  #addFlag(flag: number): void {
    const { cursor } = this
    this.arena.touch(cursor.leaf)
    cursor.bytes[cursor.at] = cursor.flags | flag
  }

  /** Frees the current leaf. */
  #removeLeaf(leaf: Ptr): void {
    assert(this.#tree.leaf === leaf, 'the leaf is current')
    const { arena } = this
    const cursor = this.cursor.open(arena, leaf)
    let { nodes } = this
    let starts = 0
    for (let found = cursor.first(); found; found = cursor.next()) if (cursor.isNodeStart) starts++
    const next = this.#tree.nextLeaf(leaf)
    if (starts > 0 && next !== NULL) {
      cursor.open(arena, next).first()
      if (!cursor.isNodeStart) {
        this.#addFlag(EntryFlag.NodeStart)
        nodes++
      }
    }
    const span = nodeWord(arena, leaf, EntryWord.Span)
    if (span !== NULL) arena.freeSpan(span)
    this.#tree.remove(this.#chain)
    this.#setNodes(nodes - starts)
  }

  /** Removes entries up to a bound, not only whole nodes; returns how many. */
  #trimExactly(rule: TrimRule): number {
    const chain = this.#chain
    const { arena, cursor } = this
    const isByLength = rule.lengthMax >= 0
    let deleted = 0
    while (chain.first !== NULL) {
      const excess = isByLength ? chain.count - rule.lengthMax : Infinity
      if (excess <= 0) break
      const leaf = this.#tree.seekFirst(chain)
      const live = nodeWord(arena, leaf, LeafWord.Count)
      if (isByLength ? live <= excess : this.#isBefore(leaf, rule.minimum)) {
        this.#removeLeaf(leaf)
        deleted += live
        continue
      }
      let removed = 0
      cursor.open(arena, leaf)
      for (let found = cursor.first(); found; found = cursor.next()) {
        if (cursor.isDeleted) continue
        if (removed === excess || (!isByLength && cursor.id.compare(rule.minimum) >= 0)) break
        removed++
      }
      if (removed > 0) this.#advance(cursor.at, removed)
      deleted += removed
      if (removed < live) break
    }
    return deleted
  }

  /** Whether the next leaf says that all entries of this one are before `minimum`. */
  #isBefore(leaf: Ptr, minimum: StreamId): boolean {
    const next = this.#tree.nextLeaf(leaf)
    if (next === NULL) return false
    return minimum.compareTo(this.arena.u32[next >>> PTR_SEGMENT_SHIFT]!, payloadOf(next)) >= 0
  }

  /** Live entries of the first node, if that is removed; where the next begins is noted. */
  #nodeOut(rule: TrimRule, deleted: number): number {
    const chain = this.#chain
    const isByLength = rule.lengthMax >= 0
    const excess = isByLength ? chain.count - rule.lengthMax : Infinity
    if (chain.first === NULL || excess <= 0) return NOTHING_OUT
    const live = isByLength || rule.limit > 0 ? this.#firstLive() : 0
    if (live > excess || (rule.limit > 0 && deleted + live > rule.limit)) return NOTHING_OUT
    const cursor = this.cursor.open(this.arena, chain.first)
    let out = 0
    let found = cursor.first()
    do {
      if (!isByLength && cursor.id.compare(rule.minimum) >= 0) return NOTHING_OUT
      if (!cursor.isDeleted) out++
      found = this.#nextEntry()
    } while (found && !cursor.isNodeStart)
    this.#cutLeaf = found ? cursor.leaf : NULL
    this.#cutAt = cursor.at
    return out
  }

  /** Removes what is before the noted place: `live` live entries. */
  #cutTo(live: number): void {
    const chain = this.#chain
    let left = live
    while (chain.first !== this.#cutLeaf) {
      const leaf = this.#tree.seekFirst(chain)
      left -= nodeWord(this.arena, leaf, LeafWord.Count)
      this.#removeLeaf(leaf)
    }
    if (this.#cutLeaf !== NULL) this.#advance(this.#cutAt, left)
  }

  /** Removes the entries of the first leaf before the one at `at`: `live` live ones. */
  #advance(at: number, live: number): void {
    const { arena } = this
    const chain = this.#chain
    const leaf = chain.first
    if (nodeWord(arena, leaf, LeafWord.Count) === live) {
      this.#removeLeaf(this.#tree.seekFirst(chain))
      return
    }
    const cursor = this.cursor.open(arena, leaf)
    if (cursor.firstAt === at) return
    let { nodes } = this
    cursor.first()
    for (; cursor.at !== at; cursor.next()) if (cursor.isNodeStart) nodes--
    if (!cursor.isNodeStart) {
      this.#addFlag(EntryFlag.NodeStart)
      nodes++
    }
    arena.touch(leaf)
    const word = nodeWord(arena, leaf, EntryWord.First) & ~FIRST_MASK
    const offset = at - ((leaf & PTR_SEGMENT_MASK) << 3)
    setNodeWord(arena, leaf, EntryWord.First, (word | offset) >>> 0)
    this.#setNodes(nodes)
    if (live > 0) this.#tree.addFirst(chain, -live)
  }
}
