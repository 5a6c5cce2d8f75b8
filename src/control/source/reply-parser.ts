// Replies of RESP2, of which any part may have come so far. Bulk strings are bytes; simple strings
// and errors are text. Nothing is parsed twice but a reply whose end had not come.

/** An error reply of a node. */
export class ErrorReply {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type NodeReply = string | number | null | Buffer | ErrorReply | NodeReply[]

export class ReplyFormError extends Error {
  override readonly name = 'ReplyFormError'
}

const DEPTH_MAX = 32
const LINE_MAX = 64 * 1024
const BULK_MAX = 1024 * 1024 * 1024
const COUNT_MAX = 16 * 1024 * 1024
const NEWLINE = 10
/** What a parse stands for that needs more bytes. */
const INCOMPLETE = Symbol('incomplete')

export class ReplyParser {
  #pieces: Buffer[] = []
  #length = 0
  /** Bytes that are needed before a parse can succeed. */
  #needed = 1
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0

  push(bytes: Buffer): void {
    this.#pieces.push(bytes)
    this.#length += bytes.length
  }

  /** The next reply; undefined: it has not come as a whole. Throws ReplyFormError. */
  next(): NodeReply | undefined {
    if (this.#length < this.#needed) return undefined
    this.#bytes = this.#joined()
    this.#at = 0
    this.#needed = this.#length + 1
    const reply = this.#parse(0)
    if (reply === INCOMPLETE) return undefined
    this.#drop(this.#at)
    return reply as NodeReply
  }

  /** What has come behind the last reply; the parser has it no more. */
  rest(): Buffer {
    const rest = this.#joined()
    this.#drop(rest.length)
    return rest
  }

  #joined(): Buffer {
    if (this.#pieces.length !== 1) this.#pieces = [Buffer.concat(this.#pieces)]
    return this.#pieces[0] ?? Buffer.alloc(0)
  }

  #drop(count: number): void {
    const bytes = this.#joined().subarray(count)
    this.#pieces = bytes.length === 0 ? [] : [bytes]
    this.#length = bytes.length
    this.#needed = 1
  }

  #parse(depth: number): NodeReply | typeof INCOMPLETE {
    const end = this.#bytes.indexOf(NEWLINE, this.#at)
    if (end < 0) {
      if (this.#bytes.length - this.#at > LINE_MAX) throw new ReplyFormError('a line without end')
      return INCOMPLETE
    }
    const mark = String.fromCharCode(this.#bytes[this.#at] ?? 0)
    const text = this.#bytes.toString('utf8', this.#at + 1, end).replace(/\r$/, '')
    this.#at = end + 1
    if (mark === '+') return text
    if (mark === '-') return new ErrorReply(text)
    if (mark === ':') return numberOf(text)
    if (mark === '$') return this.#bulk(numberOf(text))
    if (mark === '*') return this.#array(numberOf(text), depth)
    throw new ReplyFormError(`a reply that begins with ${JSON.stringify(mark)}`)
  }

  #bulk(length: number): Buffer | null | typeof INCOMPLETE {
    if (length === -1) return null
    if (length < 0 || length > BULK_MAX) throw new ReplyFormError(`a string of ${length} bytes`)
    const start = this.#at
    this.#at += length + 2
    if (this.#at > this.#bytes.length) {
      this.#needed = this.#at
      return INCOMPLETE
    }
    return Buffer.from(this.#bytes.subarray(start, start + length))
  }

  #array(count: number, depth: number): NodeReply[] | null | typeof INCOMPLETE {
    if (count === -1) return null
    if (count < 0 || count > COUNT_MAX || depth === DEPTH_MAX) {
      throw new ReplyFormError(`an array of ${count} in ${depth} others`)
    }
    const items: NodeReply[] = []
    for (let i = 0; i < count; i++) {
      const item = this.#parse(depth + 1)
      if (item === INCOMPLETE) return INCOMPLETE
      items.push(item as NodeReply)
    }
    return items
  }
}

/** A reply as text, where one is expected. */
export function replyText(reply: NodeReply | undefined): string {
  if (typeof reply === 'string') return reply
  return Buffer.isBuffer(reply) ? reply.toString('utf8') : String(reply ?? '')
}

function numberOf(text: string): number {
  if (/^-?\d{1,19}$/.test(text)) return Number(text)
  throw new ReplyFormError(`${JSON.stringify(text)} instead of a number`)
}
