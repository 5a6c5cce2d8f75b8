// Trying again, with longer and longer pauses that are spread at random, so that many clients of a
// store that comes back do not meet. Who calls decides what is worth it.

import { setTimeout as sleep } from 'node:timers/promises'
import { StoreFault } from './object-store.ts'

export interface RetryPolicy {
  /** How often in all. */
  readonly attempts: number
  /** The first pause, which doubles each time up to … */
  readonly delayMs: number
  /** … this. */
  readonly delayMsMax: number
}

/** About 40 s, at most 70: a store's restart, not its outage. */
export const PATIENT: RetryPolicy = { attempts: 10, delayMs: 200, delayMsMax: 15_000 }

/** The pause after the attempt of this number (from 1): between half of it and all. */
export function pauseMs(policy: RetryPolicy, attempt: number): number {
  const whole = Math.min(policy.delayMsMax, policy.delayMs * 2 ** (attempt - 1))
  return whole * (0.5 + Math.random() / 2)
}

/** Waits; throws `aborted` as soon as the signal says so. */
export async function wait(ms: number, signal?: AbortSignal): Promise<void> {
  throwIfAborted(signal)
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal })
  } catch (error) {
    throwIfAborted(signal)
    throw error
  }
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new StoreFault('aborted', 'stopped on request')
}
