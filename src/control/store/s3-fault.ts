// What errors of S3 mean: whether trying again can help, and which fault they are in the end.
//
// Stores agree on codes for what is common and on little else, so the HTTP status decides where the
// code is unknown. The error itself is not kept as `cause`: it carries the request with its
// headers, and with them the signature and perhaps a session token.

import { type FaultKind, StoreFault } from './object-store.ts'

/** What is read of an error of the SDK; of its many shapes these fields are common. */
interface S3ErrorShape {
  readonly name: string
  readonly code: string
  readonly message: string
  /** HTTP status, or 0 without an answer. */
  readonly status: number
  readonly requestId: string
  readonly bucketRegion: string
}

/** A store that lies is not asked for long. */
const DAMAGED_ATTEMPTS_MAX = 3

/** Codes that pass by themselves, whatever their status. */
const TRANSIENT: ReadonlySet<string> = new Set([
  'RequestTimeout',
  'RequestTimeoutException',
  'SlowDown',
  'InternalError',
  'ServiceUnavailable',
  'OperationAborted',
  'ConditionalRequestConflict',
  'TooManyRequestsException',
  // The bytes were damaged on the way.
  'BadDigest',
  'XAmzContentSHA256Mismatch',
  'IncompleteBody',
  // Of the SDK.
  'TimeoutError',
])

/** Errors of the connection. */
const NETWORK: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'the connection was refused'],
  ['ECONNRESET', 'the connection broke off'],
  ['EPIPE', 'the connection broke off'],
  ['ECONNABORTED', 'the connection broke off'],
  ['ETIMEDOUT', 'no answer in time'],
  ['EHOSTUNREACH', 'the host cannot be reached'],
  ['ENETUNREACH', 'the network cannot be reached'],
  ['ENOTFOUND', 'the host name is not known'],
  ['EAI_AGAIN', 'the host name cannot be resolved now'],
  ['ERR_STREAM_PREMATURE_CLOSE', 'the connection broke off'],
  ['HPE_INVALID_CONSTANT', 'what answers does not speak HTTP'],
])

const KINDS: ReadonlyMap<string, readonly [FaultKind, string]> = new Map([
  ['NoSuchKey', ['missing', 'it is not there']],
  ['NotFound', ['missing', 'it is not there']],
  ['NoSuchBucket', ['missing', 'the bucket does not exist']],
  ['NoSuchUpload', ['missing', 'the upload is gone']],
  ['PreconditionFailed', ['exists', 'there is one already']],
  ['AccessDenied', ['denied', 'access denied']],
  ['InvalidAccessKeyId', ['denied', 'the access key is not known']],
  ['SignatureDoesNotMatch', ['denied', 'the secret key is wrong (the signature does not match)']],
  ['ExpiredToken', ['denied', 'the session token has expired']],
  ['InvalidToken', ['denied', 'the session token is not valid']],
  ['RequestExpired', ['denied', "this machine's clock and the store's differ too much"]],
  ['RequestTimeTooSkewed', ['denied', "this machine's clock and the store's differ too much"]],
  ['CredentialsProviderError', ['denied', 'no credentials were found']],
  ['QuotaExceeded', ['full', 'the quota is used up']],
  ['InsufficientStorage', ['full', 'no space left']],
  ['XMinioStorageFull', ['full', 'no space left']],
  ['EntityTooLarge', ['full', 'larger than the store allows']],
  ['BadDigest', ['damaged', 'the bytes that arrived are not those that were sent']],
  ['XAmzContentSHA256Mismatch', ['damaged', 'the bytes that arrived are not those that were sent']],
  ['InvalidRange', ['invalid', 'it has fewer bytes']],
  ['PermanentRedirect', ['invalid', 'the bucket lies in another region']],
  ['AuthorizationHeaderMalformed', ['invalid', 'the region is wrong']],
])

const KINDS_BY_STATUS: ReadonlyMap<number, readonly [FaultKind, string]> = new Map([
  [301, ['invalid', 'the bucket lies in another region']],
  [401, ['denied', 'access denied']],
  [403, ['denied', 'access denied']],
  [404, ['missing', 'it is not there']],
  [412, ['exists', 'there is one already']],
  [416, ['invalid', 'it has fewer bytes']],
  [507, ['full', 'no space left']],
])

/** Whether the same request may succeed a little later. `attempt` is its number, from 1. */
export function isTransient(error: unknown, attempt: number): boolean {
  if (error instanceof StoreFault)
    return error.kind === 'damaged' && attempt <= DAMAGED_ATTEMPTS_MAX
  const { name, code, status } = shapeOf(error)
  // The SDK has learned the store's time from this answer and signs the next request by it.
  if (name === 'RequestTimeTooSkewed') return attempt <= 2
  // The answer to a HEAD has no body and so no code: the same may be behind it, or a moment's
  // trouble.
  if (isNameless(name) && (status === 403 || status === 400)) return attempt === 1
  if (TRANSIENT.has(name) || NETWORK.has(code)) return true
  if (KINDS.has(name) || status === 507 || status === 501) return false
  // An answer of 2xx that is an error was cut off, or is the late error of a
  // CompleteMultipartUpload.
  if (status >= 200 && status < 300) return true
  return status >= 500 || status === 429 || status === 408 || status === 409
}

/** The code of S3 that an error has, or ''. */
export function s3CodeOf(error: unknown): string {
  return error instanceof Error ? error.name : ''
}

/** The HTTP status that an error came with, or 0. */
export function statusOf(error: unknown): number {
  return shapeOf(error).status
}

/** The fault that an error of the SDK is; faults stay as they are, bugs are thrown on. */
export function s3Fault(error: unknown, doing: string): StoreFault {
  if (error instanceof StoreFault) return error
  const shape = shapeOf(error)
  const { name, code, status, requestId, bucketRegion } = shape
  if (name === 'AbortError') return new StoreFault('aborted', `${doing}: stopped on request`)
  const network = NETWORK.get(code)
  if (network !== undefined) return new StoreFault('unavailable', `${doing}: ${network} (${code})`)
  if (status === 0 && !KINDS.has(name) && !TRANSIENT.has(name) && code === '') throw error

  const known = KINDS.get(name) ?? KINDS_BY_STATUS.get(status)
  const [kind, words] = known ?? (['unavailable', firstLine(shape.message)] as const)
  const facts = [isNameless(name) ? code : name, status === 0 ? '' : `HTTP ${status}`]
  if (bucketRegion !== '' && kind === 'invalid') facts.push(`region ${bucketRegion}`)
  if (requestId !== '' && kind === 'unavailable') facts.push(`request ${requestId}`)
  const details = facts.filter((fact) => fact !== '').join(', ')
  return new StoreFault(kind, `${doing}: ${words} (${details})`)
}

function shapeOf(error: unknown): S3ErrorShape {
  const fields = (error ?? {}) as {
    readonly name?: unknown
    readonly code?: unknown
    readonly message?: unknown
    readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string }
    readonly $response?: {
      readonly statusCode?: number
      readonly headers?: Readonly<Record<string, string>>
    }
  }
  return {
    name: textOf(fields.name),
    code: textOf(fields.code),
    message: textOf(fields.message),
    status: fields.$metadata?.httpStatusCode ?? fields.$response?.statusCode ?? 0,
    requestId: fields.$metadata?.requestId ?? '',
    bucketRegion: fields.$response?.headers?.['x-amz-bucket-region'] ?? '',
  }
}

/** Whether the SDK has not found a code in the answer. */
function isNameless(name: string): boolean {
  return /^(Unknown|UnknownError|Error|\d*)$/.test(name)
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** The start of a message of the store: it may be a page of HTML. */
function firstLine(message: string): string {
  const line = message.split('\n', 1)[0] ?? ''
  if (line === '' || isNameless(line)) return 'it failed without an explanation'
  return line.length > 200 ? `${line.slice(0, 200)}…` : line
}
