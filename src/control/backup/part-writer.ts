// The RDB bytes of a shard on their way into the store: zstd, then age, then the object, with the
// SHA-256 of what is stored. Everything streams: `write` resolves when more may come, and what is
// held is a few chunks. Compression runs in Node's thread pool, beside the rest.
//
//   write ──► zstd ──► age ──► SHA-256 ──► ObjectWriter       `complete` makes the object appear
//
// Invariant: after a fault anywhere the object is aborted, and every later call throws that fault.

import { createHash } from 'node:crypto'
import { constants, createZstdCompress, type ZstdCompress } from 'node:zlib'
import type { ObjectStore, ObjectWriter } from '../store/object-store.ts'
import { AgeEncryptor } from './age.ts'
import type { AgeRecipient } from './age-keys.ts'
import type { PartManifest } from './manifest.ts'

/** How the bytes of parts are changed on their way. */
export interface PartCodec {
  /** Of zstd, 1 to 19; null: not compressed. */
  readonly level: number | null
  /** Who can decrypt it; none: nobody needs to. */
  readonly recipients: readonly AgeRecipient[]
}

/** As fast as the rest of the pipeline; RDB files shrink little more with higher ones. */
export const LEVEL_DEFAULT = 1
export const LEVEL_MAX = 19
const CHUNK_BYTES = 256 * 1024

export interface PartPlace {
  readonly store: ObjectStore
  readonly object: string
  readonly signal?: AbortSignal
}

/** What stands behind the name of a part: `.rdb`, `.rdb.zst`, `.rdb.age`, `.rdb.zst.age`. */
export function partSuffix({ level, recipients }: PartCodec): string {
  return `.rdb${level === null ? '' : '.zst'}${recipients.length === 0 ? '' : '.age'}`
}

export class PartWriter {
  readonly #object: string
  readonly #writer: ObjectWriter
  readonly #zstd: ZstdCompress | null
  readonly #age: AgeEncryptor | null
  readonly #sha256 = createHash('sha256')
  readonly #drained: Promise<void>
  #fault: unknown = null
  #stored = 0

  private constructor(object: string, writer: ObjectWriter, codec: PartCodec) {
    this.#object = object
    this.#writer = writer
    this.#age = codec.recipients.length === 0 ? null : new AgeEncryptor(codec.recipients)
    this.#zstd = codec.level === null ? null : compressor(codec.level)
    this.#drained = this.#zstd === null ? Promise.resolve() : this.#drain(this.#zstd)
    // Whoever writes or completes hears of it.
    this.#drained.catch(() => {})
  }

  /** Begins the object, which nobody may have written. */
  static async open({ store, object, signal }: PartPlace, codec: PartCodec): Promise<PartWriter> {
    const options = signal === undefined ? { createOnly: true } : { createOnly: true, signal }
    return new PartWriter(object, await store.create(object, options), codec)
  }

  /** Bytes that went to the store. */
  get storedBytes(): number {
    return this.#stored
  }

  /** The next bytes of the stream; resolves when more may come. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#throwFault()
    if (this.#zstd === null) await this.#store(this.#age === null ? bytes : this.#age.push(bytes))
    else await this.#compress(this.#zstd, bytes)
    this.#throwFault()
  }

  /** Makes the object appear. */
  async complete(): Promise<PartManifest> {
    this.#throwFault()
    this.#zstd?.end()
    await this.#drained
    if (this.#age !== null) await this.#store(this.#age.finish())
    const { bytes } = await this.#writer.complete()
    const sha256 = this.#sha256.digest('hex')
    if (bytes === this.#stored) return { object: this.#object, bytes, sha256 }
    throw new Error(
      `${this.#object}: ${bytes} bytes are in the store, ${this.#stored} were written`,
    )
  }

  /** Leaves nothing behind, if it can; never throws. */
  async abort(): Promise<void> {
    this.#zstd?.destroy()
    await this.#drained.catch(() => {})
    await this.#writer.abort()
  }

  async #drain(zstd: ZstdCompress): Promise<void> {
    try {
      for await (const chunk of zstd as AsyncIterable<Buffer>) {
        await this.#store(this.#age === null ? chunk : this.#age.push(chunk))
      }
    } catch (error) {
      this.#fault ??= error
      throw error
    }
  }

  async #store(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return
    this.#sha256.update(bytes)
    await this.#writer.write(bytes)
    this.#stored += bytes.length
  }

  /** Resolves when the bytes have been compressed, and what came out of that was taken. */
  #compress(zstd: ZstdCompress, bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      zstd.write(bytes, (error) => {
        if (error) reject(this.#fault ?? error)
        else resolve()
      })
    })
  }

  #throwFault(): void {
    if (this.#fault !== null) throw this.#fault
  }
}

function compressor(level: number): ZstdCompress {
  const params = {
    [constants.ZSTD_c_compressionLevel]: level,
    [constants.ZSTD_c_checksumFlag]: 1,
  }
  return createZstdCompress({
    params,
    chunkSize: CHUNK_BYTES,
  })
}
