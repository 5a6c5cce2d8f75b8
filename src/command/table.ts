// The command table: all rows of all families, found by name without building a string. A row
// becomes a `CommandEntry`, which also counts its calls. Names are hashed over their lower-cased
// bytes into open addressing; subcommands have a table of their own inside their command.
// `rename-command` changes the name a command is found by, never the name it is counted under.

import { assert } from '../base/assert.ts'
import { latin1, matchesWord } from '../base/bytes.ts'
import type { Args } from '../resp/args.ts'
import { type Command, Flag, type Handler } from './command.ts'
import { LatencyHistogram } from './latency-histogram.ts'

/** A command of the running server, with its statistics. */
export class CommandEntry {
  readonly command: Command
  readonly parent: CommandEntry | null
  /** `get`; a subcommand with its command's name: `config|get`. */
  readonly fullName: string
  readonly arity: number
  readonly flags: number
  /** Missing for a command that is nothing without a subcommand. */
  readonly run: Handler | null
  readonly subcommands: NameTable | null
  /** Executions since the start or the last CONFIG RESETSTAT. */
  calls = 0
  /** Their time in µs. */
  usec = 0
  /** Refused before execution. */
  rejected = 0
  /** Executed with an error for a reply. */
  failed = 0
  latency: LatencyHistogram | null = null

  constructor(command: Command, parent: CommandEntry | null) {
    this.command = command
    this.parent = parent
    this.fullName = parent ? `${parent.fullName}|${command.name}` : command.name
    this.arity = command.arity
    this.flags = command.flags
    this.run = command.run ?? null
    const children = (command.subcommands ?? []).map((each) => new CommandEntry(each, this))
    this.subcommands = children.length > 0 ? new NameTable(children) : null
    assert(this.run !== null || this.subcommands !== null, 'a command runs or has subcommands')
  }

  /** Whether the count of arguments, name included, suits the command. */
  takes(count: number): boolean {
    return this.arity >= 0 ? count === this.arity : count >= -this.arity
  }

  record(durationUs: number): void {
    this.latency ??= new LatencyHistogram()
    this.latency.record(durationUs)
  }

  resetStatistics(): void {
    this.calls = 0
    this.usec = 0
    this.rejected = 0
    this.failed = 0
    this.latency = null
  }
}

/** Entries by name, in open addressing at most a quarter full. */
export class NameTable {
  readonly entries: CommandEntry[]
  #slots: (CommandEntry | null)[] = []
  #names: Uint8Array[] = []
  #mask = 0

  constructor(entries: readonly CommandEntry[]) {
    this.entries = [...entries]
    this.#build(this.entries.map((entry) => entry.command.name))
  }

  /** The entry whose name the range spells in any case, or null. */
  find(bytes: Uint8Array, start: number, length: number): CommandEntry | null {
    const mask = this.#mask
    let slot = hashOf(bytes, start, length) & mask
    for (;;) {
      const entry = this.#slots[slot]!
      if (entry === null) return null
      if (matchesWord(bytes, start, length, this.#names[slot]!)) return entry
      slot = (slot + 1) & mask
    }
  }

  /** Takes each entry under the name given for it; entries with an empty name are dropped. */
  rename(nameOf: (entry: CommandEntry) => string): void {
    const kept = this.entries.filter((entry) => nameOf(entry) !== '')
    this.entries.splice(0, this.entries.length, ...kept)
    this.#build(kept.map(nameOf))
  }

  #build(names: readonly string[]): void {
    let size = 8
    while (size < names.length * 4) size *= 2
    this.#mask = size - 1
    this.#slots = new Array<CommandEntry | null>(size).fill(null)
    this.#names = new Array<Uint8Array>(size).fill(new Uint8Array(0))
    for (let i = 0; i < names.length; i++) {
      const name = latin1(names[i]!)
      assert(this.find(name, 0, name.length) === null, 'no two commands have the same name')
      let slot = hashOf(name, 0, name.length) & this.#mask
      while (this.#slots[slot] !== null) slot = (slot + 1) & this.#mask
      this.#slots[slot] = this.entries[i]!
      this.#names[slot] = name
    }
  }
}

/** A change of name, as in `rename-command`; `to` is empty when the command goes. */
export interface Rename {
  readonly from: string
  readonly to: string
}

export class CommandTable {
  readonly #names: NameTable

  /** All rows of `families`; names must be unique. */
  constructor(families: readonly (readonly Command[])[], renames: readonly Rename[] = []) {
    const entries = families.flat().map((command) => new CommandEntry(command, null))
    this.#names = new NameTable(entries)
    if (renames.length > 0) this.#rename(renames)
  }

  /** Commands, without subcommands. */
  get entries(): readonly CommandEntry[] {
    return this.#names.entries
  }

  /**
   * The command that `args` ask for: the subcommand where there is one; null when the command or
   * its subcommand does not exist.
   */
  find(args: Args): CommandEntry | null {
    const entry = this.#names.find(args.bytes, args.starts[0]!, args.lengths[0]!)
    if (entry === null || entry.subcommands === null || args.count < 2) return entry
    return entry.subcommands.find(args.bytes, args.starts[1]!, args.lengths[1]!)
  }

  /** The command named by the first argument, whatever its subcommand. */
  findCommand(args: Args): CommandEntry | null {
    return this.#names.find(args.bytes, args.starts[0]!, args.lengths[0]!)
  }

  /** By name in any case, `config|get` for a subcommand. */
  findByName(name: string): CommandEntry | null {
    const [first = '', second, ...more] = name.split('|')
    const bytes = latin1(first)
    const entry = this.#names.find(bytes, 0, bytes.length)
    if (entry === null || second === undefined) return entry
    const child = latin1(second)
    if (more.length > 0) return null
    return entry.subcommands?.find(child, 0, child.length) ?? null
  }

  /** Visits commands and subcommands. */
  each(visit: (entry: CommandEntry) => void): void {
    for (const entry of this.#names.entries) {
      visit(entry)
      for (const child of entry.subcommands?.entries ?? []) visit(child)
    }
  }

  #rename(renames: readonly Rename[]): void {
    const names = new Map<CommandEntry, string>()
    for (const entry of this.#names.entries) names.set(entry, entry.command.name)
    for (const { from, to } of renames) {
      for (const [entry, name] of names) {
        if (name === from.toLowerCase()) names.set(entry, to.toLowerCase())
      }
    }
    this.#names.rename((entry) => names.get(entry) ?? '')
  }
}

/** Whether clients may be held up by the command's kind while writers are paused. */
export const WRITER_FLAGS = Flag.Write | Flag.MayReplicate

function hashOf(bytes: Uint8Array, start: number, length: number): number {
  let hash = length
  for (let i = 0; i < length; i++) {
    // Setting bit 5 folds letters; what else it merges the comparison tells apart.
    hash = (Math.imul(hash, 31) + (bytes[start + i]! | 0x20)) | 0
  }
  return hash ^ (hash >>> 7)
}
