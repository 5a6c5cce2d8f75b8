// A background save watched from outside, as any client would: BGSAVE, then INFO until it is over.
// Redis looks after its child in a timer ten times a second, so that up to 100 ms of a duration
// are waiting; that is what its clients see, and it is left in.
//
// How it ends is one of `OUTCOMES`. A server that says it has saved must have put a new file in
// place: anything else is an error of the run, not an outcome.

import { statSync } from 'node:fs'
import { ServerError } from './client.ts'
import type { RunningServer } from './server.ts'
import { machineMs, sleep } from './time.ts'

export interface Save {
  /** Machine time just before BGSAVE was sent. */
  readonly startMs: number
  /** Machine time at which the save was seen to be over. */
  readonly endMs: number
  /** How long the reply to BGSAVE took: the save's beginning, as its client sees it. */
  readonly replyMs: number
  /** `rdb_last_cow_size`: what the server itself says the save took in memory. */
  readonly reportedCowBytes: number
  /** `latest_fork_usec`: the freeze at the start, by the server's own account. */
  readonly freezeUs: number
  /** Names of the methods that were seen at work, in order; none for redis-server. */
  readonly methods: readonly string[]
  /** Why the server chose the first of them. */
  readonly choice: string
}

/** Best first. */
export const OUTCOMES = ['saved', 'failed', 'refused', 'child killed', 'server killed'] as const
export type Outcome = (typeof OUTCOMES)[number]

export interface Attempt extends Save {
  readonly outcome: Outcome
  /** Why it is not `saved`. */
  readonly reason: string
}

const SAVE_LIMIT_MS = 600_000
const EXIT_MS = 500

/** Runs BGSAVE to its end, looking every `pollMs`. Throws when the save fails. */
export async function backgroundSave(server: RunningServer, pollMs: number): Promise<Save> {
  const attempt = await attemptSave(server, pollMs)
  if (attempt.outcome !== 'saved') throw new Error(`BGSAVE: ${attempt.outcome}: ${attempt.reason}`)
  return attempt
}

/** As `backgroundSave`, and tells how it ended. */
export async function attemptSave(server: RunningServer, pollMs: number): Promise<Attempt> {
  const inodeBefore = inodeOf(server.rdbPath)
  const startMs = machineMs()
  const methods: string[] = []
  let replyMs = 0
  const ended = (outcome: Outcome, reason: string, info?: Info): Attempt => ({
    outcome,
    reason,
    methods,
    startMs,
    replyMs,
    endMs: machineMs(),
    reportedCowBytes: Number(info?.get('rdb_last_cow_size') ?? 0),
    freezeUs: Number(info?.get('latest_fork_usec') ?? 0),
    choice: info?.get('snapshot_method_reason') ?? '',
  })
  try {
    await server.client.call(['BGSAVE'])
    replyMs = machineMs() - startMs
    const info = await waitForEnd(server, { pollMs, startMs, methods })
    if (info.get('rdb_last_bgsave_status') !== 'ok') return ended(...failureOf(server), info)
    if (inodeOf(server.rdbPath) === inodeBefore) throw new Error('BGSAVE: no new RDB file')
    return ended('saved', '', info)
  } catch (error) {
    if (error instanceof ServerError) return ended('refused', error.message)
    // The connection closes a moment before the process is seen to have gone.
    await sleep(EXIT_MS)
    if (!server.wasKilled) throw error
    return ended('server killed', 'the kernel has ended the server')
  }
}

type Info = Map<string, string>

/** Polls until no save is under way; notes the methods that it meets. */
async function waitForEnd(
  server: RunningServer,
  { pollMs, startMs, methods }: { pollMs: number; startMs: number; methods: string[] },
): Promise<Info> {
  let info = await server.client.info('persistence')
  while (info.get('rdb_bgsave_in_progress') !== '0') {
    noteMethod(info, methods)
    if (machineMs() - startMs > SAVE_LIMIT_MS) throw new Error('BGSAVE: no end in sight')
    await sleep(pollMs)
    info = await server.client.info('persistence')
  }
  // The server still names the last one.
  noteMethod(info, methods)
  const endInfo = await server.client.info('stats')
  return new Map([...info, ...endInfo])
}

function noteMethod(info: Info, methods: string[]): void {
  const method = info.get('snapshot_method')
  if (method !== undefined && method !== methods.at(-1)) methods.push(method)
}

/** The log knows whether a child was killed. */
function failureOf(server: RunningServer): [Outcome, string] {
  const line = server.logEnd.split('\n').findLast((each) => /terminated by signal/.test(each))
  if (line !== undefined) return ['child killed', line]
  return ['failed', server.logEnd.split('\n').at(-1) ?? '']
}

/** The inode of a file, 0 when there is none. A replaced file has another one. */
function inodeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? 0
}
