// What SORT needs of the types: elements of lists, sets and sorted sets, fields of hashes, and a
// list made of the result.

import { assert } from '../base/assert.ts'
import { Slice, scratchSlice } from '../base/slice.ts'
import type { Database } from '../keyspace/database.ts'
import { HashValue } from '../keyspace/hash/hash-value.ts'
import { List } from '../keyspace/list/list.ts'
import { Type } from '../keyspace/record.ts'
import { SetWalk } from '../keyspace/set/set-walk.ts'
import { zsetsOf } from '../keyspace/zset/zset.ts'
import type { Ptr } from '../memory/layout.ts'
import type { Context } from './command.ts'
import { chooseHiddenKey, dropHidden } from './hidden-key.ts'
import type { SortTypes } from './sort.ts'
import type { SortItems } from './sort-items.ts'

const LIST = new List()
const SET = new SetWalk()
const HASH = new HashValue()
const HASH_KEY = scratchSlice()
const MEMBER = scratchSlice()
const ITEM = new Slice()
const HIDDEN = new Slice()

export const SORT_TYPES: SortTypes = { collect, findField, storeList }

function collect({ db }: Context, record: Ptr, into: SortItems): void {
  const type = db.typeOf(record)
  if (type === Type.List) collectList(db, record, into)
  else if (type === Type.Set) collectSet(db, record, into)
  else collectZset(db, record, into)
}

function collectList(db: Database, record: Ptr, into: SortItems): void {
  LIST.open(db, record).seek(0)
  while (LIST.readNext()) {
    const { element } = LIST
    if (element.isInteger) into.addInteger(element.integer)
    else into.addRange(element)
  }
}

function collectSet(db: Database, record: Ptr, into: SortItems): void {
  SET.open(db, record)
  while (SET.next()) into.addRange(SET.member)
}

function collectZset(db: Database, record: Ptr, into: SortItems): void {
  const zset = zsetsOf(db).main.open(db, record)
  const { count } = zset
  for (let i = 0; i < count; i++) {
    if (i === 0) zset.seekRank(0)
    else zset.next()
    into.addRange(zset.readMember(MEMBER))
  }
}

function findField(context: Context, record: Ptr, field: Slice, out: Slice): boolean {
  if (!HASH.open(context.db, record).find(field)) {
    if (HASH.isOverdue) keepOverdue(context, record, field)
    return false
  }
  HASH.readValue(out)
  return true
}

/** What is stored must not depend on a field that is there only for those who repeat this. */
function keepOverdue({ db, effects }: Context, record: Ptr, field: Slice): void {
  if (effects.isKept) effects.noteFieldRemoval(db, db.readKey(record, HASH_KEY), field)
}

function storeList(context: Context, key: Slice, items: SortItems): void {
  assert(items.count > 0, 'a list has elements')
  const { db, keyspace, limits } = context
  keyspace.isHiding = true
  chooseHiddenKey(db, HIDDEN)
  try {
    LIST.create(db, HIDDEN, items.read(0, ITEM), limits.encodings)
    for (let i = 1; i < items.count; i++) LIST.pushLast(items.read(i, ITEM), limits.encodings)
  } catch (error) {
    dropHidden(db, HIDDEN)
    throw error
  } finally {
    keyspace.isHiding = false
  }
  db.rename(db.peek(HIDDEN), key)
}
