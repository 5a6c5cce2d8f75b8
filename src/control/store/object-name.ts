// Names of objects: segments with slashes between, the same in a directory and in a bucket. What
// would mean something else in one of the two is refused: an empty segment, `.`, `..`, a first
// slash, a backslash, control characters. A segment does not begin with a dot: those are the
// store's.

import { StoreFault } from './object-store.ts'

/** S3's limit of a key, in bytes of UTF-8. */
const NAME_BYTES_MAX = 1024
/** The limit of a file's name. */
const SEGMENT_BYTES_MAX = 255

/** Throws `invalid` when the name could not be one in every store. */
export function checkName(name: string): void {
  const fault = nameFault(name, name.split('/'))
  if (fault !== null) throw new StoreFault('invalid', `object name ${quote(name)}: ${fault}`)
}

/** Throws `invalid` when no name could begin so. */
export function checkPrefix(prefix: string): void {
  const segments = prefix.split('/')
  // Its end may be anywhere in a segment.
  if (segments.at(-1) === '') segments.pop()
  const fault = nameFault(prefix, segments)
  if (fault !== null) throw new StoreFault('invalid', `prefix ${quote(prefix)}: ${fault}`)
}

/** The order of S3: by bytes of UTF-8, which is not that of UTF-16. */
export function compareNames(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function nameFault(name: string, segments: readonly string[]): string | null {
  if (Buffer.byteLength(name) > NAME_BYTES_MAX) return `more than ${NAME_BYTES_MAX} bytes`
  if (/[\u0000-\u001f\u007f\\]/.test(name)) return 'a control character or backslash'
  if (!name.isWellFormed()) return 'half of a surrogate pair'
  for (const segment of segments) {
    if (segment === '') return 'an empty segment'
    if (segment.startsWith('.')) return 'a segment that begins with a dot'
    if (Buffer.byteLength(segment) > SEGMENT_BYTES_MAX) {
      return `a segment of more than ${SEGMENT_BYTES_MAX} bytes`
    }
  }
  return null
}

/** For messages: short, and without what would upset a terminal. */
function quote(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name)
}
