// When an automatic backup is due: once a day, in a window of at least an hour, in UTC. A window
// that nobody chose is derived from the cluster's name, so that clusters of one service do not all
// begin at once and a restart changes nothing.
//
// There is no state besides the catalog: a backup is due when none was begun since the last window
// opened. So one that was missed, because the service was down, is made up for as soon as it is up.

import { createHash } from 'node:crypto'
import { NAME_MAX } from '../backup/names.ts'
import { DAY_MS } from './rules.ts'

const MINUTE_MS = 60_000
const DAY_MINUTES = 1440
export const WINDOW_MINUTES_MIN = 60

/** Minutes of the day, UTC; it may end after midnight. */
export interface DailyWindow {
  readonly startMinute: number
  readonly minutes: number
}

/** Parses `hh:mm-hh:mm`; a sentence when that is no window. */
export function parseWindow(text: string): DailyWindow | string {
  const match = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$/.exec(text)
  if (match === null) return 'hh:mm-hh:mm in UTC, such as 03:00-04:00'
  const [from = 0, fromMinute = 0, to = 0, toMinute = 0] = match.slice(1).map(Number)
  const startMinute = from * 60 + fromMinute
  const minutes = (to * 60 + toMinute - startMinute + DAY_MINUTES) % DAY_MINUTES
  if (minutes >= WINDOW_MINUTES_MIN) return { startMinute, minutes }
  return `a window of at least ${WINDOW_MINUTES_MIN} minutes`
}

export function formatWindow({ startMinute, minutes }: DailyWindow): string {
  return `${clockText(startMinute)}-${clockText((startMinute + minutes) % DAY_MINUTES)}`
}

/** The window of a cluster that nobody chose one for. */
export function windowFor(cluster: string): DailyWindow {
  const hash = createHash('sha256').update(cluster).digest()
  return { startMinute: hash.readUInt32BE(0) % DAY_MINUTES, minutes: WINDOW_MINUTES_MIN }
}

/** When the window last opened, at or before `nowMs`. */
export function lastOpening({ startMinute }: DailyWindow, nowMs: number): number {
  const today = Math.floor(nowMs / DAY_MS) * DAY_MS + startMinute * MINUTE_MS
  return today <= nowMs ? today : today - DAY_MS
}

/** Whether a backup is due, when the newest automatic one was begun at `newestMs` (null: never). */
export function isDue(window: DailyWindow, newestMs: number | null, nowMs: number): boolean {
  return newestMs === null || newestMs < lastOpening(window, nowMs)
}

/** When the next one will be due: now, if it is. */
export function nextDue(window: DailyWindow, newestMs: number | null, nowMs: number): number {
  return isDue(window, newestMs, nowMs) ? nowMs : lastOpening(window, nowMs) + DAY_MS
}

const PREFIX = 'auto-'
const HASH_DIGITS = 6

/** `auto-CLUSTER-20261120-0300`; a long name of a cluster is cut and told apart by a hash. */
export function automaticName(cluster: string, nowMs: number): string {
  const [day = '', time = ''] = new Date(nowMs).toISOString().split('T')
  const suffix = `-${day.replaceAll('-', '')}-${time.slice(0, 8).replaceAll(':', '')}`
  const room = NAME_MAX - PREFIX.length - suffix.length
  if (cluster.length <= room) return `${PREFIX}${cluster}${suffix}`
  const hash = createHash('sha256').update(cluster).digest('hex').slice(0, HASH_DIGITS)
  const head = cluster.slice(0, room - HASH_DIGITS - 1).replace(/-+$/, '')
  return `${PREFIX}${head}-${hash}${suffix}`
}

function clockText(minute: number): string {
  const two = (value: number) => String(value).padStart(2, '0')
  return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`
}
