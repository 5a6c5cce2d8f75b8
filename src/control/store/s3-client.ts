// From `s3://bucket/prefix?…` to a client of the SDK.
//
//   endpoint=URL        another store than AWS: MinIO, Ceph, R2, …
//   region=NAME         else AWS_REGION or the shared config; us-east-1 with an endpoint
//   path-style=BOOLEAN  bucket in the path, not in the host name; true with an endpoint
//   profile=NAME        of the shared config and credentials files
//   part-size=BYTES     of multipart uploads; else by the length that is expected
//   etag=opaque         the store's ETags look like MD5 sums and are none: do not compare them
//
// Credentials come as the SDK finds them (AWS_* variables, shared files, SSO, instance roles),
// never from the URL, which stands in logs and manifests. Checksums only where S3 requires them:
// other stores break on the SDK's own trailers. Retries are ours (`s3-calls.ts`), so the SDK makes
// none.

import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { StoreFault } from './object-store.ts'

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** What a URL says. */
export interface S3Place {
  readonly s3Bucket: string
  /** '' or ending in a slash. */
  readonly prefix: string
  readonly endpoint: string | null
  readonly region: string | null
  readonly isPathStyle: boolean
  readonly profile: string | null
  /** null: to be chosen. */
  readonly partBytes: number | null
  readonly hasOpaqueEtags: boolean
}

const CONNECT_MS_MAX = 10_000
/** Without a byte either way. */
export const IDLE_MS_MAX = 60_000
const SOCKETS_MAX = 16
/** S3's limits of a part. */
export const PART_BYTES_MIN = 5 << 20
const PART_BYTES_MAX = 512 << 20

const PARAMETERS: readonly string[] = [
  'endpoint',
  'region',
  'path-style',
  'profile',
  'part-size',
  'etag',
]

/** Takes such a URL apart; `invalid` names what is wrong with it. */
export function parseS3Url(text: string): S3Place {
  if (!URL.canParse(text)) throw fault('it has the form s3://bucket/prefix?endpoint=…')
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') {
    throw fault('credentials do not belong in it: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY')
  }
  const s3Bucket = url.hostname
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/.test(s3Bucket)) throw fault('it names no bucket')
  const unknown = [...url.searchParams.keys()].find((name) => !PARAMETERS.includes(name))
  if (unknown !== undefined) {
    throw fault(`there is no parameter '${unknown}', only ${PARAMETERS.join(', ')}`)
  }
  const get = (name: string) => url.searchParams.get(name) || null
  const endpoint = get('endpoint')
  checkEndpoint(endpoint)
  return {
    s3Bucket,
    prefix: prefixOf(url.pathname),
    endpoint,
    region: get('region'),
    isPathStyle: oneOf('path-style', get('path-style'), ['true', 'false'])
      ? get('path-style') === 'true'
      : endpoint !== null,
    profile: get('profile'),
    partBytes: partBytesOf(get('part-size')),
    hasOpaqueEtags: oneOf('etag', get('etag'), ['opaque']),
  }
}

/** Whether the parameter is given; it must then be one of these. */
function oneOf(name: string, value: string | null, choices: readonly string[]): boolean {
  if (value === null) return false
  if (!choices.includes(value)) throw fault(`${name} is ${choices.join(' or ')}`)
  return true
}

function checkEndpoint(endpoint: string | null): void {
  if (endpoint === null) return
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw fault('endpoint is http://host:port or https://host:port')
  }
  if (url.username !== '' || url.password !== '') {
    throw fault('credentials do not belong in the endpoint')
  }
}

/** `/a//b/` → `a/b/`. */
function prefixOf(path: string): string {
  const segments = decodeURIComponent(path)
    .split('/')
    .filter((segment) => segment !== '')
  if (segments.includes('.') || segments.includes('..')) throw fault("'..' in its path")
  return segments.length === 0 ? '' : `${segments.join('/')}/`
}

function partBytesOf(text: string | null): number | null {
  if (text === null) return null
  const bytes = Number(text)
  if (Number.isInteger(bytes) && bytes >= PART_BYTES_MIN && bytes <= PART_BYTES_MAX) return bytes
  throw fault(`part-size is a number of bytes from ${PART_BYTES_MIN} to ${PART_BYTES_MAX}`)
}

/** Without the text: somebody may have written a secret into it. */
function fault(message: string): StoreFault {
  return new StoreFault('invalid', `the store's URL: ${message}`)
}

/** A client for the place; finds the region, asks the store nothing. */
export async function openS3Client(
  place: S3Place,
  credentials: S3Credentials | undefined,
  idleMsMax = IDLE_MS_MAX,
): Promise<S3Client> {
  const base: S3ClientConfig = {
    forcePathStyle: place.isPathStyle,
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    followRegionRedirects: false,
    requestHandler: {
      connectionTimeout: CONNECT_MS_MAX,
      socketTimeout: idleMsMax,
      httpAgent: { keepAlive: true, maxSockets: SOCKETS_MAX },
      httpsAgent: { keepAlive: true, maxSockets: SOCKETS_MAX },
    },
    ...(place.endpoint === null ? {} : { endpoint: place.endpoint }),
    ...(place.profile === null ? {} : { profile: place.profile }),
    ...(credentials === undefined ? {} : { credentials }),
  }
  if (place.region !== null) return new S3Client({ ...base, region: place.region })
  const client = new S3Client(base)
  try {
    await client.config.region()
    return client
  } catch {
    client.destroy()
    if (place.endpoint !== null) return new S3Client({ ...base, region: 'us-east-1' })
    throw fault('no region: add ?region=NAME, or set AWS_REGION')
  }
}
