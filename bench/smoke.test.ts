// Every benchmark runs from end to end at tiny sizes: its servers start and stop, each measure it
// declares gets a plausible value, nothing is left behind. Whether a number is good is not asked.
// The subject is bin/tidemark-server, the reference redis-server where installed; either stands in
// for the other that is missing.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { ROLES } from './lib/bench.ts'
import type { Result } from './lib/result.ts'

const ROOT = resolve(import.meta.dirname, '..')
const OWN_SERVER = 'bin/tidemark-server'
const OWN_MAIN = 'src/main.ts'
const RUN_LIMIT_MS = 120_000

/** Measures that a server, or a machine, may not have. */
const OPTIONAL = new Set([
  'V8 heap growth at twice the keys',
  'used_memory per key, filled by redis-benchmark',
])

/** Sizes that a quick run of types-growth does not reach. */
const LARGE = /, 10\^[4-7]$/

const work = mkdtempSync(join(tmpdir(), 'tidemark-smoke-'))
after(() => rmSync(work, { recursive: true, force: true }))

const hasRedis = hasProgram('redis-server')
const hasOwn = [OWN_SERVER, OWN_MAIN].every((path) => existsSync(join(ROOT, path)))
const subject = hasOwn ? OWN_SERVER : 'redis-server'
const reference = hasRedis ? 'redis-server' : OWN_SERVER
const skip = hasRedis || hasOwn ? false : 'no server to measure'

const NAMES = [
  'startup',
  'memory',
  'idle-clients',
  'defrag',
  'throughput',
  'snapshot-storm',
  'snapshot-limit',
  'snapshot-latency',
  'snapshot-quiet',
  'snapshot-cut',
  'snapshot-large',
  'save-load',
  'aof',
  'load',
  'types-cpu',
  'types-memory',
  'types-growth',
  'types-delete',
  'types-save-load',
  'eviction',
  'hit-rate',
] as const
const NEED_REDIS_BENCHMARK: ReadonlySet<string> = new Set(['throughput', 'eviction'])
for (const name of NAMES) {
  const isMissing = NEED_REDIS_BENCHMARK.has(name) && !hasProgram('redis-benchmark')
  const reason = skip || (isMissing ? 'redis-benchmark is not installed' : false)
  test(`${name} gives every measure a value`, { skip: reason, timeout: RUN_LIMIT_MS }, () => {
    const run = runBench([name, `--subject=${subject}`, `--reference=${reference}`])
    assert.equal(run.status, 0, run.stderr)
    const result = JSON.parse(readFileSync(join(work, 'out', `${name}.json`), 'utf8')) as Result
    assert.equal(result.bench, name)
    checkRows(result)
    assert.match(run.stdout, new RegExp(`^${name}: `, 'm'))
    assert.deepEqual(readdirSync(work), ['out'], 'a server left its directory')
  })
}

test('bytes per key lie above what key and value need', { skip }, () => {
  const path = join(work, 'out', 'memory.json')
  const result = JSON.parse(readFileSync(path, 'utf8')) as Result
  const row = result.rows.find((each) => each.name === 'used_memory per key')
  for (const role of ROLES) {
    const bytes = row?.[role]?.median ?? 0
    assert.ok(bytes > 80 && bytes < 400, `${role}: ${bytes} B per key of 16 + 64 B`)
  }
})

test('a server that does not start is reported with its own words', { skip }, () => {
  const broken = `${subject} --no-such-directive 1`
  const run = runBench(['startup', `--subject=${broken}`, `--reference=${reference}`])
  assert.notEqual(run.status, 0)
  assert.match(run.stderr, /no-such-directive/)
  assert.deepEqual(readdirSync(work), ['out'])
})

test('an unknown benchmark is refused with the list of names', () => {
  const run = runBench(['no-such-bench', '--subject=true', '--reference=true'])
  assert.equal(run.status, 1)
  assert.match(run.stderr, /no benchmark 'no-such-bench'[\s\S]*save-load/)
})

function checkRows(result: Result): void {
  assert.ok(result.machine.cores > 0)
  assert.match(result.node, /^v\d+/)
  for (const row of result.rows) {
    for (const role of ROLES) {
      const summary = row[role]
      if (!summary && (OPTIONAL.has(row.name) || LARGE.test(row.name))) continue
      if (result.notes.some((note) => note.startsWith('skipped:'))) continue
      assert.ok(summary, `${row.name} has no value for the ${role}`)
      assert.ok(
        summary.rounds.every((value) => Number.isFinite(value) && value >= 0),
        row.name,
      )
      assert.ok(summary.min <= summary.median && summary.median <= summary.max, row.name)
    }
  }
}

function runBench(words: readonly string[]) {
  const path = join(ROOT, 'bench', 'run.ts')
  const places = [`--work=${work}`, `--out=${join(work, 'out')}`]
  return spawnSync(process.execPath, [path, '--quick', ...places, ...words], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: RUN_LIMIT_MS,
  })
}

function hasProgram(program: string): boolean {
  return spawnSync(program, ['--version']).status === 0
}
