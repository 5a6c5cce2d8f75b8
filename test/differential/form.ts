// Forms of commands as one line of text, and the random commands that have this form.
//
//   ZADD zset [NX|XX] [CH] {score member}+
//
//   UPPER      the word itself, at times in lower case
//   lower      a word of that kind (words.ts)
//   [a|b]      one of these or nothing           (a|b)   one of these
//   x+  x*     1 or more, 0 or more              {a b}   one after the other
//   kind#      a number, then so many of the kind; x= is x as often as the last number said

import { isKind, type Words } from './words.ts'

type Node =
  | { readonly is: 'word'; readonly text: string }
  | { readonly is: 'kind'; readonly name: string }
  | { readonly is: 'counted'; readonly name: string }
  | { readonly is: 'sequence'; readonly nodes: readonly Node[] }
  | { readonly is: 'choice'; readonly nodes: readonly Node[]; readonly isOptional: boolean }
  | { readonly is: 'repeat'; readonly node: Node; readonly mark: string }

export type Form = Node

const CLOSERS: Readonly<Record<string, string>> = { '[': ']', '(': ')', '{': '}' }
/** A mark follows its part without a space; alone it is a word. */
const ATTACHED_MARK = /(?<=[^\s[({|])[+*=](?=[\s\])}|]|$)/g
const TOKEN = /[[\](){}|]|[^\s[\](){}|]+/g
const OPTION_PERCENT = 35
const LOWER_PERCENT = 10
const WRONG_COUNT_PERCENT = 4

/** The form that the text describes; throws on an error in it. */
export function parseForm(text: string): Form {
  const tokens = text.replace(ATTACHED_MARK, ' ~$&').match(TOKEN) ?? []
  const parser = new Parser(tokens, text)
  return parser.parse()
}

/** A random command of the form. */
export function expand(form: Form, words: Words): string[] {
  const out: string[] = []
  write(form, words, out)
  return out
}

class Parser {
  readonly #tokens: readonly string[]
  readonly #text: string
  #at = 0

  constructor(tokens: readonly string[], text: string) {
    this.#tokens = tokens
    this.#text = text
  }

  parse(): Node {
    const node = this.#sequence('')
    if (this.#at < this.#tokens.length) throw new Error(`bad form: ${this.#text}`)
    return node
  }

  /** What stands before a `|`, before the closing token or before the end. */
  #sequence(closer: string): Node {
    const nodes: Node[] = []
    while (this.#at < this.#tokens.length) {
      const token = this.#tokens[this.#at]!
      if (token === closer || token === '|') break
      nodes.push(this.#repeated(this.#single()))
    }
    return nodes.length === 1 ? nodes[0]! : { is: 'sequence', nodes }
  }

  #single(): Node {
    const token = this.#tokens[this.#at++]!
    if (/^[\])}]$/.test(token)) throw new Error(`'${token}' closes nothing in: ${this.#text}`)
    const closer = CLOSERS[token]
    if (closer === undefined) return leaf(token)
    const nodes = [this.#sequence(closer)]
    while (this.#tokens[this.#at] === '|') {
      this.#at++
      nodes.push(this.#sequence(closer))
    }
    if (this.#tokens[this.#at++] !== closer) throw new Error(`no ${closer} in: ${this.#text}`)
    if (token === '{') return nodes[0]!
    return { is: 'choice', nodes, isOptional: token === '[' }
  }

  #repeated(node: Node): Node {
    const mark = this.#tokens[this.#at]
    if (mark === undefined || !/^~[+*=]$/.test(mark)) return node
    this.#at++
    return { is: 'repeat', node, mark: mark.slice(1) }
  }
}

function leaf(token: string): Node {
  const name = token.replace(/#$/, '')
  if (!/^[a-z]+$/.test(name)) return { is: 'word', text: token }
  if (!isKind(name)) throw new Error(`no kind of words '${name}'`)
  return { is: token === name ? 'kind' : 'counted', name }
}

function write(node: Node, words: Words, out: string[]): void {
  switch (node.is) {
    case 'word':
      out.push(words.chance(LOWER_PERCENT) ? node.text.toLowerCase() : node.text)
      return
    case 'kind':
      out.push(words.word(node.name))
      return
    case 'counted':
      return writeCounted(node.name, words, out)
    case 'sequence':
      for (const part of node.nodes) write(part, words, out)
      return
    case 'choice':
      if (!node.isOptional || words.chance(OPTION_PERCENT))
        write(words.pick(node.nodes), words, out)
      return
    case 'repeat':
      return writeRepeat(node.node, node.mark, words, out)
  }
}

function writeCounted(name: string, words: Words, out: string[]): void {
  words.lastCount = 1 + words.below(3)
  out.push(words.chance(WRONG_COUNT_PERCENT) ? words.word('any') : `${words.lastCount}`)
  for (let i = 0; i < words.lastCount; i++) out.push(words.word(name))
}

function writeRepeat(node: Node, mark: string, words: Words, out: string[]): void {
  const few = 1 + words.below(3)
  const some = words.chance(30) ? 1 + words.below(words.profile.repeatMax) : few
  const count = mark === '=' ? words.lastCount : mark === '*' ? some - 1 : some
  for (let i = 0; i < count; i++) write(node, words, out)
}
