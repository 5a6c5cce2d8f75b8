// SNAPSHOT STATUS and SNAPSHOT HELP: what a person wants to know of the snapshot under way, of the
// last one, and of the next: by which method, why, how far, at what cost. INFO persistence has the
// same figures for machines.

import { type Command, type Context, Flag } from '../command/command.ts'
import { PAGE_BYTES } from '../memory/layout.ts'
import type { Args } from '../resp/args.ts'
import type { Reply } from '../resp/reply.ts'
import { LiveSettings } from './persistence-settings.ts'
import { type Server, serverContext } from './server.ts'

type Row = readonly [name: string, value: string | number]

const HELP = [
  'SNAPSHOT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'STATUS',
  '    The snapshot under way, the last one, and how the next one would be taken.',
  'HELP',
  '    Print this help.',
]

/** SNAPSHOT STATUS: names and values. O(1). */
function snapshotStatus(context: Context, _args: Args, reply: Reply): void {
  const { server } = serverContext(context)
  const rows = [
    ...presentRows(server),
    ...costRows(server),
    ...lastRows(server),
    ...nextRows(server),
  ]
  reply.map(rows.length)
  for (const [name, value] of rows) {
    reply.bulkText(name)
    if (typeof value === 'number') reply.integer(value)
    else reply.bulkText(value)
  }
}

function snapshotHelp(_context: Context, _args: Args, reply: Reply): void {
  reply.array(HELP.length)
  for (const line of HELP) reply.simple(line)
}

/** How far the snapshot under way is. */
function presentRows({ persistence }: Server): Row[] {
  const current = persistence?.current ?? null
  if (persistence === null) return [['status', 'idle']]
  if (current === null) {
    const isLost = persistence.snapshots.isThreadLost
    return [['status', isLost ? 'waiting for a write to the disk that hangs' : 'idle']]
  }
  const { pagesDone, pagesTotal, seconds, bytesWritten } = current
  const share = pagesTotal === 0 ? 1 : pagesDone / pagesTotal
  return [
    ['status', current.isCommitting ? 'committing' : 'scanning'],
    ['for', persistence.isFileSave ? 'file' : 'replicas'],
    ['method', current.method],
    ['reason', current.reason],
    ['elapsed_ms', Math.round(seconds * 1000)],
    ['percent', Math.floor(share * 100)],
    ['keys_done', current.keysDone],
    ['keys_total', current.keysTotal],
    ['pages_done', pagesDone],
    ['pages_total', pagesTotal],
    ['bytes_written', bytesWritten],
    ['bytes_per_second', seconds > 0 ? Math.round(bytesWritten / seconds) : 0],
    ['eta_seconds', Math.ceil(current.etaSeconds)],
    ['scheduled', persistence.isScheduled ? 1 : 0],
  ]
}

/** What the open cut, or the last one, costs. */
function costRows({ persistence, writeDelay }: Server): Row[] {
  const figures = persistence?.cutFigures ?? null
  if (persistence === null || figures === null) return []
  const { openCut, current, lastEnd } = persistence
  const delays = writeDelay.figures
  return [
    ['reserve_bytes', persistence.snapshots.boundBytes],
    ['reserve_used_bytes', (openCut?.usedPages ?? 0) * PAGE_BYTES],
    ['reserve_peak_bytes', figures.usedPeak * PAGE_BYTES],
    ['runs_preserved', figures.preservedRuns],
    ['pages_inline', current?.inlinePages ?? lastEnd?.inlinePages ?? 0],
    ['held_pages', figures.heldPages],
    ['spilled_bytes', current?.spilledBytes ?? lastEnd?.spilledBytes ?? 0],
    ['overdraft_pages', figures.overdraftPages],
    ['writers_waiting', writeDelay.waitingCount],
    ['write_delays', delays.count],
    ['write_delay_usec', Math.round(delays.totalUs)],
    ['write_delay_usec_max', Math.round(delays.maxUs)],
    ['engine_waits', figures.waits],
    ['engine_wait_usec_max', Math.round(figures.waitUsMax)],
    ['freeze_usec', persistence.lastFreezeUs],
  ]
}

/** How the last snapshot ended. */
function lastRows({ persistence }: Server): Row[] {
  const end = persistence?.lastEnd ?? null
  if (persistence === null || end === null) return [['last_status', 'none']]
  return [
    ['last_status', end.outcome.kind],
    ['last_error', persistence.lastError],
    ['last_method', end.method],
    ['last_ms', Math.round(end.seconds * 1000)],
    ['last_file_bytes', persistence.lastFileBytes],
    ['last_save_time', persistence.lastSaveSeconds],
  ]
}

/** What would be chosen now. */
function nextRows(server: Server): Row[] {
  const { persistence } = server
  if (persistence === null || persistence.current !== null) return []
  const { method, reason, neededBytes, freeBytes } = persistence.snapshots.choose(null)
  return [
    ['next_method', method],
    ['next_reason', reason],
    ['next_reserve_bytes', new LiveSettings(server).reserveBytes],
    ['next_predicted_bytes', neededBytes],
    ['free_bytes', freeBytes],
  ]
}

const COMMON = {
  keys: [0, 0, 0] as const,
  group: 'server',
  since: '1.0.0',
} as const

export const snapshotCommands: readonly Command[] = [
  {
    ...COMMON,
    name: 'snapshot',
    arity: -2,
    flags: 0,
    summary: 'A container for commands about snapshots',
    complexity: 'Depends on subcommand.',
    subcommands: [
      {
        ...COMMON,
        name: 'status',
        arity: 2,
        flags: Flag.Admin | Flag.Loading | Flag.Stale,
        summary: 'How the present snapshot goes, how the last one went, what the next would be',
        complexity: 'O(1)',
        run: snapshotStatus,
      },
      {
        ...COMMON,
        name: 'help',
        arity: 2,
        flags: Flag.Loading | Flag.Stale,
        summary: 'Helpful text about the subcommands',
        complexity: 'O(1)',
        run: snapshotHelp,
      },
    ],
  },
]
