// Inline commands: a line of words as typed into telnet. Quoting is Redis's: "…" with \n \r \t \b
// \a \xHH and \<char>, '…' with \' only; a closing quote must end its word. An opening quote may
// stand inside a word.

import { hexDigit, isSpace } from '../base/bytes.ts'
import type { Args } from './args.ts'

const DOUBLE_QUOTE = 0x22
const SINGLE_QUOTE = 0x27
const BACKSLASH = 0x5c

/**
 * Splits `bytes[start, limit)` into `args`; false when quotes are not balanced. Without quotes the
 * arguments are ranges of `bytes`; with quotes, of a decoded copy of the line.
 */
export function splitInline(bytes: Uint8Array, start: number, limit: number, args: Args): boolean {
  for (let i = start; i < limit; i++) {
    const byte = bytes[i]!
    if (byte === DOUBLE_QUOTE || byte === SINGLE_QUOTE) {
      return splitQuoted(bytes.slice(start, limit), args)
    }
  }
  args.bytes = bytes
  let at = start
  for (;;) {
    while (at < limit && isSpace(bytes[at]!)) at++
    if (at === limit) return true
    const first = at
    while (at < limit && !endsWord(bytes[at]!)) at++
    args.add(first, at - first)
  }
}

/** Decodes in place: a word never grows. */
function splitQuoted(line: Uint8Array, args: Args): boolean {
  args.bytes = line
  let at = 0
  for (;;) {
    while (at < line.length && isSpace(line[at]!)) at++
    if (at === line.length) return true
    const first = at
    let end = first
    while (at < line.length && !endsWord(line[at]!)) {
      const byte = line[at++]!
      if (byte !== DOUBLE_QUOTE && byte !== SINGLE_QUOTE) {
        line[end++] = byte
        continue
      }
      scanAt = at
      end = byte === DOUBLE_QUOTE ? decodeDouble(line, end) : decodeSingle(line, end)
      at = scanAt
      if (end < 0) return false
    }
    args.add(first, end - first)
  }
}

/** Where the decoders read on; they return where they wrote to. */
let scanAt = 0

/** Blank, tab or line end: what ends a word outside of quotes (vertical tab does not). */
function endsWord(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d
}

/** Whether the closing quote before `at` is followed by a blank or the end. */
function closesWord(line: Uint8Array, at: number): boolean {
  return at === line.length || isSpace(line[at]!)
}

/** Decodes up to the closing `"`; returns the end of what was written, or -1. */
function decodeDouble(line: Uint8Array, end: number): number {
  let at = scanAt
  while (at < line.length) {
    const byte = line[at++]!
    if (byte === DOUBLE_QUOTE) {
      scanAt = at
      return closesWord(line, at) ? end : -1
    }
    if (byte !== BACKSLASH || at === line.length) {
      line[end++] = byte
      continue
    }
    const escaped = line[at++]!
    const high = at + 1 < line.length ? hexDigit(line[at]!) : -1
    const low = at + 1 < line.length ? hexDigit(line[at + 1]!) : -1
    if (escaped === 0x78 && high >= 0 && low >= 0) {
      line[end++] = high * 16 + low
      at += 2
    } else {
      line[end++] = meaningOf(escaped)
    }
  }
  return -1
}

/** Decodes up to the closing `'`; returns the end of what was written, or -1. */
function decodeSingle(line: Uint8Array, end: number): number {
  let at = scanAt
  while (at < line.length) {
    const byte = line[at++]!
    if (byte === SINGLE_QUOTE) {
      scanAt = at
      return closesWord(line, at) ? end : -1
    }
    if (byte === BACKSLASH && at < line.length && line[at]! === SINGLE_QUOTE) {
      line[end++] = SINGLE_QUOTE
      at++
    } else {
      line[end++] = byte
    }
  }
  return -1
}

/** The character that `\\<byte>` stands for. */
function meaningOf(byte: number): number {
  switch (byte) {
    case 0x6e:
      return 0x0a
    case 0x72:
      return 0x0d
    case 0x74:
      return 0x09
    case 0x62:
      return 0x08
    case 0x61:
      return 0x07
    default:
      return byte
  }
}
