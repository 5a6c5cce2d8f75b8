// Restores into RDB files: one for each shard, written aside, checked on the way, synced and then
// given its name. So a file of that name is whole, whatever happens in between; and what was there
// before stays until then.

import { type FileHandle, open, rename, rm, stat, statfs } from 'node:fs/promises'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { noteBytesPassed } from '../backup/passed-buffers.ts'
import { RdbSurvey } from '../backup/rdb-survey.ts'
import type { RestoreShard, RestoreSource } from './restore-source.ts'
import { RestoreRefused } from './restore-target.ts'

export interface FileRestoreRequest {
  readonly source: RestoreSource
  /** Of several shards each has its number before the ending: `dump.0000.rdb`. */
  readonly path: string
  /** Whether several shards may become several files. */
  readonly isSplit?: boolean
  /** Whether a file of that name may be replaced. */
  readonly isReplacing?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (bytes: number, totalBytes: number | null) => void
}

const FILE_MODE = 0o600
const SHARD_DIGITS = 4

/** Writes the files; returns their paths. Throws RestoreRefused before it has written any. */
export async function restoreToFile(request: FileRestoreRequest): Promise<string[]> {
  const { source, isSplit = false } = request
  const path = resolve(request.path)
  const { shards } = source
  if (shards.length > 1 && !isSplit) {
    const text = `${source.name} has ${shards.length} shards, and an RDB file holds one node's data`
    throw new RestoreRefused('target', `${text}: ask for a file for each, or restore into nodes`)
  }
  const paths = shards.map((_, shard) => (shards.length === 1 ? path : shardPath(path, shard)))
  for (const each of paths) await checkFree(each, request.isReplacing === true)
  const totalBytes = lengthOf(shards)
  await checkRoom(dirname(path), totalBytes)
  let done = 0
  const tell = (count: number) => {
    done += count
    request.onProgress?.(done, totalBytes)
  }
  const written: string[] = []
  try {
    for (const [index, shard] of shards.entries()) {
      const aside = `${paths[index]!}.${process.pid}.part`
      written.push(aside)
      await writeShard(shard, aside, { tell, signal: request.signal })
    }
    for (const [index, each] of paths.entries()) await rename(written[index]!, each)
    await syncDirectory(dirname(path))
  } finally {
    for (const each of written) await rm(each, { force: true })
  }
  return paths
}

async function writeShard(
  shard: RestoreShard,
  path: string,
  options: { readonly tell: (count: number) => void; readonly signal: AbortSignal | undefined },
): Promise<void> {
  const file = await open(path, 'w', FILE_MODE)
  try {
    const take = async (bytes: Uint8Array) => {
      await file.writeFile(bytes)
      options.tell(bytes.length)
    }
    await (shard.check === null
      ? copyChecked(shard, take, options.signal)
      : shard.check({ take, ...optional(options.signal) }))
    await file.datasync()
  } finally {
    await file.close()
  }
}

/** A file of somebody else's: whether it is whole and right is all that can be known. */
async function copyChecked(
  shard: RestoreShard,
  take: (bytes: Uint8Array) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const survey = new RdbSurvey({ name: shard.name })
  try {
    for await (const piece of shard.chunks(signal)) {
      await Promise.all([survey.write(piece), take(piece)])
      noteBytesPassed(piece.length)
    }
    await survey.finish()
  } finally {
    await survey.close()
  }
}

function shardPath(path: string, shard: number): string {
  const ending = extname(path)
  const number = String(shard).padStart(SHARD_DIGITS, '0')
  return join(dirname(path), `${basename(path, ending)}.${number}${ending}`)
}

function lengthOf(shards: readonly RestoreShard[]): number | null {
  let sum = 0
  for (const { rdbBytes } of shards) {
    if (rdbBytes === null) return null
    sum += rdbBytes
  }
  return sum
}

async function checkFree(path: string, isReplacing: boolean): Promise<void> {
  const found = await stat(path).catch(() => null)
  if (found === null || (isReplacing && found.isFile())) return
  const what = found.isFile() ? 'a file of that name is there: replace it?' : 'not a file'
  throw new RestoreRefused('not-empty', `${path}: ${what}`)
}

async function checkRoom(directory: string, bytes: number | null): Promise<void> {
  try {
    const { bavail, bsize } = await statfs(directory)
    if (bytes === null || bytes < bavail * bsize) return
    const text = `${bytes} bytes are needed, ${bavail * bsize} are free`
    throw new RestoreRefused('room', `${directory}: ${text}`)
  } catch (cause) {
    if (cause instanceof RestoreRefused) throw cause
    const text = cause instanceof Error ? cause.message : String(cause)
    throw new RestoreRefused('target', `${directory}: ${text}`)
  }
}

async function syncDirectory(directory: string): Promise<void> {
  let handle: FileHandle | null = null
  try {
    handle = await open(directory, 'r')
    await handle.sync()
  } finally {
    await handle?.close()
  }
}

function optional(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}
