// Geohashes as Redis keeps places in sorted sets: longitude and latitude as 26 bits each, taken in
// turns, the longitude's first, so that the 52 bits are a score and neighbours have near scores.
//
//    bit      51  50  49  48        1   0
//           +---+---+---+---+-- … +---+---+      x: column of the longitude, y: row of the latitude
//           | x | y | x | y |     | x | y |
//           +---+---+---+---+-- … +---+---+
//
// A *cell* is a column and a row of a grid of 2^step by 2^step; its members are the scores between
// two bounds. Latitudes end where the map is a square (Web Mercator); text geohashes use the
// common range of ±90 degrees instead.
// Results of two numbers stand in objects that are filled again and again.
// Source: Redis documentation of GEOADD; the geohash of G. Niemeyer.

import { assert } from '../base/assert.ts'

export const STEP_MAX = 26
export const LONGITUDE_MAX = 180
export const LATITUDE_MAX = 85.05112878
/** Latitudes of text geohashes. */
const LATITUDE_TEXT_MAX = 90
const ALPHABET = '0123456789bcdefghjkmnpqrstuvwxyz'
const TEXT_BITS = 50
/** Half of the bits of a score. */
const HALF_BITS = 26
const HALF = 2 ** HALF_BITS
const TWO_32 = 2 ** 32
const TWO_64 = 2 ** 64
const TWO_63 = 2n ** 63n

/** A place in degrees. */
export interface Place {
  longitude: number
  latitude: number
}

/** A cell of the grid of a step. */
export interface Cell {
  column: number
  row: number
  step: number
}

/** What a cell covers, in degrees. */
export interface Area {
  west: number
  east: number
  south: number
  north: number
}

/** Upper and lower half of the bits that were interleaved last. */
const HALVES = { high: 0, low: 0 }
const CELL: Cell = { column: 0, row: 0, step: 0 }
const AREA: Area = { west: 0, east: 0, south: 0, north: 0 }

export function isPlace(longitude: number, latitude: number): boolean {
  const isLongitude = longitude >= -LONGITUDE_MAX && longitude <= LONGITUDE_MAX
  return isLongitude && latitude >= -LATITUDE_MAX && latitude <= LATITUDE_MAX
}

/** The score of a place. */
export function scoreOfPlace(longitude: number, latitude: number): number {
  return scoreIn(longitude, latitude, LATITUDE_MAX)
}

/** Fills `out` with the cell that a place is in. */
export function cellOf(place: Place, step: number, out: Cell): Cell {
  const grid = 2 ** step
  out.column = Math.floor(shareOf(place.longitude, LONGITUDE_MAX) * grid)
  out.row = Math.floor(shareOf(place.latitude, LATITUDE_MAX) * grid)
  out.step = step
  return out
}

/** Fills `out` with what a cell covers. */
export function areaOf(cell: Cell, out: Area): Area {
  const grid = 2 ** cell.step
  out.west = -LONGITUDE_MAX + (cell.column / grid) * (2 * LONGITUDE_MAX)
  out.east = -LONGITUDE_MAX + ((cell.column + 1) / grid) * (2 * LONGITUDE_MAX)
  out.south = -LATITUDE_MAX + (cell.row / grid) * (2 * LATITUDE_MAX)
  out.north = -LATITUDE_MAX + ((cell.row + 1) / grid) * (2 * LATITUDE_MAX)
  return out
}

/** The lowest score in a cell; with `isLimit`, the lowest one behind the cell. */
export function boundOfCell(cell: Cell, isLimit: boolean): number {
  const { column, row, step } = cell
  const bits = interleave(row, column) + (isLimit ? 1 : 0)
  return bits * 2 ** (2 * (STEP_MAX - step))
}

/** Fills `out` with the place that a score stands for: the middle of its smallest cell. */
export function placeOfScore(score: number, out: Place): Place {
  splitScore(score)
  CELL.step = STEP_MAX
  areaOf(CELL, AREA)
  out.longitude = clamp((AREA.west + AREA.east) / 2, LONGITUDE_MAX)
  out.latitude = clamp((AREA.south + AREA.north) / 2, LATITUDE_MAX)
  return out
}

/** The geohash of a place as the rest of the world writes it, eleven characters. */
export function textOfPlace(place: Place): string {
  scoreIn(place.longitude, place.latitude, LATITUDE_TEXT_MAX)
  // Fifty of the 52 bits make ten characters; the last one stands for none.
  const bits = HALVES.high * (HALF / 4) + Math.floor(HALVES.low / 4)
  let text = ''
  for (let shift = TEXT_BITS - 5; shift >= 0; shift -= 5) {
    text += ALPHABET[Math.floor(bits / 2 ** shift) % 32]!
  }
  return text + ALPHABET[0]!
}

/** Where a coordinate lies in its range, 0 to 1. */
function shareOf(degrees: number, max: number): number {
  return (degrees + max) / (max + max)
}

function scoreIn(longitude: number, latitude: number, latitudeMax: number): number {
  const column = Math.floor(shareOf(longitude, LONGITUDE_MAX) * HALF)
  const row = Math.floor(shareOf(latitude, latitudeMax) * HALF)
  return interleave(row, column)
}

/** The bits of both numbers in turn, `row` giving the lowest. Rounded above 2^53, as in Redis. */
function interleave(row: number, column: number): number {
  assert(row >= 0 && column >= 0 && row <= HALF && column <= HALF, 'cells lie in the grid')
  const low = spread(row & 0x1fff) | (spread(column & 0x1fff) << 1)
  const high = spread(row >>> 13) + spread(column >>> 13) * 2
  HALVES.high = high
  HALVES.low = low
  return high * HALF + low
}

/** Puts a 0 before each of up to 14 bits. */
function spread(bits: number): number {
  let spaced = bits
  spaced = (spaced | (spaced << 8)) & 0x00ff00ff
  spaced = (spaced | (spaced << 4)) & 0x0f0f0f0f
  spaced = (spaced | (spaced << 2)) & 0x33333333
  return (spaced | (spaced << 1)) & 0x55555555
}

/** Every second bit of 32, from the lowest on. */
function gather(bits: number): number {
  let packed = bits & 0x55555555
  packed = (packed | (packed >>> 1)) & 0x33333333
  packed = (packed | (packed >>> 2)) & 0x0f0f0f0f
  packed = (packed | (packed >>> 4)) & 0x00ff00ff
  return (packed | (packed >>> 8)) & 0xffff
}

/** Column and row of a score into CELL. Any score is read as 64 bits, as in Redis. */
function splitScore(score: number): void {
  let low: number
  let high: number
  if (score >= 0 && score <= Number.MAX_SAFE_INTEGER) {
    const whole = Math.floor(score)
    low = (whole % TWO_32) | 0
    high = Math.floor(whole / TWO_32) | 0
  } else {
    const bits = BigInt.asUintN(64, wideBits(score))
    low = Number(bits & 0xffffffffn) | 0
    high = Number(bits >> 32n) | 0
  }
  CELL.row = gather(low) + gather(high) * 0x10000
  CELL.column = gather(low >>> 1) + gather(high >>> 1) * 0x10000
}

/** A score that is no whole number of 53 bits, as C converts it on common machines. */
function wideBits(score: number): bigint {
  if (score >= TWO_64) return 0n
  return score < -TWO_64 / 2 ? TWO_63 : BigInt(Math.trunc(score))
}

function clamp(degrees: number, max: number): number {
  if (degrees > max) return max
  return degrees < -max ? -max : degrees
}
