// The only door to randomness. The server seeds one generator from the system; tests and simulation
// hand in a seed and get the same run again. The generator is xoshiro128** (Blackman and Vigna,
// 2018): four words of state, fine for sampling. Secrets (run id, hash seed) come from `secret`.

import { randomBytes } from 'node:crypto'

export class Random {
  #a = 0
  #b = 0
  #c = 0
  #d = 0

  /** Each seed gives one sequence. */
  constructor(seed: number) {
    // SplitMix32 spreads the seed over the state.
    let state = seed >>> 0
    const next = () => {
      state = (state + 0x9e3779b9) >>> 0
      let z = state
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
      return (z ^ (z >>> 16)) >>> 0
    }
    this.#a = next()
    this.#b = next()
    this.#c = next()
    this.#d = next() | 1
  }

  /** A generator with a seed from the system. */
  static fromSystem(): Random {
    return new Random(randomBytes(4).readUInt32LE(0))
  }

  /** 32 random bits, unsigned. */
  u32(): number {
    const mixed = Math.imul(this.#b, 5)
    const result = Math.imul((mixed << 7) | (mixed >>> 25), 9)
    const t = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= t
    this.#d = (this.#d << 11) | (this.#d >>> 21)
    return result >>> 0
  }

  /** A whole number in [0, limit), limit ≤ 2^32. */
  below(limit: number): number {
    return Math.floor((this.u32() / 0x100000000) * limit)
  }

  /** A float in [0, 1). */
  float(): number {
    return this.u32() / 0x100000000
  }
}

/** `count` random bytes as lower-case hexadecimal, fit for run ids. */
export function randomHex(count: number): string {
  return randomBytes(count).toString('hex')
}

/** `count` random 32-bit words from the system's secure source, for hash seeds. */
export function secretWords(count: number): Uint32Array {
  const bytes = randomBytes(count * 4)
  const words = new Uint32Array(count)
  for (let i = 0; i < count; i++) words[i] = bytes.readUInt32LE(i * 4)
  return words
}
