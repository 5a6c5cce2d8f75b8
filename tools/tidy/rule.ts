// What a rule of tidy is, and the questions about a file that several rules ask. A rule is one
// entry of an array in `text-rules.ts`, `syntax-rules.ts` or `import-rules.ts`, and nowhere else.

import type { Finding, Source } from './source.ts'

/** One rule of the house: `check` reports each place that breaks it. */
export interface Rule {
  /** Short, permanent; the key in exceptions.json. */
  readonly name: string
  /** What holds when the rule is kept. */
  readonly doc: string
  /** All sources at once, because some rules compare files. */
  check(sources: readonly Source[], report: (finding: Found) => void): void
}

/** A finding before the rule's name is added. */
export type Found = Omit<Finding, 'rule'>

/** A rule that looks at one file, or one line, at a time. */
export function perSource(
  name: string,
  doc: string,
  check: (source: Source, report: (finding: Found) => void) => void,
): Rule {
  return {
    name,
    doc,
    check(sources, report) {
      for (const source of sources) check(source, report)
    },
  }
}

/** Whether the file is TypeScript, AssemblyScript included. */
export function isTypeScript(source: Source): boolean {
  return source.path.endsWith('.ts')
}

/** Whether the file is a test or help for tests. */
export function isTest(source: Source): boolean {
  return source.path.endsWith('.test.ts') || source.path.startsWith('test/')
}

/** Whether the file is part of the product: in `src/` and no test. */
export function isProduct(source: Source): boolean {
  return source.path.startsWith('src/') && source.path.endsWith('.ts') && !isTest(source)
}
