// How results are put into words: sizes, names of keys, tables. What is shown comes from files that
// may be damaged or foreign, so nothing of them reaches the terminal but what can be read: no line
// ends, no control sequences.

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB'] as const
const STEP = 1024

/** A size for people: three digits and a unit. */
export function byteText(bytes: number): string {
  if (bytes < STEP) return `${Math.round(bytes)} B`
  let value = bytes / STEP
  let unit = 0
  while (value >= STEP && unit < UNITS.length - 1) {
    value /= STEP
    unit++
  }
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${UNITS[unit]}`
}

/** A key as text: as it is if that is readable, else with its other bytes as `\xNN`. */
export function keyText(key: Uint8Array): string {
  const text = Buffer.from(key.buffer, key.byteOffset, key.length).toString('utf8')
  if (/^[^\p{C}\ufffd]*$/u.test(text)) return text
  let shown = ''
  for (const byte of key) {
    const isPlain = byte >= 32 && byte < 127 && byte !== 92
    shown += isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`
  }
  return shown
}

/** Rows in columns: the first `left` of them are aligned at their beginning, others at the end. */
export function tableText(rows: readonly (readonly string[])[], left: number): string {
  const columns = Math.max(0, ...rows.map((row) => row.length))
  const widths = Array.from({ length: columns }, (_, i) =>
    Math.max(...rows.map((row) => (row[i] ?? '').length)),
  )
  const lines = rows.map((row) => {
    const cells = row.map((cell, i) =>
      i < left ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!),
    )
    return cells.join('  ').trimEnd()
  })
  return lines.map((line) => `${line}\n`).join('')
}
