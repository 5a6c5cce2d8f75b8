// Conformance files to steps. The format is in README.md; every step keeps its line number, which
// is what a failure names.

import { type Pattern, type Protocol, parsePattern } from './pattern.ts'
import { FormatError, type Piece, splitWords } from './scanner.ts'

export interface CaseFile {
  readonly name: string
  readonly serverArgs: readonly string[]
  readonly cases: readonly Case[]
}

export interface Case {
  readonly title: string
  readonly line: number
  readonly protocols: readonly Protocol[]
  readonly steps: readonly Step[]
  /** Why the case says nothing about the server under test; '' when it does. */
  readonly referenceOnly: string
}

export type Step =
  | { readonly do: 'send'; readonly line: number; readonly client: string; readonly words: Piece[] }
  | { readonly do: 'raw'; readonly line: number; readonly client: string; readonly bytes: Piece[] }
  | Expectation
  | { readonly do: 'sleep' | 'until'; readonly line: number; readonly ms: number }
  | { readonly do: 'config'; readonly line: number; readonly name: string; readonly value: Piece }

export interface Expectation {
  readonly do: 'expect'
  readonly line: number
  readonly client: string
  readonly shown: string
  pattern: Pattern
  /** A deliberate difference of the server under test. */
  ours: { readonly pattern: Pattern; readonly shown: string; readonly reason: string } | null
}

interface Draft {
  title: string
  line: number
  protocols: Protocol[]
  steps: Step[]
  referenceOnly: string
}

/** The cases of one file; throws a FormatError that names file and line. */
export function parseCases(name: string, text: string): CaseFile {
  const serverArgs: string[] = []
  const drafts: Draft[] = []
  const parser = new Parser()
  const lines = text.split('\n')
  for (let i = 0; i < lines.length; i++) {
    const first = i + 1
    let line = lines[i]!.trimEnd()
    if (line.trim() === '' || line.startsWith('#')) {
      if (!/^#[tf]$/.test(line)) continue
    }
    // A reply goes on while a bracket is open.
    while (isReply(line) && isUnbalanced(line) && i + 1 < lines.length) line += `\n${lines[++i]}`
    try {
      if (line.startsWith('@server ')) {
        for (const word of splitWords(line.slice(8))) if ('text' in word) serverArgs.push(word.text)
      } else if (line.startsWith('== ')) {
        drafts.push(parser.open(line.slice(3), first))
      } else parser.add(line, first)
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
      throw new FormatError(`${name}.txt:${first}: ${error.message}`)
    }
  }
  return { name, serverArgs, cases: drafts }
}

class Parser {
  #draft: Draft | null = null
  #client = ''

  open(title: string, line: number): Draft {
    this.#draft = { title, line, protocols: [2, 3], steps: [], referenceOnly: '' }
    this.#client = ''
    return this.#draft
  }

  add(text: string, line: number): void {
    const draft = this.#draft
    if (!draft) throw new FormatError('a line before the first case')
    if (text.startsWith('@')) return this.#directive(draft, text, line)
    const command = /^([a-z]\w*)?(>>|>|<) ?/.exec(text)
    if (!command) return this.#expect(draft, text, line)
    const client = command[1] ?? ''
    const rest = text.slice(command[0].length)
    this.#client = client
    if (command[2] === '<') return this.#expect(draft, rest, line)
    const words = splitWords(rest)
    if (command[2] === '>') draft.steps.push({ do: 'send', line, client, words })
    else draft.steps.push({ do: 'raw', line, client, bytes: words })
  }

  #directive(draft: Draft, text: string, line: number): void {
    const [, name, rest] = /^@([\w-]+) ?(.*)$/s.exec(text) ?? []
    const value = rest ?? ''
    if (name === 'resp') draft.protocols = [value === '2' ? 2 : 3]
    else if (name === 'sleep') draft.steps.push({ do: 'sleep', line, ms: Number(value) })
    else if (name === 'until') draft.steps.push({ do: 'until', line, ms: Number(value) })
    else if (name === 'only') draft.referenceOnly = value.replace(/^reference: */, '')
    else if (name === 'config') {
      const [parameter, setting] = splitWords(value)
      if (!parameter || !('text' in parameter) || !setting) throw new FormatError('name and value')
      draft.steps.push({ do: 'config', line, name: parameter.text, value: setting })
    } else throw new FormatError(`unknown directive @${name}`)
  }

  #expect(draft: Draft, text: string, line: number): void {
    if (text.startsWith('ours ')) return this.#differ(draft, text.slice(5))
    const pattern = parsePattern(text)
    const client = this.#client
    draft.steps.push({ do: 'expect', line, client, shown: text, pattern, ours: null })
  }

  #differ(draft: Draft, text: string): void {
    const last = draft.steps.at(-1)
    const cut = text.lastIndexOf(' because ')
    if (last?.do !== 'expect' || cut < 0) throw new FormatError('ours REPLY because REASON')
    const shown = text.slice(0, cut)
    last.ours = { pattern: parsePattern(shown), shown, reason: text.slice(cut + 9) }
  }
}

function isReply(line: string): boolean {
  return !/^(@|==|([a-z]\w*)?>)/.test(line)
}

/** Whether brackets outside of strings are still open. */
function isUnbalanced(text: string): boolean {
  if (/^([a-z]\w*< )?[+-]/.test(text)) return false
  const bare = text.replace(/"(?:\\.|[^"\\])*"/g, '')
  const opened = bare.match(/[[{]/g)?.length ?? 0
  return opened > (bare.match(/[\]}]/g)?.length ?? 0)
}
