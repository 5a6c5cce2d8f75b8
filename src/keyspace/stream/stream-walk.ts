// The live entries of a stream from one ID to another, forwards or backwards. The stream must not
// change while it is walked, but its groups may.

import { NULL, type Ptr } from '../../memory/layout.ts'
import { LeafWord, nodeWord } from '../root.ts'
import { EntryCursor } from './entry-leaf.ts'
import type { Streams } from './stream.ts'
import { StreamId } from './stream-id.ts'

export class StreamWalk {
  /** At the entry that `next` led to. */
  readonly cursor = new EntryCursor()
  readonly #from = new StreamId()
  readonly #to = new StreamId()
  #streams: Streams | null = null
  #leaf: Ptr = NULL
  #isBackward = false
  #hasBegun = false

  /** Goes before the first entry of the range, which ends with `to`, included. */
  openForward(streams: Streams, from: StreamId, to: StreamId): this {
    this.#open(streams, from, to)
    this.#leaf = streams.leafAt(from)
    this.#isBackward = false
    return this
  }

  /** Goes behind the last entry of the range, which begins with `from`, included. */
  openBackward(streams: Streams, from: StreamId, to: StreamId): this {
    this.#open(streams, from, to)
    this.#leaf = streams.leafAt(to)
    this.#isBackward = true
    return this
  }

  /** Leads the cursor to the next live entry; false: there is none. O(1), but for deleted ones. */
  next(): boolean {
    let found = this.#hasBegun ? this.#step() : this.#begin()
    while (found && this.cursor.isDeleted) found = this.#step()
    if (!found) return false
    const { id } = this.cursor
    return this.#isBackward ? id.compare(this.#from) >= 0 : id.compare(this.#to) <= 0
  }

  #open(streams: Streams, from: StreamId, to: StreamId): void {
    this.#streams = streams
    this.#from.setTo(from)
    this.#to.setTo(to)
    this.#hasBegun = false
  }

  #begin(): boolean {
    this.#hasBegun = true
    if (this.#leaf === NULL || this.#streams === null) return false
    const cursor = this.cursor.open(this.#streams.arena, this.#leaf)
    const found = this.#isBackward ? cursor.seekBack(this.#to) : cursor.seek(this.#from)
    return found || this.#enterNext()
  }

  #step(): boolean {
    const found = this.#isBackward ? this.cursor.previous() : this.cursor.next()
    return found || this.#enterNext()
  }

  /** Goes on in the next leaf. */
  #enterNext(): boolean {
    if (this.#streams === null) return false
    const { arena } = this.#streams
    const word = this.#isBackward ? LeafWord.Previous : LeafWord.Next
    this.#leaf = nodeWord(arena, this.#leaf, word)
    if (this.#leaf === NULL) return false
    this.cursor.open(arena, this.#leaf)
    return this.#isBackward ? this.cursor.last() : this.cursor.first()
  }
}
