// Shapes that GEOSEARCH looks into, a circle or a box around a place, and distances on a sphere.
//
// A search goes through up to nine cells of the grid, the one of the place and those around it, of
// the finest grid where they cover the shape; what is in them is measured one by one. Their order
// is that of Redis, which replies what is not sorted in it.
// Source: Redis documentation of GEOSEARCH and GEODIST; the haversine formula.

import { exactAsin, exactCos, exactSin } from './exact-trigonometry.ts'
import { type Area, areaOf, type Cell, cellOf, type Place, STEP_MAX } from './geohash.ts'

const EARTH_RADIUS_METERS = 6372797.560856
/** Half of the earth's circumference on the map. */
const MAP_METERS = 20037726.37
const RADIANS_PER_DEGREE = Math.PI / 180
/** Cells get narrower towards the poles: from these latitudes on one and two steps less. */
const NARROW_LATITUDE = 66
const NARROWEST_LATITUDE = 80
/** Below this step the cells around are the whole earth. */
const PRUNED_STEP_MIN = 2

/** Cells around a cell, in the order they are searched: columns to the east, rows to the north. */
const AROUND = [
  [0, 0],
  [0, 1],
  [0, -1],
  [1, 0],
  [-1, 0],
  [1, 1],
  [-1, 1],
  [1, -1],
  [-1, -1],
] as const
const CELLS_MAX = AROUND.length

export interface Shape {
  readonly center: Place
  isBox: boolean
  radius: number
  width: number
  height: number
  /** Meters of the unit that all sizes are given in. */
  unit: number
}

/** The cells that a search goes through. */
export interface SearchCells {
  readonly cells: readonly Cell[]
  count: number
}

const BOUNDS: Area = { west: 0, east: 0, south: 0, north: 0 }
const AREA: Area = { west: 0, east: 0, south: 0, north: 0 }
const CENTER: Cell = { column: 0, row: 0, step: 0 }
const NEAR: Cell = { column: 0, row: 0, step: 0 }
const FOUND: { cells: Cell[]; count: number } = {
  cells: Array.from({ length: CELLS_MAX }, () => ({ column: 0, row: 0, step: 0 })),
  count: 0,
}

/** Meters between two places. */
export function distanceBetween(a: Place, b: Place): number {
  return metersBetween(a.longitude, a.latitude, b.longitude, b.latitude)
}

/**
 * `distanceBetween` to the last bit, as C libraries compute it, some 20 µs slower: for distances
 * that are stored as scores, and so seen with all their digits.
 */
export function exactDistanceBetween(a: Place, b: Place): number {
  const v = exactSin((radians(b.longitude) - radians(a.longitude)) / 2)
  if (v === 0) return metersOfLatitudes(a.latitude, b.latitude)
  const first = radians(a.latitude)
  const second = radians(b.latitude)
  const u = exactSin((second - first) / 2)
  const squared = u * u + exactCos(first) * exactCos(second) * v * v
  return 2 * EARTH_RADIUS_METERS * exactAsin(Math.sqrt(squared))
}

/** Meters from the center of a shape to a place; NaN when the place is outside. */
export function distanceInShape(shape: Shape, place: Place): number {
  const { center, unit } = shape
  if (!shape.isBox) {
    const distance = distanceBetween(center, place)
    return distance > shape.radius * unit ? Number.NaN : distance
  }
  const { longitude, latitude } = place
  if (metersOfLatitudes(latitude, center.latitude) > (shape.height * unit) / 2) return Number.NaN
  const across = metersBetween(longitude, latitude, center.longitude, latitude)
  return across > (shape.width * unit) / 2 ? Number.NaN : distanceBetween(center, place)
}

/** The cells that cover a shape; valid until the next call. */
export function cellsAround(shape: Shape): SearchCells {
  const { center } = shape
  boundShape(shape, BOUNDS)
  let step = stepFor(shape)
  cellOf(center, step, CENTER)
  if (step > 1 && !isCovered()) cellOf(center, --step, CENTER)
  areaOf(CENTER, AREA)
  FOUND.count = 0
  for (const [east, north] of AROUND) {
    if (step >= PRUNED_STEP_MIN && isOutside(east, north)) continue
    const cell = moved(CENTER, east, north, FOUND.cells[FOUND.count]!)
    // Where the earth is few cells around, a cell is its own neighbour.
    const last = FOUND.cells[FOUND.count - 1]
    if (last?.column === cell.column && last.row === cell.row) continue
    FOUND.count++
  }
  return FOUND
}

/** The finest step that is likely to do. */
function stepFor({ center, isBox, radius, width, height, unit }: Shape): number {
  const reach = isBox ? Math.sqrt((width / 2) * (width / 2) + (height / 2) * (height / 2)) : radius
  let meters = reach * unit
  if (meters === 0) return STEP_MAX
  let step = 1
  for (; meters < MAP_METERS; meters *= 2) step++
  step -= 2
  const latitude = Math.abs(center.latitude)
  if (latitude > NARROW_LATITUDE) step--
  if (latitude > NARROWEST_LATITUDE) step--
  return Math.min(Math.max(step, 1), STEP_MAX)
}

/** Whether the cells around CENTER reach as far as BOUNDS. */
function isCovered(): boolean {
  if (areaOf(moved(CENTER, 0, 1, NEAR), AREA).north < BOUNDS.north) return false
  if (areaOf(moved(CENTER, 0, -1, NEAR), AREA).south > BOUNDS.south) return false
  if (areaOf(moved(CENTER, 1, 0, NEAR), AREA).east < BOUNDS.east) return false
  return areaOf(moved(CENTER, -1, 0, NEAR), AREA).west <= BOUNDS.west
}

/** Whether BOUNDS end before the cell that lies so from the one that covers AREA. */
function isOutside(east: number, north: number): boolean {
  if (north < 0 && AREA.south < BOUNDS.south) return true
  if (north > 0 && AREA.north > BOUNDS.north) return true
  if (east < 0 && AREA.west < BOUNDS.west) return true
  return east > 0 && AREA.east > BOUNDS.east
}

/**
 * Fills `out` with a cell beside another; beyond an edge the grid begins anew. A place on the very
 * edge of the earth lies in a column or row behind the last one, which only a move brings back.
 */
function moved(cell: Cell, east: number, north: number, out: Cell): Cell {
  const mask = 2 ** cell.step - 1
  out.column = east === 0 ? cell.column : (cell.column + east) & mask
  out.row = north === 0 ? cell.row : (cell.row + north) & mask
  out.step = cell.step
  return out
}

/** What a shape reaches to at most. */
function boundShape(shape: Shape, out: Area): void {
  const { longitude, latitude } = shape.center
  const height = shape.unit * (shape.isBox ? shape.height / 2 : shape.radius)
  const width = shape.unit * (shape.isBox ? shape.width / 2 : shape.radius)
  const tall = degrees(height / EARTH_RADIUS_METERS)
  // The side that is nearer to the pole spans more degrees.
  const edge = latitude < 0 ? latitude - tall : latitude + tall
  const wide = degrees(width / EARTH_RADIUS_METERS / Math.cos(radians(edge)))
  out.west = longitude - wide
  out.east = longitude + wide
  out.south = latitude - tall
  out.north = latitude + tall
}

function metersBetween(lon1: number, lat1: number, lon2: number, lat2: number): number {
  const v = Math.sin((radians(lon2) - radians(lon1)) / 2)
  if (v === 0) return metersOfLatitudes(lat1, lat2)
  const first = radians(lat1)
  const second = radians(lat2)
  const u = Math.sin((second - first) / 2)
  const a = u * u + Math.cos(first) * Math.cos(second) * v * v
  return 2 * EARTH_RADIUS_METERS * Math.asin(Math.sqrt(a))
}

function metersOfLatitudes(lat1: number, lat2: number): number {
  return EARTH_RADIUS_METERS * Math.abs(radians(lat2) - radians(lat1))
}

function radians(degrees: number): number {
  return degrees * RADIANS_PER_DEGREE
}

function degrees(radians: number): number {
  return radians / RADIANS_PER_DEGREE
}
