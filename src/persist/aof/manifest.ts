// The manifest of an append only file: which files it consists of, in which order they are read.
// Redis 7's format, a line a file, pairs of words in any order, `#` begins a comment:
//
//   file appendonly.aof.2.base.rdb seq 2 type b      the base, at most one
//   file appendonly.aof.1.incr.aof seq 1 type h      history: no longer needed, to be deleted
//   file appendonly.aof.3.incr.aof seq 3 type i      increments, in ascending order
//
// A name with blanks, quotes or bytes that cannot be printed is quoted as in a configuration file.
// Unknown words are passed over. A manifest is a value: each change makes a new one, so that what
// is on disk and what is to come can stand beside each other until the disk has it.
// Source: Redis 7.0's behaviour; the texts of the errors are Redis's.

import { assert } from '../../base/assert.ts'
import { ErrorCode, StoreError } from '../../base/errors.ts'
import { Args } from '../../resp/args.ts'
import { splitInline } from '../../resp/inline.ts'

/** One file. */
export interface AofFile {
  readonly name: string
  readonly seq: number
}

export interface Manifest {
  readonly base: AofFile | null
  readonly history: readonly AofFile[]
  readonly increments: readonly AofFile[]
}

export const EMPTY_MANIFEST: Manifest = { base: null, history: [], increments: [] }

/** Longest line, as Redis has it. */
const LINE_BYTES_MAX = 1024
const FORMAT = 'Invalid AOF manifest file format'

/** Where the manifest of `fileName` lies in the directory of the append only file. */
export function manifestName(fileName: string): string {
  return `${fileName}.manifest`
}

/** Where a manifest is written before it replaces the one that stands. */
export function temporaryManifestName(fileName: string): string {
  return `temp-${manifestName(fileName)}`
}

/** The name of an increment. */
export function incrementName(fileName: string, seq: number): string {
  return `${fileName}.${seq}.incr.aof`
}

/** The increment that comes behind all others; its number is above `above`. */
export function nextIncrement(
  { increments }: Manifest,
  { fileName, above = 0 }: { readonly fileName: string; readonly above?: number },
): AofFile {
  const seq = Math.max(increments.at(-1)?.seq ?? 0, above) + 1
  return { name: incrementName(fileName, seq), seq }
}

/** What a new base is to be called: its number is above `above`, `suffix` says what is in it. */
export interface BaseNaming {
  readonly fileName: string
  readonly suffix: 'rdb' | 'aof'
  readonly above?: number
}

/** The base that takes the place of the present one. */
export function nextBase({ base }: Manifest, { fileName, suffix, above = 0 }: BaseNaming): AofFile {
  const seq = Math.max(base?.seq ?? 0, above) + 1
  return { name: `${fileName}.${seq}.base.${suffix}`, seq }
}

/** The manifest with one more increment. */
export function withIncrement(manifest: Manifest, file: AofFile): Manifest {
  assert((manifest.increments.at(-1)?.seq ?? 0) < file.seq, 'increments ascend')
  return { ...manifest, increments: [...manifest.increments, file] }
}

/**
 * The manifest after a rewrite: `base` holds all that came before the increment `first`, null: all
 * there is. What it replaces becomes history.
 */
export function rewritten(manifest: Manifest, base: AofFile, first: AofFile | null): Manifest {
  const old = manifest.increments.filter((file) => file.seq !== first?.seq)
  assert(first === null || old.every((file) => file.seq < first.seq), 'it was begun last')
  const oldBase = manifest.base === null ? [] : [manifest.base]
  return {
    base,
    history: [...manifest.history, ...oldBase, ...old],
    increments: first === null ? [] : [first],
  }
}

/** The files in the order in which they are read. */
export function loadedFiles({ base, increments }: Manifest): readonly AofFile[] {
  return base === null ? increments : [base, ...increments]
}

export function formatManifest(manifest: Manifest): Uint8Array {
  const lines: string[] = []
  const add = ({ name, seq }: AofFile, type: string) => {
    lines.push(`file ${quoteName(name)} seq ${seq} type ${type}\n`)
  }
  if (manifest.base !== null) add(manifest.base, 'b')
  for (const file of manifest.history) add(file, 'h')
  for (const file of manifest.increments) add(file, 'i')
  return Buffer.from(lines.join(''), 'latin1')
}

/** Reads a manifest. Throws StoreError, which names line, text and reason. */
export function parseManifest(text: string, path: string): Manifest {
  const parser = new Parser(path)
  if (text === '') throw parser.refuse('Found an empty AOF manifest')
  const lines = text.split('\n')
  // What follows the last line end is a line only if something is there.
  if (lines.at(-1) === '') lines.pop()
  for (const line of lines) parser.take(line)
  return parser
}

class Parser implements Manifest {
  base: AofFile | null = null
  readonly history: AofFile[] = []
  readonly increments: AofFile[] = []
  readonly #path: string
  #line = ''
  #number = 0

  constructor(path: string) {
    this.#path = path
  }

  take(line: string): void {
    this.#line = line
    this.#number++
    if (line.startsWith('#')) return
    if (Buffer.byteLength(line) >= LINE_BYTES_MAX) {
      throw this.refuse('The AOF manifest file contains too long line')
    }
    const words = this.#words()
    // Pairs, of which three are needed: more may come with later versions.
    if (words.length < 6 || words.length % 2 !== 0) throw this.refuse(FORMAT)
    let name = ''
    let seq = 0
    let type = ''
    for (let i = 0; i < words.length; i += 2) {
      const value = words[i + 1]!
      const what = words[i]!.toLowerCase()
      if (what === 'file') name = value
      else if (what === 'seq') seq = looseInteger(value)
      else if (what === 'type') type = value.slice(0, 1)
    }
    if (name.includes('/')) throw this.refuse("File can't be a path, just a filename")
    if (name === '' || seq === 0 || type === '') throw this.refuse(FORMAT)
    this.#add({ name, seq }, type)
  }

  refuse(reason: string): StoreError {
    return new StoreError(
      ErrorCode.AofManifestCorrupt,
      `${this.#path}: Reading the manifest file, at line ${this.#number}: >>> '${this.#line}': ` +
        reason,
    )
  }

  #add(file: AofFile, type: string): void {
    switch (type) {
      case 'b':
        if (this.base !== null) throw this.refuse('Found duplicate base file information')
        this.base = file
        return
      case 'h':
        this.history.push(file)
        return
      case 'i':
        if (file.seq <= (this.increments.at(-1)?.seq ?? 0)) {
          throw this.refuse('Found a non-monotonic sequence number')
        }
        this.increments.push(file)
        return
      default:
        throw this.refuse('Unknown AOF file type')
    }
  }

  #words(): string[] {
    const bytes = Buffer.from(this.#line, 'utf8')
    const args = new Args()
    if (!splitInline(bytes, 0, bytes.length, args)) return []
    const words: string[] = []
    for (let i = 0; i < args.count; i++) words.push(Buffer.from(args.copy(i)).toString('utf8'))
    return words
  }
}

/** The integer at the beginning of a text, as C reads it; 0 when there is none. */
function looseInteger(text: string): number {
  const value = Number.parseInt(text, 10)
  return Number.isSafeInteger(value) ? value : 0
}

const NAMED = new Map([
  [0x5c, '\\\\'],
  [0x22, '\\"'],
  [0x0a, '\\n'],
  [0x0d, '\\r'],
  [0x09, '\\t'],
  [0x07, '\\a'],
  [0x08, '\\b'],
])

/** A name as it stands in the file, ASCII only. */
function quoteName(name: string): string {
  if (/^[!#-&(-[\]-~]+$/.test(name)) return name
  let quoted = ''
  for (const byte of Buffer.from(name, 'utf8')) {
    const isPlain = byte >= 0x20 && byte < 0x7f
    const plain = isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`
    quoted += NAMED.get(byte) ?? plain
  }
  return `"${quoted}"`
}
