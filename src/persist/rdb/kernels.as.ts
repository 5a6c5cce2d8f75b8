// The inner loops of the RDB format, in AssemblyScript: compiled to WebAssembly by
// tools/build-kernels.ts into kernels.wasm.ts (committed, so that a start needs no compiler) and
// driven by kernels.ts. Two to three times as fast as the same in TypeScript: decision 0006 has the
// measurements. All addresses are offsets into the module's imported memory.
//
//   0        1 KiB            33 KiB           97 KiB      128 KiB
//   +--------+----------------+----------------+-----------+------------------------
//   | survey | CRC tables     | LZF hash table | survey's  | regions (kernels.ts)
//   |        |                |                | table     |
//   +--------+----------------+----------------+-----------+------------------------
//
// CRC-64 is the Jones polynomial, reflected, start 0, no final xor: "123456789" gives
// e9c6d914c4b8d9ca. It works on 16 bytes per step, with one table per byte.
//
// LZF, as published with liblzf: a stream of instructions, the first byte telling which.
//   000LLLLL                     L + 1 literal bytes follow
//   LLLooooo oooooooo            copy L + 2 bytes from o + 1 bytes back, L in 1…6
//   111ooooo LLLLLLLL oooooooo   copy L + 9 bytes from o + 1 bytes back
//
// Invariants:
// - Loads and stores may pass the end of a range by up to 64 bytes: whoever lays out the memory
//   leaves that much behind each range (Kernels.allocate does).
// - The hash table holds positions of all calls on one growing scale; those of earlier calls are
//   further back than the window and so never match. So it is cleared once in 4 GiB, not per value.

const CRC_TABLES: u32 = 1024
const LZF_TABLE: u32 = CRC_TABLES + 16 * 256 * 8
const LZF_SLOTS: u32 = 1 << 14
/** Behind the table of LZF: where keys of a listpack stand, by their hashes. */
const SURVEY_TABLE: u32 = LZF_TABLE + 4 * (1 << 14)
const SURVEY_SLOTS_MIN: u32 = 16
const SURVEY_SLOTS_MAX: u32 = 2048
const SURVEY_KEYS_MAX: u32 = 1024
const SURVEY_BYTES_MAX: u32 = 8192
/** Whole numbers nearer to 0 are exact as scores. */
const EXACT_MAX: i64 = 1 << 53
/** What `surveyListpack` returns. */
const DAMAGED: u32 = 0
const SURVEYED: u32 = 1
const UNCLEAR: u32 = 2
const WINDOW: u32 = 8192
const COPY_MAX: u32 = 264
const LITERALS_MAX: u32 = 32

/** Every miss past these makes the search step longer by 1/32, as input looks incompressible. */
const PATIENCE: u32 = 5

const POLYNOMIAL: u64 = 0x95ac9329ac4bc9b5

/** Scale of the hash table: the position of the next call's first byte. */
let scale: u32 = WINDOW + 1
/** No copy reaches before this address. */
let history: u32 = 0
/** Where the last `lzfDecompressStep` ended. */
let sourceStop: u32 = 0
let targetStop: u32 = 0

/** Fills the CRC tables. Must be called once, before all else. */
export function initialise(): void {
  for (let i: u32 = 0; i < 256; i++) {
    let crc: u64 = i
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ POLYNOMIAL : crc >> 1
    store<u64>(CRC_TABLES + (i << 3), crc)
  }
  for (let i: u32 = 256; i < 16 * 256; i++) {
    const shorter = load<u64>(CRC_TABLES + ((i - 256) << 3))
    store<u64>(CRC_TABLES + (i << 3), table(0, shorter) ^ (shorter >> 8))
  }
  memory.fill(LZF_TABLE, 0, LZF_SLOTS << 2)
}

/** The checksum of what `crc` covers followed by the range. */
export function crc64(crc: u64, start: u32, length: u32): u64 {
  let at = start
  const limit = start + length
  const bulkLimit = start + (length & ~15)
  for (; at < bulkLimit; at += 16) {
    const a = load<u64>(at) ^ crc
    const b = load<u64>(at, 8)
    crc =
      table(15, a) ^ table(14, a >> 8) ^ table(13, a >> 16) ^ table(12, a >> 24) ^
      table(11, a >> 32) ^ table(10, a >> 40) ^ table(9, a >> 48) ^ table(8, a >> 56) ^
      table(7, b) ^ table(6, b >> 8) ^ table(5, b >> 16) ^ table(4, b >> 24) ^
      table(3, b >> 32) ^ table(2, b >> 40) ^ table(1, b >> 48) ^ table(0, b >> 56)
  }
  for (; at < limit; at++) crc = table(0, crc ^ load<u8>(at)) ^ (crc >> 8)
  return crc
}

/**
 * Encodes a string as RDB does and returns the address behind it: as an integer if it is the
 * canonical text of one of 32 bits, else compressed if `compress` and that saves 4 bytes, else
 * plain. Writes at most `length + 9` bytes (and the slack).
 */
export function encodeString(target: u32, source: u32, length: u32, compress: u32): u32 {
  if (length <= 11) {
    const end = encodeIntegerText(target, source, length)
    if (end) return end
  }
  if (compress && length > 20) {
    const end = encodeCompressed(target, source, length)
    if (end) return end
  }
  const at = encodeLength(target, length)
  copyForward(at, source, length)
  return at + length
}

/** Encodes a 64-bit integer as RDB stores its text, and returns the address behind it. */
export function encodeInteger(target: u32, low: u32, high: u32): u32 {
  const value = ((<i64>high) << 32) | <i64>low
  if (value >= -0x80000000 && value <= 0x7fffffff) return encodeInteger32(target, <i32>value)
  let digits: u64 = value < 0 ? 0 - <u64>value : <u64>value
  let length: u32 = value < 0 ? 1 : 0
  for (let rest = digits; rest; rest /= 10) length++
  let at = encodeLength(target, length) + length
  const end = at
  for (; digits; digits /= 10) store<u8>(--at, 48 + <u32>(digits % 10))
  if (value < 0) store<u8>(--at, 45)
  return end
}

/** Writes a length and returns the address behind it. */
export function encodeLength(target: u32, length: u32): u32 {
  if (length < 64) {
    store<u8>(target, length)
    return target + 1
  }
  if (length < 16384) {
    store<u8>(target, 0x40 | (length >> 8))
    store<u8>(target, length, 1)
    return target + 2
  }
  store<u8>(target, 0x80)
  store<u32>(target, bswap<u32>(length), 1)
  return target + 5
}

/** Compresses into `target`; returns the length of the result, or 0 if it exceeds `capacity`. */
export function lzfCompress(source: u32, length: u32, target: u32, capacity: u32): u32 {
  if (scale > 0xffffffff - length - 2 * WINDOW) {
    memory.fill(LZF_TABLE, 0, LZF_SLOTS << 2)
    scale = WINDOW + 1
  }
  const bias = scale - source
  scale += length + WINDOW + 1
  // A small input touches a small part of the table, which then stays in the cache.
  const shift: u32 = length <= 2048 ? 21 : 18
  const limit = source + length
  const targetLimit = target + capacity
  let at = source
  let anchor = source
  let out = target
  let misses: u32 = 1 << PATIENCE
  while (at + 4 <= limit) {
    const word = load<u32>(at)
    const slot = LZF_TABLE + (((word * 2654435761) >> shift) << 2)
    const distance = at + bias - load<u32>(slot)
    store<u32>(slot, at + bias)
    if (distance - 1 >= WINDOW || load<u32>(at - distance) != word) {
      at += misses++ >> PATIENCE
      continue
    }
    let length = 4 + commonLength(at + 4, at + 4 - distance, limit)
    while (at > anchor && at - distance > source) {
      if (load<u8>(at - 1) != load<u8>(at - distance - 1)) break
      at--
      length++
    }
    // Room for the literals with their headers, and for the copies.
    const literals = at - anchor
    if (out + literals + (literals >> 5) + 4 + 3 * (length / COPY_MAX) > targetLimit) return 0
    out = writeLiterals(out, anchor, literals)
    out = writeCopies(out, distance - 1, length)
    // One or two bytes beyond a full copy are too short for a copy: they become literals.
    const tail = length % COPY_MAX
    at += tail < 3 ? length - tail : length
    anchor = at
    misses = 1 << PATIENCE
    if (at + 2 <= limit) {
      const inside = at - 2
      store<u32>(LZF_TABLE + (((load<u32>(inside) * 2654435761) >> shift) << 2), inside + bias)
    }
  }
  const literals = limit - anchor
  if (out + literals + ((literals + 31) >> 5) > targetLimit) return 0
  return writeLiterals(out, anchor, literals) - target
}

/** Starts a stream whose output begins at `start`: copies from before it are errors. */
export function lzfDecompressBegin(start: u32): void {
  history = start
}

/**
 * Decompresses whole instructions until source or target end; `lzfSourceStop` and
 * `lzfTargetStop` tell where it stopped. Returns 0, or 1 if a copy reaches before the history.
 * Stops before an instruction that is incomplete or whose output does not fit.
 */
export function lzfDecompressStep(
  source: u32, sourceLimit: u32, target: u32, targetLimit: u32,
): u32 {
  let at = source
  let out = target
  while (at < sourceLimit) {
    const control: u32 = load<u8>(at)
    if (control < LITERALS_MAX) {
      const length = control + 1
      if (at + 1 + length > sourceLimit || out + length > targetLimit) break
      v128.store(out, v128.load(at, 1))
      if (length > 16) v128.store(out, v128.load(at, 17), 16)
      at += 1 + length
      out += length
      continue
    }
    let length = (control >> 5) + 2
    let next = at + 1
    if (length == 9) length += load<u8>(next++)
    const distance = (((control & 31) << 8) | load<u8>(next++)) + 1
    if (next > sourceLimit || out + length > targetLimit) break
    if (distance > out - history) {
      sourceStop = at
      targetStop = out
      return 1
    }
    copyBack(out, distance, length)
    out += length
    at = next
  }
  sourceStop = at
  targetStop = out
  return 0
}

export function lzfSourceStop(): u32 {
  return sourceStop
}

export function lzfTargetStop(): u32 {
  return targetStop
}

/**
 * Checks a listpack and, with a stride of 1 or 2, surveys it as listpack-survey.ts does, in one
 * walk; with 0 only entries are counted.
 *
 * SURVEYED: it is whole, and words 0 to 4 hold its keys, those that are numbers, the longest texts
 * of keys and of values, and its entries; word 5 is 1 when all values are whole numbers, each above
 * the one before it: scores in their order, whatever the members. DAMAGED: it is not whole.
 * UNCLEAR: it has something that is rare (a string of more than 63 bytes, a key twice, a number
 * spelled as nobody would), and may be damaged; the long way tells.
 */
export function surveyListpack(start: u32, length: u32, stride: u32): u32 {
  if (length < 7 || load<u32>(start) != length) return DAMAGED
  const limit = start + length - 1
  if (load<u8>(limit) != 0xff) return DAMAGED
  const known: u32 = load<u16>(start + 4)
  let mask: u32 = 0
  if (stride != 0) {
    if (length > SURVEY_BYTES_MAX || known > SURVEY_KEYS_MAX * stride) return UNCLEAR
    mask = clearTable(known / stride) - 1
  }
  let keys: u32 = 0
  let integers: u32 = 0
  let longestKey: u32 = 0
  let longestValue: u32 = 0
  let entries: u32 = 0
  let isKey = true
  let isAscending = stride == 2
  let before: i64 = -EXACT_MAX
  let at = start + 6
  while (at < limit) {
    const head: u32 = load<u8>(at)
    const isString = head >= 0x80 && head < 0xc0
    let body: u32
    let text: u32
    if (isString) {
      text = head & 0x3f
      body = 1 + text
    } else if (head < 0x80) {
      text = 3
      body = 1
    } else if (head < 0xe0) {
      text = 5
      body = 2
    } else if (head >= 0xf1 && head <= 0xf4) {
      text = head == 0xf1 ? 6 : head == 0xf2 ? 8 : head == 0xf3 ? 11 : 20
      body = head == 0xf4 ? 9 : head - 0xf1 + 3
    } else return UNCLEAR
    if (at + body >= limit || load<u8>(at + body) != body) return DAMAGED
    entries++
    if (stride != 0) {
      if (isKey) {
        // More than the head counts: the table has no room for them.
        if (entries > known) return DAMAGED
        if (isString ? isNumber(at + 1, text) : !isCanonical(at, head)) return UNCLEAR
        if (!addKey(start, at, body, mask)) return UNCLEAR
        if (!isString) integers++
        keys++
        longestKey = max(longestKey, text)
      } else {
        longestValue = max(longestValue, text)
        if (isAscending) {
          const value = isString ? before : numberAt(at, head)
          isAscending = value > before && value < EXACT_MAX
          before = value
        }
      }
      isKey = stride == 1 || !isKey
    }
    at += body + 1
  }
  if (known != 0xffff && known != entries) return DAMAGED
  if (!isKey) return UNCLEAR
  store<u32>(0, keys)
  store<u32>(4, integers)
  store<u32>(8, longestKey)
  store<u32>(12, longestValue)
  store<u32>(16, entries)
  store<u32>(20, isAscending ? 1 : 0)
  return SURVEYED
}

/** Makes an empty table for so many keys; returns how many slots it has. */
function clearTable(keys: u32): u32 {
  let slots = SURVEY_SLOTS_MIN
  while (slots < 2 * keys && slots < SURVEY_SLOTS_MAX) slots <<= 1
  memory.fill(SURVEY_TABLE, 0, slots << 2)
  return slots
}

/** Whether a text is digits only, with or without a minus: it should not be a string. */
function isNumber(start: u32, length: u32): bool {
  let at = start
  const limit = start + length
  if (length > 1 && load<u8>(at) == 0x2d) at++
  if (at == limit) return false
  for (; at < limit; at++) {
    const byte = load<u8>(at)
    if (byte < 0x30 || byte > 0x39) return false
  }
  return true
}

/** The number that is the entry at `at`. */
function numberAt(at: u32, head: u32): i64 {
  if (head < 0x80) return head
  if (head < 0xe0) return <i32>((((head & 0x1f) << 8) | load<u8>(at + 1)) << 19) >> 19
  if (head == 0xf1) return load<i16>(at + 1)
  if (head == 0xf2) return <i32>(load<u32>(at + 1) << 8) >> 8
  if (head == 0xf3) return load<i32>(at + 1)
  return load<i64>(at + 1)
}

/** Whether a number is in the shortest of its forms, so that equal ones have equal bytes. */
function isCanonical(at: u32, head: u32): bool {
  const value = numberAt(at, head)
  if (head < 0x80) return true
  if (head < 0xe0) return value < 0 || value > 127
  if (head == 0xf1) return value < -4096 || value > 4095
  if (head == 0xf2) return value < -32768 || value > 32767
  if (head == 0xf3) return value < -8388608 || value > 8388607
  return value < -2147483648 || value > 2147483647
}

/** Puts the key with this body into the table; false: it is there. */
function addKey(start: u32, at: u32, body: u32, mask: u32): bool {
  let hash: u32 = body
  let left = body
  let from = at
  for (; left >= 4; left -= 4, from += 4) {
    hash = (hash ^ load<u32>(from)) * 0x9e3779b1
    hash ^= hash >> 15
  }
  for (; left > 0; left--, from++) hash = (hash ^ load<u8>(from)) * 0x01000193
  hash = (hash ^ (hash >> 15)) * 0x85ebca6b
  hash ^= hash >> 13
  const print = hash & 0xffff0000
  let slot = hash & mask
  for (;;) {
    const found = load<u32>(SURVEY_TABLE + (slot << 2))
    if (found == 0) break
    if ((found & 0xffff0000) == print && isEqual(at, start + (found & 0xffff), body)) return false
    slot = (slot + 1) & mask
  }
  store<u32>(SURVEY_TABLE + (slot << 2), print | (at - start))
  return true
}

/** Whether two keys have the same bytes; the head tells the length. */
function isEqual(a: u32, b: u32, length: u32): bool {
  for (let i: u32 = 0; i < length; i++) {
    if (load<u8>(a + i) != load<u8>(b + i)) return false
  }
  return true
}

@inline
function table(index: u32, byte: u64): u64 {
  return load<u64>(CRC_TABLES + (index << 11) + ((<u32>byte & 255) << 3))
}

/** Length of the common bytes at `a` and `b` (before `a`), `a` ending at `limit`. */
@inline
function commonLength(a: u32, b: u32, limit: u32): u32 {
  const start = a
  while (a + 8 <= limit) {
    const difference = load<u64>(a) ^ load<u64>(b)
    if (difference) return a - start + <u32>(ctz(difference) >> 3)
    a += 8
    b += 8
  }
  while (a < limit && load<u8>(a) == load<u8>(b)) {
    a++
    b++
  }
  return a - start
}

@inline
function writeLiterals(out: u32, source: u32, length: u32): u32 {
  while (length >= LITERALS_MAX) {
    store<u8>(out, LITERALS_MAX - 1)
    v128.store(out, v128.load(source), 1)
    v128.store(out, v128.load(source, 16), 17)
    out += LITERALS_MAX + 1
    source += LITERALS_MAX
    length -= LITERALS_MAX
  }
  if (length) {
    store<u8>(out, length - 1)
    v128.store(out, v128.load(source), 1)
    if (length > 16) v128.store(out, v128.load(source, 16), 17)
    out += length + 1
  }
  return out
}

/** Writes the copies of `length` bytes, as many as it takes; drops a rest of one or two. */
@inline
function writeCopies(out: u32, offset: u32, length: u32): u32 {
  while (length >= 3) {
    const part = min(length, COPY_MAX)
    if (part <= 8) {
      store<u8>(out++, ((part - 2) << 5) | (offset >> 8))
    } else {
      store<u8>(out++, (7 << 5) | (offset >> 8))
      store<u8>(out++, part - 9)
    }
    store<u8>(out++, offset)
    length -= part
  }
  return out
}

/** Copies a range onto itself further on: with a short distance the bytes repeat. */
@inline
function copyBack(out: u32, distance: u32, length: u32): void {
  const limit = out + length
  if (distance >= 16) {
    for (; out < limit; out += 16) v128.store(out, v128.load(out - distance))
  } else if (distance >= 8) {
    for (; out < limit; out += 8) store<u64>(out, load<u64>(out - distance))
  } else if (distance == 1) {
    const byte = i8x16.splat(load<i8>(out - 1))
    for (; out < limit; out += 16) v128.store(out, byte)
  } else {
    for (; out < limit; out++) store<u8>(out, load<u8>(out - distance))
  }
}

@inline
function copyForward(target: u32, source: u32, length: u32): void {
  // The call behind memory.copy costs more than a few vector moves.
  if (length > 1024) {
    memory.copy(target, source, length)
    return
  }
  for (let i: u32 = 0; i < length; i += 16) v128.store(target + i, v128.load(source + i))
}

/** Encodes the text of an integer as one, or returns 0 if it is none or not canonical. */
@inline
function encodeIntegerText(target: u32, source: u32, length: u32): u32 {
  let at = source
  const limit = source + length
  const negative = length > 1 && load<u8>(at) == 45
  if (negative) at++
  if (at == limit || limit - at > 10) return 0
  const first: u32 = load<u8>(at)
  if (first == 48 && (negative || limit - at > 1)) return 0
  let value: i64 = 0
  for (; at < limit; at++) {
    const digit = <u32>load<u8>(at) - 48
    if (digit > 9) return 0
    value = value * 10 + digit
  }
  if (negative) value = -value
  if (value < -0x80000000 || value > 0x7fffffff) return 0
  return encodeInteger32(target, <i32>value)
}

@inline
function encodeInteger32(target: u32, value: i32): u32 {
  if (value == <i32>(<i8>value)) {
    store<u8>(target, 0xc0)
    store<i8>(target, <i8>value, 1)
    return target + 2
  }
  if (value == <i32>(<i16>value)) {
    store<u8>(target, 0xc1)
    store<i16>(target, <i16>value, 1)
    return target + 3
  }
  store<u8>(target, 0xc2)
  store<i32>(target, value, 1)
  return target + 5
}

/** Writes mark, both lengths and the compressed bytes, or returns 0 if that saves too little. */
@inline
function encodeCompressed(target: u32, source: u32, length: u32): u32 {
  const reserved: u32 = length - 4 < 64 ? 1 : length - 4 < 16384 ? 2 : 5
  let body = target + 1 + reserved
  body = encodeLength(body, length)
  const compressed = lzfCompress(source, length, body, length - 4)
  if (!compressed) return 0
  store<u8>(target, 0xc3)
  let at = encodeLength(target + 1, compressed)
  if (at != target + 1 + reserved) {
    at = encodeLength(at, length)
    memory.copy(at, body, compressed)
    return at + compressed
  }
  return body + compressed
}
