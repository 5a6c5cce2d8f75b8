// The configuration as persistence sees it: read anew at each use, so that CONFIG SET takes effect
// without a hook.

import type { PersistenceSettings } from '../persist/persistence.ts'
import type { SavePoint } from './config-forms.ts'
import { needsClocks } from './eviction-policy.ts'
import type { Server } from './server.ts'
import { REDIS_VERSION } from './version.ts'

const PERCENT = 100

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

  /** Bytes; a percentage of the configuration is one of the dataset. */
  get reserveBytes(): number {
    const { config, keyspace } = this.#server
    const given = config.values.snapshotReserve
    if (given >= 0) return given
    return Math.ceil((keyspace.usedBytes * -given) / PERCENT)
  }

  get keyDelayUs(): number {
    return this.#server.config.values.rdbKeySaveDelay
  }

  get keepsClocks(): boolean {
    return needsClocks(this.#server.config.values.maxmemoryPolicy)
  }

  get usedMemory(): number {
    return this.#server.usedBytes()
  }
}
