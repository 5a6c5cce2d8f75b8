// The keyspace as plain Maps, in the most obvious way: what the simulation holds the server to.
// Expired items stay in the Maps until something overwrites or deletes them, but `find` never
// returns them; so the server may have removed them or not, as it likes.
//
//   model.ts              keyspace, sessions, what an expected reply is
//   model-strings.ts      string commands      model-keys.ts   keys, deadlines, databases, SCAN
//   generator.ts          random commands      sim-client.ts   a client and its socket
//   sim-disk.ts           a disk that knows which data each file must hold
//   simulation.ts         the world: server, clients, disk, time, faults, restarts
//   simulate.ts           the program

import { scalar, showValue, type Value } from '../lib/resp.ts'

/** For each database, keys with deadline and value in one text; as `contentsOf` gives them. */
export type Contents = Map<string, string>[]

export interface Item {
  value: string
  /** Unix ms; 0: none. */
  deadlineMs: number
  /** Differs from that of any other time this or another key came into being. */
  readonly birth: number
}

/** A SCAN from its first call on. */
export interface ScanState {
  cursor: string
  readonly database: number
  /** Keys there all the time so far, with their birth. */
  readonly kept: Map<string, number>
  readonly seen: Set<string>
}

/** What the server knows of a client. */
export interface Session {
  database: number
  version: 2 | 3
  name: string
  scan: ScanState | null
}

/** A reply that is determined, or a function that says what is wrong with one ('' nothing). */
export type Expected = Value | ((value: Value) => string)

/** More than commands on their way can refer to. */
const PAYLOADS_MAX = 100
const PAYLOADS_OFFERED = 6

export class Model {
  databases: Map<string, Item>[]
  nowMs = 0
  /** Values by the payload that DUMP gave for them, the latest last. */
  readonly payloads: Map<string, string>
  #births = 0

  /** An empty keyspace; payloads are as good after a restart as before. */
  constructor(databaseCount: number, payloads = new Map<string, string>()) {
    this.databases = Array.from({ length: databaseCount }, () => new Map())
    this.payloads = payloads
  }

  /** Payloads to make commands of. */
  get offeredPayloads(): string[] {
    return [...this.payloads.keys()].slice(-PAYLOADS_OFFERED)
  }

  find(id: number, key: string): Item | null {
    const item = this.databases[id]!.get(key)
    return item !== undefined && this.#isAlive(item) ? item : null
  }

  /** Sets a key; one that was there keeps its birth. */
  put(id: number, key: string, content: { value: string; deadlineMs: number }): void {
    const birth = this.find(id, key)?.birth ?? ++this.#births
    this.databases[id]!.set(key, { ...content, birth })
  }

  /** Whether the key was there. */
  remove(id: number, key: string): boolean {
    const wasThere = this.find(id, key) !== null
    this.databases[id]!.delete(key)
    return wasThere
  }

  swap(first: number, second: number): void {
    const { databases } = this
    ;[databases[first], databases[second]] = [databases[second]!, databases[first]!]
  }

  flush(id: number): void {
    this.databases[id]!.clear()
  }

  /** Keys that have not expired. */
  keys(id: number): string[] {
    const found: string[] = []
    for (const [key, item] of this.databases[id]!) if (this.#isAlive(item)) found.push(key)
    return found
  }

  /** What has not expired, as `contentsOf` shows it. */
  contents(): Contents {
    return this.databases.map((_, id) => {
      const item = (key: string) => this.databases[id]!.get(key)!
      return new Map(this.keys(id).map((key) => [key, show(item(key))]))
    })
  }

  /** Takes over what a server has loaded. */
  load(contents: Contents): void {
    for (const [id, keys] of contents.entries()) {
      const database = this.databases[id]!
      database.clear()
      for (const [key, text] of keys) {
        const space = text.indexOf(' ')
        const deadlineMs = Number(text.slice(0, space))
        database.set(key, { value: text.slice(space + 1), deadlineMs, birth: ++this.#births })
      }
    }
  }

  notePayload(payload: string, value: string): void {
    this.payloads.delete(payload)
    if (this.payloads.size >= PAYLOADS_MAX) {
      this.payloads.delete(this.payloads.keys().next().value!)
    }
    this.payloads.set(payload, value)
  }

  #isAlive({ deadlineMs }: Item): boolean {
    return deadlineMs === 0 || deadlineMs > this.nowMs
  }
}

function show({ deadlineMs, value }: Item): string {
  return `${deadlineMs} ${value}`
}

/** What of the contents has not expired at `nowMs`. */
export function aliveAt(contents: Contents, nowMs: number): Contents {
  return contents.map((keys) => {
    const alive = [...keys].filter(([, text]) => {
      const deadlineMs = Number(text.slice(0, text.indexOf(' ')))
      return deadlineMs === 0 || deadlineMs > nowMs
    })
    return new Map(alive)
  })
}

/** The first difference of two contents in words; '' when there is none. */
export function differenceOf(found: Contents, expected: Contents): string {
  for (const [id, keys] of expected.entries()) {
    const others = found[id] ?? new Map<string, string>()
    for (const [key, text] of keys) {
      if (others.get(key) === text) continue
      return `database ${id}, key ${brief(key)}: ${brief(others.get(key))}, expected ${brief(text)}`
    }
    for (const [key, text] of others) {
      if (!keys.has(key)) return `database ${id}, key ${brief(key)}: ${brief(text)}, expected none`
    }
  }
  return ''
}

const BRIEF_LENGTH = 60

export function brief(text: string | undefined): string {
  if (text === undefined) return 'nothing'
  const more = text.length > BRIEF_LENGTH ? `… (${text.length} bytes)` : ''
  return JSON.stringify(text.slice(0, BRIEF_LENGTH)) + more
}

/** Why the reply is not what was expected; '' when it is. */
export function faultOf(reply: Value, expected: Expected): string {
  if (typeof expected === 'function') return expected(reply)
  if (isSame(reply, expected)) return ''
  return `${brief(showValue(reply))}, expected ${brief(showValue(expected))}`
}

function isSame(a: Value, b: Value): boolean {
  if (a.kind !== b.kind || a.text !== b.text || a.items.length !== b.items.length) return false
  return a.items.every((item, i) => isSame(item, b.items[i]!))
}

export const OK = scalar('simple', 'OK')

export function bulk(text: string): Value {
  return scalar('bulk', text)
}

export function integer(number: number | bigint): Value {
  return scalar('integer', String(number))
}

export function error(text: string): Value {
  return scalar('error', text)
}

export function nil({ version }: Session): Value {
  return scalar(version === 2 ? 'nil' : 'null')
}

export function array(items: readonly Value[]): Value {
  return { kind: 'array', text: '', items }
}

/** A check of the kind only. */
export function any(...kinds: readonly Value['kind'][]): Expected {
  return (value) =>
    kinds.includes(value.kind) ? '' : `${brief(showValue(value))}, expected ${kinds.join(' or ')}`
}
