// Picking entries of a dict at random: one, or a sample of some. Functions over the words of a
// segment (dict.ts draws it).
//
// A sample takes whole buckets. Which bucket a key lies in follows from its hash, so that keys of
// one bucket have nothing in common, and each key comes up as often as its bucket: all with the
// same chance, for one cache line and one random number in about eight keys.

import { assert } from '../base/assert.ts'
import type { Random } from '../base/random.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import { SLOTS } from './dict-bucket.ts'

/** Records picked at random, valid until the next change of the keyspace. */
export class Sample {
  readonly wanted: number
  /** The first `count` are set: those wanted, and what else lay in the last bucket. */
  readonly records: Uint32Array
  count = 0

  constructor(wanted: number) {
    assert(wanted > 0, 'a sample has records')
    this.wanted = wanted
    this.records = new Uint32Array(wanted + SLOTS - 1)
  }

  /** Whether there are fewer records than wanted. */
  get lacks(): boolean {
    return this.count < this.wanted
  }

  /** Takes all entries of the bucket at `words[at]`. */
  take(words: Uint32Array, at: number): void {
    for (let slot = 0; slot < SLOTS; slot++) {
      const record = words[at + slot]!
      if (record !== NULL) this.records[this.count++] = record
    }
  }
}

/** An entry of the bucket at `words[at]`, picked at random; NULL when it is empty. */
export function randomEntry(words: Uint32Array, at: number, random: Random): Ptr {
  let filled = 0
  for (let slot = 0; slot < SLOTS; slot++) if (words[at + slot] !== NULL) filled++
  if (filled === 0) return NULL
  let rank = random.below(filled)
  for (let slot = 0; slot < SLOTS; slot++) {
    const record = words[at + slot]!
    if (record !== NULL && rank-- === 0) return record
  }
  return NULL
}
