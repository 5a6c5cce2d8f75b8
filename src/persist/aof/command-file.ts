// Turns an RDB stream into the commands that make the same data: the base of an append only file
// under `aof-use-rdb-preamble no`.
//
//   SELECT · SET · RPUSH, SADD, HSET, ZADD of up to 64 elements each · HPEXPIREAT for fields ·
//   XADD, XSETID, XGROUP, XCLAIM for streams · PEXPIREAT behind the value
//
// What is kept in memory is one command and what is pending in one group of a stream, so that a
// large collection costs no more than a small one. Keys whose deadline has passed are written as
// well: what the log did with them comes behind the base.
// Source: what redis-server 7.0 writes.

import { assert, fail } from '../../base/assert.ts'
import { formatDouble } from '../../base/bytes.ts'
import type { I64 } from '../../base/i64.ts'
import { type ByteRange, Slice } from '../../base/slice.ts'
import { PackedEntry } from '../../keyspace/packed/packed.ts'
import { Type } from '../../keyspace/record.ts'
import { EntryCursor } from '../../keyspace/stream/entry-leaf.ts'
import { StreamId } from '../../keyspace/stream/stream-id.ts'
import type { CollectionTarget, RdbEntry, RdbTarget } from '../rdb/rdb-target.ts'
import type { StreamFacts, StreamTarget } from '../rdb/stream-target.ts'

/** Takes bytes of the file. */
export type CommandOutput = (bytes: Uint8Array, start: number, length: number) => void

/** Elements of one command, as Redis has it. */
const ELEMENTS_MAX = 64
const OUTPUT_BYTES = 256 * 1024
/** `*`, `$`, digits and line end. */
const HEAD_BYTES_MAX = 16

const COMMANDS: ReadonlyMap<Type, string> = new Map([
  [Type.List, 'RPUSH'],
  [Type.Set, 'SADD'],
  [Type.Hash, 'HMSET'],
  [Type.Zset, 'ZADD'],
])

export class CommandFile implements RdbTarget, CollectionTarget, StreamTarget {
  readonly #words: CommandWords
  /** The key that is being written, and when it ends. */
  #key: Uint8Array = new Uint8Array(0)
  #deadlineMs = -1
  #name = ''
  #elements = 0
  /** Fields that have deadlines; they are said when the fields are there. */
  #fieldDeadlines: { readonly field: Uint8Array; readonly deadlineMs: number }[] = []
  #entries = 0
  #group: Uint8Array = new Uint8Array(0)
  #consumer: Uint8Array = new Uint8Array(0)
  /** What is pending in the group: how often and when it was delivered, by ID. */
  readonly #pending = new Map<string, { readonly timeMs: I64; readonly deliveries: number }>()
  readonly #cursor = new EntryCursor()
  readonly #field = new PackedEntry()
  readonly #value = new PackedEntry()
  readonly #slice = new Slice()

  constructor(output: CommandOutput) {
    this.#words = new CommandWords(output)
  }

  /** Hands over what is left. */
  end(): void {
    this.#words.flush()
  }

  onAux(): void {
    // Facts about the server, not data.
  }

  onDatabase(id: number): void {
    this.#words.begin('SELECT').text(String(id)).end()
  }

  onResize(): void {
    // A hint.
  }

  onFunction(code: string): void {
    this.#words.begin('FUNCTION').text('LOAD').text(code).end()
  }

  onString(entry: RdbEntry): void {
    this.#begin(entry)
    this.#words.begin('SET').bytes(this.#key).range(entry.value).end()
    this.#finish()
  }

  onCollection(entry: RdbEntry, type: Type): CollectionTarget {
    this.#begin(entry)
    this.#name = COMMANDS.get(type) ?? fail('each type of collection has a command')
    return this
  }

  onElement(element: ByteRange): void {
    this.#beginElement().range(element)
  }

  onField(field: ByteRange, value: ByteRange, deadlineMs: number): void {
    this.#beginElement().range(field).range(value)
    if (deadlineMs === 0) return
    this.#fieldDeadlines.push({ field: bytesOf(field), deadlineMs })
  }

  onMember(member: ByteRange, score: number): void {
    this.#beginElement().text(formatDouble(score)).range(member)
  }

  onCollectionEnd(): void {
    this.#endElements()
    this.#finish()
  }

  onStream(entry: RdbEntry): StreamTarget {
    this.#begin(entry)
    this.#entries = 0
    return this
  }

  onNode(master: StreamId, listpack: ByteRange): void {
    const cursor = this.#cursor.openListpack(master, listpack.bytes, listpack.start)
    for (let found = cursor.first(); found; found = cursor.next()) {
      if (cursor.isDeleted) continue
      this.#entries++
      const words = this.#words.begin('XADD').bytes(this.#key).text(cursor.id.toString())
      cursor.openFields()
      for (let i = 0; i < cursor.fields; i++) {
        cursor.readField(this.#field, this.#value)
        words.range(this.#field.textInto(this.#slice))
        words.range(this.#value.textInto(this.#slice))
      }
      words.end()
    }
  }

  onFacts({ lastId, deletedId, added }: StreamFacts): void {
    const words = this.#words
    if (this.#entries === 0) {
      // An entry that is trimmed at once makes an empty stream.
      const isFirst = lastId.compare(NO_ID) === 0
      const id = isFirst ? '0-1' : lastId.toString()
      words.begin('XADD').bytes(this.#key).text('MAXLEN').text('0').text(id).text('x').text('y')
      words.end()
    }
    words.begin('XSETID').bytes(this.#key).text(lastId.toString())
    words.text('ENTRIESADDED').text(String(added))
    words.text('MAXDELETEDID').text(deletedId.toString()).end()
  }

  onGroup(name: ByteRange, lastId: StreamId, entriesRead: I64 | null): boolean {
    this.#group = bytesOf(name)
    const words = this.#words.begin('XGROUP').text('CREATE').bytes(this.#key).bytes(this.#group)
    words.text(lastId.toString())
    if (entriesRead !== null) words.text('ENTRIESREAD').text(String(entriesRead))
    words.end()
    return true
  }

  onPending(id: StreamId, timeMs: I64, deliveries: number): boolean {
    const text = id.toString()
    if (this.#pending.has(text)) return false
    this.#pending.set(text, { timeMs, deliveries })
    return true
  }

  onConsumer(name: ByteRange): boolean {
    this.#consumer = bytesOf(name)
    this.#words.begin('XGROUP').text('CREATECONSUMER').bytes(this.#key)
    this.#words.bytes(this.#group).bytes(this.#consumer).end()
    return true
  }

  onOwned(id: StreamId): boolean {
    const text = id.toString()
    const found = this.#pending.get(text)
    if (found === undefined) return false
    this.#pending.delete(text)
    const words = this.#words.begin('XCLAIM').bytes(this.#key).bytes(this.#group)
    words.bytes(this.#consumer).text('0').text(text)
    words.text('TIME').text(String(found.timeMs))
    words.text('RETRYCOUNT').text(String(found.deliveries)).text('JUSTID').text('FORCE').end()
    return true
  }

  onGroupEnd(): boolean {
    return this.#pending.size === 0
  }

  onStreamEnd(): void {
    this.#finish()
  }

  #begin({ key, deadlineMs }: RdbEntry): void {
    assert(this.#elements === 0 && this.#pending.size === 0, 'one value at a time')
    this.#key = bytesOf(key)
    this.#deadlineMs = deadlineMs
  }

  #beginElement(): CommandWords {
    if (this.#elements === ELEMENTS_MAX) this.#endElements()
    if (this.#elements++ === 0) this.#words.begin(this.#name).bytes(this.#key)
    return this.#words
  }

  #endElements(): void {
    if (this.#elements > 0) this.#words.end()
    this.#elements = 0
    for (const { field, deadlineMs } of this.#fieldDeadlines) {
      const words = this.#words.begin('HPEXPIREAT').bytes(this.#key).text(String(deadlineMs))
      words.text('FIELDS').text('1').bytes(field).end()
    }
    this.#fieldDeadlines = []
  }

  #finish(): void {
    if (this.#deadlineMs < 0) return
    this.#words.begin('PEXPIREAT').bytes(this.#key).text(String(this.#deadlineMs)).end()
  }
}

const NO_ID = new StreamId()

function bytesOf({ bytes, start, length }: ByteRange): Uint8Array {
  return bytes.slice(start, start + length)
}

/** Puts a command together word by word; the number of words is known at its end. */
class CommandWords {
  readonly #output: CommandOutput
  /** Words of the command that is being put together. */
  #body = Buffer.alloc(OUTPUT_BYTES)
  #length = 0
  #count = 0
  /** Commands that are complete. */
  readonly #ready = Buffer.alloc(OUTPUT_BYTES)
  #readyLength = 0

  constructor(output: CommandOutput) {
    this.#output = output
  }

  begin(name: string): this {
    assert(this.#count === 0, 'a command ends before the next one')
    return this.text(name)
  }

  /** A word, one byte a character. */
  text(word: string): this {
    return this.bytes(Buffer.from(word, 'latin1'))
  }

  bytes(word: Uint8Array): this {
    this.#count++
    this.#reserve(word.length + HEAD_BYTES_MAX)
    this.#length += this.#body.write(`$${word.length}\r\n`, this.#length, 'latin1')
    this.#body.set(word, this.#length)
    this.#length += word.length
    this.#length += this.#body.write('\r\n', this.#length, 'latin1')
    return this
  }

  range({ bytes, start, length }: ByteRange): this {
    return this.bytes(bytes.subarray(start, start + length))
  }

  end(): void {
    const head = Buffer.from(`*${this.#count}\r\n`, 'latin1')
    this.#give(head, head.length)
    this.#give(this.#body, this.#length)
    this.#count = 0
    this.#length = 0
    if (this.#body.length > 16 * OUTPUT_BYTES) this.#body = Buffer.alloc(OUTPUT_BYTES)
  }

  flush(): void {
    assert(this.#count === 0, 'a command is whole')
    if (this.#readyLength > 0) this.#output(this.#ready, 0, this.#readyLength)
    this.#readyLength = 0
  }

  #give(bytes: Uint8Array, length: number): void {
    if (this.#readyLength + length > this.#ready.length) {
      if (this.#readyLength > 0) this.#output(this.#ready, 0, this.#readyLength)
      this.#readyLength = 0
    }
    if (length > this.#ready.length) return this.#output(bytes, 0, length)
    this.#ready.set(bytes.subarray(0, length), this.#readyLength)
    this.#readyLength += length
  }

  #reserve(length: number): void {
    if (this.#length + length <= this.#body.length) return
    const grown = Buffer.alloc(Math.max(2 * this.#body.length, this.#length + length))
    this.#body.copy(grown, 0, 0, this.#length)
    this.#body = grown
  }
}
