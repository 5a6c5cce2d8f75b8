// INFO memory. Order is Redis 7.0's; fields of what does not exist here (scripts, functions,
// cluster links) are there with 0. What is Tidemark's own begins with `tidemark_`, but for the
// reserve of snapshots: it has the names under which exporters know memory that is set aside.

import { type Field, humanBytes } from './info-fields.ts'
import {
  type MemoryFigures,
  memoryFigures,
  netBytes,
  percentOf,
  ratioOf,
} from './memory-figures.ts'
import { LiveSettings } from './persistence-settings.ts'
import type { Server } from './server.ts'

const MS_PER_SECOND = 1000

export function memoryFields(server: Server): Field[] {
  const { keyspace, config } = server
  const figures = memoryFigures(server)
  const { usedBytes, peakBytes, datasetBytes } = figures
  return [
    ...sized('used_memory', usedBytes),
    ...sized('used_memory_rss', figures.rssBytes),
    ...sized('used_memory_peak', peakBytes),
    ['used_memory_peak_time', Math.floor(server.peakMs / MS_PER_SECOND)],
    ['used_memory_peak_perc', percentText(usedBytes, peakBytes)],
    ['used_memory_overhead', figures.overheadBytes],
    ['used_memory_startup', figures.startupBytes],
    ['used_memory_dataset', datasetBytes],
    ['used_memory_dataset_perc', percentText(datasetBytes, netBytes(figures))],
    ['allocator_allocated', figures.allocatedBytes],
    ['allocator_active', figures.activeBytes],
    ['allocator_resident', figures.residentBytes],
    ['tidemark_heap_used', figures.heapUsedBytes],
    ['tidemark_heap_total', figures.heapTotalBytes],
    ...sized('total_system_memory', figures.systemBytes),
    ...scriptMemory(),
    ...sized('maxmemory', config.values.maxmemory),
    ['maxmemory_policy', config.values.maxmemoryPolicy],
    ...reservations(server),
    ...fragmentation(figures),
    ['mem_not_counted_for_evict', server.memory.notCountedBytes],
    ['mem_replication_backlog', figures.backlogBytes],
    ['mem_total_replication_buffers', figures.backlogBytes + figures.replicaBytes],
    ['mem_clients_slaves', figures.replicaBytes],
    ['mem_clients_normal', figures.clientBytes],
    ['mem_cluster_links', 0],
    ['mem_aof_buffer', figures.aofBufferBytes],
    ['mem_allocator', 'arena'],
    ['active_defrag_running', server.defrag.runningPercent],
    ['lazyfree_pending_objects', keyspace.lazyFreePending],
    ['lazyfreed_objects', keyspace.lazyFreed],
  ]
}

/** There are no scripts and no functions. */
function scriptMemory(): Field[] {
  return [
    ['used_memory_lua', 0],
    ['used_memory_vm_eval', 0],
    ['used_memory_lua_human', '0B'],
    ['used_memory_scripts_eval', 0],
    ['number_of_cached_scripts', 0],
    ['number_of_functions', 0],
    ['number_of_libraries', 0],
    ['used_memory_vm_functions', 0],
    ['used_memory_vm_total', 0],
    ['used_memory_vm_total_human', '0B'],
    ['used_memory_functions', 0],
    ['used_memory_scripts', 0],
    ['used_memory_scripts_human', '0B'],
  ]
}

/** Memory set aside for saving, under the names that exporters know. */
function reservations(server: Server): Field[] {
  const reserve = new LiveSettings(server).reserveBytes
  return [
    ['maxmemory_reservation', reserve],
    ['maxmemory_desired_reservation', reserve],
    ['maxfragmentationmemory_reservation', 0],
    ['maxfragmentationmemory_desired_reservation', 0],
  ]
}

function fragmentation(figures: MemoryFigures): Field[] {
  const { allocatedBytes, activeBytes, residentBytes, rssBytes, usedBytes } = figures
  return [
    ['allocator_frag_ratio', ratioText(activeBytes, allocatedBytes)],
    ['allocator_frag_bytes', activeBytes - allocatedBytes],
    ['allocator_rss_ratio', ratioText(residentBytes, activeBytes)],
    ['allocator_rss_bytes', residentBytes - activeBytes],
    ['rss_overhead_ratio', ratioText(rssBytes, residentBytes)],
    ['rss_overhead_bytes', rssBytes - residentBytes],
    ['mem_fragmentation_ratio', ratioText(rssBytes, usedBytes)],
    ['mem_fragmentation_bytes', rssBytes - usedBytes],
  ]
}

function sized(name: string, bytes: number): Field[] {
  return [
    [name, bytes],
    [`${name}_human`, humanBytes(bytes)],
  ]
}

function percentText(part: number, whole: number): string {
  return `${percentOf(part, whole).toFixed(2)}%`
}

function ratioText(part: number, whole: number): string {
  return ratioOf(part, whole).toFixed(2)
}
