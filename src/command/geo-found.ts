// What a search for places has found: ranks in the sorted set and distances, in arrays that are
// used again, so that a search allocates nothing for what it finds but room.

import type { Zset } from '../keyspace/zset/zset.ts'
import { cellsAround, distanceInShape, type Shape } from './geo-shape.ts'
import { boundOfCell, type Place, placeOfScore } from './geohash.ts'

const CAPACITY_MIN = 64
/** Arrays that grew beyond this are not kept for the next search. */
const CAPACITY_KEPT = 4096

class Found {
  count = 0
  #ranks = new Uint32Array(CAPACITY_MIN)
  #distances = new Float64Array(CAPACITY_MIN)
  /** Positions in the arrays, in the order of the reply; null: as they were found. */
  #order: Uint32Array | null = null

  add(rank: number, distance: number): void {
    if (this.count === this.#ranks.length) this.#grow()
    this.#ranks[this.count] = rank
    this.#distances[this.count++] = distance
  }

  /** Rank of the `i`th in the order of the reply. */
  rank(i: number): number {
    return this.#ranks[this.#order?.[i] ?? i]!
  }

  /** Its distance in meters. */
  distance(i: number): number {
    return this.#distances[this.#order?.[i] ?? i]!
  }

  /** Puts the nearest first, or last. What is as far stays in the order in which it was found. */
  sort(isDescending: boolean): void {
    const distances = this.#distances
    const order = new Uint32Array(this.count)
    for (let i = 0; i < order.length; i++) order[i] = i
    if (isDescending) order.sort((a, b) => distances[b]! - distances[a]!)
    else order.sort((a, b) => distances[a]! - distances[b]!)
    this.#order = order
  }

  clear(): void {
    this.count = 0
    this.#order = null
    if (this.#ranks.length <= CAPACITY_KEPT) return
    this.#ranks = new Uint32Array(CAPACITY_MIN)
    this.#distances = new Float64Array(CAPACITY_MIN)
  }

  #grow(): void {
    const ranks = new Uint32Array(this.count * 2)
    ranks.set(this.#ranks)
    this.#ranks = ranks
    const distances = new Float64Array(this.count * 2)
    distances.set(this.#distances)
    this.#distances = distances
  }
}

export const FOUND = new Found()
const PLACE: Place = { longitude: 0, latitude: 0 }

/** Fills FOUND with the members in a shape; with the first `limit` of them, unless that is 0. */
export function findInShape(zset: Zset, shape: Shape, limit: number): void {
  FOUND.clear()
  const { cells, count } = cellsAround(shape)
  for (let i = 0; i < count; i++) {
    const cell = cells[i]!
    const from = zset.rankOfScore(boundOfCell(cell, false), false)
    const end = zset.rankOfScore(boundOfCell(cell, true), false)
    if (from < end) zset.seekRank(from)
    for (let rank = from; rank < end; rank++, zset.next()) {
      const distance = distanceInShape(shape, placeOfScore(zset.score, PLACE))
      if (Number.isNaN(distance)) continue
      FOUND.add(rank, distance)
      if (FOUND.count === limit) return
    }
  }
}
