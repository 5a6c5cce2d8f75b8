// Random damage to bytes of a format: bits, bytes with a meaning, parts left out, doubled, filled
// with noise, or cut off.

import type { Random } from '../../src/base/random.ts'

/** Bytes that mean something in RDB, listpacks and ziplists: lengths, encodings, ends. */
const TELLING = [
  0, 1, 2, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xbf, 0xc0, 0xc1, 0xc2, 0xc3, 0xd0, 0xdf, 0xe0, 0xf0, 0xf1,
  0xf2, 0xf3, 0xf4, 0xf5, 0xfe, 0xff,
]

/** A copy with one to four changes. */
export function damage(original: Buffer, random: Random): Buffer {
  let bytes: Buffer = Buffer.from(original)
  const changes = 1 + random.below(4)
  for (let i = 0; i < changes; i++) bytes = damageOnce(bytes, random)
  return bytes
}

function damageOnce(bytes: Buffer, random: Random): Buffer {
  // The beginning tells what the rest means: half of the changes are there.
  const range = random.below(2) === 0 ? Math.min(bytes.length, 40) : bytes.length
  const at = random.below(range + 1)
  const length = random.below(random.below(4) === 0 ? 200 : 6)
  const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)]
  const telling = TELLING[random.below(TELLING.length)]!
  switch (random.below(8)) {
    case 0:
      if (at < bytes.length) bytes[at] = bytes[at]! ^ (1 << random.below(8))
      return bytes
    case 1:
      if (at < bytes.length) bytes[at] = telling
      return bytes
    case 2:
      if (at < bytes.length) bytes[at] = bytes[at]! + (random.below(2) === 0 ? 1 : -1)
      return bytes
    case 3:
      return Buffer.concat([head, tail.subarray(length)])
    case 4: {
      const noise = Array.from({ length }, () => random.below(256))
      return Buffer.concat([head, Buffer.from(noise), tail])
    }
    case 5:
      return Buffer.concat([head, head.subarray(-length), tail])
    case 6:
      if (random.below(4) === 0) return Buffer.from(head)
      bytes.subarray(at, at + length).fill(telling)
      return bytes
    default:
      // Another type of value with the same bytes.
      if (random.below(6) === 0) bytes[0] = random.below(26)
      return bytes
  }
}
