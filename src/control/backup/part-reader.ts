// The RDB bytes of a stored part: the object, decrypted and decompressed, as a stream of bounded
// memory. What comes out is right only if the iteration ends without a fault: length and SHA-256 of
// the object are known at its end. What is found earlier is told with its byte in the object.

import { createHash } from 'node:crypto'
import { PassThrough, Readable, type Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createZstdDecompress } from 'node:zlib'
import type { ObjectStore } from '../store/object-store.ts'
import { StoreFault } from '../store/object-store.ts'
import { AgeDecryptor, AgeError } from './age.ts'
import type { AgeIdentity } from './age-keys.ts'
import type { BackupManifest, PartManifest } from './manifest.ts'
import { noteBytesPassed } from './passed-buffers.ts'

/** Damaged: the object is not what the manifest says. Locked: no identity for it. */
export type PartFaultKind = 'damaged' | 'missing' | 'locked'

export class PartFault extends Error {
  override readonly name = 'PartFault'
  readonly kind: PartFaultKind
  readonly object: string

  constructor(kind: PartFaultKind, object: string, message: string, options?: ErrorOptions) {
    super(`${object}: ${message}`, options)
    this.kind = kind
    this.object = object
  }
}

export interface PartSource {
  readonly store: ObjectStore
  readonly part: PartManifest
  /** What the manifest says of all parts. */
  readonly codec: Pick<BackupManifest, 'compression' | 'encryption'>
  readonly identities: readonly AgeIdentity[]
  readonly signal?: AbortSignal
}

const CHUNK_BYTES = 256 * 1024

/** The RDB stream of a part, in pieces. Throws PartFault, or StoreFault when the store does. */
export async function* readPart(source: PartSource): AsyncGenerator<Uint8Array> {
  const { codec, part } = source
  const plain = codec.encryption === null ? storedBytes(source) : decrypted(source)
  if (codec.compression === null) return yield* plain
  const { format } = codec.compression
  if (format !== 'zstd') throw new PartFault('damaged', part.object, `compression ${format}`)
  yield* decompressed(part, plain)
}

/** The bytes of the object; at the end they are compared with the manifest. */
async function* storedBytes({ store, part, signal }: PartSource): AsyncGenerator<Uint8Array> {
  const { object } = part
  const sha256 = createHash('sha256')
  let bytes = 0
  try {
    for await (const chunk of store.read(object, 0, signal)) {
      sha256.update(chunk)
      bytes += chunk.length
      noteBytesPassed(chunk.length)
      if (bytes > part.bytes) break
      yield chunk
    }
  } catch (cause) {
    if (!(cause instanceof StoreFault)) throw cause
    if (cause.kind === 'missing') throw new PartFault('missing', object, 'not there', { cause })
    if (cause.kind !== 'damaged') throw cause
    throw new PartFault('damaged', object, cause.message, { cause })
  }
  if (bytes !== part.bytes) {
    const found = bytes > part.bytes ? `more than ${part.bytes}` : `${bytes}`
    throw new PartFault('damaged', object, `found ${found} bytes, expected ${part.bytes}`)
  }
  const found = sha256.digest('hex')
  if (found === part.sha256) return
  throw new PartFault('damaged', object, `SHA-256 ${found}, expected ${part.sha256}`)
}

async function* decrypted(source: PartSource): AsyncGenerator<Uint8Array> {
  const { object } = source.part
  const age = new AgeDecryptor(source.identities)
  try {
    for await (const chunk of storedBytes(source)) {
      const plain = age.push(chunk)
      if (plain.length > 0) yield plain
    }
    const plain = age.finish()
    if (plain.length > 0) yield plain
  } catch (cause) {
    if (!(cause instanceof AgeError)) throw cause
    throw new PartFault(cause.isForOthers ? 'locked' : 'damaged', object, cause.message, { cause })
  }
}

async function* decompressed(
  { object }: PartManifest,
  plain: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const zstd: Transform = createZstdDecompress({ chunkSize: CHUNK_BYTES })
  const out = new PassThrough({ readableHighWaterMark: CHUNK_BYTES })
  let bytes = 0
  let readFault: unknown = null
  const input = Readable.from(marked(plain, (fault) => (readFault = fault)))
  const done = pipeline(input, zstd, out)
  // It is awaited below; without this, a fault before that would end the process.
  done.catch(() => {})
  try {
    for await (const chunk of out as AsyncIterable<Buffer>) {
      bytes += chunk.length
      yield chunk
    }
    await done
  } catch (cause) {
    if (readFault !== null) throw readFault
    const text = cause instanceof Error ? cause.message : String(cause)
    throw new PartFault('damaged', object, `zstd after byte ${bytes} of the stream: ${text}`, {
      cause,
    })
  } finally {
    out.destroy()
  }
}

/** Tells a fault of the bytes from one of what is made of them. */
async function* marked(
  plain: AsyncIterable<Uint8Array>,
  onFault: (fault: unknown) => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* plain
  } catch (fault) {
    onFault(fault)
    throw fault
  }
}
