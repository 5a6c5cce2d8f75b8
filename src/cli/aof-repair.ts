// Cuts a file off, after a copy of it was made beside it. The copy is complete and durable before a
// byte of the file is changed; when it cannot be made, nothing is changed and no part of it stays.

import { dirname } from 'node:path'
import { assert } from '../base/assert.ts'
import { abandonFile, type Disk } from '../base/disk.ts'
import { ErrorCode, StoreError } from '../base/errors.ts'
import type { AofSource } from '../persist/aof/aof-reader.ts'

const CHUNK_BYTES = 1024 * 1024
/** Copies of one file in one second are told apart by a number up to this. */
const COPIES_MAX = 100

/** Copies the file at `path`, then keeps only its first `length` bytes. Returns the copy's path. */
export function cutFile(
  disk: Disk,
  source: AofSource,
  { path, length, nowMs }: { readonly path: string; length: number; readonly nowMs: number },
): string {
  assert(length >= 0 && length < source.size(), 'something is cut off')
  const copy = freePath(disk, `${path}.bak-${stamp(nowMs)}`)
  copyFile(disk, source, copy)
  const file = disk.openPlaced(path)
  try {
    file.truncate(length)
    file.sync()
  } finally {
    file.close()
  }
  return copy
}

function copyFile(disk: Disk, source: AofSource, path: string): void {
  const target = disk.create(path)
  try {
    const chunk = new Uint8Array(CHUNK_BYTES)
    for (let at = 0, size = source.size(); at < size; ) {
      const count = source.read(chunk, 0, Math.min(CHUNK_BYTES, size - at), at)
      if (count === 0) {
        const text = `${source.path}: ends at byte ${at}, expected ${size} bytes`
        throw new StoreError(ErrorCode.AofTruncated, text)
      }
      target.write(chunk, 0, count)
      at += count
    }
    target.sync()
    target.close()
    disk.syncDirectory(dirname(path))
  } catch (error) {
    abandonFile(disk, target)
    throw error
  }
}

/** The path, or the first one with a number behind it that nothing has. */
function freePath(disk: Disk, path: string): string {
  if (!disk.exists(path)) return path
  for (let i = 2; i <= COPIES_MAX; i++) {
    if (!disk.exists(`${path}-${i}`)) return `${path}-${i}`
  }
  throw new StoreError(ErrorCode.DiskFailed, `create ${path}: ${COPIES_MAX} copies are there`)
}

/** Universal time to the second, as it may stand in the name of a file. */
function stamp(nowMs: number): string {
  return new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, '')
}
