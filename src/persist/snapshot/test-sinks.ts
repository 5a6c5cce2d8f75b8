// For tests of sinks: a test cut (test-cut.ts) of strings, readers of streams that take what they
// are told to, and what must hold after a snapshot, however it ended.

import { deepEqual, equal } from 'node:assert/strict'
import { assert } from '../../base/assert.ts'
import type { FakeDisk } from '../../base/disk-fake.ts'
import { FrameQueue, shareFrameQueue } from '../../base/frame-queue.ts'
import type { Random } from '../../base/random.ts'
import { Slice } from '../../base/slice.ts'
import type { Keyspace } from '../../keyspace/keyspace.ts'
import { contentsOf } from '../../keyspace/test-contents.ts'
import type { Persistence } from '../persistence.ts'
import type { StreamRequest } from '../sink-request.ts'
import { StreamFrame } from './sinks.ts'
import { FILE, type SavingBench, type ScannerName, TestCut } from './test-cut.ts'
import type { SteppedRunner } from './test-runner.ts'

const STREAM_BYTES = 16 * 1024
const KEYS = 3000
const TURNS_MAX = 1_000_000

type Contents = Map<string, string>[]

/** Both hold the same; names a key if not, as a whole difference would take minutes to print. */
export function checkSame(found: Contents, expected: Contents | null): void {
  assert(expected !== null, 'there was a cut')
  equal(found.length, expected.length)
  for (const [i, map] of expected.entries()) {
    equal(found[i]!.size, map.size, `keys of database ${i}`)
    for (const [key, value] of map) assert(found[i]!.get(key) === value, `key ${key}`)
  }
}

export interface SinkBenchOptions {
  readonly scanner: ScannerName
  readonly seed?: number
  readonly reservePages?: number
  /** Longest value. */
  readonly lengthMax?: number
}

/** Somebody who has asked for a stream. */
export class StreamReader implements StreamRequest {
  readonly queue = shareFrameQueue(STREAM_BYTES)
  /** What the keyspace held when the cut of this stream was opened. */
  atCut: Contents | null = null
  /** How it ended; undefined: it has not. */
  end: string | null | undefined
  hasEndFrame = false
  hasFailedFrame = false
  readonly #frames = new FrameQueue(this.queue)
  readonly #parts: Buffer[] = []
  readonly #contents: () => Contents

  constructor(contents: () => Contents) {
    this.#contents = contents
  }

  onCut(): void {
    assert(this.atCut === null, 'a stream has one cut')
    this.atCut = this.#contents()
  }

  onEnd(error: string | null): void {
    assert(this.end === undefined, 'a stream ends once')
    this.end = error
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }

  /** Takes up to `limit` frames. */
  take(limit = Number.POSITIVE_INFINITY): void {
    for (let i = 0; i < limit && this.#frames.next(); i++) {
      const { kind } = this.#frames
      assert(!this.hasEndFrame, 'nothing follows the end')
      this.hasEndFrame ||= kind === StreamFrame.End
      this.hasFailedFrame ||= kind === StreamFrame.Failed
      this.#frames.take((bytes, start, length) => {
        this.#parts.push(Buffer.from(bytes.subarray(start, start + length)))
      })
    }
  }

  /** Wants no more. */
  close(): void {
    this.#frames.close()
  }
}

export class SinkBench implements SavingBench {
  readonly scanner: ScannerName
  readonly random: Random
  readonly disk: FakeDisk
  readonly clock: TestCut['clock']
  readonly runner: SteppedRunner
  readonly keyspace: Keyspace
  readonly persistence: Persistence
  readonly settings: TestCut['settings']
  readonly readers: StreamReader[] = []
  readonly #lengthMax: number

  constructor({ scanner, seed = 2, reservePages = 64, lengthMax = 600 }: SinkBenchOptions) {
    const cut = new TestCut({ seed, reservePages, scanner })
    this.scanner = scanner
    this.random = cut.random
    this.disk = cut.disk
    this.clock = cut.clock
    this.runner = cut.runner
    this.keyspace = cut.keyspace
    this.persistence = cut.persistence
    this.settings = cut.settings
    this.#lengthMax = lengthMax
    this.runner.onStall = () => this.takeAll(4)
    for (let i = 0; i < KEYS; i++) this.put(i)
  }

  put(i: number): void {
    const { random, keyspace } = this
    const isLarge = random.below(100) === 0
    const bytes = Buffer.alloc(random.below(isLarge ? 30_000 : this.#lengthMax))
    for (let j = 0; j < bytes.length; j++) bytes[j] = j < 200 ? random.u32() & 0xff : j & 0xff
    const value = new Slice().set(bytes, 0, bytes.length)
    keyspace.databases[i % 2]!.putString(Slice.ofText(`key:${i}`), value, 0)
  }

  /** One random write. */
  change(): void {
    this.put(this.random.below(KEYS))
  }

  contents(): Contents {
    return contentsOf(this.keyspace)
  }

  /** Asks for a stream. */
  request(): StreamReader {
    const reader = new StreamReader(() => this.contents())
    this.readers.push(reader)
    this.persistence.requestStream(reader)
    return reader
  }

  /** Each reader takes up to `limit` frames. */
  takeAll(limit: number): void {
    for (const reader of this.readers) reader.take(limit)
  }

  /** One turn of the engine, and some steps of the thread. */
  turn(changes = 3): void {
    for (let i = 0; i < changes; i++) this.change()
    this.persistence.snapshots.assist()
    for (let i = this.random.below(3); i > 0; i--) this.runner.step()
    if (this.scanner !== 'background') this.clock.advance(0.4)
    this.persistence.cron()
  }

  /** Turn after turn until nothing is under way. */
  finish(turn: () => void = () => this.turn()): void {
    for (let i = 0; this.persistence.isSaving; i++) {
      assert(i < TURNS_MAX, 'a snapshot comes to its end')
      turn()
    }
    this.takeAll(TURNS_MAX)
  }

  /** What a fresh server makes of these bytes; of the RDB file if missing. */
  loaded(bytes = this.disk.contents(FILE)): Contents {
    const { keyspace, disk, persistence } = new TestCut({
      seed: 99,
      reservePages: 64,
      scanner: 'background',
    })
    assert(bytes !== null, 'there is something to load')
    disk.put(FILE, bytes)
    persistence.loadNow({ mayOverwrite: false })
    return contentsOf(keyspace)
  }

  /** However a snapshot ended: no page held, no file but the named ones, and the next one works. */
  checkFreed(files: readonly string[] = ['dump.rdb']): void {
    const { persistence, keyspace, disk } = this
    equal(persistence.isSaving, false)
    equal(persistence.openCut, null)
    keyspace.reclaimAll()
    while (persistence.snapshots.freeHeld(1000));
    equal(persistence.cutFigures?.heldPages, 0)
    keyspace.check()
    deepEqual(disk.list('/data'), files)
  }

  /** A save works. */
  checkNextSave(): void {
    this.disk.heal()
    const atCut = this.contents()
    equal(this.persistence.startBackground(), null)
    this.finish()
    equal(this.persistence.lastError, '')
    equal(this.persistence.isLastSaveOk, true)
    checkSame(this.loaded(), atCut)
    this.checkFreed()
  }
}
