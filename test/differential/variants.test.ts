// Goal: conditions that must not matter do not, for all types. Method: see variants.ts. SEED and
// COMMANDS change the run.

import { test } from 'node:test'
import { compareVariant, VARIANTS, variantScript } from './variants.ts'

const SEED = Number(process.env['SEED'] ?? 1)
const COMMANDS = Number(process.env['COMMANDS'] ?? 400)
const ROUNDS = Number(process.env['ROUNDS'] ?? 3)

for (const variant of VARIANTS) {
  test(`${variant.name}: the same replies and data, SEED=${SEED} to ${SEED + ROUNDS - 1}`, () => {
    for (let seed = SEED; seed < SEED + ROUNDS; seed++) {
      compareVariant(variantScript(seed, COMMANDS), variant, seed)
    }
  })

  test(`${variant.name}, with commands of 7.4`, () => {
    for (let seed = SEED; seed < SEED + ROUNDS; seed++) {
      compareVariant(variantScript(seed, COMMANDS, true), variant, seed)
    }
  })
}
