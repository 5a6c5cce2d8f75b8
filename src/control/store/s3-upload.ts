// An object that is being written to S3, by multipart upload, or in one piece while it is small.
//
//   write ──► buffer of one part ──full──► UploadPart, up to 32 MiB of them at a time
//   complete ──► the last part ──► all parts there ──► CompleteMultipartUpload ──► HEAD: its length
//
// - Held in memory: the part that fills, and 32 MiB or one part on the way, whichever is more.
// - 8 MiB a part, more when a longer object is expected. All are of one size (R2 wants that), until
//   8000 parts show that the guess was wrong; then they double every 400, so that 10 000 suffice
//   for 32 800 times the first size: 262 GiB when nothing was expected.
// - Each part goes with its MD5, and with its SHA-256 in the signature; its ETag must be that MD5,
//   unless the store encrypts with a key of its own, or says otherwise by its form.
// - The upload carries a random mark. An answer that was lost is told from another's object by it.

import { createHash, randomBytes } from 'node:crypto'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  UploadPartCommand,
  type UploadPartCommandOutput,
} from '@aws-sdk/client-s3'
import { type ObjectInfo, type ObjectWriter, StoreFault } from './object-store.ts'
import type { S3Calls } from './s3-calls.ts'
import { statusOf } from './s3-fault.ts'

export const MARK = 'tidemark-write'

const PART_BYTES = 8 << 20
const PART_BYTES_MAX = 512 << 20
const IN_FLIGHT_BYTES = 32 << 20
const PARTS_MAX = 10_000
const STEADY_PARTS = 8000
const DOUBLING_PARTS = 400

/** A part that the store has. */
export interface Part {
  readonly number: number
  readonly etag: string
  readonly bytes: number
}

export interface UploadTarget {
  readonly name: string
  readonly objectKey: string
  readonly createOnly: boolean
  readonly signal: AbortSignal | undefined
  /** Of the first parts. */
  readonly partBytes: number
  readonly hasOpaqueEtags: boolean
  /** Writes all of it when it is small. */
  put(bytes: Uint8Array): Promise<ObjectInfo>
}

/** What a resumed upload begins with. */
export interface KeptUpload {
  readonly uploadId: string
  readonly parts: readonly Part[]
}

/** The size of the first parts of an object of about this length. */
export function firstPartBytes(expectedBytes: number): number {
  const needed = Math.ceil(expectedBytes / STEADY_PARTS / (1 << 20)) * (1 << 20)
  return Math.min(PART_BYTES_MAX, Math.max(PART_BYTES, needed))
}

/** The size of the part of this number, from 1. */
export function partBytesAt(firstBytes: number, number: number): number {
  const doublings = Math.max(0, Math.ceil((number - STEADY_PARTS) / DOUBLING_PARTS))
  return Math.min(PART_BYTES_MAX, firstBytes * 2 ** doublings)
}

export class S3Upload implements ObjectWriter {
  readonly #calls: S3Calls
  readonly #target: UploadTarget
  /** Null: of a resumed upload, whose mark nobody knows any more. */
  readonly #mark: string | null
  readonly #parts: Part[]
  readonly #inFlight = new Set<Promise<void>>()
  readonly #freeBuffers: Buffer[] = []
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  #uploadId: string | null
  #buffer: Buffer | null = null
  #filled = 0
  #bytes = 0
  #inFlightBytes = 0
  #nextPart = 1
  #failure: unknown = null

  constructor(calls: S3Calls, target: UploadTarget, kept: KeptUpload | null = null) {
    this.#calls = calls
    this.#target = target
    this.#uploadId = kept?.uploadId ?? null
    this.#mark = kept === null ? randomBytes(16).toString('hex') : null
    this.#parts = [...(kept?.parts ?? [])]
    this.#nextPart = this.#parts.length + 1
    for (const part of this.#parts) this.#bytes += part.bytes
    const { signal } = target
    this.#signal = signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal
  }

  get bytes(): number {
    return this.#bytes
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      this.#throwFailure()
      const size = partBytesAt(this.#target.partBytes, this.#nextPart)
      this.#buffer ??= this.#takeBuffer(size)
      const count = Math.min(size - this.#filled, bytes.length - done)
      this.#buffer.set(bytes.subarray(done, done + count), this.#filled)
      this.#filled += count
      this.#bytes += count
      done += count
      if (this.#filled === size) await this.#sendPart()
    }
  }

  async complete(): Promise<ObjectInfo> {
    this.#throwFailure()
    const { name } = this.#target
    if (this.#uploadId === null && this.#nextPart === 1) {
      return this.#target.put(this.#buffer?.subarray(0, this.#filled) ?? new Uint8Array(0))
    }
    if (this.#filled > 0 || this.#nextPart === 1) await this.#sendPart()
    await Promise.all(this.#inFlight)
    this.#throwFailure()
    await this.#completeUpload()

    const head = await this.#head(`look at ${name}`)
    const found = head?.ContentLength ?? -1
    if (found !== this.#bytes) {
      const text = `${this.#calls.url}: ${name} has ${found} bytes, expected ${this.#bytes}`
      throw new StoreFault('damaged', text)
    }
    return { name, bytes: found, modifiedMs: head?.LastModified?.getTime() ?? Date.now() }
  }

  async suspend(): Promise<void> {
    this.#stop.abort()
    await Promise.allSettled(this.#inFlight)
    this.#buffer = null
    this.#freeBuffers.length = 0
  }

  async abort(): Promise<void> {
    await this.suspend()
    const UploadId = this.#uploadId
    if (UploadId === null) return
    const abort = new AbortMultipartUploadCommand({ ...this.#place(), UploadId })
    const doing = `abort ${this.#target.name}`
    await this.#calls.call(doing, () => this.#calls.client.send(abort)).catch(() => {})
  }

  #place(): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#calls.s3Bucket, Key: this.#target.objectKey }
  }

  #throwFailure(): void {
    if (this.#target.signal?.aborted) throw new StoreFault('aborted', 'stopped on request')
    if (this.#failure !== null) throw this.#failure
  }

  #takeBuffer(size: number): Buffer {
    const found = this.#freeBuffers.pop()
    // Of a smaller size it is of no more use: parts only grow.
    return found !== undefined && found.length >= size ? found : Buffer.allocUnsafeSlow(size)
  }

  /** Sends what the buffer holds, as soon as there is room on the way. */
  async #sendPart(): Promise<void> {
    const number = this.#nextPart
    if (number > PARTS_MAX) {
      const text = `${this.#target.name} needs more than ${PARTS_MAX} parts: expect a longer object`
      throw new StoreFault('full', `${this.#calls.url}: ${text}`)
    }
    const [buffer, count] = [this.#buffer ?? Buffer.alloc(0), this.#filled]
    this.#buffer = null
    this.#filled = 0
    this.#nextPart++
    const UploadId = await this.#begin()
    while (this.#inFlight.size > 0 && this.#inFlightBytes + count > IN_FLIGHT_BYTES) {
      await Promise.race(this.#inFlight)
    }
    this.#throwFailure()

    this.#inFlightBytes += count
    const sent = this.#uploadPart(UploadId, number, buffer.subarray(0, count)).then(
      (part) => {
        this.#parts.push(part)
        this.#freeBuffers.push(buffer)
      },
      (error) => {
        this.#failure ??= error
        this.#stop.abort()
      },
    )
    const tracked = sent.then(() => {
      this.#inFlightBytes -= count
      this.#inFlight.delete(tracked)
    })
    this.#inFlight.add(tracked)
  }

  /** The id of the upload, which is begun with the first part. */
  async #begin(): Promise<string> {
    if (this.#uploadId !== null) return this.#uploadId
    const { name } = this.#target
    const begin = new CreateMultipartUploadCommand({
      ...this.#place(),
      Metadata: { [MARK]: this.#mark ?? '' },
      ContentType: 'application/octet-stream',
    })
    const abortSignal = this.#signal
    const send = async () => {
      const { UploadId } = await this.#calls.client.send(begin, { abortSignal })
      if (UploadId !== undefined) return UploadId
      throw new StoreFault('damaged', `${this.#calls.url}: ${name}: an upload without an id`)
    }
    this.#uploadId = await this.#calls.call(`begin ${name}`, send, abortSignal)
    return this.#uploadId
  }

  async #uploadPart(UploadId: string, number: number, bytes: Buffer): Promise<Part> {
    const md5 = createHash('md5').update(bytes).digest()
    const doing = `write ${this.#target.name}, part ${number}`
    const send = async () => {
      const command = new UploadPartCommand({
        ...this.#place(),
        UploadId,
        PartNumber: number,
        Body: bytes,
        ContentLength: bytes.length,
        ContentMD5: md5.toString('base64'),
      })
      const reply = await this.#calls.client.send(command, { abortSignal: this.#signal })
      const expected = md5.toString('hex')
      if (!this.#target.hasOpaqueEtags) checkEtag(reply, expected, `${this.#calls.url}: ${doing}`)
      return { number, etag: reply.ETag ?? '', bytes: bytes.length }
    }
    return this.#calls.call(doing, send, this.#signal)
  }

  async #completeUpload(): Promise<void> {
    const { name, createOnly } = this.#target
    this.#parts.sort((a, b) => a.number - b.number)
    // For stores that do not look at the condition below.
    if (createOnly && (await this.#head(`look at ${name}`)) !== null) throw this.#exists()
    let isConditional = createOnly
    const send = async (): Promise<void> => {
      const complete = new CompleteMultipartUploadCommand({
        ...this.#place(),
        UploadId: this.#uploadId ?? '',
        MultipartUpload: {
          Parts: this.#parts.map(({ number, etag }) => ({ PartNumber: number, ETag: etag })),
        },
        ...(isConditional ? { IfNoneMatch: '*' } : {}),
      })
      try {
        await this.#calls.client.send(complete, { abortSignal: this.#signal })
      } catch (error) {
        const status = statusOf(error)
        if (status === 501 && isConditional) {
          isConditional = false
          return send()
        }
        // Perhaps an earlier attempt has succeeded, and only its answer was lost.
        const isDoubtful = status === 404 || status === 412
        if (isDoubtful && (await this.#isOurs())) return
        if (status === 412) throw this.#exists()
        throw error
      }
    }
    await this.#calls.call(`complete ${name}`, send, this.#signal)
  }

  /** Whether the object that is there is the one written here. */
  async #isOurs(): Promise<boolean> {
    const head = await this.#head(`look at ${this.#target.name}`)
    if (head === null) return false
    if (this.#mark !== null) return head.Metadata?.[MARK] === this.#mark
    return head.ContentLength === this.#bytes && head.ETag === etagOf(this.#parts)
  }

  async #head(doing: string): Promise<HeadObjectCommandOutput | null> {
    const abortSignal = this.#signal
    const send = async () => {
      try {
        const command = new HeadObjectCommand(this.#place())
        return await this.#calls.client.send(command, { abortSignal })
      } catch (error) {
        if (statusOf(error) === 404) return null
        throw error
      }
    }
    return this.#calls.call(doing, send, abortSignal)
  }

  #exists(): StoreFault {
    return new StoreFault('exists', `${this.#calls.url}: there is a ${this.#target.name} already`)
  }
}

/** Whether an ETag has the form of an MD5 sum. */
export function looksLikeMd5(etag: string | undefined): boolean {
  return etag !== undefined && /^"?[0-9a-f]{32}"?$/.test(etag)
}

type EncryptionField = 'ServerSideEncryption' | 'SSECustomerAlgorithm'

/** Throws `damaged` when the store says by its ETag that it got something else. */
export function checkEtag(
  reply: Partial<Pick<UploadPartCommandOutput, 'ETag' | EncryptionField>>,
  expected: string,
  doing: string,
): void {
  const { ETag, ServerSideEncryption, SSECustomerAlgorithm } = reply
  // Encrypted with a key of KMS or of the customer: then it is the sum of something else.
  if (ServerSideEncryption?.startsWith('aws:') || SSECustomerAlgorithm !== undefined) return
  if (!looksLikeMd5(ETag) || ETag?.replaceAll('"', '') === expected) return
  throw new StoreFault('damaged', `${doing}: the store got MD5 ${ETag}, expected ${expected}`)
}

/** The ETag of an object of these parts, as AWS and Ceph make it. */
function etagOf(parts: readonly Part[]): string {
  const hash = createHash('md5')
  for (const { etag } of parts) hash.update(Buffer.from(etag.replaceAll('"', ''), 'hex'))
  return `"${hash.digest('hex')}-${parts.length}"`
}
