// Splits lines of conformance files: words of commands, quoted strings with escapes, and the marks
// of expected replies. Strings are latin1 text, one character per byte.

export class FormatError extends Error {}

/** What a `$name` stands for while a case runs. */
export type Variables = Map<string, string>

/** A part of a word: literal text or a variable with an offset. */
export type Piece =
  | { readonly text: string }
  | { readonly variable: string; readonly offset: number }

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  '\\': '\\',
  '"': '"',
  a: '\x07',
  b: '\b',
}

export class Scanner {
  readonly text: string
  position = 0

  constructor(text: string) {
    this.text = text
  }

  get atEnd(): boolean {
    return this.position >= this.text.length
  }

  /** The character here, '' at the end. */
  peek(): string {
    return this.text[this.position] ?? ''
  }

  skipSpace(): void {
    while (/\s/.test(this.peek())) this.position++
  }

  /** Steps over `mark` if the text goes on with it. */
  take(mark: string): boolean {
    if (!this.text.startsWith(mark, this.position)) return false
    this.position += mark.length
    return true
  }

  /** Text up to whitespace or a bracket. */
  bare(): string {
    return this.match(/[^\s[\]{}]*/y)
  }

  /** What a sticky pattern matches here. */
  match(pattern: RegExp): string {
    pattern.lastIndex = this.position
    const found = pattern.exec(this.text)?.[0] ?? ''
    this.position += found.length
    return found
  }

  /** A string in double quotes, with escapes and repeats. */
  quoted(): string {
    if (!this.take('"')) this.fail('a double quote')
    let result = ''
    for (;;) {
      const character = this.peek()
      if (character === '') this.fail('a closing quote')
      this.position++
      if (character === '"') return result
      result += character === '\\' ? this.#escape() : character
    }
  }

  /** One word of a command. */
  word(): Piece {
    if (this.peek() === '"') return { text: this.quoted() }
    if (this.take("'")) {
      const text = this.match(/[^']*/y)
      if (!this.take("'")) this.fail('a closing quote')
      return { text }
    }
    const bare = this.match(/\S+/y)
    const variable = /^\$([a-z]\w*)([+-]\d+)?$/.exec(bare)
    if (!variable) return { text: bare }
    return { variable: variable[1]!, offset: Number(variable[2] ?? 0) }
  }

  fail(expected: string): never {
    throw new FormatError(`column ${this.position + 1}: expected ${expected} in: ${this.text}`)
  }

  #escape(): string {
    const hex = this.match(/x[0-9a-fA-F]{2}/y)
    if (hex !== '') return String.fromCharCode(Number.parseInt(hex.slice(1), 16))
    const repeat = /\{([^}]*)\*(\d+)\}/y
    repeat.lastIndex = this.position
    const found = repeat.exec(this.text)
    if (found) {
      this.position += found[0].length
      return found[1]!.repeat(Number(found[2]))
    }
    const character = this.peek()
    this.position++
    return ESCAPES[character] ?? this.fail('an escape')
  }
}

/** The words of a command line. */
export function splitWords(line: string): Piece[] {
  const scanner = new Scanner(line)
  const words: Piece[] = []
  for (;;) {
    scanner.skipSpace()
    if (scanner.atEnd) return words
    words.push(scanner.word())
  }
}

/** The bytes of a word, with variables put in. */
export function resolvePiece(piece: Piece, variables: Variables): string {
  if ('text' in piece) return piece.text
  const value = variables.get(piece.variable)
  if (value === undefined) throw new FormatError(`no variable $${piece.variable}`)
  if (piece.offset === 0) return value
  return String(BigInt(value) + BigInt(piece.offset))
}

/** Whether `text` matches a glob with `*`, `?`, `[a-z]`, `[^…]`, `\` escapes; `*` spans lines. */
export function matchesGlob(glob: string, text: string): boolean {
  let source = ''
  for (let i = 0; i < glob.length; i++) {
    const character = glob[i]!
    const set = character === '[' ? /^\[(\^?)((?:\\.|[^\]\\])+)\]/.exec(glob.slice(i)) : null
    if (set) {
      source += `[${set[1]}${set[2]!.replace(/\[/g, '\\[')}]`
      i += set[0].length - 1
    } else if (character === '*') source += '.*'
    else if (character === '?') source += '.'
    else if (character === '\\' && i + 1 < glob.length) source += quoteRegExp(glob[++i]!)
    else source += quoteRegExp(character)
  }
  return new RegExp(`^${source}$`, 's').test(text)
}

function quoteRegExp(character: string): string {
  return /[\w\s]/.test(character) ? character : `\\${character}`
}
