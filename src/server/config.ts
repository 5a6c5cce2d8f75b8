// The configuration of one server: what redis.conf, the command line and CONFIG SET say.
//
//   config-table*.ts    the parameters: a row each, the only registration
//   config-row.ts       what a row is; simple kinds        config-forms.ts   rows of several parts
//   config-load.ts      files, includes, directives        config-arguments.ts   the command line
//   config-rewrite.ts   CONFIG REWRITE                     config-text.ts    bytes, quotes, numbers
//
// `config.values.maxmemory` and the like are plain typed fields of one object that never changes
// its identity; reading one costs a load. CONFIG SET writes them in place. A string value may hold
// bytes that are not UTF-8 (config-text.ts): compare passwords as `encodeText(value)`.
// Who must do something when a parameter changes registers an `Apply` with `onChange`.
//
// A `Config` belongs to one thread. Another one gets a copy by `toTransfer` and `fromTransfer`, and
// later changes by `adopt`. The engine's is the one that CONFIG SET changes.
// The working directory of the process is not used: `dir` is kept as an absolute path, and
// `resolvePath` applies it (a Node worker could not change it anyway).

import { resolve } from 'node:path'
import { assert } from '../base/assert.ts'
import type { Disk } from '../base/disk.ts'
import { globMatches } from '../base/glob.ts'
import { machineMemory } from '../base/machine.ts'
import { rewriteFile } from './config-rewrite.ts'
import type { Parsed, Setting } from './config-row.ts'
import {
  type ConfigName,
  type ConfigValues,
  configEntries,
  configIndex,
  type Entry,
  findEntry,
} from './config-table.ts'
import { splitSpaces, systemMessage } from './config-text.ts'

export type { ConfigName, ConfigValues } from './config-table.ts'

/** Makes a new value take effect. Returns an error text when it cannot: all is then undone. */
export type Apply = () => string | null

/** A command with another name; `to` is empty when it is to be removed. */
export interface CommandRename {
  readonly from: string
  readonly to: string
}

/** Who asks for CONFIG SET, and when. */
export interface ConfigCaller {
  /** Whether the client is on this machine, for parameters that are guarded. */
  readonly isLocal: boolean
  /** Whether a dataset is being loaded. */
  readonly isLoading: boolean
}

/** A configuration as plain data, for another thread. */
export interface ConfigTransfer {
  readonly settings: readonly (readonly [ConfigName, Setting<unknown>])[]
  readonly explicit: readonly ConfigName[]
  readonly renames: readonly CommandRename[]
  readonly configFile: string
}

const LOADING_ERROR = 'LOADING Redis is loading the dataset in memory'

export class Config {
  /** All values, changed in place. Only to be read. */
  readonly values: Readonly<ConfigValues>
  /** `rename-command` directives, in order. */
  readonly renames: CommandRename[] = []
  /** Absolute path of the file that was read; '' without one. */
  configFile = ''
  readonly #disk: Disk
  readonly #settings = new Map<ConfigName, Setting<unknown>>()
  readonly #explicit = new Set<ConfigName>()
  readonly #appliers = new Map<ConfigName, Apply[]>()

  /** All defaults; `dir` is `workingDirectory`. */
  constructor(disk: Disk, workingDirectory: string) {
    this.#disk = disk
    const values: Record<string, unknown> = {}
    for (const { name, key, row } of configEntries) {
      const setting =
        name === 'dir' ? { text: workingDirectory, value: workingDirectory } : row.initial
      this.#settings.set(name, setting)
      values[key] = setting.value
    }
    // The copy has fast properties in V8, the original with its many additions has not.
    this.values = { ...values } as unknown as ConfigValues
  }

  /** A copy of the configuration that `toTransfer` was called on. */
  static fromTransfer(data: ConfigTransfer, disk: Disk): Config {
    const config = new Config(disk, '/')
    config.adopt(data)
    return config
  }

  toTransfer(): ConfigTransfer {
    return {
      settings: [...this.#settings],
      explicit: [...this.#explicit],
      renames: [...this.renames],
      configFile: this.configFile,
    }
  }

  /** Takes over all settings of another thread's configuration, without calling any `Apply`. */
  adopt(data: ConfigTransfer): void {
    for (const [name, setting] of data.settings) this.#store(entryOf(name), setting)
    for (const name of data.explicit) this.#explicit.add(name)
    this.renames.splice(0, this.renames.length, ...data.renames)
    this.configFile = data.configFile
  }

  /** `path` as an absolute path, relative ones starting in `dir`. */
  resolvePath(path: string): string {
    return resolve(this.values.dir, path)
  }

  /** The value as CONFIG GET shows it. */
  textOf(name: ConfigName): string {
    return this.#setting(name).text
  }

  /** Whether the parameter was given by a file, the command line or CONFIG SET. */
  isExplicit(name: ConfigName): boolean {
    return this.#explicit.has(name)
  }

  /** Whether `name` (or alias, in any case) is a parameter whose value no log may show. */
  isSensitive(name: string): boolean {
    return findEntry(name)?.row.sensitive === true
  }

  /**
   * Names and values for CONFIG GET: a plain name is looked up and comes back as it was given, a
   * glob pattern finds names and aliases that are not hidden. None comes twice.
   */
  get(patterns: readonly string[]): [name: string, value: string][] {
    const found = new Map<string, [string, string]>()
    for (const pattern of patterns) {
      if (!/[*?[]/.test(pattern)) {
        const entry = findEntry(pattern)
        const isNew = entry !== null && !found.has(entry.shown)
        if (isNew) found.set(entry.shown, [pattern, this.textOf(entry.name)])
        continue
      }
      for (const { shown, name, row } of configIndex.values()) {
        if (row.hidden || found.has(shown) || !globMatches(pattern, shown, 'ignore')) continue
        found.set(shown, [shown, this.textOf(name)])
      }
    }
    return [...found.values()]
  }

  /** CONFIG SET: all pairs or none. Returns the error reply's text with its code, or null. */
  set(
    pairs: readonly (readonly [name: string, value: string])[],
    caller: ConfigCaller = { isLocal: true, isLoading: false },
  ): string | null {
    const entries: Entry[] = []
    const error = this.#findAll(pairs, caller, entries)
    if (error !== null) return error
    const before = entries.map(({ name }) => this.#setting(name))
    const altered: Entry[] = []
    for (let i = 0; i < entries.length; i++) {
      const { row, name, shown } = entries[i]!
      const value = pairs[i]![1]
      const parsed = this.#parse(entries[i]!, row.isMultiple ? splitSpaces(value) : [value], false)
      if (typeof parsed === 'string') {
        this.#restore(entries, before)
        return failure(shown, parsed)
      }
      if (parsed.text !== this.textOf(name) || row.volatile) altered.push(entries[i]!)
      this.#store(entries[i]!, parsed)
    }
    const applyError = this.#apply(altered, () => this.#restore(entries, before))
    if (applyError !== null) return applyError
    for (const { name } of entries) this.#explicit.add(name)
    return null
  }

  /**
   * Sets a parameter from the arguments of a directive, also an immutable one, without `Apply`.
   * Returns an error text or null. For loading, and for commands that own a parameter (REPLICAOF).
   */
  assign(name: ConfigName, args: readonly string[], mode: 'replace' | 'append' = 'replace') {
    const entry = entryOf(name)
    const parsed = this.#parse(entry, args, mode === 'append')
    if (typeof parsed === 'string') return parsed
    this.#store(entry, parsed)
    this.#explicit.add(name)
    return null
  }

  /** Calls `apply` after CONFIG SET gave the parameter another value. */
  onChange(name: ConfigName, apply: Apply): void {
    const appliers = this.#appliers.get(name) ?? []
    appliers.push(apply)
    this.#appliers.set(name, appliers)
  }

  /**
   * CONFIG REWRITE: brings the file up to date; with `isComplete`, parameters that have their
   * default values are written, too. Returns the error reply's text, or null.
   */
  rewrite({ isComplete } = { isComplete: false }): string | null {
    if (this.configFile === '') return 'ERR The server is running without a config file'
    const settings = configEntries.map((entry) => ({
      name: entry.name,
      lines: entry.row
        .write(entry.name, this.#setting(entry.name))
        .map(({ line, force }) => ({ line, force: force || isComplete })),
    }))
    try {
      rewriteFile(this.#disk, this.configFile, settings, this.values.requirepass)
    } catch (error) {
      return `ERR Rewriting config file: ${systemMessage(error)}`
    }
    return null
  }

  /**
   * Sentences for the log about parameters that were set to something that has no effect here;
   * of all parameters, or of those named (after CONFIG SET).
   */
  notices(names: readonly string[] = configEntries.map(({ name }) => name)): string[] {
    const result: string[] = []
    for (const given of names) {
      const entry = findEntry(given)
      if (entry === null || entry.row.notice === undefined) continue
      const isDefault = this.textOf(entry.name) === entry.row.initial.text
      if (isDefault || !this.#explicit.has(entry.name)) continue
      result.push(`${entry.name} has no effect: ${entry.row.notice}`)
    }
    return result
  }

  /** Finds the parameters of `pairs` into `entries`; the error text when one may not be set. */
  #findAll(
    pairs: readonly (readonly [string, string])[],
    caller: ConfigCaller,
    entries: Entry[],
  ): string | null {
    for (const [name] of pairs) {
      const entry = findEntry(name)
      if (entry === null) {
        return `ERR Unknown option or number of arguments for CONFIG SET - '${name}'`
      }
      if (!entry.row.mutable) return failure(name, "can't set immutable config")
      if (entry.row.guarded && !this.#mayGuarded(caller)) {
        return failure(name, "can't set protected config")
      }
      if (entry.row.deniedLoading && caller.isLoading) return LOADING_ERROR
      if (entries.includes(entry)) return failure(name, 'duplicate parameter')
      entries.push(entry)
    }
    return null
  }

  #mayGuarded(caller: ConfigCaller): boolean {
    const allowed = this.values.enableProtectedConfigs
    return allowed === 'yes' || (allowed === 'local' && caller.isLocal)
  }

  /** Calls what was registered for `altered`, each function once; undoes all if one fails. */
  #apply(altered: readonly Entry[], undo: () => void): string | null {
    const called = new Set<Apply>()
    for (const { name, shown } of altered) {
      for (const apply of this.#appliers.get(name) ?? []) {
        if (called.has(apply)) continue
        called.add(apply)
        const error = apply()
        if (error === null) continue
        undo()
        // What was applied before, and what failed half way, is applied again with the old values.
        for (const each of called) each()
        return failure(shown, error)
      }
    }
    return null
  }

  #parse(entry: Entry, args: readonly string[], isAppending: boolean): Parsed<unknown> {
    const previous = this.#setting(entry.name).value
    const findDirectory = (path: string) => this.#findDirectory(path)
    const memoryBytes = () => machineMemory(this.#disk).totalBytes
    return entry.row.parse(args, { previous, isAppending, findDirectory, memoryBytes })
  }

  #findDirectory(path: string): Parsed<string> {
    const absolute = this.resolvePath(path)
    try {
      const found = path === '' ? null : this.#disk.stat(absolute)
      if (found === null) return 'No such file or directory'
      return found.isDirectory ? { text: absolute, value: absolute } : 'Not a directory'
    } catch (error) {
      return systemMessage(error)
    }
  }

  #restore(entries: readonly Entry[], settings: readonly Setting<unknown>[]): void {
    // Backwards, so that a parameter named twice (by its alias) gets its first setting back.
    for (let i = entries.length - 1; i >= 0; i--) this.#store(entries[i]!, settings[i]!)
  }

  #store(entry: Entry, setting: Setting<unknown>): void {
    this.#settings.set(entry.name, setting)
    const values = this.values as Record<string, unknown>
    values[entry.key] = setting.value
  }

  #setting(name: ConfigName): Setting<unknown> {
    const setting = this.#settings.get(name)
    assert(setting !== undefined, 'every parameter has a setting')
    return setting
  }
}

function entryOf(name: ConfigName): Entry {
  const entry = configIndex.get(name)
  assert(entry !== undefined, 'a name of the table')
  return entry
}

function failure(name: string, reason: string): string {
  return `ERR CONFIG SET failed (possibly related to argument '${name}') - ${reason}`
}
