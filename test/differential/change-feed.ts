// The stream of changes that redis-server sends its replicas, as lines of text; and what makes
// lines of two servers comparable: names of commands in capitals, times of now and IDs made of them
// without their digits.

import { connect, type Socket } from 'node:net'
import { parseValue } from '../lib/resp.ts'
import type { TestServer } from '../lib/server.ts'
import { waitFor } from '../lib/wait.ts'

/** A replica that only listens. */
export class ChangeFeed {
  readonly #socket: Socket
  #bytes: Buffer = Buffer.alloc(0)
  #hasSnapshot = false
  readonly #commands: string[][] = []

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk])
      this.#parse()
    })
    socket.on('error', () => {})
  }

  /** Connects, and waits for the snapshot that comes before the stream. */
  static async open(server: TestServer): Promise<ChangeFeed> {
    const socket = connect(server.port, '127.0.0.1')
    const feed = new ChangeFeed(socket)
    socket.write('PSYNC ? -1\r\n')
    await waitFor('the snapshot', async () => feed.#hasSnapshot, 15_000)
    return feed
  }

  /** All commands up to the message `mark` on channel `mark`, which is not one of them. */
  async takeUntil(mark: string): Promise<string[][]> {
    const isMark = (words: string[]) => words[1] === 'mark' && words[2] === mark
    await waitFor('the mark', async () => this.#commands.some(isMark))
    const at = this.#commands.findIndex(isMark)
    return this.#commands.splice(0, at + 1).slice(0, -1)
  }

  close(): void {
    this.#socket.destroy()
  }

  #parse(): void {
    if (!this.#hasSnapshot) {
      const header = /^\+FULLRESYNC [^\r]*\r\n\n*\$(\d+)\r\n/.exec(this.#bytes.toString('latin1'))
      if (header === null) return
      const limit = header[0].length + Number(header[1])
      if (this.#bytes.length < limit) return
      this.#bytes = this.#bytes.subarray(limit)
      this.#hasSnapshot = true
    }
    for (;;) {
      if (this.#bytes.length === 0) return
      const parsed = parseValue(this.#bytes, 0)
      if (parsed === null) return
      this.#bytes = this.#bytes.subarray(parsed.next)
      this.#commands.push(parsed.value.items.map(({ text }) => text))
    }
  }
}

/** Times from 2014 to 2096, unless they are round, as those of tests are. */
const TIME = /^(1[4-9]|[23]\d)\d{11}$/
const ROUND_TIME = /^4\d{12}$/
const TIME_ID = /^(1[4-9]|[23]\d)\d{11}-\d+$/

const LONG_NUMBER = /^\d{16,}$/

/** Lines that are equal if the commands mean the same. */
export function comparable(commands: readonly (readonly string[])[]): string[] {
  return commands.map(([name = '', ...words]) => {
    const compared = [name.toUpperCase(), ...words.map(comparableWord)]
    // The first entry may be counted from one that is deleted, or not.
    const minimum = compared.findIndex((word) => /^minid$/i.test(word))
    if (minimum > 0 && compared[minimum + 1] === '=') compared[minimum + 2] = 'FIRST-ID'
    // An ID that was given short.
    if (compared[0] === 'XCLAIM' && /^\d+$/.test(compared[5] ?? '')) compared[5] += '-0'
    return compared.map((word) => JSON.stringify(word)).join(' ')
  })
}

function comparableWord(word: string): string {
  // What is above 2^53 is a double here.
  if (LONG_NUMBER.test(word)) return String(Number(word))
  if (TIME_ID.test(word)) return 'TIME-ID'
  if (TIME.test(word) && !ROUND_TIME.test(word)) return 'TIME'
  return /^(left|right|pxat|keepttl|absttl|setid)$/i.test(word) ? word.toUpperCase() : word
}
