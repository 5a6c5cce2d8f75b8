// What parts of the server take from the configuration, at the start and again when CONFIG SET
// changes it. Parameters that are read where they are used (`config.values.timeout`) are not here.

import { LOG_LEVEL_NAMES, LogLevel } from '../base/log.ts'
import type { Apply, ConfigName } from './config.ts'
import { clientsPossible } from './descriptor-limit.ts'
import { countsUses, needsClocks } from './eviction-policy.ts'
import { OomScore } from './process.ts'
import type { Server } from './server.ts'

const US_PER_MS = 1000

/** Runs something now and whenever one of the parameters changes. */
type Applier = (names: readonly ConfigName[], run: () => void) => void

/** Brings the server in line with its configuration, now and after each change. */
export function bindSettings(server: Server): void {
  const { config } = server
  const apply: Applier = (names, run) => {
    const applied: Apply = () => {
      run()
      return null
    }
    for (const name of names) config.onChange(name, applied)
    run()
  }
  const { values } = config
  bindClients(server, apply)
  bindLazyFree(server, apply)
  bindEncodings(server, apply)
  apply(['rdbcompression'], () => {
    server.limits.isRdbCompressed = values.rdbcompression
  })
  apply(['maxmemory', 'maxmemory-policy', 'lfu-log-factor', 'lfu-decay-time'], () => {
    const isPlain = values.maxmemory === 0 || !needsClocks(values.maxmemoryPolicy)
    server.limits.isIntegerShared = isPlain
    const { clock } = server.keyspace
    clock.isLfu = countsUses(values.maxmemoryPolicy)
    clock.lfuLogFactor = values.lfuLogFactor
    clock.lfuDecayMinutes = values.lfuDecayTime
  })
  bindEviction(server, apply)
  apply(['slowlog-log-slower-than', 'slowlog-max-len'], () => {
    const { slowlogLogSlowerThan: slower } = values
    server.dispatcher.slowUs = slower < 0 ? Infinity : slower
    server.slowLog.setLimit(values.slowlogMaxLen)
  })
  apply(['latency-monitor-threshold'], () => {
    const { latency, dispatcher, keyspace, clock } = server
    latency.setThreshold(values.latencyMonitorThreshold)
    dispatcher.latencyUs = latency.thresholdMs * US_PER_MS
    const note = (us: number) => latency.add('expire-del', us / US_PER_MS)
    const timer = { monotonicUs: () => clock.monotonicUs(), note }
    keyspace.removalTimer = latency.isOn ? timer : null
  })
  apply(['latency-tracking'], () => {
    server.dispatcher.isTracking = values.latencyTracking
  })
  apply(['requirepass'], () => {
    // Without a password everybody is the default user, and stays so when one is set later.
    if (values.requirepass !== '') return
    for (const client of server.clients) client.setAuthenticated(true)
  })
  apply(['notify-keyspace-events'], () => {
    server.notifications.setClasses(values.notifyKeyspaceEvents)
    server.updateFollowers()
  })
  apply(['tracking-table-max-keys'], () => {
    server.tracking.keysMax = values.trackingTableMaxKeys
    server.tracking.limitKeys()
  })
  apply(['repl-backlog-size', 'min-replicas-to-write', 'min-replicas-max-lag'], () => {
    server.primary.configure()
  })
  config.onChange('appendonly', () => server.aof?.applySetting() ?? null)
  config.onChange('loglevel', () => setLogLevel(server))
  bindMaxClients(server)
  bindOomScore(server)
}

/** What clients may send, and make the server hold. */
function bindClients({ config, clients, limits }: Server, apply: Applier): void {
  const { values } = config
  apply(['proto-max-bulk-len', 'client-query-buffer-limit'], () => {
    limits.stringLengthMax = values.protoMaxBulkLen
    clients.readerLimits.bulkLengthMax = values.protoMaxBulkLen
    clients.readerLimits.queryLengthMax = values.clientQueryBufferLimit
  })
  apply(['maxmemory', 'maxmemory-clients'], () => {
    clients.memory.setLimit(values.maxmemoryClients, values.maxmemory)
  })
}

function setLogLevel({ config, log, send }: Server): null {
  const found = LOG_LEVEL_NAMES.indexOf(config.values.loglevel)
  const level = Object.values(LogLevel).find((each) => each === found) ?? LogLevel.Notice
  log.level = level
  send({ kind: 'logLevel', level })
  return null
}

/** Lowers `maxclients` at the start, and refuses it later, where descriptors would not suffice. */
function bindMaxClients({ config, disk, log }: Server): void {
  const wanted = config.values.maxclients
  const possible = clientsPossible(disk)
  if (wanted > possible) {
    log.warning(
      `You requested maxclients of ${wanted}, but the limit of open files of this process only ` +
        `leaves room for ${possible}. maxclients is ${possible} now; raise 'ulimit -n' for more.`,
    )
    config.assign('maxclients', [`${possible}`])
  }
  config.onChange('maxclients', () => {
    const limit = clientsPossible(disk)
    if (config.values.maxclients <= limit) return null
    return (
      'The operating system is not able to handle the specified number of clients, ' +
      `try with ${limit}`
    )
  })
}

function bindOomScore({ config, disk, log }: Server): void {
  const score = new OomScore(disk, log)
  const apply: Apply = () => {
    const { oomScoreAdj, oomScoreAdjValues } = config.values
    if (score.apply(oomScoreAdj, oomScoreAdjValues[0]!)) return null
    return 'Failed to apply new oom_score_adj configuration, check server logs.'
  }
  config.onChange('oom-score-adj', apply)
  config.onChange('oom-score-adj-values', apply)
  // A start goes on without the score; the reason is in the log.
  apply()
}

/** The limit of memory, and which keys go when it is reached. */
function bindEviction({ config, eviction, memory, log }: Server, apply: Applier): void {
  const { values } = config
  apply(['maxmemory-policy', 'maxmemory-samples'], () => eviction.configure())
  apply(['maxmemory'], () => {
    memory.limitBytes = values.maxmemory === 0 ? Infinity : values.maxmemory
  })
  config.onChange('maxmemory', () => {
    const usedBytes = memory.usedBytes() - memory.notCountedBytes
    if (!memory.isOver) return null
    log.warning(
      `WARNING: the new maxmemory value set via CONFIG SET (${values.maxmemory}) is smaller than ` +
        `the current memory usage (${usedBytes}). This will result in key eviction and/or the ` +
        'inability to accept new write commands depending on the maxmemory-policy.',
    )
    eviction.look()
    return null
  })
}

/** Who leaves the memory of large values to lazy free. */
function bindLazyFree(server: Server, apply: Applier): void {
  const { values } = server.config
  apply(['lazyfree-lazy-user-flush'], () => {
    server.limits.isUserFlushLazy = values.lazyfreeLazyUserFlush
  })
  apply(['lazyfree-lazy-user-del'], () => {
    server.limits.isUserDelLazy = values.lazyfreeLazyUserDel
  })
  apply(['lazyfree-lazy-server-del'], () => {
    server.keyspace.lazyFree.enter(values.lazyfreeLazyServerDel)
  })
  apply(['lazyfree-lazy-expire'], () => {
    server.effects.isExpiryLazy = values.lazyfreeLazyExpire
    server.keyspace.lazyFree.isExpiryLazy = values.lazyfreeLazyExpire
  })
}

/** The thresholds from which on values change their encoding. */
function bindEncodings(server: Server, apply: Applier): void {
  const { encodings } = server.limits
  const { values } = server.config
  apply(['hash-max-listpack-entries', 'hash-max-listpack-value'], () => {
    encodings.hashEntriesMax = values.hashMaxListpackEntries
    encodings.hashValueMax = values.hashMaxListpackValue
  })
  apply(['list-max-listpack-size', 'set-max-intset-entries', 'hll-sparse-max-bytes'], () => {
    encodings.listNodeSize = values.listMaxListpackSize
    encodings.setIntsetEntriesMax = values.setMaxIntsetEntries
    encodings.hllSparseBytesMax = values.hllSparseMaxBytes
  })
  apply(['zset-max-listpack-entries', 'zset-max-listpack-value'], () => {
    encodings.zsetEntriesMax = values.zsetMaxListpackEntries
    encodings.zsetValueMax = values.zsetMaxListpackValue
  })
  apply(['stream-node-max-bytes', 'stream-node-max-entries'], () => {
    encodings.streamNodeBytesMax = values.streamNodeMaxBytes
    encodings.streamNodeEntriesMax = values.streamNodeMaxEntries
  })
}
