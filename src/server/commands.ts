// All commands of the server, in families. A new family is one line here; the order is that of
// COMMAND.

import { assert } from '../base/assert.ts'
import { bitmapCommands } from '../command/bitmap.ts'
import type { Command, Context } from '../command/command.ts'
import { databaseCommands } from '../command/database.ts'
import { geoCommands } from '../command/geo.ts'
import { hashCommands } from '../command/hash.ts'
import { hashExpireCommands } from '../command/hash-expire.ts'
import { hyperloglogCommands } from '../command/hyperloglog.ts'
import { keyCommands } from '../command/key.ts'
import { listCommands } from '../command/list.ts'
import { setCommands } from '../command/set.ts'
import { sortCommands } from '../command/sort.ts'
import { SORT_TYPES } from '../command/sort-types.ts'
import { streamCommands } from '../command/stream.ts'
import { stringCommands } from '../command/string.ts'
import { zsetCommands } from '../command/zset.ts'
import { persistCommands } from '../persist/commands.ts'
import { dumpCommands } from '../persist/dump.ts'
import type { Persistence } from '../persist/persistence.ts'
import { aofCommands } from './aof-commands.ts'
import { clientCommands } from './client-commands.ts'
import { commandCommands } from './command-commands.ts'
import { configCommands } from './config-commands.ts'
import { connectionCommands } from './connection-commands.ts'
import { debugCommands } from './debug-commands.ts'
import { latencyCommands } from './latency-commands.ts'
import { memoryCommands } from './memory-commands.ts'
import { migrateCommands } from './migrate-command.ts'
import { monitorCommands } from './monitor-commands.ts'
import { pubsubCommands } from './pubsub-commands.ts'
import { replicationCommands } from './replication-commands.ts'
import { serverContext } from './server.ts'
import { serverCommands } from './server-commands.ts'
import { snapshotCommands } from './snapshot-commands.ts'
import { transactionCommands } from './transaction-commands.ts'
import { waitCommands } from './wait-command.ts'

export const allCommands: readonly (readonly Command[])[] = [
  stringCommands,
  bitmapCommands,
  listCommands,
  setCommands,
  hashCommands,
  hashExpireCommands,
  zsetCommands,
  geoCommands,
  streamCommands,
  sortCommands(SORT_TYPES),
  hyperloglogCommands,
  keyCommands,
  dumpCommands,
  databaseCommands,
  transactionCommands,
  connectionCommands,
  waitCommands,
  replicationCommands,
  migrateCommands,
  clientCommands,
  pubsubCommands,
  monitorCommands,
  serverCommands,
  memoryCommands,
  latencyCommands,
  configCommands,
  commandCommands,
  debugCommands,
  persistCommands({
    persistenceOf,
    isExecuting: (context) => serverContext(context).client.isExecuting,
  }),
  snapshotCommands,
  aofCommands,
]

/** The names of all commands, without subcommands. */
export function commandNames(): ReadonlySet<string> {
  return new Set(allCommands.flat().map(({ name }) => name))
}

function persistenceOf(context: Context): Persistence {
  const { persistence } = serverContext(context).server
  assert(persistence !== null, 'a server that takes SAVE has a disk')
  return persistence
}
