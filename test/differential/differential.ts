// Random commands of all types on this server and on redis-server 7.0 side by side: every reply,
// the changes counted, the events, and in the end the data must be the same. A difference is
// shrunk to a short script, which is printed with its seed.
//
//   node test/differential/differential.ts [rounds] [commands per round]     SEED=n repeats a run
//   --only name,name    only these commands       --without name,name    not these
//   --keep-going        all rounds, with a report of each that differs

import { parseArgs } from 'node:util'
import { Random } from '../../src/base/random.ts'
import { REFERENCE, TestServer } from '../lib/server.ts'
import { type Difference, Pair } from './pair.ts'
import { FAMILIES, type ParsedRow } from './rows.ts'
import { makeScript, type Script, showScript, showStep, THRESHOLDS } from './script.ts'
import { shrink } from './shrink.ts'

export interface DifferentialOptions {
  readonly seed: number
  readonly rounds: number
  /** Commands of a round. */
  readonly commands: number
  /** Whether the command of that name, in lower case, is used; all without it. */
  readonly only?: (name: string) => boolean
  /** The program that is compared with the reference; by default the server under test. */
  readonly server?: string
  readonly shouldStop?: boolean
}

export interface DifferentialResult {
  /** The seed and the script of each difference, as text. */
  readonly failures: readonly string[]
  /** Commands that the server under test does not have. */
  readonly missing: readonly string[]
  /** How often each command was compared. */
  readonly counts: ReadonlyMap<string, number>
}

/** Of differences of the same kind, only so many are made small. */
const EXPLAINED_MAX = 2
const AGAIN_MAX = 300
const ARGS = ['--enable-debug-command', 'yes', '--databases', '16']

/** Runs the rounds; each has a seed of its own, the first `options.seed`. */
export async function runDifferential(options: DifferentialOptions): Promise<DifferentialResult> {
  const { only, shouldStop = true } = options
  const pair = await startPair(options.server)
  try {
    const known = await pair.commandNames()
    const rows = Object.values(FAMILIES).flatMap((family) => family.filter(isShared))
    const used = new Set(rows.map(({ name }) => name))
    const missing = [...used].filter((name) => !known.has(name)).sort()
    const isChosen = (row: ParsedRow) =>
      isShared(row) && known.has(row.name) && (only?.(row.name) ?? true)
    const failures: string[] = []
    const times = new Map<string, number>()
    for (let round = 0; round < options.rounds; round++) {
      const seed = options.seed + round
      const script = makeScript(new Random(seed), options.commands, isChosen)
      const difference = await pair.run(script)
      if (difference === null) continue
      const seen = (times.get(difference.about) ?? 0) + 1
      times.set(difference.about, seen)
      if (seen <= EXPLAINED_MAX) failures.push(await explain(pair, script, difference, seed))
      else
        failures.push(
          `SEED=${seed}, ${difference.about} again: ${difference.text.slice(0, AGAIN_MAX)}`,
        )
      if (shouldStop) break
    }
    return { failures, missing, counts: pair.counts }
  } finally {
    await pair.stop()
  }
}

function isShared({ isNewer }: ParsedRow): boolean {
  return isNewer !== true
}

/** The server under test, or that program, and the reference. */
export function startPair(server = ''): Promise<Pair> {
  const program = server === '' ? {} : { command: server }
  return Pair.start({
    startOurs: () => TestServer.start({ ...program, args: ARGS }),
    startTheirs: () => TestServer.start({ command: REFERENCE, args: ARGS }),
  })
}

/** The smallest script found that shows the difference, with what it shows. */
async function explain(
  pair: Pair,
  script: Script,
  difference: Difference,
  seed: number,
): Promise<string> {
  let small: Script = { ...script, steps: script.steps.slice(0, difference.at + 1) }
  let shown = difference
  const probe = async (candidate: Script) => {
    const found = await pair.run(candidate)
    if (found?.about !== difference.about) return false
    small = candidate
    shown = found
    return true
  }
  const first = `SEED=${seed}, command ${difference.at} (${difference.about})`
  if (!(await probe(small))) {
    // What SPOP takes is another choice each time.
    const step = small.steps.at(-1)
    return `${first}, not seen again: ${step ? showStep(step) : ''}\n-> ${difference.text}`
  }
  await probe({ ...small, config: THRESHOLDS[0]! })
  await shrink(small.steps, (steps) => probe({ ...small, steps }))
  return `${first}:\n${showScript(small)}\n-> ${shown.text}`
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      only: { type: 'string', default: '' },
      without: { type: 'string', default: '' },
      'keep-going': { type: 'boolean', default: false },
      server: { type: 'string', default: '' },
    },
  })
  const only = values.only.split(',')
  const without = values.without.split(',')
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`SEED=${seed}`)
  const { failures, missing, counts } = await runDifferential({
    seed,
    rounds: Number(positionals[0] ?? 100),
    commands: Number(positionals[1] ?? 300),
    server: values.server,
    shouldStop: !values['keep-going'],
    only: (name) => (values.only === '' || only.includes(name)) && !without.includes(name),
  })
  for (const failure of failures) console.log(`\n${failure}`)
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  console.log(`\n${total} commands of ${counts.size} names, ${failures.length} rounds differ`)
  if (missing.length > 0) console.log(`${missing.length} commands missing: ${missing.join(' ')}`)
  process.exitCode = failures.length > 0 ? 1 : 0
}

if (import.meta.main) await main()
