// Packed values as an RDB stream holds them: one string, or, for lists since Redis 3.2, a
// quicklist, which is a count of nodes and then the nodes:
//
//    first form (type 14)    string of a ziplist
//    second form (type 18)   length 1 and a string that is one element, or
//                            length 2 and a string of a listpack
//
// The reader gives elements one after the other and reads node after node for it; an element is
// valid until the next call. Whatever is damaged throws RDB_CORRUPT with place and kind, a node
// before any of its elements is given. A node without elements counts for nothing, as in Redis.

import { EMPTY_BYTES } from '../../base/bytes.ts'
import type { Survey } from '../../keyspace/packed/listpack-survey.ts'
import type { PackedEntry } from '../../keyspace/packed/packed.ts'
import { ListpackState } from './kernels.ts'
import { PACKED_KIND_NAMES, PackedKind, PackedWalker } from './packed-walker.ts'
import type { RdbInput } from './rdb-input.ts'
import type { PackedValue } from './rdb-target.ts'

/** Forms of a quicklist in a file. */
export const QuicklistForm = { Ziplists: 1, Containers: 2 } as const
export type QuicklistForm = (typeof QuicklistForm)[keyof typeof QuicklistForm]

const CONTAINER_PLAIN = 1
const CONTAINER_PACKED = 2
/** Types in Redis's messages. */
const TYPE_WORDS: Readonly<Record<string, string>> = {
  list: 'List',
  set: 'Set',
  hash: 'Hash',
  'sorted set': 'Zset',
}
const FORM_ALONE: ReadonlySet<string> = new Set(['zipmap', 'intset'])

/** A packed value as it lies in the reader's memory. */
class PackedBytes implements PackedValue {
  kind: PackedKind = PackedKind.Plain
  bytes: Uint8Array = EMPTY_BYTES
  start = 0
  length = 0
  /** 0: there is no survey. */
  surveyStride: 0 | 1 | 2 = 0
  hasAscendingValues = false
  readonly survey: Survey = { keys: 0, integers: 0, longestKey: 0, longestValue: 0 }

  get isIntset(): boolean {
    return this.kind === PackedKind.Intset
  }
}

export class PackedReader {
  /** Elements of the one value or, of a quicklist, of the node that is read; 0 before and after. */
  get count(): number {
    return this.#walker.count
  }

  /** The nodes of a quicklist that are not read yet. */
  nodesLeft = 0
  readonly #walker = new PackedWalker()
  readonly #node = new PackedBytes()
  #input: RdbInput | null = null
  #form: QuicklistForm = QuicklistForm.Ziplists
  #what = ''
  #stride: 0 | 1 | 2 = 0

  /**
   * Reads a string that is a packed value of this kind, and goes before its first element. A
   * listpack each `stride`-th element of which is a key is surveyed as it is checked, if it can be.
   */
  openValue(input: RdbInput, kind: PackedKind, what: string, stride: 0 | 1 | 2 = 0): void {
    this.#what = what
    this.#stride = stride
    this.nodesLeft = 0
    this.#input = null
    this.#open(input, kind)
  }

  /** Reads the head of a quicklist; its nodes come with its elements. */
  openQuicklist(input: RdbInput, form: QuicklistForm, what: string): void {
    this.forget()
    this.#what = what
    this.#form = form
    this.#stride = 0
    this.nodesLeft = input.length(`${what} node count`)
    this.#input = input
  }

  /** The bytes of the value or node, all of them checked; valid until the next call. */
  get value(): PackedValue {
    return this.#node
  }

  /** What the value or node is. */
  get kind(): PackedKind {
    return this.#node.kind
  }

  /** Reads the next node of a quicklist that has elements; false, and all is let go: none is. */
  nextNode(): boolean {
    while (this.nodesLeft > 0 && this.#input !== null) {
      this.nodesLeft--
      this.#open(this.#input, this.#nodeKind(this.#input))
      if (this.#walker.count > 0) return true
    }
    this.forget()
    return false
  }

  /** Fills `out` with the next element of the node or value; false behind its last. */
  nextInNode(out: PackedEntry): boolean {
    return this.#walker.next(out)
  }

  /** Fills `out` with the next element, valid until the next call; false behind the last. */
  next(out: PackedEntry): boolean {
    while (!this.#walker.next(out)) if (!this.nextNode()) return false
    return true
  }

  /** Lets go of all bytes: no elements are left. */
  forget(): void {
    this.#walker.forget()
    this.#input = null
    this.nodesLeft = 0
    this.#node.bytes = EMPTY_BYTES
    this.#node.start = 0
    this.#node.length = 0
  }

  #nodeKind(input: RdbInput): PackedKind {
    if (this.#form === QuicklistForm.Ziplists) return PackedKind.Ziplist
    const position = input.position
    const container = input.length(this.#what)
    if (container === CONTAINER_PACKED) return PackedKind.Listpack
    if (container === CONTAINER_PLAIN) return PackedKind.Plain
    const expected = `${CONTAINER_PLAIN} or ${CONTAINER_PACKED}`
    throw input.corrupt(this.#what, position, `container ${container}`, expected)
  }

  #open(input: RdbInput, kind: PackedKind): void {
    const position = input.position
    const node = this.#node
    node.kind = kind
    node.surveyStride = 0
    node.hasAscendingValues = false
    input.string(node, this.#what)
    // Only large elements are nodes of their own.
    if (kind === PackedKind.Plain && node.length === 0) {
      throw input.corrupt(this.#what, position, 'an empty element as a node', 'a large one')
    }
    if (kind === PackedKind.Listpack && this.#survey(input)) return
    if (this.#walker.open(kind, node.bytes, node.start, node.length)) return
    const name = PACKED_KIND_NAMES[kind]
    const expected = `a whole ${name}: ${this.#subject(name)} integrity check failed`
    throw input.corrupt(this.#what, position, `a damaged ${name}`, expected)
  }

  /** Checks a listpack the quick way; false: it is damaged, or the long way must tell. */
  #survey(input: RdbInput): boolean {
    const node = this.#node
    if (input.survey(node, this.#stride) !== ListpackState.Surveyed) return false
    const { surveyed } = input
    node.surveyStride = this.#stride
    node.survey.keys = surveyed[0]!
    node.survey.integers = surveyed[1]!
    node.survey.longestKey = surveyed[2]!
    node.survey.longestValue = surveyed[3]!
    node.hasAscendingValues = surveyed[5] === 1
    this.#walker.openListpack(node.bytes, node.start, node.length, surveyed[4]!)
    return true
  }

  /** What Redis calls a damaged value: nodes, zipmaps and intsets by their form alone. */
  #subject(name: string): string {
    const isNode = this.#input !== null
    const type = isNode || FORM_ALONE.has(name) ? '' : (TYPE_WORDS[this.#what] ?? '')
    return type === '' ? `${name.slice(0, 1).toUpperCase()}${name.slice(1)}` : `${type} ${name}`
  }
}
