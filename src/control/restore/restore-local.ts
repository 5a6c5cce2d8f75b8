// Restores into a new local Tidemark node: a directory that holds the data, in which the server is
// started once and compared with the source, and then either left running or ended. What it was
// started with stays there as `tidemark.conf`, so that it can be started again.
//
//   directory/dump.rdb         the data
//   directory/tidemark.conf    address, directory, password
//
// A restore that fails leaves the directory as it was: empty, or not there.

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { countsDifference } from '../backup/check-part.ts'
import {
  EngineError,
  LocalEngine,
  OWN_COMMAND,
  RDB_NAME,
  waitLoaded,
} from '../backup/local-engine.ts'
import { RdbSurvey, type SurveyResult } from '../backup/rdb-survey.ts'
import { type NodeAddress, nodeAddress } from '../source/node-address.ts'
import { openFullSync } from '../source/psync-stream.ts'
import { openRdbFile } from '../source/rdb-file-source.ts'
import type { RdbStream } from '../source/rdb-source.ts'
import { restoreToFile } from './restore-file.ts'
import type { RestoreSource } from './restore-source.ts'
import { RestoreRefused } from './restore-target.ts'

export interface LocalRestoreRequest {
  readonly source: RestoreSource
  /** Empty, or not there yet. */
  readonly directory: string
  readonly port: number
  /** '': none. */
  readonly password?: string
  /** Whether the node goes on when all is well; else it is ended, ready to be started. */
  readonly isKeptRunning: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (bytes: number, totalBytes: number | null) => void
}

export interface LocalNode {
  readonly address: NodeAddress
  readonly configPath: string
  readonly keys: number
  /** Null: it was ended. */
  readonly pid: number | null
}

const CONFIG_NAME = 'tidemark.conf'
const LOG_NAME = 'tidemark.log'
const DATABASES_MIN = 16
/** As in a verification: what expires while it is compared is left out on both sides. */
const MARGIN_MS = 60_000
const BYTES_PER_MS_MIN = 5_000

/** Makes the node; resolves when it has the data and was compared with it. */
export async function restoreToLocalNode(request: LocalRestoreRequest): Promise<LocalNode> {
  const { source, signal, onProgress } = request
  const directory = resolve(request.directory)
  checkSource(source)
  await mkdir(directory, { recursive: true })
  if ((await readdir(directory)).length > 0) {
    throw new RestoreRefused('not-empty', `${directory} is not empty: a new node needs its own`)
  }
  try {
    const options = signal === undefined ? {} : { signal }
    const progress = onProgress === undefined ? {} : { onProgress }
    const path = join(directory, RDB_NAME)
    await restoreToFile({ source, path, ...options, ...progress })
    const keys = await checkScratch(directory, source, signal)
    return await startNode({ ...request, directory }, keys)
  } catch (error) {
    await emptyDirectory(directory)
    throw error
  }
}

/** Throws RestoreRefused when this server could not load it. */
function checkSource({ name, shards }: RestoreSource): void {
  const functions = shards.reduce((sum, shard) => sum + (shard.functions ?? 0), 0)
  if (functions === 0) return
  const text = `${functions} libraries of functions, which this server does not run`
  throw new RestoreRefused('source', `${name} has ${text}: restore it without them into a node`)
}

/** Loads the file into a scratch engine, whose data is compared with it; returns its keys. */
async function checkScratch(
  directory: string,
  source: RestoreSource,
  signal?: AbortSignal,
): Promise<number> {
  const stop = signal === undefined ? {} : { signal }
  const databases = databasesOf(source)
  const scratch = await mkdtemp(join(directory, 'check-'))
  const path = join(directory, RDB_NAME)
  const moved = join(scratch, RDB_NAME)
  await rename(path, moved)
  try {
    const engine = await LocalEngine.start({ directory: scratch, databases, ...stop })
    try {
      const bytes = source.shards[0]?.rdbBytes ?? 0
      const withoutBeforeMs = Date.now() + MARGIN_MS + Math.ceil(bytes / BYTES_PER_MS_MIN)
      const loaded = await survey(await openFullSync(engine.address, stop), withoutBeforeMs)
      const stored = await survey(await openRdbFile(moved, signal), withoutBeforeMs)
      const counts = countsDifference(loaded.databases, stored.databases)
      const isSame = counts === '' && loaded.digest === stored.digest
      if (!isSame) throw new EngineError(`the node has other data than ${source.name}: ${counts}`)
      return engine.facts.keys
    } finally {
      await engine.stop()
    }
  } finally {
    await rename(moved, path).catch(() => {})
    await rm(scratch, { recursive: true, force: true })
  }
}

async function survey(stream: RdbStream, withoutBeforeMs: number): Promise<SurveyResult> {
  const found = new RdbSurvey({ name: 'the restored data', withoutBeforeMs })
  try {
    for await (const piece of stream.chunks()) await found.write(piece)
    return await found.finish()
  } finally {
    stream.close()
    await found.close()
  }
}

/** Starts the node that stays. */
async function startNode(request: LocalRestoreRequest, keys: number): Promise<LocalNode> {
  const { directory, port, password = '', isKeptRunning, source, signal } = request
  const configPath = join(directory, CONFIG_NAME)
  const lines = [
    'bind 127.0.0.1',
    `port ${port}`,
    ...(password === '' ? [] : [`requirepass ${JSON.stringify(password)}`]),
    `dir ${JSON.stringify(directory)}`,
    `dbfilename ${RDB_NAME}`,
    `databases ${databasesOf(source)}`,
    `logfile ${JSON.stringify(join(directory, LOG_NAME))}`,
  ]
  await writeFile(configPath, `${lines.join('\n')}\n`, { mode: 0o600 })
  const parts = { host: '127.0.0.1', port, isTls: false, user: '', password, database: 0 }
  const address = nodeAddress(parts)
  if (!isKeptRunning) return { address, configPath, keys, pid: null }
  const child: ChildProcess = spawn(OWN_COMMAND, [configPath], { stdio: 'ignore', detached: true })
  child.on('error', () => {})
  try {
    await waitLoaded(child, address, signal)
  } catch (error) {
    child.kill('SIGTERM')
    throw error
  }
  child.unref()
  return { address, configPath, keys, pid: child.pid ?? null }
}

function databasesOf({ shards }: RestoreSource): number {
  const numbers = shards.flatMap(({ databases }) => databases ?? [])
  return Math.max(DATABASES_MIN, ...numbers.map(({ database }) => database + 1))
}

async function emptyDirectory(directory: string): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    await rm(join(directory, name), { recursive: true, force: true })
  }
}
