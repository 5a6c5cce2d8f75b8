// C's long double as x86-64 has it, for INCRBYFLOAT and HINCRBYFLOAT: a sign, 64 bits of mantissa,
// 15 bits of exponent. Redis adds in this format and prints with 17 decimals, so a server that
// computes in doubles would answer other digits. Everything is exact in BigInt and rounded once, to
// nearest, ties to even, as the hardware does.
//
// A finite value is mantissa × 2^exponent with |mantissa| ≤ 2^64; infinities have that exponent.
// Zero has no sign here: Redis does not print it.

/** Never changed once made. */
export interface LongDouble {
  readonly mantissa: bigint
  readonly exponent: number
}

export const LD_ZERO: LongDouble = { mantissa: 0n, exponent: 0 }

const MANTISSA_BITS = 64
/** Exponent of the last bit of the smallest numbers. */
const EXPONENT_MIN = -16445
/** No finite value reaches 2 to this power. */
const POWER_LIMIT = 16384
/** Longest text that Redis reads as a long double. */
const TEXT_LENGTH_MAX = 5119
/** Decimal exponents beyond these are over- and underflow, whatever the digits. */
const DECIMAL_MAX = 4940
const DECIMAL_MIN = -4990
const DECIMALS = 17
const SCALE = 10n ** BigInt(DECIMALS)

const DECIMAL = /^([+-]?)(\d*)\.?(\d*)(?:e([+-]?\d+))?$/i
const HEXADECIMAL = /^([+-]?)0x([0-9a-f]*)\.?([0-9a-f]*)(?:p([+-]?\d+))?$/i
const INFINITE = /^([+-]?)inf(?:inity)?$/i

/**
 * The value that the whole text spells as C's strtold reads it; null for anything else, for NaN,
 * and for what is too large or too small to be told from infinity or zero.
 */
export function parseLongDouble(text: string): LongDouble | null {
  if (text.length > TEXT_LENGTH_MAX) return null
  const decimal = DECIMAL.exec(text)
  if (decimal) return ofDecimal(decimal)
  const infinite = INFINITE.exec(text)
  if (infinite) return { mantissa: infinite[1] === '-' ? -1n : 1n, exponent: Infinity }
  const hexadecimal = HEXADECIMAL.exec(text)
  return hexadecimal ? ofHexadecimal(hexadecimal) : null
}

/** a + b; null when the sum is no finite number. */
export function addLongDoubles(a: LongDouble, b: LongDouble): LongDouble | null {
  if (a.exponent === Infinity || b.exponent === Infinity) return null
  const exponent = Math.min(a.exponent, b.exponent)
  const sum =
    (a.mantissa << BigInt(a.exponent - exponent)) + (b.mantissa << BigInt(b.exponent - exponent))
  return rounded(sum, exponent)
}

/** As `%.17Lf`, without trailing zeros and without the sign of zero. For finite values. */
export function formatLongDouble({ mantissa, exponent }: LongDouble): string {
  const isNegative = mantissa < 0n
  let scaled = (isNegative ? -mantissa : mantissa) * SCALE
  if (exponent >= 0) scaled <<= BigInt(exponent)
  else scaled = shiftedRight(scaled, -exponent)
  if (scaled === 0n) return '0'
  const digits = scaled.toString().padStart(DECIMALS + 1, '0')
  const whole = digits.slice(0, -DECIMALS)
  const fraction = digits.slice(-DECIMALS).replace(/0+$/, '')
  const sign = isNegative ? '-' : ''
  return fraction === '' ? sign + whole : `${sign}${whole}.${fraction}`
}

function ofDecimal(parts: RegExpExecArray): LongDouble | null {
  const [, sign = '', whole = '', fraction = '', power = '0'] = parts
  const digits = (whole + fraction).replace(/^0+/, '')
  if (digits === '') return whole + fraction === '' ? null : LD_ZERO
  const exponent = Number(power) - fraction.length
  const magnitude = digits.length + exponent
  if (magnitude > DECIMAL_MAX || magnitude < DECIMAL_MIN) return null
  const value = BigInt(sign + digits)
  if (exponent >= 0) return nonZero(rounded(value * 10n ** BigInt(exponent), 0))
  return nonZero(roundedRatio(value, 10n ** BigInt(-exponent)))
}

function ofHexadecimal(parts: RegExpExecArray): LongDouble | null {
  const [, sign = '', whole = '', fraction = '', power = '0'] = parts
  if (whole + fraction === '') return null
  const digits = BigInt(`0x${whole}${fraction}`)
  if (digits === 0n) return LD_ZERO
  // One digit of the fraction is four bits; a limit keeps the shift to come small.
  const exponent = Number(power) - 4 * fraction.length
  if (Math.abs(exponent) > 2 * POWER_LIMIT + 4 * TEXT_LENGTH_MAX) return null
  return nonZero(rounded(sign === '-' ? -digits : digits, exponent))
}

/** C reports a range error for digits that come out as zero. */
function nonZero(value: LongDouble | null): LongDouble | null {
  return value === null || value.mantissa === 0n ? null : value
}

/** value / divisor, rounded once. */
function roundedRatio(value: bigint, divisor: bigint): LongDouble | null {
  // Two bits more than the mantissa, and a last one that says whether anything is left.
  const shift = MANTISSA_BITS + 2 + bitLength(divisor) - bitLength(value)
  const numerator = shift > 0 ? value << BigInt(shift) : value
  const denominator = shift > 0 ? divisor : divisor << BigInt(-shift)
  const quotient = numerator / denominator
  const isExact = quotient * denominator === numerator
  const sticky = isExact ? 0n : value < 0n ? -1n : 1n
  return rounded(quotient * 2n + sticky, -shift - 1)
}

/** mantissa × 2^exponent as a long double; null when it is too large for one. */
function rounded(mantissa: bigint, exponent: number): LongDouble | null {
  if (mantissa === 0n) return LD_ZERO
  const isNegative = mantissa < 0n
  const size = isNegative ? -mantissa : mantissa
  const dropped = Math.max(bitLength(size) - MANTISSA_BITS, EXPONENT_MIN - exponent)
  if (dropped <= 0) {
    return bitLength(size) + exponent > POWER_LIMIT ? null : { mantissa, exponent }
  }
  const kept = shiftedRight(size, dropped)
  if (bitLength(kept) + exponent + dropped > POWER_LIMIT) return null
  return { mantissa: isNegative ? -kept : kept, exponent: exponent + dropped }
}

/** value / 2^bits, to the nearest integer, ties to even; value is not negative. */
function shiftedRight(value: bigint, bits: number): bigint {
  const shift = BigInt(bits)
  const quotient = value >> shift
  const rest = value - (quotient << shift)
  const half = 1n << (shift - 1n)
  const isUp = rest > half || (rest === half && (quotient & 1n) === 1n)
  return isUp ? quotient + 1n : quotient
}

/** Bits of the absolute value; 0 for 0. */
function bitLength(value: bigint): number {
  const digits = (value < 0n ? -value : value).toString(16)
  return digits === '0' ? 0 : digits.length * 4 - Math.clz32(Number.parseInt(digits[0]!, 16)) + 28
}
