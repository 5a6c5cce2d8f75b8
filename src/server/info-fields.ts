// The fields of INFO that are facts of the moment: server, clients, memory, stats, replication,
// cpu, cluster, keyspace. Order is Redis 7.0's.

import { arch, release, type } from 'node:os'
import { assert } from '../base/assert.ts'
import { machineMemory } from '../base/machine.ts'
import { LiveSettings } from './persistence-settings.ts'
import type { Server } from './server.ts'
import { SubscriptionKind } from './subscriptions.ts'
import { REDIS_VERSION, TIDEMARK_VERSION } from './version.ts'

export type Field = readonly [name: string, value: string | number]

const LRU_CLOCK_MASK = 0xffffff
const SECONDS_PER_DAY = 86400
const US_PER_SECOND = 1_000_000
const KIBIBYTE = 1024
const UNITS = ['B', 'K', 'M', 'G', 'T', 'P']

export function serverFields(server: Server): Field[] {
  const { clock, config, executable } = server
  const { values } = config
  const nowMs = clock.nowMs()
  const upSeconds = Math.floor((nowMs - server.startedMs) / 1000)
  return [
    ['redis_version', REDIS_VERSION],
    ['redis_git_sha1', '00000000'],
    ['redis_git_dirty', 0],
    ['redis_build_id', `tidemark-${TIDEMARK_VERSION}`],
    ['redis_mode', server.mode],
    ['os', `${type()} ${release()} ${arch() === 'x64' ? 'x86_64' : arch()}`],
    ['arch_bits', 64],
    ['monotonic_clock', 'POSIX clock_gettime'],
    ['multiplexing_api', 'epoll'],
    ['atomicvar_api', 'sharedarraybuffer'],
    ['gcc_version', '0.0.0'],
    ['process_id', process.pid],
    ['process_supervised', server.isSupervised ? values.supervised : 'no'],
    ['run_id', server.runId],
    ['tcp_port', values.port],
    ['server_time_usec', clock.nowUs()],
    ['uptime_in_seconds', upSeconds],
    ['uptime_in_days', Math.floor(upSeconds / SECONDS_PER_DAY)],
    ['hz', server.hz],
    ['configured_hz', values.hz],
    ['lru_clock', Math.floor(nowMs / 1000) & LRU_CLOCK_MASK],
    ['executable', executable],
    ['config_file', config.configFile],
    ['io_threads_active', 0],
    ['tidemark_version', TIDEMARK_VERSION],
    ['node_version', process.version.slice(1)],
  ]
}

export function clientFields({ clients, config, tracking, blocking }: Server): Field[] {
  const peaks = clients.recentPeaks
  return [
    ['connected_clients', clients.count],
    ['cluster_connections', 0],
    ['maxclients', config.values.maxclients],
    ['client_recent_max_input_buffer', peaks.input],
    ['client_recent_max_output_buffer', peaks.output],
    ['blocked_clients', clients.blockedCount],
    ['tracking_clients', tracking.clientCount],
    ['clients_in_timeout_table', blocking.timedCount],
  ]
}

export function memoryFields(server: Server): Field[] {
  const { keyspace, statistics, clients, config } = server
  const used = server.usedBytes()
  const rss = process.memoryUsage.rss()
  const { heapUsed, heapTotal } = process.memoryUsage()
  const peak = statistics.peakBytes
  const dataset = keyspace.arena.datasetBytes
  const overhead = used - dataset
  const startup = server.startupBytes
  const mapped = mappedBytes(server)
  const total = machineMemory(server.disk).totalBytes
  const { maxmemory } = config.values
  return [
    ...sized('used_memory', used),
    ...sized('used_memory_rss', rss),
    ...sized('used_memory_peak', peak),
    ['used_memory_peak_time', Math.floor(server.peakMs / 1000)],
    ['used_memory_peak_perc', `${percent(used, peak)}%`],
    ['used_memory_overhead', overhead],
    ['used_memory_startup', startup],
    ['used_memory_dataset', dataset],
    ['used_memory_dataset_perc', `${percent(dataset, Math.max(1, used - startup))}%`],
    ['allocator_allocated', keyspace.arena.usedBytes],
    ['allocator_active', mapped],
    ['allocator_resident', mapped],
    ['tidemark_heap_used', heapUsed],
    ['tidemark_heap_total', heapTotal],
    ...sized('total_system_memory', total),
    ...scriptMemory(),
    ...sized('maxmemory', maxmemory),
    ['maxmemory_policy', config.values.maxmemoryPolicy],
    ...reservations(server),
    ...fragmentation({ allocated: keyspace.arena.usedBytes, mapped, rss, used }),
    ['mem_not_counted_for_evict', 0],
    ['mem_replication_backlog', 0],
    ['mem_total_replication_buffers', 0],
    ['mem_clients_slaves', 0],
    ['mem_clients_normal', clients.totalBytes],
    ['mem_cluster_links', 0],
    ['mem_aof_buffer', 0],
    ['mem_allocator', 'arena'],
    ['active_defrag_running', 0],
    ['lazyfree_pending_objects', keyspace.lazyFreePending],
    ['lazyfreed_objects', keyspace.lazyFreed],
  ]
}

/** There are no scripts and no functions. */
function scriptMemory(): Field[] {
  return [
    ['used_memory_lua', 0],
    ['used_memory_vm_eval', 0],
    ['used_memory_lua_human', '0B'],
    ['used_memory_scripts_eval', 0],
    ['number_of_cached_scripts', 0],
    ['number_of_functions', 0],
    ['number_of_libraries', 0],
    ['used_memory_vm_functions', 0],
    ['used_memory_vm_total', 0],
    ['used_memory_vm_total_human', '0B'],
    ['used_memory_functions', 0],
    ['used_memory_scripts', 0],
    ['used_memory_scripts_human', '0B'],
  ]
}

/** Memory set aside for saving, under the names that exporters know. */
function reservations(server: Server): Field[] {
  const reserve = new LiveSettings(server).reserveBytes
  return [
    ['maxmemory_reservation', reserve],
    ['maxmemory_desired_reservation', reserve],
    ['maxfragmentationmemory_reservation', 0],
    ['maxfragmentationmemory_desired_reservation', 0],
  ]
}

interface Footprint {
  readonly allocated: number
  readonly mapped: number
  readonly rss: number
  readonly used: number
}

function fragmentation({ allocated, mapped, rss, used }: Footprint): Field[] {
  return [
    ['allocator_frag_ratio', ratio(mapped, allocated)],
    ['allocator_frag_bytes', mapped - allocated],
    ['allocator_rss_ratio', ratio(mapped, mapped)],
    ['allocator_rss_bytes', 0],
    ['rss_overhead_ratio', ratio(rss, mapped)],
    ['rss_overhead_bytes', rss - mapped],
    ['mem_fragmentation_ratio', ratio(rss, used)],
    ['mem_fragmentation_bytes', rss - used],
  ]
}

export function statsFields(server: Server): Field[] {
  const { statistics, keyspace, dispatcher, persistence, pubsub, tracking } = server
  const { links } = server.migrations
  const { stats } = keyspace
  const cuts = persistence?.saveTotal ?? 0
  return [
    ['total_connections_received', statistics.connections],
    ['total_commands_processed', dispatcher.commandCount],
    ['instantaneous_ops_per_sec', Math.round(statistics.commandRate.perSecond)],
    ['total_net_input_bytes', statistics.inputBytes],
    ['total_net_output_bytes', statistics.outputBytes],
    ['total_net_repl_input_bytes', 0],
    ['total_net_repl_output_bytes', 0],
    ['instantaneous_input_kbps', (statistics.inputRate.perSecond / KIBIBYTE).toFixed(2)],
    ['instantaneous_output_kbps', (statistics.outputRate.perSecond / KIBIBYTE).toFixed(2)],
    ['instantaneous_input_repl_kbps', '0.00'],
    ['instantaneous_output_repl_kbps', '0.00'],
    ['rejected_connections', statistics.rejectedConnections],
    ['sync_full', 0],
    ['sync_partial_ok', 0],
    ['sync_partial_err', 0],
    ['expired_subkeys', stats.expiredFields],
    ['expired_keys', stats.expired],
    ['expired_stale_perc', (stats.staleShare * 100).toFixed(2)],
    ['expired_time_cap_reached_count', stats.timeCapReached],
    ['expire_cycle_cpu_milliseconds', Math.floor(statistics.expireUs / 1000)],
    ...zeros('evicted_keys', 'evicted_clients', 'total_eviction_exceeded_time'),
    ['current_eviction_exceeded_time', 0],
    ['keyspace_hits', stats.hits],
    ['keyspace_misses', stats.misses],
    ['pubsub_channels', pubsub.count(SubscriptionKind.Channel)],
    ['pubsub_patterns', pubsub.count(SubscriptionKind.Pattern)],
    ['pubsubshard_channels', pubsub.count(SubscriptionKind.Shard)],
    ['latest_fork_usec', persistence?.lastFreezeUs ?? 0],
    ['total_forks', cuts],
    ['migrate_cached_sockets', links.count],
    ...zeros('slave_expires_tracked_keys', 'active_defrag_hits'),
    ...zeros('active_defrag_misses', 'active_defrag_key_hits', 'active_defrag_key_misses'),
    ...zeros('total_active_defrag_time', 'current_active_defrag_time'),
    ['tracking_total_keys', tracking.keyCount],
    ['tracking_total_items', tracking.itemCount],
    ['tracking_total_prefixes', tracking.prefixCount],
    ['unexpected_error_replies', 0],
    ['total_error_replies', dispatcher.errorTotal],
    ['dump_payload_sanitizations', 0],
    ['total_reads_processed', statistics.reads],
    ['total_writes_processed', statistics.writes],
    ...zeros('io_threaded_reads_processed', 'io_threaded_writes_processed'),
    ...zeros('reply_buffer_shrinks', 'reply_buffer_expands'),
  ]
}

export function replicationFields({ replicationId, config }: Server): Field[] {
  return [
    ['role', 'master'],
    ['connected_slaves', 0],
    ['master_failover_state', 'no-failover'],
    ['master_replid', replicationId],
    ['master_replid2', '0'.repeat(40)],
    ['master_repl_offset', 0],
    ['second_repl_offset', -1],
    ['repl_backlog_active', 0],
    ['repl_backlog_size', config.values.replBacklogSize],
    ['repl_backlog_first_byte_offset', 0],
    ['repl_backlog_histlen', 0],
  ]
}

export function cpuFields(): Field[] {
  const all = process.cpuUsage()
  const engine = process.threadCpuUsage()
  return [
    ['used_cpu_sys', seconds(all.system)],
    ['used_cpu_user', seconds(all.user)],
    ['used_cpu_sys_children', seconds(0)],
    ['used_cpu_user_children', seconds(0)],
    ['used_cpu_sys_main_thread', seconds(engine.system)],
    ['used_cpu_user_main_thread', seconds(engine.user)],
  ]
}

export function clusterFields(): Field[] {
  return [['cluster_enabled', 0]]
}

export function keyspaceFields({ keyspace }: Server): Field[] {
  return keyspace.databases
    .filter(({ size }) => size > 0)
    .map(({ id, size, expiringCount, averageTtlMs }) => [
      `db${id}`,
      `keys=${size},expires=${expiringCount},avg_ttl=${Math.round(averageTtlMs)}`,
    ])
}

/** Bytes with two decimals and a unit, as `1.05M`. */
export function humanBytes(bytes: number): string {
  assert(Number.isFinite(bytes), 'a count of bytes')
  let unit = 0
  let value = bytes
  while (value >= KIBIBYTE && unit < UNITS.length - 1) {
    value /= KIBIBYTE
    unit++
  }
  return unit === 0 ? `${value}B` : `${value.toFixed(2)}${UNITS[unit]}`
}

function sized(name: string, bytes: number): Field[] {
  return [
    [name, bytes],
    [`${name}_human`, humanBytes(bytes)],
  ]
}

function zeros(...names: readonly string[]): Field[] {
  return names.map((name) => [name, 0])
}

function mappedBytes({ keyspace }: Server): number {
  const buffers = new Set(keyspace.arena.segments.map((segment) => segment?.buffer))
  let bytes = 0
  for (const buffer of buffers) bytes += buffer?.byteLength ?? 0
  return bytes
}

function percent(part: number, whole: number): string {
  return ((part / Math.max(1, whole)) * 100).toFixed(2)
}

function ratio(part: number, whole: number): string {
  return (part / Math.max(1, whole)).toFixed(2)
}

function seconds(us: number): string {
  return (us / US_PER_SECOND).toFixed(6)
}
