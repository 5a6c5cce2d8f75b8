// Reading redis.conf: lines, `include`, and the directives that are no parameters. The first error
// ends it with a `StoreError` whose message is the block that Redis prints, so that harnesses find
// what they look for; its last line adds where the directive stands.
//
//   *** FATAL CONFIG FILE ERROR (Tidemark 0.1.0) ***
//   Reading the configuration file, at line 3
//   >>> 'prot 6380'
//   Bad directive or wrong number of arguments
//   Found in /etc/redis/redis.conf, line 3
//
// As in Redis, file, standard input and command line form one text, in this order; the last setting
// wins, except that `save` lines add up once the first one has removed the defaults.

import type { Disk } from '../base/disk.ts'
import { ErrorCode, StoreError } from '../base/errors.ts'
import type { Config } from './config.ts'
import { expandPath, openConfigFile, passwordRule } from './config-file.ts'
import { NO_ACL, NO_MODULES } from './config-notices.ts'
import { findEntry } from './config-table.ts'
import { splitArguments, systemMessage } from './config-text.ts'

/** The world as the configuration sees it while it is read. */
export interface ConfigSource {
  readonly disk: Disk
  /** Absolute. */
  readonly workingDirectory: string
  /** Version of Tidemark, for error texts and `--version`. */
  readonly version: string
  /** All of standard input. */
  readonly readStdin: () => Uint8Array
  /** Whether a command of this name (lower case) exists, to check `rename-command`. */
  readonly hasCommand?: (name: string) => boolean
}

/** A piece of configuration text and where it comes from, for error texts. */
export interface ConfigText {
  readonly origin: string
  readonly text: string
  /** Whether its own line numbers mean something to the user. */
  readonly hasLines: boolean
}

/** A directive that is no parameter. */
interface Directive {
  /** Counts of arguments, with the name. */
  readonly least: number
  readonly most: number
  readonly doc: string
  /** Returns an error text or null. */
  readonly run: (loader: ConfigLoader, args: readonly string[]) => string | null
}

const MAX_INCLUDE_DEPTH = 16
const ANY = Number.POSITIVE_INFINITY
const BAD_DIRECTIVE = 'Bad directive or wrong number of arguments'
const UNBALANCED = 'Unbalanced quotes in configuration line'

/** Directives of Redis 7.0 that are no parameters. */
export const configDirectives: Readonly<Record<string, Directive>> = {
  include: {
    least: 2,
    most: 2,
    doc: 'Read another file at this place; with a glob pattern, all files that match.',
    run: (loader, args) => loader.include(args[1]!),
  },
  'rename-command': {
    least: 3,
    most: 3,
    doc: 'Give a command another name; with `""` remove it.',
    run: (loader, args) => loader.rename(args[1]!, args[2]!),
  },
  user: {
    least: 2,
    most: ANY,
    doc: `Refused, except for a \`default\` user with all rights: ${NO_ACL}.`,
    run: (loader, args) => loader.user(args),
  },
  loadmodule: {
    least: 2,
    most: ANY,
    doc: `Refused: ${NO_MODULES}.`,
    run: () => NO_MODULES,
  },
  sentinel: {
    least: 1,
    most: ANY,
    doc: 'Refused: Sentinel is another program.',
    run: () => 'sentinel directive while not in sentinel mode',
  },
  'list-max-ziplist-entries': ignored('replaced by `list-max-listpack-size`'),
  'list-max-ziplist-value': ignored('replaced by `list-max-listpack-size`'),
  'lua-replicate-commands': ignored('effects of scripts are always what is replicated'),
}

/** Reads `texts` as one configuration into `config`. Throws a `StoreError` that says the error. */
export function loadTexts(
  texts: readonly ConfigText[],
  config: Config,
  source: ConfigSource,
): void {
  const loader = new ConfigLoader(config, source)
  loader.load(texts)
  loader.finish()
}

class ConfigLoader {
  readonly #config: Config
  readonly #source: ConfigSource
  readonly #renamed = new Map<string, boolean>()
  #isSaveLoaded = false
  #includeDepth = 0
  #openUser = ''

  constructor(config: Config, source: ConfigSource) {
    this.#config = config
    this.#source = source
  }

  load(texts: readonly ConfigText[]): void {
    let lineBefore = 0
    for (const piece of texts) {
      const lines = piece.text.split('\n')
      for (let i = 0; i < lines.length; i++) {
        const line = lines[i]!.replace(/^[ \t\r]+|[ \t\r]+$/g, '')
        const error = this.#loadLine(line)
        if (error === null) continue
        const place = piece.hasLines ? `${piece.origin}, line ${i + 1}` : piece.origin
        throw this.#failure(error, { number: lineBefore + i + 1, line, place })
      }
      lineBefore += lines.length
    }
  }

  /** Checks what only the whole configuration shows. */
  finish(): void {
    const { values } = this.#config
    if (values.clusterEnabled && values.replicaof !== null) {
      throw this.#failure('replicaof directive not allowed in cluster mode', null)
    }
    const userError = this.#openUser === '' ? null : this.#checkPassword()
    if (userError !== null) throw this.#failure(userError, null)
    if (values.logfile === '') return
    try {
      this.#source.disk.openAppend(this.#config.resolvePath(values.logfile)).close()
    } catch (error) {
      throw this.#failure(`Can't open the log file: ${systemMessage(error)}`, null)
    }
  }

  include(pattern: string): string | null {
    if (this.#includeDepth === MAX_INCLUDE_DEPTH) {
      return `include: files are nested more than ${MAX_INCLUDE_DEPTH} deep`
    }
    this.#includeDepth++
    for (const path of expandPath(this.#source.disk, this.#config.resolvePath(pattern))) {
      const text = openConfigFile(this.#source.disk, path)
      this.load([{ origin: path, text, hasLines: true }])
    }
    this.#includeDepth--
    return null
  }

  rename(from: string, to: string): string | null {
    const hasCommand = this.#source.hasCommand
    const exists = (name: string) => {
      const lower = name.toLowerCase()
      return this.#renamed.get(lower) ?? (hasCommand ? hasCommand(lower) : null)
    }
    if (exists(from) === false) return 'No such command in rename-command'
    this.#renamed.set(from.toLowerCase(), false)
    if (to !== '' && exists(to) === true) return 'Target command name already exists'
    if (to !== '') this.#renamed.set(to.toLowerCase(), true)
    this.#config.renames.push({ from, to })
    return null
  }

  /** Accepts what CONFIG REWRITE of Redis writes when no rights were ever set, and nothing else. */
  user(args: readonly string[]): string | null {
    const rules = args.slice(2)
    const error = (word: string) => `Error in user declaration '${word}': ${NO_ACL}`
    if (args[1] !== 'default') return error(args[1]!)
    const wrong = rules.find((rule) => !FULL_RIGHTS.has(rule) && !/^#[0-9a-f]{64}$/.test(rule))
    if (wrong !== undefined) return error(wrong)
    for (const right of [['on'], ['~*', 'allkeys'], ['&*', 'allchannels'], ALL_COMMANDS]) {
      if (!right.some((rule) => rules.includes(rule))) return error('default')
    }
    this.#openUser = rules.find((rule) => rule.startsWith('#')) ?? 'nopass'
    return null
  }

  /** The default user's password must be that of `requirepass`, which is the one in use. */
  #checkPassword(): string | null {
    const password = this.#config.values.requirepass
    const expected = password === '' ? 'nopass' : passwordRule(password)
    if (this.#openUser === expected) return null
    return `Error in user declaration 'default': its password is not that of requirepass; ${NO_ACL}`
  }

  #loadLine(line: string): string | null {
    if (line === '' || line.startsWith('#')) return null
    const args = splitArguments(line)
    if (args === null) return UNBALANCED
    const name = (args[0] ?? '').toLowerCase()
    const entry = findEntry(name)
    if (entry === null) return this.#runDirective(name, args)
    let given = args.slice(1)
    if (!entry.row.isMultiple && given.length !== 1) return 'wrong number of arguments'
    // A single argument of a parameter with several parts holds them all: --save "60 1".
    if (entry.row.isMultiple && given.length === 1 && given[0] !== '') {
      const parts = splitArguments(given[0]!)
      if (parts === null) return UNBALANCED
      given = parts
    }
    const mode = entry.name === 'save' && this.#isSaveLoaded ? 'append' : 'replace'
    const error = this.#config.assign(entry.name, given, mode)
    if (entry.name === 'save' && error === null) this.#isSaveLoaded = true
    return error
  }

  #runDirective(name: string, args: readonly string[]): string | null {
    const directive = Object.hasOwn(configDirectives, name) ? configDirectives[name] : undefined
    if (directive && args.length >= directive.least && args.length <= directive.most) {
      return directive.run(this, args)
    }
    // Names with a dot are parameters of modules.
    if (!directive && name.includes('.')) return NO_MODULES
    return BAD_DIRECTIVE
  }

  #failure(reason: string, at: { number: number; line: string; place: string } | null): StoreError {
    const head = `\n*** FATAL CONFIG FILE ERROR (Tidemark ${this.#source.version}) ***\n`
    const where = at
      ? `Reading the configuration file, at line ${at.number}\n>>> '${at.line}'\n`
      : ''
    const found = at ? `Found in ${at.place}\n` : ''
    return new StoreError(ErrorCode.ConfigInvalid, `${head}${where}${reason}\n${found}`)
  }
}

const ALL_COMMANDS = ['+@all', 'allcommands']
const FULL_RIGHTS: ReadonlySet<string> = new Set([
  'on',
  'nopass',
  'sanitize-payload',
  'skip-sanitize-payload',
  '~*',
  'allkeys',
  '&*',
  'allchannels',
  ...ALL_COMMANDS,
])

function ignored(reason: string): Directive {
  return { least: 2, most: 2, doc: `Ignored: ${reason}.`, run: () => null }
}
