// One server in several settings beside one reference, all in the same run: the methods of a
// snapshot beside redis-server's BGSAVE. A *quantity* (extra memory, a rate) becomes one measure
// for each variant of the subject; the reference has no variants, and its value stands beside each
// of them, so that every row of the JSON has its own ratio, target and verdict. The table has one
// line per quantity and one column per variant, with the verdict in the cell.

import {
  type Measure,
  type Row,
  type Setup,
  type Target,
  type Variant,
  variantMeasure,
} from './bench.ts'
import { backgroundSave, type Save } from './save.ts'
import type { RunningServer } from './server.ts'
import type { Summary } from './stats.ts'
import { formatNumber } from './table.ts'

/** How often it is looked whether a save is over. */
export const POLL_MS = 20

export interface Quantity extends Omit<Measure, 'target' | 'variant' | 'cell'> {
  /** By the variant's name. */
  readonly targets?: Readonly<Record<string, Target>>
}

export const BACKGROUND: Variant = { ...started('background'), method: 'background' }
export const SMALL_RESERVE: Variant = {
  name: 'background-8mb',
  role: 'subject',
  directives: ['--snapshot-method', 'background', '--snapshot-reserve', '8mb'],
  method: 'background',
}
export const COOPERATIVE: Variant = { ...started('cooperative'), method: 'cooperative' }
export const AUTO: Variant = started('auto')
export const REFERENCE: Variant = { name: 'reference', role: 'reference', directives: [] }

/** All there are, for those who choose some of them by name. */
export const VARIANTS: readonly Variant[] = [
  BACKGROUND,
  SMALL_RESERVE,
  COOPERATIVE,
  AUTO,
  REFERENCE,
]

/** The measures of these quantities: one for each variant of the subject. */
export function variantMeasures(
  variants: readonly Variant[],
  quantities: readonly Quantity[],
): Measure[] {
  const subjects = variants.filter(({ role }) => role === 'subject')
  return quantities.flatMap(({ targets, ...quantity }) =>
    subjects.map((variant) => {
      const target = targets?.[variant.name]
      return {
        ...quantity,
        name: variantMeasure(quantity.name, variant),
        variant: { row: quantity.name, column: variant.name },
        ...(target ? { target } : {}),
      }
    }),
  )
}

/** Runs BGSAVE to its end; a save by another method than the variant's is remarked upon. */
export async function saveVariant(
  setup: Setup,
  variant: Variant,
  server: RunningServer,
): Promise<Save> {
  const save = await backgroundSave(server, POLL_MS)
  remarkMethods(setup, variant, save)
  return save
}

/** Says by which methods a save was made, where that was not clear beforehand, and why. */
export function remarkMethods(
  setup: Setup,
  variant: Variant,
  { methods, choice }: Pick<Save, 'methods' | 'choice'>,
): void {
  const found = methods.join(', then ')
  if (found === '' || found === variant.method) return
  // Once: the figures in the server's reason differ from round to round.
  const start = `${variant.name}: method ${found}`
  if (setup.notes.some((note) => note.startsWith(start))) return
  setup.notes.push(choice === '' ? start : `${start} (${choice})`)
}

/** Whether the result is to be shown so. */
export function hasVariants(rows: readonly Row[]): boolean {
  return rows.some((row) => row.variant !== undefined)
}

/** Titles: what, its unit, the variants that have values, the reference. */
export function variantHeader(rows: readonly Row[], reference: string): string[] {
  return ['measure', 'unit', ...columnsOf(rows), reference]
}

/** One line per quantity, in the order in which they were declared. */
export function variantRows(rows: readonly Row[]): string[][] {
  const columns = columnsOf(rows)
  const names = [...new Set(rows.filter(hasValue).map((row) => row.variant!.row))]
  return names.map((name) => {
    const own = rows.filter((row) => row.variant?.row === name)
    const cells = columns.map((column) =>
      formatCell(own.find((row) => row.variant?.column === column)),
    )
    const { unit, reference, words } = own[0]!
    return [name, unit, ...cells, formatValue(reference, words)]
  })
}

function started(name: string): Variant {
  return { name, role: 'subject', directives: ['--snapshot-method', name] }
}

function columnsOf(rows: readonly Row[]): string[] {
  const measured = rows.filter((row) => row.variant !== undefined && row.subject !== undefined)
  return [...new Set(measured.map((row) => row.variant!.column))]
}

function hasValue(row: Row): boolean {
  return row.variant !== undefined && (row.subject ?? row.reference) !== undefined
}

/** The value and, where there is a target, the target and whether it is met. */
function formatCell(row: Row | undefined): string {
  if (!row?.subject) return '–'
  const value = formatValue(row.subject, row.words)
  if (!row.target || row.isMet === undefined) return value
  const verdict = row.isMet ? 'met' : 'missed'
  if (row.words) return `${value} (${verdict})`
  const sign = row.better === 'higher' ? '≥' : '≤'
  const times = row.target.of === 'ratio' ? ' ×' : ''
  return `${value} (${sign} ${row.target.limit}${times}: ${verdict})`
}

/** The median; of outcomes the worst. */
function formatValue(summary: Summary | undefined, words: readonly string[] | undefined): string {
  if (!summary) return '–'
  if (!words) return formatNumber(summary.median)
  return words[summary.max] ?? String(summary.max)
}
