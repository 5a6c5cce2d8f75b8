// One file of an append only file, read from its first byte to its last, or to where it is wrong:
// the RDB preamble, the commands, the transactions around them, and the times between them. What is
// kept is counters, so memory does not grow with the file.
//
//    *1 MULTI  *3 SET …  *1 EXEC   *3 SET …   *1 MULTI  *3 SET …  (the file ends)
//                               ^ ok         ^ ok stays here: what is not ended does not count

import { assert } from '../base/assert.ts'
import { AofRead, AofReader, type AofSource } from '../persist/aof/aof-reader.ts'
import { Args } from '../resp/args.ts'
import { RdbCheck } from './rdb-check.ts'
import { keyText } from './text.ts'

export interface AofScanOptions {
  /** Stop at the first annotation of a later time, unix seconds; 0: never. */
  readonly toTimestamp: number
  readonly nowMs: number
  /** Takes the lines about the preamble. */
  readonly tell?: (line: string) => void
}

/** Why the file is not whole. */
export interface AofFault {
  /** Byte that is not as expected; the file's size when it ends too early. */
  readonly offset: number
  readonly reason: string
}

export interface CommandFigures {
  count: number
  bytes: number
}

/** Commands are told apart up to so many names: a damaged file may hold any. */
const NAMES_MAX = 1000
const NAME_BYTES_MAX = 64
const OTHER_NAMES = '(others)'
const MULTI = Buffer.from('multi')
const EXEC = Buffer.from('exec')

export class AofScan {
  readonly file: AofSource
  readonly bytes: number
  /** Byte behind the last whole command that is in no open transaction, and its line from 1. */
  okUpTo = 0
  okUpToLine = 1
  fault: AofFault | null = null
  /** Where the first annotation behind the time stands; -1: there is none. */
  cutAt = -1
  /** Of the preamble; null: there is none. */
  rdb: RdbCheck | null = null
  readonly commands = new Map<string, CommandFigures>()
  /** Commands, MULTI and EXEC included; whole transactions. */
  count = 0
  transactions = 0
  /** Unix seconds; -1: no time stands in the file. */
  firstTimestamp = -1
  lastTimestamp = -1
  readonly #options: AofScanOptions
  readonly #reader = new AofReader()
  readonly #args = new Args()
  #line = 1
  #isInTransaction = false

  constructor(file: AofSource, options: AofScanOptions) {
    this.file = file
    this.bytes = file.size()
    this.#options = options
  }

  /** Bytes that are not whole, or come after the time. */
  get rest(): number {
    return this.bytes - (this.cutAt >= 0 ? this.cutAt : this.okUpTo)
  }

  /** Reads the file. Throws StoreError when the disk does. */
  run(): void {
    this.#reader.open(this.file)
    let hasMore = this.bytes > 0
    while (hasMore) hasMore = this.#take(this.#reader.next(this.#args))
    this.#reader.close()
  }

  /** Whether there is more to read. */
  #take(read: AofRead): boolean {
    const reader = this.#reader
    switch (read) {
      case AofRead.Command:
        return this.#takeCommand()
      case AofRead.Annotation:
        return this.#takeAnnotation(reader.timestamp)
      case AofRead.Preamble:
        return this.#takePreamble()
      case AofRead.End:
        if (this.#isInTransaction) {
          return this.#fail(this.bytes, 'Reached EOF before reading EXEC for MULTI')
        }
        return false
      case AofRead.Truncated: {
        const start = `Reached EOF inside of the command at byte ${reader.commandStart}`
        return this.#fail(this.bytes, start)
      }
      case AofRead.Damaged:
        return this.#fail(reader.badOffset, reader.reason)
    }
  }

  #takeCommand(): boolean {
    const args = this.#args
    const { commandStart, wholeEnd } = this.#reader
    // A count, and for each argument a length and its text.
    this.#line += 1 + 2 * args.count
    if (args.is(0, MULTI)) {
      if (this.#isInTransaction) return this.#fail(commandStart, 'Unexpected MULTI')
      this.#isInTransaction = true
    } else if (args.is(0, EXEC)) {
      if (!this.#isInTransaction) return this.#fail(commandStart, 'Unexpected EXEC')
      this.#isInTransaction = false
      this.transactions++
    }
    this.#count(wholeEnd - commandStart)
    if (!this.#isInTransaction) this.#note(wholeEnd)
    return true
  }

  #takeAnnotation(timestamp: number): boolean {
    const { toTimestamp } = this.#options
    const { commandStart, wholeEnd } = this.#reader
    if (toTimestamp > 0 && timestamp > toTimestamp) {
      // Nothing of a transaction that is not ended by then.
      this.cutAt = this.#isInTransaction ? this.okUpTo : commandStart
      return false
    }
    this.#line++
    if (timestamp >= 0) {
      if (this.firstTimestamp < 0) this.firstTimestamp = timestamp
      this.lastTimestamp = timestamp
    }
    if (!this.#isInTransaction) this.#note(wholeEnd)
    return true
  }

  #takePreamble(): boolean {
    const { nowMs, tell } = this.#options
    const options = { nowMs, mayTrail: true }
    this.rdb = new RdbCheck(this.file, tell === undefined ? options : { ...options, tell })
    if (!this.rdb.run()) {
      const { damage } = this.rdb
      assert(damage !== null, 'what is not whole is damaged')
      return this.#fail(damage.offset, damage.headline)
    }
    const end = this.rdb.survey.reader.position
    this.#note(end)
    this.#reader.open(this.file, end)
    return true
  }

  #fail(offset: number, reason: string): false {
    this.fault = { offset, reason }
    return false
  }

  #note(end: number): void {
    this.okUpTo = end
    this.okUpToLine = this.#line
  }

  #count(bytes: number): void {
    this.count++
    const figures = this.#figuresOf(this.#name())
    figures.count++
    figures.bytes += bytes
  }

  #name(): string {
    const args = this.#args
    const length = Math.min(args.length(0), NAME_BYTES_MAX)
    const start = args.start(0)
    return keyText(args.bytes.subarray(start, start + length)).toLowerCase()
  }

  #figuresOf(name: string): CommandFigures {
    const known = this.commands.get(name)
    if (known !== undefined) return known
    if (this.commands.size >= NAMES_MAX && name !== OTHER_NAMES) return this.#figuresOf(OTHER_NAMES)
    const figures = { count: 0, bytes: 0 }
    this.commands.set(name, figures)
    return figures
  }
}
