// The reference part of docs/configuration.md, made of the table, so that the page cannot say
// anything else than the server does. config-page.test.ts compares, and writes it when asked.

import { configDirectives } from './config-load.ts'
import type { Row } from './config-row.ts'
import { configSections } from './config-table.ts'

/** Between these lines stands what `configReference` gives. */
export const PAGE_BEGIN = '<!-- reference: made by config-page.test.ts -->'
export const PAGE_END = '<!-- end of the reference -->'

/** All directives as Markdown tables, a section each. */
export function configReference(): string {
  const sections = configSections.map(({ title, rows }) => {
    const lines = Object.entries(rows).map(([name, row]) => rowLine(name, row as Row<unknown>))
    return `### ${title}\n\n${HEAD}\n${lines.join('\n')}\n`
  })
  const directives = Object.entries(configDirectives).map(
    ([name, { doc }]) => `| \`${name}\` | ${cell(doc)} |`,
  )
  const others = `### Directives of the file only\n\n| directive | meaning |\n|---|---|\n`
  return `${sections.join('\n')}\n${others}${directives.join('\n')}\n`
}

const HEAD = '| directive | values | default | CONFIG SET | meaning |\n|---|---|---|---|---|'

function rowLine(name: string, row: Row<unknown>): string {
  const names = row.alias === undefined ? `\`${name}\`` : `\`${name}\`, \`${row.alias}\``
  const initial = name === 'dir' ? 'where it is started' : `\`${row.initial.text || '""'}\``
  const settable = row.mutable ? (row.guarded ? 'guarded' : 'yes') : 'no'
  return `| ${names} | ${cell(row.form)} | ${initial} | ${settable} | ${cell(meaning(row))} |`
}

function meaning(row: Row<unknown>): string {
  if (row.notice !== undefined) return `${row.doc} *No effect: ${row.notice}.*`
  if (row.refuse === undefined) return row.doc
  return `${row.doc} *Some values are refused: ${refusal(row)}.*`
}

/** The reason that a row gives for a value which it refuses; some value of each does. */
function refusal(row: Row<unknown>): string {
  const samples: readonly unknown[] = [true, 1, 'cooperative', { host: '', port: 0 }]
  for (const sample of samples) {
    const reason = row.refuse?.(sample)
    if (reason) return reason
  }
  return 'see the error'
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
