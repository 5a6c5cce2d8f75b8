// For tests of snapshots by commands: a whole engine in one process that saves while clients change
// its data. Each step of the scan, of the clock and of the clients comes from one seed; the cut is
// checked page by page; what the file holds is compared with the keyspace at the cut.
//
// Owner: the test, one thread.

import { deepEqual, equal, match } from 'node:assert/strict'
import { assert } from '../../src/base/assert.ts'
import type { FakeClock } from '../../src/base/clock.ts'
import { FakeDisk } from '../../src/base/disk-fake.ts'
import { Random } from '../../src/base/random.ts'
import { Slice } from '../../src/base/slice.ts'
import type { Cut, CutFigures } from '../../src/memory/cut.ts'
import type { Persistence } from '../../src/persist/persistence.ts'
import {
  FILE,
  type ScannerName,
  setCores,
  tickingClock,
} from '../../src/persist/snapshot/test-cut.ts'
import type { ConfigName } from '../../src/server/config.ts'
import { valueDigest } from '../../src/server/digest.ts'
import { encode, type TestClient, TestServer } from '../../src/server/test-server.ts'

/** By database: what each key holds. */
export type Contents = Map<string, string>[]

export const SEED = Number(process.env['SEED'] ?? 1)
/** 256 MiB. */
const PAGE_CAPACITY = 65_536
/** Turns in which a save, a reply or a load must come. */
const TURNS_MAX = 2_000_000
const CORES_CHANGE = 40
const STARTED = /^\+Background saving started/

export interface SavingOptions {
  readonly scanner: ScannerName
  readonly seed?: number
  readonly config?: Readonly<Partial<Record<ConfigName, string>>>
  readonly pageCapacity?: number
  readonly disk?: FakeDisk
}

/** What there is to see of a save that has ended. */
export interface Saved {
  readonly atCut: Contents
  /** When the cut was made. */
  readonly nowMs: number
  readonly figures: CutFigures
  readonly spilledBytes: number
  /** Turns that the save took. */
  readonly turns: number
  /** Of the reserve as the cut opened; it falls when the engine takes the scan over. */
  readonly boundPages: number
}

/** A server, and one client of it. */
export class SavingServer {
  readonly scanner: ScannerName
  readonly random: Random
  readonly clock: FakeClock
  readonly server: TestServer
  readonly client: TestClient
  /** Replies that came when their command was sent, and those that were waited for. */
  readonly replies = { atOnce: 0, late: 0 }
  readonly #options: SavingOptions
  #cut: Cut | null = null

  constructor(options: SavingOptions) {
    const { scanner, seed = SEED } = options
    this.#options = options
    this.scanner = scanner
    this.random = new Random(seed)
    this.clock = tickingClock(new Random(seed + 1))
    const disk = options.disk ?? new FakeDisk()
    setCores(disk, 2)
    this.server = new TestServer({
      clock: this.clock,
      disk,
      seed,
      config: {
        save: '',
        'snapshot-method': scanner === 'changing' ? 'auto' : scanner,
        'enable-debug-command': 'yes',
        'snapshot-stall-timeout': '0',
        ...options.config,
      },
      pageCapacity: options.pageCapacity ?? PAGE_CAPACITY,
      hasPersistence: true,
    })
    this.client = this.server.connect()
  }

  get persistence(): Persistence {
    const { persistence } = this.server.engine.server
    assert(persistence !== null, 'the server saves')
    return persistence
  }

  get keyspace(): TestServer['engine']['server']['keyspace'] {
    return this.server.engine.server.keyspace
  }

  /** A command of `client`; if it is held, the world goes on until its reply has come. */
  callAs(client: TestClient, ...args: readonly string[]): string {
    let reply = client.call(...args)
    if (reply === '') this.replies.late++
    else this.replies.atOnce++
    for (let turn = 0; reply === ''; turn++) {
      assert(turn < TURNS_MAX, 'each command is answered')
      this.turn()
      reply = client.take()
    }
    return reply
  }

  call(...args: readonly string[]): string {
    return this.callAs(this.client, ...args)
  }

  /** A command that must not be refused. */
  do(...args: readonly string[]): string {
    const reply = this.call(...args)
    assert(!reply.startsWith('-'), `${args.join(' ').slice(0, 200)}: ${reply}`)
    return reply
  }

  /** Many commands that must not be refused, in one piece. Not for the time of a save. */
  fill(commands: Iterable<readonly string[]>): void {
    let batch = ''
    const flush = (): void => {
      const found = /^-.*/m.exec(this.client.send(batch))
      assert(found === null, `refused: ${found?.[0]}`)
      batch = ''
    }
    for (const command of commands) {
      batch += encode(command)
      if (batch.length > 1e6) flush()
    }
    flush()
  }

  /** The world goes on a little: scanner, clock, cron, and now and then the count of cores. */
  turn(): void {
    const { random, scanner, clock, server } = this
    const steps = random.below(3)
    for (let i = 0; i < steps; i++) server.runner.step()
    clock.advance(scanner === 'background' ? 0.05 : random.below(3) * 0.1)
    if (scanner === 'changing' && random.below(CORES_CHANGE) === 0) {
      setCores(server.disk, random.below(2) === 0 ? 1 : 2)
    }
    this.persistence.cron()
  }

  /** BGSAVE, which must begin at once; what was there then. */
  begin(): Pick<Saved, 'atCut' | 'nowMs' | 'boundPages'> {
    const atCut = this.contents()
    const nowMs = this.clock.nowMs()
    const how = this.scanner === 'changing' ? [] : [this.scanner]
    match(this.call('BGSAVE', ...how), STARTED)
    const cut = this.persistence.openCut
    assert(cut !== null, 'a save opens a cut')
    this.#cut = cut
    return { atCut, nowMs, boundPages: cut.boundPages }
  }

  /** Goes on until the save has ended, well or not, with `during` called before each turn. */
  finish(during: (turn: number) => void): number {
    let turn = 0
    for (; this.persistence.isSaving; turn++) {
      assert(turn < TURNS_MAX, 'a save comes to its end')
      during(turn)
      if (this.persistence.isSaving) this.turn()
    }
    return turn
  }

  /** A save from BGSAVE to its good end, with `during` called between the steps of it. */
  save(during: (turn: number) => void): Saved {
    const begun = this.begin()
    const turns = this.finish(during)
    equal(this.persistence.lastError, '')
    const { lastEnd } = this.persistence
    assert(lastEnd !== null, 'a save that ended says how')
    const { figures, spilledBytes } = lastEnd
    return { ...begun, figures: { ...figures }, spilledBytes, turns }
  }

  /** Frees what is left to be freed, checks everything, and that no page is held any more. */
  settle(): void {
    while (this.persistence.snapshots.freeHeld(1000));
    this.keyspace.reclaimAll()
    this.keyspace.check()
    equal(this.persistence.cutFigures?.heldPages ?? 0, 0)
    equal(this.#cut?.heldRuns ?? 0, 0)
    equal(this.#cut?.isOpen ?? false, false)
  }

  /** That a restart finds in the file what was there at the cut. */
  expectFile({ atCut, nowMs }: Pick<Saved, 'atCut' | 'nowMs'>, what = ''): void {
    const file = this.server.disk.contents(FILE)
    assert(file !== null, 'there is a file')
    deepEqual(this.load(file, nowMs), atCut, `SEED=${SEED}, ${this.scanner} ${what}`)
  }

  /** What a server that starts with `file` at `startMs` holds. */
  load(file: Uint8Array, startMs: number): Contents {
    const disk = new FakeDisk()
    disk.put(FILE, file)
    const { pageCapacity = PAGE_CAPACITY, config = {} } = this.#options
    const other = new TestServer({
      disk,
      startMs,
      config: { ...config, save: '' },
      pageCapacity,
      hasPersistence: true,
      seed: 77,
    })
    for (let i = 0; other.engine.server.isLoading; i++) {
      assert(i < TURNS_MAX, 'a load comes to its end')
      other.clock.advance(0.1)
    }
    const { keyspace } = other.engine.server
    keyspace.check()
    return contentsOf(other)
  }

  contents(): Contents {
    return contentsOf(this.server)
  }

  /** How often the scan has gone to the engine and to the thread, since the start. */
  handovers(): { toEngine: number; toThread: number } {
    const count = (text: string): number =>
      this.server.log.filter((line) => line.includes(text)).length
    return {
      toEngine: count('Snapshot goes on cooperatively'),
      toThread: count('Snapshot goes on in the background'),
    }
  }

  /** The value of a field of INFO persistence. */
  info(name: string): string {
    return new RegExp(`\r\n${name}:([^\r]*)\r`).exec(this.call('INFO', 'persistence'))?.[1] ?? ''
  }
}

function contentsOf(server: TestServer): Contents {
  const key = new Slice()
  return server.engine.server.keyspace.databases.map((database) => {
    const map = new Map<string, string>()
    database.each((record) => {
      if (database.isExpired(record)) return
      const name = database.readKey(record, key).toLatin1()
      map.set(name, `${database.deadlineOf(record)} ${valueDigest(database, record)}`)
    })
    return map
  })
}
