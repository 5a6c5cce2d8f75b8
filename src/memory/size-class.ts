// Size classes of record cells: 16 bytes to almost 16 KiB, at most 12.5 % or 8 bytes apart.
// A slab is a run of 1 to 8 pages with a header of 40 bytes, cut into equal cells; each class takes
// the shortest run that wastes at most 1/16 of it, or the run that wastes least.
//
// Classes are not a pure geometric row: within a step of 12.5 % a class is moved up to the largest
// cell that its run still holds the same count of, so that a run is used to the last granule.

import { assert } from '../base/assert.ts'
import { GRANULE_BYTES, PAGE_BYTES } from './layout.ts'

export const SLAB_HEADER_BYTES = 40
export const RUN_PAGES_MAX = 8
export const CELL_BYTES_MIN = 16
/** One fills a run of four pages. */
export const CELL_BYTES_MAX = 16 * 1024 - 40
/** Cells in a run: as many as the header's bitmap has bits. */
export const CELLS_MAX = 256

const STEP_FINE_LIMIT = 128
const WASTE_LIMIT = 1 / 16

interface SizeClass {
  readonly cellBytes: number
  readonly runPages: number
  readonly cellCount: number
}

function fit(cellBytes: number): SizeClass {
  let best: SizeClass | null = null
  let bestWaste = 1
  for (let runPages = 1; runPages <= RUN_PAGES_MAX; runPages++) {
    const usable = runPages * PAGE_BYTES - SLAB_HEADER_BYTES
    const cellCount = Math.min(CELLS_MAX, Math.floor(usable / cellBytes))
    if (cellCount === 0) continue
    // Growing the cell to fill the run costs nothing; beyond 1/16 it would be another class.
    const grown = Math.floor(usable / cellCount / GRANULE_BYTES) * GRANULE_BYTES
    const bytes = grown <= cellBytes + cellBytes / 16 ? grown : cellBytes
    const waste = 1 - (cellCount * cellBytes) / (runPages * PAGE_BYTES)
    if (waste < bestWaste) {
      best = { cellBytes: bytes, runPages, cellCount }
      bestWaste = waste
    }
    if (waste <= WASTE_LIMIT) break
  }
  assert(best !== null, 'every class fits a run')
  return best
}

function buildClasses(): SizeClass[] {
  const classes: SizeClass[] = []
  let bytes = CELL_BYTES_MIN
  while (bytes < CELL_BYTES_MAX) {
    const found = fit(bytes)
    // Fine classes keep their exact size; the rest of a run is a few granules.
    const entry = bytes <= STEP_FINE_LIMIT ? { ...found, cellBytes: bytes } : found
    if (entry.cellBytes > CELL_BYTES_MAX) break
    classes.push(entry)
    const step = entry.cellBytes < STEP_FINE_LIMIT ? GRANULE_BYTES : entry.cellBytes / 8
    bytes = Math.floor((entry.cellBytes + step) / GRANULE_BYTES) * GRANULE_BYTES
  }
  const last = fit(CELL_BYTES_MAX)
  assert(last.cellBytes === CELL_BYTES_MAX, 'the largest class fills its run')
  classes.push(last)
  return classes.filter(
    ({ cellBytes }, i) => cellBytes < CELL_BYTES_MAX || i === classes.length - 1,
  )
}

const CLASSES = buildClasses()

export const CLASS_COUNT = CLASSES.length
/** By class: bytes of a cell, pages of a run, cells of a run. */
export const CLASS_CELL_BYTES = Uint16Array.from(CLASSES, (entry) => entry.cellBytes)
export const CLASS_RUN_PAGES = Uint8Array.from(CLASSES, (entry) => entry.runPages)
export const CLASS_CELL_COUNT = Uint16Array.from(CLASSES, (entry) => entry.cellCount)

/** By granules needed: the smallest class that holds them. */
const CLASS_BY_GRANULES = new Uint8Array(CELL_BYTES_MAX / GRANULE_BYTES + 1)
for (let granules = 0, sizeClass = 0; granules < CLASS_BY_GRANULES.length; granules++) {
  while ((CLASS_CELL_BYTES[sizeClass] ?? 0) < granules * GRANULE_BYTES) sizeClass++
  CLASS_BY_GRANULES[granules] = sizeClass
}

/** The smallest class whose cells hold `bytes`; 1 ≤ bytes ≤ CELL_BYTES_MAX. O(1). */
export function classOfBytes(bytes: number): number {
  assert(bytes > 0 && bytes <= CELL_BYTES_MAX, 'a cell holds 1 byte to 16 KiB')
  return CLASS_BY_GRANULES[(bytes + GRANULE_BYTES - 1) >>> 3]!
}
