// Lists in RDB streams.
//
// Written: a packed list is a quicklist of one node; a list in leaves has one node per leaf, each a
// listpack as it lies (type 18). One that refers to elements too large for a leaf is written
// element by element (type 1): how many nodes it would be stands nowhere, and must come first.
// Read: all forms that Redis has written: 1, a count and strings; 10, a ziplist; 14 and 18,
// quicklists of ziplists and of listpacks or single elements (packed-reader.ts).

import { type ByteRange, Slice, scratchSlice } from '../../../base/slice.ts'
import type { Steps } from '../../../base/steps.ts'
import { type AdoptedName, nameOfList } from '../../../keyspace/adopted-value.ts'
import type { Database } from '../../../keyspace/database.ts'
import type { EncodingLimits } from '../../../keyspace/encoding-limits.ts'
import { ListDraft } from '../../../keyspace/list/list-draft.ts'
import {
  isReference,
  ListRootWord,
  listpackStart,
  referenceLength,
  referenceSpan,
} from '../../../keyspace/list/list-entry.ts'
import {
  endOf,
  entryBytes,
  HEADER_BYTES,
  readEntry,
  totalBytes,
} from '../../../keyspace/packed/listpack.ts'
import { scratchEntry } from '../../../keyspace/packed/packed.ts'
import { Type } from '../../../keyspace/record.ts'
import { ChainWord, RootWord } from '../../../keyspace/root.ts'
import { NULL, type Ptr } from '../../../memory/layout.ts'
import { PackedReader, QuicklistForm } from '../packed-reader.ts'
import { PackedKind } from '../packed-walker.ts'
import type { RdbInput } from '../rdb-input.ts'
import type { PackedValue, RdbEntry, RdbTarget } from '../rdb-target.ts'
import type { RdbWriter } from '../rdb-writer.ts'
import type { BuildOptions, ValueBuilder } from '../value-builder.ts'
import type { LeafReader, ValueEncoder, ValueView } from '../value-view.ts'
import { writeEntry } from './set.ts'

const TYPE_LIST = 1
const TYPE_QUICKLIST = 18
/** What a node of a quicklist says of itself: a listpack. */
const NODE_PACKED = 2
const WHAT = 'list element'

/** Of the writing side alone: a step of it may run while a list is read or built. */
const WRITTEN = scratchEntry()

const ENTRY = scratchEntry()
const ELEMENT = scratchSlice()
const READER = new PackedReader()

/** How lists are written. */
export const listEncoder: ValueEncoder = {
  rdbType: ({ root }) => (root !== null && hasReferences(root) ? TYPE_LIST : TYPE_QUICKLIST),
  writePacked: (writer, { bytes, start, length }) => {
    writer.length(1)
    writer.length(NODE_PACKED)
    writer.string(bytes, start, length)
  },
  writeLeaves: (writer, value, root) =>
    hasReferences(root) ? writeElements(writer, value, root) : writeNodes(writer, value, root),
}

function hasReferences(root: Uint32Array): boolean {
  return root[ListRootWord.References]! > 0
}

function openLeaves(value: ValueView, root: Uint32Array): LeafReader {
  const leaves = value.reader(0)
  leaves.open(root[RootWord.Chain + ChainWord.First]!, { isOrdered: true })
  return leaves
}

function* writeNodes(writer: RdbWriter, value: ValueView, root: Uint32Array): Steps {
  writer.length(root[RootWord.Chain + ChainWord.Leaves]!)
  const leaves = openLeaves(value, root)
  while (leaves.next()) {
    const start = listpackStart(leaves.words, leaves.start / 4)
    writer.length(NODE_PACKED)
    writer.string(leaves.bytes, start, totalBytes(leaves.bytes, start))
    yield
  }
}

function* writeElements(writer: RdbWriter, value: ValueView, root: Uint32Array): Steps {
  writer.length(root[RootWord.Chain + ChainWord.Count]!)
  const leaves = openLeaves(value, root)
  while (leaves.next()) {
    const { bytes } = leaves
    const start = listpackStart(leaves.words, leaves.start / 4)
    const limit = endOf(bytes, start)
    for (let at = start + HEADER_BYTES; at < limit; at += entryBytes(bytes, at)) {
      if (isReference(bytes, at)) {
        yield* value.elementSteps(writer, referenceSpan(bytes, at), referenceLength(bytes, at))
        continue
      }
      readEntry(bytes, at, WRITTEN)
      writeEntry(writer, WRITTEN)
    }
    yield
  }
}

/** Type 1: a count, and that many strings. */
export function readList(input: RdbInput, entry: RdbEntry, target: RdbTarget): void {
  const count = input.length('list length')
  if (count === 0) return target.onEmpty?.(entry)
  const elements = target.onCollection(entry, Type.List, count)
  for (let i = 0; i < count; i++) {
    input.string(entry.value, WHAT)
    elements?.onElement(entry.value)
  }
  elements?.onCollectionEnd()
}

/** Type 10: a ziplist. */
export function readZiplistList(input: RdbInput, entry: RdbEntry, target: RdbTarget): void {
  READER.openValue(input, PackedKind.Ziplist, 'list')
  readPacked(entry, target)
}

/** Type 14: a quicklist of ziplists. */
export function readQuicklist(input: RdbInput, entry: RdbEntry, target: RdbTarget): void {
  READER.openQuicklist(input, QuicklistForm.Ziplists, 'list')
  readPacked(entry, target)
}

/** Type 18: a quicklist of listpacks and single elements. */
export function readQuicklist2(input: RdbInput, entry: RdbEntry, target: RdbTarget): void {
  READER.openQuicklist(input, QuicklistForm.Containers, 'list')
  readPacked(entry, target)
}

/** Hands on what the reader finds; nothing, when it finds nothing. */
function readPacked(entry: RdbEntry, target: RdbTarget): void {
  if (READER.count === 0 && !READER.nextNode()) return target.onEmpty?.(entry)
  const isWhole = READER.nodesLeft === 0 && READER.kind === PackedKind.Listpack
  if (isWhole && target.onPacked?.(entry, Type.List, READER.value)) return READER.forget()
  const elements = target.onCollection(entry, Type.List, READER.count)
  do {
    if (READER.kind === PackedKind.Listpack && elements?.onListpack) {
      elements.onListpack(READER.value)
    } else while (READER.nextInNode(ENTRY)) elements?.onElement(ENTRY.textInto(ELEMENT))
  } while (READER.nextNode())
  elements?.onCollectionEnd()
}

/** Makes lists of elements, for loading and RESTORE. */
export class ListBuilder implements ValueBuilder {
  readonly #draft = new ListDraft()
  readonly #key = new Slice()
  #db: Database | null = null

  nameOf(value: PackedValue, limits: EncodingLimits): AdoptedName {
    return nameOfList(value, limits)
  }

  begin(db: Database, key: Slice, options: BuildOptions): void {
    this.#draft.discard()
    this.#draft.begin(db, options.limits)
    this.#key.setTo(key)
    this.#db = db
  }

  onElement(element: ByteRange): void {
    try {
      this.#draft.add(element)
    } catch (error) {
      this.#draft.discard()
      throw error
    }
  }

  onListpack(listpack: ByteRange): void {
    try {
      this.#draft.addListpack(listpack)
    } catch (error) {
      this.#draft.discard()
      throw error
    }
  }

  onField(): void {}

  onMember(): void {}

  discard(): void {
    this.#draft.discard()
    this.#key.forget()
    this.#db = null
  }

  end(): Ptr {
    const db = this.#db
    this.#db = null
    try {
      return db === null || this.#draft.count === 0 ? NULL : this.#draft.put(db, this.#key)
    } finally {
      this.#draft.discard()
      this.#key.forget()
    }
  }
}
