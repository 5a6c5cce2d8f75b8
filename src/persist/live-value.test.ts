// Goal: a value that is written in steps has the bytes of one written in one go, whatever runs
// between two steps, or around them: a step may come in the middle of a command. Method: for each
// type a large value with elements in leaves and in spans; after every step others of its type are
// written, in one go and in steps, restored and changed, through the same encoder.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeWriter } from '../../test/lib/rdb.ts'
import { latin1 } from '../base/bytes.ts'
import { Random } from '../base/random.ts'
import { Slice } from '../base/slice.ts'
import { drain, type Steps } from '../base/steps.ts'
import { Harness, OK } from '../command/harness.ts'
import { NULL } from '../memory/layout.ts'
import { dumpCommands } from './dump.ts'
import { LiveValue } from './live-value.ts'
import type { ByteSink } from './rdb/rdb-writer.ts'
import { VALUE_ENCODERS, writeValue } from './rdb/value-encoders.ts'

const SEED = Number(process.env['SEED'] ?? 5)
/** Bytes of elements that lie in spans of their own: of one block, and of several. */
const SPAN_LENGTHS = [9_000, 40_000]
const CHUNK_BYTES = 8192

console.log(`SEED=${SEED}`)

/** A value that is being written; `bytes` once `steps` have ended. */
interface Writing {
  readonly steps: Steps
  bytes(): Buffer
}

interface Case {
  readonly name: string
  /** Adds elements `from` to `limit` (not included) to the value. */
  add(harness: Harness, key: string, from: number, limit: number): void
  /** Adds an element that lies in a span. */
  addLong(harness: Harness, key: string, text: string): void
  /** Changes the value a little, by the `turn`. */
  change(harness: Harness, key: string, turn: number): void
}

/** Texts of several lengths, and integers. */
function textOf(i: number): string {
  return i % 3 === 0 ? String(i * 1_000_003) : `${i}:${'abcdefgh'.repeat(i % 9)}`
}

function addEach(
  harness: Harness,
  words: readonly (string | number)[],
  elements: readonly (string | number)[],
): void {
  for (let i = 0; i < elements.length; i += 100) {
    harness.run(...words, ...elements.slice(i, i + 100))
  }
}

function numbers(from: number, limit: number): number[] {
  return Array.from({ length: limit - from }, (_, i) => from + i)
}

const hashCase: Case = {
  name: 'hash',
  add: (harness, key, from, limit) =>
    addEach(
      harness,
      ['HSET', key],
      numbers(from, limit).flatMap((i) => [textOf(i), textOf(i + 1)]),
    ),
  addLong(harness, key, text) {
    harness.run('HSET', key, `short:${text.length}`, text)
    harness.run('HSET', key, text, `value of ${text.length}`)
    harness.run('HSET', key, `${text}.`, text)
  },
  change(harness, key, turn) {
    harness.run('HSET', key, textOf(turn % 100), `new ${turn}`)
    harness.run('HDEL', key, textOf((turn + 50) % 100))
  },
}

const CASES: readonly Case[] = [
  hashCase,
  {
    ...hashCase,
    name: 'hash with deadlines',
    add(harness, key, from, limit) {
      hashCase.add(harness, key, from, limit)
      for (let i = from; i < limit; i += 7) {
        harness.run('HPEXPIRE', key, 1_000_000 + i, 'FIELDS', 1, textOf(i))
      }
    },
  },
  {
    name: 'set',
    add: (harness, key, from, limit) =>
      addEach(harness, ['SADD', key], numbers(from, limit).map(textOf)),
    addLong: (harness, key, text) => harness.run('SADD', key, text, `${text}.`),
    change(harness, key, turn) {
      harness.run('SADD', key, `new ${turn}`)
      harness.run('SREM', key, `new ${turn - 5}`)
    },
  },
  {
    name: 'sorted set',
    add: (harness, key, from, limit) =>
      addEach(
        harness,
        ['ZADD', key],
        numbers(from, limit).flatMap((i) => [(i * 7919) % 1000, textOf(i)]),
      ),
    addLong: (harness, key, text) => harness.run('ZADD', key, '500.25', text, -1, `${text}.`),
    change(harness, key, turn) {
      harness.run('ZADD', key, turn / 8, `new ${turn}`)
      harness.run('ZREM', key, `new ${turn - 5}`)
    },
  },
  {
    name: 'list',
    add: (harness, key, from, limit) =>
      addEach(harness, ['RPUSH', key], numbers(from, limit).map(textOf)),
    addLong: (harness, key, text) => harness.run('LPUSH', key, text, 'short', `${text}.`),
    change(harness, key, turn) {
      harness.run('LPUSH', key, `new ${turn}`)
      harness.run('RPOP', key)
    },
  },
  {
    name: 'list without long elements',
    add: (harness, key, from, limit) =>
      addEach(harness, ['RPUSH', key], numbers(from, limit).map(textOf)),
    addLong: (harness, key, text) => harness.run('RPUSH', key, text.slice(0, 200)),
    change: (harness, key, turn) => harness.run('LSET', key, turn % 50, `new ${turn}`),
  },
  {
    name: 'stream',
    add: addEntries,
    addLong(harness, key, text) {
      harness.run('XADD', key, '*', 'long', text)
      harness.run('XGROUP', 'CREATE', key, `${text.length}:${text}`, '$', 'MKSTREAM')
      harness.run('XGROUP', 'CREATECONSUMER', key, `${text.length}:${text}`, text)
    },
    change(harness, key, turn) {
      harness.run('XADD', key, '*', 'n', turn)
      harness.run('XTRIM', key, 'MAXLEN', 150)
      harness.run('XREADGROUP', 'GROUP', 'g0', `c${turn % 9}`, 'STREAMS', key, '>')
    },
  },
]

/** Adds entries with changing names, and two groups whose consumers have read them. */
function addEntries(harness: Harness, key: string, from: number, limit: number): void {
  harness.run('XGROUP', 'CREATE', key, 'g0', '$', 'MKSTREAM')
  harness.run('XGROUP', 'CREATE', key, 'g1', '$', 'MKSTREAM')
  for (let i = from; i < limit; i++) {
    harness.advance(1)
    const names = i % 50 < 40 ? ['a', 'b'] : [`a${i % 5}`, `b${i % 3}`]
    const id = harness.run('XADD', key, '*', names[0]!, textOf(i), names[1]!, i)
    assert.ok(typeof id === 'string')
    if (i % 10 === 0) {
      const reader = `c${i % 7}`
      harness.run('XREADGROUP', 'GROUP', 'g0', reader, 'STREAMS', key, '>')
      harness.run('XREADGROUP', 'GROUP', 'g1', reader, 'STREAMS', key, '>')
    }
    if (i % 31 === 0) harness.run('XDEL', key, id)
  }
}

function harnessWith(each: Case): Harness {
  const harness = new Harness({ seed: SEED, commands: dumpCommands })
  for (const key of ['value', 'twin', 'other']) {
    each.add(harness, key, 0, key === 'value' ? 3000 : 300)
    for (const length of SPAN_LENGTHS) each.addLong(harness, key, noise(length + key.length))
  }
  each.add(harness, 'small', 0, 5)
  each.add(harness, 'packed value', 0, 30)
  return harness
}

/** Bytes that LZF shortens now and then. */
function noise(length: number): string {
  const random = new Random(SEED + length)
  let text = ''
  while (text.length < length) {
    text += random.below(3) === 0 ? 'again and again ' : String(random.below(2 ** 31))
  }
  return text.slice(0, length)
}

/** Begins to write the value of a key, which has a root. */
function begin(harness: Harness, key: string): Writing {
  const { db } = harness.context
  const record = db.peek(Slice.ofText(key))
  assert.notEqual(record, NULL)
  const view = new LiveValue().open(db, record)
  const encoder = VALUE_ENCODERS.get(view.type)
  assert.ok(encoder !== undefined && view.root !== null)
  const { writer, bytes } = makeWriter({ chunkBytes: CHUNK_BYTES })
  writer.type(encoder.rdbType(view))
  return {
    steps: encoder.writeLeaves(writer, view, view.root),
    bytes() {
      writer.flush()
      return bytes()
    },
  }
}

function bytesOf(harness: Harness, key: string): Buffer {
  const writing = begin(harness, key)
  drain(writing.steps)
  return writing.bytes()
}

/** Writes a value over and over, a step per call, and compares what has come of it. */
class Stepper {
  rounds = 0
  readonly #harness: Harness
  readonly #key: string
  readonly #expected: Buffer
  #writing: Writing

  constructor(harness: Harness, key: string) {
    this.#harness = harness
    this.#key = key
    this.#expected = bytesOf(harness, key)
    this.#writing = begin(harness, key)
  }

  /** True when a round has ended. */
  step(): boolean {
    if (this.#writing.steps.next().done !== true) return false
    assert.ok(this.#writing.bytes().equals(this.#expected), `${this.#key}, round ${this.rounds}`)
    this.#writing = begin(this.#harness, this.#key)
    this.rounds++
    return true
  }
}

/** Writes a small value in one go, again and again, and compares what has come of it. */
function repeatedly(harness: Harness, key: string): () => void {
  const { db } = harness.context
  const view = new LiveValue().open(db, db.peek(Slice.ofText(key)))
  const encoder = VALUE_ENCODERS.get(view.type)
  assert.ok(encoder !== undefined)
  const { writer } = makeWriter({ chunkBytes: CHUNK_BYTES })
  let written = Buffer.alloc(0)
  const sink: ByteSink = (bytes, start, length) => {
    written = Buffer.concat([written, bytes.subarray(start, start + length)])
  }
  const write = () => {
    written = Buffer.alloc(0)
    writer.beginPayload({ sink, compress: true, checksum: true })
    writeValue(encoder, writer, view)
    writer.endPayload()
  }
  write()
  const expected = written
  return () => {
    write()
    assert.ok(written.equals(expected), key)
  }
}

function dumpOf(harness: Harness, key: string): string {
  const payload = harness.run('DUMP', key)
  assert.ok(typeof payload === 'string')
  return payload
}

for (const each of CASES) {
  test(`${each.name}: between two steps others are written, restored and changed`, () => {
    const harness = harnessWith(each)
    const value = new Stepper(harness, 'value')
    const twin = new Stepper(harness, 'twin')
    const other = latin1(dumpOf(harness, 'other'))
    const small = latin1(dumpOf(harness, 'small'))
    harness.run('RESTORE', 'restored', 0, other)
    const restored = dumpOf(harness, 'restored')
    let turn = 0
    for (; !value.step(); turn++) {
      twin.step()
      if (turn % 5 === 0) {
        assert.deepEqual(harness.run('RESTORE', 'restored', 0, other, 'REPLACE'), OK)
        assert.ok(dumpOf(harness, 'restored') === restored)
      }
      assert.deepEqual(harness.run('RESTORE', 'packed', 0, small, 'REPLACE'), OK)
      dumpOf(harness, 'packed')
      each.change(harness, 'restored', turn)
      each.change(harness, 'packed', turn)
    }
    assert.ok(turn > 15, `${turn} steps`)
    assert.ok(twin.rounds > 0)
    harness.keyspace.check()
  })

  test(`${each.name}: a step in the middle of commands`, () => {
    const plain = harnessWith(each)
    const stepped = harnessWith(each)
    const value = new Stepper(stepped, 'value')
    const writePacked = repeatedly(stepped, 'packed value')
    const { arena } = stepped.keyspace
    const touch = arena.touch.bind(arena)
    let isStepping = false
    arena.touch = (ptr) => {
      touch(ptr)
      assert.ok(!isStepping, 'who writes a value touches nothing')
      isStepping = true
      value.step()
      writePacked()
      isStepping = false
    }
    const other = latin1(dumpOf(plain, 'other'))
    const small = latin1(dumpOf(plain, 'small'))
    for (const harness of [plain, stepped]) {
      harness.run('RESTORE', 'restored', 0, other)
      harness.run('RESTORE', 'packed', 0, small)
      for (let turn = 0; turn < 100; turn++) {
        each.change(harness, 'restored', turn)
        each.change(harness, 'packed', turn)
        each.change(harness, 'small', turn)
      }
      each.addLong(harness, 'small', noise(SPAN_LENGTHS[0]!))
    }
    for (const key of ['restored', 'packed', 'small', 'other', 'value']) {
      assert.ok(dumpOf(stepped, key) === dumpOf(plain, key), key)
    }
    assert.ok(value.rounds > 0, 'steps were made')
    stepped.keyspace.check()
  })
}

test('a list with an element of 3 MB is left within the element', () => {
  for (const text of ['to be compressed '.repeat(190_000), noise(3_000_000)]) {
    const harness = new Harness({ commands: dumpCommands })
    harness.run('RPUSH', 'value', 'before', text, 'behind')
    harness.run('RPUSH', 'other', text, 'x')
    const expected = bytesOf(harness, 'value')
    const other = dumpOf(harness, 'other')
    const writing = begin(harness, 'value')
    let turn = 0
    for (; writing.steps.next().done !== true; turn++) {
      if (turn % 400 === 0) assert.ok(dumpOf(harness, 'other') === other)
      harness.run('LPUSH', 'other list', turn)
      dumpOf(harness, 'other list')
    }
    assert.ok(turn > (2 * text.length) / CHUNK_BYTES, `${turn} steps`)
    assert.ok(writing.bytes().equals(expected))
  }
})

test('a node of a stream that is longer than a block is left within', () => {
  const harness = new Harness({ commands: dumpCommands })
  harness.context.limits.encodings.streamNodeBytesMax = 0
  harness.context.limits.encodings.streamNodeEntriesMax = 0
  for (const key of ['value', 'other']) {
    for (let i = 1; i < 3000; i++) harness.run('XADD', key, `${i}-0`, 'field', `${key} ${i} `)
    harness.run('XADD', key, '9999-0', 'long', noise(SPAN_LENGTHS[1]!))
  }
  const value = new Stepper(harness, 'value')
  const other = dumpOf(harness, 'other')
  let turn = 0
  for (; !value.step(); turn++) if (turn % 10 === 0) assert.ok(dumpOf(harness, 'other') === other)
  assert.ok(turn > 60_000 / CHUNK_BYTES, `${turn} steps`)
  assert.deepEqual(harness.run('RESTORE', 'copy', 0, latin1(dumpOf(harness, 'value'))), OK)
  assert.deepEqual(
    harness.run('XRANGE', 'copy', '-', '+'),
    harness.run('XRANGE', 'value', '-', '+'),
  )
})

test('a stream that is left for good gives back what it used', () => {
  const harness = new Harness({ commands: dumpCommands })
  addEntries(harness, 'value', 0, 2000)
  const expected = bytesOf(harness, 'value')
  for (let left = 1; left < 20; left++) {
    const { steps } = begin(harness, 'value')
    for (let i = 0; i < left; i++) steps.next()
    steps.return()
    assert.ok(bytesOf(harness, 'value').equals(expected))
  }
})
