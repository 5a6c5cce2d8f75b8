// Clients in WAIT: each waits until enough replicas have confirmed what it had written. They stand
// among the blocked clients as well (blocking.ts), which knows when their time is up.

import { latin1 } from '../base/bytes.ts'
import type { Primary } from '../replication/primary.ts'
import type { Blocking } from './blocking.ts'
import type { Connection } from './connection.ts'

/** One client that waits. */
interface AckWait {
  readonly client: Connection
  /** End of what it had written, in the stream. */
  readonly offset: number
  readonly count: number
}

export interface AckWaitsOptions {
  readonly primary: Primary
  readonly blocking: Blocking
}

export class AckWaits {
  readonly #options: AckWaitsOptions
  readonly #waits = new Map<Connection, AckWait>()

  constructor(options: AckWaitsOptions) {
    this.#options = options
  }

  /** `client` waits until `count` replicas have what it has written; asks them for it. */
  add(client: Connection, count: number): void {
    this.#waits.set(client, { client, offset: client.writeOffset, count })
    this.#options.primary.requestAcks()
  }

  /** `client` waits no longer: its time is up, or it is gone. */
  forget(client: Connection): void {
    this.#waits.delete(client)
  }

  /** Answers those who have waited long enough. */
  look(): void {
    const { primary, blocking } = this.#options
    for (const { client, offset, count } of this.#waits.values()) {
      const acked = primary.countAcked(offset)
      if (acked < count) continue
      this.#waits.delete(client)
      blocking.answer(client, latin1(`:${acked}\r\n`))
    }
  }
}
