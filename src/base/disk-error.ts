// What a failed call to the system becomes: a `StoreError` with code DISK_FAILED that names the
// call, the path and the system's code, with the system's error as `cause`.

import { ErrorCode, StoreError } from './errors.ts'

/** Runs one file operation; turns what the system throws into a `StoreError` that names it. */
export function diskCall<T>(operation: string, path: string, run: () => T): T {
  try {
    return run()
  } catch (cause) {
    throw diskError(operation, path, cause)
  }
}

/** The error of a file operation that failed because of `cause`. */
export function diskError(operation: string, path: string, cause: unknown): StoreError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown'
  return new StoreError(ErrorCode.DiskFailed, `${operation} ${path}: ${code}`, { cause })
}

/** The system's code (ENOENT, ENOSPC, …) behind a failed disk call; '' when there is none. */
export function systemCode(error: unknown): string {
  const cause = error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined) : null
  return cause?.code ?? (error as NodeJS.ErrnoException | undefined)?.code ?? ''
}

/** What the C library says of the commonest codes; operators search their logs for it. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EBADF: 'Bad file descriptor',
  EDQUOT: 'Disk quota exceeded',
  EFBIG: 'File too large',
  EIO: 'Input/output error',
  EISDIR: 'Is a directory',
  EMFILE: 'Too many open files',
  ENOENT: 'No such file or directory',
  ENOSPC: 'No space left on device',
  ENOTDIR: 'Not a directory',
  EROFS: 'Read-only file system',
}

/** Why a disk call failed, in the words of the system. */
export function systemReason(error: unknown): string {
  const code = systemCode(error)
  return REASONS[code] ?? (code === '' ? String(error) : code)
}
