// Goal: the committed WebAssembly is what the committed source compiles to, so that nobody has to
// trust a blob. Method: compile again, compare every byte of the generated file.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { buildKernels } from './build-kernels.ts'

const RESULT = new URL('../src/persist/rdb/kernels.wasm.ts', import.meta.url)

test('kernels.wasm.ts is what kernels.as.ts compiles to', async () => {
  const committed = readFileSync(RESULT, 'utf8')
  assert.equal(await buildKernels(), committed, 'run: node tools/build-kernels.ts')
})
