// What the main thread and the engine say to each other.
//
// Requests to the engine are bits in shared memory, so that it sees them even in the middle of a
// load or a long command that polls; a message beside it only wakes the loop. The engine answers
// with messages, which arrive in the order they were sent.

import type { MessagePort } from 'node:worker_threads'
import type { LogLevel, LogLine } from '../base/log.ts'
import type { ConfigTransfer } from './config.ts'

/** Bits of the mailbox. */
export const Request = {
  /** SIGTERM came. */
  Terminate: 1 << 0,
  /** SIGINT came. */
  Interrupt: 1 << 1,
} as const
export type Request = (typeof Request)[keyof typeof Request]

/** One word of shared memory; main sets bits, the engine takes them. */
export class Mailbox {
  readonly #word: Int32Array<SharedArrayBuffer>

  constructor(buffer = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.#word = new Int32Array(buffer)
  }

  /** For the other thread. */
  get buffer(): SharedArrayBuffer {
    return this.#word.buffer
  }

  request(bit: Request): void {
    Atomics.or(this.#word, 0, bit)
  }

  /** Bits that wait. */
  peek(): number {
    return Atomics.load(this.#word, 0)
  }

  /** All waiting bits, which are cleared. */
  take(): number {
    return Atomics.exchange(this.#word, 0, 0)
  }
}

/** What the engine thread is started with. */
export interface EngineData {
  readonly config: ConfigTransfer
  readonly mailbox: SharedArrayBuffer
  /** A SharedMachine that main keeps fresh. */
  readonly machine: SharedArrayBuffer
  /** To the snapshot thread. */
  readonly snapshotPort: MessagePort
  readonly logLevel: LogLevel
  readonly executable: string
  readonly supervised: boolean
}

/** From main to engine. */
export type EngineMessage =
  /** Pid file and banner are out: load and serve. */
  | { readonly kind: 'go' }
  /** Look into the mailbox. */
  | { readonly kind: 'wake' }
  /** The process has the title that was asked for. */
  | { readonly kind: 'titled' }

/** From engine to main. */
export type MainMessage =
  | { readonly kind: 'log'; readonly line: LogLine }
  /** All sockets are bound. */
  | { readonly kind: 'listening' }
  /** The data is loaded and commands are served. */
  | { readonly kind: 'ready' }
  /** There is something to save: start the snapshot thread. */
  | { readonly kind: 'snapshots' }
  | { readonly kind: 'logLevel'; readonly level: LogLevel }
  /** Sets the title of the process; `titled` is the answer. */
  | { readonly kind: 'title'; readonly template: string }
  /** A shutdown has begun; supervisors want to know. What it saves is first written there. */
  | { readonly kind: 'stopping'; readonly temporaryPath: string }
  /** DEBUG SEGFAULT: report a crash and end by the signal. */
  | { readonly kind: 'fault' }
  /** The shutdown was given up. */
  | { readonly kind: 'staying' }
  /** The engine is done; `isGraceful` when a shutdown was completed. */
  | { readonly kind: 'exit'; readonly code: number; readonly isGraceful: boolean }
