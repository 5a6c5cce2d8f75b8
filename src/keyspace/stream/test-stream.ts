// For tests: a stream in a keyspace of its own, texts as commands give them, and entries as they
// are read back.

import { Random } from '../../base/random.ts'
import { Slice } from '../../base/slice.ts'
import type { Database } from '../database.ts'
import { Keyspace } from '../keyspace.ts'
import { PackedEntry } from '../packed/packed.ts'
import type { EntryCursor } from './entry-leaf.ts'
import { Fields } from './entry-writer.ts'
import { Streams } from './stream.ts'
import { StreamId } from './stream-id.ts'
import { StreamWalk } from './stream-walk.ts'

export const KEY = Slice.ofText('stream')
const SLICE = new Slice()

export interface TestStream {
  readonly keyspace: Keyspace
  readonly db: Database
  readonly streams: Streams
}

/** An empty stream under KEY. */
export function makeStream(): TestStream {
  const keyspace = new Keyspace({
    databaseCount: 1,
    pageCapacity: 64 * 1024,
    hashSecret: new Uint32Array([1, 2]),
    random: new Random(1),
  })
  const db = keyspace.databases[0]!
  const streams = new Streams(db.collections)
  db.peek(KEY)
  streams.create(db, KEY)
  return { keyspace, db, streams }
}

/** The fields that are these texts in turn. */
export function fieldsOf(texts: readonly string[]): Fields {
  const starts = new Uint32Array(texts.length)
  const lengths = Uint32Array.from(texts, (text) => text.length)
  for (let i = 1; i < texts.length; i++) starts[i] = starts[i - 1]! + lengths[i - 1]!
  const bytes = Buffer.from(texts.join(''), 'latin1')
  return new Fields().open({ bytes, starts, lengths }, 0, texts.length / 2)
}

export function idOf(text: string): StreamId {
  const id = new StreamId()
  const bytes = Buffer.from(text, 'latin1')
  id.parse(bytes, 0, bytes.length, 0)
  return id
}

/** Names and values of the entry at the cursor, in turn. */
export function textsOf(cursor: EntryCursor): string[] {
  const name = new PackedEntry()
  const value = new PackedEntry()
  const texts: string[] = []
  cursor.openFields()
  for (let i = 0; i < cursor.fields; i++) {
    cursor.readField(name, value)
    texts.push(name.textInto(SLICE).toLatin1(), value.textInto(SLICE).toLatin1())
  }
  return texts
}

/** The live entries between two IDs, each as its ID and texts. */
export function entriesOf(
  streams: Streams,
  from = new StreamId(),
  to = new StreamId().setMax(),
): [string, ...string[]][] {
  const walk = new StreamWalk().openForward(streams, from, to)
  const entries: [string, ...string[]][] = []
  while (walk.next()) entries.push([String(walk.cursor.id), ...textsOf(walk.cursor)])
  return entries
}
