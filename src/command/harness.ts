// For tests: a keyspace, a context and a reply, so that handlers run without a server. Time stands
// still until `advance`; the same seed gives the same hash and the same random keys.
//
// Replies come as plain values: bulk strings as latin1 text, integers as numbers (bigint beyond
// 2^53), nil as null, arrays as arrays, maps as Map. A status or an error is an object with the
// line, so that `OK` and "OK" differ.

import { deepEqual, equal } from 'node:assert/strict'
import { assert } from '../base/assert.ts'
import { FakeClock } from '../base/clock.ts'
import { Random } from '../base/random.ts'
import { Slice } from '../base/slice.ts'
import type { Database } from '../keyspace/database.ts'
import { defaultEncodingLimits } from '../keyspace/encoding-limits.ts'
import { Keyspace } from '../keyspace/keyspace.ts'
import { Args } from '../resp/args.ts'
import { Reply } from '../resp/reply.ts'
import { bitmapCommands } from './bitmap.ts'
import type { Blocker, Command, Context, Wait } from './command.ts'
import { databaseCommands } from './database.ts'
import { Effects } from './effects.ts'
import { geoCommands } from './geo.ts'
import { hashCommands } from './hash.ts'
import { hashExpireCommands } from './hash-expire.ts'
import { hyperloglogCommands } from './hyperloglog.ts'
import { keyCommands } from './key.ts'
import type { KeyEvent, KeyObserver } from './key-event.ts'
import { listCommands } from './list.ts'
import { setCommands } from './set.ts'
import { streamCommands } from './stream.ts'
import { stringCommands } from './string.ts'
import { zsetCommands } from './zset.ts'

const PAGES = 256 * 1024
const STRING_LENGTH_MAX = 512 * 1024 * 1024
const LF = 0x0a

/** A status (`+`) or an error (`-`), without the line end. */
export interface Line {
  readonly line: string
}

export type Answer = string | number | bigint | null | Line | Answer[] | Map<Answer, Answer>

/** Keeps what handlers announce: `db key class name` for events, `db key` for touches. */
export class RecordingObserver implements KeyObserver {
  isOn = true
  readonly events: string[] = []
  readonly touches: string[] = []

  noteTouch(db: Database, key: Slice): void {
    this.touches.push(`${db.id} ${key.toLatin1()}`)
  }

  noteEvent(event: KeyEvent, db: Database, key: Slice): void {
    this.events.push(`${db.id} ${key.toLatin1()} ${event.class} ${event.name}`)
  }

  noteFlush(db: Database): void {
    this.touches.push(`${db.id} *`)
  }

  noteSwap(first: Database, second: Database): void {
    this.touches.push(`${first.id} <> ${second.id}`)
  }

  /** The events since the last call. */
  takeEvents(): string[] {
    return this.events.splice(0)
  }
}

/** Keeps what the last command that had to wait waits for. */
export class RecordingBlocker implements Blocker {
  canWait = true
  isRetry = false
  waiting: Wait | null = null

  wait(wait: Wait): void {
    this.waiting = { ...wait, positions: [...wait.positions] }
  }
}

export interface HarnessOptions {
  readonly seed?: number
  /** Rows besides those of this folder. */
  readonly commands?: readonly Command[]
  readonly databaseCount?: number
}

export class Harness {
  readonly clock = new FakeClock()
  readonly keyspace: Keyspace
  readonly context: Context
  readonly reply: Reply
  readonly observer = new RecordingObserver()
  /** What was told of damaged data. */
  readonly damages: string[] = []
  readonly blocker = new RecordingBlocker()
  readonly #commands = new Map<string, Command>()
  #sent: Uint8Array[] = []

  constructor(options: HarnessOptions = {}) {
    const seed = options.seed ?? 1
    this.keyspace = new Keyspace({
      databaseCount: options.databaseCount ?? 16,
      pageCapacity: PAGES,
      hashSecret: new Uint32Array([seed, ~seed]),
      random: new Random(seed),
    })
    this.context = {
      keyspace: this.keyspace,
      db: this.keyspace.databases[0]!,
      nowMs: 0,
      session: { database: 0 },
      observer: this.observer,
      effects: new Effects(),
      isReplayed: false,
      blocker: this.blocker,
      limits: {
        encodings: defaultEncodingLimits(),
        stringLengthMax: STRING_LENGTH_MAX,
        isUserFlushLazy: false,
        isUserDelLazy: false,
        isRdbCompressed: true,
        isPayloadChecked: true,
        isIntegerShared: true,
      },
      noteFlushAll: () => false,
      noteDamage: (message) => this.damages.push(message),
      key: new Slice(),
      value: new Slice(),
    }
    // The reply uses its buffer again, so what it sends is copied.
    this.reply = new Reply((bytes, start, length) => {
      this.#sent.push(bytes.slice(start, start + length))
    })
    const families = [
      stringCommands,
      bitmapCommands,
      listCommands,
      setCommands,
      hashCommands,
      hashExpireCommands,
      zsetCommands,
      geoCommands,
      streamCommands,
      hyperloglogCommands,
      keyCommands,
      databaseCommands,
      options.commands ?? [],
    ]
    for (const command of families.flat()) this.#commands.set(command.name, command)
    this.advance(0)
  }

  /** Moves time on. */
  advance(ms: number): void {
    this.clock.advance(ms)
    this.context.nowMs = this.clock.nowMs()
    this.keyspace.advance(this.context.nowMs)
  }

  /** Runs a command; a number is sent as its text. */
  run(...words: readonly (string | number | bigint | Uint8Array)[]): Answer {
    const bytes = this.raw(...words)
    const parsed = parse(bytes, 0)
    assert(parsed.next === bytes.length, 'a command has one reply')
    return parsed.value
  }

  /** Runs a command; returns the bytes of its reply. */
  raw(...words: readonly (string | number | bigint | Uint8Array)[]): Uint8Array {
    // Bytes that are no argument stand on both sides, and must not matter.
    const texts = words.map((each) => (each instanceof Uint8Array ? each : String(each)))
    const args = Args.of(...texts, '7')
    args.count--
    const handler = this.#find(args)
    this.#sent = []
    handler(this.context, args, this.reply)
    this.reply.flush()
    return Buffer.concat(this.#sent)
  }

  #find(args: Args): NonNullable<Command['run']> {
    const command = this.#commands.get(args.text(0).toLowerCase())
    assert(command !== undefined, 'the command has a row')
    const child = command.subcommands?.find((each) => each.name === args.text(1).toLowerCase())
    const found = child ?? command
    const suits = found.arity >= 0 ? args.count === found.arity : args.count >= -found.arity
    assert(suits, 'the count of arguments suits the command')
    assert(found.run !== undefined, 'the command runs')
    return found.run
  }
}

/** A command, its reply, and how many changes it counts. */
export type Change = readonly [command: string, reply: Answer, changes: number]

/** Runs commands one after the other on one keyspace, each of which must do as its row says. */
export function runChanges(rows: readonly Change[]): void {
  const harness = new Harness()
  for (const [command, reply, changes] of rows) {
    const before = harness.keyspace.dirty
    deepEqual(harness.run(...command.split(' ')), reply, command)
    equal(harness.keyspace.dirty - before, changes, `changes of ${command}`)
  }
  harness.keyspace.check()
}

/** The line of a status or an error reply: `+OK`. */
export function line(text: string): Line {
  return { line: text }
}

export const OK = line('+OK')

interface Parsed {
  readonly value: Answer
  readonly next: number
}

function parse(bytes: Uint8Array, at: number): Parsed {
  const end = bytes.indexOf(LF, at)
  assert(end > at, 'a reply has a header')
  const header = latin1Of(bytes, at, end - 1)
  const rest = header.slice(1)
  const next = end + 1
  switch (header[0]) {
    case '$': {
      if (rest === '-1') return { value: null, next }
      const limit = next + Number(rest)
      return { value: latin1Of(bytes, next, limit), next: limit + 2 }
    }
    case ':': {
      const value = Number(rest)
      return { value: Number.isSafeInteger(value) ? value : BigInt(rest), next }
    }
    case '_':
      return { value: null, next }
    case '*':
      return rest === '-1' ? { value: null, next } : parseItems(bytes, next, Number(rest))
    case '%': {
      const { value, next: limit } = parseItems(bytes, next, Number(rest) * 2)
      const map = new Map<Answer, Answer>()
      const items = value as Answer[]
      for (let i = 0; i < items.length; i += 2) map.set(items[i]!, items[i + 1]!)
      return { value: map, next: limit }
    }
    default:
      assert(header[0] === '+' || header[0] === '-', 'the reply is of a known kind')
      return { value: { line: header }, next }
  }
}

function parseItems(bytes: Uint8Array, at: number, count: number): Parsed {
  const items: Answer[] = []
  for (let i = 0; i < count; i++) {
    const { value, next } = parse(bytes, at)
    items.push(value)
    at = next
  }
  return { value: items, next: at }
}

function latin1Of(bytes: Uint8Array, start: number, limit: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, limit - start).toString('latin1')
}
