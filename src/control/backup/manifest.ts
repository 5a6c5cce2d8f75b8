// What a backup is, as `backups/NAME/manifest.json` says it. Names of fields are part of the
// interface: they stay readable for as long as a backup is kept. docs/decisions/0017-backups.md.

/** Version of this form; a reader refuses a higher one. */
export const MANIFEST_VERSION = 1

export type BackupKind = 'manual' | 'automatic' | 'final'

export interface BackupManifest {
  readonly version: number
  readonly name: string
  /** Time and randomness: the prefix of its parts is `data/ID/`. */
  readonly id: string
  readonly cluster: string
  readonly kind: BackupKind
  /** ISO 8601, UTC. */
  readonly startedAt: string
  readonly finishedAt: string
  /** The instant that the data is of: when the source took its cut. */
  readonly takenAt: string
  readonly tool: { readonly name: 'tidemark'; readonly version: string }
  readonly compression: { readonly format: 'zstd'; readonly level: number } | null
  readonly encryption: { readonly format: 'age'; readonly recipients: readonly string[] } | null
  readonly shards: readonly ShardManifest[]
  /** Of all shards together. */
  readonly totals: Totals
  /** What else whoever made it wanted to keep with it. */
  readonly labels: Readonly<Record<string, string>>
}

export interface ShardManifest {
  readonly shard: number
  /** Ranges of hash slots, `0-5460`; empty: not in cluster mode. */
  readonly slots: readonly string[]
  readonly source: SourceManifest
  readonly part: PartManifest
  readonly rdb: RdbManifest
}

/** The node that a shard was taken from, and what that cost it. */
export interface SourceManifest {
  /** Without user and password. */
  readonly address: string
  readonly role: 'primary' | 'replica' | 'file'
  readonly engine: 'tidemark' | 'redis' | 'valkey' | 'unknown'
  readonly engineVersion: string
  readonly replicationId: string
  readonly replicationOffset: number
  /** `background`, `cooperative`, `fork`; empty: unknown. */
  readonly method: string
  readonly writeDelayMs: number | null
  readonly freezeMs: number | null
  readonly memoryBeforeBytes: number | null
  readonly memoryPeakBytes: number | null
}

/** The object in the store. */
export interface PartManifest {
  readonly object: string
  readonly bytes: number
  readonly sha256: string
}

/** The RDB stream before compression and encryption. */
export interface RdbManifest {
  readonly version: number
  readonly bytes: number
  readonly sha256: string
  /** 16 hexadecimal digits; of the stream's end. */
  readonly crc64: string
  readonly databases: readonly DatabaseCounts[]
  readonly functions: number
  /** 32 hexadecimal digits. */
  readonly digest: string
}

export interface DatabaseCounts {
  readonly database: number
  readonly keys: number
  readonly expiring: number
  /** Keys by type: string, list, set, zset, hash, stream. */
  readonly types: Readonly<Record<string, number>>
}

export interface Totals {
  readonly keys: number
  readonly rdbBytes: number
  readonly storedBytes: number
}
