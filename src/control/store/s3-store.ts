// A store in a bucket of S3, or of what speaks like it: Ceph, MinIO, R2, … See `s3-client.ts` for
// the URL, `s3-upload.ts` for writing, `s3-calls.ts` for retries.
//
// - Conditions. `createOnly` is a PUT with `If-None-Match: *`, which the store decides. Some stores
//   answer 501 to it, some take no notice. So until it has been seen to work, a HEAD goes before,
//   and where it does not work the HEAD is all there is: two writers at the same moment can then
//   both succeed, of which `probe` warns.
// - Lost answers. A PUT carries a random mark; one that fails because the name is taken has
//   succeeded, if what is there carries this mark.
// - Reading goes on by a range where a connection broke off, with the ETag as a condition, until
//   all bytes that the first answer promised are there.

import { createHash, randomBytes } from 'node:crypto'
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { checkName, checkPrefix } from './object-name.ts'
import {
  type ObjectInfo,
  type ObjectStore,
  type ObjectWriter,
  type PendingWrite,
  StoreFault,
  type WriteOptions,
} from './object-store.ts'
import { PATIENT, type RetryPolicy, throwIfAborted } from './retry.ts'
import { type OnRetry, S3Calls } from './s3-calls.ts'
import {
  openS3Client,
  PART_BYTES_MIN,
  parseS3Url,
  type S3Credentials,
  type S3Place,
} from './s3-client.ts'
import { s3CodeOf, statusOf } from './s3-fault.ts'
import { checkEtag, firstPartBytes, MARK, type Part, S3Upload } from './s3-upload.ts'

export interface S3Options {
  /** Else as the SDK finds them. */
  readonly credentials?: S3Credentials
  readonly policy?: RetryPolicy
  readonly onRetry?: OnRetry
  /** Longest silence of a connection. */
  readonly idleMsMax?: number
}

/** Opens the store that the URL names; asks it nothing. */
export async function openS3Store(url: string, options: S3Options = {}): Promise<S3Store> {
  const place = parseS3Url(url)
  const client = await openS3Client(place, options.credentials, options.idleMsMax)
  const { s3Bucket } = place
  const { policy = PATIENT, onRetry } = options
  return new S3Store(new S3Calls(client, { url, s3Bucket, policy, onRetry }), place)
}

export class S3Store implements ObjectStore {
  readonly url: string
  readonly #calls: S3Calls
  readonly #place: S3Place
  /** Whether the store is known to heed `If-None-Match`; null: not known. */
  #heedsConditions: boolean | null = null

  constructor(calls: S3Calls, place: S3Place) {
    this.url = calls.url
    this.#calls = calls
    this.#place = place
  }

  async probe(signal?: AbortSignal): Promise<readonly string[]> {
    const name = `probe/${randomBytes(8).toString('hex')}`
    const options: WriteOptions = { createOnly: true, ...(signal ? { signal } : {}) }
    const notes: string[] = []
    for await (const _ of this.list('probe/', signal)) break
    await this.put(name, Buffer.from('probe'), options)
    try {
      const found = Buffer.from(await this.get(name, signal)).toString()
      if (found !== 'probe') {
        throw new StoreFault('damaged', `${this.url}: what was written comes back as ${found}`)
      }
      if (!(await this.#tryCondition(name))) {
        notes.push('It does not know conditional writes: of two writers at once both may succeed.')
      }
      for await (const _ of this.pending('probe/', signal)) break
    } finally {
      await this.delete(name)
    }
    return notes
  }

  async freeBytes(): Promise<number | null> {
    return null
  }

  async put(name: string, bytes: Uint8Array, options: WriteOptions = {}): Promise<ObjectInfo> {
    checkName(name)
    const { createOnly = false, signal } = options
    const mark = randomBytes(16).toString('hex')
    const checkOurs = async () => {
      const head = await this.#head(name, signal)
      if (head === null) return false
      if (head.Metadata?.[MARK] !== mark) throw this.#exists(name)
      this.#checkEtag(head, bytes, name)
      return true
    }
    const send = async () => {
      if (createOnly && this.#heedsConditions !== true && (await checkOurs())) return
      try {
        await this.#put(name, bytes, { mark, createOnly, signal })
      } catch (error) {
        if (!createOnly || statusOf(error) !== 412) throw error
        this.#heedsConditions = true
        if (!(await checkOurs())) throw error
      }
    }
    await this.#calls.call(`write ${name}`, send, signal)
    return { name, bytes: bytes.length, modifiedMs: Date.now() }
  }

  async create(name: string, options: WriteOptions = {}): Promise<ObjectWriter> {
    checkName(name)
    const { createOnly = false, signal } = options
    throwIfAborted(signal)
    if (createOnly && (await this.#head(name, signal)) !== null) throw this.#exists(name)
    return new S3Upload(this.#calls, this.#target(name, options))
  }

  async get(name: string, signal?: AbortSignal): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    for await (const piece of this.read(name, 0, signal)) pieces.push(piece)
    return Buffer.concat(pieces)
  }

  async *read(name: string, from = 0, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    checkName(name)
    let [offset, total, etag]: [number, number, string | undefined] = [from, Infinity, undefined]
    for (let attempt = 1; offset < total; attempt++) {
      throwIfAborted(signal)
      const start = offset
      try {
        const reply = await this.#getFrom(name, offset, { etag, signal })
        // Nothing from there on.
        if (reply === null) return await this.#checkEnd(name, offset, signal)
        if (total !== Infinity && reply.total !== total) throw this.#changed(name)
        total = reply.total
        etag = reply.etag
        for await (const piece of reply.body) {
          if (offset + piece.length > total) throw this.#cut(name, offset + piece.length, total)
          offset += piece.length
          yield piece
        }
        if (offset < total) throw this.#cut(name, offset, total)
      } catch (error) {
        throwIfAborted(signal)
        if (statusOf(error) === 412) throw this.#changed(name)
        if (offset > start) attempt = 1
        const at = offset === 0 ? '' : ` from byte ${offset} on`
        const place = { number: attempt, abortSignal: signal }
        await this.#calls.pause(error, `read ${name}${at}`, place)
      }
    }
  }

  async info(name: string, signal?: AbortSignal): Promise<ObjectInfo> {
    checkName(name)
    const head = await this.#head(name, signal)
    if (head === null) throw new StoreFault('missing', `${this.url}: there is no ${name}`)
    const modifiedMs = head.LastModified?.getTime() ?? 0
    return { name, bytes: head.ContentLength ?? 0, modifiedMs }
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectInfo> {
    checkPrefix(prefix)
    let ContinuationToken: string | undefined
    do {
      const page = await this.#send(`list ${prefix || 'it'}`, signal, (client, options) => {
        const place = { Bucket: this.#place.s3Bucket, Prefix: this.#key(prefix) }
        return client.send(new ListObjectsV2Command({ ...place, ContinuationToken }), options)
      })
      for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
        // Consoles make objects that stand for directories.
        if (Key.endsWith('/')) continue
        const modifiedMs = LastModified?.getTime() ?? 0
        yield { name: Key.slice(this.#place.prefix.length), bytes: Size, modifiedMs }
      }
      ContinuationToken = page.IsTruncated ? page.NextContinuationToken : undefined
      if (page.IsTruncated && ContinuationToken === undefined) {
        throw new StoreFault('damaged', `${this.url}: its listing breaks off`)
      }
    } while (ContinuationToken !== undefined)
  }

  async delete(name: string, signal?: AbortSignal): Promise<void> {
    checkName(name)
    await this.#send(`delete ${name}`, signal, async (client, options) => {
      try {
        await client.send(new DeleteObjectCommand(this.#object(name)), options)
      } catch (error) {
        if (s3CodeOf(error) !== 'NoSuchKey') throw error
      }
    })
  }

  async *pending(prefix: string, signal?: AbortSignal): AsyncIterable<PendingWrite> {
    checkPrefix(prefix)
    let marker: { readonly KeyMarker?: string; readonly UploadIdMarker?: string } | null = {}
    while (marker !== null) {
      const page = await this.#send('list uploads', signal, (client, options) => {
        const place = { Bucket: this.#place.s3Bucket, Prefix: this.#key(prefix) }
        return client.send(new ListMultipartUploadsCommand({ ...place, ...marker }), options)
      })
      for (const { Key = '', UploadId = '', Initiated } of page.Uploads ?? []) {
        const name = Key.slice(this.#place.prefix.length)
        yield { name, id: UploadId, startedMs: Initiated?.getTime() ?? 0 }
      }
      const { NextKeyMarker, NextUploadIdMarker } = page
      marker = null
      if (page.IsTruncated && NextKeyMarker !== undefined) {
        const id = NextUploadIdMarker === undefined ? {} : { UploadIdMarker: NextUploadIdMarker }
        marker = { KeyMarker: NextKeyMarker, ...id }
      }
    }
  }

  async discard({ name, id }: PendingWrite, signal?: AbortSignal): Promise<void> {
    checkName(name)
    await this.#send(`abort the upload of ${name}`, signal, async (client, options) => {
      try {
        const command = new AbortMultipartUploadCommand({ ...this.#object(name), UploadId: id })
        await client.send(command, options)
      } catch (error) {
        if (statusOf(error) !== 404) throw error
      }
    })
  }

  async resume({ name, id }: PendingWrite, options: WriteOptions = {}): Promise<ObjectWriter> {
    checkName(name)
    const parts: Part[] = []
    let PartNumberMarker: string | undefined
    do {
      const page = await this.#send(`resume ${name}`, options.signal, (client, http) => {
        const upload = { ...this.#object(name), UploadId: id }
        return client.send(new ListPartsCommand({ ...upload, PartNumberMarker }), http)
      })
      for (const { PartNumber = 0, ETag = '', Size = 0 } of page.Parts ?? []) {
        parts.push({ number: PartNumber, etag: ETag, bytes: Size })
      }
      PartNumberMarker = page.IsTruncated ? page.NextPartNumberMarker : undefined
    } while (PartNumberMarker !== undefined)
    const kept = { uploadId: id, parts: firstParts(parts) }
    return new S3Upload(this.#calls, this.#target(name, options), kept)
  }

  close(): void {
    this.#calls.client.destroy()
  }

  #key(name: string): string {
    return this.#place.prefix + name
  }

  #object(name: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#place.s3Bucket, Key: this.#key(name) }
  }

  #target(name: string, options: WriteOptions) {
    const { createOnly = false, signal, expectedBytes = 0 } = options
    return {
      name,
      objectKey: this.#key(name),
      createOnly,
      signal,
      partBytes: this.#place.partBytes ?? firstPartBytes(expectedBytes),
      hasOpaqueEtags: this.#place.hasOpaqueEtags,
      put: (bytes: Uint8Array) => this.put(name, bytes, options),
    }
  }

  /** One request that may be made again without harm. */
  #send<T>(
    doing: string,
    signal: AbortSignal | undefined,
    send: (client: S3Calls['client'], options: { abortSignal?: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    const options = signal === undefined ? {} : { abortSignal: signal }
    return this.#calls.call(doing, () => send(this.#calls.client, options), signal)
  }

  /** What S3 says of an object; null: there is none. */
  #head(name: string, signal: AbortSignal | undefined): Promise<HeadObjectCommandOutput | null> {
    return this.#send(`look at ${name}`, signal, async (client, options) => {
      try {
        return await client.send(new HeadObjectCommand(this.#object(name)), options)
      } catch (error) {
        if (statusOf(error) === 404) return null
        throw error
      }
    })
  }

  /** One PUT; without its condition, once the store has said that it knows none. */
  async #put(
    name: string,
    bytes: Uint8Array,
    {
      mark,
      createOnly,
      signal,
    }: { mark: string; createOnly: boolean; signal?: AbortSignal | undefined },
  ): Promise<void> {
    const isConditional = createOnly && this.#heedsConditions !== false
    const command = new PutObjectCommand({
      ...this.#object(name),
      Body: bytes,
      ContentLength: bytes.length,
      ContentMD5: md5Of(bytes).toString('base64'),
      ContentType: 'application/octet-stream',
      Metadata: { [MARK]: mark },
      ...(isConditional ? { IfNoneMatch: '*' } : {}),
    })
    try {
      const reply = await this.#calls.client.send(command, signal ? { abortSignal: signal } : {})
      this.#checkEtag(reply, bytes, name)
    } catch (error) {
      if (!isConditional || statusOf(error) !== 501) throw error
      this.#heedsConditions = false
      await this.#put(name, bytes, { mark, createOnly, signal })
    }
  }

  /** Throws `damaged` when the store's answer says that it holds something else. */
  #checkEtag(reply: Pick<HeadObjectCommandOutput, 'ETag'>, bytes: Uint8Array, name: string): void {
    if (this.#place.hasOpaqueEtags) return
    checkEtag(reply, md5Of(bytes).toString('hex'), `${this.url}: cannot write ${name}`)
  }

  /** Whether a conditional PUT over an object is refused. */
  async #tryCondition(name: string): Promise<boolean> {
    if (this.#heedsConditions !== null) return this.#heedsConditions
    const mark = randomBytes(16).toString('hex')
    try {
      await this.#put(name, Buffer.from('probe'), { mark, createOnly: true })
      this.#heedsConditions = false
    } catch (error) {
      if (statusOf(error) !== 412) throw this.#calls.fault(error, `write ${name}`)
      this.#heedsConditions = true
    }
    return this.#heedsConditions
  }

  /** The object from a byte on; null: it has no such byte. */
  async #getFrom(
    name: string,
    offset: number,
    { etag, signal }: { etag: string | undefined; signal: AbortSignal | undefined },
  ): Promise<{ total: number; etag: string | undefined; body: AsyncIterable<Uint8Array> } | null> {
    const command = new GetObjectCommand({
      ...this.#object(name),
      Range: `bytes=${offset}-`,
      ...(etag === undefined ? {} : { IfMatch: etag }),
    })
    try {
      const options = signal === undefined ? {} : { abortSignal: signal }
      const reply = await this.#calls.client.send(command, options)
      const total = totalOf(reply.ContentRange) ?? (offset === 0 ? reply.ContentLength : undefined)
      if (total === undefined) {
        throw new StoreFault('invalid', `${this.url}: it does not know ranges`)
      }
      return { total, etag: reply.ETag, body: reply.Body as AsyncIterable<Uint8Array> }
    } catch (error) {
      if (statusOf(error) === 416) return null
      throw error
    }
  }

  /** For a reader that was told there is nothing from `offset` on. */
  async #checkEnd(name: string, offset: number, signal: AbortSignal | undefined): Promise<void> {
    const { bytes } = await this.info(name, signal)
    if (offset === bytes) return
    if (offset < bytes) throw this.#cut(name, offset, bytes)
    throw new StoreFault('invalid', `${this.url}: ${name} has ${bytes} bytes, no byte ${offset}`)
  }

  #exists(name: string): StoreFault {
    return new StoreFault('exists', `${this.url}: there is a ${name} already`)
  }

  #changed(name: string): StoreFault {
    return new StoreFault('invalid', `${this.url}: ${name} was changed while it was read`)
  }

  #cut(name: string, found: number, expected: number): StoreFault {
    const text = `${name} came with ${found} bytes, expected ${expected}`
    return new StoreFault('damaged', `${this.url}: ${text}`)
  }
}

function md5Of(bytes: Uint8Array): Buffer {
  return createHash('md5').update(bytes).digest()
}

/** `bytes 0-9/100` → 100. */
function totalOf(contentRange: string | undefined): number | undefined {
  const found = /\/(\d+)$/.exec(contentRange ?? '')
  return found === null ? undefined : Number(found[1])
}

/** Those that follow each other from 1 on and may stand in the middle of an object. */
function firstParts(parts: readonly Part[]): Part[] {
  const kept: Part[] = []
  for (const part of parts) {
    if (part.number !== kept.length + 1 || part.bytes < PART_BYTES_MIN) break
    kept.push(part)
  }
  return kept
}
