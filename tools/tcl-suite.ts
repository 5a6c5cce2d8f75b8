// npm run tcl -- [options] [UNIT…]: files of Redis's own Tcl suite against this server.
//
//   UNIT…            as `unit/type/string`; without any, those test/suite/units.tsv says apply
//   --server CMD     another server, /usr/bin/redis-server for a comparison
//   --record         writes the results into test/suite/results.tsv and docs/compatibility.md
//   --expect         units whose failures all have a reason join npm test with what they passed
//   --baseline       keeps the results, of redis-server, as what ours are compared with
//   --table          writes the page's table anew, runs nothing
//   --port N         where ports of the run begin, for two runs at once
//   --list           shows the units and whether they apply
//   --details        shows what each failing test found
//
// Raw output of the suite is kept in .cache/tcl/suite.logs/. Ends with 1 when a unit passes fewer
// tests than Redis 7.0.15.

import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import {
  expectResults,
  missingTools,
  readBaseline,
  readUnits,
  runSuite,
  type UnitResult,
  writeBaseline,
} from './tcl/suite.ts'
import { isExplained, recordResults, writeTable } from './tcl/table.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    server: { type: 'string', default: resolve(import.meta.dirname, '../bin/tidemark-server') },
    expect: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
    port: { type: 'string', default: '21111' },
    list: { type: 'boolean', default: false },
    baseline: { type: 'boolean', default: false },
    details: { type: 'boolean', default: false },
    table: { type: 'boolean', default: false },
  },
})

const missing = missingTools()
if (values.list) listUnits()
else if (values.table) writeTable()
else if (missing !== '') console.log(`SKIPPED: the Tcl suite cannot run here: ${missing}`)
else run()

function run(): void {
  const units = positionals.length > 0 ? positionals : applying()
  const results = runSuite({
    server: values.server,
    name: 'suite',
    units,
    baseport: Number(values.port),
    verbose: true,
  })
  const baseline = readBaseline()
  let short = 0
  for (const result of results) {
    const wanted = baseline.get(result.unit) ?? 0
    if (result.passed < wanted) short++
    console.log(summaryLine(result, wanted))
    for (const { test, detail } of result.failures) {
      console.log(`    FAILS ${test || '(the unit breaks off)'}`)
      if (values.details) console.log(`          ${detail}`)
    }
  }
  if (values.baseline) writeBaseline(results)
  if (values.record) recordResults(results)
  const names = values.expect ? expectResults(results, isExplained) : []
  if (values.expect) console.log(`npm test now expects: ${names.join(' ')}`)
  process.exitCode = short === 0 ? 0 : 1
}

function applying(): string[] {
  return readUnits()
    .filter((unit) => unit.applies)
    .map((unit) => unit.name)
}

function summaryLine(result: UnitResult, baseline: number): string {
  const { unit, passed, failures, seconds } = result
  return `${unit}: ${passed} of ${baseline} pass, ${failures.length} fail, ${seconds} s`
}

function listUnits(): void {
  for (const unit of readUnits()) {
    const quick = unit.expected < 0 ? '' : `, npm test expects ${unit.expected}`
    console.log(`${unit.name}: ${unit.applies ? 'applies' : 'later'}${quick}  ${unit.remark}`)
  }
}
