// Goal: CONFIG SET and GET answer as redis-server 7.0 does, for every parameter and many values.
// Method: both are given the same commands in the same order. Skipped where no redis-server 7.0 is
// installed.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { FakeDisk } from '../base/disk-fake.ts'
import { Config } from './config.ts'
import { configIndex } from './config-table.ts'

const VALUES = [
  ...['', '0', '1', '-1', '2', '01', ' 1', '1 ', '-100', '99', '1000', '1kb', '1g', '10%', '101%'],
  ...['99999999999', '-2147483649', '9223372036854775807', '9223372036854775808', '1e2 nan'],
  ...['yes', 'NO', 'local', 'always', 'allkeys-lru', 'debug', 'swapdb', 'hostname', 'abc', 'a/b'],
  ...['5 6', '5 6 7', '1 2 3', '0 100', '1 0', '50 99.9', 'K', 'AKE', 'mKg'],
  ...['now', 'save nosave', 'nosave  now', 'force nosave', 'x{port}'],
]

// What would end the connection or the server, what one of the two refuses on purpose, what needs
// rights.
const SKIPPED = new Set([
  ...['port', 'bind', 'tls-port', 'requirepass', 'maxclients', 'dir', 'crash-log-enabled'],
  ...['client-query-buffer-limit', 'proto-max-bulk-len', 'maxmemory-clients', 'watchdog-period'],
  ...['client-output-buffer-limit', 'oom-score-adj', 'oom-score-adj-values', 'proc-title-template'],
  ...['appendonly', 'activedefrag', 'min-replicas-to-write', 'min-slaves-to-write', 'timeout'],
  ...['tls-cluster', 'tls-replication', 'snapshot-method', 'snapshot-reserve'],
  ...['snapshot-stall-timeout', 'reserved-memory', 'reserved-memory-percent'],
])

const version = spawnSync('redis-server', ['--version'], { encoding: 'utf8' }).stdout ?? ''
const skip = / v=7\.0\./.test(version) ? false : 'no redis-server 7.0 is installed'

test('CONFIG SET and GET answer as redis-server 7.0 does', { skip }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tidemark-config-'))
  const port = await freePort()
  const options = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--dir', directory]
  const server: ChildProcess = spawn('redis-server', options, { stdio: 'ignore' })
  const client = new Redis({ port, host: '127.0.0.1' })
  client.on('error', () => {
    // It is not up yet; the client tries again.
  })
  try {
    const pipeline = client.pipeline()
    const { names, replies } = ownReplies((name, value) => {
      pipeline.config('SET', name, value)
      pipeline.config('GET', name)
    })
    const results = (await pipeline.exec()) ?? []
    const theirs = results.map(([error, value]) => error?.message ?? format(value))
    assert.equal(theirs.length, replies.length)
    for (let i = 0; i < replies.length; i++) assert.equal(replies[i], theirs[i], names[i])
  } finally {
    client.disconnect()
    server.kill('SIGKILL')
    rmSync(directory, { recursive: true })
  }
})

/** Our replies to SET and GET of every name and value, each pair told to `tell`. */
function ownReplies(tell: (name: string, value: string) => void) {
  const disk = new FakeDisk()
  disk.makeDirectory('/data')
  const config = new Config(disk, '/data')
  config.set([['save', '']])
  const names: string[] = []
  const replies: string[] = []
  for (const [name, { row }] of configIndex) {
    if (SKIPPED.has(name)) continue
    for (const value of row.mutable ? VALUES : ['1']) {
      tell(name, value)
      names.push(`SET ${name} '${value}'`, `GET ${name} after '${value}'`)
      replies.push(config.set([[name, value]]) ?? 'OK', format(config.get([name]).flat()))
    }
  }
  return { names, replies }
}

function format(value: unknown): string {
  return Array.isArray(value) ? value.join(' = ') : String(value)
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const probe = createServer()
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      const port = typeof address === 'object' && address ? address.port : 0
      probe.close(() => done(port))
    })
  })
}
