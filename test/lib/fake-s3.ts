// A store that speaks S3, in this process, for tests: signatures, conditional writes, multipart
// uploads, ranges, listings by pages. One bucket, path style, everything in memory.
//
// It does wrong when told to. `faults` is a list of rules: the first one that fits a request and
// has times left decides what becomes of it.
//
//   status       answers with this status and code, having done nothing
//   slow         waits, then goes on
//   stall        never answers
//   cut          breaks the connection off after half of the request's body
//   lose         does what was asked, then breaks the connection off without an answer
//   etag         answers with another ETag than the right one
//   truncate     breaks the connection off after half of the answer's body
//   late-error   200, and then an error in the body, as CompleteMultipartUpload can answer

import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { signatureFault } from './fake-s3-signature.ts'

export type FakeAction =
  | { readonly do: 'status'; readonly status: number; readonly code: string }
  | { readonly do: 'slow'; readonly ms: number }
  | { readonly do: 'stall' | 'cut' | 'lose' | 'etag' | 'truncate' | 'late-error' }

export interface FakeFault {
  /** The name of a request in S3's API, such as `UploadPart`; `*`: any. */
  readonly request: string
  readonly action: FakeAction
  /** After this many that fit; … */
  skip?: number
  /** … so many times, once if not given. */
  times?: number
}

interface StoredObject {
  readonly bytes: Buffer
  readonly etag: string
  readonly mark: string
  readonly modified: Date
}

interface Upload {
  readonly id: string
  readonly key: string
  readonly mark: string
  readonly started: Date
  readonly parts: Map<number, { readonly bytes: Buffer; readonly etag: string }>
}

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly body: Buffer
  readonly key: string
  readonly query: URLSearchParams
  readonly action: FakeAction | null
}

export class FakeS3 {
  readonly accessKeyId = 'FAKEKEY'
  readonly secretAccessKey = 'FAKESECRET'
  readonly region = 'us-east-1'
  readonly objects = new Map<string, StoredObject>()
  readonly uploads = new Map<string, Upload>()
  /** Names of the requests that came, in order. */
  readonly requests: string[] = []
  faults: FakeFault[] = []
  conditions: 'heeded' | 'refused' | 'ignored' = 'heeded'
  clockOffsetMs = 0
  pageLength = 1000
  capacityBytes = Infinity
  readonly #server: Server
  #uploadCount = 0

  private constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response))
    // What is cut or stalled ends with the test.
    this.#server.on('clientError', (_, socket) => socket.destroy())
  }

  static async start(): Promise<FakeS3> {
    const fake = new FakeS3()
    await new Promise<void>((done) => fake.#server.listen(0, '127.0.0.1', done))
    return fake
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** For `openStore`; without a region, which is then us-east-1. */
  url(prefix = 'prefix'): string {
    return `s3://bucket/${prefix}?endpoint=${this.endpoint}`
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  count(request: string): number {
    return this.requests.filter((name) => name === request).length
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://host')
    const [, bucket = '', ...rest] = url.pathname.split('/').map(decodeURIComponent)
    const key = rest.join('/')
    const name = requestName(request.method ?? '', key, url.searchParams)
    this.requests.push(name)
    const action = this.#takeFault(name)
    const body = await receive(request, action)
    if (body === null) return void response.destroy()
    const exchange = { request, response, body, key, query: url.searchParams, action }
    response.setHeader('date', new Date(Date.now() + this.clockOffsetMs).toUTCString())

    if (action?.do === 'stall') return
    if (action?.do === 'slow') await new Promise((done) => setTimeout(done, action.ms))
    if (action?.do === 'status') return fail(exchange, action.status, action.code)
    const now = Date.now() + this.clockOffsetMs
    const fault = signatureFault(request, body, this, now)
    if (fault !== null) return fail(exchange, 403, fault)
    if (bucket !== 'bucket') return fail(exchange, 404, 'NoSuchBucket')
    if (wrongMd5(request, body)) return fail(exchange, 400, 'BadDigest')
    this.#answer(name, exchange)
  }

  #answer(name: string, exchange: Exchange): void {
    switch (name) {
      case 'PutObject':
        return this.#putObject(exchange)
      case 'GetObject':
      case 'HeadObject':
        return this.#getObject(exchange)
      case 'DeleteObject':
        this.objects.delete(exchange.key)
        return send(exchange, 204)
      case 'ListObjectsV2':
        return this.#listObjects(exchange)
      case 'CreateMultipartUpload':
        return this.#createUpload(exchange)
      case 'UploadPart':
        return this.#uploadPart(exchange)
      case 'CompleteMultipartUpload':
        return this.#completeUpload(exchange)
      case 'AbortMultipartUpload':
        if (!this.#findUpload(exchange)) return fail(exchange, 404, 'NoSuchUpload')
        this.uploads.delete(exchange.query.get('uploadId') ?? '')
        return send(exchange, 204)
      case 'ListParts':
        return this.#listParts(exchange)
      case 'ListMultipartUploads':
        return this.#listUploads(exchange)
      default:
        return fail(exchange, 501, 'NotImplemented')
    }
  }

  #takeFault(name: string): FakeAction | null {
    for (const fault of this.faults) {
      if (fault.request !== name && fault.request !== '*') continue
      if (fault.skip) {
        fault.skip--
        continue
      }
      fault.times ??= 1
      if (fault.times-- > 0) return fault.action
    }
    return null
  }

  /** Whether the write may go on; else it has been answered. */
  #mayWrite(exchange: Exchange, bytes: number): boolean {
    const isConditional = exchange.request.headers['if-none-match'] === '*'
    let used = 0
    for (const object of this.objects.values()) used += object.bytes.length
    if (isConditional && this.conditions === 'refused') fail(exchange, 501, 'NotImplemented')
    else if (isConditional && this.conditions === 'heeded' && this.objects.has(exchange.key)) {
      fail(exchange, 412, 'PreconditionFailed')
    } else if (used + bytes > this.capacityBytes) fail(exchange, 507, 'InsufficientStorage')
    else return true
    return false
  }

  #putObject(exchange: Exchange): void {
    const { key, body: bytes, request } = exchange
    if (!this.#mayWrite(exchange, bytes.length)) return
    const [etag, mark] = [md5(bytes), markOf(request)]
    this.objects.set(key, { bytes, etag, mark, modified: new Date() })
    send(exchange, 200, '', { etag: `"${etag}"` })
  }

  #getObject(exchange: Exchange): void {
    const { key, request } = exchange
    const object = this.objects.get(key)
    if (object === undefined) return fail(exchange, 404, 'NoSuchKey')
    const { bytes, etag, mark, modified } = object
    const condition = request.headers['if-match']
    if (condition !== undefined && condition !== `"${etag}"`) {
      return fail(exchange, 412, 'PreconditionFailed')
    }
    const headers: Record<string, string> = {
      etag: `"${etag}"`,
      'last-modified': modified.toUTCString(),
      ...(mark === '' ? {} : { 'x-amz-meta-tidemark-write': mark }),
    }
    const from = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1]
    if (from === undefined) return send(exchange, 200, bytes, headers)
    if (Number(from) >= bytes.length) return fail(exchange, 416, 'InvalidRange')
    headers['content-range'] = `bytes ${from}-${bytes.length - 1}/${bytes.length}`
    send(exchange, 206, bytes.subarray(Number(from)), headers)
  }

  #listObjects(exchange: Exchange): void {
    const { query } = exchange
    const prefix = query.get('prefix') ?? ''
    const after = query.get('continuation-token') ?? ''
    const keys = [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix))
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    const start = after === '' ? 0 : keys.indexOf(after) + 1
    const page = keys.slice(start, start + this.pageLength)
    const isTruncated = start + page.length < keys.length
    const contents = page.map((key) => {
      const { bytes, etag, modified } = this.objects.get(key) as StoredObject
      const date = tag('LastModified', modified.toISOString())
      const size = tag('Size', bytes.length)
      return `<Contents>${tag('Key', key)}${size}${date}${tag('ETag', etag)}</Contents>`
    })
    const next = isTruncated ? tag('NextContinuationToken', page.at(-1) ?? '') : ''
    sendXml(exchange, 'ListBucketResult', [tag('IsTruncated', isTruncated), next, ...contents])
  }

  #createUpload(exchange: Exchange): void {
    const id = `upload-${++this.#uploadCount}`
    const [key, mark] = [exchange.key, markOf(exchange.request)]
    this.uploads.set(id, { id, key, mark, started: new Date(), parts: new Map() })
    sendXml(exchange, 'InitiateMultipartUploadResult', [tag('UploadId', id)])
  }

  #findUpload({ query, key }: Exchange): Upload | undefined {
    const upload = this.uploads.get(query.get('uploadId') ?? '')
    return upload?.key === key ? upload : undefined
  }

  #uploadPart(exchange: Exchange): void {
    const upload = this.#findUpload(exchange)
    if (upload === undefined) return fail(exchange, 404, 'NoSuchUpload')
    const etag = md5(exchange.body)
    upload.parts.set(Number(exchange.query.get('partNumber')), { bytes: exchange.body, etag })
    send(exchange, 200, '', { etag: `"${etag}"` })
  }

  #completeUpload(exchange: Exchange): void {
    const { body, key } = exchange
    if (exchange.action?.do === 'late-error') {
      return sendXml(exchange, 'Error', [tag('Code', 'InternalError'), tag('Message', 'late')])
    }
    const upload = this.#findUpload(exchange)
    if (upload === undefined) return fail(exchange, 404, 'NoSuchUpload')
    const pieces: Buffer[] = []
    for (const [, text = ''] of body.toString().matchAll(/<Part>(.*?)<\/Part>/gs)) {
      const number = Number(/<PartNumber>(\d+)</.exec(text)?.[1])
      const etag = /<ETag>(?:&quot;|")?([0-9a-f]+)/.exec(text)?.[1]
      const part = upload.parts.get(number)
      if (part === undefined || part.etag !== etag) return fail(exchange, 400, 'InvalidPart')
      pieces.push(part.bytes)
    }
    if (pieces.slice(0, -1).some((piece) => piece.length < 5 << 20)) {
      return fail(exchange, 400, 'EntityTooSmall')
    }
    const bytes = Buffer.concat(pieces)
    if (!this.#mayWrite(exchange, bytes.length)) return
    const sums = Buffer.concat(pieces.map((piece) => Buffer.from(md5(piece), 'hex')))
    const etag = `${md5(sums)}-${pieces.length}`
    this.objects.set(key, { bytes, etag, mark: upload.mark, modified: new Date() })
    this.uploads.delete(upload.id)
    sendXml(exchange, 'CompleteMultipartUploadResult', [tag('ETag', `"${etag}"`)])
  }

  #listParts(exchange: Exchange): void {
    const upload = this.#findUpload(exchange)
    if (upload === undefined) return fail(exchange, 404, 'NoSuchUpload')
    const after = Number(exchange.query.get('part-number-marker') ?? 0)
    const numbers = [...upload.parts.keys()].filter((n) => n > after).sort((a, b) => a - b)
    const page = numbers.slice(0, this.pageLength)
    const parts = page.map((number) => {
      const { etag, bytes } = upload.parts.get(number) as { bytes: Buffer; etag: string }
      const size = tag('Size', bytes.length)
      return `<Part>${tag('PartNumber', number)}${tag('ETag', `"${etag}"`)}${size}</Part>`
    })
    const isTruncated = tag('IsTruncated', page.length < numbers.length)
    const next = tag('NextPartNumberMarker', page.at(-1) ?? 0)
    sendXml(exchange, 'ListPartsResult', [isTruncated, next, ...parts])
  }

  #listUploads(exchange: Exchange): void {
    const { query } = exchange
    const prefix = query.get('prefix') ?? ''
    const after = query.get('upload-id-marker')
    const all = [...this.uploads.values()].filter(({ key }) => key.startsWith(prefix))
    const start = after === null ? 0 : all.findIndex(({ id }) => id === after) + 1
    const page = all.slice(start, start + this.pageLength)
    const uploads = page.map(({ key, id, started }) => {
      const date = tag('Initiated', started.toISOString())
      return `<Upload>${tag('Key', key)}${tag('UploadId', id)}${date}</Upload>`
    })
    const last = page.at(-1)
    sendXml(exchange, 'ListMultipartUploadsResult', [
      tag('IsTruncated', start + page.length < all.length),
      tag('NextKeyMarker', last?.key ?? ''),
      tag('NextUploadIdMarker', last?.id ?? ''),
      ...uploads,
    ])
  }
}

/** The body, or null when the connection is to break off within it. */
async function receive(
  request: IncomingMessage,
  action: FakeAction | null,
): Promise<Buffer | null> {
  const expected = Number(request.headers['content-length'] ?? 0)
  const pieces: Buffer[] = []
  let count = 0
  try {
    for await (const piece of request) {
      pieces.push(piece)
      count += piece.length
      if (action?.do === 'cut' && count >= expected / 2) break
    }
  } catch {
    return null
  }
  return action?.do === 'cut' ? null : Buffer.concat(pieces)
}

/** The name of a request in S3's API. */
function requestName(method: string, key: string, query: URLSearchParams): string {
  const isUpload = query.has('uploadId')
  if (key === '') return query.has('uploads') ? 'ListMultipartUploads' : 'ListObjectsV2'
  switch (method) {
    case 'PUT':
      return isUpload ? 'UploadPart' : 'PutObject'
    case 'POST':
      return isUpload ? 'CompleteMultipartUpload' : 'CreateMultipartUpload'
    case 'DELETE':
      return isUpload ? 'AbortMultipartUpload' : 'DeleteObject'
    case 'HEAD':
      return 'HeadObject'
    default:
      return isUpload ? 'ListParts' : 'GetObject'
  }
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex')
}

function wrongMd5(request: IncomingMessage, body: Buffer): boolean {
  const sent = request.headers['content-md5']
  return sent !== undefined && sent !== createHash('md5').update(body).digest('base64')
}

function markOf(request: IncomingMessage): string {
  return String(request.headers['x-amz-meta-tidemark-write'] ?? '')
}

function tag(name: string, value: string | number | boolean): string {
  const text = String(value).replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<${name}>${text}</${name}>`
}

function sendXml(exchange: Exchange, root: string, parts: readonly string[]): void {
  const xml = `<?xml version="1.0"?><${root}>${parts.join('')}</${root}>`
  send(exchange, 200, xml, { 'content-type': 'application/xml' })
}

function fail(exchange: Exchange, status: number, code: string): void {
  const xml = `<Error>${tag('Code', code)}${tag('Message', `this is ${code}`)}</Error>`
  const isBodiless = exchange.request.method === 'HEAD'
  send(exchange, status, isBodiless ? '' : xml, { 'content-type': 'application/xml' })
}

function send(
  { request, response, action }: Exchange,
  status: number,
  body: Buffer | string = '',
  headers: Record<string, string> = {},
): void {
  if (action?.do === 'lose') return void response.destroy()
  if (action?.do === 'etag') headers['etag'] = `"${'0'.repeat(32)}"`
  const bytes = Buffer.from(body)
  response.writeHead(status, { ...headers, 'content-length': bytes.length })
  if (request.method === 'HEAD') return void response.end()
  if (action?.do !== 'truncate') return void response.end(bytes)
  response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy())
}
