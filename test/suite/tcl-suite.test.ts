// The quick units of Redis's own Tcl suite: each must pass at least as many tests as
// test/suite/units.tsv expects. The whole selection is run by `npm run tcl`. Skipped, and said so,
// where the suite's scripts are not beside the checkout or its source cannot be fetched.

import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import type { SuiteOptions, UnitResult } from '../../tools/tcl/suite.ts'
import { missingTools, prepareSuite, readUnits, runSuite } from '../../tools/tcl/suite.ts'
import { SERVER } from '../lib/server.ts'

const quick = readUnits().filter((unit) => unit.expected >= 0)
const options: SuiteOptions = {
  server: SERVER,
  name: 'quick',
  units: quick.map((unit) => unit.name),
  baseport: 26111,
}

function whyNot(): string {
  const missing = missingTools()
  if (missing !== '') return missing
  if (quick.length === 0) return 'no unit is listed for npm test'
  try {
    prepareSuite(options)
    return ''
  } catch (error) {
    return String(error)
  }
}

const reason = whyNot()
if (reason !== '') console.log(`SKIPPED: the Tcl suite cannot run here: ${reason}`)

// A suite without a test would be counted as nothing at all.
it('the Tcl suite can run here', { skip: reason !== '' && reason }, () => {
  assert.notEqual(quick.length, 0)
})

describe('Redis Tcl suite', { skip: reason !== '' && reason }, () => {
  let results: UnitResult[] = []

  before(() => {
    results = runSuite(options)
  })

  for (const unit of quick) {
    it(`${unit.name}: ${unit.expected} tests pass`, () => {
      const result = results.find((found) => found.unit === unit.name)
      const failures = result?.failures.map(({ test, detail }) => `\n  ${test}: ${detail}`) ?? []
      const passed = result?.passed ?? 0
      assert.ok(passed >= unit.expected, `${passed} pass${failures.join('')}`)
    })
  }
})
