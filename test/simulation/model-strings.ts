// String commands on the model. Each function takes a call that has the right count of arguments
// and returns the reply that is due.

import type { Value } from '../lib/resp.ts'
import {
  any,
  array,
  brief,
  bulk,
  type Expected,
  error,
  type Item,
  integer,
  type Model,
  nil,
  OK,
  type Session,
} from './model.ts'

/** A command of one client. */
export interface Call {
  readonly model: Model
  readonly session: Session
  readonly words: readonly string[]
}

export type Row = {
  /** As in `Command`: count of words; negative: at least. */
  readonly arity: number
  readonly isWrite?: boolean
  readonly run: (call: Call) => Expected
}

const NOT_INTEGER = error('ERR value is not an integer or out of range')
const NOT_FLOAT = error('ERR value is not a valid float')
const I64_MAX = 2n ** 63n - 1n
const I64_MIN = -(2n ** 63n)

/** The living item of argument `i`. */
export function itemOf({ model, session, words }: Call, i = 1): Item | null {
  return model.find(session.database, words[i]!)
}

function valueOr(call: Call, item: Item | null): Value {
  return item === null ? nil(call.session) : bulk(item.value)
}

function store({ model, session }: Call, key: string, value: string, deadlineMs = 0): void {
  model.put(session.database, key, { value, deadlineMs })
}

/** The deadline that a word like EX and a number ask for. */
export function deadlineOf(model: Model, unit: string, text: string): number {
  const amount = Number(text)
  if (unit === 'EX') return model.nowMs + amount * 1000
  if (unit === 'PX') return model.nowMs + amount
  return unit === 'EXAT' ? amount * 1000 : amount
}

const TIMES = ['EX', 'PX', 'EXAT', 'PXAT']

function set(call: Call): Expected {
  const { model, words } = call
  const old = itemOf(call)
  const options = words.slice(3)
  const unit = options.find((option) => TIMES.includes(option))
  const time = unit === undefined ? '' : options[options.indexOf(unit) + 1]!
  const isAllowed = !(options.includes('NX') && old) && !(options.includes('XX') && !old)
  const answer = valueOr(call, old)
  if (isAllowed) {
    const kept = options.includes('KEEPTTL') ? (old?.deadlineMs ?? 0) : 0
    store(call, words[1]!, words[2]!, unit === undefined ? kept : deadlineOf(model, unit, time))
  }
  if (options.includes('GET')) return answer
  return isAllowed ? OK : nil(call.session)
}

function getex(call: Call): Expected {
  const item = itemOf(call)
  const [unit, time] = call.words.slice(2)
  if (item !== null && unit === 'PERSIST') item.deadlineMs = 0
  else if (item !== null && unit !== undefined) {
    item.deadlineMs = deadlineOf(call.model, unit, time!)
  }
  return valueOr(call, item)
}

function getdel(call: Call): Expected {
  const answer = valueOr(call, itemOf(call))
  call.model.remove(call.session.database, call.words[1]!)
  return answer
}

function getset(call: Call): Expected {
  const answer = valueOr(call, itemOf(call))
  store(call, call.words[1]!, call.words[2]!)
  return answer
}

function setnx(call: Call): Expected {
  if (itemOf(call) !== null) return integer(0)
  store(call, call.words[1]!, call.words[2]!)
  return integer(1)
}

function setWithTime(unit: string): (call: Call) => Expected {
  return (call) => {
    const [, key, time, value] = call.words
    store(call, key!, value!, deadlineOf(call.model, unit, time!))
    return OK
  }
}

function mset(call: Call): Expected {
  for (let i = 1; i < call.words.length; i += 2) store(call, call.words[i]!, call.words[i + 1]!)
  return OK
}

function msetnx(call: Call): Expected {
  for (let i = 1; i < call.words.length; i += 2) if (itemOf(call, i) !== null) return integer(0)
  mset(call)
  return integer(1)
}

function mget(call: Call): Expected {
  return array(call.words.slice(1).map((_, i) => valueOr(call, itemOf(call, i + 1))))
}

function append(call: Call): Expected {
  const item = itemOf(call)
  const value = (item?.value ?? '') + call.words[2]!
  store(call, call.words[1]!, value, item?.deadlineMs)
  return integer(value.length)
}

function setrange(call: Call): Expected {
  const item = itemOf(call)
  const [, key, offsetText, part] = call.words
  const offset = Number(offsetText)
  const old = item?.value ?? ''
  if (part === '') return integer(old.length)
  const value = old.padEnd(offset, '\0').slice(0, offset) + part + old.slice(offset + part!.length)
  store(call, key!, value, item?.deadlineMs)
  return integer(value.length)
}

function getrange(call: Call): Expected {
  const text = itemOf(call)?.value ?? ''
  let [first, last] = [Number(call.words[2]), Number(call.words[3])]
  if (first < 0 && last < 0 && first > last) return bulk('')
  if (first < 0) first = Math.max(0, first + text.length)
  if (last < 0) last = Math.max(0, last + text.length)
  return bulk(text.slice(first, Math.min(last, text.length - 1) + 1))
}

function incrementer(sign: 1n | -1n): (call: Call) => Expected {
  return (call) => {
    const item = itemOf(call)
    const text = item?.value ?? '0'
    const current = /^(0|-?[1-9]\d{0,18})$/.test(text) ? BigInt(text) : null
    if (current === null || current > I64_MAX || current < I64_MIN) return NOT_INTEGER
    const result = current + sign * BigInt(call.words[2] ?? '1')
    if (result > I64_MAX || result < I64_MIN) {
      return error('ERR increment or decrement would overflow')
    }
    store(call, call.words[1]!, String(result), item?.deadlineMs)
    return integer(result)
  }
}

/** Exact for quarters of small numbers; other numbers are taken as the server computes them. */
function incrbyfloat(call: Call): Expected {
  const item = itemOf(call)
  const [, key, amount] = call.words
  const text = item?.value ?? '0'
  if (/^-?\d{1,12}(\.(25|5|75))?$/.test(text)) {
    const result = String(Number(text) + Number(amount) + 0)
    store(call, key!, result, item?.deadlineMs)
    return bulk(result)
  }
  if (/^[^\d\s+\-.inx]/i.test(text) || text === '') return NOT_FLOAT
  return (reply) => {
    if (reply.kind === 'bulk') store(call, key!, reply.text, item?.deadlineMs)
    return reply.kind === 'bulk' ? '' : (any('error') as (value: Value) => string)(reply)
  }
}

/** Length of the longest common subsequence, by the textbook. */
function commonLength(a: string, b: string): number {
  let row = new Array<number>(b.length + 1).fill(0)
  for (const letter of a) {
    const next = [0]
    for (let j = 1; j <= b.length; j++) {
      next.push(letter === b[j - 1] ? row[j - 1]! + 1 : Math.max(row[j]!, next[j - 1]!))
    }
    row = next
  }
  return row[b.length]!
}

function lcs(call: Call): Expected {
  const a = itemOf(call, 1)?.value ?? ''
  const b = itemOf(call, 2)?.value ?? ''
  const length = commonLength(a, b)
  if (call.words[3] === 'LEN') return integer(length)
  return ({ kind, text }) => {
    const isIn = (whole: string) => commonLength(text, whole) === text.length
    if (kind === 'bulk' && text.length === length && isIn(a) && isIn(b)) return ''
    return `${kind} ${brief(text)}, expected a common subsequence of ${length} bytes`
  }
}

export const STRING_ROWS: Readonly<Record<string, Row>> = {
  SET: { arity: -3, isWrite: true, run: set },
  GET: { arity: 2, run: (call) => valueOr(call, itemOf(call)) },
  GETEX: { arity: -2, isWrite: true, run: getex },
  GETDEL: { arity: 2, isWrite: true, run: getdel },
  GETSET: { arity: 3, isWrite: true, run: getset },
  SETNX: { arity: 3, isWrite: true, run: setnx },
  SETEX: { arity: 4, isWrite: true, run: setWithTime('EX') },
  PSETEX: { arity: 4, isWrite: true, run: setWithTime('PX') },
  MSET: { arity: -3, isWrite: true, run: mset },
  MSETNX: { arity: -3, isWrite: true, run: msetnx },
  MGET: { arity: -2, run: mget },
  APPEND: { arity: 3, isWrite: true, run: append },
  STRLEN: { arity: 2, run: (call) => integer(itemOf(call)?.value.length ?? 0) },
  SETRANGE: { arity: 4, isWrite: true, run: setrange },
  GETRANGE: { arity: 4, run: getrange },
  SUBSTR: { arity: 4, run: getrange },
  INCR: { arity: 2, isWrite: true, run: incrementer(1n) },
  DECR: { arity: 2, isWrite: true, run: incrementer(-1n) },
  INCRBY: { arity: 3, isWrite: true, run: incrementer(1n) },
  DECRBY: { arity: 3, isWrite: true, run: incrementer(-1n) },
  INCRBYFLOAT: { arity: 3, isWrite: true, run: incrbyfloat },
  LCS: { arity: -3, run: lcs },
}
