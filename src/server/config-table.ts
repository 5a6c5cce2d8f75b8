// All configuration parameters: Redis 7.0's and Tidemark's own. The rows stand in the files
// config-table-*.ts by subject; everything else follows from them: the type of `Config.values`,
// CONFIG GET, SET and REWRITE, the parser, docs/configuration.md.
// Directives that are no parameters (`include`, `rename-command`, …) are in config-load.ts.

import type { Row } from './config-row.ts'
import { aofRows, defragRows, encodingRows, memoryRows, snapshotRows } from './config-table-data.ts'
import {
  clientRows,
  generalRows,
  logRows,
  networkRows,
  securityRows,
  shutdownRows,
} from './config-table-general.ts'
import { clusterRows, replicationRows, tlsRows } from './config-table-remote.ts'

/** The rows in sections, in the order of the documentation. */
export const configSections = [
  { title: 'Network', rows: networkRows },
  { title: 'General', rows: generalRows },
  { title: 'Clients', rows: clientRows },
  { title: 'Security', rows: securityRows },
  { title: 'Log and latency', rows: logRows },
  { title: 'Shutdown', rows: shutdownRows },
  { title: 'Memory', rows: memoryRows },
  { title: 'Snapshots', rows: snapshotRows },
  { title: 'Append only file', rows: aofRows },
  { title: 'Encodings', rows: encodingRows },
  { title: 'Replication', rows: replicationRows },
  { title: 'Cluster', rows: clusterRows },
  { title: 'TLS', rows: tlsRows },
  { title: 'Defragmentation', rows: defragRows },
] as const

export const configTable = {
  ...networkRows,
  ...generalRows,
  ...clientRows,
  ...securityRows,
  ...logRows,
  ...shutdownRows,
  ...memoryRows,
  ...snapshotRows,
  ...aofRows,
  ...encodingRows,
  ...replicationRows,
  ...clusterRows,
  ...tlsRows,
  ...defragRows,
} as const

type Table = typeof configTable

/** The name of a parameter, as redis.conf has it; not an alias. */
export type ConfigName = keyof Table

/** `repl-backlog-size` → `replBacklogSize`, `server_cpulist` → `serverCpulist`. */
type CamelCase<S extends string> = S extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : S extends `${infer Head}_${infer Tail}`
    ? `${Head}${Capitalize<CamelCase<Tail>>}`
    : S

/** A value per parameter, under its name in camel case, with the type that its row gives. */
export type ConfigValues = {
  -readonly [Name in ConfigName as CamelCase<Name>]: Table[Name] extends Row<infer T> ? T : never
}

/** A parameter found by one of its names. */
export interface Entry {
  /** The parameter's own name. */
  readonly name: ConfigName
  /** The name by which it was found, in lower case: its own or its alias. */
  readonly shown: string
  /** Its key in `ConfigValues`. */
  readonly key: keyof ConfigValues
  readonly row: Row<unknown>
}

/** Entries by name and alias, in the order of the table. */
export const configIndex: ReadonlyMap<string, Entry> = buildIndex()

/** The parameters, without aliases, in the order of the table. */
export const configEntries: readonly Entry[] = [...configIndex.values()].filter(
  (entry) => entry.shown === entry.name,
)

/** The entry for a name or alias in any case. */
export function findEntry(name: string): Entry | null {
  return configIndex.get(name.toLowerCase()) ?? null
}

function buildIndex(): Map<string, Entry> {
  const index = new Map<string, Entry>()
  for (const name of Object.keys(configTable) as ConfigName[]) {
    // Rows differ in the type of their values; from here on each value stays with its own row.
    const row = configTable[name] as Row<unknown>
    const key = camelCase(name) as keyof ConfigValues
    index.set(name, { name, shown: name, key, row })
    if (row.alias !== undefined) index.set(row.alias, { name, shown: row.alias, key, row })
  }
  return index
}

function camelCase(name: string): string {
  return name.replace(/[-_]([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
