// The text layer of the configuration: bytes of files to strings and back, lines to arguments,
// values to quoted text, numbers with units.
//
// Configuration is bytes in Redis: a password may hold `\xff`. Here it is strings, so that paths
// work as they are; a byte that is not UTF-8 becomes the lone surrogate U+DC00 + byte, and is that
// byte again when written. So any file survives CONFIG REWRITE unchanged.
// Splitting and quoting work on byte strings (one character per byte, 0–255) in between, because
// `\xc3\xa9` is one letter only once both bytes stand side by side.

import { systemCode } from '../base/disk.ts'

const SURROGATE = 0xdc00
const HEX_PAIR = /^[0-9a-fA-F]{2}$/
const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  b: '\b',
  a: '\x07',
}
const REPRESENTATIONS: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '"': '\\"',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\x07': '\\a',
  '\b': '\\b',
}
const UNITS: Readonly<Record<string, bigint>> = {
  '': 1n,
  b: 1n,
  k: 1000n,
  kb: 1024n,
  m: 1000n ** 2n,
  mb: 1024n ** 2n,
  g: 1000n ** 3n,
  gb: 1024n ** 3n,
}
const SYSTEM_MESSAGES: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EBUSY: 'Device or resource busy',
  EDQUOT: 'Disk quota exceeded',
  EEXIST: 'File exists',
  EIO: 'Input/output error',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many levels of symbolic links',
  EMFILE: 'Too many open files',
  ENAMETOOLONG: 'File name too long',
  ENOENT: 'No such file or directory',
  ENOSPC: 'No space left on device',
  ENOTDIR: 'Not a directory',
  EPERM: 'Operation not permitted',
  EROFS: 'Read-only file system',
}

export const U64_MAX = 2n ** 64n - 1n
export const I64_MAX = 2n ** 63n - 1n
export const I64_MIN = -(2n ** 63n)

/** Bytes as a string; what is not UTF-8 becomes lone surrogates, so nothing is lost. */
export function decodeText(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  if (!text.includes('\ufffd')) return text
  return decodeDamaged(bytes)
}

/** The bytes that `decodeText` made `text` of. */
export function encodeText(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text, 'utf8')
  const parts: Buffer[] = []
  for (const letter of text) {
    const code = letter.codePointAt(0) ?? 0
    const isByte = code >= SURROGATE + 0x80 && code <= SURROGATE + 0xff
    parts.push(isByte ? Buffer.from([code - SURROGATE]) : Buffer.from(letter, 'utf8'))
  }
  return Buffer.concat(parts)
}

/**
 * Arguments of a line: separated by white space, in "" with escapes (\n \r \t \b \a \xHH \other)
 * or in '' with \' only; null when quotes are not closed or not followed by white space.
 */
export function splitArguments(line: string): string[] | null {
  const bytes = toByteString(line)
  const result: string[] = []
  let at = skipBlanks(bytes, 0)
  while (at < bytes.length) {
    const token = readToken(bytes, at)
    if (token === null) return null
    result.push(fromByteString(token.text))
    at = skipBlanks(bytes, token.end)
  }
  return result
}

/** Pieces of a value between single spaces, as CONFIG SET cuts it; none for an empty value. */
export function splitSpaces(value: string): string[] {
  return value === '' ? [] : value.split(' ')
}

/** `text` in double quotes, printable ASCII only; `splitArguments` gives it back. */
export function quoteText(text: string): string {
  let result = '"'
  for (const byte of toByteString(text)) {
    const code = byte.charCodeAt(0)
    const isPrintable = code >= 0x20 && code <= 0x7e
    result +=
      REPRESENTATIONS[byte] ?? (isPrintable ? byte : `\\x${code.toString(16).padStart(2, '0')}`)
  }
  return `${result}"`
}

/** `text` as it is if it can stand in a line without quotes, else quoted. */
export function quoteIfNeeded(text: string): string {
  return /^[!-~]+$/.test(text) && !/["'\\]/.test(text) ? text : quoteText(text)
}

/** A size such as `100`, `64kb` or `1g` in bytes; null when it is none or exceeds 64 bits. */
export function parseBytes(text: string): bigint | null {
  const match = /^(\d{0,100})([a-z]{0,2})$/i.exec(text)
  if (!match) return null
  const unit = UNITS[match[2]!.toLowerCase()]
  if (unit === undefined) return null
  const result = BigInt(match[1]!) * unit
  return result > U64_MAX ? null : result
}

/** The shortest way to write `size` so that `parseBytes` reads it again: `64mb`, `1000`. */
export function formatBytes(size: bigint): string {
  for (const unit of ['gb', 'mb', 'kb']) {
    const factor = UNITS[unit]!
    if (size !== 0n && size % factor === 0n) return `${size / factor}${unit}`
  }
  return `${size}`
}

/** A whole decimal number without leading zero, sign `+` or blanks, of 64 bits; else null. */
export function parseInteger(text: string): bigint | null {
  if (!/^(0|-?[1-9]\d{0,18})$/.test(text)) return null
  const result = BigInt(text)
  return result > I64_MAX || result < I64_MIN ? null : result
}

/** A whole number as C reads it: blanks before, `+` and leading zeros allowed, '' is 0; or null. */
export function parseLooseInteger(text: string, radix: 8 | 10 = 10): bigint | null {
  const digits = radix === 8 ? '[0-7]' : '\\d'
  const match = new RegExp(`^\\s*([+-]?)(${digits}{1,30})$`).exec(text)
  if (!match) return text === '' ? 0n : null
  const size = BigInt(radix === 8 ? `0o${match[2]!}` : match[2]!)
  const result = match[1] === '-' ? -size : size
  return result > I64_MAX || result < I64_MIN ? null : result
}

/** What the C library says about the failure behind a disk error: `No such file or directory`. */
export function systemMessage(error: unknown): string {
  const code = systemCode(error)
  if (code === '') return error instanceof Error ? error.message : String(error)
  return SYSTEM_MESSAGES[code] ?? code
}

function toByteString(text: string): string {
  return encodeText(text).toString('latin1')
}

function fromByteString(bytes: string): string {
  return decodeText(Buffer.from(bytes, 'latin1'))
}

/** Decodes piece by piece: longest valid sequence of 1 to 4 bytes, else one escaped byte. */
function decodeDamaged(bytes: Uint8Array): string {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let result = ''
  let at = 0
  while (at < bytes.length) {
    const lead = bytes[at]!
    const size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
    try {
      result += strict.decode(bytes.slice(at, at + size))
      at += size
    } catch {
      result += String.fromCharCode(SURROGATE + lead)
      at++
    }
  }
  return result
}

function skipBlanks(bytes: string, at: number): number {
  while (at < bytes.length && isBlank(bytes[at]!)) at++
  return at
}

function isBlank(byte: string): boolean {
  return byte === ' ' || (byte >= '\t' && byte <= '\r')
}

/** The argument that starts at `at`, and where it ends; null when its quotes are wrong. */
function readToken(bytes: string, at: number): { text: string; end: number } | null {
  let text = ''
  while (at < bytes.length) {
    const byte = bytes[at]!
    if (byte === '"' || byte === "'") {
      const quoted = readQuoted(bytes, at + 1, byte)
      if (quoted === null) return null
      return { text: text + quoted.text, end: quoted.end }
    }
    if (byte === ' ' || byte === '\n' || byte === '\r' || byte === '\t' || byte === '\0') break
    text += byte
    at++
  }
  return { text, end: bytes[at] === '\0' ? bytes.length : at }
}

/** The text behind an opening quote, and where it ends; a closing quote ends the argument. */
function readQuoted(
  bytes: string,
  at: number,
  quote: '"' | "'",
): { text: string; end: number } | null {
  let text = ''
  while (at < bytes.length) {
    const byte = bytes[at]!
    if (byte === quote) {
      const isEnded = at + 1 === bytes.length || isBlank(bytes[at + 1]!)
      return isEnded ? { text, end: at + 1 } : null
    }
    const escaped = byte === '\\' ? readEscape(bytes, at + 1, quote) : null
    text += escaped ? escaped.text : byte
    at += escaped ? escaped.size : 1
  }
  return null
}

/** The byte that an escape stands for and its size with the `\`; null when it is none. */
function readEscape(
  bytes: string,
  at: number,
  quote: '"' | "'",
): { text: string; size: number } | null {
  const letter = bytes[at]
  if (letter === undefined) return null
  if (quote === "'") return letter === "'" ? { text: letter, size: 2 } : null
  const pair = bytes.slice(at + 1, at + 3)
  if (letter === 'x' && HEX_PAIR.test(pair)) {
    return { text: String.fromCharCode(Number.parseInt(pair, 16)), size: 4 }
  }
  return { text: ESCAPES[letter] ?? letter, size: 2 }
}
