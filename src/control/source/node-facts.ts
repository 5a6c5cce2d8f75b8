// What a node says about itself: INFO, ROLE of its replicas, and in cluster mode the slots. Read
// before, while and after a backup; what a version does not say is null.

import { besideNode, type NodeAddress } from './node-address.ts'
import type { NodeConnection } from './node-connection.ts'
import { ErrorReply, type NodeReply, replyText } from './reply-parser.ts'

export type Engine = 'tidemark' | 'redis' | 'valkey' | 'unknown'

/** A replica, as its primary sees it. */
export interface ReplicaFacts {
  readonly host: string
  readonly port: number
  readonly isOnline: boolean
  /** Bytes of the replication stream that it has not acknowledged. */
  readonly lagBytes: number
  /** Since its last acknowledgement; -1: it sends none. */
  readonly lagSeconds: number
}

export interface NodeFacts {
  readonly address: NodeAddress
  readonly engine: Engine
  readonly version: string
  readonly runId: string
  readonly role: 'primary' | 'replica'
  readonly replicationId: string
  readonly replicationOffset: number
  /** Of a replica: whether it follows its primary, and that one's address. */
  readonly isLinkUp: boolean
  readonly primary: { readonly host: string; readonly port: number } | null
  readonly replicas: readonly ReplicaFacts[]
  readonly isLoading: boolean
  /** A snapshot, rewrite or full sync is under way. */
  readonly isSaving: boolean
  readonly memory: MemoryFacts
  readonly keys: number
  readonly opsPerSecond: number
  readonly isCluster: boolean
}

export interface MemoryFacts {
  readonly usedBytes: number
  readonly datasetBytes: number
  readonly residentBytes: number | null
  readonly maxBytes: number
  readonly systemBytes: number | null
  readonly cowBytes: number
  /** The largest copy on write of the last saves; 0: none yet. */
  readonly lastCowBytes: number
  readonly changesSinceSave: number
  readonly lastSaveSeconds: number
}

/** A shard of a cluster: slots, the primary, replicas that may be asked. */
export interface ShardNodes {
  readonly slots: readonly string[]
  readonly primary: NodeAddress
  readonly replicas: readonly NodeAddress[]
}

export type Info = ReadonlyMap<string, string>

/** The fields of INFO by their names. */
export function parseInfo(text: string): Info {
  const fields = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    const at = line.indexOf(':')
    if (at > 0 && !line.startsWith('#')) fields.set(line.slice(0, at), line.slice(at + 1))
  }
  return fields
}

/** INFO of all sections. */
export async function readInfo(connection: NodeConnection): Promise<Info> {
  return parseInfo(replyText(await connection.command('INFO')))
}

export async function readFacts(connection: NodeConnection): Promise<NodeFacts> {
  return factsOf(connection.address, await readInfo(connection))
}

/** The facts that INFO holds. */
export function factsOf(address: NodeAddress, info: Info): NodeFacts {
  const isReplica = info.get('role') === 'slave'
  const replicationOffset = numberIn(info, 'master_repl_offset') ?? -1
  const primaryHost = info.get('master_host')
  const primaryPort = numberIn(info, 'master_port')
  const hasPrimary = isReplica && primaryHost !== undefined && primaryPort !== null
  return {
    address,
    ...engineOf(info),
    runId: info.get('run_id') ?? '',
    role: isReplica ? 'replica' : 'primary',
    replicationId: info.get('master_replid') ?? '',
    replicationOffset,
    isLinkUp: info.get('master_link_status') === 'up',
    primary: hasPrimary ? { host: primaryHost, port: primaryPort } : null,
    replicas: replicasOf(info, replicationOffset),
    isLoading: info.get('loading') === '1' || info.get('async_loading') === '1',
    isSaving: isSaving(info),
    memory: memoryOf(info),
    keys: keysOf(info),
    opsPerSecond: numberIn(info, 'instantaneous_ops_per_sec') ?? 0,
    isCluster: info.get('cluster_enabled') === '1',
  }
}

/** What a save cost a node, from INFO after it. */
export interface SaveFacts {
  /** '' when the node does not say. */
  readonly method: string
  readonly writeDelayMs: number | null
  readonly freezeMs: number | null
}

export function saveFactsOf(info: Info): SaveFacts {
  const { engine } = engineOf(info)
  if (engine !== 'tidemark') {
    const forkUs = numberIn(info, 'latest_fork_usec')
    const freezeMs = forkUs === null ? null : forkUs / 1000
    return { method: engine === 'unknown' ? '' : 'fork', writeDelayMs: null, freezeMs }
  }
  const freezeUs = numberIn(info, 'snapshot_freeze_usec')
  const delayUs = numberIn(info, 'snapshot_write_delay_usec')
  return {
    method: info.get('snapshot_method') ?? '',
    writeDelayMs: delayUs === null ? null : delayUs / 1000,
    freezeMs: freezeUs === null ? null : freezeUs / 1000,
  }
}

/** Memory that the node and its forked child take together: RSS and what was copied on write. */
export function footprintOf({ memory }: NodeFacts): number | null {
  return memory.residentBytes === null ? null : memory.residentBytes + memory.cowBytes
}

/** The shards of a cluster, by CLUSTER SLOTS; credentials are those of the node asked. */
export async function readShards(connection: NodeConnection): Promise<ShardNodes[]> {
  const { address } = connection
  const shards = new Map<string, ShardNodes & { readonly slots: string[] }>()
  for (const range of arrayOf(await connection.command('CLUSTER', 'SLOTS'))) {
    const [first, last, ...nodes] = arrayOf(range)
    const addresses = nodes.map((node) => nodeIn(node, address))
    const [primary, ...replicas] = addresses
    if (primary === undefined) continue
    const slots = `${replyText(first)}-${replyText(last)}`
    const known = shards.get(primary.label)
    if (known !== undefined) known.slots.push(slots)
    else shards.set(primary.label, { slots: [slots], primary, replicas })
  }
  const found = [...shards.values()]
  return found.sort((a, b) => firstSlot(a) - firstSlot(b))
}

/** A number among the fields; null: it is not there, or none. */
export function numberIn(info: Info, name: string): number | null {
  const text = info.get(name)
  if (text === undefined || !/^-?\d+(\.\d+)?$/.test(text)) return null
  return Number(text)
}

function engineOf(info: Info): { readonly engine: Engine; readonly version: string } {
  const own = info.get('tidemark_version')
  if (own !== undefined) return { engine: 'tidemark', version: own }
  const valkey = info.get('valkey_version')
  if (valkey !== undefined) return { engine: 'valkey', version: valkey }
  const version = info.get('redis_version')
  return { engine: version === undefined ? 'unknown' : 'redis', version: version ?? '' }
}

function replicasOf(info: Info, offset: number): ReplicaFacts[] {
  const replicas: ReplicaFacts[] = []
  for (const [name, text] of info) {
    if (!/^slave\d+$/.test(name)) continue
    const pairs = text.split(',').map((pair) => pair.split('=', 2) as [string, string])
    const fields = new Map(pairs)
    const port = numberIn(fields, 'port')
    const host = fields.get('ip')
    if (host === undefined || port === null) continue
    replicas.push({
      host,
      port,
      isOnline: fields.get('state') === 'online',
      lagBytes: Math.max(0, offset - (numberIn(fields, 'offset') ?? 0)),
      lagSeconds: numberIn(fields, 'lag') ?? -1,
    })
  }
  return replicas
}

const SAVING_FIELDS = [
  'rdb_bgsave_in_progress',
  'aof_rewrite_in_progress',
  'module_fork_in_progress',
  'snapshot_in_progress',
]

function isSaving(info: Info): boolean {
  return SAVING_FIELDS.some((name) => (numberIn(info, name) ?? 0) > 0)
}

function memoryOf(info: Info): MemoryFacts {
  const of = (name: string) => numberIn(info, name)
  return {
    usedBytes: of('used_memory') ?? 0,
    datasetBytes: of('used_memory_dataset') ?? of('used_memory') ?? 0,
    residentBytes: of('used_memory_rss'),
    maxBytes: of('maxmemory') ?? 0,
    systemBytes: of('total_system_memory'),
    cowBytes: of('current_cow_size') ?? 0,
    lastCowBytes: Math.max(of('rdb_last_cow_size') ?? 0, of('aof_last_cow_size') ?? 0),
    changesSinceSave: of('rdb_changes_since_last_save') ?? 0,
    lastSaveSeconds: Math.max(of('rdb_last_bgsave_time_sec') ?? -1, -1),
  }
}

function keysOf(info: Info): number {
  let keys = 0
  for (const [name, text] of info) {
    if (/^db\d+$/.test(name)) keys += Number(/^keys=(\d+)/.exec(text)?.[1] ?? 0)
  }
  return keys
}

function nodeIn(reply: NodeReply, beside: NodeAddress): NodeAddress {
  const [host, port] = arrayOf(reply)
  // A node that does not know its own address leaves it empty: it is the one asked.
  return besideNode(beside, replyText(host) || beside.host, Number(replyText(port)))
}

function arrayOf(reply: NodeReply | undefined): NodeReply[] {
  return Array.isArray(reply) && !(reply instanceof ErrorReply) ? reply : []
}

function firstSlot({ slots }: ShardNodes): number {
  return Number.parseInt(slots[0] ?? '0', 10)
}
