// Goal: docs/configuration.md shows the table as it is. UPDATE_DOCS=1 writes it anew.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { configReference, PAGE_BEGIN, PAGE_END } from './config-page.ts'
import { configIndex } from './config-table.ts'

const PAGE = new URL('../../docs/configuration.md', import.meta.url)

test('the page shows every parameter as the table has it', () => {
  const page = readFileSync(PAGE, 'utf8')
  const begin = page.indexOf(PAGE_BEGIN) + PAGE_BEGIN.length
  const end = page.indexOf(PAGE_END)
  assert.ok(begin >= PAGE_BEGIN.length && end > begin, 'the marks are in the page')
  const expected = `${page.slice(0, begin)}\n\n${configReference()}\n${page.slice(end)}`
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(PAGE, expected)
  assert.equal(readFileSync(PAGE, 'utf8'), expected, 'run this test once with UPDATE_DOCS=1')
  for (const name of configIndex.keys()) assert.ok(expected.includes(`\`${name}\``), name)
})

test('a refusal is explained', () => {
  assert.doesNotMatch(configReference(), /see the error|undefined/)
})
