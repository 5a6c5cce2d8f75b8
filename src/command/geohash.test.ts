// Goal: places as scores and back, cells, texts, shapes. Method: values that redis-server 7.0
// replied; random places, whose cells must hold them, and which no search may miss.

import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../base/random.ts'
import { exactAsin, exactCos, exactSin } from './exact-trigonometry.ts'
import { cellsAround, distanceBetween, distanceInShape, type Shape } from './geo-shape.ts'
import { coordinateText, fixedText } from './geo-text.ts'
import {
  areaOf,
  boundOfCell,
  cellOf,
  isPlace,
  placeOfScore,
  scoreOfPlace,
  textOfPlace,
} from './geohash.ts'

const SEED = Number(process.env['SEED'] ?? 11)

function placeOf(score: number) {
  return placeOfScore(score, { longitude: 0, latitude: 0 })
}

test('scores, coordinates and texts are those of Redis', () => {
  const rows: readonly (readonly [number, number, number, string, string, string])[] = [
    [
      13.361389,
      38.115556,
      3479099956230698,
      '13.36138933897018433',
      '38.11555639549629859',
      'sqc8b49rny0',
    ],
    [
      15.087269,
      37.502669,
      3479447370796909,
      '15.08726745843887329',
      '37.50266842333162032',
      'sqdtr74hyu0',
    ],
    [-180, -85.05112878, 0, '-179.99999731779098511', '-85.05112751263942528', '00bh0hbj200'],
    [180, 85.05112878, 13510798882111488, '180', '85.0511287799999991', 'bp05b5048p0'],
    [180, 0.1, 10133100256559440, '180', '0.10000108653881767', '8000840n810'],
  ]
  for (const [longitude, latitude, score, lon, lat, text] of rows) {
    equal(scoreOfPlace(longitude, latitude), score)
    const place = placeOf(score)
    deepEqual([coordinateText(place.longitude), coordinateText(place.latitude)], [lon, lat])
    equal(textOfPlace(place), text)
  }
})

test('any score stands for some place', () => {
  for (const score of [-5, -1e300, 1e300, Infinity, -Infinity, 2 ** 63, 2 ** 64, 1.5, 2 ** 54]) {
    const { longitude, latitude } = placeOf(score)
    ok(isPlace(longitude, latitude), String(score))
  }
})

test('a place comes back within its cell, which has its score', () => {
  const random = new Random(SEED)
  for (let i = 0; i < 2000; i++) {
    const place = { longitude: random.float() * 360 - 180, latitude: random.float() * 170 - 85 }
    const score = scoreOfPlace(place.longitude, place.latitude)
    ok(distanceBetween(place, placeOf(score)) < 1)
    for (const step of [1, 7, 13, 26]) {
      const cell = cellOf(place, step, { column: 0, row: 0, step: 0 })
      ok(boundOfCell(cell, false) <= score && score < boundOfCell(cell, true))
      const { west, east, south, north } = areaOf(cell, { west: 0, east: 0, south: 0, north: 0 })
      ok(west <= place.longitude && place.longitude < east)
      ok(south <= place.latitude && place.latitude < north)
    }
  }
})

test('the cells around a shape hold all that lies in it', () => {
  const random = new Random(SEED)
  for (let round = 0; round < 400; round++) {
    // Away from the date line, where cells of Redis leave places out.
    const center = { longitude: random.float() * 200 - 100, latitude: random.float() * 120 - 60 }
    const size = 10 ** (random.float() * 5 + 1)
    const sizes = { radius: size, width: size * 2, height: size, unit: 1 }
    const shape: Shape = { center, isBox: random.below(2) === 0, ...sizes }
    const { cells, count } = cellsAround(shape)
    const reach = (size / 111_000) * 2
    for (let i = 0; i < 30; i++) {
      const place = {
        longitude: center.longitude + (random.float() - 0.5) * reach,
        latitude: center.latitude + (random.float() - 0.5) * reach,
      }
      if (Number.isNaN(distanceInShape(shape, place))) continue
      const score = scoreOfPlace(place.longitude, place.latitude)
      const isCovered = cells
        .slice(0, count)
        .some((cell) => boundOfCell(cell, false) <= score && score < boundOfCell(cell, true))
      ok(isCovered, `SEED=${SEED} round ${round}`)
    }
  }
})

test('decimals are rounded as C rounds them', () => {
  const rows: readonly (readonly [number, number, string])[] = [
    [0.03125, 4, '0.0312'],
    [0.09375, 4, '0.0938'],
    [-0.03125, 4, '-0.0312'],
    [166274.15156960033, 4, '166274.1516'],
    [0, 4, '0.0000'],
    [-0.00001, 4, '-0.0000'],
    [1e30, 6, '1000000000000000019884624838656.000000'],
    [Infinity, 6, 'inf'],
  ]
  for (const [value, digits, text] of rows) equal(fixedText(value, digits), text)
})

test('exact functions are within half a unit of the last place', () => {
  const random = new Random(SEED)
  for (let i = 0; i < 500; i++) {
    const angle = random.float() * 6 - 3
    for (const [exact, near] of [
      [exactSin(angle), Math.sin(angle)],
      [exactCos(angle), Math.cos(angle)],
      [exactAsin(Math.abs(angle) / 3), Math.asin(Math.abs(angle) / 3)],
    ] as const) {
      ok(Math.abs(exact - near) <= Math.abs(near) * 2.3e-16 + 1e-300, `SEED=${SEED} ${angle}`)
    }
  }
  deepEqual([exactSin(0), exactCos(0), exactAsin(0), exactAsin(1)], [0, 1, 0, Math.PI / 2])
})
