// A client in the simulation of cuts: sends commands of any kind without knowing what their replies
// must be, and finds out whether each command got one, in order, however long it was held back.
// Behind each batch stands an ECHO of a number; a transaction has as many replies as commands.

import type { Value } from '../lib/resp.ts'
import { brief } from './model.ts'
import { type Sent, SimClient } from './sim-client.ts'

/** Commands without a reply beyond which a client sends nothing more. */
const UNANSWERED_MAX = 200
/** Commands that may have no reply for a while, though nobody holds them back. */
const BLOCKING = /^(b[lrz]|xread)/i
const NO_TRANSACTION = -1

export class CutClient {
  readonly socket: SimClient
  readonly #onReply: (words: readonly string[], reply: Value) => void
  #echoes = 0
  /** Commands that are queued for EXEC. */
  #queued = NO_TRANSACTION

  constructor(number: number, onReply: (words: readonly string[], reply: Value) => void) {
    this.socket = new SimClient(number)
    this.#onReply = onReply
  }

  /** Commands that have no reply yet. */
  get unanswered(): number {
    return this.socket.queue.length
  }

  /** Sends the commands, unless too many wait already, and takes the replies that come. */
  send(commands: readonly (readonly string[])[]): void {
    const { socket } = this
    if (this.unanswered > UNANSWERED_MAX) return
    for (const words of commands) socket.send(words)
    socket.send(['ECHO', `echo ${++this.#echoes}`])
    socket.deliver(socket.outboxBytes)
    this.settle()
  }

  /** Takes the replies that have come: one for each command, in order. Throws when it is not so. */
  settle(): void {
    const { socket } = this
    for (;;) {
      const sent = socket.received
      const reply = socket.takeReply()
      if (reply === null) break
      expect(sent !== null, `a reply nobody asked for: ${brief(reply.text)}`)
      socket.queue.shift()
      this.#look(sent, reply)
      this.#onReply(sent.words, reply)
    }
    expect(!socket.isClosed, 'a connection was closed')
    const next = socket.received
    const mayWait = next === null || socket.isHeld || BLOCKING.test(next.words[0]!)
    expect(mayWait, `no reply to ${next?.words[0]}`)
  }

  /** What can be told of a reply without a model. */
  #look({ words }: Sent, reply: Value): void {
    const name = words[0]!
    if (name === 'ECHO' && words[1]!.startsWith('echo ')) {
      const isRight = reply.kind === 'bulk' && reply.text === words[1]
      expect(isRight, `${words[1]} was answered with ${brief(reply.text)}`)
    } else if (name === 'MULTI') {
      this.#queued = reply.text === 'OK' ? 0 : NO_TRANSACTION
    } else if (name === 'EXEC' || name === 'DISCARD') {
      const isWhole = reply.kind !== 'array' || reply.items.length === this.#queued
      expect(isWhole, `EXEC of ${this.#queued} commands gave ${reply.items.length} replies`)
      this.#queued = NO_TRANSACTION
    } else if (this.#queued >= 0 && reply.text === 'QUEUED') this.#queued++
  }
}

function expect(isSo: boolean, what: string): asserts isSo {
  if (!isSo) throw new Error(what)
}
