// Expected replies: parsed from their notation (README.md) and matched against what came over the
// wire. A pattern is written once; what it means in RESP2 (a map is a flat array, a double a bulk
// string, …) follows here, so that one file serves both protocols.

import type { Kind, Value } from '../lib/resp.ts'
import { matchesGlob, type Piece, resolvePiece, Scanner, type Variables } from './scanner.ts'

export type Protocol = 2 | 3

export type Pattern =
  | { readonly form: 'any' | 'closed' | 'silent' }
  | { readonly form: 'text'; readonly kind: Kind; readonly text: string; readonly glob: boolean }
  | { readonly form: 'range'; readonly low: Piece | null; readonly high: Piece | null }
  | {
      readonly form: 'list'
      readonly kind: Kind
      readonly items: readonly Pattern[]
      /** More elements may follow. */
      readonly open: boolean
      readonly ordered: boolean
    }
  | { readonly form: 'capture'; readonly name: string; readonly pattern: Pattern }
  | { readonly form: 'either'; readonly options: readonly Pattern[] }

export interface MatchContext {
  readonly protocol: Protocol
  readonly variables: Variables
}

/** The pattern a line (or several, joined) stands for. */
export function parsePattern(text: string): Pattern {
  const scanner = new Scanner(text)
  const pattern = parseEither(scanner, true)
  scanner.skipSpace()
  if (!scanner.atEnd) scanner.fail('the end of the reply')
  return pattern
}

/** Whether the reply is what the pattern says; captures go into `context.variables`. */
export function matches(pattern: Pattern, value: Value | null, context: MatchContext): boolean {
  switch (pattern.form) {
    case 'closed':
      return value === null
    case 'silent':
      return false
    case 'either':
      return pattern.options.some((option) => matches(option, value, context))
    default:
      break
  }
  if (value === null) return false
  switch (pattern.form) {
    case 'any':
      return true
    case 'capture':
      if (!matches(pattern.pattern, value, context)) return false
      context.variables.set(pattern.name, value.text)
      return true
    case 'range':
      return value.kind === 'integer' && isInRange(pattern, value.text, context.variables)
    case 'text':
      return matchesText(pattern, value, context.protocol)
    case 'list':
      return matchesList(pattern, value, context)
  }
}

type TextPattern = Extract<Pattern, { form: 'text' }>
type ListPattern = Extract<Pattern, { form: 'list' }>

function parseEither(scanner: Scanner, isTop: boolean): Pattern {
  const options = [parseOne(scanner, isTop)]
  for (;;) {
    scanner.skipSpace()
    if (!scanner.take('|')) break
    options.push(parseOne(scanner, isTop))
  }
  return options.length === 1 ? options[0]! : { form: 'either', options }
}

function parseOne(scanner: Scanner, isTop: boolean): Pattern {
  scanner.skipSpace()
  const name = scanner.match(/[a-z]\w*=/y)
  if (name !== '') {
    return { form: 'capture', name: name.slice(0, -1), pattern: parseOne(scanner, isTop) }
  }
  const mark = scanner.peek()
  if (mark === '+' || mark === '-') return parseLine(scanner, isTop)
  if (mark === ':') return parseInteger(scanner)
  if (mark === '"' || mark === '~') return parseText(scanner, 'bulk')
  if (scanner.take(',')) return { form: 'text', kind: 'double', ...globOf(scanner.bare()) }
  if (scanner.take('#')) return { form: 'text', kind: 'boolean', text: scanner.bare(), glob: false }
  if (scanner.take('(')) return { form: 'text', kind: 'bignum', text: scanner.bare(), glob: false }
  if (mark === '[' || mark === '{') return parseList(scanner, '')
  if (scanner.take('*')) return { form: 'any' }
  return parseNamed(scanner)
}

function parseNamed(scanner: Scanner): Pattern {
  const word = scanner.match(/[a-z-]+/y)
  switch (word) {
    case 'nil':
      return { form: 'text', kind: 'nil', text: '', glob: false }
    case 'nil-array':
      return { form: 'text', kind: 'nilArray', text: '', glob: false }
    case 'closed':
    case 'silent':
      return { form: word }
    case 'set':
    case 'push':
    case 'unordered':
      return parseList(scanner, word)
    case 'txt':
    case 'mkd':
      return parseText(scanner, 'verbatim', `${word}:`)
    default:
      return scanner.fail('a reply')
  }
}

function globOf(text: string): { text: string; glob: boolean } {
  return text.startsWith('~') ? { text: text.slice(1), glob: true } : { text, glob: false }
}

/** A simple string or error: to the end of the line, or a word inside brackets. */
function parseLine(scanner: Scanner, isTop: boolean): Pattern {
  const kind = scanner.take('+') ? 'simple' : 'error'
  if (kind === 'error') scanner.take('-')
  const isGlob = scanner.take('~')
  if (scanner.peek() === '"') return { form: 'text', kind, text: scanner.quoted(), glob: isGlob }
  const text = isTop ? scanner.match(/(?:(?! \| ).)*/y).trimEnd() : scanner.bare()
  return { form: 'text', kind, text, glob: isGlob }
}

function parseInteger(scanner: Scanner): Pattern {
  scanner.take(':')
  if (scanner.take('*')) return { form: 'range', low: null, high: null }
  const low = parseBound(scanner)
  const high = scanner.take('..') ? parseBound(scanner) : low
  return { form: 'range', low, high }
}

function parseBound(scanner: Scanner): Piece {
  const bound = scanner.match(/\$[a-z]\w*(?:[+-]\d+)?|-?\d+/y)
  if (bound === '') scanner.fail('an integer')
  return new Scanner(bound).word()
}

function parseText(scanner: Scanner, kind: Kind, prefix = ''): Pattern {
  const isGlob = scanner.take('~')
  return { form: 'text', kind, text: prefix + scanner.quoted(), glob: isGlob }
}

function parseList(scanner: Scanner, word: string): Pattern {
  const isMap = scanner.take('{')
  if (!isMap && !scanner.take('[')) scanner.fail('a bracket')
  const items: Pattern[] = []
  let isOpen = false
  for (;;) {
    scanner.skipSpace()
    if (scanner.take('...')) isOpen = true
    else if (scanner.take(isMap ? '}' : ']')) break
    else if (scanner.atEnd || isOpen) scanner.fail('a closing bracket')
    else items.push(parseEither(scanner, false))
  }
  if (isMap && items.length % 2 !== 0) scanner.fail('pairs')
  const kind: Kind = isMap ? 'map' : word === 'set' || word === 'push' ? word : 'array'
  const ordered = !isMap && word !== 'set' && word !== 'unordered'
  return { form: 'list', kind, items, open: isOpen, ordered }
}

function isInRange(
  range: { low: Piece | null; high: Piece | null },
  text: string,
  variables: Variables,
): boolean {
  if (range.low === null || range.high === null) return true
  const found = BigInt(text)
  const low = BigInt(resolvePiece(range.low, variables))
  return found >= low && found <= BigInt(resolvePiece(range.high, variables))
}

const RESP2_KINDS: Partial<Record<Kind, Kind>> = {
  double: 'bulk',
  boolean: 'integer',
  bignum: 'bulk',
  verbatim: 'bulk',
  map: 'array',
  set: 'array',
  push: 'array',
}

function matchesText(pattern: TextPattern, value: Value, protocol: Protocol): boolean {
  let { kind, text } = pattern
  if (protocol === 2) {
    if (kind === 'boolean') text = text === 't' ? '1' : '0'
    if (kind === 'verbatim') text = text.slice('txt:'.length)
    kind = RESP2_KINDS[kind] ?? kind
  } else if (kind === 'nil' || kind === 'nilArray') kind = 'null'
  if (value.kind !== kind) return false
  return pattern.glob ? matchesGlob(text, value.text) : value.text === text
}

function matchesList(pattern: ListPattern, value: Value, context: MatchContext): boolean {
  const kind = context.protocol === 2 ? (RESP2_KINDS[pattern.kind] ?? pattern.kind) : pattern.kind
  if (value.kind !== kind) return false
  const wanted = pattern.items
  if (value.items.length < wanted.length) return false
  if (value.items.length > wanted.length && !pattern.open) return false
  if (pattern.ordered) return wanted.every((item, i) => matches(item, value.items[i]!, context))
  return matchesAnyOrder(pattern, value, context)
}

/** Each wanted element (pair, in a map) finds one of its own; greedy, so write literals first. */
function matchesAnyOrder(pattern: ListPattern, value: Value, context: MatchContext): boolean {
  const stride = pattern.kind === 'map' ? 2 : 1
  const used = new Set<number>()
  for (let i = 0; i < pattern.items.length; i += stride) {
    let found = -1
    for (let j = 0; j + stride <= value.items.length && found < 0; j += stride) {
      if (used.has(j)) continue
      const group = pattern.items.slice(i, i + stride)
      if (group.every((item, k) => matches(item, value.items[j + k]!, context))) found = j
    }
    if (found < 0) return false
    used.add(found)
  }
  return true
}
