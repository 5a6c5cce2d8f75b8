// One string as large as wanted, the same on every server, of text that does not compress, and the
// offsets at which random writes reach nearly all of it.

import { randomBytes } from 'node:crypto'
import type { RunningServer } from './server.ts'
import { random } from './template.ts'

/** Bytes of one write; base64 of random bytes has no repeats that LZF would find. */
const CHUNK_BYTES = 1 << 20

/** Makes a string of `size` bytes under `key` and checks that it is there. */
export async function fillString(server: RunningServer, key: string, size: number): Promise<void> {
  // The last byte first: the whole length is allocated at once.
  await server.client.call(['SETRANGE', key, String(size - 1), 'x'])
  for (let offset = 0; offset < size; offset += CHUNK_BYTES) {
    const length = Math.min(CHUNK_BYTES, size - offset)
    const chunk = randomBytes(length).toString('base64').slice(0, length)
    await server.client.call(['SETRANGE', key, String(offset), chunk])
  }
  const found = await server.client.call(['STRLEN', key])
  if (found !== size) throw new Error(`fill: string has ${found} bytes, expected ${size}`)
}

/**
 * Words for random offsets into `size` bytes, to be used in turn: one for each first digit, since
 * an integer may not begin with zeros. They lie between a power of ten and the last number of whole
 * millions (or the like) below `size`: of 512 MiB from 100 to 500 million.
 */
export function offsetsBelow(size: number): readonly string[] {
  const digits = String(size).length - 1
  const first = Number(String(size)[0])
  // Sizes such as 1 234 567 hold no whole range of seven digits: their offsets have six.
  const [length, limit] = first > 1 ? [digits, first] : [digits - 1, 10]
  return Array.from({ length: limit - 1 }, (_, i) => `${i + 1}${random(length, 10 ** length)}`)
}
