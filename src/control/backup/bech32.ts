// Bech32 (BIP 173), in which age writes its keys: a prefix, `1`, five bits per character, and a
// checksum of six characters. The length limit of the BIP does not apply to age.

const CHARACTERS = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3]
const CHECKSUM_LENGTH = 6

/** The text of bytes, in lower case. */
export function encodeBech32(prefix: string, bytes: Uint8Array): string {
  const values = regroup([...bytes], 8, 5, true) ?? []
  const padded = [...values, ...Array<number>(CHECKSUM_LENGTH).fill(0)]
  const sum = polymod([...spread(prefix), ...padded]) ^ 1
  const tail = Array.from({ length: CHECKSUM_LENGTH }, (_, i) => (sum >>> (5 * (5 - i))) & 31)
  return `${prefix}1${[...values, ...tail].map((value) => CHARACTERS[value]).join('')}`
}

/** The bytes of a text with this prefix; null: it is none, or damaged. */
export function decodeBech32(prefix: string, text: string): Uint8Array | null {
  if (text !== text.toLowerCase() && text !== text.toUpperCase()) return null
  const lower = text.toLowerCase()
  const start = prefix.length + 1
  if (!lower.startsWith(`${prefix}1`) || lower.length < start + CHECKSUM_LENGTH) return null
  const values = [...lower.slice(start)].map((character) => CHARACTERS.indexOf(character))
  if (values.includes(-1) || polymod([...spread(prefix), ...values]) !== 1) return null
  const bytes = regroup(values.slice(0, -CHECKSUM_LENGTH), 5, 8, false)
  return bytes === null ? null : Uint8Array.from(bytes)
}

function spread(prefix: string): number[] {
  const codes = [...prefix].map((character) => character.charCodeAt(0))
  return [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)]
}

function polymod(values: readonly number[]): number {
  let sum = 1
  for (const value of values) {
    const top = sum >>> 25
    sum = ((sum & 0x1ffffff) << 5) ^ value
    for (let i = 0; i < GENERATOR.length; i++) if ((top >>> i) & 1) sum ^= GENERATOR[i]!
  }
  return sum >>> 0
}

/** Groups of `from` bits as groups of `to` bits; null: what is left over is not zero. */
function regroup(
  values: readonly number[],
  from: number,
  to: number,
  pad: boolean,
): number[] | null {
  const groups: number[] = []
  let held = 0
  let bits = 0
  for (const value of values) {
    held = ((held << from) | value) & 0xfff
    bits += from
    while (bits >= to) {
      bits -= to
      groups.push((held >>> bits) & ((1 << to) - 1))
    }
  }
  const rest = (held << (to - bits)) & ((1 << to) - 1)
  if (pad) return bits > 0 ? [...groups, rest] : groups
  return bits >= from || rest !== 0 ? null : groups
}
