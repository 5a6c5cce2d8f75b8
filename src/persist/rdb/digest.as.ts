// The hashing of what an RDB stream holds, in AssemblyScript: compiled as kernels.as.ts is, driven
// by digest-kernel.ts, specified in docs/formats/digest.md. It works in the memory of the kernels
// of the same thread, behind whose regions it may read, but never write.
//
// The hash of a string is MurmurHash3_x64_128 (public domain, A. Appleby), seed 0. What is made of
// several hashes is such a hash again, over their 16 bytes each, or their sum modulo 2^128 where
// the order does not count.
//
//   string ──hash──► result ──push──► value (sum or chain) ──endKey──► total (sum)

const C1: u64 = 0x87c37b91114253d5
const C2: u64 = 0x4cf5ad432745937f
const BLOCK: u32 = 16

/** How the elements of a listpack are taken. */
const LIST: u32 = 0
const SET: u32 = 1
const HASH: u32 = 2
const NAN_FOUND: u32 = 1

/** Reads the text of a score; NaN: it is none. */
@external("env", "parseScore")
declare function parseScore(start: u32, length: u32): f64

/** 24 bytes for digits, given by `initialise`. */
let digits: u32 = 0

/** State of the hash that is being made, and what the last one came to. */
let h1: u64 = 0
let h2: u64 = 0
/** A result that was put aside, a field while its value is hashed, or a chain of several. */
let kept1: u64 = 0
let kept2: u64 = 0
let key1: u64 = 0
let key2: u64 = 0
let value1: u64 = 0
let value2: u64 = 0
let count: u64 = 0
let total1: u64 = 0
let total2: u64 = 0

export function initialise(scratch: u32): void {
  digits = scratch
}

/** Forgets all keys. */
export function reset(): void {
  total1 = 0
  total2 = 0
}

/** Hashes a string. */
export function hash(start: u32, length: u32): void {
  begin()
  const bulk = length & ~(BLOCK - 1)
  blocks(start, bulk)
  end(start + bulk, length - bulk, length)
}

/** Begins a string that comes by pieces. */
export function begin(): void {
  h1 = 0
  h2 = 0
}

/** A piece of the string: whole blocks of 16 bytes. */
export function blocks(start: u32, length: u32): void {
  let a = h1
  let b = h2
  const limit = start + length
  for (let at = start; at < limit; at += BLOCK) {
    a ^= rotl<u64>(load<u64>(at) * C1, 31) * C2
    a = (rotl<u64>(a, 27) + b) * 5 + 0x52dce729
    b ^= rotl<u64>(load<u64>(at, 8) * C2, 33) * C1
    b = (rotl<u64>(b, 31) + a) * 5 + 0x38495ab5
  }
  h1 = a
  h2 = b
}

/** The last piece, below 16 bytes, of a string of `total` bytes. */
export function end(start: u32, length: u32, total: f64): void {
  if (length > 8) h2 ^= rotl<u64>(partial(start + 8, length - 8) * C2, 33) * C1
  if (length > 0) h1 ^= rotl<u64>(partial(start, min<u32>(length, 8)) * C1, 31) * C2
  finish(<u64>total)
}

/** Puts the last result aside. */
export function keep(): void {
  kept1 = h1
  kept2 = h2
}

/** What was put aside is the last result again. */
export function recall(): void {
  h1 = kept1
  h2 = kept2
}

/** Begins a chain of results in the place of the one that was kept. */
export function beginChain(): void {
  kept1 = 0
  kept2 = 0
}

/** The last result is the next in the chain. */
export function chainNext(): void {
  const a = h1
  const b = h2
  h1 = kept1
  h2 = kept2
  block(a, b)
  keep()
}

/** Makes a chain of so many results the last result. */
export function endChain(results: u32): void {
  h1 = kept1
  h2 = kept2
  finish(<u64>results * BLOCK)
}

/** The last result is the key's; a value without elements begins. */
export function beginKey(): void {
  key1 = h1
  key2 = h2
  value1 = 0
  value2 = 0
  count = 0
}

/** The last result is what comes next in the value. */
export function pushNext(): void {
  const a = h1
  const b = h2
  h1 = value1
  h2 = value2
  block(a, b)
  value1 = h1
  value2 = h2
  count++
}

/** The last result is something in the value, wherever. */
export function pushAny(): void {
  value1 += h1
  value2 += h2 + (value1 < h1 ? 1 : 0)
  count++
}

/** The field that was kept has the last result as value, and a deadline (0: none). */
export function pushField(deadlineMs: f64): void {
  const a = h1
  const b = h2
  begin()
  block(kept1, kept2)
  block(a, b)
  block(<u64>deadlineMs, 0)
  finish(3 * BLOCK)
  pushAny()
}

/** The last result is a member with this score. */
export function pushMember(score: f64): void {
  const a = h1
  const b = h2
  begin()
  block(a, b)
  // Listpacks know no negative zero.
  block(reinterpret<u64>(score == 0 ? 0.0 : score), 0)
  finish(2 * BLOCK)
  pushAny()
}

/** Adds the key, of a value whose parts came in their order if `isChain`, to the total. */
export function endKey(database: u32, type: u32, deadlineMs: f64, isChain: u32): void {
  if (isChain) {
    h1 = value1
    h2 = value2
    finish(count * BLOCK)
    value1 = h1
    value2 = h2
  }
  begin()
  block((<u64>type << 32) | <u64>database, <u64><i64>deadlineMs)
  block(key1, key2)
  block(value1, value2)
  block(count, 0)
  finish(4 * BLOCK)
  total1 += h1
  total2 += h2 + (total1 < h1 ? 1 : 0)
}

/** Writes the total's 16 bytes, low word first. */
export function writeTotal(at: u32): void {
  store<u64>(at, total1)
  store<u64>(at, total2, 8)
}

/** Writes the last result's 16 bytes. */
export function writeResult(at: u32): void {
  store<u64>(at, h1)
  store<u64>(at, h2, 8)
}

/** Adds the elements of a listpack that has been checked; NAN_FOUND: a score is none. */
export function addListpack(start: u32, form: u32): u32 {
  const limit = start + load<u32>(start) - 1
  let at = start + 6
  while (at < limit) {
    at = hashEntry(at)
    if (form == LIST) pushNext()
    else if (form == SET) pushAny()
    else if (form == HASH) {
      keep()
      at = hashEntry(at)
      pushField(0)
    } else {
      const score = scoreAt(at)
      if (score != score) return NAN_FOUND
      pushMember(score)
      at = behind(at, bodyBytes(at))
    }
  }
  return 0
}

/** Adds the members of an intset that has been checked. */
export function addIntset(start: u32): void {
  const width = load<u32>(start)
  let at = start + 8
  for (let left = load<u32>(start, 4); left > 0; left--) {
    hashNumber(width == 2 ? load<i16>(at) : width == 4 ? load<i32>(at) : load<i64>(at))
    pushAny()
    at += width
  }
}

/** Hashes the text of a listpack's entry; returns where the next one is. */
function hashEntry(at: u32): u32 {
  const head: u32 = load<u8>(at)
  const body = bodyBytes(at)
  if (head < 0x80 || (head >= 0xc0 && head < 0xe0) || head > 0xf0) hashNumber(numberAt(at, head))
  else {
    const skip: u32 = head < 0xc0 ? 1 : head < 0xf0 ? 2 : 5
    hash(at + skip, body - skip)
  }
  return behind(at, body)
}

/** Bytes of an entry without its length at the end. */
function bodyBytes(at: u32): u32 {
  const head: u32 = load<u8>(at)
  if (head < 0x80) return 1
  if (head < 0xc0) return 1 + (head & 0x3f)
  if (head < 0xe0) return 2
  if (head < 0xf0) return 2 + (((head & 15) << 8) | load<u8>(at, 1))
  if (head == 0xf0) return 5 + load<u32>(at, 1)
  return head == 0xf4 ? 9 : head - 0xf1 + 3
}

@inline
function behind(at: u32, body: u32): u32 {
  let next = at + body + 1
  for (let rest = body >> 7; rest; rest >>= 7) next++
  return next
}

function numberAt(at: u32, head: u32): i64 {
  if (head < 0x80) return head
  if (head < 0xe0) return <i32>((((head & 0x1f) << 8) | load<u8>(at + 1)) << 19) >> 19
  if (head == 0xf1) return load<i16>(at + 1)
  if (head == 0xf2) return <i32>(load<u32>(at + 1) << 8) >> 8
  if (head == 0xf3) return load<i32>(at + 1)
  return load<i64>(at + 1)
}

function scoreAt(at: u32): f64 {
  const head: u32 = load<u8>(at)
  if (head < 0x80 || (head >= 0xc0 && head < 0xe0) || head > 0xf0) return <f64>numberAt(at, head)
  const skip: u32 = head < 0xc0 ? 1 : head < 0xf0 ? 2 : 5
  return parseScore(at + skip, bodyBytes(at) - skip)
}

/** Hashes the decimal text of a number. */
function hashNumber(value: i64): void {
  let rest: u64 = value < 0 ? 0 - <u64>value : <u64>value
  const limit = digits + 24
  let at = limit
  do {
    store<u8>(--at, 48 + <u32>(rest % 10))
    rest /= 10
  } while (rest)
  if (value < 0) store<u8>(--at, 45)
  hash(at, limit - at)
}

@inline
function block(a: u64, b: u64): void {
  h1 ^= rotl<u64>(a * C1, 31) * C2
  h1 = (rotl<u64>(h1, 27) + h2) * 5 + 0x52dce729
  h2 ^= rotl<u64>(b * C2, 33) * C1
  h2 = (rotl<u64>(h2, 31) + h1) * 5 + 0x38495ab5
}

/** The first 1 to 8 bytes at `start`, the rest zero. */
@inline
function partial(start: u32, length: u32): u64 {
  return load<u64>(start) & (<u64>-1 >> <u64>(64 - (length << 3)))
}

function finish(length: u64): void {
  h1 ^= length
  h2 ^= length
  h1 += h2
  h2 += h1
  h1 = mixed(h1)
  h2 = mixed(h2)
  h1 += h2
  h2 += h1
}

@inline
function mixed(value: u64): u64 {
  let k = value
  k = (k ^ (k >> 33)) * 0xff51afd7ed558ccd
  k = (k ^ (k >> 33)) * 0xc4ceb9fe1a85ec53
  return k ^ (k >> 33)
}
