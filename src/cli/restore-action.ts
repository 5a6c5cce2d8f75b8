// What `tidemark restore` does: options to a request, a line that shows how far it is, and what
// came of it.

import type { KeyPlan } from '../control/restore/key-plan.ts'
import { restoreToFile } from '../control/restore/restore-file.ts'
import { restoreToLocalNode } from '../control/restore/restore-local.ts'
import {
  type RestoreProgress,
  type RestoreResult,
  restoreIntoNode,
} from '../control/restore/restore-node.ts'
import {
  backupSource,
  fileSource,
  objectSource,
  type RestoreSource,
} from '../control/restore/restore-source.ts'
import { parseArguments } from './arguments.ts'
import { needBackup } from './backup-list.ts'
import {
  connectFrom,
  identitiesFrom,
  json,
  NODE_OPTIONS,
  nameFrom,
  nodeFrom,
  oneOf,
  STORE_OPTIONS,
  wholeNumber,
  withStore,
} from './backup-options.ts'
import { type CliContext, ExitCode, UsageError } from './subcommand.ts'
import { byteText } from './text.ts'
import { timeText, WorkLine } from './work-line.ts'

const PORT_MAX = 65_535

function parse(args: readonly string[]) {
  return parseArguments(args, {
    ...STORE_OPTIONS,
    ...NODE_OPTIONS,
    to: { type: 'string' },
    replace: { type: 'boolean', default: false },
    flush: { type: 'boolean', default: false },
    filter: { type: 'string', multiple: true, default: [] },
    database: { type: 'string', multiple: true, default: [] },
    ttl: { type: 'string', default: 'keep' },
    identity: { type: 'string' },
    split: { type: 'boolean', default: false },
    'no-functions': { type: 'boolean', default: false },
    'skip-unsupported': { type: 'boolean', default: false },
    'ignore-room': { type: 'boolean', default: false },
    port: { type: 'string' },
    'keep-running': { type: 'boolean', default: false },
  })
}

type Values = ReturnType<typeof parse>['values']

export async function restoreAction(
  args: readonly string[],
  context: CliContext,
): Promise<ExitCode> {
  const { values, positionals } = parse(args)
  const name = nameFrom(positionals)
  const { to } = values
  if (to === undefined) {
    throw new UsageError('Where to? --to redis://host:port, FILE.rdb or a directory is missing')
  }
  const chosen = { ...values, to, plan: planFrom(values) }
  const use = isFile(to) ? toFile : to.includes('://') ? intoNode : intoDirectory
  if (use !== intoNode) checkWhole(chosen)
  const run = (source: RestoreSource) => use(source, chosen, context)
  const hasStore = values.store !== undefined
  if (isFile(name) && !hasStore) return await run(await fileSource(name))
  const identities = await identitiesFrom(values.identity, context)
  return await withStore(values, context, async (store) => {
    const { signal } = context
    if (isFile(name)) return await run(await objectSource(store, name, signal))
    await needBackup(store, name, context)
    return await run(await backupSource({ store, name, identities, signal }))
  })
}

type Chosen = Values & { readonly to: string; readonly plan: Plan }
type Plan = Omit<KeyPlan, 'takenAtMs'>

function planFrom({ filter, database, ttl }: Values): Plan {
  return {
    patterns: filter,
    databases: database.map(databasePair),
    ttl: oneOf(ttl, '--ttl', ['keep', 'shift', 'drop']),
  }
}

/** Files and new nodes get all that the backup has, as it is. */
function checkWhole({ plan, ...values }: Chosen): void {
  const flags = ['flush', 'skip-unsupported', 'ignore-room', 'no-functions'] as const
  const flag = flags.find((option) => values[option])
  const isPart = plan.patterns.length > 0 || plan.databases.length > 0 || plan.ttl !== 'keep'
  if (flag === undefined && !isPart) return
  const option = flag ?? 'filter, --database and --ttl'
  throw new UsageError(`--${option}: for a running node only; elsewhere all goes as it is`)
}

async function toFile(
  source: RestoreSource,
  values: Chosen,
  context: CliContext,
): Promise<ExitCode> {
  const line = new WorkLine(context)
  try {
    const paths = await restoreToFile({
      source,
      path: values.to,
      isSplit: values.split,
      isReplacing: values.replace,
      signal: context.signal,
      onProgress: (bytes, totalBytes) => showBytes(line, bytes, totalBytes),
    })
    line.clear()
    context.out(values.json ? json({ files: paths }) : paths.map((path) => `${path}\n`).join(''))
    return ExitCode.Ok
  } finally {
    line.clear()
  }
}

/** A new node of ours in a directory of its own. */
async function intoDirectory(
  source: RestoreSource,
  values: Chosen,
  context: CliContext,
): Promise<ExitCode> {
  const { port, to: directory } = values
  if (port === undefined) {
    throw new UsageError(`--port N is missing: of the new node in ${directory}`)
  }
  const { password } = nodeFrom('redis://127.0.0.1', values, context)
  const line = new WorkLine(context)
  try {
    const node = await restoreToLocalNode({
      source,
      directory,
      port: wholeNumber(port, '--port', 1, PORT_MAX),
      password,
      isKeptRunning: values['keep-running'],
      signal: context.signal,
      onProgress: (bytes, totalBytes) => showBytes(line, bytes, totalBytes),
    })
    line.clear()
    const { address, configPath, keys, pid } = node
    const { label } = address
    const state = pid === null ? `start it: tidemark-server ${configPath}` : `it runs, pid ${pid}`
    const text = `A node with ${keys} keys is in ${directory}, for ${label}; ${state}\n`
    context.out(values.json ? json({ address: label, configPath, keys, pid }) : text)
    return ExitCode.Ok
  } finally {
    line.clear()
  }
}

async function intoNode(
  source: RestoreSource,
  values: Chosen,
  context: CliContext,
): Promise<ExitCode> {
  if (values.replace && values.flush) throw new UsageError('--replace or --flush, not both')
  const line = new WorkLine(context)
  try {
    const result = await restoreIntoNode({
      source,
      target: nodeFrom(values.to, values, context),
      connect: connectFrom(values, context),
      mode: values.flush ? 'flush' : values.replace ? 'replace' : 'empty',
      plan: values.plan,
      hasFunctions: !values['no-functions'],
      unsupported: values['skip-unsupported'] ? 'skip' : 'refuse',
      isRoomIgnored: values['ignore-room'],
      signal: context.signal,
      onNote: (text) => line.note(text),
      onProgress: (progress) => showProgress(line, progress),
    })
    line.clear()
    context.out(values.json ? json(result) : resultText(result))
    return ExitCode.Ok
  } finally {
    line.clear()
  }
}

function isFile(text: string): boolean {
  return text.endsWith('.rdb') && !text.includes('://')
}

function databasePair(text: string): readonly [number, number] {
  const match = /^(\d{1,5}):(\d{1,5})$/.exec(text)
  if (match === null) throw new UsageError(`--database is ${JSON.stringify(text)}, A:B is expected`)
  return [Number(match[1]), Number(match[2])]
}

function showProgress(line: WorkLine, { phase, bytes, totalBytes, keys }: RestoreProgress): void {
  if (phase === 'look') return showBytes(line, bytes, totalBytes, 'looking  ')
  showBytes(line, bytes, totalBytes, `${keys} keys  `)
}

function showBytes(line: WorkLine, bytes: number, totalBytes: number | null, what = ''): void {
  if (totalBytes === null) return line.show({ share: null, text: byteText(bytes), etaMs: null })
  line.showBytes(bytes, totalBytes, (rate) => {
    return `${what}${byteText(bytes)} of ${byteText(totalBytes)}  ${byteText(rate)}/s`
  })
}

function resultText({ keys, restored, engine, tookMs, ...counts }: RestoreResult): string {
  const left = [
    [counts.filtered, 'left out by --filter or --database'],
    [counts.expired, 'expired meanwhile'],
    [counts.unsupported, 'of a form that the node does not have'],
  ] as const
  const rows = left.filter(([count]) => count > 0).map(([count, why]) => `, ${count} ${why}`)
  const text = `Restored ${restored} of ${keys} keys into ${engine}, in ${timeText(tookMs)}`
  return `${text}${rows.join('')}\n`
}
