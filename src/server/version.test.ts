// Goal: the version is written in two places that agree. Method: read package.json.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { it } from 'node:test'
import { TIDEMARK_VERSION } from './version.ts'

it('is that of the package', () => {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  assert.equal(TIDEMARK_VERSION, (JSON.parse(text) as { version: string }).version)
})
