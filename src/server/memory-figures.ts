// The figures of memory, taken at one moment: what INFO memory, MEMORY STATS and MEMORY DOCTOR
// show, so that they agree with each other. From the inside outwards, each contains the one before:
//
//   dataset     live records with all that their values own
//   allocated   dataset and index structures, as the arena counts them
//   active      the pages that these lie in: what is above `allocated` are free cells
//   resident    active pages, and free ones that the system still keeps memory for
//   rss         all of the process: code, V8's heap, buffers
//
// `used` is what `maxmemory` limits: allocated, the dicts' directories, buffers of clients, and
// what an open cut holds. What of it is not data is overhead.
//
// Owner: the engine.

import { machineMemory } from '../base/machine.ts'
import { PAGE_BYTES } from '../memory/layout.ts'
import { PageTable } from '../memory/page-table.ts'
import type { Server } from './server.ts'

export interface DatabaseFigures {
  readonly id: number
  /** Bytes of the dict, and of the lists of what expires. */
  readonly mainBytes: number
  readonly expiresBytes: number
}

export interface MemoryFigures {
  readonly usedBytes: number
  readonly peakBytes: number
  /** `used` of the empty server. */
  readonly startupBytes: number
  readonly datasetBytes: number
  readonly overheadBytes: number
  readonly keyCount: number
  /** Buffers of clients that are no replicas. */
  readonly clientBytes: number
  /** Buffers of replicas. */
  readonly replicaBytes: number
  /** The recent replication stream; written commands that are not yet with the disk. */
  readonly backlogBytes: number
  readonly aofBufferBytes: number
  /** Pages that an open cut has copied aside. */
  readonly savingBytes: number
  readonly allocatedBytes: number
  readonly activeBytes: number
  readonly residentBytes: number
  readonly rssBytes: number
  /** V8's heap of the engine thread. */
  readonly heapUsedBytes: number
  readonly heapTotalBytes: number
  /** What there is for this process: the machine's memory, or its control group's. */
  readonly systemBytes: number
  /** Databases that have keys. */
  readonly databases: readonly DatabaseFigures[]
}

/** The figures of now. O(clients + databases). */
export function memoryFigures(server: Server): MemoryFigures {
  const { keyspace, statistics, clients, primary } = server
  const { arena } = keyspace
  const usedBytes = server.usedBytes()
  const { datasetBytes } = arena
  const { rss, heapUsed, heapTotal } = process.memoryUsage()
  const rowBytes = PageTable.bytesFor(arena.pool.pagesUsed)
  const activeBytes = arena.pool.pagesUsed * PAGE_BYTES + rowBytes
  return {
    usedBytes,
    peakBytes: statistics.peakBytes,
    startupBytes: server.startupBytes,
    datasetBytes,
    overheadBytes: usedBytes - datasetBytes,
    keyCount: keyspace.size,
    clientBytes: clients.memory.clientBytes,
    replicaBytes: clients.memory.replicaBytes + primary.excessBytes,
    backlogBytes: primary.bufferBytes - primary.excessBytes,
    aofBufferBytes: server.aof?.log.writer.heldBytes ?? 0,
    savingBytes: server.savingBytes,
    allocatedBytes: arena.usedBytes,
    activeBytes,
    residentBytes: activeBytes + arena.pool.pagesDirty * PAGE_BYTES,
    rssBytes: rss,
    heapUsedBytes: heapUsed,
    heapTotalBytes: heapTotal,
    systemBytes: machineMemory(server.disk).totalBytes,
    databases: databaseFigures(server),
  }
}

/** Bytes of all data above the empty server, at least 1: what shares are shares of. */
export function netBytes({ usedBytes, startupBytes }: MemoryFigures): number {
  return Math.max(1, usedBytes - startupBytes)
}

/** `part` in percent of `whole`. */
export function percentOf(part: number, whole: number): number {
  return (part / Math.max(1, whole)) * 100
}

/** How many times as large as `whole` the larger `part` is; 1 when there is neither. */
export function ratioOf(part: number, whole: number): number {
  return whole === 0 && part === 0 ? 1 : part / Math.max(1, whole)
}

function databaseFigures({ keyspace }: Server): DatabaseFigures[] {
  return keyspace.databases
    .filter(({ size }) => size > 0)
    .map(({ id, dict, deadlines, fieldDeadlines }) => ({
      id,
      mainBytes: dict.bytes,
      expiresBytes: deadlines.bytes + fieldDeadlines.bytes,
    }))
}
