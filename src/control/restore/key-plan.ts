// Which keys of a backup are restored, into which database, and until when they live there. The
// plan goes to the thread that reads the stream, where a `KeyChooser` answers for each key.
//
// Deadlines of fields of hashes are within the values and stay as they are, whatever the policy.

import { Glob } from '../../base/glob.ts'

/**
 * Keep: deadlines are instants and stay; what has passed is not restored. Shift: each key lives as
 * long from now on as it would have from the instant of the backup. Drop: keys live for ever.
 */
export type TtlPolicy = 'keep' | 'shift' | 'drop'

/** Can be sent to a thread. */
export interface KeyPlan {
  /** Glob patterns, as those of KEYS; a key is taken that matches one. None: all keys. */
  readonly patterns: readonly string[]
  /** From and to. None: each stays where it was; else those that are not named are left out. */
  readonly databases: readonly (readonly [from: number, to: number])[]
  readonly ttl: TtlPolicy
  /** Of the backup, unix ms. */
  readonly takenAtMs: number
}

export const EVERYTHING: Omit<KeyPlan, 'takenAtMs'> = { patterns: [], databases: [], ttl: 'keep' }

export class KeyChooser {
  readonly #globs: readonly Glob[]
  readonly #databases: ReadonlyMap<number, number>
  readonly #ttl: TtlPolicy
  readonly #shiftMs: number

  /** `nowMs`: when the restore began, which is the same for all keys. */
  constructor({ patterns, databases, ttl, takenAtMs }: KeyPlan, nowMs: number) {
    this.#globs = patterns.map((pattern) => {
      const bytes = Buffer.from(pattern)
      const glob = new Glob()
      glob.set(bytes, 0, bytes.length)
      return glob
    })
    this.#databases = new Map(databases)
    this.#ttl = ttl
    this.#shiftMs = Math.max(0, nowMs - takenAtMs)
  }

  /** Whether the key is to be restored. */
  takes(key: Uint8Array): boolean {
    return this.#globs.length === 0 || this.#globs.some((glob) => glob.matches(key, 0, key.length))
  }

  /** Where keys of the database go; null: nowhere. */
  databaseFor(from: number): number | null {
    return this.#databases.size === 0 ? from : (this.#databases.get(from) ?? null)
  }

  /** Where the key's life ends, unix ms; -1: never. */
  deadlineFor(deadlineMs: number): number {
    if (deadlineMs < 0 || this.#ttl === 'drop') return -1
    return this.#ttl === 'shift' ? deadlineMs + this.#shiftMs : deadlineMs
  }
}
