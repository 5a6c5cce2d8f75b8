// The configuration as persistence sees it: read anew at each use, so that CONFIG SET takes effect
// without a hook.

import { assert } from '../base/assert.ts'
import type { PersistenceSettings } from '../persist/persistence.ts'
import type { SnapshotMethod } from '../persist/snapshot/method-choice.ts'
import type { SavePoint } from './config-forms.ts'
import { needsClocks } from './eviction-policy.ts'
import type { Server } from './server.ts'
import { REDIS_VERSION } from './version.ts'

const PERCENT = 100
/** `snapshot-reserve auto`: this share of the dataset, and at least so much. */
const AUTO_PERCENT = 2
const AUTO_BYTES_MIN = 32 * 1024 * 1024
/** It grows in steps, so that a growing dataset does not need new buffers for each save. */
const AUTO_STEP_BYTES = 8 * 1024 * 1024

/**
 * Bytes of the reserve from the configured value: a size, a negative percentage of the dataset, or
 * 0 for auto. A percentage of a small dataset can be less than the smallest size that is accepted.
 */
export function reserveFor(configured: number, datasetBytes: number): number {
  assert(datasetBytes >= 0, 'a dataset has a size')
  if (configured > 0) return configured
  const percent = configured === 0 ? AUTO_PERCENT : -configured
  const share = Math.ceil((datasetBytes * percent) / PERCENT)
  if (configured < 0) return share
  return Math.max(AUTO_BYTES_MIN, Math.ceil(share / AUTO_STEP_BYTES) * AUTO_STEP_BYTES)
}

export class LiveSettings implements PersistenceSettings {
  readonly version = REDIS_VERSION
  readonly #server: Server

  constructor(server: Server) {
    this.#server = server
  }

  get filePath(): string {
    const { config } = this.#server
    return config.resolvePath(config.values.dbfilename)
  }

  get savePoints(): readonly SavePoint[] {
    return this.#server.config.values.save
  }

  get compress(): boolean {
    return this.#server.config.values.rdbcompression
  }

  get checksum(): boolean {
    return this.#server.config.values.rdbchecksum
  }

  get syncsWhileWriting(): boolean {
    return this.#server.config.values.rdbSaveIncrementalFsync
  }

  get stopsWritesOnError(): boolean {
    return this.#server.config.values.stopWritesOnBgsaveError
  }

  get method(): 'auto' | SnapshotMethod {
    return this.#server.config.values.snapshotMethod
  }

  /** Bytes of `snapshot-reserve` for the dataset as it is now, or of ElastiCache's names for it. */
  get reserveBytes(): number {
    const { config, keyspace } = this.#server
    const { snapshotReserve, reservedMemory, reservedMemoryPercent, maxmemory } = config.values
    if (snapshotReserve !== 0) return reserveFor(snapshotReserve, keyspace.usedBytes)
    if (reservedMemory > 0) return reservedMemory
    if (reservedMemoryPercent === 0) return reserveFor(0, keyspace.usedBytes)
    const whole = maxmemory > 0 ? maxmemory : keyspace.usedBytes
    return Math.ceil((whole * reservedMemoryPercent) / PERCENT)
  }

  get stallTimeoutSeconds(): number {
    return this.#server.config.values.snapshotStallTimeout
  }

  get keyDelayUs(): number {
    return this.#server.config.values.rdbKeySaveDelay
  }

  get keepsClocks(): boolean {
    return needsClocks(this.#server.config.values.maxmemoryPolicy)
  }

  get streamPlace(): readonly (readonly [name: string, value: string])[] {
    return this.#server.primary.place
  }

  get usedMemory(): number {
    return this.#server.usedBytes()
  }
}
