// The engine's end of the line to the snapshot thread. Nothing here waits: the engine sends a job
// and looks for the outcome in its cron, without relying on events.

import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import type { SnapshotJob, SnapshotOutcome } from './snapshot-thread.ts'

/** Where snapshots are made in the background. */
export interface SnapshotRunner {
  start(job: SnapshotJob): void
  /** The outcome of the job, once; null while it runs. */
  poll(): SnapshotOutcome | null
}

export class SnapshotPort implements SnapshotRunner {
  readonly #port: MessagePort

  constructor(port: MessagePort) {
    this.#port = port
    port.unref()
  }

  start(job: SnapshotJob): void {
    this.#port.postMessage(job)
  }

  poll(): SnapshotOutcome | null {
    const received = receiveMessageOnPort(this.#port)
    return received ? (received.message as SnapshotOutcome) : null
  }
}
