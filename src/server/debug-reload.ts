// DEBUG RELOAD: the data to the file and back, on the spot. What comes back must be what was there:
// test suites run it between two looks at the same data.

import { ErrorCode, StoreError } from '../base/errors.ts'
import type { Context } from '../command/command.ts'
import { damageLine } from '../persist/damage.ts'
import { type Args, word } from '../resp/args.ts'
import { replyError } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { serverContext } from './server.ts'

const NOSAVE = word('nosave')
const NOFLUSH = word('noflush')
const MERGE = word('merge')
const BAD_OPTION = replyError(
  'ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.',
)
const SAVE_FAILED = replyError('ERR Error trying to save the DB, check server logs.')
const LOAD_FAILED = replyError('ERR Error trying to load the RDB dump, check server logs.')
const NO_PERSISTENCE = replyError('ERR This server has no persistence')

/** DEBUG RELOAD [NOSAVE] [NOFLUSH] [MERGE]. Blocks until it is done. O(n). */
export function reload(context: Context, args: Args, reply: Reply): void {
  let isSaveWanted = true
  let isFlushWanted = true
  let mayOverwrite = false
  for (let i = 2; i < args.count; i++) {
    if (args.is(i, NOSAVE)) isSaveWanted = false
    else if (args.is(i, NOFLUSH)) isFlushWanted = false
    else if (args.is(i, MERGE)) mayOverwrite = true
    else return reply.error(BAD_OPTION)
  }
  const { server, keyspace } = serverContext(context)
  const { persistence, log } = server
  const { observer } = context
  if (persistence === null) return reply.error(NO_PERSISTENCE)
  persistence.abort()
  if (isSaveWanted && persistence.save() !== null) return reply.error(SAVE_FAILED)
  if (isFlushWanted) {
    for (const database of keyspace.databases) {
      if (observer.isOn) observer.noteFlush(database)
      keyspace.flush(database)
    }
    keyspace.reclaimAll()
  }
  keyspace.isExpiryOn = false
  try {
    persistence.loadNow({ mayOverwrite })
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    const isDamage = error.code === ErrorCode.RdbCorrupt
    log.warning(`DEBUG RELOAD failed: ${isDamage ? damageLine(error.message) : error.message}`)
    return reply.error(LOAD_FAILED)
  } finally {
    keyspace.isExpiryOn = true
  }
  log.warning('DB reloaded by DEBUG RELOAD')
  reply.ok()
}
