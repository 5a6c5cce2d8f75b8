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
  const rows = [
    ...dataRows(service.clusters, nowMs),
    ...workRows(service.clusters),
    ...storeRows(service, cost),
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

type Row = readonly [name: string, type: Metric['type'], help: string, samples: readonly Sample[]]
type Clusters = readonly ClusterState[]

/** How new the data is that could be had back. */
function dataRows(clusters: Clusters, nowMs: number): Row[] {
  const gauge = (name: string, help: string, value: (cluster: ClusterState) => number | null) =>
    [name, 'gauge', help, each(clusters, value)] as const
  return [
    gauge('fresh', '1 when the newest verified backup is new enough, else 0: the alarm.', (one) =>
      Number(one.isFresh(nowMs)),
    ),
    gauge(
      'verified_timestamp_seconds',
      'Instant of the data of the newest backup that was found good; 0: there is none.',
      ({ verifiedMs }) => inSeconds(verifiedMs ?? 0),
    ),
    gauge(
      'taken_timestamp_seconds',
      'Instant of the data of the newest backup; 0: there is none.',
      ({ newest }) => inSeconds(newest === null ? 0 : Date.parse(newest.takenAt)),
    ),
    gauge('due_timestamp_seconds', 'When the next automatic backup is due.', (one) =>
      inSeconds(one.dueMs(nowMs)),
    ),
    gauge('duration_seconds', 'How long the newest backup took.', durationOf),
    gauge(
      'source_write_delay_seconds',
      'Longest delay of writes that the newest backup caused, where the node tells it.',
      writeDelayOf,
    ),
    gauge('bad_backups', 'Backups that were found damaged.', ({ bad }) => bad),
    gauge('stored_bytes', 'Bytes of all backups in the store.', ({ storedBytes }) => storedBytes),
  ]
}

/** What the service did since it began. */
function workRows(clusters: Clusters): Row[] {
  const kinds = ['automatic', 'manual', 'final'] as const
  return [
    ['running', 'gauge', '1 while it works.', each(clusters, (c) => Number(c.operation !== ''))],
    [
      'runs_total',
      'counter',
      'Automatic backups that were tried.',
      [
        ...each(clusters, ({ counts }) => counts.done, { result: 'done' }),
        ...each(clusters, ({ counts }) => counts.failed, { result: 'failed' }),
      ],
    ],
    [
      'verifications_total',
      'counter',
      'Verifications; failed: it could not be told.',
      [
        ...each(clusters, ({ counts }) => counts.good, { result: 'good' }),
        ...each(clusters, ({ counts }) => counts.bad, { result: 'bad' }),
        ...each(clusters, ({ counts }) => counts.unverified, { result: 'failed' }),
      ],
    ],
    [
      'backups',
      'gauge',
      'Backups in the store.',
      kinds.flatMap((kind) => each(clusters, (cluster) => cluster.countOf(kind), { kind })),
    ],
    [
      'expired_total',
      'counter',
      'Backups that expired and were removed.',
      each(clusters, ({ counts }) => counts.expired),
    ],
  ]
}

function storeRows(service: BackupService, cost: CostRule): Row[] {
  const { perMonth } = storageCost(service.entries, cost)
  const isUp = Number(isStoreUp(service))
  return [
    ['swept_total', 'counter', 'Leftovers that were removed.', [{ value: service.swept }]],
    ['store_up', 'gauge', '1 when the store answered.', [{ value: isUp }]],
    [
      'listed_timestamp_seconds',
      'gauge',
      'When the store was listed last.',
      [{ value: inSeconds(service.listedMs) }],
    ],
    ['cost_dollars_per_month', 'gauge', 'Estimate of what storage costs.', [{ value: perMonth }]],
    [
      'start_timestamp_seconds',
      'gauge',
      'When the service began.',
      [{ value: inSeconds(service.startedMs) }],
    ],
  ]
}

function each(
  clusters: Clusters,
  value: (cluster: ClusterState) => number | null,
  labels: Readonly<Record<string, string>> = {},
): Sample[] {
  return clusters.map((cluster) => ({
    labels: { cluster: cluster.config.name, ...labels },
    value: value(cluster),
  }))
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
