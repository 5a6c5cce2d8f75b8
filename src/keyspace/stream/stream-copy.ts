// A copy of a stream, for COPY: leaf by leaf, then group by group. It has the same leaves;
// consumers get new numbers, in the order of their names.

import { Slice } from '../../base/slice.ts'
import { NULL, type Ptr } from '../../memory/layout.ts'
import type { Database } from '../database.ts'
import { Encoding, Type } from '../record.ts'
import { LeafWord, nodeWord } from '../root.ts'
import type { StreamGroups } from './groups.ts'
import { Streams } from './stream.ts'
import { StreamId } from './stream-id.ts'

/** Gives `key` of `target`, which is free, a copy of the stream in `record`. O(its bytes). */
export function copyStream(source: Database, record: Ptr, target: Database, key: Slice): Ptr {
  if (!source.hasRoot(record)) {
    const head = { type: Type.Stream, encoding: Encoding.Stream } as const
    return target.putPacked(key, source.readString(record, new Slice()), head)
  }
  const from = new Streams(source.collections).open(source, record)
  const to = new Streams(target.collections)
  to.create(target, key)
  to.enlarge()
  try {
    copyEntries(from, to)
    copyGroups(from.groups, to.groups)
  } catch (error) {
    target.remove(to.record)
    throw error
  }
  return to.record
}

function copyEntries(from: Streams, to: Streams): void {
  const { arena } = from
  const id = new StreamId()
  let leaf = from.root.chain.first
  for (; leaf !== NULL; leaf = nodeWord(arena, leaf, LeafWord.Next)) to.copyLeaf(arena, leaf)
  to.setLastId(from.lastId(id))
  to.setDeletedId(from.deletedId(id))
  to.setAdded(from.added)
}

function copyGroups(from: StreamGroups, to: StreamGroups): void {
  const id = new StreamId()
  const name = new Slice()
  for (let i = 0; i < from.count; i++) {
    from.openGroupAt(i)
    to.createGroup(from.groupName(name), from.groupId(id), from.entriesRead)
    const { pending, pendingChain } = from
    for (let found = pending.seekFirst(pendingChain); found; found = pending.next()) {
      id.setWords(pending.words, pending.at)
      to.findPending(id)
      to.addUnowned(id, from.pendingTime, from.pendingDeliveries)
    }
    for (let k = 0; k < from.consumerCount; k++) {
      from.openConsumerAt(k)
      to.createConsumer(from.consumerName(name), from.seen)
      copyOwned(from, to, id)
    }
  }
}

/** Gives the open consumer of `to` what that of `from` owns. */
function copyOwned(from: StreamGroups, to: StreamGroups, id: StreamId): void {
  const { owned, consumerNumber } = from
  let found = from.seekOwned(consumerNumber, id.setMin())
  for (; found && owned.words[owned.at] === consumerNumber; found = owned.next()) {
    id.setWords(owned.words, owned.at + 1)
    to.findPending(id)
    to.ownUnowned(id)
  }
}
