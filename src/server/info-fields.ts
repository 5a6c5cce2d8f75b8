// The fields of INFO that are facts of the moment: server, clients, stats, replication, cpu,
// cluster, keyspace; memory is in info-memory.ts. Order is Redis 7.0's.

import { arch, release, type } from 'node:os'
import { assert } from '../base/assert.ts'
import type { AttachedReplica } from '../replication/attached-replica.ts'
import { lagSecondsOf } from '../replication/primary.ts'
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

export function clientFields({ clients, config, tracking, blocking, primary }: Server): Field[] {
  const peaks = clients.recentPeaks
  return [
    ['connected_clients', clients.count - primary.replicas.size],
    ['cluster_connections', 0],
    ['maxclients', config.values.maxclients],
    ['client_recent_max_input_buffer', peaks.input],
    ['client_recent_max_output_buffer', peaks.output],
    ['blocked_clients', clients.blockedCount],
    ['tracking_clients', tracking.clientCount],
    ['clients_in_timeout_table', blocking.timedCount],
  ]
}

export function statsFields(server: Server): Field[] {
  const { statistics, keyspace, dispatcher, persistence, pubsub, tracking } = server
  const { links } = server.migrations
  const { defrag, primary } = server
  const { stats } = keyspace
  const cuts = persistence?.saveTotal ?? 0
  return [
    ['total_connections_received', statistics.connections],
    ['total_commands_processed', dispatcher.commandCount],
    ['instantaneous_ops_per_sec', Math.round(statistics.commandRate.perSecond)],
    ['total_net_input_bytes', statistics.inputBytes],
    ['total_net_output_bytes', statistics.outputBytes],
    ['total_net_repl_input_bytes', 0],
    ['total_net_repl_output_bytes', primary.outputBytes],
    ['instantaneous_input_kbps', (statistics.inputRate.perSecond / KIBIBYTE).toFixed(2)],
    ['instantaneous_output_kbps', (statistics.outputRate.perSecond / KIBIBYTE).toFixed(2)],
    ['instantaneous_input_repl_kbps', '0.00'],
    ['instantaneous_output_repl_kbps', (statistics.replicaRate.perSecond / KIBIBYTE).toFixed(2)],
    ['rejected_connections', statistics.rejectedConnections],
    ['sync_full', primary.fullSyncs],
    ['sync_partial_ok', primary.partialSyncs],
    ['sync_partial_err', primary.partialErrors],
    ['expired_subkeys', stats.expiredFields],
    ['expired_keys', stats.expired],
    ['expired_stale_perc', (stats.staleShare * 100).toFixed(2)],
    ['expired_time_cap_reached_count', stats.timeCapReached],
    ['expire_cycle_cpu_milliseconds', Math.floor(statistics.expireUs / 1000)],
    ['evicted_keys', server.eviction.evictedKeys],
    ['evicted_clients', statistics.evictedClients],
    ['total_eviction_exceeded_time', server.eviction.exceededMs.total],
    ['current_eviction_exceeded_time', server.eviction.exceededMs.current],
    ['keyspace_hits', stats.hits],
    ['keyspace_misses', stats.misses],
    ['pubsub_channels', pubsub.count(SubscriptionKind.Channel)],
    ['pubsub_patterns', pubsub.count(SubscriptionKind.Pattern)],
    ['pubsubshard_channels', pubsub.count(SubscriptionKind.Shard)],
    ['latest_fork_usec', persistence?.lastFreezeUs ?? 0],
    ['total_forks', cuts],
    ['migrate_cached_sockets', links.count],
    ...zeros('slave_expires_tracked_keys'),
    // Everything that moves is a key's record.
    ['active_defrag_hits', defrag.hits],
    ['active_defrag_misses', defrag.misses],
    ['active_defrag_key_hits', defrag.hits],
    ['active_defrag_key_misses', defrag.misses],
    ['total_active_defrag_time', defrag.totalMs],
    ['current_active_defrag_time', defrag.currentMs],
    ['tracking_total_keys', tracking.keyCount],
    ['tracking_total_items', tracking.itemCount],
    ['tracking_total_prefixes', tracking.prefixCount],
    ['unexpected_error_replies', 0],
    ['total_error_replies', dispatcher.errorTotal],
    ['dump_payload_sanitizations', 0],
    ['total_reads_processed', statistics.reads],
    ['total_writes_processed', statistics.writes],
    ...zeros('io_threaded_reads_processed', 'io_threaded_writes_processed'),
    ['reply_buffer_shrinks', server.reply.shrinks],
    ['reply_buffer_expands', server.reply.growths],
  ]
}

export function replicationFields({ primary, config, clock }: Server): Field[] {
  const { backlog, replicas } = primary
  const nowMs = clock.nowMs()
  const { replBacklogSize, minReplicasToWrite, minReplicasMaxLag } = config.values
  const hasMinimum = minReplicasToWrite > 0 && minReplicasMaxLag > 0
  return [
    ['role', 'master'],
    ['connected_slaves', replicas.size],
    ...(hasMinimum ? [['min_slaves_good_slaves', primary.goodCount] as const] : []),
    ...[...replicas].map((replica, i) => replicaField(replica, i, nowMs)),
    ['master_failover_state', 'no-failover'],
    ['master_replid', primary.id],
    ['master_replid2', primary.secondId],
    ['master_repl_offset', primary.offset],
    ['second_repl_offset', primary.secondOffset],
    ['repl_backlog_active', backlog === null ? 0 : 1],
    ['repl_backlog_size', replBacklogSize],
    ['repl_backlog_first_byte_offset', backlog === null ? 0 : backlog.start + 1],
    ['repl_backlog_histlen', backlog?.length ?? 0],
  ]
}

function replicaField(replica: AttachedReplica, i: number, nowMs: number): Field {
  const { shownHost, port, stateName, ackOffset } = replica
  const lag = lagSecondsOf(replica, nowMs)
  return [
    `slave${i}`,
    `ip=${shownHost},port=${port},state=${stateName},offset=${ackOffset},lag=${lag}`,
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

function zeros(...names: readonly string[]): Field[] {
  return names.map((name) => [name, 0])
}

function seconds(us: number): string {
  return (us / US_PER_SECOND).toFixed(6)
}
