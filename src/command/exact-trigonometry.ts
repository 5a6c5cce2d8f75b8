// Sine, cosine and arcsine rounded correctly, for the few results of GEO commands that clients see
// with all digits. V8's own are off by one in the last place for about one argument in ten, where
// C libraries are right but for one in some hundred.
//
// Numbers are integers of 2^-128 while they are computed. Series of Taylor; angles up to a few
// turns of π.

const BITS = 128n
const ONE = 1n << BITS
const SERIES_MAX = 80
/** Bits of a double's mantissa. */
const MANTISSA_BITS = 53

export function exactSin(angle: number): number {
  return toDouble(sine(toFixedPoint(angle)))
}

export function exactCos(angle: number): number {
  return toDouble(cosine(toFixedPoint(angle)))
}

/** Of 0 to 1. */
export function exactAsin(value: number): number {
  const guess = Math.asin(value)
  if (value === 0 || value >= 1 || Number.isNaN(guess)) return guess
  // A step of Newton doubles the digits of what is right to the last but one already.
  const angle = toFixedPoint(guess)
  const rest = toFixedPoint(value) - sine(angle)
  return toDouble(angle + (rest << BITS) / cosine(angle))
}

function sine(angle: bigint): bigint {
  const square = (angle * angle) >> BITS
  let term = angle
  let sum = angle
  for (let n = 2n; term !== 0n && n < SERIES_MAX; n += 2n) {
    term = -((term * square) >> BITS) / (n * (n + 1n))
    sum += term
  }
  return sum
}

function cosine(angle: bigint): bigint {
  const square = (angle * angle) >> BITS
  let term = ONE
  let sum = ONE
  for (let n = 1n; term !== 0n && n < SERIES_MAX; n += 2n) {
    term = -((term * square) >> BITS) / (n * (n + 1n))
    sum += term
  }
  return sum
}

/** A double as a multiple of 2^-128; exact above 2^-75. */
function toFixedPoint(value: number): bigint {
  const exponent = value === 0 ? 0 : Math.floor(Math.log2(Math.abs(value))) - MANTISSA_BITS
  const mantissa = BigInt(Math.round(value * 2 ** -exponent))
  const shift = BITS + BigInt(exponent)
  return shift >= 0n ? mantissa << shift : mantissa >> -shift
}

/** The nearest double. */
function toDouble(value: bigint): number {
  // Conversion of an integer rounds to nearest; the scale is a power of two.
  return Number(value) / 2 ** Number(BITS)
}
