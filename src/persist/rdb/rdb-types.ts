// The value types of RDB, one row each: this table is their only registration. A row without `read`
// is known by name, so that a file that holds one is refused with a message that says what it is.

import type { RdbInput } from './rdb-input.ts'
import type { RdbEntry, RdbTarget } from './rdb-target.ts'
import {
  readHash,
  readHashListpack,
  readHashListpackEx,
  readHashWithDeadlines,
  readHashZiplist,
  readHashZipmap,
} from './values/hash.ts'
import { readList, readQuicklist, readQuicklist2, readZiplistList } from './values/list.ts'
import { readSet, readSetIntset, readSetListpack } from './values/set.ts'
import { StreamForm, streamReader } from './values/stream.ts'
import { readListpackZset, readTextZset, readZiplistZset, readZset } from './values/zset.ts'

export interface RdbType {
  readonly name: string
  /** Reads the value behind the key, and hands the entry to the target. */
  readonly read: ((input: RdbInput, entry: RdbEntry, target: RdbTarget) => void) | null
}

/** By type byte. Numbers that are missing were never given out. */
export const rdbTypes: ReadonlyMap<number, RdbType> = new Map([
  [0, { name: 'string', read: readString }],
  [1, { name: 'list', read: readList }],
  [2, { name: 'set', read: readSet }],
  [3, { name: 'sorted set with text scores', read: readTextZset }],
  [4, { name: 'hash', read: readHash }],
  [5, { name: 'sorted set', read: readZset }],
  [6, { name: 'module value of a preview release', read: null }],
  [7, { name: 'module value', read: null }],
  [9, { name: 'hash as zipmap', read: readHashZipmap }],
  [10, { name: 'list as ziplist', read: readZiplistList }],
  [11, { name: 'set as intset', read: readSetIntset }],
  [12, { name: 'sorted set as ziplist', read: readZiplistZset }],
  [13, { name: 'hash as ziplist', read: readHashZiplist }],
  [14, { name: 'list as quicklist of ziplists', read: readQuicklist }],
  [15, { name: 'stream', read: streamReader(StreamForm.First) }],
  [16, { name: 'hash as listpack', read: readHashListpack }],
  [17, { name: 'sorted set as listpack', read: readListpackZset }],
  [18, { name: 'list as quicklist of listpacks', read: readQuicklist2 }],
  [19, { name: 'stream, second form', read: streamReader(StreamForm.Counted) }],
  [20, { name: 'set as listpack', read: readSetListpack }],
  [21, { name: 'stream, third form', read: streamReader(StreamForm.Active) }],
  [22, { name: 'hash with field expiry of a preview release', read: null }],
  [23, { name: 'hash with field expiry as listpack of a preview release', read: null }],
  [24, { name: 'hash with field expiry', read: readHashWithDeadlines }],
  [25, { name: 'hash with field expiry as listpack', read: readHashListpackEx }],
])

function readString(input: RdbInput, entry: RdbEntry, target: RdbTarget): void {
  const { longString } = target
  if (longString === undefined) input.string(entry.value, 'string value')
  else if (input.stringOrPieces(entry.value, 'string value', longString)) {
    return target.onLongString?.(entry)
  }
  target.onString(entry)
}
