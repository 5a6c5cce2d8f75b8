// tidy: the rules of the house that a program can check (`npm run tidy`).
//
// Prints one line per finding, `path:line: message [rule]`, and exits with 1 when there is any.
// tools/tidy/exceptions.json lists old sins by rule and path. The list may only shrink: an entry
// without need is a finding, and so is a size that has become smaller (or larger) than its entry.
// `--rules` prints the rules.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { importRules } from './tidy/import-rules.ts'
import type { Rule } from './tidy/rule.ts'
import { type Finding, type Source, withSources } from './tidy/source.ts'
import { syntaxRules } from './tidy/syntax-rules.ts'
import { textRules } from './tidy/text-rules.ts'

export const RULES: readonly Rule[] = [...textRules, ...syntaxRules, ...importRules]

const EXCEPTIONS_PATH = 'tools/tidy/exceptions.json'

/** By rule and path: the sum of measures that is let by; where there are none, the count. */
export type Exceptions = Readonly<Record<string, Readonly<Record<string, number>>>>

/** All findings of all rules, exceptions applied, in order of path and line. */
export function tidy(sources: readonly Source[], exceptions: Exceptions = {}): Finding[] {
  const findings: Finding[] = []
  for (const rule of RULES) {
    const found: Finding[] = []
    rule.check(sources, (finding) => found.push({ rule: rule.name, ...finding }))
    findings.push(...exempt(rule.name, found, exceptions[rule.name] ?? {}))
  }
  for (const name of Object.keys(exceptions)) {
    if (RULES.some((rule) => rule.name === name)) continue
    findings.push(ofExceptions(name, `there is no rule '${name}'`))
  }
  return findings.sort((a, b) => a.path.localeCompare(b.path) || a.line - b.line)
}

/** The findings of one rule, less those that exceptions let by, plus exceptions without need. */
function exempt(
  rule: string,
  found: readonly Finding[],
  allowed: Readonly<Record<string, number>>,
): Finding[] {
  const kept = found.filter((finding) => allowed[finding.path] === undefined)
  for (const [path, limit] of Object.entries(allowed)) {
    const here = found.filter((finding) => finding.path === path)
    const total = here.reduce((sum, finding) => sum + (finding.measure ?? 1), 0)
    if (total === limit) continue
    if (total > limit) kept.push(...here)
    else kept.push(ofExceptions(rule, `${path} is down to ${total}: lower its entry ${limit}`))
  }
  return kept
}

function ofExceptions(rule: string, message: string): Finding {
  return { rule, path: EXCEPTIONS_PATH, line: 1, message }
}

function main(): void {
  if (process.argv.includes('--rules')) {
    for (const rule of RULES) console.log(`${rule.name.padEnd(16)} ${rule.doc}`)
    return
  }
  const root = join(import.meta.dirname, '..')
  const exceptions = JSON.parse(readFileSync(join(root, EXCEPTIONS_PATH), 'utf8')) as Exceptions
  const { findings, count } = withSources(root, (sources) => {
    return { findings: tidy(sources, exceptions), count: sources.length }
  })
  for (const { path, line, message, rule } of findings) {
    console.log(`${path}:${line}: ${message} [${rule}]`)
  }
  console.log(`tidy: ${count} files, ${RULES.length} rules, ${findings.length} findings`)
  process.exitCode = findings.length > 0 ? 1 : 0
}

if (import.meta.main) main()
