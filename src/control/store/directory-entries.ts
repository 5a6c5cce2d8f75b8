// Directories that come and go with the objects in them, and that last: a new entry is on the disk
// only when the directory it stands in has been synced.

import * as fs from 'node:fs/promises'
import { dirname, relative } from 'node:path'
import { errnoOf } from './directory-fault.ts'

const FOLDER_MODE = 0o700

/** Others may remove a directory, being empty, as fast as it is made. */
const ATTEMPTS_MAX = 10

/** Makes a directory and those above it, as far as they are missing, durably. */
export async function makeDirectories(path: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await fs.mkdir(path, FOLDER_MODE)
      break
    } catch (error) {
      const code = errnoOf(error)
      if (code === 'EEXIST') return
      if (code !== 'ENOENT' || attempt === ATTEMPTS_MAX || dirname(path) === path) throw error
      await makeDirectories(dirname(path))
    }
  }
  await syncDirectory(dirname(path))
}

/** Makes the entries of a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await fs.open(path, 'r')
  try {
    await handle.sync()
  } catch (error) {
    // Some network file systems do not know this; they write entries through.
    const code = errnoOf(error)
    if (code !== 'EINVAL' && code !== 'ENOTSUP' && code !== 'EBADF') throw error
  } finally {
    await handle.close()
  }
}

/** Removes directories that are empty, from `path` up, but not `root`. */
export async function pruneDirectories(path: string, root: string): Promise<void> {
  for (let folder = path; relative(root, folder) !== ''; folder = dirname(folder)) {
    try {
      await fs.rmdir(folder)
    } catch {
      // Not empty, or gone, or not allowed: in no case a reason to fail.
      return
    }
  }
}
