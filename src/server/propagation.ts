// Hands the changes of the data to those that repeat them: the append-only file, the replicas.
// Handlers say what they change through `Effects`; a unit of them comes here when it is complete,
// and goes to each sink as RESP, in pieces:
//
//   [SELECT n]  [MULTI]  command … [SELECT n] command …  [EXEC]
//
// SELECT goes before what is for another database than the last command of *this sink* was for: a
// file that begins, or a replica that has got a snapshot, has none selected (`reselect`). MULTI and
// EXEC stand around an atomic unit of several commands; the SELECT for its first command stands
// before MULTI. A sink that takes no command of a unit gets nothing at all.
//
// While there is no sink, `effects.isKept` is false, and a command pays one branch for all of it.
// Owner: the engine. Source: the behaviour of redis-server 7.0.

import { assert } from '../base/assert.ts'
import { latin1, writeInteger } from '../base/bytes.ts'
import { type Effects, type Target, Target as Targets, type Unit } from '../command/effects.ts'

/** Takes the stream of changes. Must not change the keyspace, nor the sinks. */
export interface ChangeSink {
  /** What it takes: bits of `Target`. */
  readonly target: Target
  /** The next bytes of the stream; borrowed, and never half a command. */
  write(bytes: Uint8Array, start: number, length: number): void
  /** What was written since the last call is a whole unit. */
  endUnit(): void
}

/** A sink and the database that the stream it gets has selected; -1: none yet. */
interface Outlet {
  readonly sink: ChangeSink
  database: number
}

const NONE = -1
const MULTI = latin1('*1\r\n$5\r\nMULTI\r\n')
const EXEC = latin1('*1\r\n$4\r\nEXEC\r\n')
const SELECT = latin1('*2\r\n$6\r\nSELECT\r\n$')
/** SELECT, and a number of 10 digits at most with its length before and line ends behind. */
const SELECT_LENGTH_MAX = SELECT.length + 16
const ZERO = 0x30
const CR = 0x0d
const LF = 0x0a

export class Propagation {
  readonly effects: Effects
  #outlets: Outlet[] = []
  #isSuspended = false
  readonly #select = new Uint8Array(SELECT_LENGTH_MAX)

  constructor(effects: Effects) {
    this.effects = effects
    effects.listener = (unit) => this.#take(unit)
    this.#select.set(SELECT)
  }

  /** Whether changes go anywhere. */
  get isOn(): boolean {
    return this.#outlets.length > 0
  }

  /** From the next unit on `sink` gets the changes. */
  attach(sink: ChangeSink): void {
    assert(this.#find(sink) === null, 'a sink is attached once')
    assert(sink.target !== Targets.None, 'a sink takes something')
    this.#outlets.push({ sink, database: NONE })
    this.#update()
  }

  /** `sink` gets nothing more. */
  detach(sink: ChangeSink): void {
    assert(this.#find(sink) !== null, 'only what is attached is detached')
    this.#outlets = this.#outlets.filter((outlet) => outlet.sink !== sink)
    this.#update()
  }

  /** What `sink` writes to has begun anew: the next unit selects its database. */
  reselect(sink: ChangeSink): void {
    const outlet = this.#find(sink)
    assert(outlet !== null, 'the sink is attached')
    outlet.database = NONE
  }

  /** Number of the database that the stream of `sink` has selected; -1: none yet. */
  databaseOf(sink: ChangeSink): number {
    return this.#find(sink)?.database ?? NONE
  }

  /** Keeps nothing until `resume`: while data is loaded that the sinks know of. */
  suspend(): void {
    this.#isSuspended = true
    this.#update()
  }

  resume(): void {
    this.#isSuspended = false
    this.#update()
  }

  /** Hands over what was removed outside of commands: by the expire cycle, by eviction. */
  endRemovals(): void {
    this.effects.endUnit(false)
  }

  #update(): void {
    this.effects.isKept = this.isOn && !this.#isSuspended
  }

  #find(sink: ChangeSink): Outlet | null {
    return this.#outlets.find((outlet) => outlet.sink === sink) ?? null
  }

  #take(unit: Unit): void {
    for (let i = 0; i < this.#outlets.length; i++) this.#feed(this.#outlets[i]!, unit)
  }

  #feed(outlet: Outlet, unit: Unit): void {
    const { sink } = outlet
    const first = nextFor(sink, unit, 0)
    if (first === unit.count) return
    const isAtomic = unit.isAtomic && unit.count > 1
    this.#selectFor(outlet, unit.databaseOf(first))
    if (isAtomic) sink.write(MULTI, 0, MULTI.length)
    let i = first
    while (i < unit.count) {
      // Neighbours for the same database are one piece.
      const database = unit.databaseOf(i)
      let limit = i + 1
      while (limit < unit.count && isPiece(sink, unit, limit, database)) limit++
      this.#selectFor(outlet, database)
      const start = unit.startOf(i)
      sink.write(unit.bytes, start, unit.startOf(limit) - start)
      i = nextFor(sink, unit, limit)
    }
    if (isAtomic) sink.write(EXEC, 0, EXEC.length)
    sink.endUnit()
  }

  #selectFor(outlet: Outlet, database: number): void {
    if (outlet.database === database) return
    outlet.database = database
    const bytes = this.#select
    let at = SELECT.length + 3
    at = writeInteger(bytes, at, database)
    const digits = at - SELECT.length - 3
    assert(digits < 10, 'databases have numbers of a few digits')
    bytes[SELECT.length] = ZERO + digits
    bytes[SELECT.length + 1] = CR
    bytes[SELECT.length + 2] = LF
    bytes[at++] = CR
    bytes[at++] = LF
    outlet.sink.write(bytes, 0, at)
  }
}

/** The first command from `i` on that is for `sink`; `unit.count`: none is. */
function nextFor(sink: ChangeSink, unit: Unit, i: number): number {
  while (i < unit.count && (unit.targetOf(i) & sink.target) === 0) i++
  return i
}

function isPiece(sink: ChangeSink, unit: Unit, i: number, database: number): boolean {
  return (unit.targetOf(i) & sink.target) !== 0 && unit.databaseOf(i) === database
}
