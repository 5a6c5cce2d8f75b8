// Rows of the configuration: memory, encodings, expiry, snapshots, the append only file.
//
// What a row holds is said in config-table-general.ts. `snapshot-reserve`, `snapshot-method` and
// `snapshot-stall-timeout` are Tidemark's own: how much memory a snapshot may take for pages that
// change, who takes it, and how long it may stand still while writers wait. `reserved-memory` and
// `reserved-memory-percent` are the same reserve as parameter groups of ElastiCache have it.
// The test hooks at the end of the snapshot's rows are hidden, as in Redis.
// biome-ignore-all format: rows of a table.

import { savePoints } from './config-forms.ts'
import {
  DEFRAG_BY_SLABS,
  NO_JEMALLOC,
  NO_LIST_COMPRESSION,
  NO_REHASH,
  NO_SANITIZE,
} from './config-notices.ts'
import {
  boolean,
  bytes,
  bytesOrPercent,
  bytesOrShare,
  INT_MAX,
  INT_MIN,
  integer,
  text,
  words,
} from './config-row.ts'
import { I64_MAX, U64_MAX } from './config-text.ts'
import { POLICIES } from './eviction-policy.ts'

const KIB = 1024
const MIB = 1024 * KIB

export const memoryRows = {
  maxmemory: bytesOrShare({
    default: 0, min: 0, max: U64_MAX, mutable: true,
    doc: 'Bytes that data and buffers may take, or percent of the memory there is; 0 is no limit.',
  }),
  'maxmemory-policy': words({
    values: POLICIES, default: 'noeviction', mutable: true,
    doc: 'Which keys are evicted when `maxmemory` is reached.',
  }),
  'maxmemory-samples': integer({
    default: 5, min: 1, max: INT_MAX, mutable: true,
    doc: 'Keys looked at to find one to evict.',
  }),
  'maxmemory-eviction-tenacity': integer({
    default: 10, min: 0, max: 100, mutable: true,
    doc: 'How much time eviction may take: 0 least delay, 100 no regard to delay.',
  }),
  'lfu-log-factor': integer({
    default: 10, min: 0, max: INT_MAX, mutable: true,
    doc: 'How slowly the counter of accesses grows.',
  }),
  'lfu-decay-time': integer({
    default: 1, min: 0, max: INT_MAX, mutable: true,
    doc: 'Minutes after which the counter of accesses is lowered.',
  }),
  'lazyfree-lazy-eviction': boolean({
    default: false, mutable: true,
    doc: 'Free evicted values in the background, all but small ones.',
  }),
  'lazyfree-lazy-expire': boolean({
    default: false, mutable: true,
    doc: 'Free expired values in the background, all but small ones.',
  }),
  'lazyfree-lazy-server-del': boolean({
    default: false, mutable: true,
    doc: 'Free values that a command replaces in the background, all but small ones.',
  }),
  'lazyfree-lazy-user-del': boolean({
    default: false, mutable: true,
    doc: 'Let DEL act as UNLINK: free in the background what it could free before it answers.',
  }),
  'lazyfree-lazy-user-flush': boolean({
    default: false, mutable: true,
    doc: 'Let FLUSHALL and FLUSHDB act as with ASYNC.',
  }),
  'active-expire-effort': integer({
    default: 1, min: 1, max: 10, mutable: true,
    doc: 'How much time finding expired keys may take, from 1 to 10.',
  }),
  activerehashing: boolean({
    default: true, mutable: true, notice: NO_REHASH,
    doc: 'Spend a little time per second on rehashing the dict.',
  }),
  'jemalloc-bg-thread': boolean({
    default: true, mutable: true, notice: NO_JEMALLOC,
    doc: 'Let the allocator return memory in the background.',
  }),
} as const

export const defragRows = {
  activedefrag: boolean({
    default: false, mutable: true,
    doc: 'Move values together while the server runs, so that memory they left goes back.',
  }),
  'active-defrag-ignore-bytes': bytes({
    default: 100 * MIB, min: 1, max: I64_MAX, mutable: true,
    doc: 'Wasted bytes below which nothing is moved.',
  }),
  'active-defrag-threshold-lower': integer({
    default: 10, min: 0, max: 1000, mutable: true,
    doc: 'Percent of waste at which moving starts.',
  }),
  'active-defrag-threshold-upper': integer({
    default: 100, min: 0, max: 1000, mutable: true,
    doc: 'Percent of waste at which most effort is made.',
  }),
  'active-defrag-cycle-min': integer({
    default: 1, min: 1, max: 99, mutable: true,
    doc: 'Percent of processor time at the lower threshold.',
  }),
  'active-defrag-cycle-max': integer({
    default: 25, min: 1, max: 99, mutable: true,
    doc: 'Percent of processor time at the upper threshold.',
  }),
  'active-defrag-max-scan-fields': integer({
    default: 1000, min: 1, max: I64_MAX, mutable: true, notice: DEFRAG_BY_SLABS,
    doc: 'Elements of a collection handled in one step.',
  }),
} as const

export const encodingRows = {
  'hash-max-listpack-entries': integer({
    default: 512, min: 0, max: I64_MAX, alias: 'hash-max-ziplist-entries', mutable: true,
    doc: 'Fields up to which a hash is kept packed.',
  }),
  'hash-max-listpack-value': bytes({
    default: 64, min: 0, max: I64_MAX, alias: 'hash-max-ziplist-value', mutable: true,
    doc: 'Size of the largest field or value in a packed hash.',
  }),
  'list-max-listpack-size': integer({
    default: -2, min: INT_MIN, max: INT_MAX, alias: 'list-max-ziplist-size', mutable: true,
    doc: 'Size up to which a list is kept in its record: elements, or -1 to -5: 4 to 64 KiB.',
  }),
  'list-compress-depth': integer({
    default: 0, min: 0, max: INT_MAX, mutable: true, notice: NO_LIST_COMPRESSION,
    doc: 'Chunks at both ends of a list that are not compressed; 0 compresses none.',
  }),
  'set-max-intset-entries': integer({
    default: 512, min: 0, max: I64_MAX, mutable: true,
    doc: 'Integers up to which a set is kept as a sorted array.',
  }),
  'zset-max-listpack-entries': integer({
    default: 128, min: 0, max: I64_MAX, alias: 'zset-max-ziplist-entries', mutable: true,
    doc: 'Members up to which a sorted set is kept packed.',
  }),
  'zset-max-listpack-value': bytes({
    default: 64, min: 0, max: I64_MAX, alias: 'zset-max-ziplist-value', mutable: true,
    doc: 'Size of the largest member in a packed sorted set.',
  }),
  'hll-sparse-max-bytes': bytes({
    default: 3000, min: 0, max: I64_MAX, mutable: true,
    doc: 'Size up to which a HyperLogLog is kept sparse.',
  }),
  'stream-node-max-bytes': bytes({
    default: 4 * KIB, min: 0, max: I64_MAX, mutable: true,
    doc: 'Size of a chunk of a stream; 0 is no limit.',
  }),
  'stream-node-max-entries': integer({
    default: 100, min: 0, max: I64_MAX, mutable: true,
    doc: 'Entries of a chunk of a stream; 0 is no limit.',
  }),
} as const

export const snapshotRows = {
  save: savePoints({
    default: '3600 1 300 100 60 10000', mutable: true,
    doc: 'Save after that many seconds if at least that many keys changed; `""` never.',
  }),
  dbfilename: text({
    default: 'dump.rdb', mutable: true, guarded: true,
    check: (value) =>
      value.includes('/') ? "dbfilename can't be a path, just a filename" : null,
    doc: 'File of the snapshot, in `dir`.',
  }),
  rdbcompression: boolean({
    default: true, mutable: true,
    doc: 'Compress strings in the snapshot with LZF.',
  }),
  rdbchecksum: boolean({
    default: true,
    doc: 'Write and check a CRC-64 over the snapshot.',
  }),
  'stop-writes-on-bgsave-error': boolean({
    default: true, mutable: true,
    doc: 'Refuse writes while the last save failed.',
  }),
  'rdb-save-incremental-fsync': boolean({
    default: true, mutable: true,
    doc: 'Bring the snapshot to disk in small portions while it is written.',
  }),
  'snapshot-reserve': bytesOrPercent({
    default: 'auto', min: 1 * MIB, max: I64_MAX, mutable: true,
    doc:
      'Memory for pages that change while a snapshot is taken, or percent of the dataset; ' +
      'auto: 2 % of the dataset, at least 32 MiB.',
  }),
  'reserved-memory': bytes({
    default: 0, min: 0, max: I64_MAX, mutable: true,
    doc: "ElastiCache's name for the size of `snapshot-reserve`, used while it is auto; 0: unset.",
  }),
  'reserved-memory-percent': integer({
    default: 0, min: 0, max: 100, mutable: true,
    doc:
      'The same in percent of `maxmemory` (of the dataset without one), used while both are ' +
      'unset; 0: unset.',
  }),
  'snapshot-stall-timeout': integer({
    default: 60, min: 0, max: INT_MAX, mutable: true,
    doc:
      'Seconds: a snapshot whose sink takes nothing for so long is given up when writers wait ' +
      'for it; 0: never.',
  }),
  'snapshot-method': words({
    values: ['auto', 'background', 'cooperative'], default: 'auto', mutable: true,
    doc: 'Who takes snapshots: a thread of its own, or the engine in slices; auto chooses.',
  }),
  'sanitize-dump-payload': words({
    values: ['no', 'yes', 'clients'], default: 'no', mutable: true, notice: NO_SANITIZE,
    doc: 'Whether packed values in payloads and files are checked before use.',
  }),
  'rdb-key-save-delay': integer({
    default: 0, min: INT_MIN, max: INT_MAX, mutable: true, hidden: true,
    doc: 'For tests: microseconds to wait after each key saved; negative: keys per microsecond.',
  }),
  'key-load-delay': integer({
    default: 0, min: INT_MIN, max: INT_MAX, mutable: true, hidden: true,
    doc: 'For tests: microseconds to wait after each key loaded; negative: keys per microsecond.',
  }),
  'loading-process-events-interval-bytes': integer({
    default: 2 * MIB, min: 1024, max: INT_MAX, mutable: true, hidden: true,
    doc: 'Bytes loaded between two looks at the sockets.',
  }),
} as const

export const aofRows = {
  appendonly: boolean({
    default: false, mutable: true, deniedLoading: true,
    doc: 'Log every write, so that nothing is lost between snapshots.',
  }),
  appendfilename: text({
    default: 'appendonly.aof', check: checkAofName,
    doc: 'Beginning of the names of the append only files.',
  }),
  appenddirname: text({
    default: 'appendonlydir', check: checkAofDirectory,
    doc: 'Directory of the append only files, in `dir`.',
  }),
  appendfsync: words({
    values: ['everysec', 'always', 'no'], default: 'everysec', mutable: true,
    doc: 'When the append only file is brought to disk.',
  }),
  'no-appendfsync-on-rewrite': boolean({
    default: false, mutable: true,
    doc: 'Do not bring it to disk while a save or rewrite runs.',
  }),
  'auto-aof-rewrite-percentage': integer({
    default: 100, min: 0, max: INT_MAX, mutable: true,
    doc: 'Growth in percent at which the append only file is rewritten; 0 never.',
  }),
  'auto-aof-rewrite-min-size': bytes({
    default: 64 * MIB, min: 0, max: I64_MAX, mutable: true,
    doc: 'Size below which it is not rewritten.',
  }),
  'aof-load-truncated': boolean({
    default: true, mutable: true,
    doc: 'Load a file whose last command is cut off.',
  }),
  'aof-use-rdb-preamble': boolean({
    default: true, mutable: true,
    doc: 'Write the base of the append only file as RDB.',
  }),
  'aof-timestamp-enabled': boolean({
    default: false, mutable: true,
    doc: 'Write times into the append only file, for restoring a moment.',
  }),
  'aof-rewrite-incremental-fsync': boolean({
    default: true, mutable: true,
    doc: 'Bring the rewritten file to disk in small portions.',
  }),
  'aof-disable-auto-gc': boolean({
    default: false, mutable: true,
    doc: 'Keep files that are no longer part of the append only file.',
  }),
} as const

function checkAofName(value: string): string | null {
  if (value === '') return "appendfilename can't be empty"
  return value.includes('/') ? "appendfilename can't be a path, just a filename" : null
}

function checkAofDirectory(value: string): string | null {
  if (value === '') return "appenddirname can't be empty"
  return value.includes('/') ? "appenddirname can't be a path, just a dirname" : null
}
