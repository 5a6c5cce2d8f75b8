// Values that tell whether they are genuine: six digits of a number, a dot, and a piece of a pool
// of letters whose place follows from that number, the length, and the owner (the key, or the key
// and its field). A reply that was cut, mixed up or given for another key does not match its own
// place.
//
//    3f09za.kQzP…
//    number  letters of the pool, up to the end

import type { Random } from '../../src/base/random.ts'

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_'
const NUMBER_DIGITS = 6
const NUMBER_LIMIT = 36 ** NUMBER_DIGITS
const HEAD_LENGTH = NUMBER_DIGITS + 1
/** Shorter ones would have too few letters to tell anything. */
export const VALUE_LENGTH_MIN = HEAD_LENGTH + 5
export const VALUE_LENGTH_MAX = 1 << 20

export class Values {
  readonly #pool: string

  constructor(random: Random) {
    const bytes = Buffer.alloc(2 * VALUE_LENGTH_MAX)
    for (let i = 0; i < bytes.length; i++) {
      bytes[i] = LETTERS.charCodeAt(random.u32() & (LETTERS.length - 1))
    }
    this.#pool = bytes.toString('latin1')
  }

  /** A new value of exactly `length` bytes, or of the least or most that there is. */
  make(owner: string, length: number, random: Random): string {
    const bounded = Math.min(VALUE_LENGTH_MAX, Math.max(VALUE_LENGTH_MIN, length))
    return this.#valueOf(owner, bounded, random.below(NUMBER_LIMIT))
  }

  /** Whether `make` has given this text to the owner. */
  isGenuine(owner: string, text: string): boolean {
    if (text.length < VALUE_LENGTH_MIN || text.length > VALUE_LENGTH_MAX) return false
    const number = Number.parseInt(text.slice(0, NUMBER_DIGITS), 36)
    return !Number.isNaN(number) && text === this.#valueOf(owner, text.length, number)
  }

  #valueOf(owner: string, length: number, number: number): string {
    const digits = number.toString(36).padStart(NUMBER_DIGITS, '0')
    const place = mixed(owner, number ^ Math.imul(length, 0x9e3779b1)) & (VALUE_LENGTH_MAX - 1)
    return `${digits}.${this.#pool.slice(place, place + length - HEAD_LENGTH)}`
  }
}

/** 32 bits of an owner and a number. */
function mixed(owner: string, seed: number): number {
  let hash = seed | 0
  for (let i = 0; i < owner.length; i++) {
    hash = Math.imul(hash ^ owner.charCodeAt(i), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b)
  return (hash ^ (hash >>> 13)) >>> 0
}
