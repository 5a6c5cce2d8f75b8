// What the service tells Prometheus and whoever asks after its health. All of it is read when it is
// asked for, so that a pass that hangs is seen: `tidemark_backup_fresh` falls, and
// `tidemark_backup_listed_timestamp_seconds` stands still.
//
//   /metrics   Prometheus's text
//   /health    200 as long as the process serves
//   /ready     200 when the store answers and each cluster has a fresh verified backup; else 503

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { ClusterState } from './cluster-state.ts'
import { type Metric, metricsText, type Sample } from './metrics-text.ts'
import { type CostRule, storageCost } from './rules.ts'
import type { BackupService } from './service.ts'

const MS = 1000

/** Text for `/metrics`. */
export function serviceMetrics(service: BackupService, cost: CostRule, nowMs: number): string {
  const each = (value: (cluster: ClusterState) => number | null): Sample[] =>
    service.clusters.map((cluster) => ({
      labels: { cluster: cluster.config.name },
      value: value(cluster),
    }))
  const labelled = (label: string, name: string, value: (cluster: ClusterState) => number) =>
    service.clusters.map((cluster) => ({
      labels: { cluster: cluster.config.name, [label]: name },
      value: value(cluster),
    }))
  const one = (value: number): Sample[] => [{ value }]
  const { perMonth } = storageCost(service.entries, cost)
  const rows: readonly (readonly [string, Metric['type'], string, readonly Sample[]])[] = [
    [
      'fresh',
      'gauge',
      '1 when the newest verified backup is new enough, else 0: the alarm.',
      each((cluster) => Number(cluster.isFresh(nowMs))),
    ],
    [
      'verified_timestamp_seconds',
      'gauge',
      'Instant of the data of the newest backup that was found good.',
      each(({ verifiedMs }) => (verifiedMs === null ? 0 : verifiedMs / MS)),
    ],
    [
      'taken_timestamp_seconds',
      'gauge',
      'Instant of the data of the newest backup.',
      each(({ newest }) => (newest === null ? 0 : Date.parse(newest.takenAt) / MS)),
    ],
    [
      'due_timestamp_seconds',
      'gauge',
      'When the next automatic backup is due.',
      each((cluster) => inSeconds(cluster.dueMs(nowMs))),
    ],
    ['running', 'gauge', '1 while something is done.', each((c) => Number(c.operation !== ''))],
    ['duration_seconds', 'gauge', 'How long the newest backup took.', each(durationOf)],
    [
      'source_write_delay_seconds',
      'gauge',
      'Longest delay of writes that the newest backup caused, where the node tells it.',
      each(writeDelayOf),
    ],
    [
      'runs_total',
      'counter',
      'Automatic backups that were tried.',
      [
        ...labelled('result', 'done', ({ counts }) => counts.done),
        ...labelled('result', 'failed', ({ counts }) => counts.failed),
      ],
    ],
    [
      'verifications_total',
      'counter',
      'Verifications; failed: it could not be told.',
      [
        ...labelled('result', 'good', ({ counts }) => counts.good),
        ...labelled('result', 'bad', ({ counts }) => counts.bad),
        ...labelled('result', 'failed', ({ counts }) => counts.unverified),
      ],
    ],
    [
      'backups',
      'gauge',
      'Backups in the store.',
      (['automatic', 'manual', 'final'] as const).flatMap((kind) =>
        labelled('kind', kind, (cluster) => cluster.countOf(kind)),
      ),
    ],
    ['bad_backups', 'gauge', 'Backups that were found damaged.', each(({ bad }) => bad)],
    ['stored_bytes', 'gauge', 'Bytes of them in the store.', each((c) => c.storedBytes)],
    ['expired_total', 'counter', 'Backups that expired.', each(({ counts }) => counts.expired)],
    ['swept_total', 'counter', 'Leftovers that were removed.', one(service.swept)],
    ['store_up', 'gauge', '1 when the store answered.', one(Number(isStoreUp(service)))],
    [
      'listed_timestamp_seconds',
      'gauge',
      'When the store was listed last.',
      one(service.listedMs / MS),
    ],
    ['cost_dollars_per_month', 'gauge', 'Estimate of what storage costs.', one(perMonth)],
    ['start_timestamp_seconds', 'gauge', 'When the service began.', one(service.startedMs / MS)],
  ]
  return metricsText(
    rows.map(([name, type, help, samples]) => ({
      name: `tidemark_backup_${name}`,
      type,
      help,
      samples,
    })),
  )
}

export interface MetricsPlace {
  readonly host: string
  readonly port: number
  readonly cost: CostRule
}

/** Serves them; resolves when it listens, rejects when it cannot. */
export function serveMetrics(service: BackupService, place: MetricsPlace): Promise<Server> {
  const server = createServer((request, response) => answer(service, place.cost, request, response))
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(place.port, place.host, () => {
      server.off('error', reject)
      resolve(server)
    })
  })
}

function answer(
  service: BackupService,
  cost: CostRule,
  { method, url }: IncomingMessage,
  response: ServerResponse,
): void {
  const nowMs = Date.now()
  if (method !== 'GET' && method !== 'HEAD') return send(response, 405, 'text/plain', 'GET only\n')
  switch (url?.split('?')[0]) {
    case '/metrics': {
      const type = 'text/plain; version=0.0.4; charset=utf-8'
      return send(response, 200, type, serviceMetrics(service, cost, nowMs))
    }
    case '/health':
      return sendJson(response, 200, readiness(service, nowMs))
    case '/ready': {
      const state = readiness(service, nowMs)
      return sendJson(response, state.isReady ? 200 : 503, state)
    }
    default:
      return send(response, 404, 'text/plain', '/metrics, /health or /ready\n')
  }
}

function readiness(service: BackupService, nowMs: number) {
  const clusters = service.clusters.map((cluster) => ({
    cluster: cluster.config.name,
    isFresh: cluster.isFresh(nowMs),
    operation: cluster.operation,
    problem: cluster.problem,
  }))
  const isReady = isStoreUp(service) && clusters.every(({ isFresh }) => isFresh)
  return { isReady, store: service.storeProblem, clusters }
}

function isStoreUp(service: BackupService): boolean {
  return service.listedMs > 0 && service.storeProblem === ''
}

function inSeconds(ms: number | null): number | null {
  return ms === null ? null : ms / MS
}

function durationOf({ newest }: ClusterState): number | null {
  if (newest === null) return null
  return (Date.parse(newest.finishedAt) - Date.parse(newest.startedAt)) / MS
}

function writeDelayOf({ newest }: ClusterState): number | null {
  const delays = newest?.shards.map(({ source }) => source.writeDelayMs) ?? []
  const known = delays.filter((delay) => delay !== null)
  return known.length === 0 ? null : Math.max(...known) / MS
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  send(response, status, 'application/json', `${JSON.stringify(value, null, 2)}\n`)
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { 'content-type': type }).end(text)
}
