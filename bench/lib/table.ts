// Tables for the terminal and for Markdown. The first column is text and stands left, the others
// are numbers and stand right; cells are given as strings.

/** Columns padded to their widest cell, two spaces between them. */
export function plainTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = columnWidths(header, rows)
  const lines = [header, ...rows].map((cells) => alignRow(cells, widths).join('  ').trimEnd())
  return lines.join('\n')
}

/** The same as a Markdown table, padded so that it reads well as plain text. */
export function markdownTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const escaped = rows.map((cells) => cells.map((cell) => cell.replaceAll('|', '\\|')))
  const widths = columnWidths(header, escaped).map((width) => Math.max(width, 3))
  const rule = widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  const lines = [alignRow(header, widths), rule, ...escaped.map((row) => alignRow(row, widths))]
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** A number for people: thousands grouped, three or more digits shown; '–' when there is none. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3
  const [whole, fraction] = value.toFixed(digits).split('.')
  const grouped = whole!.replace(/\B(?=(\d{3})+$)/g, ' ')
  return fraction === undefined ? grouped : `${grouped}.${fraction}`
}

function columnWidths(header: readonly string[], rows: readonly (readonly string[])[]): number[] {
  return header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)))
}

function alignRow(cells: readonly string[], widths: readonly number[]): string[] {
  return widths.map((width, i) => {
    const cell = cells[i] ?? ''
    return i === 0 ? cell.padEnd(width) : cell.padStart(width)
  })
}
