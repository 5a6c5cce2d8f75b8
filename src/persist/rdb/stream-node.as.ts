// The nodes of streams while they are loaded, in AssemblyScript (tools/build-kernels.ts): a look at
// each byte of a listpack, and its entries written as leaves have them. Driven by stream-nodes.ts.
// Listpack and leaf are drawn in keyspace/stream/node-listpack.ts and entry-leaf.ts.
//
// What goes in and out besides addresses stands in a record of numbers in the memory:
//
//   0         16        32        48     52       56      60       64      68
//   +---------+---------+---------+------+--------+-------+--------+-------+------
//   | node's  | leaf's  | last ID | live | fields | names | behind | first | next
//   | master  | master  | so far  |      | of the | of the master  | entry |
//   | ID      | ID      |         |      | master | entry, address |       |
//   +---------+---------+---------+------+--------+-------+--------+-------+------
//   68     72      76        80     84
//   +------+-------+---------+------+----------
//   | next | start | entries | live | listpack's
//   |      | of the last     |      | bytes
//   +------+-------+---------+------+----------
//
// An ID is two words of 64 bits, milliseconds first. `check` fills 32 to 68, `take` the rest.
// Loads may pass the end of a range by 16 bytes, stores as well: see kernels.as.ts.

const MASTER: u32 = 0
const LEAF: u32 = 16
const LAST: u32 = 32
const LIVE: u32 = 48
const FIELDS: u32 = 52
const NAMES: u32 = 56
const NAMES_LIMIT: u32 = 60
const FIRST: u32 = 64
const NEXT: u32 = 68
const LAST_START: u32 = 72
const ENTRIES: u32 = 76
const TAKEN_LIVE: u32 = 80
const TAKEN_BYTES: u32 = 84

const HEADER_BYTES: u32 = 6
const COUNT_UNKNOWN: u32 = 0xffff
const END: u32 = 0xff
const COUNT_MAX: i64 = 0x7fffffff
const DELETED: u32 = 1
const SAME_FIELDS: u32 = 2
const NODE_START: u32 = 4

/** Address of the record of numbers. */
let record: u32 = 0
/** Of the listpack that is checked: the next element, the end, elements so far. */
let at: u32 = 0
let end: u32 = 0
let elements: u32 = 0
let isDamaged: bool = false

/** Says where the record of numbers is. */
export function initialise(address: u32): void {
  record = address
}

/** Whether the listpack is one of a stream; its IDs ascend and are behind the last one. */
export function check(start: u32, length: u32): bool {
  if (length < HEADER_BYTES + 1 || load<u32>(start) != length) return false
  at = start + HEADER_BYTES
  end = start + length - 1
  if (load<u8>(end) != END) return false
  elements = 0
  isDamaged = false
  const live = count()
  const deleted = count()
  const fields = count()
  const names = at
  pass(fields)
  store<u32>(record, fields, FIELDS)
  store<u32>(record, names, NAMES)
  store<u32>(record, at, NAMES_LIMIT)
  if (count() != 0 || isDamaged) return false
  store<u32>(record, at, FIRST)
  store<u32>(record, live, LIVE)
  if (!checkEntries(fields, live, deleted)) return false
  const known: u32 = load<u16>(start, 4)
  return known == COUNT_UNKNOWN || known == elements
}

function checkEntries(masterFields: u32, live: u32, deleted: u32): bool {
  const masterMs = load<u64>(record, MASTER)
  const masterSequence = load<u64>(record, MASTER + 8)
  let lastMs = load<u64>(record, LAST)
  let lastSequence = load<u64>(record, LAST + 8)
  // Leaves are found by the IDs of their masters.
  if (!isBehind(masterMs, masterSequence, lastMs, lastSequence)) return false
  let entries: u32 = 0
  let flagged: u32 = 0
  while (at < end) {
    const flags: u32 = load<u8>(at)
    if (flags > (DELETED | SAME_FIELDS)) return false
    pass(1)
    const ms = masterMs + <u64>integer()
    const sequence = masterSequence + <u64>integer()
    const isSame = (flags & SAME_FIELDS) != 0
    const fields = isSame ? masterFields : count()
    if (fields >= end - at) return false
    const contents = isSame ? fields : 2 * fields
    pass(contents)
    if (count() != contents + (isSame ? 3 : 4) || isDamaged) return false
    if (!isBehind(ms, sequence, lastMs, lastSequence)) return false
    if (isBehind(masterMs, masterSequence, ms, sequence)) return false
    lastMs = ms
    lastSequence = sequence
    flagged += flags & DELETED
    entries++
  }
  store<u64>(record, lastMs, LAST)
  store<u64>(record, lastSequence, LAST + 8)
  return !isDamaged && flagged == deleted && <u64>entries == <u64>live + deleted
}

/** Leads to the first live entry from `from` on, whose ID becomes the leaf's; 0: there is none. */
export function seekLive(from: u32): u32 {
  for (let place = from; load<u8>(place) != END; place = behindEntry(place)) {
    if ((load<u8>(place) & DELETED) != 0) continue
    const differences = place + 2
    const next = behind(differences)
    store<u64>(record, load<u64>(record, MASTER) + <u64>numberAt(differences), LEAF)
    store<u64>(record, load<u64>(record, MASTER + 8) + <u64>numberAt(next), LEAF + 8)
    return place
  }
  return 0
}

/** Writes the master's names as a leaf has them; returns the address behind them. */
export function copyNames(target: u32): u32 {
  const out = writeNumber(target, load<u32>(record, FIELDS))
  return copyBodies(out, load<u32>(record, NAMES), load<u32>(record, FIELDS))
}

/**
 * Writes the entries from `from` on that fit `room`, as a leaf has them. Of the flags of entries
 * SAME_FIELDS says that the leaf's names are the master's, NODE_START is the first entry's. Returns
 * the address behind the last one; beyond `room` as much may be written as an entry takes.
 */
export function take(from: u32, target: u32, room: u32, wanted: u32): u32 {
  const isSame = wanted & SAME_FIELDS
  const limit = target + room
  let place = from
  let out = target
  let entries: u32 = 0
  let live: u32 = 0
  let extra = wanted & NODE_START
  let lastStart = target
  while (load<u8>(place) != END) {
    const flags: u32 = load<u8>(place)
    const written = copyEntry(place, out, isSame, extra)
    if (written > limit) break
    lastStart = out
    out = written
    place = entryLimit
    extra = 0
    entries++
    if ((flags & DELETED) == 0) live++
  }
  store<u32>(record, place, NEXT)
  store<u32>(record, lastStart - target, LAST_START)
  store<u32>(record, entries, ENTRIES)
  store<u32>(record, live, TAKEN_LIVE)
  store<u32>(record, place - from, TAKEN_BYTES)
  return out
}

/** Where the entry ends that `copyEntry` has copied. */
let entryLimit: u32 = 0

/** Writes the entry at `place`; returns the address behind it. */
function copyEntry(place: u32, target: u32, isSame: u32, extra: u32): u32 {
  const flags: u32 = load<u8>(place)
  const hasMasterFields = (flags & SAME_FIELDS) != 0
  const isShort = hasMasterFields && isSame != 0
  store<u8>(target, (flags & DELETED) | (isShort ? SAME_FIELDS : 0) | extra)
  let from = place + 2
  const ms = load<u64>(record, MASTER) + <u64>numberAt(from)
  from = behind(from)
  const sequence = load<u64>(record, MASTER + 8) + <u64>numberAt(from)
  from = behind(from)
  let out = writeNumber(target + 1, <i64>(ms - load<u64>(record, LEAF)))
  out = writeNumber(out, <i64>(sequence - load<u64>(record, LEAF + 8)))
  if (!hasMasterFields) {
    const fields = <u32>numberAt(from)
    out = writeNumber(out, fields)
    out = copyBodies(out, behind(from), 2 * fields)
  } else if (isShort) {
    out = copyBodies(out, from, load<u32>(record, FIELDS))
  } else {
    out = copyPairs(out, from)
  }
  // The count of elements.
  entryLimit = behind(copied)
  return out
}

/** Where the last of the elements ends that have been copied. */
let copied: u32 = 0

/** Copies elements without the lengths behind them; returns the address behind them. */
@inline
function copyBodies(target: u32, from: u32, count: u32): u32 {
  let out = target
  for (; count > 0; count--) {
    const body = bodyBytes(from)
    copyBytes(out, from, body)
    out += body
    from += body + backlenBytes(body)
  }
  copied = from
  return out
}

/** `copyBodies` of the master's names with the values at `from`, in turn, and their count. */
function copyPairs(target: u32, from: u32): u32 {
  const fields = load<u32>(record, FIELDS)
  let name = load<u32>(record, NAMES)
  let out = writeNumber(target, fields)
  for (let i: u32 = 0; i < fields; i++) {
    const nameBody = bodyBytes(name)
    copyBytes(out, name, nameBody)
    out += nameBody
    name += nameBody + backlenBytes(nameBody)
    const body = bodyBytes(from)
    copyBytes(out, from, body)
    out += body
    from += body + backlenBytes(body)
  }
  copied = from
  return out
}

@inline
function copyBytes(target: u32, source: u32, length: u32): void {
  // The call behind memory.copy costs more than a few vector moves.
  if (length > 256) {
    memory.copy(target, source, length)
    return
  }
  for (let i: u32 = 0; i < length; i += 16) v128.store(target + i, v128.load(source + i))
}

/** The address behind the entry at `place`, which has been checked. */
function behindEntry(place: u32): u32 {
  let next = behind(behind(place + 2))
  let contents = load<u32>(record, FIELDS)
  if ((load<u8>(place) & SAME_FIELDS) == 0) {
    contents = 2 * <u32>numberAt(next)
    next = behind(next)
  }
  for (; contents > 0; contents--) next = behind(next)
  return behind(next)
}

@inline
function isBehind(ms: u64, sequence: u64, lastMs: u64, lastSequence: u64): bool {
  return ms > lastMs || (ms == lastMs && sequence > lastSequence)
}

/** Passes an integer, and returns it. */
@inline
function integer(): i64 {
  const head: u32 = load<u8>(at)
  // Nearly all are their own byte.
  if (head < 0x80 && load<u8>(at, 1) == 1 && at + 2 <= end) {
    at += 2
    elements++
    return head
  }
  return longInteger()
}

function longInteger(): i64 {
  const place = at
  const head: u32 = load<u8>(at)
  pass(1)
  const isInteger = head < 0x80 || (head >= 0xc0 && head < 0xe0) || head > 0xf0
  if (isDamaged || !isInteger) {
    isDamaged = true
    return 0
  }
  return numberAt(place)
}

/** Passes a number that counts something, and returns it; 0 when it does not. */
@inline
function count(): u32 {
  const value = integer()
  if (value >= 0 && value <= COUNT_MAX) return <u32>value
  isDamaged = true
  return 0
}

/** Passes elements. */
function pass(wanted: u32): void {
  for (; wanted > 0 && !isDamaged; wanted--) {
    const head: u32 = load<u8>(at)
    if (head < 0xc0) {
      // Small numbers and short strings, which most are.
      const body: u32 = head < 0x80 ? 1 : 1 + (head & 0x3f)
      if (at + body >= end || load<u8>(at + body) != body) isDamaged = true
      else at += body + 1
    } else {
      passLong(head)
    }
    elements++
  }
}

function passLong(head: u32): void {
  const left = end - at
  // A string may say that it is longer than all memory.
  if (head > 0xf4 || (head == 0xf0 && load<u32>(at, 1) >= left)) {
    isDamaged = true
    return
  }
  const body = bodyBytes(at)
  const length = backlenBytes(body)
  if (body >= left || length > left - body || !isBacklen(at + body, body, length)) {
    isDamaged = true
    return
  }
  at += body + length
}

/** Whether the length of a body stands at `place`, in `length` bytes. */
function isBacklen(place: u32, body: u32, length: u32): bool {
  for (let i: u32 = length; i > 0; i--) {
    const part = (body & 0x7f) | (i > 1 ? 0x80 : 0)
    if (load<u8>(place + i - 1) != part) return false
    body >>= 7
  }
  return body == 0
}

/** Bytes of the element's body at `place`. */
@inline
function bodyBytes(place: u32): u32 {
  const head: u32 = load<u8>(place)
  if (head < 0x80) return 1
  if (head < 0xc0) return 1 + (head & 0x3f)
  if (head < 0xe0) return 2
  if (head < 0xf0) return 2 + (((head & 15) << 8) | load<u8>(place, 1))
  if (head == 0xf0) return 5 + load<u32>(place, 1)
  return head == 0xf4 ? 9 : head - 0xf1 + 3
}

/** Bytes that a body's length takes behind it. */
@inline
function backlenBytes(body: u32): u32 {
  if (body <= 127) return 1
  if (body < 16383) return 2
  if (body < 2097151) return 3
  return body < 268435455 ? 4 : 5
}

@inline
function behind(place: u32): u32 {
  const body = bodyBytes(place)
  return place + body + backlenBytes(body)
}

/** The number that is the element at `place`. */
@inline
function numberAt(place: u32): i64 {
  const head: u32 = load<u8>(place)
  if (head < 0x80) return head
  return longNumberAt(place, head)
}

function longNumberAt(place: u32, head: u32): i64 {
  if (head < 0xe0) return <i32>((((head & 0x1f) << 8) | load<u8>(place, 1)) << 19) >> 19
  if (head == 0xf1) return load<i16>(place, 1)
  if (head == 0xf2) return <i32>(load<u32>(place, 1) << 8) >> 8
  if (head == 0xf3) return load<i32>(place, 1)
  return load<i64>(place, 1)
}

/** Writes a number in its shortest form; returns the address behind it. */
@inline
function writeNumber(target: u32, value: i64): u32 {
  if (<u64>value < 0x80) {
    store<u8>(target, <u8>value)
    return target + 1
  }
  return writeLongNumber(target, value)
}

function writeLongNumber(target: u32, value: i64): u32 {
  if (value >= -4096 && value <= 4095) {
    store<u8>(target, 0xc0 | ((<u32>value >> 8) & 0x1f))
    store<u8>(target, <u8>value, 1)
    return target + 2
  }
  store<i64>(target, value, 1)
  if (value == <i64><i16>value) {
    store<u8>(target, 0xf1)
    return target + 3
  }
  if (value >= -8388608 && value <= 8388607) {
    store<u8>(target, 0xf2)
    return target + 4
  }
  if (value == <i64><i32>value) {
    store<u8>(target, 0xf3)
    return target + 5
  }
  store<u8>(target, 0xf4)
  return target + 9
}
