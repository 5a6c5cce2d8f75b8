// Arguments that are places and units of length. Whoever gets no place or unit returns: the error
// has been replied.

import { type Args, word } from '../resp/args.ts'
import { NOT_FLOAT, replyError } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { fixedText } from './geo-text.ts'
import { isPlace, type Place } from './geohash.ts'

const UNITS = [
  { word: word('m'), meters: 1 },
  { word: word('km'), meters: 1000 },
  { word: word('ft'), meters: 0.3048 },
  { word: word('mi'), meters: 1609.34 },
] as const

const BAD_UNIT = replyError('ERR unsupported unit provided. please use M, KM, FT, MI')

/** Fills `out` with longitude and latitude, argument `i` and the next; false: neither. */
export function placeArgument(args: Args, i: number, out: Place, reply: Reply): boolean {
  const longitude = args.double(i)
  const latitude = args.double(i + 1)
  if (longitude === null || latitude === null) {
    reply.error(NOT_FLOAT)
    return false
  }
  if (!isPlace(longitude, latitude)) {
    const pair = `${fixedText(longitude, 6)},${fixedText(latitude, 6)}`
    reply.error(replyError(`ERR invalid longitude,latitude pair ${pair}`))
    return false
  }
  out.longitude = longitude
  out.latitude = latitude
  return true
}

/** The meters of a unit; 0 after an error reply. */
export function unitArgument(args: Args, i: number, reply: Reply): number {
  for (const unit of UNITS) {
    if (args.is(i, unit.word)) return unit.meters
  }
  reply.error(BAD_UNIT)
  return 0
}
