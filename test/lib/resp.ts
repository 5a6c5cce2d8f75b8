// A small RESP parser for tests that keeps every type of the wire apart: `$-1`, `*-1` and `_` are
// three different values here, `:1` is no `,1`, and a map is no flat array. Client libraries blur
// these, which is why the conformance tests do not use one. Bytes are held as latin1 text, one
// character per byte, so that binary values can be compared and printed as they are.

export type Kind =
  | 'simple'
  | 'error'
  | 'blobError'
  | 'integer'
  | 'bulk'
  | 'nil'
  | 'nilArray'
  | 'null'
  | 'double'
  | 'boolean'
  | 'bignum'
  | 'verbatim'
  | 'array'
  | 'set'
  | 'map'
  | 'push'
  | 'attribute'

export interface Value {
  readonly kind: Kind
  /** The payload as latin1; '' for aggregates. A verbatim string keeps its `txt:` prefix. */
  readonly text: string
  /** Elements of an aggregate; keys and values of a map alternate. */
  readonly items: readonly Value[]
}

/** A complete value and the position behind it. */
export interface Parsed {
  readonly value: Value
  readonly next: number
}

const LINE_KINDS: Readonly<Record<string, Kind>> = {
  '+': 'simple',
  '-': 'error',
  ':': 'integer',
  ',': 'double',
  '#': 'boolean',
  '(': 'bignum',
}
const BLOB_KINDS: Readonly<Record<string, Kind>> = { $: 'bulk', '!': 'blobError', '=': 'verbatim' }
const LIST_KINDS: Readonly<Record<string, Kind>> = {
  '*': 'array',
  '~': 'set',
  '%': 'map',
  '>': 'push',
  '|': 'attribute',
}

/** A value without elements. */
export function scalar(kind: Kind, text = ''): Value {
  return { kind, text, items: [] }
}

/** The value that starts at `start`, or null when bytes are missing. Throws on what is no RESP. */
export function parseValue(bytes: Buffer, start: number): Parsed | null {
  const lineEnd = bytes.indexOf('\r\n', start, 'latin1')
  if (lineEnd < 0) return null
  const tag = String.fromCharCode(bytes[start]!)
  const line = bytes.toString('latin1', start + 1, lineEnd)
  const next = lineEnd + 2
  const lineKind = LINE_KINDS[tag]
  if (lineKind) return { value: scalar(lineKind, line), next }
  if (tag === '_') return { value: scalar('null'), next }
  if (!/^-?\d+$/.test(line))
    throw new Error(`no RESP at byte ${start}: ${JSON.stringify(tag + line)}`)
  const count = Number(line)
  const blobKind = BLOB_KINDS[tag]
  if (blobKind) return parseBlob(bytes, next, { kind: blobKind, length: count })
  const listKind = LIST_KINDS[tag]
  if (listKind) return parseList(bytes, next, { kind: listKind, count })
  throw new Error(`no RESP type at byte ${start}: ${JSON.stringify(tag + line)}`)
}

function parseBlob(
  bytes: Buffer,
  start: number,
  blob: { kind: Kind; length: number },
): Parsed | null {
  if (blob.length < 0) return { value: scalar('nil'), next: start }
  const end = start + blob.length
  if (bytes.length < end + 2) return null
  if (bytes[end] !== 0x0d || bytes[end + 1] !== 0x0a)
    throw new Error(`no CRLF after a blob at ${end}`)
  return { value: scalar(blob.kind, bytes.toString('latin1', start, end)), next: end + 2 }
}

function parseList(
  bytes: Buffer,
  start: number,
  list: { kind: Kind; count: number },
): Parsed | null {
  if (list.count < 0) return { value: scalar('nilArray'), next: start }
  const isPairs = list.kind === 'map' || list.kind === 'attribute'
  const total = isPairs ? list.count * 2 : list.count
  const items: Value[] = []
  let next = start
  while (items.length < total) {
    const item = parseValue(bytes, next)
    if (!item) return null
    items.push(item.value)
    next = item.next
  }
  return { value: { kind: list.kind, text: '', items }, next }
}

/** A command as clients send it: an array of bulk strings. Strings are taken as latin1. */
export function encodeCommand(args: readonly (string | Buffer)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`, 'latin1')]
  for (const arg of args) {
    const bytes = typeof arg === 'string' ? Buffer.from(arg, 'latin1') : arg
    parts.push(Buffer.from(`$${bytes.length}\r\n`, 'latin1'), bytes, Buffer.from('\r\n', 'latin1'))
  }
  return Buffer.concat(parts)
}

const SHOWN_LENGTH_MAX = 400

/** A value in the notation of the conformance files, for messages; long strings are cut. */
export function showValue(value: Value): string {
  const items = value.items.map(showValue).join(' ')
  switch (value.kind) {
    case 'simple':
      return `+${value.text}`
    case 'error':
      return `-${value.text}`
    case 'blobError':
      return `!${showText(value.text)}`
    case 'integer':
      return `:${value.text}`
    case 'double':
      return `,${value.text}`
    case 'boolean':
      return `#${value.text}`
    case 'bignum':
      return `(${value.text}`
    case 'bulk':
      return showText(value.text)
    case 'verbatim':
      return `${value.text.slice(0, 3)}${showText(value.text.slice(4))}`
    case 'array':
      return `[${items}]`
    case 'map':
      return `{${items}}`
    case 'nilArray':
      return 'nil-array'
    case 'nil':
    case 'null':
      return value.kind
    default:
      return `${value.kind}[${items}]`
  }
}

/** Bytes in double quotes with the escapes of the conformance files. */
export function showText(text: string): string {
  const shown = text.length > SHOWN_LENGTH_MAX ? text.slice(0, SHOWN_LENGTH_MAX) : text
  const escaped = shown.replace(/[\\"]|[^ -~]/g, (character) => {
    if (character === '\\' || character === '"') return `\\${character}`
    if (character === '\n') return '\\n'
    if (character === '\r') return '\\r'
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
  return shown.length === text.length ? `"${escaped}"` : `"${escaped}"… (${text.length} bytes)`
}
