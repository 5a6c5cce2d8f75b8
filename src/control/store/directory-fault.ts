// What errors of the file system mean for a store: of which kind the fault is, and its words. The
// error itself stays as its `cause`.

import { type FaultKind, StoreFault } from './object-store.ts'

const KINDS: ReadonlyMap<string, FaultKind> = new Map([
  ['ENOSPC', 'full'],
  ['EDQUOT', 'full'],
  ['EFBIG', 'full'],
  ['EACCES', 'denied'],
  ['EPERM', 'denied'],
  ['EROFS', 'denied'],
  ['ENOENT', 'missing'],
  ['EISDIR', 'invalid'],
  ['ENOTDIR', 'invalid'],
  ['ENOTEMPTY', 'invalid'],
  ['ENAMETOOLONG', 'invalid'],
])

const WORDS: ReadonlyMap<string, string> = new Map([
  ['EDQUOT', 'the disk quota is used up'],
  ['EROFS', 'the file system is mounted read-only'],
  ['ENOTDIR', 'an object has the name of one of its directories'],
  ['ENOTEMPTY', 'a directory has its name'],
])

/** Calls that say, by these codes, that the file system has no hard links. */
const LINKLESS: readonly string[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']

/** The code of an error of the system, `ENOENT` for instance, or ''. */
export function errnoOf(error: unknown): string {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  return typeof code === 'string' ? code : ''
}

/** The fault that an error of the file system is; faults stay as they are, bugs are thrown on. */
export function directoryFault(error: unknown, doing: string): StoreFault {
  if (error instanceof StoreFault) return error
  const code = errnoOf(error)
  const call = error instanceof Error ? (error as NodeJS.ErrnoException).syscall : undefined
  if (call === 'link' && LINKLESS.includes(code)) {
    const text = `${doing}: its file system has no hard links (${code})`
    return new StoreFault('invalid', text, { cause: error })
  }
  if (code === '') throw error
  const words = WORDS.get(code) ?? plainWords(error as Error)
  const kind = KINDS.get(code) ?? 'unavailable'
  return new StoreFault(kind, `${doing}: ${words} (${code})`, { cause: error })
}

/** `ENOSPC: no space left on device, write` → `no space left on device`. */
function plainWords(error: Error): string {
  const found = /^[A-Z0-9]+: (.*?)(?:, [a-z]+.*)?$/.exec(error.message)
  return found?.[1] ?? error.message
}
