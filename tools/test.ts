// npm test: every check of the house, one step after the other.
//
//   node tools/test.ts                     all steps
//   node tools/test.ts --only unit,types   some of them
//
// `STEPS` is the whole list. A step is either a program that must end with 0 and counts as one
// test, or a set of `*.test.ts` files, found by their folder, run by node:test in a process each.
// A file under `test/` that no step names runs in the step `other`, so none is forgotten.
//
// The last line stands alone and reads `N passed, N failed, N skipped`; the exit code is 1 when
// something failed, or when nothing ran at all.

import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runTestFiles } from './test/files.ts'
import { addTally, formatTally, type Tally } from './test/tally.ts'

interface Step {
  readonly name: string
  /** A program and its arguments; or … */
  readonly program?: readonly string[]
  /** … folders in which every `*.test.ts` is run, this many files at a time. */
  readonly folders?: readonly string[]
  readonly concurrency?: number
}

const ROOT = join(import.meta.dirname, '..')
// The whole run stays below 25 minutes.
const TEST_MS_MAX = 5 * 60_000
const STEP_MS_MAX = 15 * 60_000

const STEPS: readonly Step[] = [
  { name: 'types', program: ['node_modules/.bin/tsc', '--noEmit'] },
  { name: 'lint', program: ['node_modules/.bin/biome', 'check', '--max-diagnostics=50'] },
  { name: 'tidy', program: [process.execPath, 'tools/tidy.ts'] },
  { name: 'unit', folders: ['src', 'tools'], concurrency: 2 },
  // Whole servers and measured times: one file at a time, so that they do not disturb each other.
  { name: 'conformance', folders: ['test/conformance'] },
  { name: 'e2e', folders: ['test/e2e'] },
  { name: 'simulation', folders: ['test/simulation'], concurrency: 2 },
  { name: 'fuzz', folders: ['test/fuzz'], concurrency: 2 },
  { name: 'crash', folders: ['test/crash'] },
  { name: 'suite', folders: ['test/suite'] },
  { name: 'soak', folders: ['test/soak'] },
  { name: 'other', folders: ['test'] },
  { name: 'bench', folders: ['bench'] },
]

/** The test files of each step; a file belongs to the first step with a folder it lies in. */
function filesBySteps(): ReadonlyMap<string, readonly string[]> {
  const taken = new Set<string>()
  const files = new Map<string, string[]>()
  for (const { name, folders = [] } of STEPS) {
    const found = folders.flatMap((folder) => globSync(`${folder}/**/*.test.ts`, { cwd: ROOT }))
    const own = found.filter((path) => !taken.has(path)).sort()
    for (const path of own) taken.add(path)
    files.set(name, own)
  }
  return files
}

/** Runs a program as one test; its output is shown when it fails. */
function runProgram(program: readonly string[]): Tally {
  const [command = '', ...args] = program
  const done = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 << 20 })
  if (done.status === 0) return { passed: 1, failed: 0, skipped: 0 }
  console.log(done.stdout, done.stderr)
  console.log(`FAILED ${program.join(' ')}: ${done.error?.message ?? `exit code ${done.status}`}`)
  return { passed: 0, failed: 1, skipped: 0 }
}

/** The steps that `--only` asks for, or all. */
function selectSteps(only: string | undefined): readonly Step[] {
  if (only === undefined) return STEPS
  const names = only.split(',')
  const unknown = names.filter((name) => !STEPS.some((step) => step.name === name))
  if (unknown.length > 0) {
    const known = STEPS.map((step) => step.name).join(', ')
    process.stderr.write(`no step '${unknown.join("', '")}'; there are: ${known}\n`)
    process.exit(2)
  }
  return STEPS.filter((step) => names.includes(step.name))
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { only: { type: 'string' } } })
  // Tests start many processes of this code: let them share what is compiled.
  process.env['NODE_COMPILE_CACHE'] ??= join(ROOT, '.cache/compile')
  process.chdir(ROOT)

  const files = filesBySteps()
  const total = { passed: 0, failed: 0, skipped: 0 }
  const lines: string[] = []
  for (const { name, program, concurrency = 1 } of selectSteps(values.only)) {
    const own = files.get(name) ?? []
    if (program === undefined && own.length === 0) continue
    console.log(`\n== ${name}`)
    const startMs = Date.now()
    const tally = program
      ? runProgram(program)
      : await runTestFiles(own, {
          concurrency,
          timeoutMs: TEST_MS_MAX,
          limitMs: STEP_MS_MAX,
        })
    addTally(total, tally)
    const line = `${name}: ${formatTally(tally)} in ${((Date.now() - startMs) / 1000).toFixed(1)} s`
    lines.push(line)
    console.log(line)
  }

  console.log(`\n${lines.join('\n')}\n`)
  console.log(formatTally(total))
  process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0
}

if (import.meta.main) await main()
