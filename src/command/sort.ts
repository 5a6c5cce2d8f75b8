// SORT and SORT_RO: the elements of a list, set or sorted set, ordered by themselves or by what
// keys or hash fields say that are named after them, and answered or stored as a list.
//
// A pattern names a key for each element: its `*` stands for the element, and what follows the
// first `->` behind it is the field of a hash. A pattern without `*` names nothing: as BY it means
// the order that the elements have already, as GET nil. `GET #` is the element itself.
//
// Texts are compared by bytes, which is Redis's order in the C locale. What SORT must know of the
// types it gets as `SortTypes`.

import { copySlice, Slice, scratchSlice } from '../base/slice.ts'
import { Type } from '../keyspace/record.ts'
import { NULL, type Ptr } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import {
  NOT_INTEGER,
  type ReplyError,
  replyError,
  SYNTAX_ERROR,
  WRONG_TYPE,
} from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument } from './arguments.ts'
import { type Command, type Context, Flag } from './command.ts'
import { DEL, EventClass, keyEvent, noteChange } from './key-event.ts'
import { oneKey, unknownKeys } from './key-spec.ts'
import { SortItems, sortItems } from './sort-items.ts'

/** What SORT needs of lists, sets, sorted sets and hashes. */
export interface SortTypes {
  /** Adds the elements of a list, set or sorted set in their own order. O(n). */
  collect(context: Context, record: Ptr, into: SortItems): void
  /** Points `out` at the value of a hash's field, for the moment; false when there is none. */
  findField(context: Context, record: Ptr, field: Slice, out: Slice): boolean
  /**
   * Puts a list of the items under the key, in the place of what that holds, which may be where
   * the items lie. ARENA_FULL, and nothing has changed.
   */
  storeList(context: Context, key: Slice, items: SortItems): void
}

const ASC = word('asc')
const DESC = word('desc')
const ALPHA = word('alpha')
const LIMIT = word('limit')
const STORE = word('store')
const BY = word('by')
const GET = word('get')

const STAR = 0x2a
const HASH = 0x23
const MINUS = 0x2d
const GREATER = 0x3e
const FIRST_OPTION = 2

const BAD_SCORE = replyError("ERR One or more scores can't be converted into double")
const SORT_STORE = keyEvent(EventClass.List, 'sortstore')

const VALUE = new Slice()
const FIELD = new Slice()
const PART = new Slice()
/** The key that a pattern names for an element, in bytes that are used again. */
const KEY = scratchSlice()
const ELEMENT = scratchSlice()

/** What the arguments ask for. */
interface Options {
  isAlpha: boolean
  isDescending: boolean
  /** BY named no key: the elements stay in their own order. */
  isUnsorted: boolean
  offset: number
  /** Negative: all. */
  limit: number
  /** Argument with the pattern of BY; 0: none. */
  by: number
  /** Arguments with the patterns of GET. */
  readonly gets: number[]
  /** Argument with the key of STORE; 0: none. */
  store: number
}

/** The rows of SORT and SORT_RO. */
export function sortCommands(types: SortTypes): readonly Command[] {
  const shared = {
    group: 'generic',
    keys: [1, 1, 1],
    arity: -2,
    complexity: 'O(N+M*log(M)), where N is the number of elements and M of those returned.',
    categories: ['set', 'sortedset', 'list', 'dangerous'],
    isOutOfGroup: true,
  } as const
  return [
    {
      ...shared,
      name: 'sort',
      flags: Flag.Write | Flag.DenyOom | Flag.MovableKeys,
      since: '1.0.0',
      run: (context, args, reply) => sort({ context, types, canStore: true }, args, reply),
      summary: 'Sort the elements of a list, set or sorted set, and optionally store the result',
      keyFlags: ['RO access', 'OW update'],
      keySpecs: [oneKey(1, 'RO access'), unknownKeys('RO access'), unknownKeys('OW update')],
      findKeys: findSortKeys,
    },
    {
      ...shared,
      name: 'sort_ro',
      flags: Flag.ReadOnly | Flag.MovableKeys,
      since: '7.0.0',
      run: (context, args, reply) => sort({ context, types, canStore: false }, args, reply),
      summary: 'Sort the elements of a list, set or sorted set',
      keyFlags: ['RO access'],
      keySpecs: [oneKey(1, 'RO access'), unknownKeys('RO access')],
      findKeys: (_args, positions) => positions.push(1),
    },
  ]
}

/** Where SORT is at work. */
interface Place {
  readonly context: Context
  readonly types: SortTypes
  readonly canStore: boolean
}

/** SORT key [BY p] [LIMIT o c] [GET p …] [ASC|DESC] [ALPHA] [STORE key]. O(N + M log M). */
function sort(place: Place, args: Args, reply: Reply): void {
  const { context, types } = place
  const { db } = context
  const options = parseOptions(args, place.canStore)
  if ('code' in options) return reply.error(options)
  const record = db.find(keyArgument(context, args, 1))
  const type = record === NULL ? Type.List : db.typeOf(record)
  if (type === Type.String || type === Type.Hash || type === Type.Stream) {
    return reply.error(WRONG_TYPE)
  }
  // A set has no order of its own that would be the same everywhere the list goes.
  if (options.isUnsorted && type === Type.Set && options.store > 0) {
    options.isUnsorted = false
    options.isAlpha = true
    options.by = 0
  }
  const items = new SortItems()
  if (record !== NULL) types.collect(context, record, items)
  const order = orderOf(place, args, { items, options, type })
  if (order === null) return reply.error(BAD_SCORE)
  const first = Math.min(options.offset, order.length)
  const count = options.limit < 0 ? order.length : Math.min(options.limit, order.length)
  const chosen = order.subarray(first, Math.min(first + count, order.length))
  const results = resultsOf(place, args, { items, options, chosen })
  if (options.store > 0) store(place, args, { results, at: options.store }, reply)
  else write(results, reply)
}

/** Reads the options; an error for what is none. */
function parseOptions(args: Args, canStore: boolean): Options | ReplyError {
  const options: Options = {
    isAlpha: false,
    isDescending: false,
    isUnsorted: false,
    offset: 0,
    limit: -1,
    by: 0,
    gets: [],
    store: 0,
  }
  for (let i = FIRST_OPTION; i < args.count; i++) {
    const left = args.count - i - 1
    if (args.is(i, ASC)) options.isDescending = false
    else if (args.is(i, DESC)) options.isDescending = true
    else if (args.is(i, ALPHA)) options.isAlpha = true
    else if (args.is(i, LIMIT) && left >= 2) {
      const offset = args.integer(i + 1)
      const limit = args.integer(i + 2)
      if (offset === null || limit === null) return NOT_INTEGER
      options.offset = Math.max(0, Number(offset))
      options.limit = Number(limit)
      i += 2
    } else if (canStore && args.is(i, STORE) && left >= 1) options.store = ++i
    else if (args.is(i, BY) && left >= 1) {
      options.by = ++i
      if (starOf(args, i) < 0) options.isUnsorted = true
    } else if (args.is(i, GET) && left >= 1) options.gets.push(++i)
    else return SYNTAX_ERROR
  }
  return options
}

/** COMMAND GETKEYS: the key, and that of the last STORE. */
function findSortKeys(args: Args, positions: number[]): void {
  positions.push(1)
  let stored = 0
  for (let i = FIRST_OPTION; i < args.count; i++) {
    if (args.is(i, LIMIT)) i += 2
    else if (args.is(i, BY) || args.is(i, GET)) i++
    else if (args.is(i, STORE) && i + 1 < args.count) stored = ++i
  }
  if (stored > 0) positions.push(stored)
}

/** The indexes of the items in the order that is asked for; null: a score is no number. */
function orderOf(
  place: Place,
  args: Args,
  work: { readonly items: SortItems; readonly options: Options; readonly type: Type },
): Uint32Array | null {
  const { items, options, type } = work
  if (options.isUnsorted) {
    const order = Uint32Array.from({ length: items.count }, (_, i) => i)
    // A set has no order that could be turned round.
    return type !== Type.Set && options.isDescending ? order.reverse() : order
  }
  if (options.by === 0) return sortItems(items, items, options)
  const keys = new SortItems()
  for (let i = 0; i < items.count; i++) {
    if (find(place, args, options.by, items.read(i, ELEMENT))) {
      keys.addRange(VALUE)
    } else keys.addAbsent()
  }
  return sortItems(items, keys, options)
}

/** What is answered or stored: the chosen items, or for each of them what every GET names. */
function resultsOf(
  place: Place,
  args: Args,
  work: {
    readonly items: SortItems
    readonly options: Options
    readonly chosen: Uint32Array
  },
): SortItems {
  const { items, options, chosen } = work
  const results = new SortItems()
  for (const i of chosen) {
    const element = items.read(i, ELEMENT)
    if (options.gets.length === 0) results.add(element.bytes, element.start, element.length)
    for (const get of options.gets) {
      if (isElement(args, get)) results.add(element.bytes, element.start, element.length)
      else if (find(place, args, get, element)) {
        results.addRange(VALUE)
      } else results.addAbsent()
    }
  }
  return results
}

function write(results: SortItems, reply: Reply): void {
  reply.array(results.count)
  for (let i = 0; i < results.count; i++) {
    if (results.isAbsent(i)) {
      reply.nil()
      continue
    }
    const { bytes, start, length } = results.read(i, ELEMENT)
    reply.bulk(bytes, start, length)
  }
}

/** Stores the results, or removes the key when there are none; replies how many there are. */
function store(
  { context, types }: Place,
  args: Args,
  work: { readonly results: SortItems; readonly at: number },
  reply: Reply,
): void {
  const { db, keyspace } = context
  const { results, at } = work
  const { count } = results
  const key = keyArgument(context, args, at)
  if (count > 0) {
    types.storeList(context, key, results)
    noteChange(context, key, SORT_STORE)
    keyspace.dirty += count - 1
  } else {
    const record = db.findForWrite(key)
    if (record !== NULL) {
      db.remove(record)
      noteChange(context, key, DEL)
    }
  }
  reply.integer(count)
}

/**
 * Points VALUE at what the pattern at argument `i` names for an element; false when there is no
 * such key or field, or it is of another type.
 */
function find(place: Place, args: Args, i: number, element: Slice): boolean {
  const { context, types } = place
  const { db } = context
  const star = starOf(args, i)
  if (star < 0) return false
  const start = args.start(i)
  const limit = start + args.length(i)
  const arrow = arrowOf(args.bytes, star + 1, limit)
  const end = arrow < 0 ? limit : arrow
  const before = star - start
  KEY.length = before + element.length + end - star - 1
  if (KEY.bytes.length < KEY.length) KEY.bytes = new Uint8Array(KEY.length * 2)
  PART.set(args.bytes, start, before)
  copySlice(PART, KEY.bytes, 0)
  copySlice(element, KEY.bytes, before)
  PART.set(args.bytes, star + 1, end - star - 1)
  copySlice(PART, KEY.bytes, before + element.length)
  const record = db.find(KEY)
  if (record === NULL) return false
  if (arrow < 0) {
    if (db.typeOf(record) !== Type.String) return false
    db.readString(record, VALUE)
    return true
  }
  if (db.typeOf(record) !== Type.Hash) return false
  FIELD.set(args.bytes, arrow + 2, limit - arrow - 2)
  return types.findField(context, record, FIELD, VALUE)
}

/** Whether the pattern is `#`. */
function isElement(args: Args, i: number): boolean {
  return args.length(i) === 1 && args.bytes[args.start(i)] === HASH
}

/** Where the `*` of a pattern stands in the arguments' bytes; -1: nowhere. */
function starOf(args: Args, i: number): number {
  const start = args.start(i)
  const at = args.bytes.indexOf(STAR, start)
  return at >= 0 && at < start + args.length(i) ? at : -1
}

/** Where `->` stands with a field behind it; -1: nowhere. */
function arrowOf(bytes: Uint8Array, start: number, limit: number): number {
  for (let i = start; i + 2 < limit; i++) {
    if (bytes[i] === MINUS && bytes[i + 1] === GREATER) return i
  }
  return -1
}
