// MEMORY MALLOC-STATS: the arena as it lies there, page by page, for people. Slabs by size class,
// how full they are, the runs of pages besides, what is free, and what takes memory outside of the
// arena.
//
// Walks the page table, a few ns a page: some ms for 10 GB, in which nobody is served.

import { assert } from '../base/assert.ts'
import type { Arena } from '../memory/arena.ts'
import { PAGE_BYTES, PAGES_PER_SEGMENT, PageKind, SEGMENT_BYTES } from '../memory/layout.ts'
import { isBodyKind } from '../memory/page-table.ts'
import {
  CLASS_CELL_BYTES,
  CLASS_CELL_COUNT,
  CLASS_COUNT,
  CLASS_RUN_PAGES,
} from '../memory/size-class.ts'
import { humanBytes } from './info-fields.ts'
import { type MemoryFigures, memoryFigures, percentOf } from './memory-figures.ts'
import type { Server } from './server.ts'

/** Slabs of one kind, by size class. */
class SlabCounts {
  readonly slabs = new Float64Array(CLASS_COUNT)
  readonly live = new Float64Array(CLASS_COUNT)
}

/** Runs of pages that are no slabs, or are free. */
interface RunCounts {
  runs: number
  pages: number
  longest: number
}

export interface ArenaSurvey {
  readonly records: SlabCounts
  readonly index: SlabCounts
  readonly spans: RunCounts
  readonly nodes: RunCounts
  readonly tables: RunCounts
  readonly free: RunCounts
  segments: number
}

const COLUMNS = ['cell bytes', 'pages', 'slabs', 'live cells', 'all cells', 'filled'] as const
const COLUMN_WIDTH = 12
const LABEL_WIDTH = 18

/** The report, with a line end. */
export function describeArena(server: Server): string {
  const { arena } = server.keyspace
  const survey = surveyArena(arena)
  const figures = memoryFigures(server)
  const blocks = [
    describePages(arena, figures, survey),
    describeSlabs('Records', survey.records),
    describeSlabs('Cells of index structures', survey.index),
    describeRuns(survey),
    describeRest(server, figures),
  ]
  return `${blocks.filter((block) => block !== '').join('\n\n')}\n`
}

/** Counts what the pages are used for. O(pages). */
export function surveyArena(arena: Arena): ArenaSurvey {
  const { kind, run } = arena.pages
  const survey: ArenaSurvey = {
    records: new SlabCounts(),
    index: new SlabCounts(),
    spans: noRuns(),
    nodes: noRuns(),
    tables: noRuns(),
    free: noRuns(),
    segments: 0,
  }
  let page = 0
  while (page < arena.pool.pageLimit) {
    const isSegmentStart = page % PAGES_PER_SEGMENT === 0
    if (isSegmentStart && arena.segments[page / PAGES_PER_SEGMENT] === null) {
      page += PAGES_PER_SEGMENT
      continue
    }
    if (isSegmentStart) survey.segments++
    const found = kind[page]!
    // A run longer than a segment has begun in one of those before.
    assert(!isBodyKind(found), 'walking by runs meets heads and free pages')
    let length: number
    if (found === PageKind.Free) length = freeLength(arena, page)
    else if (found === PageKind.Record) length = countSlab(arena, page, survey.records)
    else if (found === PageKind.Index) length = countSlab(arena, page, survey.index)
    else length = run[page]!
    // Page 0 is never given out.
    if (found === PageKind.Free) addRun(survey.free, page === 0 ? length - 1 : length)
    else if (found === PageKind.Span) addRun(survey.spans, length)
    else if (found === PageKind.Node) addRun(survey.nodes, length)
    else if (found === PageKind.Table) addRun(survey.tables, length)
    survey.segments += Math.floor(((page % PAGES_PER_SEGMENT) + length - 1) / PAGES_PER_SEGMENT)
    page += length
  }
  return survey
}

/** Free pages from `page` on, up to the end of its segment. */
function freeLength({ pages }: Arena, page: number): number {
  const limit = page - (page % PAGES_PER_SEGMENT) + PAGES_PER_SEGMENT
  let end = page + 1
  while (end < limit && pages.kind[end] === PageKind.Free) end++
  return end - page
}

/** Adds the slab to the counts; returns its pages. */
function countSlab({ pages }: Arena, page: number, counts: SlabCounts): number {
  const sizeClass = pages.sizeClass[page]!
  counts.slabs[sizeClass] = counts.slabs[sizeClass]! + 1
  counts.live[sizeClass] = counts.live[sizeClass]! + pages.live[page]!
  return CLASS_RUN_PAGES[sizeClass]!
}

function noRuns(): RunCounts {
  return { runs: 0, pages: 0, longest: 0 }
}

function addRun(counts: RunCounts, pages: number): void {
  counts.runs++
  counts.pages += pages
  counts.longest = Math.max(counts.longest, pages)
}

function describePages(arena: Arena, figures: MemoryFigures, survey: ArenaSurvey): string {
  const { allocatedBytes, activeBytes, datasetBytes } = figures
  const { free } = survey
  const filled = percentOf(allocatedBytes, activeBytes).toFixed(1)
  const segment = humanBytes(SEGMENT_BYTES)
  return [
    'Arena',
    line('mapped', `${humanBytes(arena.mappedBytes)} in ${survey.segments} x ${segment}`),
    line('active', `${humanBytes(activeBytes)} in ${arena.pool.pagesUsed} pages`),
    line('allocated', `${humanBytes(allocatedBytes)}, ${filled} % of what is active`),
    line('dataset', humanBytes(datasetBytes)),
    line('free', `${free.pages} pages in ${free.runs} extents, the longest of ${free.longest}`),
    line('free and dirty', `${arena.pool.pagesDirty} pages, which the system still backs`),
  ].join('\n')
}

function describeSlabs(title: string, { slabs, live }: SlabCounts): string {
  const rows: string[] = []
  for (let sizeClass = 0; sizeClass < CLASS_COUNT; sizeClass++) {
    const count = slabs[sizeClass]!
    if (count === 0) continue
    const cells = count * CLASS_CELL_COUNT[sizeClass]!
    const cellBytes = CLASS_CELL_BYTES[sizeClass]!
    const filled = `${percentOf(live[sizeClass]!, cells).toFixed(1)} %`
    const pages = count * CLASS_RUN_PAGES[sizeClass]!
    rows.push(row([cellBytes, pages, count, live[sizeClass]!, cells, filled]))
  }
  return rows.length === 0 ? '' : [title, row(COLUMNS), ...rows].join('\n')
}

function describeRuns({ spans, nodes, tables }: ArenaSurvey): string {
  const lineOf = (label: string, { runs, pages }: RunCounts) =>
    line(label, `${runs} in ${pages} pages, ${humanBytes(pages * PAGE_BYTES)}`)
  return [
    'Runs of pages',
    lineOf('large strings', spans),
    lineOf('nodes', nodes),
    lineOf('tables', tables),
  ].join('\n')
}

function describeRest(server: Server, figures: MemoryFigures): string {
  const { keyspace, persistence } = server
  const { heapUsedBytes, heapTotalBytes, clientBytes, rssBytes } = figures
  const saving = humanBytes(figures.savingBytes)
  const buffers = humanBytes(persistence?.bufferBytes ?? 0)
  const pending = keyspace.lazyFreePending
  return [
    'Besides',
    line('to be freed', `${pending} values and keys of flushed databases`),
    line('snapshot reserve', `${buffers} of buffers, ${saving} in use`),
    line('clients', humanBytes(clientBytes)),
    line('V8 heap (engine)', `${humanBytes(heapUsedBytes)} of ${humanBytes(heapTotalBytes)}`),
    line('process', `${humanBytes(rssBytes)} resident`),
  ].join('\n')
}

function line(label: string, text: string): string {
  return `  ${label.padEnd(LABEL_WIDTH)}${text}`
}

function row(cells: readonly (string | number)[]): string {
  return cells.map((cell) => `${cell}`.padStart(COLUMN_WIDTH)).join('')
}
