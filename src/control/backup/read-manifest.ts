// Manifests, pins and records of verification as they are read back: each field is checked, since
// what is read was written by another version, another program or a disk that lies. A message says
// which object, which field, what was found and what was expected.

import type { ObjectStore } from '../store/object-store.ts'
import { type BackupManifest, MANIFEST_VERSION } from './manifest.ts'
import { checkBackupName, manifestObject } from './names.ts'

/** An object of the catalog that does not say what it should. */
export class CatalogFault extends Error {
  override readonly name = 'CatalogFault'
  readonly object: string

  constructor(object: string, message: string) {
    super(`${object}: ${message}`)
    this.object = object
  }
}

/** Of one verification: `backups/NAME/verified-TIME.json`. Never changed. */
export interface VerificationRecord {
  readonly version: number
  readonly name: string
  /** `BackupManifest.id` of what was verified. */
  readonly id: string
  /** ISO 8601, UTC. */
  readonly at: string
  readonly isGood: boolean
  /** How deep it looked: the stored bytes alone, or an engine that has loaded them. */
  readonly level: VerificationLevel
  /** What is wrong, each with the object that it is in; empty if all is well. */
  readonly faults: readonly { readonly object: string; readonly text: string }[]
  /** What loaded it, with its version; '' at level `parts`. */
  readonly engine: string
  readonly tookMs: number
}

export type VerificationLevel = 'parts' | 'engine'

export const RECORD_VERSION = 1

/** Why a backup stays: `backups/NAME/pin.json`. */
export interface Pin {
  readonly since: string
  readonly reason: string
}

const SHARDS_MAX = 1000
const HEX = { sha256: 64, crc64: 16, digest: 32 } as const
const ROLES = ['primary', 'replica', 'file']
const ENGINES = ['tidemark', 'redis', 'valkey', 'unknown']

/** The backup's manifest; throws CatalogFault when it is damaged, StoreFault when it is missing. */
export async function readManifest(
  store: ObjectStore,
  name: string,
  signal?: AbortSignal,
): Promise<BackupManifest> {
  checkBackupName(name)
  const object = manifestObject(name)
  return parseManifest(object, name, await store.get(object, signal))
}

/** Checks the bytes of a manifest of `name`. */
export function parseManifest(object: string, name: string, bytes: Uint8Array): BackupManifest {
  const fields = new Fields(object, parseObject(object, bytes), '')
  const version = fields.count('version')
  if (version > MANIFEST_VERSION) {
    const text = `version ${version}, which is newer than this program: ${MANIFEST_VERSION}`
    throw new CatalogFault(object, text)
  }
  const found = fields.text('name')
  if (found !== name) fields.refuse('name', found, JSON.stringify(name))
  const id = fields.text('id')
  if (!/^[\w-]+$/.test(id)) fields.refuse('id', id, 'letters, digits and hyphens')
  fields.text('cluster')
  fields.oneOf('kind', ['manual', 'automatic', 'final'])
  for (const each of ['startedAt', 'finishedAt', 'takenAt']) fields.time(each)
  fields.optional('compression')?.oneOf('format', ['zstd'])
  fields.optional('encryption')?.oneOf('format', ['age'])
  const shards = fields.list('shards')
  if (shards.length === 0 || shards.length > SHARDS_MAX) {
    fields.refuse('shards', `${shards.length} shards`, `1 to ${SHARDS_MAX}`)
  }
  let keys = 0
  for (const [index, shard] of shards.entries()) keys += checkShard(shard, index, `data/${id}/`)
  const totals = fields.part('totals')
  for (const each of ['rdbBytes', 'storedBytes']) totals.count(each)
  const total = totals.count('keys')
  if (total !== keys) totals.refuse('keys', total, `${keys}, the sum of the shards`)
  return fields.value as unknown as BackupManifest
}

/** Checks the bytes of a record of verification. */
export function parseRecord(object: string, bytes: Uint8Array): VerificationRecord {
  const fields = new Fields(object, parseObject(object, bytes), '')
  const version = fields.count('version')
  if (version > RECORD_VERSION) fields.refuse('version', version, `at most ${RECORD_VERSION}`)
  for (const each of ['name', 'id', 'engine']) fields.text(each)
  fields.time('at')
  fields.oneOf('level', ['parts', 'engine'])
  fields.oneOf('isGood', [true, false])
  for (const fault of fields.list('faults')) {
    fault.text('object')
    fault.text('text')
  }
  return fields.value as unknown as VerificationRecord
}

/** A pin protects even if nobody can read what it says. */
export function parsePin(bytes: Uint8Array): Pin {
  const unknown = { since: '?', reason: '' }
  try {
    return { ...unknown, ...(JSON.parse(Buffer.from(bytes).toString()) as Partial<Pin>) }
  } catch {
    return unknown
  }
}

/** Checks a shard; returns its keys. */
function checkShard(shard: Fields, index: number, prefix: string): number {
  const number = shard.count('shard')
  if (number !== index) shard.refuse('shard', number, `${index}`)
  shard.list('slots', 'text')
  const source = shard.part('source')
  source.text('address')
  source.oneOf('role', ROLES)
  source.oneOf('engine', ENGINES)
  const part = shard.part('part')
  const object = part.text('object')
  if (!object.startsWith(prefix)) part.refuse('object', object, `a name that begins with ${prefix}`)
  part.count('bytes')
  part.hex('sha256', HEX.sha256)
  const rdb = shard.part('rdb')
  for (const each of ['version', 'bytes', 'functions']) rdb.count(each)
  rdb.hex('sha256', HEX.sha256)
  rdb.hex('crc64', HEX.crc64)
  rdb.hex('digest', HEX.digest)
  let keys = 0
  for (const database of rdb.list('databases')) {
    for (const each of ['database', 'expiring']) database.count(each)
    const found = database.count('keys')
    const types = database.part('types')
    const sum = types.names.reduce((total, type) => total + types.count(type), 0)
    if (sum !== found) database.refuse('keys', found, `${sum}, the sum of the types`)
    keys += found
  }
  return keys
}

function parseObject(object: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString())
  } catch {
    throw new CatalogFault(object, `${bytes.length} bytes that are no JSON`)
  }
}

/** An object of JSON whose fields are asked for by what they must be. */
class Fields {
  readonly value: Readonly<Record<string, unknown>>
  readonly #object: string
  /** Where it stands within the whole. */
  readonly #path: string

  constructor(object: string, value: unknown, path: string) {
    this.#object = object
    this.#path = path
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      const where = path === '' ? 'what it holds' : path
      throw new CatalogFault(object, `${where} is ${shown(value)}, expected an object`)
    }
    this.value = value as Readonly<Record<string, unknown>>
  }

  get names(): readonly string[] {
    return Object.keys(this.value)
  }

  text(name: string): string {
    const found = this.value[name]
    if (typeof found === 'string') return found
    return this.refuse(name, found, 'a string')
  }

  /** A whole number, 0 or more. */
  count(name: string): number {
    const found = this.value[name]
    if (typeof found === 'number' && Number.isSafeInteger(found) && found >= 0) return found
    return this.refuse(name, found, 'a whole number')
  }

  hex(name: string, digits: number): void {
    const found = this.value[name]
    if (typeof found === 'string' && found.length === digits && /^[0-9a-f]*$/.test(found)) return
    this.refuse(name, found, `${digits} hexadecimal digits`)
  }

  time(name: string): void {
    const found = this.value[name]
    if (typeof found === 'string' && !Number.isNaN(Date.parse(found))) return
    this.refuse(name, found, 'a time')
  }

  oneOf(name: string, values: readonly unknown[]): void {
    const found = this.value[name]
    if (!values.includes(found)) this.refuse(name, found, values.map(String).join(', '))
  }

  part(name: string): Fields {
    return new Fields(this.#object, this.value[name], this.#nameOf(name))
  }

  /** The part; null if it is null. */
  optional(name: string): Fields | null {
    return this.value[name] === null ? null : this.part(name)
  }

  /** The elements of a list: objects, or texts, which are checked and not returned. */
  list(name: string, of: 'object' | 'text' = 'object'): Fields[] {
    const found: unknown = this.value[name]
    if (!Array.isArray(found)) return this.refuse(name, found, 'a list')
    const items: readonly unknown[] = found
    if (of === 'text') {
      const bad = items.find((item) => typeof item !== 'string')
      return bad === undefined ? [] : this.refuse(name, bad, 'a list of strings')
    }
    const path = this.#nameOf(name)
    return items.map((item, index) => new Fields(this.#object, item, `${path}[${index}]`))
  }

  refuse(name: string, found: unknown, expected: string): never {
    const text = `${this.#nameOf(name)} is ${shown(found)}, expected ${expected}`
    throw new CatalogFault(this.#object, text)
  }

  #nameOf(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`
  }
}

const SHOWN_MAX = 80

function shown(value: unknown): string {
  if (value === undefined) return 'missing'
  return JSON.stringify(value).slice(0, SHOWN_MAX)
}
