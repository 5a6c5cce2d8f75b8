// The load of a soak, a thread of its own so that who measures is not disturbed: connections that
// send pipelines of random commands and look at each reply, one that reads large replies slowly,
// and one that gives orders to the server as a whole. Phases follow one another; between two of
// them nothing is under way, so what a phase's policy refuses is refused to its own commands.
//
// After an OOM a connection removes a few keys before it goes on, or nothing would ever change.
// The first reply that is wrong ends the run.

import { parentPort, workerData } from 'node:worker_threads'
import { Random } from '../../src/base/random.ts'
import { RawClient } from '../lib/client.ts'
import { encodeCommand } from '../lib/resp.ts'
import { sleep } from '../lib/wait.ts'
import { type Command, Commands, faultOf, showCommand } from './commands.ts'
import { mayRefuse, type Phase } from './phases.ts'
import { Values } from './values.ts'

export interface LoadOptions {
  readonly port: number
  readonly seed: number
  readonly limitBytes: number
  readonly phases: readonly Phase[]
  /** From one BGSAVE to the next. */
  readonly saveMs: number
}

/** What the load says: a phase begins, all phases are over, or something is wrong. */
export type LoadMessage =
  | { readonly kind: 'phase'; readonly phase: Phase }
  | { readonly kind: 'end' }
  | { readonly kind: 'fault'; readonly text: string }

/** Connections with pipelines; one more reads slowly. */
export const CONNECTIONS = 8
const DATABASES = 4
const PIPELINE_MAX = 48
/** A pipeline of one connection is at most this share of the limit, and so long. */
export const BATCH_SHARE = 1 / 100
const BATCH_BYTES_MIN = 64 * 1024
/** Replies that the slow reader asks for at once are about this share of the limit. */
export const SLOW_SHARE = 1 / 16
const SLOW_PAUSE_MS = 300
const ORDER_MS = 700
const REPLY_LIMIT_MS = 30_000

const SAVES_ALREADY = 'Background save already in progress'
const RELIEF_KEYS = 8

class Load {
  readonly #options: LoadOptions
  readonly #random: Random
  readonly #values: Values
  readonly #clients: RawClient[] = []
  #orders: RawClient | null = null
  #slow: RawClient | null = null
  #savedMs = Date.now()

  constructor(options: LoadOptions) {
    this.#options = options
    this.#random = new Random(options.seed)
    this.#values = new Values(new Random(options.seed + 1))
  }

  async run(): Promise<void> {
    const { port, phases } = this.#options
    this.#orders = await RawClient.open({ port })
    this.#slow = await RawClient.open({ port })
    for (let i = 0; i < CONNECTIONS; i++) this.#clients.push(await RawClient.open({ port }))
    for (const phase of phases) {
      await this.#order('CONFIG', 'SET', 'maxmemory-policy', phase.policy)
      say({ kind: 'phase', phase })
      await this.#runPhase(phase)
    }
    for (const client of [...this.#clients, this.#orders, this.#slow]) client.close()
    say({ kind: 'end' })
  }

  async #runPhase(phase: Phase): Promise<void> {
    const endMs = Date.now() + phase.ms
    const loops = this.#clients.map((client, i) => {
      const random = new Random(this.#options.seed + phase.index * 1000 + i)
      const setting = { phase, limitBytes: this.#options.limitBytes }
      return this.#pipelines(client, new Commands(random, this.#values, setting), {
        endMs,
        phase,
      })
    })
    // Where keys may not be evicted, output goes beyond the limit, as it does in Redis.
    if (!mayRefuse(phase)) loops.push(this.#readSlowly(phase, endMs))
    loops.push(this.#giveOrders(endMs))
    await Promise.all(loops)
  }

  async #pipelines(
    client: RawClient,
    commands: Commands,
    { phase, endMs }: { phase: Phase; endMs: number },
  ): Promise<void> {
    while (Date.now() < endMs) {
      const batch = this.#compose(commands)
      client.write(Buffer.concat(batch.map(({ words }) => encodeCommand(words))))
      if (await this.#receive(client, batch, phase)) await this.#relieve(client)
    }
  }

  /** A pipeline, for one of the databases. */
  #compose(commands: Commands): Command[] {
    const bytesMax = Math.max(BATCH_BYTES_MIN, this.#options.limitBytes * BATCH_SHARE)
    const count = 2 + this.#random.below(PIPELINE_MAX)
    const batch: Command[] = [selectAny(this.#random)]
    let bytes = 0
    while (batch.length < count && bytes < bytesMax) {
      const before = batch.length
      commands.next(batch)
      for (let i = before; i < batch.length; i++) bytes += lengthOf(batch[i]!)
    }
    return batch
  }

  /** Takes the replies to a pipeline; true: some were refused for lack of memory. */
  async #receive(client: RawClient, batch: readonly Command[], phase: Phase): Promise<boolean> {
    let isRefused = false
    for (const command of batch) {
      const reply = await client.receive(REPLY_LIMIT_MS)
      if (reply === null) throw new Error(`closed instead of a reply to ${showCommand(command)}`)
      const fault = faultOf(command, reply, mayRefuse(phase))
      if (fault !== null) {
        const where = `SEED=${this.#options.seed} phase ${phase.index}, ${phase.name}`
        throw new Error(`${where}, ${phase.policy}: ${showCommand(command)}: ${fault}`)
      }
      if (reply.kind === 'error') isRefused = true
    }
    return isRefused
  }

  /** Removes some keys, whatever they are. */
  async #relieve(client: RawClient): Promise<void> {
    for (let i = 0; i < RELIEF_KEYS; i++) client.send('RANDOMKEY')
    const keys: string[] = []
    for (let i = 0; i < RELIEF_KEYS; i++) {
      const reply = await client.receive(REPLY_LIMIT_MS)
      if (reply !== null && reply.kind === 'bulk') keys.push(reply.text)
    }
    if (keys.length > 0) await client.text('UNLINK', ...keys)
  }

  /** Asks for large replies, and reads them late. */
  async #readSlowly(phase: Phase, endMs: number): Promise<void> {
    const client = this.#slow
    if (client === null) return
    const key = 's:slow'
    const value = this.#values.make(key, phase.most, this.#random)
    const bytes = this.#options.limitBytes * SLOW_SHARE
    const count = Math.max(1, Math.min(2000, Math.floor(bytes / value.length)))
    while (Date.now() < endMs) {
      await client.text('SET', key, value)
      client.socket.pause()
      for (let i = 0; i < count; i++) client.send('GET', key)
      await sleep(SLOW_PAUSE_MS)
      client.socket.resume()
      for (let i = 0; i < count; i++) {
        const reply = await client.receive(REPLY_LIMIT_MS)
        // Evicted meanwhile, it is nil; or an older one that SWAPDB has brought back.
        if (reply?.kind === 'nil') continue
        if (reply?.kind === 'bulk' && this.#values.isGenuine(key, reply.text)) continue
        throw new Error(`GET ${key} for a slow reader: ${reply?.text.slice(0, 100)}`)
      }
    }
  }

  async #giveOrders(endMs: number): Promise<void> {
    const random = this.#random
    while (Date.now() < endMs) {
      await sleep(Math.min(ORDER_MS, Math.max(1, endMs - Date.now())))
      const chance = random.below(20)
      if (chance < 6) await this.#order('SWAPDB', anyDatabase(random), anyDatabase(random))
      else if (chance < 8) {
        await this.#order('SELECT', anyDatabase(random))
        await this.#order('FLUSHDB', random.below(2) === 0 ? 'ASYNC' : 'SYNC')
      }
      if (Date.now() - this.#savedMs < this.#options.saveMs) continue
      this.#savedMs = Date.now()
      await this.#order('BGSAVE', 'SCHEDULE')
    }
  }

  async #order(...words: string[]): Promise<void> {
    const reply = await this.#orders?.call(...words)
    if (reply?.text.includes(SAVES_ALREADY)) return
    if (reply?.kind === 'error') throw new Error(`${words.join(' ')}: ${reply.text}`)
  }
}

function anyDatabase(random: Random): string {
  return `${random.below(DATABASES)}`
}

/** About what a command takes on the wire. */
function lengthOf({ words }: Command): number {
  let bytes = 0
  for (const word of words) bytes += word.length
  return bytes
}

function selectAny(random: Random): Command {
  return { words: ['SELECT', anyDatabase(random)], fault: null }
}

function say(message: LoadMessage): void {
  parentPort?.postMessage(message)
}

if (parentPort !== null) {
  new Load(workerData as LoadOptions).run().catch((error: unknown) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    say({ kind: 'fault', text })
  })
}
