// GEOSEARCH and its relatives: the members of a sorted set of places that lie in a circle or box.
//
// What is found is kept as ranks with distances in typed arrays; members are read when they are
// replied. Options are read in Redis's order, one after the other, as each may end with an error.

import { latin1 } from '../base/bytes.ts'
import { scratchSlice } from '../base/slice.ts'
import { type Zset, zsetsOf } from '../keyspace/zset/zset.ts'
import { NULL } from '../memory/layout.ts'
import { type Args, word } from '../resp/args.ts'
import { type ReplyError, replyError, SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { integerArgument, keyArgument } from './arguments.ts'
import type { Context } from './command.ts'
import { placeArgument, unitArgument } from './geo-arguments.ts'
import { FOUND, findInShape } from './geo-found.ts'
import { exactDistanceBetween, type Shape } from './geo-shape.ts'
import { coordinateText, fixedText } from './geo-text.ts'
import { type Place, placeOfScore } from './geohash.ts'
import { DEL, EventClass, type KeyEvent, keyEvent, noteChange } from './key-event.ts'
import { readZset, replyMember, WRONG } from './zset-access.ts'

const WITHDIST = word('withdist')
const WITHHASH = word('withhash')
const WITHCOORD = word('withcoord')
const ANY = word('any')
const ASC = word('asc')
const DESC = word('desc')
const COUNT = word('count')
const STORE = word('store')
const STOREDIST = word('storedist')
const FROMMEMBER = word('frommember')
const FROMLONLAT = word('fromlonlat')
const BYRADIUS = word('byradius')
const BYBOX = word('bybox')

const COMMA = 0x2c

const NO_RADIUS = replyError('ERR need numeric radius')
const NEGATIVE_RADIUS = replyError('ERR radius cannot be negative')
const NO_WIDTH = replyError('ERR need numeric width')
const NO_HEIGHT = replyError('ERR need numeric height')
const NEGATIVE_BOX = replyError('ERR height or width cannot be negative')
const NO_MEMBER = replyError('ERR could not decode requested zset member')
const BAD_COUNT = replyError('ERR COUNT must be > 0')
const ANY_WITHOUT_COUNT = replyError('ERR the ANY argument requires COUNT argument')
const RADIUS_STORE = replyError(
  'ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options',
)
const SEARCH_STORE = replyError(
  'ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options',
)

const GEOSEARCHSTORE = keyEvent(EventClass.Zset, 'geosearchstore')
const GEORADIUSSTORE = keyEvent(EventClass.Zset, 'georadiusstore')

/** How a command names its shape, and where it may store. */
interface Form {
  /** GEOSEARCH: shape and center are options. */
  readonly isSearch: boolean
  /** STORE and STOREDIST are options that name the target. */
  readonly takesStore: boolean
  readonly source: number
  readonly firstOption: number
  /** The argument that is the target; 0: none. */
  readonly target: number
}

const SEARCH: Form = { isSearch: true, takesStore: false, source: 1, firstOption: 2, target: 0 }
const SEARCH_STORED: Form = { ...SEARCH, source: 2, firstOption: 3, target: 1 }
const RADIUS: Form = { isSearch: false, takesStore: true, source: 1, firstOption: 6, target: 0 }
const RADIUS_RO: Form = { ...RADIUS, takesStore: false }
const BY_MEMBER: Form = { ...RADIUS, firstOption: 5 }
const BY_MEMBER_RO: Form = { ...BY_MEMBER, takesStore: false }

const SHAPE: Shape = {
  center: { longitude: 0, latitude: 0 },
  isBox: false,
  radius: 0,
  width: 0,
  height: 0,
  unit: 1,
}
/** What the options ask for. */
const SEARCHED = {
  hasDistance: false,
  hasHash: false,
  hasCoordinates: false,
  isAny: false,
  isSorted: false,
  isDescending: false,
  count: 0,
  /** The argument that names the target; 0: none. */
  target: 0,
  storesDistance: false,
  hasMember: false,
  hasPlace: false,
  hasRadius: false,
  hasBox: false,
}
const PLACE: Place = { longitude: 0, latitude: 0 }
const MEMBER = scratchSlice()
const TARGET = scratchSlice()

/** GEOSEARCH key FROMMEMBER member|FROMLONLAT … BYRADIUS …|BYBOX … [ASC|DESC] [COUNT …] …. */
export function geosearch(context: Context, args: Args, reply: Reply): void {
  run(context, args, SEARCH, reply)
}

/** GEOSEARCHSTORE target source …: as GEOSEARCH; how many were stored. */
export function geosearchstore(context: Context, args: Args, reply: Reply): void {
  run(context, args, SEARCH_STORED, reply)
}

/** GEORADIUS key longitude latitude radius unit …. */
export function georadius(context: Context, args: Args, reply: Reply): void {
  run(context, args, RADIUS, reply)
}

/** GEORADIUS_RO: GEORADIUS that stores nothing. */
export function georadiusRo(context: Context, args: Args, reply: Reply): void {
  run(context, args, RADIUS_RO, reply)
}

/** GEORADIUSBYMEMBER key member radius unit …. */
export function georadiusbymember(context: Context, args: Args, reply: Reply): void {
  run(context, args, BY_MEMBER, reply)
}

/** GEORADIUSBYMEMBER_RO: GEORADIUSBYMEMBER that stores nothing. */
export function georadiusbymemberRo(context: Context, args: Args, reply: Reply): void {
  run(context, args, BY_MEMBER_RO, reply)
}

function run(context: Context, args: Args, form: Form, reply: Reply): void {
  const zset = readZset(context, keyArgument(context, args, form.source), reply)
  if (zset === WRONG) return
  clear(form)
  if (!form.isSearch && !readFixed(args, form, zset, reply)) return
  if (!readOptions(args, form, zset, reply)) return
  const error = conflict(args, form)
  if (error !== null) return reply.error(error)
  if (zset === null) {
    if (SEARCHED.target === 0) reply.array(0)
    else dropTarget(context, args, reply)
    return
  }
  const { count, isAny } = SEARCHED
  // The nearest are asked for, unless any will do.
  if (count !== 0 && !isAny) SEARCHED.isSorted = true
  findInShape(zset, SHAPE, isAny ? count : 0)
  if (SEARCHED.isSorted) FOUND.sort(SEARCHED.isDescending)
  const kept = count === 0 ? FOUND.count : Math.min(count, FOUND.count)
  if (SEARCHED.target !== 0) store(context, args, { form, zset, kept, reply })
  else replyFound(zset, kept, reply)
  FOUND.clear()
}

function clear({ target }: Form): void {
  SEARCHED.hasDistance = false
  SEARCHED.hasHash = false
  SEARCHED.hasCoordinates = false
  SEARCHED.isAny = false
  SEARCHED.isSorted = false
  SEARCHED.isDescending = false
  SEARCHED.count = 0
  SEARCHED.target = target
  SEARCHED.storesDistance = false
  SEARCHED.hasMember = false
  SEARCHED.hasPlace = false
  SEARCHED.hasRadius = false
  SEARCHED.hasBox = false
}

/** Reads what stands before the options of GEORADIUS; false after an error reply. */
function readFixed(args: Args, form: Form, zset: Zset | null, reply: Reply): boolean {
  const isByMember = form.firstOption === BY_MEMBER.firstOption
  if (!isByMember) {
    return placeArgument(args, 2, SHAPE.center, reply) && readRadius(args, 4, reply)
  }
  // Without the key only the options matter: they say how to reply.
  if (zset === null) return true
  return readMember(args, 2, zset, reply) && readRadius(args, 3, reply)
}

/** Reads the options; false after an error reply. */
function readOptions(args: Args, form: Form, zset: Zset | null, reply: Reply): boolean {
  for (let i = form.firstOption; i < args.count; i++) {
    if (args.is(i, WITHDIST)) SEARCHED.hasDistance = true
    else if (args.is(i, WITHHASH)) SEARCHED.hasHash = true
    else if (args.is(i, WITHCOORD)) SEARCHED.hasCoordinates = true
    else if (args.is(i, ANY)) SEARCHED.isAny = true
    else if (args.is(i, ASC) || args.is(i, DESC)) {
      SEARCHED.isSorted = true
      SEARCHED.isDescending = args.is(i, DESC)
    } else {
      const read = readLongOption(args, i, { form, zset, reply })
      if (read < 0) return false
      i += read
    }
  }
  return true
}

/** Reads an option with values; how many, or -1 after an error reply. */
function readLongOption(
  args: Args,
  i: number,
  { form, zset, reply }: { readonly form: Form; readonly zset: Zset | null; readonly reply: Reply },
): number {
  const left = args.count - 1 - i
  if (left >= 1 && args.is(i, COUNT)) return readCount(args, i + 1, reply) ? 1 : -1
  if (form.takesStore && left >= 1 && (args.is(i, STORE) || args.is(i, STOREDIST))) {
    SEARCHED.target = i + 1
    SEARCHED.storesDistance = args.is(i, STOREDIST)
    return 1
  }
  if (form.isSearch) return readSearchOption(args, i, { form, zset, reply })
  reply.error(SYNTAX_ERROR)
  return -1
}

/** Reads an option that only GEOSEARCH has; how many values, or -1 after an error reply. */
function readSearchOption(
  args: Args,
  i: number,
  { form, zset, reply }: { readonly form: Form; readonly zset: Zset | null; readonly reply: Reply },
): number {
  const left = args.count - 1 - i
  if (left >= 1 && !SEARCHED.hasPlace && args.is(i, FROMMEMBER)) {
    SEARCHED.hasMember = true
    return zset === null || readMember(args, i + 1, zset, reply) ? 1 : -1
  }
  if (left >= 2 && !SEARCHED.hasMember && args.is(i, FROMLONLAT)) {
    SEARCHED.hasPlace = true
    return placeArgument(args, i + 1, SHAPE.center, reply) ? 2 : -1
  }
  if (left >= 2 && !SEARCHED.hasBox && args.is(i, BYRADIUS)) {
    SEARCHED.hasRadius = true
    return readRadius(args, i + 1, reply) ? 2 : -1
  }
  if (left >= 3 && !SEARCHED.hasRadius && args.is(i, BYBOX)) {
    SEARCHED.hasBox = true
    return readBox(args, i + 1, reply) ? 3 : -1
  }
  if (form.target !== 0 && args.is(i, STOREDIST)) {
    SEARCHED.storesDistance = true
    return 0
  }
  reply.error(SYNTAX_ERROR)
  return -1
}

function readCount(args: Args, i: number, reply: Reply): boolean {
  const count = integerArgument(args, i, reply)
  if (count === null) return false
  SEARCHED.count = Number(count)
  if (count > 0) return true
  reply.error(BAD_COUNT)
  return false
}

/** Takes the place of a member for the center. */
function readMember(args: Args, i: number, zset: Zset, reply: Reply): boolean {
  if (zset.find(MEMBER.set(args.bytes, args.start(i), args.length(i)))) {
    placeOfScore(zset.score, SHAPE.center)
    return true
  }
  reply.error(NO_MEMBER)
  return false
}

function readRadius(args: Args, i: number, reply: Reply): boolean {
  const radius = args.double(i)
  if (radius === null) reply.error(NO_RADIUS)
  else if (radius < 0) reply.error(NEGATIVE_RADIUS)
  else {
    const unit = unitArgument(args, i + 1, reply)
    SHAPE.isBox = false
    SHAPE.radius = radius
    SHAPE.unit = unit
    return unit > 0
  }
  return false
}

function readBox(args: Args, i: number, reply: Reply): boolean {
  const width = args.double(i)
  const height = args.double(i + 1)
  if (width === null) reply.error(NO_WIDTH)
  else if (height === null) reply.error(NO_HEIGHT)
  else if (width < 0 || height < 0) reply.error(NEGATIVE_BOX)
  else {
    const unit = unitArgument(args, i + 2, reply)
    SHAPE.isBox = true
    SHAPE.width = width
    SHAPE.height = height
    SHAPE.unit = unit
    return unit > 0
  }
  return false
}

/** What is wrong with the options together; null: nothing. */
function conflict(args: Args, form: Form): ReplyError | null {
  const { hasDistance, hasHash, hasCoordinates, isAny, count, target } = SEARCHED
  const { hasMember, hasPlace, hasRadius, hasBox } = SEARCHED
  if (target !== 0 && (hasDistance || hasHash || hasCoordinates)) {
    return form.isSearch ? SEARCH_STORE : RADIUS_STORE
  }
  if (form.isSearch && !hasMember && !hasPlace) {
    return onlyOne('FROMMEMBER or FROMLONLAT', args)
  }
  if (form.isSearch && !hasRadius && !hasBox) return onlyOne('BYRADIUS and BYBOX', args)
  return isAny && count === 0 ? ANY_WITHOUT_COUNT : null
}

function onlyOne(options: string, args: Args): ReplyError {
  return replyError(`ERR exactly one of ${options} can be specified for ${args.text(0)}`)
}

/** Replies the first `kept` of what was found. */
function replyFound(zset: Zset, kept: number, reply: Reply): void {
  const { hasDistance, hasHash, hasCoordinates } = SEARCHED
  const extras = Number(hasDistance) + Number(hasHash) + Number(hasCoordinates)
  reply.array(kept)
  for (let i = 0; i < kept; i++) {
    zset.seekRank(FOUND.rank(i))
    if (extras > 0) reply.array(extras + 1)
    replyMember(reply, zset)
    if (extras === 0) continue
    if (hasDistance) reply.bulkText(fixedText(FOUND.distance(i) / SHAPE.unit, 4))
    const { score } = zset
    if (hasHash) reply.integer(Number.isSafeInteger(score) ? score : hashOf(score))
    if (hasCoordinates) replyPlace(placeOfScore(score, PLACE), reply)
  }
}

/** A score as C's conversion to a 64-bit integer shows it. */
function hashOf(score: number): bigint {
  const whole = Number.isFinite(score) ? BigInt(Math.trunc(score)) : -(2n ** 63n)
  return whole >= 2n ** 63n || whole < -(2n ** 63n) ? -(2n ** 63n) : whole
}

/** Replies longitude and latitude. */
export function replyPlace({ longitude, latitude }: Place, reply: Reply): void {
  reply.array(2)
  replyCoordinate(longitude, reply)
  replyCoordinate(latitude, reply)
}

function replyCoordinate(degrees: number, reply: Reply): void {
  const text = coordinateText(degrees)
  if (reply.version === 2) return reply.bulkText(text)
  // A double with more digits than doubles are replied with elsewhere.
  const line = latin1(`${String.fromCharCode(COMMA)}${text}\r\n`)
  reply.raw(line, 0, line.length)
}

/** Stores the first `kept` of what was found, with their hashes or distances. */
function store(
  context: Context,
  args: Args,
  found: { readonly form: Form; readonly zset: Zset; readonly kept: number; readonly reply: Reply },
): void {
  const { form, zset, kept, reply } = found
  if (kept === 0) return dropTarget(context, args, reply)
  const { db, limits } = context
  const { made } = zsetsOf(db)
  made.openNew()
  try {
    for (let i = 0; i < kept; i++) {
      zset.seekRank(FOUND.rank(i))
      const score = SEARCHED.storesDistance ? exactDistance(zset) : zset.score
      made.add(zset.readMember(MEMBER), score, limits.encodings)
    }
  } catch (error) {
    made.discard()
    throw error
  }
  made.storeAs(db, targetKey(args))
  const event: KeyEvent = form.isSearch ? GEOSEARCHSTORE : GEORADIUSSTORE
  context.keyspace.dirty += kept - 1
  noteChange(context, TARGET, event)
  reply.integer(kept)
}

/** From the center to the member at the place, in the unit asked for. */
function exactDistance(zset: Zset): number {
  return exactDistanceBetween(SHAPE.center, placeOfScore(zset.score, PLACE)) / SHAPE.unit
}

/** Nothing was found: the target goes. */
function dropTarget(context: Context, args: Args, reply: Reply): void {
  const { db } = context
  const old = db.peek(targetKey(args))
  if (old !== NULL) {
    db.remove(old)
    noteChange(context, TARGET, DEL)
  }
  reply.integer(0)
}

function targetKey(args: Args) {
  const { target } = SEARCHED
  return TARGET.set(args.bytes, args.start(target), args.length(target))
}
