// The hash of HyperLogLog: MurmurHash64A with Redis's seed, because sketches of Redis must count on
// here with the same elements. 64 bits are two words, so that an element allocates nothing.
// Source: Austin Appleby's MurmurHash2 for 64-bit machines, read in little-endian order.

import { assert } from '../../base/assert.ts'

const SEED = 0xadc83b19
/** The multiplier, 0xc6a4a7935bd1e995. */
const M_HIGH = 0xc6a4a793
const M_LOW = 0x5bd1e995
const TWO_16 = 65536
/** Lowest bits of the hash, which choose the register. */
const INDEX_BITS = 14
const INDEX_MASK = (1 << INDEX_BITS) - 1

/** The register that the last element hashed falls into, and the rank it asks for: 1 to 51. */
export const PLACE = { index: 0, rank: 0 }

let high = 0
let low = 0

/** Hashes an element and fills PLACE. O(length). */
export function hashElement(bytes: Uint8Array, start: number, length: number): void {
  murmur64(bytes, start, length)
  PLACE.index = low & INDEX_MASK
  // The rank is the place of the lowest one in the other 50 bits; a one behind them ends it.
  const lower = (low >>> INDEX_BITS) | (high << (32 - INDEX_BITS))
  const upper = (high >>> INDEX_BITS) | (1 << (32 - INDEX_BITS))
  PLACE.rank = 1 + (lower === 0 ? 32 + trailingZeros(upper) : trailingZeros(lower))
}

/** The 64 bits of the hash in hexadecimal, for tests. */
export function hashText(bytes: Uint8Array, start: number, length: number): string {
  murmur64(bytes, start, length)
  const words = [high, low].map((word) => (word >>> 0).toString(16).padStart(8, '0'))
  return words.join('')
}

/** Leaves the hash in `high` and `low`. */
function murmur64(bytes: Uint8Array, start: number, length: number): void {
  assert(start + length <= bytes.length, 'an element lies inside its bytes')
  // The seed and the length times the multiplier.
  multiply(0, length)
  let hashHigh = high
  let hashLow = low ^ SEED
  const limit = start + (length & ~7)
  for (let i = start; i < limit; i += 8) {
    multiply(wordAt(bytes, i + 4), wordAt(bytes, i))
    // x ^= x >>> 47
    multiply(high, low ^ (high >>> 15))
    multiply(hashHigh ^ high, hashLow ^ low)
    hashHigh = high
    hashLow = low
  }
  const rest = length & 7
  if (rest > 0) {
    let restHigh = 0
    let restLow = 0
    for (let i = 0; i < rest; i++) {
      const byte = bytes[limit + i]!
      if (i < 4) restLow |= byte << (i * 8)
      else restHigh |= byte << (i * 8 - 32)
    }
    multiply(hashHigh ^ restHigh, hashLow ^ restLow)
    hashHigh = high
    hashLow = low
  }
  multiply(hashHigh, hashLow ^ (hashHigh >>> 15))
  low ^= high >>> 15
}

/** Sets `high` and `low` to the low 64 bits of the number in two words times the multiplier. */
function multiply(aHigh: number, aLow: number): void {
  // Products of 16 and 32 bits are exact in doubles.
  const lower = (aLow & 0xffff) * M_LOW
  const upper = (aLow >>> 16) * M_LOW + Math.floor(lower / TWO_16)
  const carry = Math.floor(upper / TWO_16)
  high = (carry + Math.imul(aHigh, M_LOW) + Math.imul(aLow, M_HIGH)) | 0
  low = Math.imul(aLow, M_LOW)
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

function trailingZeros(word: number): number {
  return 31 - Math.clz32(word & -word)
}
