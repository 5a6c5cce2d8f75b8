// tidemark backup run: the service in the foreground, its log on the standard output, its metrics
// on a port. TERM and INT end it cleanly: what is under way is given up and leaves nothing.

import { readIdentities } from '../control/backup/age-keys.ts'
import { ConfigError, readConfig, type ServiceConfig } from '../control/service/read-config.ts'
import { formatWindow } from '../control/service/schedule.ts'
import { BackupService, type ServiceLog } from '../control/service/service.ts'
import { serveMetrics } from '../control/service/service-metrics.ts'
import type { ObjectStore } from '../control/store/object-store.ts'
import { parseArguments } from './arguments.ts'
import { withStore } from './backup-options.ts'
import { type CliContext, ExitCode, UsageError } from './subcommand.ts'

const MEGABYTE = 1e6

interface RunOptions {
  readonly config: ServiceConfig
  readonly isOnce: boolean
}

export async function runServiceAction(
  args: readonly string[],
  context: CliContext,
): Promise<ExitCode> {
  const { values, positionals } = parseArguments(args, {
    once: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
  })
  if (positionals.length > 1) throw new UsageError('One configuration file at a time')
  const config = await readConfig(positionals[0] ?? null, context.environment)
  if (values.check) {
    context.out(configText(config))
    return ExitCode.Ok
  }
  const limit = config.bytesPerSecond
  const storeValues = {
    store: [...config.stores],
    ...(limit === null ? {} : { limit: `${limit / MEGABYTE}` }),
  }
  return await withStore(storeValues, context, (store) =>
    serve(store, { config, isOnce: values.once }, context),
  )
}

async function serve(
  store: ObjectStore,
  { config, isOnce }: RunOptions,
  context: CliContext,
): Promise<ExitCode> {
  const log: ServiceLog = (level, text) => {
    const time = new Date(context.clock.nowMs()).toISOString()
    context.out(`${time} ${level} ${text}\n`)
  }
  const { identityFile, deleteExpired: mayExpire, cost, listen } = config
  const identities = identityFile === null ? [] : await readIdentities(identityFile)
  const toolVersion = context.version
  const service = new BackupService({ config, store, identities, mayExpire, toolVersion, log })
  if (isOnce) {
    const isDone = await service.pass(context.signal)
    service.checkFreshness()
    return isDone ? ExitCode.Ok : ExitCode.Failed
  }
  const server = listen === null ? null : await listenAt(service, { ...listen, cost })
  log('info', `the service is up\n${configText(config).trimEnd()}`)
  try {
    for (const note of await notesOf(store, context.signal)) log('warning', note)
    await service.run(context.signal)
    log('info', 'the service ends')
    return ExitCode.Ok
  } finally {
    server?.close()
    server?.closeAllConnections()
  }
}

/** What is wrong with the store; that it cannot be reached is no reason not to begin. */
async function notesOf(store: ObjectStore, signal: AbortSignal): Promise<readonly string[]> {
  try {
    return await store.probe(signal)
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]
  }
}

async function listenAt(
  service: BackupService,
  place: Parameters<typeof serveMetrics>[1],
): ReturnType<typeof serveMetrics> {
  try {
    return await serveMetrics(service, place)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigError(`listen ${place.host}:${place.port}: ${why}`, { cause })
  }
}

/** What is configured, without secrets. */
function configText({ stores, clusters, listen, deleteExpired }: ServiceConfig): string {
  const lines = clusters.map(({ name, nodes, window, retention }) => {
    const from = nodes.map(({ label }) => label).join(', ')
    const days = retention.retentionDays
    const kept = deleteExpired ? `kept ${days} days` : `${days} days, but nothing is removed`
    const when = days === 0 ? 'no automatic backups' : `daily ${formatWindow(window)} UTC, ${kept}`
    return `  ${name}: ${from}, ${when}\n`
  })
  const where = listen === null ? 'none' : `http://${listen.host}:${listen.port}/metrics`
  return `  stores: ${stores.join(' and ')}\n${lines.join('')}  metrics: ${where}\n`
}
