// Errors of the outside world. A client's mistake is a `ReplyError` (resp/replies.ts) and is never
// thrown; a bug of ours is an `AssertionError`. What is left is the world: disk, socket, files that
// hold something else than expected. Each has a permanent code that tools may rely on.

export const ErrorCode = {
  DiskFailed: 'DISK_FAILED',
  ConfigInvalid: 'CONFIG_INVALID',
  ListenFailed: 'LISTEN_FAILED',
  RdbCorrupt: 'RDB_CORRUPT',
  RdbTruncated: 'RDB_TRUNCATED_CORRUPT',
  RdbUnsupported: 'RDB_UNSUPPORTED',
  AofManifestCorrupt: 'AOF_MANIFEST_CORRUPT',
  AofCorrupt: 'AOF_CORRUPT',
  AofTruncated: 'AOF_TRUNCATED_CORRUPT',
  OutOfMemory: 'OUT_OF_MEMORY',
} as const
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode]

/** A failure of the world, with a permanent `code` and a message: where, found, expected. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
