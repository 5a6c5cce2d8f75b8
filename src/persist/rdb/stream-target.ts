// What a reader of RDB streams hands on of a stream: nodes, facts, then group after group with what
// is pending and the consumers that own it. In the order of the file.
//
// A method that returns false has found what cannot be: the reader says where. Bytes and IDs are
// borrowed for the call.

import type { I64 } from '../../base/i64.ts'
import type { ByteRange } from '../../base/slice.ts'
import type { StreamId } from '../../keyspace/stream/stream-id.ts'
import type { StreamNodes } from './stream-nodes.ts'

export interface StreamFacts {
  readonly lastId: StreamId
  readonly deletedId: StreamId
  readonly added: I64
}

export interface StreamTarget {
  /**
   * A node: a listpack that has been checked, with `live` entries, behind all others. Those who
   * make a stream may take them from `nodes`, unless that is null.
   */
  onNode(master: StreamId, listpack: ByteRange, live: number, nodes: StreamNodes | null): void
  onFacts(facts: StreamFacts): void
  /** A group begins. `entriesRead`: null in files that do not know of it. False: it is there. */
  onGroup(name: ByteRange, lastId: StreamId, entriesRead: I64 | null): boolean
  /** An ID is pending in the group; whose it is comes later. False: it is pending already. */
  onPending(id: StreamId, timeMs: I64, deliveries: number): boolean
  /** A consumer begins. False: it is there. */
  onConsumer(name: ByteRange, seenMs: I64): boolean
  /** The ID is the consumer's. False: it is not pending, or somebody has it. */
  onOwned(id: StreamId): boolean
  /** False: nobody has an ID that is pending. */
  onGroupEnd(): boolean
  onStreamEnd(): void
}
