// A synthetic RDB stream for tests and benchmarks: strings of half noise, half text, with a right
// checksum, of any length and in bounded memory.

import { Kernels } from '../../persist/rdb/kernels.ts'
import { RDB_VERSION } from '../../persist/rdb/rdb-format.ts'

export interface TestRdbShape {
  readonly keys: number
  readonly valueBytes: number
}

const KEY_BYTES = 16
/** Larger than the window of a compressor, so that what repeats is not seen to. */
const POOL_BYTES = 8 * 1024 * 1024
const PIECE_BYTES = 64 * 1024
const EOF = 0xff
const STRING = 0
const HEAD = Buffer.from(`REDIS${String(RDB_VERSION).padStart(4, '0')}`)
const CHECKSUM_BYTES = 8

/** Bytes of the stream. */
export function testRdbBytes({ keys, valueBytes }: TestRdbShape): number {
  return HEAD.length + keys * (2 + KEY_BYTES + 5 + valueBytes) + 1 + CHECKSUM_BYTES
}

/** The stream, in pieces of about 64 KiB. */
export function* testRdb({ keys, valueBytes }: TestRdbShape): Generator<Buffer> {
  const kernels = new Kernels(0)
  const pool = makePool()
  const recordBytes = 2 + KEY_BYTES + 5 + valueBytes
  const count = Math.max(1, Math.floor(PIECE_BYTES / recordBytes))
  let crc = kernels.crcOf(0n, HEAD, 0, HEAD.length)
  yield HEAD
  for (let first = 0; first < keys; first += count) {
    const piece = Buffer.alloc(Math.min(count, keys - first) * recordBytes)
    for (let at = 0, key = first; at < piece.length; at += recordBytes, key++) {
      piece[at] = STRING
      piece[at + 1] = KEY_BYTES
      piece.write(`key:${String(key).padStart(KEY_BYTES - 4, '0')}`, at + 2, 'latin1')
      piece[at + 2 + KEY_BYTES] = 0x80
      piece.writeUInt32BE(valueBytes, at + 3 + KEY_BYTES)
      fill(piece, at + 7 + KEY_BYTES, { pool, valueBytes, key })
    }
    crc = kernels.crcOf(crc, piece, 0, piece.length)
    yield piece
  }
  const end = Buffer.alloc(1 + CHECKSUM_BYTES)
  end[0] = EOF
  end.writeBigUInt64LE(kernels.crcOf(crc, end, 0, 1), 1)
  yield end
}

function fill(
  piece: Buffer,
  at: number,
  { pool, valueBytes, key }: { pool: Buffer; valueBytes: number; key: number },
): void {
  for (let done = 0; done < valueBytes; ) {
    const from = (key * 7919 + done) % (POOL_BYTES / 2)
    const part = Math.min(valueBytes - done, POOL_BYTES / 2)
    pool.copy(piece, at + done, from, from + part)
    done += part
  }
}

/** Alternating runs of noise and of words. */
function makePool(): Buffer {
  const pool = Buffer.alloc(POOL_BYTES, 'the quick brown fox jumps over the lazy dog; ')
  let state = 1
  for (let i = 0; i < POOL_BYTES; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    if ((i & 64) !== 0) pool[i] = state >>> 16
  }
  return pool
}
