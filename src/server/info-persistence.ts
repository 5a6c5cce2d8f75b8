// INFO persistence: loading, saving, the cut. Redis's copy-on-write figures are the reserve here:
// `rdb_last_cow_size` is its peak use, `current_cow_size` its use now.

import { PAGE_BYTES } from '../memory/layout.ts'
import type { DelayFigures } from './delay-figures.ts'
import type { Field } from './info-fields.ts'
import { LiveSettings } from './persistence-settings.ts'
import type { Server } from './server.ts'

const DELAY_PERCENTILES = [50, 99, 99.9] as const

export function persistenceFields(server: Server): Field[] {
  const { persistence, keyspace, isLoading } = server
  const current = persistence?.current ?? null
  const save = persistence?.isFileSave ? current : null
  const reserveUsed = current?.reserveUsedBytes ?? 0
  const reservePeak = (persistence?.cutFigures?.slotsPeak ?? 0) * PAGE_BYTES
  const share = current && current.pagesTotal > 0 ? current.pagesDone / current.pagesTotal : 0
  return [
    ['loading', isLoading ? 1 : 0],
    ['async_loading', 0],
    ['current_cow_peak', current === null ? 0 : reservePeak],
    ['current_cow_size', reserveUsed],
    ['current_cow_size_age', 0],
    ['current_fork_perc', (share * 100).toFixed(2)],
    ['current_save_keys_processed', current?.keysDone ?? 0],
    ['current_save_keys_total', current?.keysTotal ?? 0],
    ['rdb_changes_since_last_save', keyspace.dirty],
    ['rdb_bgsave_in_progress', persistence?.isFileSave ? 1 : 0],
    ['rdb_last_save_time', persistence?.lastSaveSeconds ?? Math.floor(server.startedMs / 1000)],
    ['rdb_last_bgsave_status', persistence === null || persistence.isLastSaveOk ? 'ok' : 'err'],
    ['rdb_last_bgsave_time_sec', persistence?.lastDurationSeconds ?? -1],
    ['rdb_current_bgsave_time_sec', save === null ? -1 : Math.floor(save.seconds)],
    ['rdb_saves', persistence?.saveTotal ?? 0],
    ['rdb_last_cow_size', persistence?.lastReservePeakBytes ?? 0],
    ['rdb_last_load_keys_expired', persistence?.expiredKeysAtLoad ?? 0],
    ['rdb_last_load_keys_loaded', persistence?.loadedKeys ?? 0],
    ...aofFields(server),
    ['module_fork_in_progress', 0],
    ['module_fork_last_cow_size', 0],
    ...aofSizeFields(server),
    ...loadingFields(server),
    ['rdb_last_bgsave_error', oneLine(persistence?.lastError ?? '')],
    ['rdb_current_bgsave_type', save === null ? 'none' : 'forkless'],
    ['rdb_last_bgsave_type', (persistence?.saveTotal ?? 0) > 0 ? 'forkless' : 'none'],
    ['forkless_estimated_seconds_remaining', Math.ceil(current?.etaSeconds ?? -1)],
    ...snapshotFields(server),
  ]
}

/** The cut that is open, or was last. */
function snapshotFields(server: Server): Field[] {
  const { persistence } = server
  const current = persistence?.current ?? null
  const figures = persistence?.cutFigures ?? null
  const speed = current && current.seconds > 0 ? current.bytesWritten / current.seconds : 0
  return [
    ['snapshot_in_progress', current === null ? 0 : 1],
    ['snapshot_method', current?.method ?? persistence?.lastEnd?.method ?? 'none'],
    ['snapshot_method_reason', persistence?.snapshots.lastChoice?.reason ?? ''],
    ['snapshot_predicted_bytes', persistence?.snapshots.lastChoice?.neededBytes ?? 0],
    ['snapshot_free_bytes', persistence?.snapshots.lastChoice?.freeBytes ?? 0],
    ['snapshot_pages_total', current?.pagesTotal ?? 0],
    ['snapshot_pages_done', current?.pagesDone ?? 0],
    ['snapshot_runs_preserved', figures?.preservedRuns ?? 0],
    ['snapshot_pages_inline', current?.inlinePages ?? persistence?.lastEnd?.inlinePages ?? 0],
    ['snapshot_reserve_bytes', new LiveSettings(server).reserveBytes],
    ['snapshot_reserve_used_bytes', current?.reserveUsedBytes ?? 0],
    ['snapshot_reserve_peak_bytes', (figures?.slotsPeak ?? 0) * PAGE_BYTES],
    ['snapshot_held_pages', figures?.heldPages ?? 0],
    ['snapshot_used_bytes_peak', (figures?.usedPeak ?? 0) * PAGE_BYTES],
    ['snapshot_overdraft_pages', figures?.overdraftPages ?? 0],
    ['snapshot_queued_bytes', current?.queuedBytes ?? 0],
    ['snapshot_spilled_bytes', current?.spilledBytes ?? persistence?.lastEnd?.spilledBytes ?? 0],
    ['snapshot_eta_seconds', Math.ceil(current?.etaSeconds ?? -1)],
    ...delayFields(server),
    ['snapshot_engine_waits', figures?.waits ?? 0],
    ['snapshot_engine_waits_usec', Math.round(figures?.waitUs ?? 0)],
    ['snapshot_engine_waits_usec_max', Math.round(figures?.waitUsMax ?? 0)],
    ['snapshot_bytes_per_second', Math.round(speed)],
    ['snapshot_file_bytes', current?.bytesWritten ?? persistence?.lastFileBytes ?? 0],
    ['snapshot_freeze_usec', persistence?.lastFreezeUs ?? 0],
  ]
}

/** A reason as the value of a field: what would end its line is replaced. */
function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]+/g, ' ')
}

/** How writers were held back in that cut, and since the start or CONFIG RESETSTAT. */
function delayFields({ writeDelay }: Server): Field[] {
  const { figures, totals, waitingCount } = writeDelay
  return [
    ['snapshot_write_delay_clients', waitingCount],
    ['snapshot_write_delays', figures.count],
    ['snapshot_write_delay_usec', Math.round(figures.totalUs)],
    ['snapshot_write_delay_usec_max', Math.round(figures.maxUs)],
    ['snapshot_write_delay_histogram', histogramOf(figures)],
    ['snapshot_write_delay_percentiles_usec', percentilesOf(figures)],
    ['snapshot_write_delays_total', totals.count],
    ['snapshot_write_delay_usec_total', Math.round(totals.totalUs)],
    ['snapshot_write_delay_usec_max_total', Math.round(totals.maxUs)],
    ['snapshot_write_delay_histogram_total', histogramOf(totals)],
    ['snapshot_write_delay_percentiles_usec_total', percentilesOf(totals)],
  ]
}

/** Delays up to each power of two of microseconds that adds any: `le_1024us=3,le_2048us=9`. */
function histogramOf(figures: DelayFigures): string {
  return figures
    .cumulative()
    .map(([limitUs, count]) => `le_${limitUs}us=${count}`)
    .join(',')
}

function percentilesOf(figures: DelayFigures): string {
  return DELAY_PERCENTILES.map((each) => `p${each}=${Math.round(figures.percentileUs(each))}`).join(
    ',',
  )
}

/** The append only file. */
function aofFields({ aof }: Server): Field[] {
  const log = aof?.log ?? null
  const isWriteOk = log === null || log.writer.failure === ''
  return [
    ['aof_enabled', log === null || log.state === 'off' ? 0 : 1],
    ['aof_rewrite_in_progress', log?.isRewriting ? 1 : 0],
    ['aof_rewrite_scheduled', log?.isScheduled ? 1 : 0],
    ['aof_last_rewrite_time_sec', log?.lastRewriteSeconds ?? -1],
    ['aof_current_rewrite_time_sec', log?.rewriteSeconds ?? -1],
    ['aof_last_bgrewrite_status', log === null || log.isLastRewriteOk ? 'ok' : 'err'],
    ['aof_rewrites', log?.rewriteCount ?? 0],
    ['aof_rewrites_consecutive_failures', log?.rewriteFailures ?? 0],
    ['aof_last_write_status', isWriteOk ? 'ok' : 'err'],
    ['aof_last_cow_size', log?.lastReservePeakBytes ?? 0],
  ]
}

/** What is shown of the append only file only while there is one. */
function aofSizeFields({ aof }: Server): Field[] {
  if (aof === null || aof.log.state === 'off') return []
  const { log } = aof
  return [
    ['aof_current_size', log.currentBytes],
    ['aof_base_size', log.baseBytes],
    ['aof_pending_rewrite', log.isScheduled ? 1 : 0],
    ['aof_buffer_length', log.writer.bufferedBytes],
    ['aof_pending_bio_fsync', log.writer.pendingSyncs],
    ['aof_delayed_fsync', log.writer.delayedSyncs],
  ]
}

function loadingFields({ loading }: Server): Field[] {
  if (loading === null) return []
  const { totalBytes, loadedBytes } = loading
  const percent = totalBytes === 0 ? 0 : (loadedBytes / totalBytes) * 100
  return [
    ['loading_start_time', loading.startSeconds],
    ['loading_total_bytes', totalBytes],
    ['loading_rdb_used_mem', loading.usedBytesAtSave],
    ['loading_loaded_bytes', loadedBytes],
    ['loading_loaded_perc', percent.toFixed(2)],
    ['loading_eta_seconds', loading.etaSeconds],
  ]
}
