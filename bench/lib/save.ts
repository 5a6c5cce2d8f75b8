// A background save watched from outside, as any client would: BGSAVE, then INFO until it is over.
// Redis looks after its child in a timer ten times a second, so that up to 100 ms of a duration
// are waiting; that is what its clients see, and it is left in.

import { statSync } from 'node:fs'
import type { RunningServer } from './server.ts'
import { machineMs, sleep } from './time.ts'

export interface Save {
  /** Machine time just before BGSAVE was sent. */
  readonly startMs: number
  /** Machine time at which the save was seen to be over. */
  readonly endMs: number
  /** `rdb_last_cow_size`: what the server itself says the save took in memory. */
  readonly reportedCowBytes: number
  /** `latest_fork_usec`: the freeze at the start, by the server's own account. */
  readonly freezeUs: number
}

const SAVE_LIMIT_MS = 120_000

/** Runs BGSAVE to its end, looking every `pollMs`. Throws when the save fails. */
export async function backgroundSave(server: RunningServer, pollMs: number): Promise<Save> {
  const inodeBefore = inodeOf(server.rdbPath)
  const startMs = machineMs()
  await server.client.call(['BGSAVE'])
  let info = await server.client.info('persistence')
  while (info.get('rdb_bgsave_in_progress') !== '0') {
    if (machineMs() - startMs > SAVE_LIMIT_MS) throw new Error('BGSAVE: no end in sight')
    await sleep(pollMs)
    info = await server.client.info('persistence')
  }
  const endMs = machineMs()
  const status = info.get('rdb_last_bgsave_status')
  if (status !== 'ok') throw new Error(`BGSAVE: rdb_last_bgsave_status is ${status}, expected ok`)
  // A server that says it is done must have put a new file in place.
  if (inodeOf(server.rdbPath) === inodeBefore) throw new Error('BGSAVE: no new RDB file')
  const stats = await server.client.info('stats')
  return {
    startMs,
    endMs,
    reportedCowBytes: Number(info.get('rdb_last_cow_size') ?? 0),
    freezeUs: Number(stats.get('latest_fork_usec') ?? 0),
  }
}

/** The inode of a file, 0 when there is none. A replaced file has another one. */
function inodeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? 0
}
