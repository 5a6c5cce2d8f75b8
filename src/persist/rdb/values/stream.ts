// Streams in RDB streams. Written is the form of Redis 7.0, type 19; read are that, the older one
// (15) and the newer one (21):
//
//    nodes       count, then for each: string of 16 bytes, the master's ID · string, its listpack
//    facts       entries · last ID · from 19 on: first ID · highest deleted ID · entries added
//    groups      count, then for each:
//      group     name · last ID · from 19 on: entries read
//      pending   count, then for each: 16 bytes of ID · time · deliveries
//      consumers count, then for each: name · time seen · from 21 on: time active · count, then
//                for each ID that is its own: 16 bytes
//
// Counts are lengths, an ID is two of them where it is not 16 big-endian bytes, a time is an i64 of
// milliseconds, little-endian. A listpack is drawn in keyspace/stream/node-listpack.ts.

import { assert } from '../../../base/assert.ts'
import type { I64 } from '../../../base/i64.ts'
import type { ByteRange } from '../../../base/slice.ts'
import type { Steps } from '../../../base/steps.ts'
import { Int64 } from '../../../keyspace/packed/int64.ts'
import { ChainWord, LeafWord, RootWord } from '../../../keyspace/root.ts'
import { checkListpack, DAMAGED } from '../../../keyspace/stream/entry-check.ts'
import { EntryCursor, EntryWord } from '../../../keyspace/stream/entry-leaf.ts'
import {
  CONSUMER_WORDS,
  ConsumerWord,
  GROUP_WORDS,
  GroupWord,
  OWNED_WORDS,
  PENDING_WORDS,
  PendingWord,
} from '../../../keyspace/stream/groups.ts'
import { RecordWord } from '../../../keyspace/stream/named-records.ts'
import { NodeListpack } from '../../../keyspace/stream/node-listpack.ts'
import { PackedParts, PackedWord } from '../../../keyspace/stream/packed-parts.ts'
import { ID_BYTES, StreamId, writeIdBytes } from '../../../keyspace/stream/stream-id.ts'
import { StreamWord } from '../../../keyspace/stream/stream-words.ts'
import { PAYLOAD_WORD } from '../../../keyspace/stream/word-order.ts'
import { NULL } from '../../../memory/layout.ts'
import { LengthMark } from '../rdb-format.ts'
import { type RdbInput, RdbString } from '../rdb-input.ts'
import type { RdbEntry, RdbTarget } from '../rdb-target.ts'
import { BytesSource, type RdbWriter } from '../rdb-writer.ts'
import { UNCHECKED } from '../stream-nodes.ts'
import type { StreamTarget } from '../stream-target.ts'
import type { LeafReader, ValueEncoder, ValueView } from '../value-view.ts'

/** The forms, by type byte. */
export const StreamForm = { First: 15, Counted: 19, Active: 21 } as const
export type StreamForm = (typeof StreamForm)[keyof typeof StreamForm]

const ORDERED = { isOrdered: true } as const
const TWO_32 = 0x100000000
const SAFE_HIGH_MAX = 0x1fffff
/** A length of 64 bits: its mark, and the number. */
const WIDE_BYTES = 9
const TIME_BYTES = 8
/** Longer nodes, of streams whose nodes have no bound, are written block by block. */
const SHORT_NODE_MAX = 64 * 1024

export const streamEncoder: ValueEncoder = {
  rdbType: () => StreamForm.Counted,
  writePacked(writer, value) {
    const nodes = IDLE.pop() ?? new NodeRun()
    const { words, tail } = nodes.openPacked(value)
    writer.length(nodes.left)
    if (nodes.left > 0) {
      let isLeft = true
      while (isLeft) {
        isLeft = nodes.addEntries()
        const isWritten = endNode(writer, nodes)
        assert(isWritten, 'a node of a small stream is short')
      }
    }
    writer.length(nodes.live)
    writeId(writer, words, tail + PackedWord.LastId)
    writeId(writer, nodes.firstId.words, 0)
    writeId(writer, words, tail + PackedWord.DeletedId)
    writeU64(writer, words[tail + PackedWord.Added + 1]!, words[tail + PackedWord.Added]!)
    writer.length(0)
    IDLE.push(nodes)
  },
  *writeLeaves(writer, value, root) {
    const nodes = IDLE.pop() ?? new NodeRun()
    try {
      yield* writeNodes(writer, value, { nodes, first: root[RootWord.Chain + ChainWord.First]! })
      writer.length(root[RootWord.Chain + ChainWord.Count]!)
      writeId(writer, root, StreamWord.LastId)
      writeId(writer, nodes.firstId.words, 0)
    } finally {
      IDLE.push(nodes)
    }
    writeId(writer, root, StreamWord.DeletedId)
    writeU64(writer, root[StreamWord.Added + 1]!, root[StreamWord.Added]!)
    writer.length(root[StreamWord.Groups + ChainWord.Count]!)
    const group = root[StreamWord.Groups + ChainWord.First]!
    if (group !== NULL) yield* writeGroups(writer, value, group)
  },
}

/** What one stream needs while its entries are put together to nodes, across steps. */
class NodeRun {
  readonly cursor = new EntryCursor()
  /** The first live entry's ID; 0-0 as long as there is none. */
  readonly firstId = new StreamId()
  readonly node = new NodeListpack()
  /** Nodes that are still to end. */
  left = 0
  #isAtEntry = false

  /** Live entries of a packed stream. */
  live = 0
  readonly #packed = new PackedParts()

  /** Begins with the entries of a packed stream. Returns its parts, which become others. */
  openPacked(value: ByteRange): PackedParts {
    const packed = this.#packed.read(value)
    const at = packed.start / 4
    this.firstId.setMin()
    this.node.begin()
    this.left = packed.hasEntries ? packed.words[at + EntryWord.Nodes]! : 0
    this.live = packed.hasEntries ? packed.words[at + LeafWord.Count]! : 0
    if (packed.hasEntries) this.enterLeaf(packed)
    return packed
  }

  /** Begins with the entries of a leaf. */
  enterLeaf({ words, bytes, start }: Pick<LeafReader, 'words' | 'bytes' | 'start'>): void {
    this.#isAtEntry = this.cursor.openLeaf(words, bytes, start).first()
    this.node.enterLeaf()
  }

  /** Adds entries up to the end of the node, which is to be written then; false: of the leaf. */
  addEntries(): boolean {
    const { cursor, node, firstId } = this
    for (; this.#isAtEntry; this.#isAtEntry = cursor.next()) {
      if (cursor.isNodeStart && !node.isEmpty) return true
      if (!cursor.isDeleted && firstId.isZero) firstId.setTo(cursor.id)
      node.add(cursor)
    }
    return false
  }
}

/**
 * Runs to be used again, as each has a buffer of 64 KiB: as many as there were streams written at
 * the same time, that of a save and that of a DUMP meanwhile.
 */
const IDLE: NodeRun[] = []
/** Of the writing side alone: a step of it may run while a stream is read or built. */
const WRITTEN = new Uint8Array(ID_BYTES)
const MASTER = new StreamId()

/** Writes the nodes; leaves the first live entry's ID in the run. */
function* writeNodes(
  writer: RdbWriter,
  value: ValueView,
  { nodes, first }: { readonly nodes: NodeRun; readonly first: number },
): Steps {
  const { firstId } = nodes
  const reader = value.reader(0)
  firstId.setMin()
  reader.open(first, ORDERED)
  let isThere = reader.next()
  nodes.left = isThere ? reader.words[reader.start / 4 + EntryWord.Nodes]! : 0
  writer.length(nodes.left)
  nodes.node.begin()
  while (isThere) {
    const { words, start } = reader
    const span = words[start / 4 + EntryWord.Span]!
    if (span === NULL) {
      nodes.enterLeaf(reader)
      while (nodes.addEntries()) {
        if (!endNode(writer, nodes)) yield* writeLongNode(writer, nodes)
      }
    } else {
      if (!nodes.node.isEmpty && !endNode(writer, nodes)) yield* writeLongNode(writer, nodes)
      nodes.left--
      MASTER.setWords(words, start / 4 + PAYLOAD_WORD)
      if (firstId.isZero) firstId.setTo(MASTER)
      writeKey(writer, words, start / 4 + PAYLOAD_WORD)
      yield* value.elementSteps(writer, span, words[start / 4 + LeafWord.Used]!)
    }
    // Most streams have one leaf, and are not left.
    isThere = reader.next()
    if (isThere) yield
  }
  if (!nodes.node.isEmpty && !endNode(writer, nodes)) yield* writeLongNode(writer, nodes)
  assert(nodes.left === 0, 'nodes are counted')
}

/** Writes the node that has begun; false: it is long, and only its ID has been written. */
function endNode(writer: RdbWriter, nodes: NodeRun): boolean {
  const { node } = nodes
  assert(!node.isEmpty, 'a node has entries')
  nodes.left--
  node.finish()
  writeKey(writer, node.master.words, 0)
  if (node.length > SHORT_NODE_MAX) return false
  writer.string(node.bytes, node.start, node.length)
  node.begin()
  return true
}

function* writeLongNode(writer: RdbWriter, { node }: NodeRun): Steps {
  yield* writer.stringSteps(node.length, new BytesSource(node.bytes, node.start))
  node.begin()
}

function* writeGroups(writer: RdbWriter, value: ValueView, first: number): Steps {
  const reader = value.reader(0)
  reader.open(first, ORDERED)
  while (reader.next()) {
    const { words, start } = reader
    const limit = start / 4 + PAYLOAD_WORD + words[start / 4 + LeafWord.Used]! / 4
    let at = start / 4 + PAYLOAD_WORD
    for (; at < limit; at += words[at + RecordWord.Bytes]! / 4) {
      const facts = at + RecordWord.Facts
      yield* writeName(writer, value, reader, { at, factWords: GROUP_WORDS })
      writeId(writer, words, facts + GroupWord.LastId)
      writeU64(writer, words[facts + GroupWord.Read + 1]!, words[facts + GroupWord.Read]!)
      yield* writePending(writer, value, words, facts + GroupWord.Pending)
      yield* writeConsumers(writer, value, words, facts)
    }
    yield
  }
}

function* writePending(
  writer: RdbWriter,
  value: ValueView,
  chain: Uint32Array,
  chainAt: number,
): Steps {
  const reader = value.reader(1)
  writer.length(chain[chainAt + ChainWord.Count]!)
  reader.open(chain[chainAt + ChainWord.First]!, ORDERED)
  while (reader.next()) {
    const { words, start } = reader
    let at = start / 4 + PAYLOAD_WORD
    for (let i = words[start / 4 + LeafWord.Count]!; i > 0; i--) {
      writeRawId(writer, words, at + PendingWord.Id)
      writeTime(writer, words, at + PendingWord.Time)
      writer.length(words[at + PendingWord.Count]!)
      at += PENDING_WORDS
    }
    yield
  }
}

/** Writes the consumers of the group whose facts start at `group[facts]`, with what they own. */
function* writeConsumers(
  writer: RdbWriter,
  value: ValueView,
  group: Uint32Array,
  facts: number,
): Steps {
  const reader = value.reader(1)
  const owned = value.reader(2)
  writer.length(group[facts + GroupWord.Consumers + ChainWord.Count]!)
  owned.open(group[facts + GroupWord.Owned + ChainWord.First]!, ORDERED)
  reader.open(group[facts + GroupWord.Consumers + ChainWord.First]!, ORDERED)
  const place = { at: 0, left: 0 }
  while (reader.next()) {
    const { words, start } = reader
    const limit = start / 4 + PAYLOAD_WORD + words[start / 4 + LeafWord.Used]! / 4
    let at = start / 4 + PAYLOAD_WORD
    for (; at < limit; at += words[at + RecordWord.Bytes]! / 4) {
      const count = words[at + RecordWord.Facts + ConsumerWord.Pending]!
      yield* writeName(writer, value, reader, { at, factWords: CONSUMER_WORDS })
      writeTime(writer, words, at + RecordWord.Facts + ConsumerWord.Seen)
      writer.length(count)
      for (let left = count; left > 0; ) {
        left -= writeOwned(writer, owned, place, left)
        if (left > 0) yield
      }
    }
    yield
  }
}

/**
 * Writes up to `count` of the owned IDs that come next, none beyond the end of a leaf; returns how
 * many. Consumers and what they own are both in the order of numbers.
 */
function writeOwned(
  writer: RdbWriter,
  reader: LeafReader,
  place: { at: number; left: number },
  count: number,
): number {
  if (place.left === 0) {
    const isThere = reader.next()
    assert(isThere, 'what a consumer owns is counted')
    place.at = reader.start / 4 + PAYLOAD_WORD
    place.left = reader.words[reader.start / 4 + LeafWord.Count]!
  }
  const written = Math.min(count, place.left)
  for (let i = 0; i < written; i++) {
    writeRawId(writer, reader.words, place.at + 1)
    place.at += OWNED_WORDS
  }
  place.left -= written
  return written
}

function* writeName(
  writer: RdbWriter,
  value: ValueView,
  { words, bytes }: LeafReader,
  record: { readonly at: number; readonly factWords: number },
): Steps {
  const { at, factWords } = record
  const length = words[at + RecordWord.NameLength]!
  const span = words[at + RecordWord.NameSpan]!
  if (span !== NULL) yield* value.elementSteps(writer, span, length)
  else writer.string(bytes, (at + RecordWord.Facts + factWords) * 4, length)
}

/** An ID as two lengths. */
function writeId(writer: RdbWriter, words: Uint32Array, at: number): void {
  writeU64(writer, words[at]!, words[at + 1]!)
  writeU64(writer, words[at + 2]!, words[at + 3]!)
}

function writeU64(writer: RdbWriter, high: number, low: number): void {
  if (high <= SAFE_HIGH_MAX) {
    writer.length(high * TWO_32 + low)
    return
  }
  WRITTEN[0] = LengthMark.Bits64
  for (let i = 0; i < 4; i++) {
    WRITTEN[1 + i] = high >>> (24 - 8 * i)
    WRITTEN[5 + i] = low >>> (24 - 8 * i)
  }
  writer.raw(WRITTEN, 0, WIDE_BYTES)
}

/** An ID as a string of 16 bytes. */
function writeKey(writer: RdbWriter, words: Uint32Array, at: number): void {
  writeIdBytes(words, at, WRITTEN, 0)
  writer.string(WRITTEN, 0, ID_BYTES)
}

function writeRawId(writer: RdbWriter, words: Uint32Array, at: number): void {
  writeIdBytes(words, at, WRITTEN, 0)
  writer.raw(WRITTEN, 0, ID_BYTES)
}

/** A time, low word first. */
function writeTime(writer: RdbWriter, words: Uint32Array, at: number): void {
  for (let i = 0; i < TIME_BYTES; i++) WRITTEN[i] = words[at + (i >>> 2)]! >>> (8 * (i & 3))
  writer.raw(WRITTEN, 0, TIME_BYTES)
}

const SCRATCH = new Uint8Array(ID_BYTES)
const STRING = new RdbString()
const TIME = new Int64()
const COUNTER = new Uint32Array(2)
const ID = new StreamId()
const LAST_ID = new StreamId()
const DELETED_ID = new StreamId()

/** The reader of one form. */
export function streamReader(
  form: StreamForm,
): (input: RdbInput, entry: RdbEntry, target: RdbTarget) => void {
  return (input, entry, target) => {
    const stream = target.onStream(entry)
    const live = readNodes(input, stream)
    readFacts(input, form, stream, live)
    for (let left = input.length('count of groups'); left > 0; left--) {
      readGroup(input, form, stream)
    }
    stream?.onStreamEnd()
  }
}

/** Reads the nodes; returns how many live entries they have. */
function readNodes(input: RdbInput, stream: StreamTarget | null): number {
  let sum = 0
  LAST_ID.setMin()
  for (let left = input.length('count of stream nodes'); left > 0; left--) {
    const keyAt = input.position
    input.string(STRING, 'stream node key')
    if (STRING.length !== ID_BYTES) {
      throw input.corrupt('stream node key', keyAt, `${STRING.length} bytes`, `${ID_BYTES}`)
    }
    MASTER.setBytes(STRING.bytes, STRING.start)
    const nodeAt = input.position
    input.string(STRING, 'stream node')
    const known = input.nodes.check(MASTER, STRING, LAST_ID)
    const isTakable = known !== UNCHECKED
    const live = isTakable ? known : checkListpack(MASTER, STRING, LAST_ID)
    if (live === DAMAGED) {
      const expected = 'entries in their order: Stream listpack integrity check failed'
      throw input.corrupt('stream node', nodeAt, 'a damaged listpack', expected)
    }
    stream?.onNode(MASTER, STRING, live, isTakable ? input.nodes : null)
    sum += live
  }
  return sum
}

function readFacts(
  input: RdbInput,
  form: StreamForm,
  stream: StreamTarget | null,
  live: number,
): void {
  const position = input.position
  const length = input.length('stream length')
  if (length !== live) {
    throw input.corrupt('stream length', position, `${length}`, `${live}, as its nodes have`)
  }
  ID.setTo(LAST_ID)
  const lastAt = input.position
  readId(input, LAST_ID, 'last ID of a stream')
  if (LAST_ID.compare(ID) < 0) {
    throw input.corrupt('last ID of a stream', lastAt, `${LAST_ID}`, `at least ${ID}`)
  }
  DELETED_ID.setMin()
  let added: I64 = length
  if (form !== StreamForm.First) {
    readId(input, ID, 'first ID of a stream')
    readId(input, DELETED_ID, 'deleted ID of a stream')
    added = readCounter(input, 'entries added to a stream')
  }
  stream?.onFacts({ lastId: LAST_ID, deletedId: DELETED_ID, added })
}

function readGroup(input: RdbInput, form: StreamForm, stream: StreamTarget | null): void {
  const position = input.position
  input.string(STRING, 'name of a group')
  // The name is gone with the next read.
  const name = copyOf(STRING)
  readId(input, ID, 'last ID of a group')
  const isCounted = form !== StreamForm.First
  const read = isCounted ? readCounter(input, 'entries read by a group') : null
  const isNew = stream?.onGroup(name, ID, read) ?? true
  if (!isNew) throw input.corrupt('name of a group', position, 'a name twice', 'each name once')
  for (let left = input.length('count of pending entries'); left > 0; left--) {
    readPending(input, stream)
  }
  for (let left = input.length('count of consumers'); left > 0; left--) {
    readConsumer(input, form, stream)
  }
  const isWhole = stream?.onGroupEnd() ?? true
  if (isWhole) return
  throw input.corrupt('group', input.position, 'a pending entry of nobody', 'a consumer of each')
}

function readPending(input: RdbInput, stream: StreamTarget | null): void {
  const position = input.position
  readRawId(input, ID)
  const timeMs = readTime(input, 'time of a delivery')
  const deliveries = input.length('count of deliveries')
  const isNew = stream?.onPending(ID, timeMs, deliveries) ?? true
  if (!isNew) throw input.corrupt('pending entry', position, `${ID} twice`, 'each ID once')
}

function readConsumer(input: RdbInput, form: StreamForm, stream: StreamTarget | null): void {
  const position = input.position
  input.string(STRING, 'name of a consumer')
  const name = copyOf(STRING)
  const seenMs = readTime(input, 'time of a consumer')
  if (form === StreamForm.Active) input.int64('time of a consumer')
  const isNew = stream?.onConsumer(name, seenMs) ?? true
  if (!isNew) {
    throw input.corrupt('consumer', position, 'Duplicate stream consumer detected', 'each once')
  }
  for (let left = input.length('count of a consumer’s entries'); left > 0; left--) {
    const idAt = input.position
    readRawId(input, ID)
    const isPending = stream?.onOwned(ID) ?? true
    if (!isPending) throw input.corrupt('consumer’s entry', idAt, `${ID}`, 'a pending one')
  }
}

function readId(input: RdbInput, out: StreamId, what: string): void {
  input.wideWords(what, out.words, 0)
  input.wideWords(what, out.words, 2)
}

function readRawId(input: RdbInput, out: StreamId): void {
  for (let i = 0; i < ID_BYTES; i++) SCRATCH[i] = input.byte('ID of a stream entry')
  out.setBytes(SCRATCH, 0)
}

/** A time as it is: a damaged one may be any of 64 bits. */
function readTime(input: RdbInput, what: string): I64 {
  for (let i = 0; i < TIME_BYTES; i++) SCRATCH[i] = input.byte(what)
  TIME.low = wordAt(0)
  TIME.high = wordAt(4)
  return TIME.value
}

/** The little-endian word in the scratch bytes. */
function wordAt(at: number): number {
  const upper = (SCRATCH[at + 3]! << 24) | (SCRATCH[at + 2]! << 16)
  return upper | (SCRATCH[at + 1]! << 8) | SCRATCH[at]!
}

/** A length of 64 bits, whose highest is a sign. */
function readCounter(input: RdbInput, what: string): I64 {
  input.wideWords(what, COUNTER, 0)
  TIME.low = COUNTER[1]! | 0
  TIME.high = COUNTER[0]! | 0
  return TIME.value
}

function copyOf({ bytes, start, length }: RdbString): RdbString {
  const copy = new RdbString()
  copy.bytes = bytes.slice(start, start + length)
  copy.length = length
  return copy
}
