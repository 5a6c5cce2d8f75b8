// One request to S3 after another, each tried again while that can help. A fault names the store,
// what was tried and what came back.
//
// An answer can be lost after the store did what was asked. For most requests doing it twice is the
// same as once; those for which it is not look at what the first attempt has left (`S3Attempt`).

import type { S3Client } from '@aws-sdk/client-s3'
import type { StoreFault } from './object-store.ts'
import { pauseMs, type RetryPolicy, throwIfAborted, wait } from './retry.ts'
import { isTransient, s3Fault } from './s3-fault.ts'

/** Told of each attempt that failed and will be made again: for a log. */
export type OnRetry = (fault: StoreFault, attempt: number, pauseMs: number) => void

export interface S3Attempt {
  /** From 1. */
  readonly number: number
  readonly abortSignal: AbortSignal | undefined
}

export interface CallsOptions {
  readonly url: string
  readonly s3Bucket: string
  readonly policy: RetryPolicy
  readonly onRetry: OnRetry | undefined
}

export class S3Calls {
  readonly client: S3Client
  readonly url: string
  readonly s3Bucket: string
  readonly #policy: RetryPolicy
  readonly #onRetry: OnRetry | undefined

  constructor(client: S3Client, { url, s3Bucket, policy, onRetry }: CallsOptions) {
    this.client = client
    this.url = url
    this.s3Bucket = s3Bucket
    this.#policy = policy
    this.#onRetry = onRetry
  }

  /** What `request` gives, at the latest attempt; a `StoreFault` when none succeeds. */
  async call<T>(
    doing: string,
    request: (attempt: S3Attempt) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      throwIfAborted(signal)
      try {
        return await request({ number: attempt, abortSignal: signal })
      } catch (error) {
        throwIfAborted(signal)
        await this.pause(error, doing, { number: attempt, abortSignal: signal })
      }
    }
  }

  /** Waits before the next attempt; throws the fault when there shall be none. */
  async pause(error: unknown, doing: string, attempt: S3Attempt): Promise<void> {
    const fault = this.fault(error, doing)
    const { number, abortSignal } = attempt
    if (number >= this.#policy.attempts || !isTransient(error, number)) throw fault
    const ms = pauseMs(this.#policy, number)
    this.#onRetry?.(fault, number, ms)
    await wait(ms, abortSignal)
  }

  fault(error: unknown, doing: string): StoreFault {
    return s3Fault(error, `${this.url}: cannot ${doing}`)
  }
}
