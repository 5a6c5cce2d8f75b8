// The configuration of the backup service: one file of JSON, in which `//` comments may stand.
// Without a file: the node at 127.0.0.1:6379, the store ./backups, a backup a day, each verified.
//
// Everything is checked before anything begins. A message says where, what was found and what was
// expected: `backup.json: clusters[0].window is "3-4", expected hh:mm-hh:mm in UTC`. A name that is
// not known is refused: it would be a setting that somebody believes in.
//
// JSON, since whoever can configure anything can write it, and Node reads it: docs/backup.md.

import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { type AgeRecipient, parseRecipient } from '../backup/age-keys.ts'
import { LEVEL_DEFAULT, LEVEL_MAX } from '../backup/part-writer.ts'
import type { VerificationLevel } from '../backup/read-manifest.ts'
import type { SourcePreference } from '../source/choose-source.ts'
import type { ForkPolicy } from '../source/fork-prediction.ts'
import { type NodeAddress, nodeAddress, parseNodeAddress } from '../source/node-address.ts'
import type { TlsOptions } from '../source/node-connection.ts'
import {
  type CostRule,
  checkNewName,
  FREE_PER_CLUSTER_DEFAULT,
  KEEP_AT_LEAST_DEFAULT,
  PRICE_DEFAULT,
  RETENTION_DAYS_MAX,
  type RetentionRule,
} from './rules.ts'
import { type DailyWindow, parseWindow, windowFor } from './schedule.ts'

export interface ServiceConfig {
  /** One or two. */
  readonly stores: readonly string[]
  readonly bytesPerSecond: number | null
  readonly clusters: readonly ClusterConfig[]
  readonly level: number | null
  readonly recipients: readonly AgeRecipient[]
  readonly identityFile: string | null
  readonly verify: VerifyConfig
  readonly cost: CostRule
  /** Whether expired backups are removed; else the log says which would be. */
  readonly deleteExpired: boolean
  /** Null: no metrics are served. */
  readonly listen: { readonly host: string; readonly port: number } | null
}

export interface ClusterConfig {
  readonly name: string
  readonly nodes: readonly NodeAddress[]
  readonly tls: TlsOptions | null
  readonly preference: SourcePreference
  readonly forkPolicy: ForkPolicy
  readonly window: DailyWindow
  readonly retention: RetentionRule
  /** The alarm: the newest verified backup is older than that. */
  readonly freshMs: number
}

export interface VerifyConfig {
  readonly afterBackup: boolean
  readonly level: VerificationLevel
  /** Each backup is verified again when that has passed; 0: never. */
  readonly everyMs: number
}

/** The configuration is not what it should be. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

const HOUR_MS = 3_600_000
const MEGABYTE = 1e6
const STORES_MAX = 2
const CLUSTERS_MAX = 1000
const PORT_MAX = 65_535
const LISTEN_DEFAULT = '127.0.0.1:9151'
const RETENTION_DAYS_DEFAULT = 7
/** A day, twice: one backup may be missed before somebody must look. */
const FRESH_HOURS_DEFAULT = 48
const DRILL_HOURS_DEFAULT = 168

const DEFAULT_TEXT =
  '{ "stores": ["backups"], "clusters": [{ "name": "local", "from": ["redis://127.0.0.1:6379"] }] }'

export type Environment = Readonly<Record<string, string | undefined>>

/** Reads the file; null: what is configured without one. Throws ConfigError. */
export async function readConfig(
  path: string | null,
  environment: Environment,
): Promise<ServiceConfig> {
  if (path === null) {
    return await parseConfig(DEFAULT_TEXT, 'no configuration', { environment, directory: '.' })
  }
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigError(`${path}: ${why}`, { cause })
  }
  return await parseConfig(text, path, { environment, directory: dirname(path) })
}

export interface ConfigPlace {
  readonly environment: Environment
  /** That paths in it are relative to. */
  readonly directory: string
}

export async function parseConfig(
  text: string,
  file: string,
  place: ConfigPlace,
): Promise<ServiceConfig> {
  let value: unknown
  try {
    value = JSON.parse(withoutComments(text))
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigError(`${file}: ${why}`, { cause })
  }
  const root = new Section(file, '', value)
  const stores = root.texts('stores', 1, STORES_MAX).map((url) => placeStore(url, place))
  const limit = root.number('limitMBPerSecond', { default: 0, min: 0, max: 1e6 })
  const level = root.take('compression') ?? LEVEL_DEFAULT
  if (level !== 'none' && !isLevel(level)) {
    root.refuse('compression', level, `1 to ${LEVEL_MAX}, or "none"`)
  }
  const recipients = root.texts('recipients', 0, CLUSTERS_MAX).map((each) => {
    return root.tried('recipients', each, () => parseRecipient(each))
  })
  const identity = root.text('identityFile', '')
  const items = root.sections('clusters', 1, CLUSTERS_MAX)
  const clusters: ClusterConfig[] = []
  for (const item of items) clusters.push(await readCluster(item, place))
  checkDifferent(root, clusters)
  const config: ServiceConfig = {
    stores,
    bytesPerSecond: limit === 0 ? null : limit * MEGABYTE,
    clusters,
    level: isLevel(level) ? level : null,
    recipients,
    identityFile: identity === '' ? null : resolve(place.directory, identity),
    verify: readVerify(root.section('verify')),
    cost: readCost(root.section('cost')),
    deleteExpired: root.boolean('deleteExpired', false),
    listen: readListen(root),
  }
  root.checkNoMore()
  if (recipients.length > 0 && identity === '' && config.verify.afterBackup) {
    const expected = 'a file, since backups are encrypted and verify.afterBackup is true'
    root.refuse('identityFile', undefined, expected)
  }
  return config
}

async function readCluster(item: Section, place: ConfigPlace): Promise<ClusterConfig> {
  const name = item.text('name')
  item.tried('name', name, () => checkNewName(name, 'name of a cluster'))
  const texts = item.texts('from', 1, CLUSTERS_MAX)
  const user = item.text('user', '')
  const password = await readPassword(item, place)
  const nodes = texts.map((text) => {
    const address = item.tried('from', null, () => parseNodeAddress(text))
    return nodeAddress({
      ...address,
      user: address.user === '' ? user : address.user,
      password: address.password === '' ? password : address.password,
    })
  })
  const windowText = item.text('window', '')
  const window = windowText === '' ? windowFor(name) : parseWindow(windowText)
  if (typeof window === 'string') return item.refuse('window', windowText, window)
  const days = { default: RETENTION_DAYS_DEFAULT, min: 0, max: RETENTION_DAYS_MAX }
  const keep = { default: KEEP_AT_LEAST_DEFAULT, min: 0, max: CLUSTERS_MAX }
  const fresh = { default: FRESH_HOURS_DEFAULT, min: 1, max: 10_000 }
  const config: ClusterConfig = {
    name,
    nodes,
    tls: readTls(item.optional('tls'), place),
    preference: item.oneOf('source', ['auto', 'primary', 'replica']),
    forkPolicy: item.oneOf('fork', ['warn', 'refuse', 'ignore']),
    window,
    retention: {
      retentionDays: item.whole('retentionDays', days),
      keepAtLeast: item.whole('keepAtLeast', keep),
    },
    freshMs: item.number('freshHours', fresh) * HOUR_MS,
  }
  item.checkNoMore()
  return config
}

async function readPassword(item: Section, { environment, directory }: ConfigPlace) {
  const variable = item.text('passwordVariable', '')
  const file = item.text('passwordFile', '')
  if (file !== '') {
    try {
      return (await readFile(resolve(directory, file), 'utf8')).trimEnd()
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      return item.refuse('passwordFile', file, `a file that can be read: ${why}`)
    }
  }
  if (variable === '') return environment['TIDEMARK_PASSWORD'] ?? ''
  const found = environment[variable]
  return found ?? item.refuse('passwordVariable', variable, 'a variable that is set')
}

function readTls(section: Section | null, { directory }: ConfigPlace): TlsOptions | null {
  if (section === null) return null
  const file = (name: string) => {
    const path = section.text(name, '')
    return path === '' ? {} : { [name]: resolve(directory, path) }
  }
  const serverName = section.text('serverName', '')
  const isUnchecked = section.boolean('insecure', false)
  const tls: TlsOptions = {
    ...file('ca'),
    ...file('cert'),
    ...file('key'),
    ...(serverName === '' ? {} : { serverName }),
    ...(isUnchecked ? { isUnchecked } : {}),
  }
  section.checkNoMore()
  return tls
}

function readVerify(section: Section): VerifyConfig {
  const every = { default: DRILL_HOURS_DEFAULT, min: 0, max: 10_000 }
  const config: VerifyConfig = {
    afterBackup: section.boolean('afterBackup', true),
    level: section.oneOf('level', ['engine', 'parts']),
    everyMs: section.number('everyHours', every) * HOUR_MS,
  }
  section.checkNoMore()
  return config
}

function readCost(section: Section): CostRule {
  const rule: CostRule = {
    pricePerGbMonth: section.number('perGbMonth', { default: PRICE_DEFAULT, min: 0, max: 1000 }),
    freePerCluster: section.whole('freePerCluster', {
      default: FREE_PER_CLUSTER_DEFAULT,
      min: 0,
      max: CLUSTERS_MAX,
    }),
  }
  section.checkNoMore()
  return rule
}

function readListen(root: Section): ServiceConfig['listen'] {
  const text = root.text('listen', LISTEN_DEFAULT)
  if (text === 'none') return null
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:]+)):(\d{1,5})$/i.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > PORT_MAX) return root.refuse('listen', text, 'host:port, or none')
  return { host: match[1] ?? match[2] ?? '', port }
}

function checkDifferent(root: Section, clusters: readonly ClusterConfig[]): void {
  const names = new Set<string>()
  for (const { name } of clusters) {
    if (names.has(name)) root.refuse('clusters', name, 'a name that no other cluster has')
    names.add(name)
  }
}

/** A directory is relative to the file, so that it does not matter where the service is started. */
function placeStore(url: string, { directory }: ConfigPlace): string {
  return url.includes('://') ? url : resolve(directory, url)
}

function isLevel(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= LEVEL_MAX
}

/** Comments become spaces, so that places in messages stay right. */
export function withoutComments(text: string): string {
  return text.replace(/"(?:[^"\\\n]|\\.)*"|\/\/[^\n]*/g, (found) =>
    found.startsWith('/') ? ' '.repeat(found.length) : found,
  )
}

interface Range {
  readonly default: number
  readonly min: number
  readonly max: number
}

/** An object of the file, whose fields are taken one by one; what is left over is refused. */
class Section {
  readonly #file: string
  readonly #path: string
  readonly #value: Readonly<Record<string, unknown>>
  readonly #taken = new Set<string>()

  constructor(file: string, path: string, value: unknown) {
    this.#file = file
    this.#path = path
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new ConfigError(`${file}: ${path === '' ? 'it' : path} must be an object: { … }`)
    }
    this.#value = value as Readonly<Record<string, unknown>>
  }

  take(name: string): unknown {
    this.#taken.add(name)
    return this.#value[name]
  }

  /** Without a default it must be there. */
  text(name: string, byDefault?: string): string {
    const found = this.take(name) ?? byDefault
    return typeof found === 'string' ? found : this.refuse(name, found, 'a string')
  }

  boolean(name: string, byDefault: boolean): boolean {
    const found = this.take(name) ?? byDefault
    return typeof found === 'boolean' ? found : this.refuse(name, found, 'true or false')
  }

  number(name: string, { default: byDefault, min, max }: Range): number {
    const found = this.take(name) ?? byDefault
    if (typeof found === 'number' && found >= min && found <= max) return found
    return this.refuse(name, found, `a number from ${min} to ${max}`)
  }

  whole(name: string, range: Range): number {
    const found = this.number(name, range)
    if (Number.isInteger(found)) return found
    return this.refuse(name, found, 'a whole number')
  }

  /** The first one is the default. */
  oneOf<T extends string>(name: string, allowed: readonly [T, ...T[]]): T {
    const given = this.take(name) ?? allowed[0]
    const found = allowed.find((each) => each === given)
    return found ?? this.refuse(name, given, `one of ${allowed.join(', ')}`)
  }

  /** A list of strings; one alone may stand without brackets. */
  texts(name: string, min: number, max: number): string[] {
    const given = this.take(name) ?? []
    const list: readonly unknown[] = Array.isArray(given) ? given : [given]
    const texts = list.filter((each) => typeof each === 'string')
    if (texts.length === list.length && list.length >= min && list.length <= max) return texts
    return this.refuse(name, this.#value[name], `a list of ${min} to ${max} strings`)
  }

  sections(name: string, min: number, max: number): Section[] {
    const given = this.take(name)
    const isRight = Array.isArray(given) && given.length >= min && given.length <= max
    if (!isRight) return this.refuse(name, given, `a list of ${min} to ${max} objects`)
    const list: readonly unknown[] = given
    return list.map((each, i) => new Section(this.#file, `${this.#nameOf(name)}[${i}]`, each))
  }

  section(name: string): Section {
    return new Section(this.#file, this.#nameOf(name), this.take(name) ?? {})
  }

  optional(name: string): Section | null {
    return this.take(name) === undefined ? null : this.section(name)
  }

  /** What it makes of the value; its complaint becomes one of the configuration's. */
  tried<T>(name: string, found: string | null, make: () => T): T {
    try {
      return make()
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      // What may hold a password is not repeated.
      const what = found === null ? '' : ` ${JSON.stringify(found)}`
      throw new ConfigError(`${this.#file}: ${this.#nameOf(name)}${what}: ${why}`, { cause })
    }
  }

  checkNoMore(): void {
    const other = Object.keys(this.#value).find((name) => !this.#taken.has(name))
    if (other === undefined) return
    const known = [...this.#taken].sort().join(', ')
    const text = `${this.#nameOf(other)} is not known; what may stand here: ${known}`
    throw new ConfigError(`${this.#file}: ${text}`)
  }

  refuse(name: string, found: unknown, expected: string): never {
    const shown = found === undefined ? 'missing' : JSON.stringify(found)
    const text = `${this.#nameOf(name)} is ${shown}, expected ${expected}`
    throw new ConfigError(`${this.#file}: ${text}`)
  }

  #nameOf(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`
  }
}
