// Runs files ("units") of Redis's own Tcl test suite against a server. The suite itself is not
// part of this repository: `prepare.sh` brings it from Debian's source package, and both that
// script and the runner `tcl-suite.py` lie beside the checkout (SUITE_TOOLS). Where they are
// absent, `missingTools` says so and callers skip.
//
// Everything is laid out below .cache/tcl/: one folder per use (`name`), so that npm test and a
// run by hand do not meet, and `redis-source`, fetched once.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '../..')
const SUITE_TOOLS = resolve(ROOT, '../shared/tools/redis-suite')
const CACHE = join(ROOT, '.cache/tcl')
const BASELINE_FILE = join(ROOT, 'test/suite/baseline.tsv')
const UNITS_FILE = join(ROOT, 'test/suite/units.tsv')

/** One row of test/suite/units.tsv. */
export interface Unit {
  readonly name: string
  /** Whether its commands exist by now. */
  readonly applies: boolean
  /** Tests that `npm test` expects to pass; -1 when it does not run the unit. */
  readonly expected: number
  readonly remark: string
  /** For the suite's runner, to leave out what would end the whole unit. */
  readonly args: string
}

/** How one unit ended. */
export interface UnitResult {
  readonly unit: string
  readonly passed: number
  readonly ignored: number
  readonly failures: readonly Failure[]
  readonly seconds: number
}

export interface Failure {
  /** The test's name; '' when the unit broke off. */
  readonly test: string
  readonly detail: string
}

export interface SuiteOptions {
  /** The server command. */
  readonly server: string
  /** The folder below .cache/tcl/. */
  readonly name: string
  readonly units: readonly string[]
  readonly baseport?: number
  /** Shows progress on stderr. */
  readonly verbose?: boolean
}

const UNIT_LIMIT_SECONDS = 300
const IDLE_LIMIT_SECONDS = 60

/** What is missing for a run; '' when all is there. */
export function missingTools(): string {
  if (!existsSync(join(SUITE_TOOLS, 'prepare.sh'))) return `${SUITE_TOOLS} is not here`
  for (const program of ['python3', 'tclsh', 'apt-get']) {
    const found = spawnSync('sh', ['-c', `command -v ${program}`])
    if (found.status !== 0) return `${program} is not installed`
  }
  return ''
}

/** Every unit of the suite that this project knows of. */
export function readUnits(): Unit[] {
  return rowsOf(UNITS_FILE).map(([name, applies, expected, remark, args]) => ({
    name: name ?? '',
    applies: applies === 'yes',
    expected: expected === '-' ? -1 : Number(expected),
    remark: remark ?? '',
    args: args ?? '',
  }))
}

/**
 * Makes `npm test` hold what these units passed: puts the counts into units.tsv. Only for units
 * whose failures all have a reason; others are left as they are. Gives the names of those it took.
 */
export function expectResults(
  results: readonly UnitResult[],
  isExplained: (unit: string, test: string) => boolean,
): string[] {
  const clean = results.filter(
    ({ unit, failures, passed }) =>
      passed > 0 && failures.every(({ test }) => isExplained(unit, test)),
  )
  const counts = new Map(clean.map((result) => [result.unit, result.passed]))
  const lines = readFileSync(UNITS_FILE, 'utf8').split('\n')
  const changed = lines.map((line) => {
    const [name = '', applies = '', , ...remark] = line.split('\t')
    const count = counts.get(name)
    return count === undefined ? line : [name, applies, count, ...remark].join('\t')
  })
  writeFileSync(UNITS_FILE, changed.join('\n'))
  return [...counts.keys()]
}

/** Tests that redis-server 7.0.15 passes on the same suite, by unit; as `--baseline` measured. */
export function readBaseline(): Map<string, number> {
  if (!existsSync(BASELINE_FILE)) return new Map()
  return new Map(rowsOf(BASELINE_FILE).map(([unit, passed]) => [unit ?? '', Number(passed)]))
}

/** Keeps what redis-server passed. */
export function writeBaseline(results: readonly UnitResult[]): void {
  const counts = readBaseline()
  for (const { unit, passed } of results) counts.set(unit, passed)
  const names = readUnits().map((unit) => unit.name)
  const lines = names
    .filter((name) => counts.has(name))
    .map((name) => `${name}\t${counts.get(name)}`)
  const head =
    '# Written by npm run tcl -- --baseline: tests that redis-server 7.0.15 passes, by unit.\n'
  writeFileSync(BASELINE_FILE, `${head}${lines.join('\n')}\n`)
}

/** Lays the suite out for the server; throws with the reason when that fails. */
export function prepareSuite(options: SuiteOptions): string {
  const folder = join(CACHE, options.name)
  const mark = join(folder, 'server')
  const isReady = existsSync(mark) && readFileSync(mark, 'utf8') === options.server
  if (isReady) return folder
  mkdirSync(CACHE, { recursive: true })
  // Called `redis-server`, as by those who replace Redis; a test looks for it in the title.
  const command = join(CACHE, `${options.name}.bin/redis-server`)
  mkdirSync(dirname(command), { recursive: true })
  rmSync(command, { force: true })
  symlinkSync(options.server, command)
  const script = join(SUITE_TOOLS, 'prepare.sh')
  const done = spawnSync('bash', [script, folder, command], { encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`prepare.sh: ${done.stderr}`)
  writeFileSync(mark, options.server)
  return folder
}

/** Runs the units, each with servers that the suite starts itself. */
export function runSuite(options: SuiteOptions): UnitResult[] {
  const folder = prepareSuite(options)
  const argsOf = new Map(readUnits().map(({ name, args }) => [name, args]))
  const groups = new Map<string, string[]>()
  for (const unit of options.units) {
    const args = argsOf.get(unit) ?? ''
    groups.set(args, [...(groups.get(args) ?? []), unit])
  }
  return [...groups].flatMap(([args, units]) => runUnits(folder, { ...options, units }, args))
}

function runUnits(folder: string, options: SuiteOptions, extra: string): UnitResult[] {
  const out = `${folder}.tests.tsv`
  const summary = `${folder}.summary.tsv`
  const args = ['--suite', folder, '--spawn', '--out', out, '--summary', summary]
  args.push('--logdir', `${folder}.logs`, '--baseport', `${options.baseport ?? 21111}`)
  args.push('--timeout', `${UNIT_LIMIT_SECONDS}`, '--idle', `${IDLE_LIMIT_SECONDS}`)
  args.push(`--extra=${extra}`, '--units', ...options.units)
  const stdio = options.verbose ? 'inherit' : 'pipe'
  const program = join(SUITE_TOOLS, 'tcl-suite.py')
  const done = spawnSync('python3', [program, ...args], { stdio, encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`tcl-suite.py: ${done.stderr ?? done.status}`)
  return collect(rowsOf(summary), rowsOf(out))
}

/** Rows of a TSV file without comments, empty lines and its head line. */
export function rowsOf(path: string): string[][] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#') && !line.startsWith('unit\t'))
    .map((line) => line.split('\t'))
}

function collect(summary: string[][], tests: string[][]): UnitResult[] {
  const BAD = new Set(['err', 'exception', 'timeout'])
  return summary.map(([unit = '', passed, , , ignored, , , seconds]) => ({
    unit,
    passed: Number(passed),
    ignored: Number(ignored),
    seconds: Number(seconds),
    failures: tests
      .filter((row) => row[0] === unit && BAD.has(row[2] ?? ''))
      .map((row) => ({ test: row[1] ?? '', detail: row[4] ?? '' })),
  }))
}
