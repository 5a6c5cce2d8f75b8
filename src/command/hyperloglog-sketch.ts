// What the commands on HyperLogLogs share: reading a key as a sketch, and the one sketch that is
// being changed.

import type { Slice } from '../base/slice.ts'
import { KEEP_DEADLINE } from '../keyspace/database.ts'
import { Encoding, Type } from '../keyspace/record.ts'
import { isSketch } from '../keyspace/string/hyperloglog.ts'
import { SketchEdit } from '../keyspace/string/hyperloglog-edit.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import { replyError, WRONG_TYPE } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import type { Context } from './command.ts'
import { EventClass, keyEvent } from './key-event.ts'

/** Elements came in, by PFADD or PFMERGE. */
export const PFADD = keyEvent(EventClass.String, 'pfadd')

export const CORRUPT_SKETCH = replyError('INVALIDOBJ Corrupted HLL object detected')
const NO_SKETCH = replyError('WRONGTYPE Key is not a valid HyperLogLog string value.')

/** The sketch that the command at hand changes. */
export const EDIT = new SketchEdit()

const STORED = { deadlineMs: KEEP_DEADLINE, encoding: Encoding.Raw }

/** Points the context's value at the sketch of a record; false after an error reply. */
export function readSketch({ db, value }: Context, record: Ptr, reply: Reply): boolean {
  if (db.typeOf(record) !== Type.String) {
    reply.error(WRONG_TYPE)
    return false
  }
  if (isSketch(db.readString(record, value))) return true
  reply.error(NO_SKETCH)
  return false
}

/** Puts EDIT under its key, in the place of `record` (NULL: of nothing). The deadline stays. */
export function storeEdit({ db }: Context, key: Slice, record: Ptr): void {
  const { sketch } = EDIT
  const isSameShape =
    record !== NULL &&
    db.stringLength(record) === sketch.length &&
    db.encodingOf(record) === Encoding.Raw
  if (isSameShape) db.writeString(record, 0, sketch)
  else db.putEncodedString(key, sketch, STORED)
}
