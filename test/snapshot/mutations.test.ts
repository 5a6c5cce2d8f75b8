// Goal: whatever path changes the data while a save is under way, the file holds the keyspace of
// the cut; reads change no page at all.
// Method: one row per path. A server is filled, BGSAVE opens a cut over a tiny reserve, and the
// row's commands run between the single steps of the scan, by each method and with changes between
// them. The file is loaded by a second server. Each row proves that its path was taken: pages of
// the cut were preserved or held, and the data is another one than at the cut.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SCANNERS } from '../../src/persist/snapshot/test-cut.ts'
import { rowsOfKeys } from './mutation-rows-keys.ts'
import { rowsOfValues } from './mutation-rows-values.ts'
import type { Mutation } from './mutations.ts'
import { SavingServer, SEED } from './saving-server.ts'

const TINY = { 'snapshot-reserve': '1%' } as const

/** What all rows together have brought about. */
const seen = { toEngine: 0, toThread: 0, heldPages: 0, spilledBytes: 0, late: 0 }

function run(row: Mutation, scene: SavingServer): void {
  row.fill(scene)
  const saved = scene.save((turn) => row.change(scene, turn))
  const { figures, atCut } = saved
  if (row.isReadOnly) {
    assert.equal(figures.preservedRuns + figures.heldPagesPeak, 0, 'reads leave all pages alone')
    assert.deepEqual(scene.contents(), atCut)
  } else {
    assert.ok(figures.preservedRuns + figures.heldPagesPeak > 0, 'changes met pages of the cut')
    assert.notDeepEqual(scene.contents(), atCut)
  }
  row.prove?.(scene, saved)
  const { toEngine, toThread } = scene.handovers()
  seen.toEngine += toEngine
  seen.toThread += toThread
  seen.heldPages += figures.heldPagesPeak
  seen.spilledBytes += saved.spilledBytes
  seen.late += scene.replies.late
  scene.settle()
  scene.expectFile(saved, row.name)
}

for (const scanner of SCANNERS) {
  describe(`a save is the instant of its cut, ${scanner}`, () => {
    for (const row of [...rowsOfKeys, ...rowsOfValues]) {
      it(row.name, () => {
        const config = { ...TINY, ...row.config }
        run(row, new SavingServer({ scanner, config, seed: SEED }))
      })
    }
  })
}

it('in all this each part of the engine had its turn', () => {
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 0, what)
})
