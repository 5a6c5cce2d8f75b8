// The program behind `npm run bench`: runs benchmarks by name (all of them without names), prints a
// table, writes JSON and brings docs/benchmarks.md up to date.
//
//   npm run bench -- memory throughput --rounds=3
//   npm run bench -- snapshot
//   npm run bench -- snapshot-large --full --variants=background,reference
//   npm run bench -- startup --subject='bin/tidemark-server --hz 50' --reference=redis-server
//
// A name that several share up to a dash (`snapshot`, `types`) stands for all of them.
// With the same command for both servers it is a control run: its results lie in results/control/.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { aof } from './aof.ts'
import { defrag } from './defrag.ts'
import { eviction } from './eviction.ts'
import { hitRate } from './hit-rate.ts'
import { idleClients } from './idle-clients.ts'
import { type Bench, Setup, type SetupOptions } from './lib/bench.ts'
import {
  describeRun,
  makeResult,
  type Result,
  resultJson,
  tableHeader,
  tableRows,
  watchMachine,
} from './lib/result.ts'
import { plainTable } from './lib/table.ts'
import { VARIANTS } from './lib/variants.ts'
import { load } from './load.ts'
import { memory } from './memory.ts'
import { renderDocs } from './render.ts'
import { saveLoad } from './save-load.ts'
import { snapshotCut } from './snapshot-cut.ts'
import { snapshotLarge } from './snapshot-large.ts'
import { snapshotLatency } from './snapshot-latency.ts'
import { snapshotLimit } from './snapshot-limit.ts'
import { snapshotQuiet } from './snapshot-quiet.ts'
import { snapshotStorm } from './snapshot-storm.ts'
import { startup } from './startup.ts'
import { throughput } from './throughput.ts'
import { typesCpu } from './types-cpu.ts'
import { typesDelete } from './types-delete.ts'
import { typesGrowth } from './types-growth.ts'
import { typesMemory } from './types-memory.ts'
import { typesSaveLoad } from './types-save-load.ts'

const BENCHES: readonly Bench[] = [
  startup,
  memory,
  idleClients,
  defrag,
  throughput,
  snapshotStorm,
  snapshotLimit,
  snapshotLatency,
  snapshotQuiet,
  snapshotCut,
  snapshotLarge,
  saveLoad,
  aof,
  load,
  typesCpu,
  typesMemory,
  typesGrowth,
  typesDelete,
  typesSaveLoad,
  eviction,
  hitRate,
]

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const USAGE = `usage: npm run bench -- [name …] [--subject=COMMAND] [--reference=COMMAND]
         [--rounds=N] [--keys=N] [--sizes=MB,…] [--variants=NAME,…] [--full] [--quick]
         [--work=DIR] [--out=DIR] [--no-docs]
names: ${BENCHES.map((bench) => bench.name).join(' ')}, or snapshot, types for all of these
variants: ${VARIANTS.map((variant) => variant.name).join(' ')}`

/** No benchmark takes longer; a run that hangs ends here, and its servers with it. */
const BENCH_LIMIT_MS = 90 * 60_000

interface Options extends SetupOptions {
  readonly benches: readonly Bench[]
  readonly out: string
  readonly hasDocs: boolean
  readonly command: string
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2))
  for (const bench of options.benches) {
    const watchdog = setTimeout(() => stopProgram(`${bench.name} hangs`), BENCH_LIMIT_MS)
    const result = await runBench(bench, options)
    clearTimeout(watchdog)
    report(result, options)
  }
  if (options.hasDocs) renderDocs(ROOT)
}

async function runBench(bench: Bench, options: Options): Promise<Result> {
  options.log(bench.question)
  const setup = new Setup(bench, {
    ...options,
    log: (line) => options.log(`${bench.name}: ${line}`),
  })
  const readDisturbance = await watchMachine(setup.size(1000, 100))
  const parameters = await bench.run(setup)
  const disturbance = readDisturbance()
  return makeResult(bench, setup, { command: options.command, parameters, disturbance })
}

function report(result: Result, options: Options): void {
  const lines = [...describeRun(result), ...result.notes]
  const table = plainTable(tableHeader(result), tableRows(result))
  process.stdout.write(`\n${result.bench}: ${result.question}\n${table}\n${lines.join('\n')}\n\n`)
  mkdirSync(options.out, { recursive: true })
  const path = join(options.out, `${result.bench}.json`)
  writeFileSync(path, resultJson(result))
}

function readOptions(words: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      subject: { type: 'string', default: 'bin/tidemark-server' },
      reference: { type: 'string', default: 'redis-server' },
      rounds: { type: 'string' },
      keys: { type: 'string' },
      sizes: { type: 'string' },
      variants: { type: 'string' },
      full: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      work: { type: 'string', default: tmpdir() },
      out: { type: 'string' },
      'no-docs': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) stopProgram(USAGE)
  const folder = values.subject === values.reference ? 'results/control' : 'results'
  const isSaved = values.out === undefined && !values.quick
  const quickOut = join(tmpdir(), 'tidemark-bench-quick')
  // Before `locate`, which may change the working directory.
  const work = resolve(values.work)
  const out = values.out === undefined ? null : resolve(values.out)
  return {
    benches: findBenches(positionals),
    commands: { subject: locate(values.subject), reference: locate(values.reference) },
    rounds: values.rounds === undefined ? null : readCount(values.rounds),
    keys: values.keys === undefined ? null : readCount(values.keys),
    sizes: values.sizes?.split(',').map(readCount) ?? null,
    variants: values.variants?.split(',').map(readVariant) ?? null,
    isFull: values.full,
    isQuick: values.quick,
    work,
    out: out ?? (values.quick ? quickOut : join(ROOT, 'bench', folder)),
    hasDocs: isSaved && !values['no-docs'],
    command: ['npm run bench --', ...words.map(quoteWord)].join(' '),
    log: (line) => process.stderr.write(`${line}\n`),
  }
}

function findBenches(names: readonly string[]): readonly Bench[] {
  if (names.length === 0) return BENCHES
  return names.flatMap((name) => {
    const found = BENCHES.filter((each) => each.name === name || each.name.startsWith(`${name}-`))
    return found.length > 0 ? found : stopProgram(`no benchmark '${name}'\n${USAGE}`)
  })
}

/** Programs of this repository are found from any working directory. */
function locate(command: string): string {
  const program = command.split(' ')[0]!
  if (!program.includes('/') || program.startsWith('/')) return command
  process.chdir(ROOT)
  if (!existsSync(join(ROOT, program))) stopProgram(`${program} does not exist`)
  return command
}

function readCount(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1) stopProgram(`'${text}' is not a count`)
  return count
}

function readVariant(name: string): string {
  if (VARIANTS.some((each) => each.name === name)) return name
  return stopProgram(`no variant '${name}'\n${USAGE}`)
}

function quoteWord(word: string): string {
  return /^[\w=./,:-]+$/.test(word) ? word : `'${word}'`
}

function stopProgram(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

await main()
