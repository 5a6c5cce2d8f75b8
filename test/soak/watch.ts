// Looks at a server from outside while others load it: its resident set from /proc every RSS_MS,
// its own figures every INFO_MS, and how long a PING waits, one every PING_MS. What was highest is
// kept for each phase.
//
// A wait is what the watcher sees; its own thread does nothing else, but shares the machine.

import { rssBytes } from '../../bench/lib/proc.ts'
import { machineMs, sleep } from '../../bench/lib/time.ts'
import type { RawClient } from '../lib/client.ts'
import type { TestServer } from '../lib/server.ts'

const RSS_MS = 20
const INFO_MS = 100
const PING_MS = 10

export type Figures = ReadonlyMap<string, number>

/** The highest of everything that was seen in a span of time, and INFO at its begin and end. */
export interface Peaks {
  first: Figures | null
  last: Figures | null
  rssBytes: number
  usedBytes: number
  reserveBytes: number
  reserveUsedBytes: number
  pingMs: number
}

export class Watch {
  readonly #server: TestServer
  readonly #info: RawClient
  readonly #ping: RawClient
  readonly #done: Promise<unknown>
  /** Rejects when the server cannot be watched any more; else it never settles. */
  readonly failed: Promise<never>
  #isStopped = false
  #peaks = noPeaks()

  private constructor(server: TestServer, info: RawClient, ping: RawClient) {
    this.#server = server
    this.#info = info
    this.#ping = ping
    this.#done = Promise.all([this.#watchRss(), this.#watchInfo(), this.#watchPings()])
    this.failed = new Promise((_, reject) => {
      this.#done.catch(reject)
    })
    this.failed.catch(() => {})
  }

  static async start(server: TestServer): Promise<Watch> {
    return new Watch(server, await server.connect(), await server.connect())
  }

  /** Peaks of what follows are kept apart; returns where they will be. */
  begin(): Peaks {
    this.#peaks = noPeaks()
    return this.#peaks
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    try {
      await this.#done
    } finally {
      this.#info.close()
      this.#ping.close()
    }
  }

  async #watchRss(): Promise<void> {
    while (!this.#isStopped) {
      this.#peaks.rssBytes = Math.max(this.#peaks.rssBytes, rssOf(this.#server))
      await sleep(RSS_MS)
    }
  }

  async #watchInfo(): Promise<void> {
    while (!this.#isStopped) {
      const peaks = this.#peaks
      const figures = await figuresOf(this.#info)
      const { usedBytes, reserveBytes, reserveUsedBytes } = peaks
      peaks.first ??= figures
      peaks.last = figures
      peaks.usedBytes = Math.max(usedBytes, figure(figures, 'used_memory'))
      peaks.reserveBytes = Math.max(reserveBytes, figure(figures, 'maxmemory_reservation'))
      const used = figure(figures, 'snapshot_reserve_peak_bytes')
      peaks.reserveUsedBytes = Math.max(reserveUsedBytes, used)
      await sleep(INFO_MS)
    }
  }

  async #watchPings(): Promise<void> {
    while (!this.#isStopped) {
      const peaks = this.#peaks
      const startMs = machineMs()
      this.#ping.send('PING')
      const reply = await this.#ping.receive(60_000)
      if (reply?.text !== 'PONG') throw new Error(`PING: ${reply?.text ?? 'closed'}`)
      peaks.pingMs = Math.max(peaks.pingMs, machineMs() - startMs)
      await sleep(PING_MS)
    }
  }
}

/** Resident bytes of a server. */
export function rssOf({ child }: TestServer): number {
  return rssBytes(child.pid ?? 0)
}

/** All numbers of INFO. */
export async function figuresOf(client: RawClient): Promise<Figures> {
  const figures = new Map<string, number>()
  for (const line of (await client.text('INFO', 'everything')).split('\r\n')) {
    const colon = line.indexOf(':')
    const value = Number(line.slice(colon + 1))
    if (colon > 0 && Number.isFinite(value)) figures.set(line.slice(0, colon), value)
  }
  return figures
}

/** A number of INFO; throws when there is none of that name. */
export function figure(figures: Figures, name: string): number {
  const value = figures.get(name)
  if (value === undefined) throw new Error(`INFO has no number ${name}`)
  return value
}

/** How far a counter of INFO went meanwhile. */
export function advanceOf({ first, last }: Peaks, name: string): number {
  return first === null || last === null ? 0 : figure(last, name) - figure(first, name)
}

function noPeaks(): Peaks {
  return {
    first: null,
    last: null,
    rssBytes: 0,
    usedBytes: 0,
    reserveBytes: 0,
    reserveUsedBytes: 0,
    pingMs: 0,
  }
}
