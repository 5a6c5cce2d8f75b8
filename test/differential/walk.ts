// The state of a server as a client sees it: every key of the first databases with its type,
// encoding, deadline and contents, in a form that two servers share.

import type { RawClient } from '../lib/client.ts'
import { showValue, type Value } from '../lib/resp.ts'

/** What is known of a key; `contents` is a text. */
export interface KeyState {
  readonly type: string
  readonly encoding: string
  /** Unix ms; -1 without. */
  readonly deadlineMs: number
  readonly contents: string
}

const FIELDS_AND_SCORES = /^(hash|set)$/
/** Of XINFO STREAM FULL: what tells how an implementation keeps it, or of the time. */
const OWN_FIELDS = /^(radix-tree-keys|radix-tree-nodes|seen-time|active-time)$/
/** A time of these years, as a text by itself. */
const UNIX_MS = /"1[6-9]\d{11}"/g
const READ: Readonly<Record<string, (key: string) => readonly string[]>> = {
  string: (key) => ['GET', key],
  list: (key) => ['LRANGE', key, '0', '-1'],
  hash: (key) => ['HGETALL', key],
  set: (key) => ['SMEMBERS', key],
  zset: (key) => ['ZRANGE', key, '0', '-1', 'WITHSCORES'],
  stream: (key) => ['XINFO', 'STREAM', key, 'FULL', 'COUNT', '0'],
}

/** All keys of the databases, by `database:key`. The client is left in the first of them. */
export async function walk(client: RawClient, databases: number): Promise<Map<string, KeyState>> {
  const states = new Map<string, KeyState>()
  for (let database = databases - 1; database >= 0; database--) {
    await client.text('SELECT', `${database}`)
    const keys = await client.call('KEYS', '*')
    for (const { text } of keys.items) {
      const state = await keyState(client, text)
      if (state !== null) states.set(`${database}:${text}`, state)
    }
  }
  return states
}

/** What there is to know of a key; null when there is none. */
export async function keyState(client: RawClient, key: string): Promise<KeyState | null> {
  const type = (await client.call('TYPE', key)).text
  const read = READ[type]
  if (read === undefined) return null
  const encoding = (await client.call('OBJECT', 'ENCODING', key)).text
  const deadlineMs = Number((await client.call('PEXPIRETIME', key)).text)
  const contents = contentsOf(type, await client.call(...read(key)))
  return { type, encoding, deadlineMs, contents }
}

/** What may differ between two states. */
export interface Freedom {
  /** Between deadlines; above 0, times in streams are not compared. */
  readonly toleratedMs?: number
  /** Whether encodings of sorted sets may differ. */
  readonly areZsetsOpen?: boolean
}

/** The first difference between two states, as text; '' when there is none. */
export function compareStates(
  ours: ReadonlyMap<string, KeyState>,
  theirs: ReadonlyMap<string, KeyState>,
  freedom: Freedom = {},
): string {
  for (const [name, expected] of theirs) {
    const found = ours.get(name)
    if (found === undefined) return `${name} is missing here: ${show(expected)}`
    if (isSame(found, expected, freedom)) continue
    return `${name}\n  ours:   ${show(found)}\n  theirs: ${show(expected)}`
  }
  const extra = [...ours.keys()].find((name) => !theirs.has(name))
  return extra === undefined ? '' : `${extra} is only here: ${show(ours.get(extra)!)}`
}

function isSame(ours: KeyState, theirs: KeyState, freedom: Freedom): boolean {
  const { toleratedMs = 0, areZsetsOpen = false } = freedom
  const isNear =
    ours.deadlineMs < 0 || theirs.deadlineMs < 0
      ? ours.deadlineMs === theirs.deadlineMs
      : Math.abs(ours.deadlineMs - theirs.deadlineMs) <= toleratedMs
  return (
    isNear &&
    ours.type === theirs.type &&
    (ours.encoding === theirs.encoding || (areZsetsOpen && ours.type === 'zset')) &&
    timeless(ours, toleratedMs) === timeless(theirs, toleratedMs)
  )
}

/** The contents; without the times in a stream where times may differ. */
function timeless({ type, contents }: KeyState, toleratedMs: number): string {
  return type === 'stream' && toleratedMs > 0 ? contents.replace(UNIX_MS, '""') : contents
}

function contentsOf(type: string, value: Value): string {
  if (value.kind === 'error') return showValue(value)
  if (type === 'stream') return JSON.stringify(streamContents(value))
  if (!FIELDS_AND_SCORES.test(type)) return JSON.stringify(plain(value))
  const size = type === 'hash' ? 2 : 1
  const rows: string[] = []
  for (let i = 0; i < value.items.length; i += size) {
    rows.push(JSON.stringify(value.items.slice(i, i + size).map(plain)))
  }
  return rows.sort().join(' ')
}

/** Texts and lists of them, without the types of the wire. */
type Plain = string | null | readonly Plain[]

function plain(value: Value): Plain {
  if (value.kind === 'nil' || value.kind === 'null' || value.kind === 'nilArray') return null
  const isScalar = value.items.length === 0 && !/^(array|set|map)$/.test(value.kind)
  return isScalar ? value.text : value.items.map(plain)
}

/** As `plain`, without the fields that are an implementation's own. */
function streamContents(value: Value): Plain {
  if (value.items.length === 0) return plain(value)
  return value.items.map((item, i) => {
    const isOwn = i > 0 && OWN_FIELDS.test(value.items[i - 1]!.text)
    return isOwn ? '' : streamContents(item)
  })
}

function show({ type, encoding, deadlineMs, contents }: KeyState): string {
  const shown = contents.length > 1500 ? `${contents.slice(0, 1500)}…` : contents
  return `${type} ${encoding} ${deadlineMs} ${shown}`
}
