// Goal: use of the bound settles below it whatever the scanner does; nobody is forgotten, served
// twice or kept behind a pipeline. Method: simulated writers on a simulated engine, one millisecond
// per step, with scanners of known speed; invariants after every step.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Flag } from '../command/command.ts'
import { SimulatedEngine } from './test-delay.ts'

/** 32 MiB. */
const BOUND = 8192

/** An engine with `count` writers whose commands take `pages`, and an open cut. */
function storm(count: number, pages: number, bound = BOUND): SimulatedEngine {
  const engine = new SimulatedEngine()
  for (let i = 0; i < count; i++) engine.add(`w${i}`, pages)
  engine.source.open(bound)
  return engine
}

function doneOf(engine: SimulatedEngine): number {
  return engine.writers.reduce((sum, { done }) => sum + done, 0)
}

describe('the write delay', () => {
  it('asks nobody while no cut is open', () => {
    const engine = new SimulatedEngine()
    engine.send(engine.add('a', 1), 1000)
    assert.equal(engine.flags, 0)
    assert.equal(engine.delay.holds(engine.writers[0]!, 1), false)
    engine.source.open(10)
    engine.delay.look()
    assert.equal(engine.flags, Flag.Write)
    engine.source.openCut = null
    engine.delay.look()
    assert.equal(engine.flags, 0)
  })

  // Pages per millisecond: 2.4 GB/s, which is more than the writers ask for; 400 MB/s; 10 MB/s.
  for (const drain of [600, 100, 2.5]) {
    for (const pages of [1, 7]) {
      it(`settles below the bound: ${drain} pages/ms emptied, ${pages} taken by each write`, () => {
        const engine = storm(50, pages)
        for (let ms = 0; ms < 1500; ms++) engine.step(drain)
        const before = doneOf(engine)
        for (let ms = 0; ms < 1000; ms++) engine.step(drain)
        const perMs = ((doneOf(engine) - before) * pages) / 1000
        const wanted = Math.min(drain, 400 * pages)
        assert.ok(perMs > wanted * 0.8, `${perMs} pages/ms written`)
        assert.ok(perMs < wanted * 1.2 + 1, `${perMs} pages/ms written`)
        assert.ok(engine.source.openCut!.usedPeak <= BOUND * 0.9 + pages)
        for (const { name, gapMs } of engine.writers) {
          // A round of 50 writers takes as long as the scanner takes for what they write.
          const roundMs = (50 * pages) / drain
          assert.ok(gapMs < roundMs * 4 + 10, `${name} waited ${gapMs} ms`)
        }
      })
    }
  }

  it('holds all when the scanner stands still, below the bound, and serves them afterwards', () => {
    const engine = storm(50, 1)
    for (let ms = 0; ms < 5000; ms++) engine.step(0)
    const { usedPages } = engine.source.openCut!
    assert.ok(usedPages > BOUND * 0.89 && usedPages <= BOUND * 0.9 + 1, `${usedPages}`)
    assert.equal(engine.delay.waitingCount, 50)
    const before = doneOf(engine)
    for (let ms = 0; ms < 100; ms++) engine.step(0)
    assert.equal(doneOf(engine), before)
    assert.ok(engine.delay.isTight)
    for (let ms = 0; ms < 200; ms++) engine.step(200)
    assert.ok(!engine.delay.isTight)
    for (const { name, gapMs } of engine.writers) assert.ok(gapMs < 5300, name)
    assert.ok(doneOf(engine) > before + 10_000)
  })

  for (const bound of [8, 64, 2048]) {
    it(`keeps the smallest reserves as well: ${bound} pages`, () => {
      const engine = storm(20, 1, bound)
      for (let ms = 0; ms < 1000; ms++) engine.step(2)
      assert.ok(engine.source.openCut!.usedPeak <= Math.ceil(bound * 0.9))
      assert.ok(doneOf(engine) > 1000)
    })
  }

  it('lets a command pass that takes more than is left, and the next ones pay for it', () => {
    const engine = storm(10, 1)
    const giant = engine.add('giant', BOUND)
    engine.step(50)
    assert.equal(giant.done, 1)
    assert.ok(engine.source.openCut!.usedPages > BOUND)
    const before = doneOf(engine)
    for (let ms = 0; ms < 10; ms++) engine.step(50)
    assert.equal(doneOf(engine), before)
    for (let ms = 0; ms < 200; ms++) engine.step(50)
    assert.ok(doneOf(engine) > before)
  })

  it('holds nobody up to half of the bound', () => {
    const engine = storm(0, 0, 64)
    const writer = engine.add('a', 1)
    engine.send(writer, 33)
    assert.equal(writer.done, 33)
    engine.send(writer, 30)
    assert.ok(writer.done < 40, `${writer.done}`)
  })

  it('lets commands that take nothing through, but not without end', () => {
    const engine = storm(10, 0, 64)
    engine.source.openCut!.take(50)
    // A page of credit, the least there is, lets 64 of them start.
    for (let ms = 0; ms < 20; ms++) engine.step(0)
    const perMs = doneOf(engine) / 20
    assert.ok(perMs > 50 && perMs <= 65, `${perMs}`)
    engine.source.openCut!.take(10)
    const before = doneOf(engine)
    for (let ms = 0; ms < 20; ms++) engine.step(0)
    assert.ok(doneOf(engine) - before <= 10)
  })

  it('serves a client with single commands while another sends a pipeline', () => {
    const engine = new SimulatedEngine()
    const pipeline = engine.add('pipeline', 1)
    const single = engine.add('single', 1)
    engine.source.open(BOUND).take(BOUND * 0.6)
    engine.send(pipeline, 10_000)
    assert.ok(pipeline.delayedSinceUs > 0)
    for (let ms = 0; ms < 300; ms++) engine.step(20)
    assert.ok(single.gapMs <= 2, `${single.gapMs} ms`)
    assert.ok(single.done >= 150, `${single.done}`)
    assert.ok(pipeline.done > 3000, `${pipeline.done}`)
  })

  it('serves in the order of standing in line', () => {
    const engine = storm(0, 0)
    const writers = ['a', 'b', 'c', 'd'].map((name) => engine.add(name, 1))
    engine.source.openCut!.take(BOUND)
    for (const writer of writers) engine.send(writer, 2)
    engine.delay.forget(writers[1]!)
    engine.source.openCut!.drain(BOUND)
    engine.writers.length = 0
    engine.clock.advance(1)
    assert.equal(engine.order.join(''), 'aaccdd')
    assert.equal(engine.delay.waitingCount, 0)
  })

  it('serves all within ticks of a millisecond when the cut has closed', () => {
    const engine = storm(0, 0)
    for (let i = 0; i < 1000; i++) engine.add(`w${i}`, 1)
    engine.source.openCut!.take(BOUND)
    for (const writer of engine.writers) engine.send(writer, 2)
    assert.equal(engine.delay.waitingCount, 1000)
    engine.source.openCut = null
    const { clock, order } = engine
    for (let ticks = 1; engine.delay.waitingCount > 0; ticks++) {
      const before = order.length
      clock.advance(1)
      // 400 commands take a millisecond.
      assert.ok(order.length - before <= 401)
      assert.ok(ticks <= 6)
    }
    assert.equal(order.length, 2000)
    assert.equal(new Set(order).size, 1000)
  })

  it('lets nobody pass those in line, however much credit is left', () => {
    const engine = storm(0, 0)
    for (let i = 0; i < 500; i++) engine.add(`w${i}`, 0)
    const { delay, source, clock, writers } = engine
    source.openCut!.take(BOUND)
    for (const writer of writers) engine.send(writer, 1)
    source.openCut!.drain(BOUND * 0.4)
    clock.advance(1)
    assert.ok(delay.waitingCount > 0 && delay.waitingCount < 500)
    const late = engine.add('late', 0)
    engine.send(late, 1)
    assert.ok(late.delayedSinceUs > 0)
    clock.advance(1)
    assert.equal(engine.order.at(-1), 'late')
    assert.equal(delay.waitingCount, 0)
  })

  it('keeps the places of those in line during a pause', () => {
    const engine = storm(3, 1)
    engine.source.openCut!.take(BOUND)
    for (const writer of engine.writers) engine.send(writer, 1)
    engine.arePaused = true
    engine.source.openCut = null
    engine.clock.advance(50)
    assert.equal(engine.delay.waitingCount, 3)
    engine.arePaused = false
    engine.clock.advance(1)
    assert.deepEqual(engine.order, ['w0', 'w1', 'w2'])
  })

  it('counts delays for the cut and in total, and says once how they began and ended', () => {
    const engine = storm(2, 1)
    const { delay, source, clock, log, writers } = engine
    source.openCut!.take(BOUND)
    for (const writer of writers) engine.send(writer, 1)
    clock.advance(8)
    assert.equal(delay.figures.count, 2)
    assert.equal(delay.figures.ended, 0)
    source.openCut = null
    clock.advance(2)
    assert.equal(delay.figures.ended, 2)
    assert.ok(delay.figures.maxUs >= 9000 && delay.figures.maxUs <= 10_100)
    assert.equal(log.length, 2)
    assert.match(log[0]!, /writers are delayed$/)
    assert.match(
      log[1]!,
      /no longer delayed; 2 commands were, 0\.01\d s together, the longest 9\.\d/,
    )
    source.open(BOUND).take(BOUND)
    engine.send(writers[0]!, 1)
    assert.equal(delay.figures.count, 1)
    assert.equal(delay.totals.count, 3)
    delay.resetTotals()
    source.openCut!.drain(BOUND)
    clock.advance(1)
    assert.deepEqual([delay.totals.count, delay.totals.ended], [1, 1])
    source.openCut = null
    delay.look()
    const begun = log.map((line) => line.endsWith('writers are delayed'))
    assert.deepEqual(begun, [true, false, true, false])
  })

  it('takes those in line over into a cut that opens at once behind another', () => {
    const engine = storm(2, 1)
    const { delay, source, clock, writers } = engine
    source.openCut!.take(BOUND)
    for (const writer of writers) engine.send(writer, 1)
    // The same object again, as a cut's buffers are used again.
    source.cutNumber++
    source.openCut!.drain(BOUND)
    clock.advance(1)
    assert.equal(delay.waitingCount, 0)
    assert.deepEqual([delay.figures.count, delay.figures.ended], [2, 2])
    assert.equal(engine.flags, Flag.Write)
  })

  it('ends: no timer serves anybody any more', () => {
    const engine = storm(1, 1)
    engine.source.openCut!.take(BOUND)
    engine.send(engine.writers[0]!, 1)
    engine.delay.stop()
    engine.source.openCut = null
    engine.clock.advance(10)
    assert.equal(engine.order.length, 0)
  })
})
