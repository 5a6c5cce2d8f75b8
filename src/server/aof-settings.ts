// The configuration as the append only file sees it: read anew at each use, so that CONFIG SET
// takes effect without a hook.

import type { AofSettings } from '../persist/aof/aof-log.ts'
import type { SyncPolicy } from '../persist/aof/aof-writer.ts'
import type { Server } from './server.ts'

export class LiveAofSettings implements AofSettings {
  readonly #server: Server

  constructor(server: Server) {
    this.#server = server
  }

  get directory(): string {
    const { config } = this.#server
    return config.resolvePath(config.values.appenddirname)
  }

  get parentDirectory(): string {
    return this.#server.config.resolvePath('.')
  }

  get fileName(): string {
    return this.#server.config.values.appendfilename
  }

  get syncPolicy(): SyncPolicy {
    return this.#server.config.values.appendfsync
  }

  get isSyncHeld(): boolean {
    return this.#server.config.values.noAppendfsyncOnRewrite && this.isSnapshotRunning
  }

  get isSnapshotRunning(): boolean {
    return this.#server.persistence?.isSaving ?? false
  }

  get growthPercent(): number {
    return this.#server.config.values.autoAofRewritePercentage
  }

  get growthBytesMin(): number {
    return this.#server.config.values.autoAofRewriteMinSize
  }

  get isBaseRdb(): boolean {
    return this.#server.config.values.aofUseRdbPreamble
  }

  get hasTimestamps(): boolean {
    return this.#server.config.values.aofTimestampEnabled
  }

  get keepsHistory(): boolean {
    return this.#server.config.values.aofDisableAutoGc
  }

  get syncsWhileWriting(): boolean {
    return this.#server.config.values.aofRewriteIncrementalFsync
  }
}
