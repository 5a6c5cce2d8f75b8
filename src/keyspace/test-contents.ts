// For tests: what a keyspace holds, as plain values to compare with what another holds or held:
// after a save and a load, or at the instant of a cut. Records past their deadline count as held,
// as a snapshot has them too.

import { Slice } from '../base/slice.ts'
import type { Keyspace } from './keyspace.ts'

/** For each database, its keys with deadline and value in one text. */
export function contentsOf(keyspace: Keyspace): Map<string, string>[] {
  const out = new Slice()
  return keyspace.databases.map((database) => {
    const map = new Map<string, string>()
    database.each((record) => {
      const key = database.readKey(record, out).toLatin1()
      const deadline = database.deadlineOf(record)
      map.set(key, `${deadline} ${database.readString(record, out).toLatin1()}`)
    })
    return map
  })
}
