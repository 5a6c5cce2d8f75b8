// PFDEBUG and PFSELFTEST: a HyperLogLog from inside, for tests and for whoever doubts a count.
//
// PFDEBUG GETREG makes a sparse sketch dense, as TODENSE does, because in Redis it does so: that is
// a change of the key, so both are writes. PFSELFTEST looks at no key.

import { Slice } from '../base/slice.ts'
import {
  countSketch,
  denseRegister,
  HEADER_BYTES,
  isDense,
  REGISTER_COUNT,
} from '../keyspace/string/hyperloglog.ts'
import { Raised, SketchEdit } from '../keyspace/string/hyperloglog-edit.ts'
import { hashElement, PLACE } from '../keyspace/string/hyperloglog-hash.ts'
import { eachRun, RUN } from '../keyspace/string/hyperloglog-sparse.ts'
import { NULL } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { replyError } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import type { Context } from './command.ts'
import { CORRUPT_SKETCH, EDIT, readSketch, storeEdit } from './hyperloglog-sketch.ts'
import { noteTouch } from './key-event.ts'

const GETREG = word('getreg')
const DECODE = word('decode')
const ENCODING = word('encoding')
const TODENSE = word('todense')

const NO_KEY = replyError('ERR The specified key does not exist')
const NOT_SPARSE = replyError('ERR HLL encoding is not sparse')
const SUBCOMMAND_LENGTH_MAX = 128

/** Elements of the self-test, and its smallest sketch that is looked at. */
const TEST_ELEMENTS = 300_000
const TEST_FROM = 1000
/** Where the sparse sketch of the self-test becomes dense. */
const TEST_SPARSE_BYTES = 3000
/** The standard error of 16384 registers, and how many of it a test may be off, as in Redis. */
const STANDARD_ERROR = 1.04 / Math.sqrt(REGISTER_COUNT)
const ERRORS_MAX = 6

/** PFDEBUG GETREG|DECODE|ENCODING|TODENSE key. O(registers). */
export function pfdebug(context: Context, args: Args, reply: Reply): void {
  const { db, value } = context
  const key = context.key.set(args.bytes, args.start(2), args.length(2))
  const record = db.findForWrite(key)
  if (record === NULL) return reply.error(NO_KEY)
  if (!readSketch(context, record, reply)) return
  if (args.is(1, ENCODING)) return reply.simple(isDense(value) ? 'dense' : 'sparse')
  if (args.is(1, DECODE)) return decode(value, reply)
  const isToDense = args.is(1, TODENSE)
  if (!isToDense && !args.is(1, GETREG)) {
    const name = args.head(1, SUBCOMMAND_LENGTH_MAX)
    return reply.errorText(`ERR Unknown PFDEBUG subcommand '${name}'`)
  }
  const wasDense = isDense(value)
  if (!wasDense) {
    EDIT.load(value)
    if (!EDIT.toDense()) return reply.error(CORRUPT_SKETCH)
    storeEdit(context, key, record)
    noteTouch(context, key)
  }
  if (isToDense) return reply.integer(wasDense ? 0 : 1)
  const sketch = wasDense ? value : EDIT.sketch
  reply.array(REGISTER_COUNT)
  for (let i = 0; i < REGISTER_COUNT; i++) {
    reply.integer(denseRegister(sketch.bytes, sketch.start, i))
  }
}

/** The runs of a sparse sketch as text: `z` for ZERO, `Z` for XZERO, `v` for VAL. */
function decode(sketch: Slice, reply: Reply): void {
  if (isDense(sketch)) return reply.error(NOT_SPARSE)
  const runs: string[] = []
  let at = HEADER_BYTES
  while (at < sketch.length) {
    const next = eachRun(sketch, at)
    if (next < 0) break
    if (RUN.rank > 0) runs.push(`v:${RUN.rank},${RUN.length}`)
    else runs.push(`${next - at === 1 ? 'z' : 'Z'}:${RUN.length}`)
    at = next
  }
  reply.bulkText(runs.join(' '))
}

/** PFSELFTEST: OK, or what is wrong. Takes a tenth of a second. */
export function pfselftest(_context: Context, _args: Args, reply: Reply): void {
  const failure = testRegisters() ?? testEstimates()
  if (failure === null) reply.ok()
  else reply.errorText(`TESTFAILED ${failure}`)
}

/** Registers of a dense sketch keep what they are given, beside their neighbours. */
function testRegisters(): string | null {
  const edit = new SketchEdit()
  edit.clear()
  if (!edit.toDense()) return 'an empty sketch does not become dense'
  const expected = new Uint8Array(REGISTER_COUNT)
  // Strides that meet every register in another order, with ranks that only rise.
  for (let rank = 1; rank < 52; rank += 10) {
    for (let i = 0; i < REGISTER_COUNT; i++) {
      const index = (i * 4099) % REGISTER_COUNT
      const own = Math.min(63, rank + (index % 7))
      const raised = edit.raise(index, own, 0)
      if (raised !== (own > expected[index]! ? Raised.Yes : Raised.No)) return 'raising a register'
      expected[index] = Math.max(own, expected[index]!)
    }
    const { bytes, start } = edit.sketch
    for (let i = 0; i < REGISTER_COUNT; i++) {
      const found = denseRegister(bytes, start, i)
      if (found !== expected[i]) return `register ${i} should be ${expected[i]}, is ${found}`
    }
  }
  return null
}

/** Sparse and dense sketches of the same elements count the same, and are not too far off. */
function testEstimates(): string | null {
  const sparse = new SketchEdit()
  const dense = new SketchEdit()
  sparse.clear()
  dense.clear()
  dense.toDense()
  const element = new Slice().set(new Uint8Array(8), 0, 8)
  let checkpoint = 1
  for (let i = 1; i <= TEST_ELEMENTS; i++) {
    // 32 bits of counting, and 32 that no other run of numbers has.
    for (let j = 0; j < 4; j++) {
      element.bytes[j] = i >>> (j * 8)
      element.bytes[j + 4] = 0x5a
    }
    hashElement(element.bytes, 0, 8)
    const { index, rank } = PLACE
    if (dense.raise(index, rank, 0) !== sparse.raise(index, rank, TEST_SPARSE_BYTES)) {
      return 'sparse and dense disagree on a register'
    }
    if (i !== checkpoint) continue
    const failure = testEstimate(i, sparse, dense)
    if (failure !== null) return failure
    checkpoint *= 10
  }
  return testEstimate(TEST_ELEMENTS, sparse, dense)
}

function testEstimate(count: number, sparse: SketchEdit, dense: SketchEdit): string | null {
  const found = Number(countSketch(dense.sketch))
  if (Number(countSketch(sparse.sketch)) !== found) return 'sparse and dense count differently'
  const allowed = count < TEST_FROM ? 10 : Math.ceil(ERRORS_MAX * STANDARD_ERROR * count)
  if (Math.abs(found - count) <= allowed) return null
  return `too big an error: ${found} counted for ${count} elements`
}
