// HyperLogLog: PFADD, PFCOUNT, PFMERGE, and the rows of the family. The sketch is a string with the
// bytes of Redis (keyspace/string/hyperloglog.ts). hyperloglog-debug.ts looks inside.
//
// A dense sketch is changed where it lies; a sparse one in a copy, which is stored whole when all
// elements are in it. So a damaged sketch is refused before anything of it has changed.

import { Slice, scratchSlice } from '../base/slice.ts'
import { Encoding } from '../keyspace/record.ts'
import {
  COUNT_AT,
  COUNT_BYTES,
  cachedCount,
  countRegisters,
  countSketch,
  denseRegister,
  HEADER_BYTES,
  isDense,
  isStale,
  markStale,
  mergeRegisters,
  REGISTER_COUNT,
  setDenseRegister,
  writeCount,
} from '../keyspace/string/hyperloglog.ts'
import { Raised } from '../keyspace/string/hyperloglog-edit.ts'
import { hashElement, PLACE } from '../keyspace/string/hyperloglog-hash.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import type { Args } from '../resp/args.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument } from './arguments.ts'
import { type Command, type Context, Flag } from './command.ts'
import { pfdebug, pfselftest } from './hyperloglog-debug.ts'
import { CORRUPT_SKETCH, EDIT, PFADD, readSketch, storeEdit } from './hyperloglog-sketch.ts'
import { noteChange, noteTouch } from './key-event.ts'

/** A cached count on its way into the string. */
const COUNT = new Slice().set(new Uint8Array(COUNT_BYTES), 0, COUNT_BYTES)
/** The one or two bytes that a dense register lies in. */
const PATCH = new Slice().set(new Uint8Array(2), 0, 0)
/** The highest registers of several sketches. */
const REGISTERS = new Uint8Array(REGISTER_COUNT)
const SOURCE_KEY = scratchSlice()

/** PFADD key [element …]: 1 when the count may have changed or the key is new. O(1) each. */
export function pfadd(context: Context, args: Args, reply: Reply): void {
  const { db, value } = context
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record !== NULL && !readSketch(context, record, reply)) return
  let changes = 0
  if (record !== NULL && isDense(value)) changes = addDense(context, args, record)
  else {
    changes = addSparse(context, args, record)
    if (changes < 0) return reply.error(CORRUPT_SKETCH)
    if (changes > 0) storeEdit(context, key, record)
    else makeRaw(context, record)
  }
  if (changes > 0) {
    noteChange(context, key, PFADD)
    context.keyspace.dirty += changes - 1
  }
  reply.integer(changes > 0 ? 1 : 0)
}

/** PFCOUNT key …: the estimate for all elements of all sketches. O(1) with a cached count. */
export function pfcount(context: Context, args: Args, reply: Reply): void {
  const { db, value } = context
  if (args.count > 2) {
    if (mergeSources(context, args, reply) === null) return
    return reply.integer(countRegisters(REGISTERS))
  }
  const key = keyArgument(context, args, 1)
  const record = db.find(key)
  if (record === NULL) return reply.integer(0)
  if (!readSketch(context, record, reply)) return
  const cached = cachedCount(value)
  if (cached !== null) {
    makeRaw(context, record)
    return reply.integer(cached)
  }
  const count = countSketch(value)
  if (count < 0) return reply.error(CORRUPT_SKETCH)
  writeCount(COUNT.bytes, count)
  db.writeString(makeRaw(context, record), COUNT_AT, COUNT)
  noteTouch(context, key)
  reply.integer(count)
}

/** PFMERGE target [source …]: the target also holds what the sources hold. O(sources). */
export function pfmerge(context: Context, args: Args, reply: Reply): void {
  const { db, value, limits } = context
  const isAnyDense = mergeSources(context, args, reply)
  if (isAnyDense === null) return
  const key = keyArgument(context, args, 1)
  const record = db.findForWrite(key)
  if (record === NULL) EDIT.clear()
  else EDIT.load(db.readString(record, value))
  if (isAnyDense && !EDIT.toDense()) return reply.error(CORRUPT_SKETCH)
  for (let i = 0; i < REGISTER_COUNT; i++) {
    const rank = REGISTERS[i]!
    if (rank === 0) continue
    const raised = EDIT.raise(i, rank, limits.encodings.hllSparseBytesMax)
    if (raised === Raised.Corrupt) return reply.error(CORRUPT_SKETCH)
  }
  EDIT.markStale()
  storeEdit(context, key, record)
  noteChange(context, key, PFADD)
  reply.ok()
}

/**
 * A short sketch from a file or a payload is embstr until it is used, as in Redis; `value` is its
 * bytes. Returns the record, which may have moved.
 */
function makeRaw({ db, value }: Context, record: Ptr): Ptr {
  if (db.encodingOf(record) !== Encoding.Embstr) return record
  return db.growString(record, value.length)
}

/** Adds the arguments to a sketch that lies dense in `record`; returns how many changed it. */
function addDense({ db, value }: Context, args: Args, record: Ptr): number {
  let changes = 0
  for (let i = 2; i < args.count; i++) {
    hashElement(args.bytes, args.start(i), args.length(i))
    const { index, rank } = PLACE
    if (denseRegister(value.bytes, value.start, index) >= rank) continue
    const at = HEADER_BYTES + ((index * 6) >>> 3)
    PATCH.length = Math.min(2, value.length - at)
    for (let j = 0; j < PATCH.length; j++) PATCH.bytes[j] = value.bytes[value.start + at + j]!
    // The patch begins `at` bytes into the sketch.
    setDenseRegister(PATCH.bytes, -at, index, rank)
    db.writeString(record, at, PATCH)
    changes++
  }
  if (changes > 0 && !isStale(value.bytes, value.start)) {
    for (let i = 0; i < COUNT_BYTES; i++) COUNT.bytes[i] = value.bytes[value.start + COUNT_AT + i]!
    markStale(COUNT.bytes, -COUNT_AT)
    db.writeString(record, COUNT_AT, COUNT)
  }
  return changes
}

/**
 * Adds the arguments to EDIT, a copy of the sketch in `record` or, without one, a new sketch;
 * returns how many changes that were, with the making, or -1 when the sketch is damaged.
 */
function addSparse({ value, limits }: Context, args: Args, record: Ptr): number {
  const bytesMax = limits.encodings.hllSparseBytesMax
  let changes = 0
  if (record !== NULL) EDIT.load(value)
  else {
    EDIT.clear()
    changes++
  }
  for (let i = 2; i < args.count; i++) {
    hashElement(args.bytes, args.start(i), args.length(i))
    const raised = EDIT.raise(PLACE.index, PLACE.rank, bytesMax)
    if (raised === Raised.Corrupt) return -1
    changes += raised
  }
  if (changes > 0) EDIT.markStale()
  return changes
}

/**
 * Sets REGISTERS to the highest of all sketches named: whether one of them is
 * dense; null after an error reply.
 */
function mergeSources(context: Context, args: Args, reply: Reply): boolean | null {
  const { db, value } = context
  let isAnyDense = false
  REGISTERS.fill(0)
  for (let i = 1; i < args.count; i++) {
    const record = db.find(SOURCE_KEY.set(args.bytes, args.start(i), args.length(i)))
    if (record === NULL) continue
    if (!readSketch(context, record, reply)) return null
    if (isDense(value)) isAnyDense = true
    if (!mergeRegisters(REGISTERS, value)) {
      reply.error(CORRUPT_SKETCH)
      return null
    }
  }
  return isAnyDense
}

const WRITE = { flags: Flag.Write | Flag.DenyOom, keys: [1, 1, 1], group: 'hyperloglog' } as const

export const hyperloglogCommands: readonly Command[] = [
  {
    ...WRITE,
    flags: Flag.Write | Flag.DenyOom | Flag.Fast,
    name: 'pfadd',
    arity: -2,
    since: '2.8.9',
    run: pfadd,
    summary: 'Add elements to a HyperLogLog',
    complexity: 'O(1) for each element.',
    keyFlags: ['RW insert'],
  },
  {
    ...WRITE,
    flags: Flag.ReadOnly | Flag.MayReplicate,
    name: 'pfcount',
    arity: -2,
    keys: [1, -1, 1],
    since: '2.8.9',
    run: pfcount,
    summary: 'Estimate how many different elements HyperLogLogs hold together',
    complexity: 'O(1) for one key whose count is known, O(N) for N keys.',
    keyFlags: ['RW access'],
  },
  {
    ...WRITE,
    flags: Flag.Write | Flag.DenyOom | Flag.Admin,
    name: 'pfdebug',
    arity: 3,
    keys: [2, 2, 1],
    since: '2.8.9',
    run: pfdebug,
    summary: 'Look inside a HyperLogLog',
    docFlags: ['syscmd'],
    complexity: 'N/A',
    keyFlags: ['RW access'],
  },
  {
    ...WRITE,
    name: 'pfmerge',
    arity: -2,
    keys: [1, -1, 1],
    since: '2.8.9',
    run: pfmerge,
    summary: 'Merge HyperLogLogs into one',
    complexity: 'O(N), where N is the number of HyperLogLogs.',
    keyFlags: ['RW access insert', 'RO access'],
  },
  {
    flags: Flag.Admin,
    keys: [0, 0, 0],
    group: 'hyperloglog',
    name: 'pfselftest',
    arity: 1,
    since: '2.8.9',
    run: pfselftest,
    summary: 'Test the HyperLogLog implementation',
    docFlags: ['syscmd'],
    complexity: 'N/A',
  },
]
