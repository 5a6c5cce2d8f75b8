// Options that the actions of `tidemark backup` and `tidemark restore` share: the store, the node's
// credentials, keys, and how an answer is given. Secrets come from the environment, a file or an
// address, and go into no message.

import { type AgeIdentity, readIdentities } from '../control/backup/age-keys.ts'
import { type NodeAddress, nodeAddress, parseNodeAddress } from '../control/source/node-address.ts'
import type { ConnectOptions, TlsOptions } from '../control/source/node-connection.ts'
import type { ObjectStore } from '../control/store/object-store.ts'
import { openStore } from '../control/store/open-store.ts'
import { TwinStore } from '../control/store/twin-store.ts'
import { type CliContext, type ExitCode, UsageError } from './subcommand.ts'

export const STORE_OPTIONS = {
  store: { type: 'string', multiple: true },
  limit: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const

export const NODE_OPTIONS = {
  user: { type: 'string' },
  'password-file': { type: 'string' },
  'tls-ca': { type: 'string' },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  'tls-name': { type: 'string' },
  'tls-insecure': { type: 'boolean', default: false },
} as const

export interface StoreValues {
  readonly store?: string[]
  readonly limit?: string
}

export interface NodeValues {
  readonly user?: string
  readonly 'password-file'?: string
  readonly 'tls-ca'?: string
  readonly 'tls-cert'?: string
  readonly 'tls-key'?: string
  readonly 'tls-name'?: string
  readonly 'tls-insecure'?: boolean
}

const STORES_MAX = 2
const MEGABYTE = 1e6

/** Opens the store, or the two as one, lets it be used and closes it. */
export async function withStore(
  values: StoreValues,
  context: CliContext,
  use: (store: ObjectStore) => Promise<ExitCode>,
): Promise<ExitCode> {
  const fromEnvironment = context.environment['TIDEMARK_STORE']
  const urls = values.store ?? (fromEnvironment === undefined ? [] : [fromEnvironment])
  if (urls.length === 0) throw new UsageError('Which store? --store URL, or TIDEMARK_STORE')
  if (urls.length > STORES_MAX) throw new UsageError(`${STORES_MAX} stores at most`)
  const limit = values.limit === undefined ? null : number(values.limit, '--limit', 0.001, 1e6)
  const options = limit === null ? {} : { bytesPerSecond: limit * MEGABYTE }
  const [near, far] = await Promise.all(urls.map((url) => openStore(url, options)))
  if (near === undefined) throw new UsageError('Which store?')
  const store =
    far === undefined
      ? near
      : new TwinStore(near, far, { onFault: (fault) => context.err(`${fault.message}\n`) })
  try {
    return await use(store)
  } finally {
    store.close()
  }
}

/** The node, and who to be there when the address does not say. */
export function nodeFrom(text: string, values: NodeValues, context: CliContext): NodeAddress {
  const address = parseNodeAddress(text)
  const { environment, disk } = context
  const path = values['password-file']
  const given =
    path === undefined ? environment['TIDEMARK_PASSWORD'] : disk.readText(path).trimEnd()
  const user = values.user ?? environment['TIDEMARK_USER']
  return nodeAddress({
    ...address,
    user: address.user === '' ? (user ?? '') : address.user,
    password: address.password === '' ? (given ?? '') : address.password,
  })
}

export function connectFrom(values: NodeValues, { signal }: CliContext): ConnectOptions {
  const tls: TlsOptions = {
    ...(values['tls-ca'] === undefined ? {} : { ca: values['tls-ca'] }),
    ...(values['tls-cert'] === undefined ? {} : { cert: values['tls-cert'] }),
    ...(values['tls-key'] === undefined ? {} : { key: values['tls-key'] }),
    ...(values['tls-name'] === undefined ? {} : { serverName: values['tls-name'] }),
    ...(values['tls-insecure'] === true ? { isUnchecked: true } : {}),
  }
  return Object.keys(tls).length === 0 ? { signal } : { tls, signal }
}

/** Identities of `--identity` or TIDEMARK_IDENTITY, a path; none without. */
export async function identitiesFrom(
  path: string | undefined,
  { environment }: CliContext,
): Promise<AgeIdentity[]> {
  const file = path ?? environment['TIDEMARK_IDENTITY']
  return file === undefined || file === '' ? [] : await readIdentities(file)
}

/** The one name that is given. */
export function nameFrom(positionals: readonly string[]): string {
  const [name, ...others] = positionals
  if (name === undefined) throw new UsageError('Which backup? A name is missing')
  if (others.length > 0) throw new UsageError(`One name is expected, not ${positionals.length}`)
  return name
}

export function noName(positionals: readonly string[]): void {
  const [first] = positionals
  if (first !== undefined) throw new UsageError(`${JSON.stringify(first)} is not expected`)
}

export function number(text: string, option: string, min: number, max: number): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= min && value <= max) return value
  throw new UsageError(`${option} is ${JSON.stringify(text)}, a number from ${min} to ${max}`)
}

export function wholeNumber(text: string, option: string, min: number, max: number): number {
  const value = number(text, option, min, max)
  if (Number.isInteger(value)) return value
  throw new UsageError(`${option} is ${JSON.stringify(text)}, a whole number is expected`)
}

export function oneOf<T extends string>(text: string, option: string, allowed: readonly T[]): T {
  const found = allowed.find((each) => each === text)
  if (found !== undefined) return found
  throw new UsageError(`${option} is ${JSON.stringify(text)}, one of ${allowed.join(', ')}`)
}

export function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
