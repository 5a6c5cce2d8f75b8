// docs/compatibility.md lists the differences that the conformance files mark, and the results of
// the Tcl suite as they were recorded.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { suiteTable } from '../../tools/tcl/table.ts'
import { ROOT } from '../lib/server.ts'
import { differencesTable, writtenTable } from './differences.ts'

it('the page lists the deliberate differences (run.ts --write-docs writes it)', () => {
  assert.equal(writtenTable(), differencesTable())
})

it('the page shows the results of the Tcl suite (npm run tcl -- --table writes it)', () => {
  const page = readFileSync(join(ROOT, 'docs/compatibility.md'), 'utf8')
  assert.ok(page.includes(suiteTable()))
})
