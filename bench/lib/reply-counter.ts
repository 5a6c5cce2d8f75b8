// Counts replies of any RESP2 form in a stream of bytes, wherever it is split, without making
// values of them: what a load generator needs in order to cost less than the server.
//
// A reply is over when nothing is owed any more: it starts with one item owed, each header pays for
// one, and an array owes as many as it has elements, at any depth. Bulk strings are skipped by
// their length.
//
// Replies that hold nothing (nil, an empty array) are counted too: a benchmark of RPOP that finds
// its lists empty measures something else than it says.

const NEWLINE = 10
const RETURN = 13
const DOLLAR = 36
const STAR = 42
const MINUS = 45
const ERROR_LENGTH_MAX = 300

export class ReplyCounter {
  /** Whole replies so far. */
  replies = 0
  /** Those of them that were nil or an empty array. */
  emptyReplies = 0
  /** First byte of the header under way, 0 between two. */
  #kind = 0
  #number = 0
  #isNegative = false
  /** Whether that header begins a reply, and not an item inside one. */
  #isOuter = false
  /** Bytes still to be skipped, the end of a bulk string included. */
  #skip = 0
  /** Items still owed by the reply under way, 0 between two. */
  #owed = 0
  #error = ''

  /** Takes the next bytes. Throws the server's own words on an error reply. */
  feed(bytes: Uint8Array, length: number): void {
    let position = 0
    while (position < length) {
      if (this.#skip > 0) {
        const part = Math.min(this.#skip, length - position)
        this.#skip -= part
        position += part
        if (this.#skip === 0) this.#endItem()
        continue
      }
      const byte = bytes[position++]!
      if (this.#kind === 0) this.#beginHeader(byte)
      else if (byte === NEWLINE) this.#endHeader()
      else this.#takeHeader(byte)
    }
  }

  #beginHeader(byte: number): void {
    this.#kind = byte
    this.#number = 0
    this.#isNegative = false
    this.#isOuter = this.#owed === 0
    if (this.#isOuter) this.#owed = 1
  }

  #takeHeader(byte: number): void {
    if (this.#kind === DOLLAR || this.#kind === STAR) {
      if (byte === MINUS) this.#isNegative = true
      else if (byte !== RETURN) this.#number = this.#number * 10 + byte - 48
    } else if (this.#kind === MINUS && this.#error.length < ERROR_LENGTH_MAX) {
      this.#error += String.fromCharCode(byte)
    }
  }

  #endHeader(): void {
    const kind = this.#kind
    this.#kind = 0
    if (kind === MINUS) throw new Error(`reply ${this.#error.trim()}`)
    const isEmpty = this.#isNegative || (kind === STAR && this.#number === 0)
    if (kind === DOLLAR && !this.#isNegative) {
      this.#skip = this.#number + 2
      return
    }
    if (kind === STAR && !isEmpty) this.#owed += this.#number
    if (this.#isOuter && isEmpty) this.emptyReplies++
    this.#endItem()
  }

  #endItem(): void {
    this.#owed--
    if (this.#owed === 0) this.replies++
  }
}
