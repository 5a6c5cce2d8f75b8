// INFO: sections of lines `name:value`. Tools parse it, so names, order, units and the words `ok`
// and `err` are Redis 7.0's; fields of things that do not exist here (cluster, scripts, child
// processes) are there with 0. What is Tidemark's own begins with `tidemark_` or `snapshot_`.

import {
  clientFields,
  clusterFields,
  cpuFields,
  type Field,
  keyspaceFields,
  replicationFields,
  serverFields,
  statsFields,
} from './info-fields.ts'
import { memoryFields } from './info-memory.ts'
import { persistenceFields } from './info-persistence.ts'
import { commandFields, errorFields, latencyFields } from './info-statistics.ts'
import type { Server } from './server.ts'

interface Section {
  readonly name: string
  readonly title: string
  /** In INFO without arguments. */
  readonly isDefault: boolean
  readonly fields: (server: Server) => readonly Field[]
}

const SECTIONS: readonly Section[] = [
  section('server', 'Server', serverFields),
  section('clients', 'Clients', clientFields),
  section('memory', 'Memory', memoryFields),
  section('persistence', 'Persistence', persistenceFields),
  section('stats', 'Stats', statsFields),
  section('replication', 'Replication', replicationFields),
  section('cpu', 'CPU', cpuFields),
  section('modules', 'Modules', () => []),
  { ...section('commandstats', 'Commandstats', commandFields), isDefault: false },
  section('errorstats', 'Errorstats', errorFields),
  { ...section('latencystats', 'Latencystats', latencyFields), isDefault: false },
  section('cluster', 'Cluster', clusterFields),
  section('keyspace', 'Keyspace', keyspaceFields),
]

/** The text for sections named in any case; without names, the default ones. */
export function formatInfo(server: Server, names: readonly string[]): string {
  const wanted = new Set(names.map((name) => name.toLowerCase()))
  if (wanted.size === 0) wanted.add('default')
  const texts: string[] = []
  for (const each of SECTIONS) {
    const isWanted =
      wanted.has(each.name) ||
      wanted.has('everything') ||
      wanted.has('all') ||
      (wanted.has('default') && each.isDefault)
    if (!isWanted) continue
    const lines = each.fields(server).map(([name, value]) => `${name}:${value}\r\n`)
    texts.push(`# ${each.title}\r\n${lines.join('')}`)
  }
  return texts.join('\r\n')
}

function section(name: string, title: string, fields: Section['fields']): Section {
  return { name, title, isDefault: true, fields }
}
