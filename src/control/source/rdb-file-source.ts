// An RDB file as the source of a backup: seeding from a file of any server. It is read once, from
// start to end, and must not change meanwhile.

import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { NodeError } from './node-error.ts'
import type { RdbStream } from './rdb-source.ts'

const CHUNK_BYTES = 256 * 1024

/** Opens the file; throws NodeError when that cannot be. It must not change meanwhile. */
export async function openRdbFile(path: string, signal?: AbortSignal): Promise<RdbStream> {
  let bytes: number
  let takenAtMs: number
  try {
    const found = await stat(path)
    if (!found.isFile()) throw new Error('not a file')
    bytes = found.size
    takenAtMs = found.mtimeMs
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause)
    throw new NodeError('unreachable', path, text, { cause })
  }
  const options = { highWaterMark: CHUNK_BYTES, ...(signal === undefined ? {} : { signal }) }
  const stream = createReadStream(path, options)
  // Whoever reads it hears of it; before that nobody minds.
  stream.on('error', () => {})
  return {
    replicationId: '',
    replicationOffset: -1,
    bytes,
    takenAtMs,
    chunks: () => checkedChunks(path, bytes, stream),
    close: () => stream.destroy(),
  }
}

async function* checkedChunks(
  path: string,
  expected: number,
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let bytes = 0
  try {
    for await (const chunk of stream) {
      bytes += chunk.length
      yield chunk
    }
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause)
    throw new NodeError('cut', path, `after byte ${bytes}: ${text}`, { cause })
  }
  if (bytes === expected) return
  throw new NodeError('changed', path, `${bytes} bytes were read, the file had ${expected}`)
}
