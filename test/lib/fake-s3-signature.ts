// The check of AWS Signature Version 4 as a store of S3 makes it: of the method, path, query, the
// headers that the client names, and the hash of the payload.
//
// Source: "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API Reference.

import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

export interface Signer {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly region: string
}

const SKEW_MS_MAX = 15 * 60_000

const AUTHORIZATION = new RegExp(
  '^AWS4-HMAC-SHA256 Credential=([^/]+)/(\\d{8})/([^/]+)/s3/aws4_request, ?' +
    'SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$',
)

/** The code to answer, or null when the signature holds. */
export function signatureFault(
  request: IncomingMessage,
  body: Uint8Array,
  signer: Signer,
  nowMs: number,
): string | null {
  const parts = AUTHORIZATION.exec(request.headers.authorization ?? '')
  if (parts === null) return 'AccessDenied'
  const [, accessKeyId, day = '', region, names = '', signature = ''] = parts
  if (accessKeyId !== signer.accessKeyId) return 'InvalidAccessKeyId'
  if (region !== signer.region) return 'AuthorizationHeaderMalformed'
  const stamp = String(request.headers['x-amz-date'] ?? '')
  const at = stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z')
  if (!(Math.abs(nowMs - Date.parse(at)) <= SKEW_MS_MAX)) return 'RequestTimeTooSkewed'

  const hash = sha256(body)
  if (request.headers['x-amz-content-sha256'] !== hash) return 'XAmzContentSHA256Mismatch'
  const url = new URL(request.url ?? '', 'http://host')
  const query = [...url.searchParams].map((pair) => pair.map(encode).join('=')).sort()
  const headers = names.split(';').map((name) => `${name}:${headerOf(request, name)}`)
  const lines = [request.method, url.pathname, query.join('&'), ...headers, '', names, hash]
  const scope = [day, region ?? '', 's3', 'aws4_request']
  const text = ['AWS4-HMAC-SHA256', stamp, scope.join('/'), sha256(lines.join('\n'))].join('\n')
  let key: Uint8Array = Buffer.from(`AWS4${signer.secretAccessKey}`)
  for (const part of scope) key = hmac(key, part)
  const expected = hmac(key, text)
  const isEqual = timingSafeEqual(expected, Buffer.from(signature, 'hex'))
  return isEqual ? null : 'SignatureDoesNotMatch'
}

function headerOf(request: IncomingMessage, name: string): string {
  return String(request.headers[name] ?? '')
    .trim()
    .replace(/\s+/g, ' ')
}

function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

/** As RFC 3986 has it: `encodeURIComponent` leaves five characters alone. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
