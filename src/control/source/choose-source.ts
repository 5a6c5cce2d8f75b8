// Which node of a shard a backup is taken from.
//
// - A final backup: the primary, always, since it alone has every write.
// - `primary`, `replica`: as asked; no healthy replica is then a fault.
// - Else the least loaded healthy replica, and the primary when there is none.
//
// Healthy is a replica that can be reached, follows its primary (link up), has loaded, is not
// behind by more than LAG_BYTES_MAX or LAG_SECONDS_MAX, and has the primary's dataset (the same
// replication id). Less loaded is one that is not saving, then one with fewer commands a second,
// then one that is less behind; the last word has the address, so that the choice is stable.
// It must then catch up with what the primary had when it was asked, so that a backup holds all
// that was written before it began.

import { setTimeout as sleep } from 'node:timers/promises'
import type { BackupKind } from '../backup/manifest.ts'
import { besideNode, type NodeAddress } from './node-address.ts'
import { type ConnectOptions, NodeConnection } from './node-connection.ts'
import { NodeError } from './node-error.ts'
import { type NodeFacts, readFacts } from './node-facts.ts'

export type SourcePreference = 'auto' | 'primary' | 'replica'

export interface Choice {
  readonly facts: NodeFacts
  /** Why this one: for people. */
  readonly reason: string
  /** The replicas that were passed over, and why. */
  readonly passed: readonly string[]
}

export interface ChoiceRequest {
  readonly kind: BackupKind
  readonly preference: SourcePreference
  readonly connect: ConnectOptions
  /** Replicas besides those that the primary names: clusters know more of them. */
  readonly replicas?: readonly NodeAddress[]
}

/** More than that behind is not the data of now. */
const LAG_BYTES_MAX = 64 * 1024 * 1024
const LAG_SECONDS_MAX = 10
const REPLICAS_MAX = 32
/** How long a replica may take to have what the primary had, and how often it is asked. */
const CATCH_UP_MS_MAX = 5000
const CATCH_UP_STEP_MS = 100

/** Looks at the node of this address, its primary and its replicas, and chooses. */
export async function chooseSource(address: NodeAddress, request: ChoiceRequest): Promise<Choice> {
  const asked = await factsAt(address, request.connect)
  const primary = await primaryOf(asked, request)
  if (request.kind === 'final') {
    return { facts: needPrimary(primary), reason: 'final backups: the primary', passed: [] }
  }
  if (request.preference === 'primary') {
    return { facts: needPrimary(primary), reason: 'the primary, as asked', passed: [] }
  }
  const passed: string[] = []
  const healthy: NodeFacts[] = []
  for (const candidate of replicaAddresses(primary, asked, request)) {
    const facts = await replicaAt(candidate, asked, request)
    const fault = typeof facts === 'string' ? facts : replicaFault(facts, primary.facts)
    if (fault === null && typeof facts !== 'string') healthy.push(facts)
    else passed.push(`${candidate.label}: ${fault}`)
  }
  for (const best of healthy.sort(byLoad)) {
    const facts = await caughtUp(best, primary.facts, request.connect)
    if (facts === null) {
      passed.push(`${best.address.label}: it does not catch up`)
      continue
    }
    const reason = healthy.length === 1 ? 'the healthy replica' : 'the least loaded replica'
    return { facts, reason, passed }
  }
  if (request.preference === 'replica') {
    const why = passed.length === 0 ? 'it has none' : passed.join('; ')
    throw new NodeError('refused', address.label, `no healthy replica: ${why}`)
  }
  const reason = passed.length === 0 ? 'it has no replica' : 'no replica is healthy'
  return { facts: needPrimary(primary), reason: `the primary: ${reason}`, passed }
}

/** Connects, asks for the facts, and closes. */
export async function factsAt(address: NodeAddress, options: ConnectOptions): Promise<NodeFacts> {
  const connection = await NodeConnection.connect(address, options)
  try {
    return await readFacts(connection)
  } finally {
    connection.close()
  }
}

interface Primary {
  readonly facts: NodeFacts | null
  readonly error: unknown
}

async function primaryOf(asked: NodeFacts, { connect }: ChoiceRequest): Promise<Primary> {
  if (asked.role === 'primary') return { facts: asked, error: null }
  const { primary } = asked
  if (primary === null) return { facts: null, error: null }
  try {
    const facts = await factsAt(besideNode(asked.address, primary.host, primary.port), connect)
    return { facts, error: null }
  } catch (error) {
    if (!(error instanceof NodeError) || error.kind === 'aborted') throw error
    return { facts: null, error }
  }
}

function needPrimary({ facts, error }: Primary): NodeFacts {
  if (facts?.role === 'primary') return facts
  if (error !== null) throw error
  const label = facts?.address.label ?? 'the cluster'
  throw new NodeError('refused', label, 'no primary: it is a replica of a replica')
}

function replicaAddresses(
  { facts }: Primary,
  asked: NodeFacts,
  { replicas = [] }: ChoiceRequest,
): NodeAddress[] {
  const found = new Map<string, NodeAddress>()
  if (asked.role === 'replica') found.set(asked.address.label, asked.address)
  for (const { host, port } of facts?.replicas ?? []) {
    const address = besideNode(asked.address, host, port)
    found.set(address.label, address)
  }
  for (const address of replicas) found.set(address.label, address)
  return [...found.values()].slice(0, REPLICAS_MAX)
}

/** Its facts, or what is in the way of them. */
async function replicaAt(
  address: NodeAddress,
  asked: NodeFacts,
  { connect }: ChoiceRequest,
): Promise<NodeFacts | string> {
  if (address.label === asked.address.label) return asked
  try {
    return await factsAt(address, connect)
  } catch (error) {
    if (!(error instanceof NodeError) || error.kind === 'aborted') throw error
    return error.message.slice(address.label.length + 2)
  }
}

/** Why the replica is not to be asked; null: it may be. */
export function replicaFault(replica: NodeFacts, primary: NodeFacts | null): string | null {
  if (replica.role !== 'replica') return 'it is no replica'
  if (replica.isLoading) return 'it is loading'
  if (!replica.isLinkUp) return 'its link to the primary is down'
  if (primary === null) return null
  if (replica.replicationId !== primary.replicationId) return 'it has another dataset'
  const lagBytes = primary.replicationOffset - replica.replicationOffset
  if (lagBytes > LAG_BYTES_MAX) return `it is ${lagBytes} bytes behind`
  const { host, port } = replica.address
  const seen = primary.replicas.find((each) => each.host === host && each.port === port)
  if (seen !== undefined && !seen.isOnline) return 'the primary does not have it online'
  if (seen !== undefined && seen.lagSeconds > LAG_SECONDS_MAX) {
    return `the primary has not heard of it for ${seen.lagSeconds} s`
  }
  return null
}

/** The replica's facts once it has what the primary had when that was asked; null: it has not. */
async function caughtUp(
  replica: NodeFacts,
  primary: NodeFacts | null,
  connect: ConnectOptions,
): Promise<NodeFacts | null> {
  if (primary === null) return replica
  const limitMs = Date.now() + CATCH_UP_MS_MAX
  let facts = replica
  while (facts.replicationOffset < primary.replicationOffset) {
    if (Date.now() > limitMs) return null
    await sleep(CATCH_UP_STEP_MS, undefined, signalOf(connect))
    facts = await factsAt(replica.address, connect)
    if (replicaFault(facts, primary) !== null) return null
  }
  return facts
}

function signalOf({ signal }: ConnectOptions): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}

function byLoad(a: NodeFacts, b: NodeFacts): number {
  return (
    Number(a.isSaving) - Number(b.isSaving) ||
    a.opsPerSecond - b.opsPerSecond ||
    b.replicationOffset - a.replicationOffset ||
    (a.address.label < b.address.label ? -1 : 1)
  )
}
