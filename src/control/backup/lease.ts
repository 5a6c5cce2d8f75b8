// A name that one operation holds, as an object of the store: the claim of a backup's name, the
// lock of a cluster. The object says who, and has a heartbeat; one whose heartbeat stopped ten
// minutes ago is of a dead process, and is taken over.
//
//   acquire ──► beats every minute ──► release     lost: somebody took it over; `signal` aborts
//
// A store has no compare-and-swap on what exists. So two that take over at the same moment may
// both believe that they hold it until the next beat, which tells the loser; what makes a backup
// exist is the conditional write of its manifest alone.

import { setTimeout as sleep } from 'node:timers/promises'
import { type ObjectStore, StoreFault } from '../store/object-store.ts'

/** What stands in the object. */
export interface LeaseHolder {
  /** Of the operation: its `BackupManifest.id`. */
  readonly id: string
  /** What it does: `create nightly-1`. */
  readonly operation: string
  /** Host and process, for people. */
  readonly who: string
  readonly since: string
  readonly heartbeat: string
}

export interface LeaseRequest {
  readonly store: ObjectStore
  readonly object: string
  readonly holder: Omit<LeaseHolder, 'since' | 'heartbeat'>
  readonly signal?: AbortSignal
  /** Between two heartbeats; for tests. */
  readonly beatMs?: number
}

/** Somebody else is at it. */
export class LeaseTaken extends Error {
  override readonly name = 'LeaseTaken'
  readonly holder: LeaseHolder

  constructor(object: string, holder: LeaseHolder) {
    const { operation, who, since, heartbeat } = holder
    super(`${object}: ${operation} is under way, by ${who} since ${since}, last seen ${heartbeat}`)
    this.holder = holder
  }
}

export const STALE_MS = 600_000
const BEAT_MS_DEFAULT = 60_000
const ATTEMPTS_MAX = 3

export class Lease {
  /** Aborts when the lease was lost. */
  readonly signal: AbortSignal
  readonly #lost = new AbortController()
  readonly #stop = new AbortController()
  readonly #request: LeaseRequest
  readonly #since: string
  #beating: Promise<void>

  private constructor(request: LeaseRequest, since: string) {
    this.#request = request
    this.#since = since
    this.signal = this.#lost.signal
    this.#beating = this.#beat()
  }

  /** Takes the name; throws LeaseTaken, or StoreFault when the store does. */
  static async acquire(request: LeaseRequest): Promise<Lease> {
    const { store, object, holder, signal } = request
    const options = { createOnly: true, ...(signal === undefined ? {} : { signal }) }
    for (let attempt = 1; ; attempt++) {
      const since = new Date().toISOString()
      try {
        await store.put(object, encode({ ...holder, since, heartbeat: since }), options)
        return new Lease(request, since)
      } catch (error) {
        if (!(error instanceof StoreFault) || error.kind !== 'exists') throw error
        const other = await readHolder(store, object)
        // A retry of a write whose acknowledgement was lost meets itself.
        if (other?.id === holder.id) return new Lease(request, other.since)
        if (other !== null && (!isStale(other) || attempt === ATTEMPTS_MAX)) {
          throw new LeaseTaken(object, other)
        }
        if (other !== null) await store.delete(object)
        else if (attempt === ATTEMPTS_MAX) throw error
      }
    }
  }

  /** Throws when somebody else has taken it over: what was done under it must not count. */
  async check(): Promise<void> {
    const { store, object, holder } = this.#request
    const found = await readHolder(store, object)
    if (found?.id !== holder.id) this.#lost.abort()
    if (this.#lost.signal.aborted) throw new StoreFault('aborted', `${object}: it was taken over`)
  }

  /** Gives the name back; never throws: a lease that stays is stale in ten minutes. */
  async release(): Promise<void> {
    this.#stop.abort()
    await this.#beating
    const { store, object, holder } = this.#request
    try {
      if ((await readHolder(store, object))?.id === holder.id) await store.delete(object)
    } catch {
      // Nothing is lost but time.
    }
  }

  /** Stops the heartbeat and leaves the object, whose end is unknown, to grow stale. */
  async abandon(): Promise<void> {
    this.#stop.abort()
    await this.#beating
  }

  async #beat(): Promise<void> {
    const { store, object, holder, beatMs = BEAT_MS_DEFAULT } = this.#request
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        await sleep(beatMs, undefined, { signal, ref: false })
        const found = await readHolder(store, object)
        if (found?.id !== holder.id) return this.#lost.abort()
        const heartbeat = new Date().toISOString()
        await store.put(object, encode({ ...holder, since: this.#since, heartbeat }), { signal })
      } catch {
        // A store that is away for a while is no loss: others cannot take it over either.
      }
    }
  }
}

/** Whether the process behind it is dead, as far as can be seen from here. */
export function isStale({ heartbeat }: LeaseHolder, nowMs = Date.now()): boolean {
  const beatMs = Date.parse(heartbeat)
  return Number.isNaN(beatMs) || nowMs - beatMs > STALE_MS
}

/** Who holds it; null: nobody. One that cannot be read is held by nobody who is known. */
export async function readHolder(store: ObjectStore, object: string): Promise<LeaseHolder | null> {
  let bytes: Uint8Array
  try {
    bytes = await store.get(object)
  } catch (error) {
    if (error instanceof StoreFault && error.kind === 'missing') return null
    throw error
  }
  const unknown = { id: '', operation: 'an operation', who: 'somebody', since: '?', heartbeat: '?' }
  try {
    return { ...unknown, ...(JSON.parse(Buffer.from(bytes).toString()) as Partial<LeaseHolder>) }
  } catch {
    return unknown
  }
}

function encode(holder: LeaseHolder): Uint8Array {
  return Buffer.from(`${JSON.stringify(holder, null, 2)}\n`)
}
