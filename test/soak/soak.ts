// A soak at the memory limit: does the limit hold, whatever is stored, for as long as one likes? A
// real server with `maxmemory` gets a random load of all types, whose value sizes and eviction
// policy change from phase to phase (phases.ts, commands.ts, load.ts), with saves, swapped and
// flushed databases, and clients that read slowly. It is measured from outside (watch.ts).
//
//   npm run soak -- [--minutes 10] [--seed N] [--maxmemory 200mb] [--phase 8] [--json FILE]
//
// What must hold:
//   RSS        at every sample ≤ maxmemory + 5 % + snapshot reserve + fixed overhead + what
//              dropped buffers may take until they are collected (server/buffer-garbage.ts)
//   overhead   what a loaded server takes beside its data: the highest RSS of a server of its own
//              under the same load with CALIBRATION_LIMIT, less that limit and less what its saves
//              took of the reserve; never more than OVERHEAD_BYTES_MAX
//   used       used_memory ≤ maxmemory + what pipelines and slow readers have under way at once
//   replies    each value is one that was written there; no error, but OOM where the policy may
//              refuse
//   end        after FLUSHALL the RSS falls to overhead + reserve + 10 % of maxmemory within
//              seconds
//   server     it lives, its log tells of no crash, and it saved
//
// A run that fails says its seed and phase; the same seed gives the same phases and commands,
// though their order among connections is the machine's.

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { plainTable } from '../../bench/lib/table.ts'
import { TestServer } from '../lib/server.ts'
import { waitFor } from '../lib/wait.ts'
import { BATCH_SHARE, CONNECTIONS, type LoadMessage, type LoadOptions, SLOW_SHARE } from './load.ts'
import { type Phase, planPhases } from './phases.ts'
import { advanceOf, figure, figuresOf, type Peaks, rssOf, Watch } from './watch.ts'

export interface SoakOptions {
  readonly seed: number
  readonly totalMs: number
  readonly phaseMs: number
  readonly limitBytes: number
  readonly log: (line: string) => void
}

/** What happened in one phase. */
export interface PhaseReport {
  readonly phase: Phase
  readonly rssBytes: number
  readonly usedBytes: number
  readonly reserveBytes: number
  readonly reserveUsedBytes: number
  /** The longest wait of a PING. */
  readonly pingMs: number
  readonly commands: number
  /** Error replies: OOM, and BGSAVE during another one. */
  readonly errors: number
  readonly evicted: number
  readonly defragHits: number
}

export interface SoakReport {
  readonly seed: number
  readonly limitBytes: number
  readonly overheadBytes: number
  readonly phases: readonly PhaseReport[]
  readonly saves: number
  /** From FLUSHALL until what is resident is little. */
  readonly flushedMs: number
  readonly faults: readonly string[]
}

const MIB = 1 << 20
const CALIBRATION_LIMIT = 24 * MIB
const CALIBRATION_MS_MAX = 60_000
const CALIBRATION_PHASES = 12
const OVERHEAD_BYTES_MAX = 288 * MIB
const RSS_SHARE = 0.05
/** LIMIT_BYTES of buffer-garbage.ts. */
const GARBAGE_BYTES = 64 * MIB
const SAVE_MS = 5000
/** Of the limit, and beside it: what pipelines and their replies take at once (load.ts). */
const UNDER_WAY_SHARE = CONNECTIONS * BATCH_SHARE + SLOW_SHARE
const UNDER_WAY_BYTES = CONNECTIONS * 2 * MIB
const FLUSHED_SHARE = 0.1
const FLUSHED_MS = 15_000
const CRASH = /BUG REPORT|assert|uncaught|crash/i
const LOG_CHARACTERS = 3000

/** Runs it all; what is wrong stands in `faults`. */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { seed, totalMs, limitBytes, log } = options
  await warmUp()
  const smallMs = Math.min(CALIBRATION_MS_MAX, totalMs / 4)
  const small = await runServer({
    ...options,
    totalMs: smallMs,
    phaseMs: smallMs / CALIBRATION_PHASES,
    limitBytes: CALIBRATION_LIMIT,
  })
  const overheadBytes = overheadOf(small.phases)
  log(`fixed overhead: ${mib(overheadBytes)} MiB`)
  const flushedMost = overheadBytes + FLUSHED_SHARE * limitBytes + GARBAGE_BYTES
  const run = await runServer({ ...options, totalMs: totalMs - smallMs }, flushedMost)
  const { phases, saves, flushedMs } = run
  const report = { seed, limitBytes, overheadBytes, phases, saves, flushedMs }
  return { ...report, faults: [...small.faults, ...run.faults, ...judge(report)] }
}

/**
 * Runs a server to its end in order, which leaves its compiled code for the next ones: who has to
 * compile takes 60 MB more.
 */
async function warmUp(): Promise<void> {
  const server = await TestServer.start()
  const client = await server.connect()
  await client.text('SET', 'key', 'value')
  await client.text('BGSAVE')
  await endSaves(server)
  await server.stop('SIGTERM')
}

/** The highest resident set, less the limit and what saves took. */
function overheadOf(phases: readonly PhaseReport[]): number {
  const reserve = Math.max(...phases.map(({ reserveUsedBytes }) => reserveUsedBytes))
  return Math.max(...phases.map(({ rssBytes }) => rssBytes)) - CALIBRATION_LIMIT - reserve
}

/** What of the measured is more than it may be. */
function judge(report: Omit<SoakReport, 'faults'>): string[] {
  const { seed, limitBytes, overheadBytes, phases } = report
  const faults: string[] = []
  const hold = (what: string, bytes: number, most: number) => {
    if (bytes <= most) return
    faults.push(`SEED=${seed} ${what}: ${mib(bytes)} MiB, at most ${mib(most)}`)
  }
  hold('fixed overhead', overheadBytes, OVERHEAD_BYTES_MAX)
  for (const { phase, rssBytes, usedBytes, reserveBytes } of phases) {
    const where = `in phase ${phase.index} (${phase.name}, ${phase.policy})`
    const most = limitBytes * (1 + RSS_SHARE) + reserveBytes + overheadBytes + GARBAGE_BYTES
    hold(`RSS ${where}`, rssBytes, most)
    const underWay = limitBytes * UNDER_WAY_SHARE + UNDER_WAY_BYTES
    hold(`used_memory ${where}`, usedBytes, limitBytes + underWay)
  }
  return faults
}

interface ServerRun {
  readonly phases: readonly PhaseReport[]
  readonly saves: number
  readonly flushedMs: number
  readonly faults: readonly string[]
}

/** One server, from its start to its end; `flushedMost`: what may be resident after FLUSHALL. */
async function runServer(options: SoakOptions, flushedMost = Infinity): Promise<ServerRun> {
  const server = await TestServer.start({ args: ['--maxmemory', `${options.limitBytes}`] })
  const faults: string[] = []
  const phases: PhaseReport[] = []
  let saves = 0
  let flushedMs = 0
  try {
    const watch = await Watch.start(server)
    await Promise.race([watch.failed, load(server, watch, { options, phases })])
    await watch.stop()
    saves = await endSaves(server)
    flushedMs = await flush(server, flushedMost)
    if (saves === 0) faults.push('nothing was saved')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const { exitCode, signalCode } = server.child
    const end = exitCode ?? signalCode
    if (end !== null) faults.push(`the server ended: ${end}\n${logEnd(server)}`)
    faults.push(`SEED=${options.seed}: ${reason}`)
  } finally {
    if (CRASH.test(server.output)) faults.push(logEnd(server))
    await server.stop()
  }
  return { phases, saves, flushedMs, faults }
}

/** Runs the load to its end; throws at its first fault. */
async function load(
  server: TestServer,
  watch: Watch,
  { options, phases }: { options: SoakOptions; phases: PhaseReport[] },
): Promise<void> {
  const { seed, limitBytes, totalMs, phaseMs, log } = options
  const workerData: LoadOptions = {
    port: server.port,
    seed,
    limitBytes,
    phases: planPhases(seed, totalMs, phaseMs),
    saveMs: Math.min(SAVE_MS, totalMs / 4),
  }
  const worker = new Worker(new URL('./load.ts', import.meta.url), { workerData })
  let current: { readonly phase: Phase; readonly peaks: Peaks } | null = null
  const endPhase = () => {
    if (current === null) return
    const report = reportOf(current.phase, current.peaks)
    phases.push(report)
    log(rowOf(report).join('  '))
  }
  try {
    await new Promise<void>((resolve, reject) => {
      worker.on('error', reject)
      worker.on('exit', () => reject(new Error('the load ended early')))
      worker.on('message', (message: LoadMessage) => {
        endPhase()
        if (message.kind === 'phase') current = { phase: message.phase, peaks: watch.begin() }
        else if (message.kind === 'end') resolve()
        else reject(new Error(message.text))
      })
    })
  } finally {
    worker.removeAllListeners('exit')
    await worker.terminate()
  }
}

function reportOf(phase: Phase, peaks: Peaks): PhaseReport {
  const { rssBytes, usedBytes, reserveBytes, reserveUsedBytes, pingMs } = peaks
  return {
    phase,
    rssBytes,
    usedBytes,
    reserveBytes,
    reserveUsedBytes,
    pingMs,
    commands: advanceOf(peaks, 'total_commands_processed'),
    errors: advanceOf(peaks, 'total_error_replies'),
    evicted: advanceOf(peaks, 'evicted_keys'),
    defragHits: advanceOf(peaks, 'active_defrag_hits'),
  }
}

/** Waits for the last save, which must have gone well; how many there were. */
async function endSaves(server: TestServer): Promise<number> {
  const client = await server.connect()
  const isIdle = async () => figure(await figuresOf(client), 'rdb_bgsave_in_progress') === 0
  await waitFor('the last save has ended', isIdle, 30_000)
  const saves = figure(await figuresOf(client), 'rdb_saves')
  const text = await client.text('INFO', 'persistence')
  if (!text.includes('rdb_last_bgsave_status:ok')) throw new Error('the last save has failed')
  client.close()
  return saves
}

/** FLUSHALL; how long it takes until at most `mostBytes` and the reserve are resident, in ms. */
async function flush(server: TestServer, mostBytes: number): Promise<number> {
  const client = await server.connect()
  const startMs = Date.now()
  await client.text('FLUSHALL')
  const reserveBytes = figure(await figuresOf(client), 'maxmemory_reservation')
  const most = mostBytes + reserveBytes
  await waitFor(`at most ${mib(most)} MiB resident`, () => rssOf(server) <= most, FLUSHED_MS)
  client.close()
  return Date.now() - startMs
}

/** The log from where it tells of a crash, or its end. */
function logEnd({ output }: TestServer): string {
  const found = CRASH.exec(output)?.index ?? output.length - LOG_CHARACTERS
  const start = Math.max(0, found - LOG_CHARACTERS / 10)
  return `the log:\n${output.slice(start, start + LOG_CHARACTERS)}`
}

const HEADER = [
  'phase',
  'policy',
  'RSS',
  'used',
  'reserve',
  'commands',
  'errors',
  'evicted',
  'moved',
  'PING ms',
]

function rowOf(report: PhaseReport): string[] {
  const { phase, rssBytes, usedBytes, reserveUsedBytes, pingMs } = report
  const { commands, errors, evicted, defragHits } = report
  const sizes = [rssBytes, usedBytes, reserveUsedBytes].map(mib)
  const counts = [commands, errors, evicted, defragHits].map(String)
  const name = `${phase.index} ${phase.name}`
  return [name, phase.policy, ...sizes, ...counts, pingMs.toFixed(1)]
}

/** The table of phases, and what holds for all of them. */
export function showReport({ phases, ...report }: SoakReport): string {
  const { seed, limitBytes, overheadBytes, flushedMs, saves, faults } = report
  return [
    plainTable(HEADER, phases.map(rowOf)),
    `SEED=${seed}: maxmemory ${mib(limitBytes)}, fixed overhead ${mib(overheadBytes)} MiB; ` +
      `${saves} saves, back in ${flushedMs} ms after FLUSHALL`,
    ...(faults.length === 0 ? ['all well'] : faults),
  ].join('\n')
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(1)
}

/** 200mb, 1gb, or bytes. */
function parseBytes(text: string): number {
  const match = /^(\d+)(kb|mb|gb|)$/i.exec(text)
  if (match === null) throw new Error(`--maxmemory ${text}: expected bytes, 200mb, or 1gb`)
  const unit = ['', 'kb', 'mb', 'gb'].indexOf((match[2] ?? '').toLowerCase())
  return Number(match[1]) * 1024 ** unit
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '10' },
      seed: { type: 'string', default: `${Math.floor(Math.random() * 1e9)}` },
      maxmemory: { type: 'string', default: '200mb' },
      phase: { type: 'string', default: '8' },
      json: { type: 'string', default: '' },
    },
  })
  console.log(`SEED=${values.seed}`)
  const report = await soak({
    seed: Number(values.seed),
    totalMs: Number(values.minutes) * 60_000,
    phaseMs: Number(values.phase) * 1000,
    limitBytes: parseBytes(values.maxmemory),
    log: (line) => console.log(line),
  })
  console.log(`\n${showReport(report)}`)
  if (values.json !== '') writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`)
  process.exit(report.faults.length === 0 ? 0 : 1)
}

if (import.meta.main) await main()
