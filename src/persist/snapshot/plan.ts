// What a snapshot is to hold and to look like, decided by the engine at the instant of the cut and
// carried out by whoever scans.

/** How a key's clock bits are written. */
export const ClockForm = { None: 0, Idle: 1, Frequency: 2 } as const
export type ClockForm = (typeof ClockForm)[keyof typeof ClockForm]

/** Counts of one database at the cut: hints for the loader. */
export interface DatabaseCounts {
  readonly id: number
  readonly keys: number
  readonly expires: number
}

export interface SnapshotPlan {
  /** RDB version: what the values of the cut need. */
  readonly rdbVersion: number
  /** Database number of each space of the arena; -1 where the records are gone already. */
  readonly databaseOfSpace: Int32Array
  readonly databases: readonly DatabaseCounts[]
  readonly clockForm: ClockForm
  /** Unix time of the cut. */
  readonly nowSeconds: number
  readonly compress: boolean
  readonly checksum: boolean
  /** Metadata of the file, in order. */
  readonly aux: readonly (readonly [name: string, value: string])[]
  /** Microseconds to sleep after each key: `rdb-key-save-delay`, for tests. */
  readonly keyDelayUs: number
}
