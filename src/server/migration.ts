// One MIGRATE under way: keys go to another server as RESTORE commands, and are removed here when
// it has them.
//
//   open ──► send AUTH, SELECT, a RESTORE for each key ──► all answered ──► done
//     └──────── connection lost, or nothing moves for `timeout` ms ──► done, with an error
//
// Redis stands still meanwhile. Here the engine goes on, but nobody's commands run until the end
// (`Server.pausedFlags`), and nothing expires: so no key changes between its copy and its removal,
// and clients see what they see with Redis, a pause. It lasts as long as something moves: `timeout`
// is the longest time without progress, in Redis, too. Only one migration runs at a time, as the
// next MIGRATE is held back like any command.
//
// The bytes of one key are held at a time, and given to the socket in portions, so that a slow
// target is told from a dead one. Keys that the target has confirmed are removed at the end, also
// when the migration failed; all others stay. A target that is lost before it confirmed anything is
// connected to once more: a kept connection may have ended unnoticed.
// Source: Redis documentation of MIGRATE; the behaviour of redis-server 7.0. Owner: the engine.

import { assert } from '../base/assert.ts'
import { EMPTY_BYTES, latin1 } from '../base/bytes.ts'
import type { Clock, Timer } from '../base/clock.ts'
import { scratchSlice } from '../base/slice.ts'
import type { ConnectAddress } from '../base/socket.ts'
import { type Database, NO_DEADLINE } from '../keyspace/database.ts'
import { NULL } from '../memory/layout.ts'
import { payloadOf } from '../persist/dump.ts'
import type { Args } from '../resp/args.ts'
import { type ReplyError, replyError } from '../resp/replies.ts'
import type { LinkUser, MigrateLink, MigrateLinks } from './migrate-links.ts'

/** What MIGRATE was told. */
export interface MigrationRequest {
  readonly target: ConnectAddress
  /** A copy of the command's arguments, and where in it the keys stand that are there. */
  readonly args: Args
  readonly keys: readonly number[]
  /** Where the arguments of AUTH stand: name and password, or a password. */
  readonly secrets: readonly number[]
  /** The database to move to. */
  readonly database: number
  readonly timeoutMs: number
  readonly isReplacing: boolean
}

/** How it ended. */
export interface MigrationResult {
  /** Positions of the keys that the target has. */
  readonly moved: readonly number[]
  /** null: the target has all of them. */
  readonly error: ReplyError | null
}

export interface MigrationParts {
  readonly links: MigrateLinks
  readonly clock: Clock
  /** Where the keys are. */
  readonly db: Database
  readonly isCompressed: boolean
  /** Called once, never from within `start`. */
  readonly onEnd: (result: MigrationResult) => void
}

/** A portion for the socket, and how many bytes may wait there. */
const PORTION_BYTES = 64 * 1024
const PENDING_BYTES_MAX = 256 * 1024
const TIMER_MAX_MS = 0x7fffffff
/** What is answered besides keys. */
const AUTH_ANSWER = -1
const SELECT_ANSWER = -2
/** Codes of an attempt that knew where to go; Redis notices these when it writes. */
const NOT_REACHED = /^(ECONN|EHOST|ENET)/

export const NOT_CONNECTED = replyError('IOERR error or timeout connecting to the client')
const NOT_WRITTEN = replyError('IOERR error or timeout writing to target instance')
const NOT_READ = replyError('IOERR error or timeout reading to target instance')
const KEY = scratchSlice()

export class Migration implements LinkUser {
  readonly #request: MigrationRequest
  readonly #parts: MigrationParts
  #link: MigrateLink | null = null
  #timer: Timer | null = null
  #isRetry = false
  #isStarting = false
  /** What comes before the keys has been sent. */
  #hasBegun = false
  #hasEnded = false
  /** What is to be sent next, and how far it was. */
  #outbox: Uint8Array = EMPTY_BYTES
  #sent = 0
  /** The key that comes after it. */
  #next = 0
  /** What the answers to come are about: a key's position, or AUTH or SELECT. */
  #awaited: number[] = []
  #answered = 0
  #headError = ''
  #firstError = ''
  readonly #moved: number[] = []
  /** Bytes that waited when the timer was set. */
  #pendingBytes = 0

  constructor(request: MigrationRequest, parts: MigrationParts) {
    assert(request.keys.length > 0, 'there is something to move')
    this.#request = request
    this.#parts = parts
  }

  /** Begins; the end comes later. */
  start(): void {
    this.#isStarting = true
    this.#open()
    this.#isStarting = false
  }

  /** Ends it now; what the target has confirmed has moved. */
  abort(): void {
    this.#dropLink()
    this.#end(NOT_READ)
  }

  onOpen(): void {
    this.#arm()
    // Not before whoever connected has the link.
    this.#parts.clock.after(0, () => this.#begin())
  }

  onDrain(): void {
    this.#arm()
    this.#pump()
  }

  onLine(line: string): void {
    this.#arm()
    const about = this.#awaited[this.#answered]
    const isGood = line.startsWith('+')
    // An answer to nothing, or one that RESTORE does not give: this is not the server we mean.
    if (about === undefined || (!isGood && !line.startsWith('-'))) return this.#lose('')
    this.#answered++
    if (about < 0) {
      if (!isGood && this.#headError === '') this.#headError = line.slice(1)
    } else if (isGood && this.#headError === '') this.#moved.push(about)
    else if (this.#firstError === '') this.#firstError = this.#headError || line.slice(1)
    this.#endIfDone()
  }

  onLost(code: string): void {
    this.#link = null
    this.#lose(code)
  }

  get #isSent(): boolean {
    return this.#sent === this.#outbox.length && this.#next === this.#request.keys.length
  }

  #open(): void {
    const { links, clock } = this.#parts
    this.#outbox = EMPTY_BYTES
    this.#sent = 0
    this.#next = 0
    this.#hasBegun = false
    this.#awaited = []
    this.#answered = 0
    this.#link = links.acquire(this.#request.target, this)
    this.#arm()
    if (this.#link.isOpen) clock.after(0, () => this.#begin())
  }

  /** Sends what comes before the keys. */
  #begin(): void {
    const link = this.#link
    if (this.#hasEnded || this.#hasBegun || link === null || !link.isOpen) return
    this.#hasBegun = true
    const { args, secrets, database } = this.#request
    const words: Uint8Array[] = []
    if (secrets.length > 0) {
      words.push(...command('AUTH', ...secrets.map((i) => args.copy(i))))
      this.#awaited.push(AUTH_ANSWER)
    }
    if (link.database !== database) {
      words.push(...command('SELECT', latin1(String(database))))
      this.#awaited.push(SELECT_ANSWER)
    }
    this.#outbox = Buffer.concat(words)
    this.#pump()
  }

  /** Gives the socket as much as it may hold. */
  #pump(): void {
    const link = this.#link
    if (this.#hasEnded || link === null) return
    while (link.isOpen && link.pendingBytes < PENDING_BYTES_MAX) {
      if (this.#sent === this.#outbox.length && !this.#prepareNext()) break
      const length = Math.min(this.#outbox.length - this.#sent, PORTION_BYTES)
      link.write(this.#outbox, this.#sent, length)
      this.#sent += length
    }
    this.#endIfDone()
  }

  /** Fills the outbox with the next key that is still there; false behind the last. */
  #prepareNext(): boolean {
    const { args, keys, isReplacing } = this.#request
    const { db, clock, isCompressed } = this.#parts
    this.#outbox = EMPTY_BYTES
    this.#sent = 0
    while (this.#next < keys.length) {
      const position = keys[this.#next++]!
      const key = KEY.set(args.bytes, args.start(position), args.length(position))
      const record = db.peek(key)
      // Its time was up before its turn came.
      if (record === NULL) continue
      const deadlineMs = db.deadlineOf(record)
      const ttlMs = deadlineMs === NO_DEADLINE ? 0 : Math.max(1, deadlineMs - clock.nowMs())
      const payload = payloadOf(db, record, isCompressed)
      const { bytes, start, length } = payload
      const value = bytes.subarray(start, start + length)
      const words = [key.toBytes(), latin1(String(ttlMs)), value]
      if (isReplacing) words.push(latin1('REPLACE'))
      this.#outbox = Buffer.concat(command('RESTORE', ...words))
      payload.release()
      this.#awaited.push(position)
      return true
    }
    return false
  }

  #endIfDone(): void {
    if (this.#hasEnded || !this.#isSent || this.#answered < this.#awaited.length) return
    const link = this.#link
    assert(link !== null, 'what was answered came by a link')
    const isWhole = this.#firstError === '' && this.#headError === ''
    // After an error nobody knows what is selected there.
    link.database = isWhole ? this.#request.database : -1
    this.#parts.links.release(link, this.#parts.clock.nowMs())
    this.#link = null
    this.#end(null)
  }

  /** The connection is of no use any more. */
  #lose(code: string): void {
    if (this.#hasEnded) return
    const wasOpen = code === ''
    const hasAnswers = this.#moved.length > 0 || this.#firstError !== ''
    this.#dropLink()
    if (wasOpen && !this.#isRetry && !hasAnswers) {
      this.#isRetry = true
      this.#headError = ''
      return this.#open()
    }
    if (!wasOpen) this.#end(NOT_REACHED.test(code) ? NOT_WRITTEN : NOT_CONNECTED)
    else this.#end(this.#isSent ? NOT_READ : NOT_WRITTEN)
  }

  /** Looks again after `timeout` whether something has moved. */
  #arm(): void {
    const { clock } = this.#parts
    this.#timer?.stop()
    this.#pendingBytes = this.#link?.pendingBytes ?? 0
    const delayMs = Math.min(this.#request.timeoutMs, TIMER_MAX_MS)
    this.#timer = clock.after(delayMs, () => this.#onTime())
  }

  #onTime(): void {
    const link = this.#link
    if (this.#hasEnded || link === null) return
    if (link.pendingBytes < this.#pendingBytes) return this.#arm()
    const isUnsent = !this.#isSent || link.pendingBytes > 0
    const error = link.isOpen ? (isUnsent ? NOT_WRITTEN : NOT_READ) : NOT_CONNECTED
    this.#dropLink()
    this.#end(error)
  }

  #dropLink(): void {
    this.#link?.close()
    this.#link = null
  }

  #end(failure: ReplyError | null): void {
    assert(!this.#isStarting && !this.#hasEnded, 'a migration ends once, and later')
    this.#hasEnded = true
    this.#timer?.stop()
    const text = this.#firstError || this.#headError
    const refusal =
      text === '' ? null : replyError(`ERR Target instance replied with error: ${text}`)
    this.#parts.onEnd({ moved: this.#moved, error: refusal ?? failure })
  }
}

/** A command as the pieces that its bytes are. */
function command(name: string, ...words: readonly Uint8Array[]): Uint8Array[] {
  const pieces = [latin1(`*${words.length + 1}\r\n$${name.length}\r\n${name}\r\n`)]
  for (const word of words) pieces.push(latin1(`$${word.length}\r\n`), word, latin1('\r\n'))
  return pieces
}
