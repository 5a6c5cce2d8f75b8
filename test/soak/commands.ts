// Random commands of a soak, and what their replies must be. A key's first letter tells its type,
// so that none has another type than its commands expect. Every value carries its own proof
// (values.ts).
//
// How many keys there are, and how many elements a collection has, follows from the limit and from
// the sizes of the phase: together they are about twice what fits, and no value takes more than a
// share of the limit. What a command asks for, and what it brings, is at most some PIECE_BYTES.

import type { Random } from '../../src/base/random.ts'
import { showValue, type Value } from '../lib/resp.ts'
import { drawLength, meanLength, type Phase } from './phases.ts'
import type { Values } from './values.ts'

export interface Command {
  readonly words: readonly string[]
  /** What is wrong with a reply that is no error; null: nothing. */
  readonly fault: ((reply: Value) => string | null) | null
}

/** About how much one command brings or asks for, where a single value is not more. */
const PIECE_BYTES = 16 * 1024
const ELEMENTS_MAX = 64
/** A collection takes at most this share of the limit, and so many elements. */
const COLLECTION_SHARE = 1 / 32
const COLLECTION_MAX = 400
/** What a small key takes beside its value. */
const KEY_BYTES = 60
const KEYS_MIN = 20
const KEYS_MAX = 2_000_000
/** Of the limit, what keys of one type would take if all were there. */
const TYPE_SHARE = 0.6
/** Appended pieces are all of one length, so that each can be proved. */
const APPENDED_LENGTH = 64
const TTL_MS_MAX = 20_000

export class Commands {
  readonly #random: Random
  readonly #values: Values
  readonly #phase: Phase
  readonly #stringKeys: number
  readonly #collectionKeys: number
  readonly #elements: number
  readonly #pieces: number
  readonly #deadlineShare: number

  constructor(random: Random, values: Values, setting: { phase: Phase; limitBytes: number }) {
    const { phase, limitBytes } = setting
    this.#random = random
    this.#values = values
    this.#phase = phase
    const mean = meanLength(phase)
    this.#elements = bounded((limitBytes * COLLECTION_SHARE) / mean, 4, COLLECTION_MAX)
    const room = limitBytes * TYPE_SHARE
    this.#stringKeys = bounded(room / (mean + KEY_BYTES), KEYS_MIN, KEYS_MAX)
    this.#collectionKeys = bounded(room / (mean * this.#elements), KEYS_MIN, KEYS_MAX)
    this.#pieces = bounded(PIECE_BYTES / mean, 1, ELEMENTS_MAX)
    this.#deadlineShare = phase.policy.startsWith('volatile-') ? 0.8 : 0.1
  }

  /** One command; of some kinds two, of which the second sets a deadline. */
  next(target: Command[]): void {
    const chance = this.#random.below(100)
    if (chance < 42) this.#string(target)
    else if (chance < 52) this.#list(target)
    else if (chance < 62) this.#hash(target)
    else if (chance < 71) this.#set(target)
    else if (chance < 80) this.#sortedSet(target)
    else if (chance < 87) this.#stream(target)
    else if (chance < 92) this.#small(target)
    else this.#remove(target)
  }

  #string(target: Command[]): void {
    const key = this.#stringKey()
    const kind = this.#random.below(10)
    if (kind < 4) return this.#setMany(target)
    const isMortal = this.#random.float() < this.#deadlineShare
    if (kind < 6) {
      const deadline = isMortal ? ['PX', this.#ttl()] : []
      return push(target, ['SET', key, this.#value(key), ...deadline])
    }
    const fault = this.#genuine(key)
    if (kind === 6) return push(target, ['GET', key], fault)
    if (kind === 7) return push(target, ['GETSET', key, this.#value(key)], fault)
    if (kind === 8) return push(target, ['GETEX', key, 'PX', this.#ttl()], fault)
    const keys = this.#some(() => this.#stringKey())
    push(target, ['MGET', ...keys], (reply) => {
      if (reply.items.length !== keys.length) return 'other number of values'
      return first(reply.items, (item, i) => this.#genuine(keys[i] ?? '')(item))
    })
  }

  #setMany(target: Command[]): void {
    const keys = this.#some(() => this.#stringKey())
    push(target, ['MSET', ...keys.flatMap((key) => [key, this.#value(key)])])
    for (const key of keys) this.#deadline(target, key)
  }

  #list(target: Command[]): void {
    const key = this.#collectionKey('l')
    const kind = this.#random.below(10)
    const end = this.#random.below(2) === 0 ? 'L' : 'R'
    if (kind < 5) {
      push(target, [`${end}PUSH`, key, ...this.#some(() => this.#value(key))])
      if (kind === 0) push(target, ['LTRIM', key, `-${this.#elements}`, '-1'])
      return this.#deadline(target, key)
    }
    const fault = this.#allGenuine(key)
    const count = this.#random.below(this.#elements)
    if (kind < 7) return push(target, [`${end}POP`, key, `${this.#pieces}`], fault)
    if (kind < 9) {
      return push(target, ['LRANGE', key, `${count}`, `${count + this.#pieces - 1}`], fault)
    }
    push(target, ['LINDEX', key, `${count}`], this.#genuine(key))
  }

  #hash(target: Command[]): void {
    const key = this.#collectionKey('h')
    const kind = this.#random.below(10)
    const fields = this.#some(() => `${this.#random.below(this.#elements)}`)
    if (kind < 5) {
      const pairs = fields.flatMap((field) => [field, this.#value(`${key}/${field}`)])
      push(target, ['HSET', key, ...pairs])
      return this.#deadline(target, key)
    }
    if (kind < 7) return push(target, ['HDEL', key, ...fields])
    if (kind < 9) {
      return push(target, ['HMGET', key, ...fields], (reply) =>
        first(reply.items, (item, i) => this.#genuine(`${key}/${fields[i]}`)(item)),
      )
    }
    push(target, ['HRANDFIELD', key, `${this.#pieces}`, 'WITHVALUES'], (reply) =>
      first(reply.items, (item, i) => {
        const field = reply.items[i - 1]?.text ?? ''
        return i % 2 === 0 ? null : this.#genuine(`${key}/${field}`)(item)
      }),
    )
  }

  #set(target: Command[]): void {
    const key = this.#collectionKey('t')
    const kind = this.#random.below(10)
    if (kind < 5) {
      push(target, ['SADD', key, ...this.#some(() => this.#value(key))])
      if (kind === 0) push(target, ['SPOP', key, `${this.#pieces}`], this.#allGenuine(key))
      return this.#deadline(target, key)
    }
    const word = kind < 8 ? 'SPOP' : 'SRANDMEMBER'
    push(target, [word, key, `${this.#pieces}`], this.#allGenuine(key))
  }

  #sortedSet(target: Command[]): void {
    const key = this.#collectionKey('z')
    const kind = this.#random.below(10)
    if (kind < 5) {
      const pairs = this.#some(() => this.#value(key)).flatMap((member) => [
        scoreOf(member),
        member,
      ])
      push(target, ['ZADD', key, ...pairs])
      if (kind === 0) push(target, ['ZREMRANGEBYRANK', key, `${this.#elements}`, '-1'])
      return this.#deadline(target, key)
    }
    const fault = (reply: Value) =>
      first(reply.items, (item, i) => {
        if (i % 2 === 0) return this.#genuine(key)(item)
        const member = reply.items[i - 1]?.text ?? ''
        return Number(item.text) === Number(scoreOf(member)) ? null : 'another score'
      })
    if (kind < 8) return push(target, ['ZPOPMIN', key, `${this.#pieces}`], fault)
    const start = this.#random.below(this.#elements)
    const range = [`${start}`, `${start + this.#pieces - 1}`, 'WITHSCORES']
    push(target, ['ZRANGE', key, ...range], fault)
  }

  #stream(target: Command[]): void {
    const key = this.#collectionKey('x')
    const kind = this.#random.below(10)
    if (kind < 6) {
      for (let i = this.#random.below(this.#pieces); i >= 0; i--) {
        const bound = ['MAXLEN', '~', `${this.#elements}`]
        push(target, ['XADD', key, ...bound, '*', 'v', this.#value(key)])
      }
      return this.#deadline(target, key)
    }
    if (kind < 8) {
      return push(target, ['XTRIM', key, 'MAXLEN', `${this.#random.below(this.#elements)}`])
    }
    push(target, ['XREVRANGE', key, '+', '-', 'COUNT', `${this.#pieces}`], (reply) =>
      first(reply.items, (entry) => {
        const value = entry.items[1]?.items[1]
        return value === undefined ? 'no entry' : this.#genuine(key)(value)
      }),
    )
  }

  /** Counters, appended text, bitmaps and HyperLogLogs. */
  #small(target: Command[]): void {
    const name = this.#random.below(this.#collectionKeys * 4)
    const kind = this.#random.below(5)
    if (kind === 0) {
      return push(target, ['INCRBY', `i:${name}`, `${this.#random.below(1000)}`], (reply) =>
        reply.kind === 'integer' ? null : 'no number',
      )
    }
    if (kind === 1) {
      const key = `a:${name}`
      const piece = this.#values.make(key, APPENDED_LENGTH, this.#random)
      push(target, ['APPEND', key, piece])
      return this.#deadline(target, key)
    }
    if (kind === 2) return push(target, ['GET', `a:${name}`], this.#appended(`a:${name}`))
    if (kind === 3) {
      const bit = `${this.#random.below(8 * this.#phase.most)}`
      return push(target, ['SETBIT', `b:${name}`, bit, '1'])
    }
    push(target, ['PFADD', `p:${name}`, ...this.#some(() => `${this.#random.u32()}`)])
  }

  #remove(target: Command[]): void {
    const word = this.#random.below(2) === 0 ? 'DEL' : 'UNLINK'
    const kind = this.#random.below(4)
    if (kind === 0) return push(target, [word, ...this.#some(() => this.#stringKey())])
    const letter = 'lhtzx'.charAt(this.#random.below(5))
    const key = kind < 3 ? this.#collectionKey(letter) : this.#stringKey()
    if (kind === 1) return push(target, ['PEXPIRE', key, this.#ttl()])
    push(target, [word, key])
  }

  #deadline(target: Command[], key: string): void {
    if (this.#random.float() >= this.#deadlineShare) return
    push(target, ['PEXPIRE', key, this.#ttl()])
  }

  #ttl(): string {
    return `${1 + this.#random.below(TTL_MS_MAX)}`
  }

  #stringKey(): string {
    return `s:${this.#random.below(this.#stringKeys)}`
  }

  #collectionKey(letter: string): string {
    return `${letter}:${this.#random.below(this.#collectionKeys)}`
  }

  #value(owner: string): string {
    return this.#values.make(owner, drawLength(this.#phase, this.#random), this.#random)
  }

  /** As many as one command should bring. */
  #some<T>(make: () => T): T[] {
    return Array.from({ length: 1 + this.#random.below(this.#pieces) }, make)
  }

  #genuine(owner: string): (reply: Value) => string | null {
    return (reply) => {
      if (reply.kind === 'nil') return null
      return this.#values.isGenuine(owner, reply.text) ? null : `not of ${owner}`
    }
  }

  #allGenuine(owner: string): (reply: Value) => string | null {
    return (reply) => first(reply.items, this.#genuine(owner))
  }

  #appended(owner: string): (reply: Value) => string | null {
    return ({ text }) => {
      for (let i = 0; i < text.length; i += APPENDED_LENGTH) {
        const piece = text.slice(i, i + APPENDED_LENGTH)
        if (!this.#values.isGenuine(owner, piece)) return `not appended to ${owner}, at ${i}`
      }
      return null
    }
  }
}

/** A command as a message shows it. */
export function showCommand({ words }: Command): string {
  const shown = words.map((word) => (word.length > 40 ? `${word.slice(0, 40)}…` : word))
  const more = shown.length > 12 ? ` … (${shown.length} words)` : ''
  return shown.slice(0, 12).join(' ') + more
}

/** What is wrong with a reply, if anything is; `mayRefuse`: OOM is right. */
export function faultOf(command: Command, reply: Value, mayRefuse: boolean): string | null {
  if (reply.kind !== 'error') return command.fault === null ? null : command.fault(reply)
  if (mayRefuse && reply.text.startsWith('OOM ')) return null
  return showValue(reply)
}

function push(target: Command[], words: readonly string[], fault: Command['fault'] = null): void {
  target.push({ words, fault })
}

function first(
  items: readonly Value[],
  fault: (item: Value, i: number) => string | null,
): string | null {
  for (const [i, item] of items.entries()) {
    const found = fault(item, i)
    if (found !== null) return found
  }
  return null
}

/** A score that follows from the member. */
function scoreOf(member: string): string {
  return `${Number.parseInt(member.slice(0, 6), 36)}`
}

function bounded(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, Math.round(value)))
}
