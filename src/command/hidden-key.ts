// A value that is made whole before the key it is meant for changes (RESTORE, SORT … STORE) lies
// under a key of its own meanwhile, which is announced to nobody and gone when the command is over.

import type { Slice } from '../base/slice.ts'
import type { Database } from '../keyspace/database.ts'
import { NULL } from '../memory/layout.ts'

const PREFIX = '\0hidden:'

/** Points `out` at a key that nobody uses; it is the last that was looked up in `db`. */
export function chooseHiddenKey(db: Database, out: Slice): Slice {
  for (let i = 0; ; i++) {
    const name = Buffer.from(`${PREFIX}${i}`, 'latin1')
    if (db.peek(out.set(name, 0, name.length)) === NULL) return out
  }
}

/** Removes what there is under a hidden key, after the making of its value has failed. */
export function dropHidden(db: Database, key: Slice): void {
  const record = db.peek(key)
  if (record !== NULL) db.remove(record)
}
