// Every case of the conformance files as one test: this server, and the reference beside it, in
// RESP2 and RESP3. TIDEMARK_CONFORMANCE=reference checks the files themselves, without this
// server.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { REFERENCE, SERVER, type TestServer } from '../lib/server.ts'
import type { Case, CaseFile } from './parse.ts'
import { loadCaseFiles, runCase, type Side, startFor } from './runner.ts'

const SIDES: readonly Side[] =
  process.env['TIDEMARK_CONFORMANCE'] === 'reference'
    ? ['reference']
    : REFERENCE === ''
      ? ['ours']
      : ['ours', 'reference']

for (const file of loadCaseFiles()) describe(`conformance: ${file.name}`, () => testFile(file))

function testFile(file: CaseFile): void {
  const servers = new Map<Side, TestServer>()
  const failures = new Map<Side, unknown>()

  before(async () => {
    for (const side of SIDES) {
      try {
        servers.set(side, await startFor(file, side === 'ours' ? SERVER : REFERENCE))
      } catch (error) {
        failures.set(side, error)
      }
    }
  })

  after(async () => {
    for (const server of servers.values()) await server.stop()
  })

  for (const test of file.cases) {
    it(test.title, async () => {
      for (const [, failure] of failures) throw failure
      assert.equal(await problemsOf(servers, file, test), '')
    })
  }
}

async function problemsOf(
  servers: ReadonlyMap<Side, TestServer>,
  file: CaseFile,
  test: Case,
): Promise<string> {
  let problems = ''
  for (const [side, server] of servers) {
    if (side === 'ours' && test.referenceOnly !== '') continue
    for (const protocol of test.protocols) {
      const problem = await runCase(server, test, { side, protocol })
      if (problem !== '') problems += `\n${side}, RESP${protocol}, ${file.name}.txt ${problem}`
    }
  }
  return problems
}
