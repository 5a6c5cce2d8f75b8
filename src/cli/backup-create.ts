// tidemark backup create: options to a request, a line that shows how far it is, and what came of
// it. The rules of names and of the quota are checked here; all else is `takeBackup`'s.

import { parseRecipient } from '../control/backup/age-keys.ts'
import { listBackups } from '../control/backup/catalog.ts'
import type { BackupKind, BackupManifest } from '../control/backup/manifest.ts'
import { NAME_MAX } from '../control/backup/names.ts'
import { LEVEL_DEFAULT, LEVEL_MAX, type PartCodec } from '../control/backup/part-writer.ts'
import { type TakeProgress, type TakeSource, takeBackup } from '../control/backup/take.ts'
import { checkManualQuota, checkNewName, MANUAL_PER_DAY_DEFAULT } from '../control/service/rules.ts'
import type { ObjectStore } from '../control/store/object-store.ts'
import { parseArguments } from './arguments.ts'
import {
  connectFrom,
  json,
  NODE_OPTIONS,
  type NodeValues,
  nameFrom,
  nodeFrom,
  oneOf,
  STORE_OPTIONS,
  wholeNumber,
  withStore,
} from './backup-options.ts'
import { type CliContext, ExitCode, UsageError } from './subcommand.ts'
import { byteText } from './text.ts'
import { WorkLine } from './work-line.ts'

const QUOTA_MAX = 1_000_000
const KINDS: readonly BackupKind[] = ['manual', 'final']

export async function createAction(
  args: readonly string[],
  context: CliContext,
): Promise<ExitCode> {
  const { values, positionals } = parseArguments(args, {
    ...STORE_OPTIONS,
    ...NODE_OPTIONS,
    from: { type: 'string', multiple: true },
    cluster: { type: 'string' },
    kind: { type: 'string', default: 'manual' },
    source: { type: 'string', default: 'auto' },
    recipient: { type: 'string', multiple: true, default: [] },
    compression: { type: 'string', default: `${LEVEL_DEFAULT}` },
    label: { type: 'string', multiple: true, default: [] },
    quota: { type: 'string', default: `${MANUAL_PER_DAY_DEFAULT}` },
    fork: { type: 'string', default: 'warn' },
  })
  const name = nameFrom(positionals)
  checkNewName(name)
  const preference = oneOf(values.source, '--source', ['auto', 'primary', 'replica'])
  const source = sourceFrom(values.from ?? [], { ...values, preference }, context)
  const cluster = values.cluster ?? clusterOf(source)
  checkNewName(cluster, 'name of a cluster (--cluster)')
  const kind = oneOf(values.kind, '--kind', KINDS)
  const limit = wholeNumber(values.quota, '--quota', 0, QUOTA_MAX)
  const request = {
    name,
    cluster,
    kind,
    source,
    codec: codecFrom(values.compression, values.recipient),
    forkPolicy: oneOf(values.fork, '--fork', ['refuse', 'warn', 'ignore']),
    toolVersion: context.version,
    labels: labelsFrom(values.label),
    signal: context.signal,
  }
  return await withStore(values, context, async (store) => {
    if (kind === 'manual') await checkQuota(store, cluster, limit, context)
    const line = new WorkLine(context)
    try {
      const manifest = await takeBackup({
        ...request,
        store,
        onNote: (text) => line.note(text),
        onProgress: (progress) => line.show({ ...progress, text: progressText(progress) }),
      })
      line.clear()
      context.out(values.json ? json(manifest) : createdText(manifest, store))
      return ExitCode.Ok
    } finally {
      line.clear()
    }
  })
}

async function checkQuota(
  store: ObjectStore,
  cluster: string,
  limit: number,
  { clock, signal }: CliContext,
): Promise<void> {
  checkManualQuota(await listBackups(store, signal), { cluster, limit, nowMs: clock.nowMs() })
}

interface SourceValues extends NodeValues {
  readonly preference: TakeSource['preference']
}

/** What `--from` names: nodes, or files, not both. */
function sourceFrom(
  from: readonly string[],
  values: SourceValues,
  context: CliContext,
): TakeSource {
  if (from.length === 0) throw new UsageError('Of what? --from redis://host:port is missing')
  const isNode = (text: string) => /^[A-Za-z][A-Za-z0-9+.-]*:/.test(text)
  const nodes = from.filter(isNode).map((text) => nodeFrom(text, values, context))
  const files = from.filter((text) => !isNode(text))
  if (nodes.length > 0 && files.length > 0) {
    throw new UsageError('--from names nodes or RDB files, not both in one backup')
  }
  return { nodes, files, preference: values.preference, connect: connectFrom(values, context) }
}

/** A name for a cluster that nobody named: `node-HOST-PORT` of its first node, or of a file. */
export function clusterOf({ nodes, files }: Pick<TakeSource, 'nodes' | 'files'>): string {
  const [node] = nodes
  const file = (files[0] ?? '').replace(/^.*\//, '').replace(/\.rdb$/, '')
  const text = node === undefined ? `file-${file}` : `node-${node.host}-${node.port}`
  return text
    .replace(/[^A-Za-z0-9]+/g, '-')
    .slice(0, NAME_MAX)
    .replace(/-+$/, '')
}

function codecFrom(compression: string, recipients: readonly string[]): PartCodec {
  return {
    level: compression === 'none' ? null : wholeNumber(compression, '--compression', 1, LEVEL_MAX),
    recipients: recipients.map(parseRecipient),
  }
}

function labelsFrom(texts: readonly string[]): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const text of texts) {
    const at = text.indexOf('=')
    if (at < 1) throw new UsageError(`--label is ${JSON.stringify(text)}, KEY=VALUE is expected`)
    labels[text.slice(0, at)] = text.slice(at + 1)
  }
  return labels
}

function progressText({ keys, bytes, storedBytes, bytesPerSecond }: TakeProgress): string {
  const amount = `${byteText(bytes)} → ${byteText(storedBytes)}`
  return `${keys} keys  ${amount}  ${byteText(bytesPerSecond)}/s`
}

function createdText(manifest: BackupManifest, { url }: ObjectStore): string {
  const { name, totals, shards, takenAt } = manifest
  const parts = shards.length === 1 ? '' : `, ${shards.length} shards`
  const delays = shards.map(({ source }) => source.writeDelayMs).filter((each) => each !== null)
  const delay = delays.length === 0 ? '' : `, writes were delayed by ${Math.max(...delays)} ms`
  return (
    `Backup ${name} is in ${url}: ${totals.keys} keys of ${takenAt}${parts}, ` +
    `${byteText(totals.rdbBytes)} stored as ${byteText(totals.storedBytes)}${delay}\n`
  )
}
