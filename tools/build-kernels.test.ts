// Goal: the committed WebAssembly is what the committed source compiles to, so that nobody has to
// trust a blob. Method: compile again, compare every byte of the generated file.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { buildKernels, KERNEL_MODULES, resultOf } from './build-kernels.ts'

for (const module of KERNEL_MODULES) {
  test(`${module.name}.wasm.ts is what ${module.name}.as.ts compiles to`, async () => {
    const committed = readFileSync(resultOf(module), 'utf8')
    assert.equal(await buildKernels(module), committed, 'run: node tools/build-kernels.ts')
  })
}
