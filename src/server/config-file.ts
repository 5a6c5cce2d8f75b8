// Files of the configuration: read whole, found by patterns.
//
// A file is read as bytes and becomes text that keeps every byte (config-text.ts). What has no
// size, a pipe or `/dev/fd/N`, is read as UTF-8.

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Disk } from '../base/disk.ts'
import { ErrorCode, StoreError } from '../base/errors.ts'
import { globMatches } from '../base/glob.ts'
import { decodeText, encodeText, systemMessage } from './config-text.ts'

const MAX_FILE_BYTES = 64 * 1024 * 1024

/** The text of a file, or a `StoreError` with the message that ends the start. */
export function openConfigFile(disk: Disk, path: string): string {
  try {
    return readConfigFile(disk, path)
  } catch (error) {
    const message = `Fatal error, can't open config file '${path}': ${systemMessage(error)}\n`
    throw new StoreError(ErrorCode.ConfigInvalid, message, { cause: error })
  }
}

/** The whole file as text. Pipes are read to their end. Throws a `StoreError`. */
export function readConfigFile(disk: Disk, path: string): string {
  const found = disk.stat(path)
  // What has no size is a pipe or a device, which only a plain read can get at.
  if (found !== null && found.size === 0) return disk.readText(path)
  const file = disk.openRead(path)
  try {
    const size = file.size()
    if (size > MAX_FILE_BYTES) {
      throw new StoreError(
        ErrorCode.ConfigInvalid,
        `${path}: ${size} bytes, expected at most ${MAX_FILE_BYTES}`,
      )
    }
    const bytes = new Uint8Array(size)
    let done = 0
    while (done < size) {
      const count = file.read(bytes, done, size - done, done)
      if (count === 0) break
      done += count
    }
    return decodeText(bytes.subarray(0, done))
  } finally {
    file.close()
  }
}

/** The ACL rule that stands for a password: `#` and its SHA-256. */
export function passwordRule(password: string): string {
  return `#${createHash('sha256').update(encodeText(password)).digest('hex')}`
}

/** Files that `pattern` matches; one without wildcard is a path even if nothing is there. */
export function expandPath(disk: Disk, pattern: string): string[] {
  if (!/[*?[]/.test(pattern)) return [pattern]
  let found = ['/']
  for (const part of pattern.split('/').filter((each) => each !== '')) {
    found = found.flatMap((directory) => expandPart(disk, directory, part))
  }
  return found.filter((path) => disk.stat(path)?.isDirectory === false)
}

function expandPart(disk: Disk, directory: string, part: string): string[] {
  if (!/[*?[]/.test(part)) return [join(directory, part)]
  const names = listOrNone(disk, directory)
  // As the shell: a wildcard does not find hidden files, and case matters.
  const isHidden = (name: string) => name.startsWith('.') && !part.startsWith('.')
  return names
    .filter((name) => !isHidden(name) && globMatches(part, name, 'exact'))
    .sort()
    .map((name) => join(directory, name))
}

function listOrNone(disk: Disk, directory: string): string[] {
  try {
    return disk.list(directory)
  } catch {
    // As in the shell, a directory that cannot be read has no matches.
    return []
  }
}
