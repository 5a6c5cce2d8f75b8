// What the commands on lists share: the two ends of a list, elements as replies, and what is told
// when elements come and go. Nothing here allocates.
//
// `LIST` is the list that a handler works on; LMOVE has a second one. An element is replied before
// it is removed, since its bytes are gone then; removing cannot fail.

import { latin1 } from '../base/bytes.ts'
import { type Slice, scratchSlice } from '../base/slice.ts'
import { List } from '../keyspace/list/list.ts'
import type { PackedEntry } from '../keyspace/packed/packed.ts'
import { NULL } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { type ReplyError, replyError, wrongArity } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import type { Context } from './command.ts'
import { DEL, EventClass, type KeyEvent, keyEvent, noteChange, noteEvent } from './key-event.ts'

/** One end of a list, and what is told of changes there. */
export interface End {
  readonly push: KeyEvent
  readonly pop: KeyEvent
  readonly popArity: ReplyError
  /** The command that takes elements from here, for those who repeat it. */
  readonly popWord: Uint8Array
}

export const LEFT: End = {
  push: keyEvent(EventClass.List, 'lpush'),
  pop: keyEvent(EventClass.List, 'lpop'),
  popArity: wrongArity('lpop'),
  popWord: latin1('LPOP'),
}
export const RIGHT: End = {
  push: keyEvent(EventClass.List, 'rpush'),
  pop: keyEvent(EventClass.List, 'rpop'),
  popArity: wrongArity('rpop'),
  popWord: latin1('RPOP'),
}

export const NOT_POSITIVE = replyError('ERR value is out of range, must be positive')

export const LIST = new List()

const LEFT_WORD = word('left')
const RIGHT_WORD = word('right')
const TEXT = scratchSlice()

/** The end that argument `i` names; null: it names none. */
export function endArgument(args: Args, i: number): End | null {
  if (args.is(i, LEFT_WORD)) return LEFT
  return args.is(i, RIGHT_WORD) ? RIGHT : null
}

/** Adds an element at an end. */
export function pushAt(list: List, end: End, element: Slice, { limits }: Context): void {
  if (end === LEFT) list.pushFirst(element, limits.encodings)
  else list.pushLast(element, limits.encodings)
}

/** Makes the element at an end the one that was read last. */
export function readAt(list: List, end: End): void {
  if (end === LEFT) list.readFirst()
  else list.readLast()
}

/** Removes the element of LIST at an end; tells of it as of `key`. */
export function removeAt(context: Context, key: Slice, end: End): void {
  if (end === LEFT) LIST.removeFirst()
  else LIST.removeLast()
  noteRemoval(context, key, end.pop, 1)
}

/** Replies one element from an end, and removes it. */
export function popOne(context: Context, key: Slice, end: End, reply: Reply): void {
  readAt(LIST, end)
  replyElement(reply, LIST.element)
  removeAt(context, key, end)
}

/** Replies up to `limit` elements from an end as an array, and removes them. */
export function popMany(
  context: Context,
  key: Slice,
  { end, limit }: { readonly end: End; readonly limit: number },
  reply: Reply,
): void {
  const list = LIST
  const size = list.count
  const count = Math.min(limit, size)
  reply.array(count)
  if (end === LEFT) {
    list.seek(0)
    for (let i = 0; i < count; i++) {
      list.readNext()
      replyElement(reply, list.element)
    }
    list.remove(0, count)
  } else {
    list.seekLast()
    for (let i = 0; i < count; i++) {
      list.readPrevious()
      replyElement(reply, list.element)
    }
    list.remove(size - count, count)
  }
  noteRemoval(context, key, end.pop, count)
}

/** Replies an element as a bulk. */
export function replyElement(reply: Reply, element: PackedEntry): void {
  if (!element.isInteger) return reply.bulk(element.bytes, element.start, element.length)
  const { low, high } = element.int64
  if (high === low >> 31) return reply.bulkInteger(low)
  element.textInto(TEXT)
  reply.bulk(TEXT.bytes, TEXT.start, TEXT.length)
}

/** Elements have gone from LIST, that of `key`: one event, another when the key went, too. */
export function noteRemoval(context: Context, key: Slice, event: KeyEvent, count: number): void {
  context.keyspace.dirty += count - 1
  noteChange(context, key, event)
  if (LIST.record === NULL) noteEvent(context, key, DEL)
}
