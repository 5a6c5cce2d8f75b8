// The conformance files from the command line, with differences only:
//   node test/conformance/run.ts [--reference-only] [--ours-only] [FILE…]
//   node test/conformance/run.ts --write-docs     the differences into docs/compatibility.md

import { REFERENCE, SERVER } from '../lib/server.ts'
import { writeDifferences } from './differences.ts'
import type { CaseFile } from './parse.ts'
import { loadCaseFiles, runCase, type Side, startFor } from './runner.ts'

const args = process.argv.slice(2)
const files = loadCaseFiles(args.filter((arg) => !arg.startsWith('--')))

if (args.includes('--write-docs')) {
  writeDifferences()
} else {
  let count = 0
  let failed = 0
  for (const side of sidesOf(args)) {
    for (const file of files) {
      const problems = await runFile(file, side)
      count += file.cases.length
      failed += problems.length
      for (const problem of problems) console.log(problem)
    }
  }
  console.log(`${count} cases, ${failed} differences`)
  process.exitCode = failed === 0 ? 0 : 1
}

function sidesOf(options: readonly string[]): Side[] {
  if (options.includes('--reference-only')) return ['reference']
  if (options.includes('--ours-only') || REFERENCE === '') return ['ours']
  return ['ours', 'reference']
}

async function runFile(file: CaseFile, side: Side): Promise<string[]> {
  const server = await startFor(file, side === 'ours' ? SERVER : REFERENCE)
  const problems: string[] = []
  try {
    for (const test of file.cases) {
      if (side === 'ours' && test.referenceOnly !== '') continue
      for (const protocol of test.protocols) {
        const problem = await runCase(server, test, { side, protocol })
        if (problem === '') continue
        problems.push(
          `${side} RESP${protocol} ${file.name}.txt:${test.line} ${test.title}: ${problem}`,
        )
      }
    }
  } finally {
    await server.stop()
  }
  return problems
}
