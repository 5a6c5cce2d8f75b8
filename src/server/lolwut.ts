// The picture of LOLWUT: a sea between a moon and its reflection, drawn anew each time from sine
// waves. The last line is the one that clients look for.

import type { Random } from '../base/random.ts'
import { REDIS_VERSION } from './version.ts'

const COLUMNS = 66
const ROWS = 14
const COLUMNS_MAX = 160
const ROWS_MAX = 60
/** What the water looks like, from the surface down. */
const DEPTHS = '~≈-.:'
const WAVES = 3
const MOON = 'o'

export interface TideOptions {
  /** Columns and rows, if given. */
  readonly sizes: readonly number[]
  /** Without a picture, for versions that do not exist. */
  readonly isBare: boolean
}

interface Wave {
  readonly height: number
  readonly length: number
  readonly phase: number
}

/** The picture and the version, one byte per character. */
export function drawTide(random: Random, { sizes, isBare }: TideOptions): string {
  const version = `Redis ver. ${REDIS_VERSION}\n`
  if (isBare) return version
  const columns = clamp(sizes[0] ?? COLUMNS, COLUMNS_MAX)
  const rows = clamp(sizes[1] ?? ROWS, ROWS_MAX)
  const waves: Wave[] = []
  for (let i = 0; i < WAVES; i++) {
    waves.push({
      height: (random.float() * rows) / 8,
      length: columns / (1 + random.below(5)),
      phase: random.float() * 2 * Math.PI,
    })
  }
  const moon = { column: random.below(columns), row: random.below(Math.max(1, rows >> 2)) }
  let picture = ''
  for (let row = 0; row < rows; row++) {
    let line = ''
    for (let column = 0; column < columns; column++) {
      const depth = row - surfaceAt(waves, column, rows)
      const isMoon = row === moon.row && column === moon.column
      line += depth >= 0 ? waterAt(depth, column === moon.column) : isMoon ? MOON : ' '
    }
    picture += `${line.trimEnd()}\n`
  }
  return Buffer.from(`${picture}\nThe tide leaves its mark. ${version}`, 'utf8').toString('latin1')
}

function surfaceAt(waves: readonly Wave[], column: number, rows: number): number {
  let surface = rows / 2
  for (const { height, length, phase } of waves) {
    surface += height * Math.sin((column / length) * 2 * Math.PI + phase)
  }
  return Math.round(surface)
}

function waterAt(depth: number, isReflection: boolean): string {
  if (isReflection && depth % 2 === 1) return MOON
  return DEPTHS[Math.min(depth, DEPTHS.length - 1)] ?? ' '
}

function clamp(size: number, limit: number): number {
  return Math.max(1, Math.min(size, limit))
}
