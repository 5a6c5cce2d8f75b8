// Buckets of a dict segment: dict.ts draws them. Functions over the words of a segment, where `at`
// is the index of a bucket's first word and `base` that of the segment's.
// Invariant: a free slot has fingerprint 0, and its displaced bit is clear.

import { assert } from '../base/assert.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import type { KeyHash } from './key-hash.ts'

export const SLOTS = 12
export const BUCKETS = 64
export const HOMES = 60
export const BUCKET_WORDS = 16
const FINGERPRINT_BYTE = 48
export const META_WORD = 15
export const DEPTH_WORD = HOMES * BUCKET_WORDS + META_WORD
export const COUNT_WORD = (HOMES + 1) * BUCKET_WORDS + META_WORD
export const CAPACITY = SLOTS * BUCKETS
export const STASH_SHIFT = 12
export const AWAY_SHIFT = 16
export const AWAY_ONE = 1 << AWAY_SHIFT

export function homeOf(low: number): number {
  return ((low & 0xffff) * HOMES) >>> 16
}

export function nextHome(home: number): number {
  return home === HOMES - 1 ? 0 : home + 1
}

/** The first free slot of a bucket, or SLOTS. */
export function freeSlot(words: Uint32Array, at: number): number {
  let slot = 0
  while (slot < SLOTS && words[at + slot] !== NULL) slot++
  return slot
}

export function fingerprintAt(words: Uint32Array, at: number, slot: number): number {
  return (words[at + FINGERPRINT_BYTE / 4 + (slot >>> 2)]! >>> ((slot & 3) * 8)) & 0xff
}

export function setFingerprint(words: Uint32Array, at: number, slot: number, value: number): void {
  const word = at + FINGERPRINT_BYTE / 4 + (slot >>> 2)
  const shift = (slot & 3) * 8
  words[word] = ((words[word]! & ~(0xff << shift)) | (value << shift)) >>> 0
}

/** Stores an entry in a segment; false when its home, the next bucket and the stash are full. */
export function placeEntry(words: Uint32Array, base: number, record: Ptr, low: number): boolean {
  const home = homeOf(low)
  const homeMeta = base + home * BUCKET_WORDS + META_WORD
  let at = base + home * BUCKET_WORDS
  let slot = freeSlot(words, at)
  if (slot === SLOTS) {
    at = base + nextHome(home) * BUCKET_WORDS
    slot = freeSlot(words, at)
    if (slot < SLOTS) {
      words[at + META_WORD] = words[at + META_WORD]! | (1 << slot)
      words[homeMeta] = words[homeMeta]! + AWAY_ONE
    }
  }
  for (let stash = 0; slot === SLOTS && stash < BUCKETS - HOMES; stash++) {
    at = base + (HOMES + stash) * BUCKET_WORDS
    slot = freeSlot(words, at)
    if (slot < SLOTS) words[homeMeta] = words[homeMeta]! | (1 << (STASH_SHIFT + stash))
  }
  if (slot === SLOTS) return false
  words[at + slot] = record
  setFingerprint(words, at, slot, low >>> 24)
  words[base + COUNT_WORD] = words[base + COUNT_WORD]! + 1
  return true
}

/** Whether the record is an entry of the segment, at a place where that hash leads to. */
export function holdsEntry(words: Uint32Array, base: number, record: Ptr, low: number): boolean {
  const home = homeOf(low)
  for (let turn = 0; turn < 2 + BUCKETS - HOMES; turn++) {
    const bucket = turn === 0 ? home : turn === 1 ? nextHome(home) : HOMES + turn - 2
    const at = base + bucket * BUCKET_WORDS
    for (let slot = 0; slot < SLOTS; slot++) if (words[at + slot] === record) return true
  }
  return false
}

/**
 * Walks a segment's invariants and returns its count of entries. `prefix` is where the segment
 * stands among those of its depth.
 */
export function checkSegment(
  words: Uint32Array,
  base: number,
  prefix: number,
  hashOf: (record: Ptr) => KeyHash,
): number {
  const depth = words[base + DEPTH_WORD]!
  let count = 0
  const away = new Uint32Array(HOMES)
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    for (let slot = 0; slot < SLOTS; slot++) {
      const at = base + bucket * BUCKET_WORDS
      const record = words[at + slot]!
      if (record === NULL) continue
      count++
      const { high, low } = hashOf(record)
      assert(depth === 0 || high >>> (32 - depth) === prefix, 'an entry is in its segment')
      assert(fingerprintAt(words, at, slot) === low >>> 24, 'fingerprints are true')
      const home = homeOf(low)
      const meta = words[base + home * BUCKET_WORDS + META_WORD]!
      if (bucket >= HOMES) {
        assert((meta & (1 << (STASH_SHIFT + bucket - HOMES))) !== 0, 'stash bits are true')
        continue
      }
      const isDisplaced = (words[at + META_WORD]! & (1 << slot)) !== 0
      assert(bucket === (isDisplaced ? nextHome(home) : home), 'displaced bits are true')
      if (isDisplaced) away[home] = away[home]! + 1
    }
  }
  for (let home = 0; home < HOMES; home++) {
    const meta = words[base + home * BUCKET_WORDS + META_WORD]!
    assert(((meta >>> AWAY_SHIFT) & 15) === away[home], 'displaced entries are counted')
  }
  assert(words[base + COUNT_WORD] === count, 'a segment counts its entries')
  return count
}

/** Where an entry stands. */
export interface Slot {
  table: Ptr
  /** Index of the slot's word in its arena segment. */
  word: number
  bucket: number
  home: number
}

/** Result of the last slot search; one is enough, as a search is used up before the next. */
export const SLOT: Slot = { table: NULL, word: 0, bucket: 0, home: 0 }
