// The result of one benchmark run: JSON for machines, a table for people, the same everywhere
// (terminal, docs/benchmarks.md). A result says on which machine, with which Node, servers and
// command it was measured; without these a number is worth nothing.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import {
  type Bench,
  type Measure,
  type Parameters,
  ROLES,
  type Role,
  type Row,
  type Setup,
} from './bench.ts'
import { isPivot, pivotHeader, pivotRows } from './pivot.ts'
import { machineTicks } from './proc.ts'
import { rounded, type Summary, summarize } from './stats.ts'
import { formatNumber } from './table.ts'
import { sleep } from './time.ts'
import { hasVariants, variantHeader, variantRows } from './variants.ts'
import type { Series } from './window.ts'

export interface Result {
  readonly bench: string
  readonly question: string
  readonly date: string
  /** What to type to measure it again. */
  readonly command: string
  readonly machine: Machine
  readonly disturbance: Disturbance
  readonly node: string
  readonly servers: Record<Role, { name: string; command: string; version: string }>
  readonly rounds: number
  readonly parameters: Parameters
  readonly rows: Row[]
  readonly notes: string[]
  /** What charts are drawn from; only where a benchmark has any. */
  readonly series?: readonly Series[]
}

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryMiB: number
  readonly kernel: string
  readonly transparentHugePages: string
  readonly overcommitMemory: string
}

/** What else went on: a run on a busy machine or a busy host is to be repeated, not believed. */
export interface Disturbance {
  /** Part of the machine's CPU time that was in use just before, when the run had nothing going. */
  readonly busyBeforePercent: number
  /** Part of the machine's CPU time that the hypervisor gave to others during the run. */
  readonly stolenPercent: number
}

/** Puts together what a finished run has found. */
export function makeResult(
  bench: Bench,
  setup: Setup,
  run: { command: string; parameters: Parameters; disturbance: Disturbance },
): Result {
  return {
    bench: bench.name,
    question: bench.question,
    date: new Date().toISOString(),
    command: run.command,
    machine: describeMachine(),
    disturbance: run.disturbance,
    node: process.version,
    servers: {
      subject: describeServer(setup.commands.subject),
      reference: describeServer(setup.commands.reference),
    },
    rounds: setup.rounds,
    parameters: run.parameters,
    rows: setup.measures.map((measure) => makeRow(measure, setup.values.get(measure.name)!)),
    notes: setup.notes,
    ...(setup.series.length > 0 ? { series: setup.series } : {}),
  }
}

/** Looks at the idle machine for `idleMs`; the function it gives says what happened since. */
export async function watchMachine(idleMs: number): Promise<() => Disturbance> {
  const idle = machineTicks()
  await sleep(idleMs)
  const before = machineTicks()
  const unused = (before.idle - idle.idle) / Math.max(1, before.total - idle.total)
  return () => {
    const after = machineTicks()
    const stolen = (after.stolen - before.stolen) / Math.max(1, after.total - before.total)
    return {
      busyBeforePercent: Math.max(0, Math.round(100 * (1 - unused))),
      stolenPercent: rounded(100 * stolen),
    }
  }
}

/** A measure with its values, ratio and verdict. */
export function makeRow(measure: Measure, values: Readonly<Record<Role, number[]>>): Row {
  const row: { -readonly [Field in keyof Row]: Row[Field] } = { ...measure }
  for (const role of ROLES) {
    if (values[role].length > 0) row[role] = summarize(values[role])
  }
  if (row.subject && row.reference && row.reference.median !== 0) {
    row.ratio = rounded(row.subject.median / row.reference.median)
  }
  const { target } = measure
  // An outcome is as good as the worst of the rounds.
  const own = measure.words ? row.subject?.max : row.subject?.median
  const value = target?.of === 'ratio' ? row.ratio : own
  if (target && value !== undefined) {
    row.isMet = measure.better === 'higher' ? value >= target.limit : value <= target.limit
  }
  return row
}

/** The result as text: lists of numbers stand in one line each. */
export function resultJson(result: Result): string {
  const text = JSON.stringify(result, null, 2)
  return `${text.replaceAll(/\[[-\d.,e+\s]+\]/g, (list) => list.replaceAll(/\s+/g, ''))}\n`
}

/** The column titles of a result's table. */
export function tableHeader({ servers, rows }: Result): string[] {
  const isControl = servers.subject.name === servers.reference.name
  const first = isControl ? `${servers.subject.name} A` : servers.subject.name
  const second = isControl ? `${servers.reference.name} B` : servers.reference.name
  if (hasVariants(rows)) return variantHeader(rows, second)
  if (isPivot(rows)) return pivotHeader(rows, `${first} : ${second}`)
  const medians = [`${first} median`, `${second} median`, 'ratio']
  const ranges = [`${first} min–max`, `${second} min–max`]
  return ['measure', 'unit', ...medians, ...ranges, 'target', '']
}

/** The cells of a result's table, one list per measure that has values. */
export function tableRows(result: Result): string[][] {
  if (hasVariants(result.rows)) return variantRows(result.rows)
  if (isPivot(result.rows)) return pivotRows(result.rows)
  return result.rows
    .filter((row) => row.subject || row.reference)
    .map((row) => [
      row.name,
      row.unit,
      formatNumber(row.subject?.median ?? Number.NaN),
      formatNumber(row.reference?.median ?? Number.NaN),
      row.ratio === undefined ? '–' : row.ratio.toFixed(2),
      formatRange(row.subject),
      formatRange(row.reference),
      formatTarget(row),
      row.isMet === undefined ? '' : row.isMet ? 'met' : 'missed',
    ])
}

/** Machine, versions, date and command, in one line each. */
export function describeRun(result: Result): string[] {
  const { machine, servers, disturbance } = result
  const sizes = Object.entries(result.parameters).map(([name, value]) => `${name} ${value}`)
  return [
    `Measured ${result.date.slice(0, 16).replace('T', ' ')} UTC with \`${result.command}\`, ` +
      `${result.rounds} rounds.`,
    `${machine.cpu}, ${machine.cores} cores, ${formatNumber(machine.memoryMiB)} MiB, ` +
      `Linux ${machine.kernel}, THP ${machine.transparentHugePages}, ` +
      `overcommit ${machine.overcommitMemory}; Node ${result.node}; ` +
      `busy before ${disturbance.busyBeforePercent} %, stolen ${disturbance.stolenPercent} %.`,
    ROLES.map((role) => `${role}: \`${servers[role].command}\` (${servers[role].version})`).join(
      '; ',
    ),
    sizes.length === 0 ? '' : `Sizes: ${sizes.join(', ')}.`,
  ].filter((line) => line !== '')
}

function formatRange(summary: Summary | undefined): string {
  if (!summary) return '–'
  return `${formatNumber(summary.min)}–${formatNumber(summary.max)}`
}

function formatTarget(row: Row): string {
  if (!row.target) return ''
  const sign = row.better === 'higher' ? '≥' : '≤'
  const unit = row.target.of === 'ratio' ? '×' : row.unit
  return `${sign} ${row.target.limit} ${unit}`
}

function describeServer(command: string): { name: string; command: string; version: string } {
  const [program, ...leading] = command.split(' ').filter((word) => word !== '')
  const name = (program ?? '')
    .split('/')
    .pop()!
    .replace(/-server$/, '')
  const script = leading.filter((word) => word.endsWith('.ts'))
  const text = execFileSync(program!, [...script, '--version'], { encoding: 'utf8' })
  const version = /v=([^ ]+)/.exec(text)?.[1] ?? text.trim().split('\n')[0]!
  return { name, command, version }
}

function describeMachine(): Machine {
  const processors = cpus()
  const hugePages = readOr('/sys/kernel/mm/transparent_hugepage/enabled', 'unknown')
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryMiB: Math.round(totalmem() / (1 << 20)),
    kernel: release(),
    transparentHugePages: /\[(\w+)\]/.exec(hugePages)?.[1] ?? hugePages,
    overcommitMemory: readOr('/proc/sys/vm/overcommit_memory', 'unknown'),
  }
}

function readOr(path: string, fallback: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return fallback
  }
}
