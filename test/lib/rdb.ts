// RDB streams for tests: a target that keeps all it is told, whole files to and from memory, and
// values of all kinds of compressibility.

import { assert } from '../../src/base/assert.ts'
import type { Random } from '../../src/base/random.ts'
import type { ByteRange } from '../../src/base/slice.ts'
import { Type } from '../../src/keyspace/record.ts'
import { Kernels } from '../../src/persist/rdb/kernels.ts'
import { BytesFile, type RdbFile, RdbInput } from '../../src/persist/rdb/rdb-input.ts'
import { RdbReader, type RdbReaderOptions } from '../../src/persist/rdb/rdb-reader.ts'
import type { CollectionTarget, RdbEntry, RdbTarget } from '../../src/persist/rdb/rdb-target.ts'
import { RdbWriter, type RdbWriterOptions } from '../../src/persist/rdb/rdb-writer.ts'
import { StreamParts } from '../../src/persist/rdb/stream-parts.ts'
import type { StreamTarget } from '../../src/persist/rdb/stream-target.ts'

export interface KeyRecord {
  readonly database: number
  readonly key: string
  readonly value: string
  readonly deadlineMs: number
  readonly idleSeconds: number
  readonly frequency: number
}

/** Keeps everything, bytes as latin1. A collection is its elements as JSON, in the file's order. */
export class CollectingTarget implements RdbTarget, CollectionTarget {
  readonly keys: KeyRecord[] = []
  readonly aux = new Map<string, string>()
  readonly sizes: [database: number, keys: number, expires: number][] = []
  readonly functions: string[] = []
  database = 0
  #collection: KeyRecord | null = null
  #elements: (string | number)[] = []

  onAux(name: string, value: string): void {
    this.aux.set(name, value)
  }

  onDatabase(id: number): void {
    this.database = id
  }

  onResize(keys: number, expires: number): void {
    this.sizes.push([this.database, keys, expires])
  }

  onFunction(code: string): void {
    this.functions.push(code)
  }

  onString(entry: RdbEntry): void {
    const { bytes, start, length } = entry.value
    this.keys.push(this.#recordOf(entry, latin1(bytes, start, length)))
  }

  onCollection(entry: RdbEntry, type: Type): CollectionTarget {
    this.#collection = this.#recordOf(entry, `${type} `)
    this.#elements = []
    return this
  }

  onStream(entry: RdbEntry): StreamTarget {
    this.onCollection(entry, Type.Stream)
    return new StreamParts({
      onPart: (head, texts) =>
        this.#elements.push(head, ...texts.map((each) => latin1(each, 0, each.length))),
      onEnd: () => this.onCollectionEnd(),
    })
  }

  onElement({ bytes, start, length }: ByteRange): void {
    this.#elements.push(latin1(bytes, start, length))
  }

  onField(field: ByteRange, value: ByteRange, deadlineMs: number): void {
    this.onElement(field)
    this.onElement(value)
    if (deadlineMs > 0) this.#elements.push(deadlineMs)
  }

  onMember(member: ByteRange, score: number): void {
    this.onElement(member)
    this.#elements.push(score)
  }

  onCollectionEnd(): void {
    const found = this.#collection
    assert(found !== null, 'what ends has begun')
    this.keys.push({ ...found, value: found.value + JSON.stringify(this.#elements) })
    this.#collection = null
  }

  #recordOf({ key, deadlineMs, idleSeconds, frequency }: RdbEntry, value: string): KeyRecord {
    const { bytes, start, length } = key
    return {
      database: this.database,
      key: latin1(bytes, start, length),
      value,
      deadlineMs,
      idleSeconds,
      frequency,
    }
  }

  /** Keys by `database:key`, in order of the text. */
  sorted(): KeyRecord[] {
    const name = ({ database, key }: KeyRecord) => `${database}:${key}`
    return [...this.keys].sort((a, b) => (name(a) < name(b) ? -1 : 1))
  }
}

export function latin1(bytes: Uint8Array, start: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString('latin1')
}

/** A reader with its own kernels. */
export function makeReader(bufferBytes = 4096): RdbReader {
  return new RdbReader(new Kernels(RdbInput.regionBytes(bufferBytes)), bufferBytes)
}

/** Reads a whole file; throws what the reader throws. */
export function readRdb(
  file: RdbFile | Uint8Array,
  options: Partial<RdbReaderOptions> & { reader?: RdbReader } = {},
): CollectingTarget {
  const { reader = makeReader(), ...readerOptions } = options
  const target = new CollectingTarget()
  const source = file instanceof Uint8Array ? new BytesFile('test.rdb', file) : file
  reader.readAll(source, target, readerOptions)
  return target
}

export interface FakeFile {
  readonly writer: RdbWriter
  readonly kernels: Kernels
  /** All that the sink got so far. */
  bytes(): Buffer
}

/** A writer that has begun a file in memory. */
export function makeWriter(
  options: Partial<RdbWriterOptions> & { chunkBytes?: number } = {},
): FakeFile {
  const { chunkBytes = 4096, ...writerOptions } = options
  const kernels = new Kernels(RdbWriter.regionBytes(chunkBytes))
  const writer = new RdbWriter(kernels, chunkBytes)
  const chunks: Buffer[] = []
  writer.begin({
    sink: (bytes, start, length) => chunks.push(Buffer.from(bytes.slice(start, start + length))),
    compress: true,
    checksum: true,
    ...writerOptions,
  })
  return { writer, kernels, bytes: () => Buffer.concat(chunks) }
}

/** `length` bytes: noise, few letters, words, repeated patterns, zeros, or a mixture of these. */
export function randomValue(random: Random, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  const kind = random.below(6)
  let at = 0
  while (at < length) {
    const part = Math.min(length - at, 1 + random.below(kind === 5 ? 300 : length))
    fillValue(random, bytes.subarray(at, at + part), kind === 5 ? random.below(5) : kind)
    at += part
  }
  return bytes
}

const WORDS = ['name', 'value', '":"', '","', 'true', '12345', 'user:', '\r\n', 'lorem ipsum ']

function fillValue(random: Random, bytes: Buffer, kind: number): void {
  if (kind === 0) {
    for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(256)
  } else if (kind === 1) {
    for (let i = 0; i < bytes.length; i++) bytes[i] = 97 + random.below(3)
  } else if (kind === 2) {
    for (let i = 0; i < bytes.length; ) i += bytes.write(WORDS[random.below(WORDS.length)]!, i) || 1
  } else if (kind === 3) {
    const period = 1 + random.below(20)
    for (let i = 0; i < bytes.length; i++) bytes[i] = 65 + (i % period)
  }
}
