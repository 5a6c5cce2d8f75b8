// Goal: eviction while a save runs neither breaks the bounds of its cut nor lets memory grow beyond
// `maxmemory`; the file holds what was there at the cut, keys that are evicted meanwhile included;
// and pages that are kept for the cut alone have no key evicted. Method: whole engines with a small
// reserve at their limit, writers that never pause, and all ways to scan.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SavingServer } from './saving-server.ts'

const SCANNERS = ['background', 'cooperative', 'changing'] as const
const RESERVE = '1mb'
/** What one command may take beyond the bound. */
const COMMAND_PAGES = 8
/** What one command may take beyond the limit before the next one makes room. */
const COMMAND_BYTES = 16 * 1024

/** Sets the limit to what is in use now. */
function limitNow(scene: SavingServer): number {
  const { memory } = scene.server.engine.server
  const limit = memory.usedBytes() - memory.notCountedBytes
  scene.do('CONFIG', 'SET', 'maxmemory', `${limit}`)
  return limit
}

for (const scanner of SCANNERS) {
  describe(`eviction during a save, ${scanner}`, () => {
    for (const policy of ['allkeys-lru', 'volatile-ttl'] as const) {
      it(`keeps the bound of the cut and the limit: ${policy}`, () => {
        const config = { 'snapshot-reserve': RESERVE, 'maxmemory-policy': policy } as const
        const scene = new SavingServer({ scanner, config })
        const { random } = scene
        const value = 'v'.repeat(400)
        const set = (key: string) => ['SET', key, value, 'EX', `${1000 + random.below(1000)}`]
        scene.fill(Array.from({ length: 20_000 }, (_, i) => set(`key:${i}`)))
        const limit = limitNow(scene)
        const { memory, eviction } = scene.server.engine.server
        let most = 0
        let written = 0
        const saved = scene.save(() => {
          for (let i = 0; i < 10; i++) scene.do(...set(`new:${written++}`))
          most = Math.max(most, memory.usedBytes() - memory.notCountedBytes)
        })
        assert.ok(written > 300, `${written} keys written`)
        assert.ok(eviction.evictedKeys > written / 2, `${eviction.evictedKeys} keys evicted`)
        assert.ok(most <= limit + COMMAND_BYTES, `${most - limit} bytes beyond the limit`)
        const { figures, boundPages } = saved
        assert.ok(figures.usedPeak <= boundPages + COMMAND_PAGES, `${figures.usedPeak} pages`)
        assert.equal(figures.waits, 0)
        scene.settle()
        scene.expectFile(saved)
      })
    }

    it('has writers wait when the limit falls far below what is in use', () => {
      const config = {
        'snapshot-reserve': RESERVE,
        'maxmemory-policy': 'allkeys-random',
        'maxmemory-eviction-tenacity': '100',
      } as const
      const scene = new SavingServer({ scanner, config })
      const value = 'v'.repeat(400)
      scene.fill(Array.from({ length: 20_000 }, (_, i) => ['SET', `key:${i}`, value]))
      const { memory } = scene.server.engine.server
      let turnsOver = 0
      const saved = scene.save((turn) => {
        if (turn === 3) scene.do('CONFIG', 'SET', 'maxmemory', `${memory.usedBytes() >>> 1}`)
        scene.do('SET', `new:${turn}`, value)
        if (memory.isOver) turnsOver++
      })
      const { figures, boundPages } = saved
      assert.ok(figures.usedPeak <= boundPages + COMMAND_PAGES, `${figures.usedPeak} pages`)
      assert.equal(figures.waits, 0)
      scene.server.clock.advance(100)
      assert.ok(!memory.look())
      assert.ok(turnsOver < saved.turns)
      scene.settle()
      scene.expectFile(saved)
    })

    it('evicts nothing for pages that are kept for the cut alone', () => {
      const config = { 'maxmemory-policy': 'allkeys-lru' } as const
      const scene = new SavingServer({ scanner, config })
      const value = 'v'.repeat(3000)
      scene.fill(Array.from({ length: 3000 }, (_, i) => ['SET', `key:${i}`, value]))
      const { memory, eviction } = scene.server.engine.server
      scene.do('CONFIG', 'SET', 'maxmemory', `${Math.ceil(memory.usedBytes() * 1.02)}`)
      const saved = scene.save((turn) => {
        // Each has another cell than before: the old one stays until the cut has read it.
        if (turn < 1000) scene.do('SET', `key:${turn}`, `${value}${'w'.repeat(turn % 50)}`)
      })
      assert.equal(eviction.evictedKeys, 0)
      scene.settle()
      scene.expectFile(saved)
    })
  })
}
