// Commands on keys, deadlines, databases and connections on the model; see model-strings.ts.
// SCAN is held to its guarantee: an iteration finds each key that was there from its start on.

import { scalar, type Value } from '../lib/resp.ts'
import {
  any,
  brief,
  bulk,
  type Expected,
  error,
  integer,
  nil,
  OK,
  type ScanState,
} from './model.ts'
import { type Call, deadlineOf, itemOf, type Row } from './model-strings.ts'

const NO_SUCH_KEY = error('ERR no such key')
const SAME_OBJECT = error('ERR source and destination objects are the same')
const OUT_OF_RANGE = error('ERR DB index is out of range')
const BUSY_KEY = error('BUSYKEY Target key name already exists.')

function keysFrom(call: Call, take: (key: string) => boolean): Expected {
  return integer(call.words.slice(1).filter(take).length)
}

function remove(call: Call): Expected {
  return keysFrom(call, (key) => call.model.remove(call.session.database, key))
}

function count(call: Call): Expected {
  return keysFrom(call, (key) => call.model.find(call.session.database, key) !== null)
}

const UNITS: Readonly<Record<string, string>> = {
  EXPIRE: 'EX',
  PEXPIRE: 'PX',
  EXPIREAT: 'EXAT',
  PEXPIREAT: 'PXAT',
}

function expire(call: Call): Expected {
  const { model, session, words } = call
  const item = itemOf(call)
  if (item === null) return integer(0)
  const deadlineMs = deadlineOf(model, UNITS[words[0]!]!, words[2]!)
  const conditions = words.slice(3)
  const old = item.deadlineMs === 0 ? Number.POSITIVE_INFINITY : item.deadlineMs
  const isRefused =
    (conditions.includes('NX') && item.deadlineMs !== 0) ||
    (conditions.includes('XX') && item.deadlineMs === 0) ||
    (conditions.includes('GT') && deadlineMs <= old) ||
    (conditions.includes('LT') && deadlineMs >= old)
  if (isRefused) return integer(0)
  if (deadlineMs <= model.nowMs) model.remove(session.database, words[1]!)
  else item.deadlineMs = deadlineMs
  return integer(1)
}

function toSeconds(ms: number): number {
  return Math.floor((ms + 500) / 1000)
}

/** A reply made of the deadline in ms, where there is one. */
function timeOf(show: (deadlineMs: number, nowMs: number) => number): (call: Call) => Expected {
  return (call) => {
    const item = itemOf(call)
    if (item === null) return integer(-2)
    return integer(item.deadlineMs === 0 ? -1 : show(item.deadlineMs, call.model.nowMs))
  }
}

function persist(call: Call): Expected {
  const item = itemOf(call)
  if (item === null || item.deadlineMs === 0) return integer(0)
  item.deadlineMs = 0
  return integer(1)
}

function rename(call: Call): Expected {
  const { model, session, words } = call
  const [name, source, target] = words as [string, string, string]
  const item = itemOf(call)
  if (item === null) return NO_SUCH_KEY
  if (name === 'RENAMENX' && itemOf(call, 2) !== null) return integer(0)
  if (source !== target) {
    model.remove(session.database, source)
    model.put(session.database, target, item)
  }
  return name === 'RENAMENX' ? integer(1) : OK
}

function move(call: Call): Expected {
  const { model, session, words } = call
  const [, key, idText] = words as [string, string, string]
  const id = Number(idText)
  if (id >= model.databases.length) return OUT_OF_RANGE
  if (id === session.database) return SAME_OBJECT
  const item = itemOf(call)
  if (item === null || model.find(id, key) !== null) return integer(0)
  model.remove(session.database, key)
  model.put(id, key, item)
  return integer(1)
}

function copy(call: Call): Expected {
  const { model, session, words } = call
  const [, source, target] = words as [string, string, string]
  const options = words.slice(3)
  const id = options.includes('DB') ? Number(options[options.indexOf('DB') + 1]) : session.database
  if (id >= model.databases.length) return OUT_OF_RANGE
  if (id === session.database && source === target) return SAME_OBJECT
  const item = itemOf(call)
  if (item === null) return integer(0)
  if (model.find(id, target) !== null && !options.includes('REPLACE')) return integer(0)
  model.put(id, target, item)
  return integer(1)
}

function encoding(call: Call): Expected {
  if (itemOf(call, 2) === null) return nil(call.session)
  return ({ kind, text }) =>
    kind === 'bulk' && ['int', 'embstr', 'raw'].includes(text) ? '' : `${kind} ${text}`
}

function dump(call: Call): Expected {
  const item = itemOf(call)
  if (item === null) return nil(call.session)
  const { value } = item
  return ({ kind, text }) => {
    if (kind !== 'bulk') return `${kind}, expected a payload`
    call.model.notePayload(text, value)
    return ''
  }
}

function restore(call: Call): Expected {
  const { model, session, words } = call
  const [, key, ttl, payload] = words as [string, string, string, string]
  const options = words.slice(4)
  if (model.find(session.database, key) !== null && !options.includes('REPLACE')) return BUSY_KEY
  const value = model.payloads.get(payload)
  if (value === undefined) return error('ERR DUMP payload version or checksum are wrong')
  const isAbsolute = options.includes('ABSTTL')
  const deadlineMs = ttl === '0' ? 0 : deadlineOf(model, isAbsolute ? 'PXAT' : 'PX', ttl)
  model.put(session.database, key, { value, deadlineMs })
  return OK
}

function select({ model, session, words }: Call): Expected {
  const id = Number(words[1])
  if (id >= model.databases.length) return OUT_OF_RANGE
  session.database = id
  return OK
}

function swapdb({ model, words }: Call): Expected {
  const [first, second] = [Number(words[1]), Number(words[2])]
  const limit = model.databases.length
  if (first >= limit || second >= limit) return OUT_OF_RANGE
  model.swap(first, second)
  return OK
}

/** Keys that have expired may be counted or not. */
function dbsize({ model, session }: Call): Expected {
  const least = model.keys(session.database).length
  const most = model.databases[session.database]!.size
  return ({ kind, text }) => {
    const isIn = Number(text) >= least && Number(text) <= most
    return kind === 'integer' && isIn ? '' : `${kind} ${text}, expected ${least} to ${most}`
  }
}

function randomkey({ model, session }: Call): Expected {
  const alive = model.keys(session.database)
  if (alive.length === 0) return nil(session)
  return ({ kind, text }) =>
    kind === 'bulk' && alive.includes(text) ? '' : `${kind} ${brief(text)}, expected a living key`
}

function keys({ model, session }: Call): Expected {
  const alive = model.keys(session.database).sort()
  return ({ kind, items }) => {
    const found = items.map(({ text }) => text).sort()
    const isSame = kind === 'array' && JSON.stringify(found) === JSON.stringify(alive)
    return isSame ? '' : `${kind} of ${found.length} keys, expected ${alive.length}`
  }
}

/** One step of the client's iteration: only living keys; at its end each that was always there. */
function scan(call: Call): Expected {
  const { model, session, words } = call
  const alive = model.databases[session.database]!
  const living = new Set(model.keys(session.database))
  // A cursor of another database means nothing here; it is taken, but promises nothing.
  const isOurs = session.scan?.database === session.database
  const state = words[1] === '0' ? beginScan(call) : isOurs ? session.scan : null
  session.scan = state
  if (state !== null) {
    for (const [key, birth] of state.kept) {
      if (!living.has(key) || alive.get(key)!.birth !== birth) state.kept.delete(key)
    }
  }
  return ({ kind, items }) => {
    const [cursor, found] = items
    if (kind !== 'array' || cursor === undefined || found === undefined) return kind
    for (const { text } of found.items) {
      if (!living.has(text)) return `the key ${brief(text)}, which is not there`
      state?.seen.add(text)
    }
    if (state === null) return ''
    state.cursor = cursor.text
    if (cursor.text !== '0') return ''
    session.scan = null
    return missedBy(state)
  }
}

function beginScan({ model, session }: Call): ScanState {
  const { database } = session
  const births = model.keys(database).map((key) => {
    return [key, model.find(database, key)!.birth] as const
  })
  return { cursor: '0', database, kept: new Map(births), seen: new Set() }
}

function missedBy({ kept, seen }: ScanState): string {
  const missed = [...kept.keys()].find((key) => !seen.has(key))
  return missed === undefined ? '' : `an iteration without ${brief(missed)}, there all the time`
}

function hello({ session, words }: Call): Expected {
  if (words[1] !== undefined) session.version = words[1] === '3' ? 3 : 2
  const kind = session.version === 3 ? 'map' : 'array'
  return (value) => {
    const at = value.items.findIndex(({ text }) => text === 'proto')
    const isRight = value.kind === kind && value.items[at + 1]?.text === String(session.version)
    return isRight ? '' : `${value.kind}, expected a ${kind} with the protocol`
  }
}

function setname({ session, words }: Call): Expected {
  session.name = words[2]!
  return OK
}

function clientCommand(call: Call): Expected {
  const { session, words } = call
  if (words[1] === 'SETNAME') return setname(call)
  if (words[1] === 'GETNAME') return session.name === '' ? nil(session) : bulk(session.name)
  return any('integer')
}

function digest({ kind, text }: Value): string {
  return kind === 'simple' && /^[0-9a-f]{40}$/.test(text) ? '' : `${kind} ${text}`
}

export const KEY_ROWS: Readonly<Record<string, Row>> = {
  DEL: { arity: -2, isWrite: true, run: remove },
  UNLINK: { arity: -2, isWrite: true, run: remove },
  EXISTS: { arity: -2, run: count },
  TOUCH: { arity: -2, run: count },
  TYPE: { arity: 2, run: (call) => scalar('simple', itemOf(call) === null ? 'none' : 'string') },
  EXPIRE: { arity: -3, isWrite: true, run: expire },
  PEXPIRE: { arity: -3, isWrite: true, run: expire },
  EXPIREAT: { arity: -3, isWrite: true, run: expire },
  PEXPIREAT: { arity: -3, isWrite: true, run: expire },
  TTL: { arity: 2, run: timeOf((deadlineMs, nowMs) => toSeconds(deadlineMs - nowMs)) },
  PTTL: { arity: 2, run: timeOf((deadlineMs, nowMs) => deadlineMs - nowMs) },
  EXPIRETIME: { arity: 2, run: timeOf(toSeconds) },
  PEXPIRETIME: { arity: 2, run: timeOf((deadlineMs) => deadlineMs) },
  PERSIST: { arity: 2, isWrite: true, run: persist },
  RENAME: { arity: 3, isWrite: true, run: rename },
  RENAMENX: { arity: 3, isWrite: true, run: rename },
  MOVE: { arity: 3, isWrite: true, run: move },
  COPY: { arity: -3, isWrite: true, run: copy },
  OBJECT: { arity: 3, run: encoding },
  DUMP: { arity: 2, run: dump },
  RESTORE: { arity: -4, isWrite: true, run: restore },
  SELECT: { arity: 2, run: select },
  SWAPDB: { arity: 3, isWrite: true, run: swapdb },
  FLUSHDB: {
    arity: -1,
    isWrite: true,
    run: ({ model, session }) => {
      model.flush(session.database)
      return OK
    },
  },
  DBSIZE: { arity: 1, run: dbsize },
  RANDOMKEY: { arity: 1, run: randomkey },
  KEYS: { arity: 2, run: keys },
  SCAN: { arity: -2, run: scan },
  // Refused like a write when the last save failed, so that health checks notice.
  PING: { arity: -1, isWrite: true, run: ping },
  ECHO: { arity: 2, run: ({ words }) => bulk(words[1]!) },
  HELLO: { arity: -1, run: hello },
  CLIENT: { arity: -2, run: clientCommand },
  TIME: { arity: 1, run: () => any('array') },
  DEBUG: { arity: -2, run: () => digest },
}

function ping({ words }: Call): Expected {
  return words[1] === undefined ? scalar('simple', 'PONG') : bulk(words[1])
}
