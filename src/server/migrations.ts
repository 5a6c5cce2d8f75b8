// MIGRATE as the server sees it: the one migration that runs, the pause of all other clients while
// it does, the removal of what has moved, and the connections that are kept. Who runs commands asks
// `isRunning`; who is held back gets another try at the end. Owner: the engine.

import { assert } from '../base/assert.ts'
import { latin1 } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { scratchSlice } from '../base/slice.ts'
import type { CommandLimits } from '../command/command.ts'
import { type Effects, writeArguments } from '../command/effects.ts'
import { DEL, noteChange } from '../command/key-event.ts'
import type { Database } from '../keyspace/database.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { NULL } from '../memory/layout.ts'
import type { Reply } from '../resp/reply.ts'
import type { Clients } from './clients.ts'
import type { Connection } from './connection.ts'
import type { KeyFollowers } from './key-followers.ts'
import { type Connect, MigrateLinks } from './migrate-links.ts'
import { Migration, type MigrationRequest, type MigrationResult } from './migration.ts'

export interface MigrateOrder {
  readonly request: MigrationRequest
  /** Keys stay here, too. */
  readonly isCopy: boolean
}

/** What the engine does for a migration; see `ServerParts`. */
export interface MigrationHost {
  readonly connect: Connect
  readonly answer: (client: Connection, write: (reply: Reply) => void) => void
  readonly resume: () => void
  readonly shutdown: { readonly isDone: boolean }
}

export interface MigrationsOptions {
  readonly keyspace: Keyspace
  readonly clock: Clock
  readonly clients: Clients
  readonly followers: KeyFollowers
  readonly effects: Effects
  readonly limits: CommandLimits
  readonly host: () => MigrationHost
  /** Counts an error reply. */
  readonly noteError: (code: string) => void
}

const DEL_WORD = latin1('DEL')
const KEY = scratchSlice()

export class Migrations {
  readonly links: MigrateLinks
  readonly #options: MigrationsOptions
  #running: Migration | null = null

  constructor(options: MigrationsOptions) {
    this.#options = options
    const connect: Connect = (address, handler) => options.host().connect(address, handler)
    this.links = new MigrateLinks(connect)
  }

  /** Nobody's commands run, and nothing expires. */
  get isRunning(): boolean {
    return this.#running !== null
  }

  /** Begins to move keys of `db` for `client`, which is answered when that has ended. */
  begin(client: Connection, db: Database, order: MigrateOrder): void {
    assert(this.#running === null, 'who would begin another one is held back')
    const { clock, keyspace, limits } = this.#options
    client.isWaiting = true
    keyspace.isExpiryPaused = true
    const migration = new Migration(order.request, {
      links: this.links,
      clock,
      db,
      isCompressed: limits.isRdbCompressed,
      onEnd: (result) => this.#end(client, db, { ...order, ...result }),
    })
    this.#running = migration
    migration.start()
  }

  /** Ends a migration that is under way, as the server is about to save and end. */
  abort(): void {
    this.#running?.abort()
  }

  cron(nowMs: number): void {
    this.links.cron(nowMs)
  }

  #end(client: Connection, db: Database, order: MigrateOrder & MigrationResult): void {
    const { keyspace, clients, clock } = this.#options
    const host = this.#options.host()
    this.#running = null
    keyspace.isExpiryPaused = clients.isPaused
    keyspace.advance(clock.nowMs())
    // Who asked may have gone meanwhile: what has moved is removed all the same.
    if (client.isClosed) this.#remove(db, order)
    else host.answer(client, (reply) => this.#answer(client, db, order, reply))
    // A server that has saved and ended runs nothing any more.
    if (!host.shutdown.isDone) host.resume()
  }

  #answer(
    client: Connection,
    db: Database,
    order: MigrateOrder & MigrationResult,
    reply: Reply,
  ): void {
    const { error } = order
    if (error === null) reply.ok()
    else {
      reply.error(error)
      if (client.lastEntry !== null) client.lastEntry.failed++
      this.#options.noteError(error.code)
    }
    this.#remove(db, order)
  }

  /** Removes what the target has, unless it was only to be copied. */
  #remove(db: Database, { request, moved, isCopy }: MigrateOrder & MigrationResult): void {
    if (isCopy) return
    const { keyspace, followers, effects } = this.#options
    const { args } = request
    const place = { keyspace, observer: followers, db }
    const removed: number[] = []
    for (const position of moved) {
      const key = KEY.set(args.bytes, args.start(position), args.length(position))
      const record = db.peek(key)
      if (record === NULL) continue
      db.remove(record)
      noteChange(place, key, DEL)
      removed.push(position)
    }
    if (!effects.isKept || removed.length === 0) return
    // The command itself has ended long ago: this is a unit of its own.
    const writer = effects.besides(db, DEL_WORD, 1 + removed.length)
    for (const position of removed) writeArguments(writer, args, position, position + 1)
    effects.endUnit(true)
  }
}
