// The sets that ZUNION and its relatives work on: sorted sets, and plain sets, whose members all
// have score 1. One is walked, others are asked for members; both by cursors that are made once.

import { type Slice, scratchSlice } from '../base/slice.ts'
import type { Database } from '../keyspace/database.ts'
import { Type } from '../keyspace/record.ts'
import { SetValue } from '../keyspace/set/set-value.ts'
import { SetWalk } from '../keyspace/set/set-walk.ts'
import { type Zset, zsetsOf } from '../keyspace/zset/zset.ts'
import { NULL, type Ptr } from '../memory/layout.ts'

/** The score of a member of a plain set. */
const SET_SCORE = 1

/** One key of the command. */
export interface Source {
  /** NULL: there is no such key. */
  readonly record: Ptr
  readonly type: Type
  readonly count: number
  weight: number
}

const PLAIN_SET = new SetValue()

/** A key as a source; null: it holds something else. `record` may be NULL. */
export function sourceOf(db: Database, record: Ptr): Source | null {
  if (record === NULL) return { record, type: Type.Zset, count: 0, weight: 1 }
  const type = db.typeOf(record)
  if (type === Type.Zset) {
    return { record, type, count: zsetsOf(db).main.open(db, record).count, weight: 1 }
  }
  if (type === Type.Set) return { record, type, count: PLAIN_SET.open(db, record).count, weight: 1 }
  return null
}

/** Goes through the members of a source. */
export class SourceWalk {
  /** What `next` has come to; the member is valid until the next call. */
  readonly member = scratchSlice()
  score = 0
  readonly #set = new SetWalk()
  /** Null: a plain set is walked. */
  #zset: Zset | null = null
  #left = 0
  #isFirst = true

  /** Begins before the first member. */
  open(db: Database, source: Source): void {
    this.#left = source.count
    this.#isFirst = true
    this.#zset = null
    if (source.count === 0) return
    if (source.type === Type.Zset) this.#zset = zsetsOf(db).main.open(db, source.record)
    else this.#set.open(db, source.record)
  }

  /** Goes to the next member; false after the last. */
  next(): boolean {
    if (this.#left === 0) return false
    this.#left--
    const zset = this.#zset
    if (zset === null) {
      this.score = SET_SCORE
      const hasNext = this.#set.next()
      this.member.setTo(this.#set.member)
      return hasNext
    }
    if (this.#isFirst) zset.seekRank(0)
    else zset.next()
    this.#isFirst = false
    zset.readMember(this.member)
    this.score = zset.score
    return true
  }
}

/** Looks for members in sources. */
export class SourceProbe {
  /** Of the member that `has` has found. */
  score = 0
  readonly #set = new SetValue()
  #record: Ptr = NULL

  /** Makes ready for a command: records of earlier ones may have moved. */
  begin(): void {
    this.#record = NULL
  }

  has(db: Database, source: Source, member: Slice): boolean {
    const { record } = source
    if (record === NULL) return false
    const isOpen = record === this.#record
    this.#record = record
    if (source.type === Type.Zset) {
      const zset = zsetsOf(db).other
      if (!isOpen) zset.open(db, record)
      if (!zset.find(member)) return false
      this.score = zset.score
      return true
    }
    if (!isOpen) this.#set.open(db, record)
    this.score = SET_SCORE
    return this.#set.has(member)
  }
}
