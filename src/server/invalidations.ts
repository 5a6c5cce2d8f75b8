// How an invalidation reaches a client: as a push in RESP3, as a message on the channel
// `__redis__:invalidate` in RESP2, where only a client in pub/sub mode that another one redirects
// to can get it. The part that names the keys is the same in both, and encoded once.
//
// Owner: the engine.

import { latin1 } from '../base/bytes.ts'
import { type Slice, scratchSlice } from '../base/slice.ts'
import { Reply } from '../resp/reply.ts'
import type { Clients } from './clients.ts'
import type { Connection } from './connection.ts'
import type { Pushes } from './pushes.ts'

const INVALIDATE = latin1('invalidate')
const MESSAGE = latin1('message')
const CHANNEL = latin1('__redis__:invalidate')
const BROKEN = latin1('tracking-redir-broken')

export class Invalidations {
  readonly #clients: Clients
  readonly #pushes: Pushes
  readonly #body = scratchSlice()
  readonly #encoder: Reply
  /** The body says that all keys are invalid. */
  #isAll = false

  constructor(clients: Clients, pushes: Pushes) {
    this.#clients = clients
    this.#pushes = pushes
    this.#encoder = new Reply((bytes, start, length) => this.#body.set(bytes, start, length))
  }

  /** What `send` says from now on: one key is invalid. */
  setKey(key: Slice): void {
    this.#begin(1)
    this.#encoder.bulk(key.bytes, key.start, key.length)
    this.#end()
  }

  /** What `send` says from now on: these keys are, written one character per byte. */
  setNames(names: readonly string[]): void {
    this.#begin(names.length)
    for (const name of names) this.#encoder.bulkText(name)
    this.#end()
  }

  /** What `send` says from now on: all keys are. */
  setAll(): void {
    this.#isAll = true
  }

  /** Tells a client, or the one it redirects to; whoever is being served, after its reply. */
  send(client: Connection): void {
    const { tracking } = client
    if (tracking === null) return
    const { redirect } = tracking.options
    if (redirect === 0) {
      if (client.version === 3) this.#sendPush(client)
      return
    }
    const target = this.#clients.find(redirect)
    if (target === null) {
      tracking.isBroken = true
      if (client.version === 3) this.#sendBroken(client, redirect)
    } else if (target.version === 3) this.#sendPush(target)
    else if (target.subscriptions !== null) this.#sendMessage(target)
  }

  #begin(count: number): void {
    this.#isAll = false
    // Nothing leaves the encoder before it is whole.
    this.#encoder.hold()
    this.#encoder.array(count)
  }

  #end(): void {
    this.#encoder.release()
    this.#encoder.flush()
  }

  #sendPush(client: Connection): void {
    const push = this.#pushes.begin(2)
    push.bulk(INVALIDATE, 0, INVALIDATE.length)
    this.#writeBody(push, 3)
    this.#pushes.end()
    this.#pushes.sendLate(client)
  }

  #sendMessage(client: Connection): void {
    const push = this.#pushes.begin(3)
    push.bulk(MESSAGE, 0, MESSAGE.length)
    push.bulk(CHANNEL, 0, CHANNEL.length)
    this.#writeBody(push, 2)
    this.#pushes.end()
    this.#pushes.sendLate(client)
  }

  #writeBody(push: Reply, version: 2 | 3): void {
    push.version = version
    if (this.#isAll) push.nil()
    else push.raw(this.#body.bytes, this.#body.start, this.#body.length)
  }

  #sendBroken(client: Connection, redirect: number): void {
    const push = this.#pushes.begin(2)
    push.bulk(BROKEN, 0, BROKEN.length)
    push.integer(redirect)
    this.#pushes.end()
    this.#pushes.sendLate(client)
  }
}
