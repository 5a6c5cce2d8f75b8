// Two stores as one: `near`, quick and perhaps short of room, and `far`, where things are kept.
//
// - A write goes to both at once. It succeeds when both did (`needs: 'both'`), or when one did
//   (`needs: 'one'`); then the fault of the other goes to `onFault`, and that object is in one
//   only.
// - Reads take the first store that answers, `near` first, and go on in the other when that one
//   fails in the middle. Listings are both together: what only one of them has is there.
// - `createOnly` is decided by `near`, so that of two writers one wins; when `far` then fails, what
//   `near` has taken is removed again.
// - Deleting needs both: else what was deleted would come back in the next listing.
// - An upload that was left behind is one store's; its id says whose. Resumed, it is written there
//   alone: `copyObject` brings the two together again.

import { compareNames } from './object-name.ts'
import {
  type ObjectInfo,
  type ObjectStore,
  type ObjectWriter,
  type PendingWrite,
  StoreFault,
  type WriteOptions,
} from './object-store.ts'

type Side = 'near' | 'far'

export interface TwinOptions {
  readonly needs?: 'both' | 'one'
  /** Told of each fault of a store that the other made up for. */
  readonly onFault?: (fault: StoreFault) => void
}

export class TwinStore implements ObjectStore {
  readonly url: string
  readonly near: ObjectStore
  readonly far: ObjectStore
  readonly #needs: 'both' | 'one'
  readonly #onFault: (fault: StoreFault) => void

  constructor(near: ObjectStore, far: ObjectStore, options: TwinOptions = {}) {
    this.url = `${near.url} and ${far.url}`
    this.near = near
    this.far = far
    this.#needs = options.needs ?? 'both'
    this.#onFault = options.onFault ?? (() => {})
  }

  async probe(signal?: AbortSignal): Promise<readonly string[]> {
    const notes = await this.#onBoth((store) => store.probe(signal))
    return notes.flat()
  }

  async freeBytes(): Promise<number | null> {
    const known = await this.#onBoth((store) => store.freeBytes())
    const limits = known.filter((bytes) => bytes !== null)
    return limits.length === 0 ? null : Math.min(...limits)
  }

  async put(name: string, bytes: Uint8Array, options: WriteOptions = {}): Promise<ObjectInfo> {
    if (!options.createOnly) {
      const done = await this.#onBoth((store) => store.put(name, bytes, options))
      return firstOf(done)
    }
    return this.#inTurn(name, (store) => store.put(name, bytes, options))
  }

  async create(name: string, options: WriteOptions = {}): Promise<ObjectWriter> {
    const begun = await settle([this.near.create(name, options), this.far.create(name, options)])
    const sides: WriterSide[] = []
    begun.forEach((outcome, i) => {
      const store = i === 0 ? this.near : this.far
      if ('value' in outcome) sides.push({ store, writer: outcome.value })
    })
    const faults = begun.flatMap((outcome) => ('fault' in outcome ? [outcome.fault] : []))
    if (faults.length > 0 && !this.#isEnough(sides.length, faults)) {
      for (const { writer } of sides) await writer.abort()
      throw firstOf(faults)
    }
    for (const fault of faults) this.#onFault(fault)
    return new TwinWriter(sides, {
      isEnough: (count, errors) => this.#isEnough(count, errors),
      onFault: this.#onFault,
      complete: (left) => this.#complete(name, left, options.createOnly === true),
    })
  }

  async get(name: string, signal?: AbortSignal): Promise<Uint8Array> {
    return this.#fromFirst((store) => store.get(name, signal))
  }

  async *read(name: string, from = 0, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    let offset = from
    try {
      for await (const piece of this.near.read(name, offset, signal)) {
        offset += piece.length
        yield piece
      }
    } catch (error) {
      this.#passOver(error)
      const nearFault = error
      try {
        yield* this.far.read(name, offset, signal)
      } catch (farError) {
        throw worse(nearFault, farError)
      }
    }
  }

  async info(name: string, signal?: AbortSignal): Promise<ObjectInfo> {
    return this.#fromFirst((store) => store.info(name, signal))
  }

  list(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectInfo> {
    return this.#merge([this.near.list(prefix, signal), this.far.list(prefix, signal)])
  }

  async delete(name: string, signal?: AbortSignal): Promise<void> {
    const done = await settle([this.near.delete(name, signal), this.far.delete(name, signal)])
    for (const outcome of done) if ('fault' in outcome) throw outcome.fault
  }

  async *pending(prefix: string, signal?: AbortSignal): AsyncIterable<PendingWrite> {
    for (const side of ['near', 'far'] as const) {
      for await (const { name, id, startedMs } of this[side].pending(prefix, signal)) {
        yield { name, id: `${side}:${id}`, startedMs }
      }
    }
  }

  async discard(pending: PendingWrite, signal?: AbortSignal): Promise<void> {
    const { side, inner } = sideOf(pending)
    await this[side].discard(inner, signal)
  }

  async resume(pending: PendingWrite, options?: WriteOptions): Promise<ObjectWriter> {
    const { side, inner } = sideOf(pending)
    return this[side].resume(inner, options)
  }

  close(): void {
    this.near.close()
    this.far.close()
  }

  /** Whether so many stores suffice, where the others failed in this way. */
  #isEnough(count: number, faults: readonly StoreFault[]): boolean {
    return !isDecided(faults) && count >= (this.#needs === 'both' ? 2 : 1)
  }

  async #onBoth<T>(run: (store: ObjectStore) => Promise<T>): Promise<T[]> {
    const done = await settle([run(this.near), run(this.far)])
    const values = done.flatMap((outcome) => ('value' in outcome ? [outcome.value] : []))
    const faults = done.flatMap((outcome) => ('fault' in outcome ? [outcome.fault] : []))
    if (faults.length > 0 && !this.#isEnough(values.length, faults)) throw firstOf(faults)
    for (const fault of faults) this.#onFault(fault)
    return values
  }

  /** On `near`, then on `far`; when that fails the first is undone. */
  async #inTurn(
    name: string,
    run: (store: ObjectStore) => Promise<ObjectInfo>,
    stores: readonly ObjectStore[] = [this.near, this.far],
  ): Promise<ObjectInfo> {
    const written: ObjectStore[] = []
    const faults: StoreFault[] = []
    let info: ObjectInfo | null = null
    for (const store of stores) {
      try {
        info = await run(store)
        written.push(store)
      } catch (error) {
        faults.push(asFault(error))
        // Who is refused here must not write there.
        if (this.#needs === 'both' || isDecided(faults)) break
      }
    }
    if (info !== null && (faults.length === 0 || this.#isEnough(written.length, faults))) {
      for (const fault of faults) this.#onFault(fault)
      return info
    }
    for (const store of written) await store.delete(name).catch(() => {})
    throw firstOf(faults)
  }

  /** Completes the writers that are left. */
  async #complete(
    name: string,
    sides: readonly WriterSide[],
    createOnly: boolean,
  ): Promise<ObjectInfo> {
    if (createOnly) {
      const complete = (store: ObjectStore) =>
        firstOf(sides.filter((side) => side.store === store)).writer.complete()
      const stores = sides.map(({ store }) => store)
      return this.#inTurn(name, complete, stores)
    }
    const done = await settle(sides.map(({ writer }) => writer.complete()))
    const values = done.flatMap((outcome) => ('value' in outcome ? [outcome.value] : []))
    const faults = done.flatMap((outcome) => ('fault' in outcome ? [outcome.fault] : []))
    if (faults.length > 0 && !this.#isEnough(values.length, faults)) throw firstOf(faults)
    for (const fault of faults) this.#onFault(fault)
    return firstOf(values)
  }

  async #fromFirst<T>(run: (store: ObjectStore) => Promise<T>): Promise<T> {
    try {
      return await run(this.near)
    } catch (nearError) {
      this.#passOver(nearError)
      try {
        return await run(this.far)
      } catch (farError) {
        throw worse(nearError, farError)
      }
    }
  }

  /** Throws what the other store cannot make up for; that it has not got it is no fault to tell. */
  #passOver(error: unknown): void {
    const fault = asFault(error)
    if (fault.kind === 'aborted' || fault.kind === 'invalid') throw fault
    if (fault.kind !== 'missing') this.#onFault(fault)
  }

  /** Both listings in order, a name once; when one store fails, what is left of the other. */
  async *#merge(lists: readonly AsyncIterable<ObjectInfo>[]): AsyncGenerator<ObjectInfo> {
    const faults: StoreFault[] = []
    const heads = lists.map((list) => ({ iterator: list[Symbol.asyncIterator]() }))
    const next = async ({ iterator }: (typeof heads)[number]): Promise<ObjectInfo | null> => {
      try {
        const { value, done } = await iterator.next()
        return done ? null : value
      } catch (error) {
        const fault = asFault(error)
        faults.push(fault)
        if (isDecided([fault]) || faults.length === 2) throw fault
        this.#onFault(fault)
        return null
      }
    }
    let [a, b] = [await next(heads[0]!), await next(heads[1]!)]
    while (a !== null || b !== null) {
      const order = a === null ? 1 : b === null ? -1 : compareNames(a.name, b.name)
      const first = order <= 0 ? a : b
      if (first !== null) yield first
      if (order <= 0) a = await next(heads[0]!)
      if (order >= 0) b = await next(heads[1]!)
    }
  }
}

interface WriterSide {
  readonly store: ObjectStore
  readonly writer: ObjectWriter
}

interface TwinWriterNeeds {
  isEnough(count: number, faults: readonly StoreFault[]): boolean
  onFault(fault: StoreFault): void
  complete(sides: readonly WriterSide[]): Promise<ObjectInfo>
}

class TwinWriter implements ObjectWriter {
  #sides: WriterSide[]
  #bytes = 0
  readonly #needs: TwinWriterNeeds

  constructor(sides: WriterSide[], needs: TwinWriterNeeds) {
    this.#sides = sides
    this.#needs = needs
  }

  get bytes(): number {
    return this.#bytes
  }

  async write(bytes: Uint8Array): Promise<void> {
    const sides = this.#sides
    const done = await settle(sides.map(({ writer }) => writer.write(bytes)))
    const left = sides.filter((_, i) => 'value' in (done[i] ?? {}))
    const faults = done.flatMap((outcome) => ('fault' in outcome ? [outcome.fault] : []))
    if (faults.length > 0 && !this.#needs.isEnough(left.length, faults)) throw firstOf(faults)
    for (const fault of faults) this.#needs.onFault(fault)
    for (const side of sides) if (!left.includes(side)) await side.writer.abort()
    this.#sides = left
    this.#bytes += bytes.length
  }

  async complete(): Promise<ObjectInfo> {
    return this.#needs.complete(this.#sides)
  }

  async suspend(): Promise<void> {
    await Promise.all(this.#sides.map(({ writer }) => writer.suspend()))
  }

  async abort(): Promise<void> {
    await Promise.all(this.#sides.map(({ writer }) => writer.abort()))
  }
}

type Outcome<T> = { readonly value: T } | { readonly fault: StoreFault }

/** Waits for all; bugs are thrown on. */
async function settle<T>(promises: readonly Promise<T>[]): Promise<Outcome<T>[]> {
  const settled = await Promise.allSettled(promises)
  return settled.map((result) =>
    result.status === 'fulfilled' ? { value: result.value } : { fault: asFault(result.reason) },
  )
}

/** Whether there is a fault that holds for both, whatever the other store says. */
function isDecided(faults: readonly StoreFault[]): boolean {
  return faults.some(({ kind }) => kind === 'exists' || kind === 'invalid' || kind === 'aborted')
}

function asFault(error: unknown): StoreFault {
  if (error instanceof StoreFault) return error
  throw error
}

/** Of two faults the one to tell: that it is missing says less than why it cannot be read. */
function worse(near: unknown, far: unknown): unknown {
  return near instanceof StoreFault && near.kind === 'missing' ? far : near
}

function firstOf<T>(values: readonly T[]): T {
  const [first] = values
  if (first === undefined) throw new RangeError('neither of two stores has answered')
  return first
}

function sideOf({ name, id, startedMs }: PendingWrite): { side: Side; inner: PendingWrite } {
  const [side = '', inner = ''] = id.split(/:(.*)/s)
  if (side !== 'near' && side !== 'far') {
    throw new StoreFault('invalid', `no pending write has the id '${id}'`)
  }
  return { side, inner: { name, id: inner, startedMs } }
}
