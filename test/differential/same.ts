// When two replies to the same command count as the same. Most must be equal to the byte. Exempt is
// only what Redis leaves open: the order of members, what a random choice gives, times that pass.

import type { Value } from '../lib/resp.ts'

export type Same = (ours: Value, theirs: Value, words: readonly string[]) => boolean

const TOLERATED_MS = 3000
/** Names in XINFO before values that depend on the time, or on how a structure is laid out. */
const OWN_FIELDS = /^(idle|inactive|seen-time|active-time|radix-tree-keys|radix-tree-nodes)$/

export function exact(ours: Value, theirs: Value): boolean {
  return JSON.stringify(ours) === JSON.stringify(theirs)
}

/** Elements in any order. */
export function unordered(ours: Value, theirs: Value): boolean {
  return exact(sorted(ours, 1), sorted(theirs, 1))
}

/** Pairs in any order, in a map or one after the other. */
export function pairs(ours: Value, theirs: Value): boolean {
  const size = ours.kind === 'map' || ours.items.every((item) => item.items.length === 0) ? 2 : 1
  return exact(sorted(ours, size), sorted(theirs, size))
}

/** A cursor and elements in any order. */
export function scanned(ours: Value, theirs: Value): boolean {
  return scannedBy(1, ours, theirs)
}

/** A cursor and pairs in any order. */
export function scannedPairs(ours: Value, theirs: Value): boolean {
  return scannedBy(2, ours, theirs)
}

/** As many elements of the same kind; which ones is open. */
export function sameSize(ours: Value, theirs: Value): boolean {
  if (ours.kind === 'error') return exact(ours, theirs)
  return ours.kind === theirs.kind && ours.items.length === theirs.items.length
}

/** Any reply of the same kind: IDLETIME of a number that Redis shares is that of all its keys. */
export function sameKind(ours: Value, theirs: Value): boolean {
  return ours.kind === 'error' ? exact(ours, theirs) : ours.kind === theirs.kind
}

/** Milliseconds, up to what the commands between take; negative numbers exactly. */
export function nearMs(ours: Value, theirs: Value): boolean {
  return near(ours, theirs, TOLERATED_MS)
}

/** Seconds. */
export function nearSeconds(ours: Value, theirs: Value): boolean {
  return near(ours, theirs, TOLERATED_MS / 1000)
}

/** XINFO: all but times and the numbers of nodes. */
export function streamInfo(ours: Value, theirs: Value): boolean {
  return exact(withoutOwn(ours), withoutOwn(theirs))
}

/** XPENDING: all but how long ago each delivery was. */
export function pending(ours: Value, theirs: Value, words: readonly string[]): boolean {
  if (words.length <= 3) return exact(ours, theirs)
  return exact(withoutIdle(ours), withoutIdle(theirs))
}

/** Searches without a wanted order give any. */
export function byDistance(ours: Value, theirs: Value, words: readonly string[]): boolean {
  const isOrdered = words.some((word) => /^(asc|desc|count)$/i.test(word))
  return isOrdered ? exact(ours, theirs) : unordered(ours, theirs)
}

/** SORT without an order for all: a part of the elements is any part. */
export function unsorted(ours: Value, theirs: Value, words: readonly string[]): boolean {
  if (exact(ours, theirs)) return true
  const isPart = words.some((word) => /^limit$/i.test(word))
  return isPart ? sameSize(ours, theirs) : unordered(ours, theirs)
}

function near(ours: Value, theirs: Value, tolerated: number): boolean {
  if (ours.kind !== 'integer' || theirs.kind !== 'integer') return exact(ours, theirs)
  const [a, b] = [Number(ours.text), Number(theirs.text)]
  return a < 0 || b < 0 ? a === b : Math.abs(a - b) <= tolerated
}

function scannedBy(size: number, ours: Value, theirs: Value): boolean {
  if (ours.kind !== 'array' || theirs.kind !== 'array') return exact(ours, theirs)
  const [cursor, elements] = ours.items
  const [theirCursor, theirElements] = theirs.items
  if (!cursor || !elements || !theirCursor || !theirElements) return false
  return exact(cursor, theirCursor) && exact(sorted(elements, size), sorted(theirElements, size))
}

/** The value with its elements, `size` at a time, in the order of their text. */
function sorted(value: Value, size: number): Value {
  const groups: Value[][] = []
  for (let i = 0; i < value.items.length; i += size) groups.push(value.items.slice(i, i + size))
  const text = (group: Value[]) => JSON.stringify(group)
  groups.sort((a, b) => (text(a) < text(b) ? -1 : 1))
  return { ...value, items: groups.flat() }
}

function withoutOwn(value: Value): Value {
  const items = value.items.map((item, i) => {
    const isOwn = i % 2 === 1 && OWN_FIELDS.test(value.items[i - 1]!.text)
    return isOwn ? { ...item, text: '' } : withoutOwn(item)
  })
  return withoutIdle({ ...value, items })
}

/** Rows of XPENDING and of XINFO STREAM FULL: an ID, perhaps a consumer, a time, a count. */
function withoutIdle(value: Value): Value {
  const items = value.items.map((row) => {
    const at = row.items.length - 2
    if (at < 1 || at > 2 || row.items[at]!.kind !== 'integer') return row
    if (!/^\d+-\d+$/.test(row.items[0]!.text)) return row
    return { ...row, items: row.items.map((item, i) => (i === at ? { ...item, text: '' } : item)) }
  })
  return { ...value, items }
}
