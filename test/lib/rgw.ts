// The S3 gateway of Ceph on loopback for tests (`rgw-up.sh` beside this file does it): a store that
// is strict. It checks signatures and Content-MD5, and knows conditional writes.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

/** The programs without which there is no gateway. */
const PROGRAMS: readonly string[] = ['ceph-mon', 'ceph-osd', 'radosgw', 'radosgw-admin']

const SCRIPT = join(import.meta.dirname, 'rgw-up.sh')
const START_MS_MAX = 120_000

export interface Gateway {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  stop(): void
}

/** The programs that are not here. */
export function missingCephPrograms(): string[] {
  const path = (process.env['PATH'] ?? '').split(':')
  const found = (name: string) => path.some((folder) => existsSync(join(folder, name)))
  return PROGRAMS.filter((name) => !found(name))
}

/** Starts monitor, storage daemon (in memory) and gateway, their files in a new `folder`. */
export async function startGateway(folder: string): Promise<Gateway> {
  // The script takes two ports of the monitor, then sixty for the daemons.
  const monitorPort = await freePorts(100)
  const gatewayPort = monitorPort + 10
  const [accessKeyId, secretAccessKey] = ['TESTKEY', 'TESTSECRET']
  const env = { ...process.env, S3_ACCESS_KEY: accessKeyId, S3_SECRET_KEY: secretAccessKey }
  const args = [SCRIPT, folder, String(monitorPort), String(gatewayPort)]
  const stop = () => void spawnSync('bash', [SCRIPT, '--stop', folder], { stdio: 'ignore' })
  // No pipes: the daemons would hold them open.
  const { status } = spawnSync('bash', args, {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: START_MS_MAX,
  })
  if (status !== 0) {
    stop()
    throw new Error(`the gateway did not start: see ${folder}/log`)
  }
  const endpoint = `http://127.0.0.1:${gatewayPort}`
  return { endpoint, accessKeyId, secretAccessKey, stop }
}

/** The first of so many ports in a row, of which three were just free. */
async function freePorts(count: number): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const first = 20_000 + Math.floor(Math.random() * 100) * count
    const tries = await Promise.all([0, 10, 20].map((i) => isFree(first + i)))
    if (tries.every(Boolean)) return first
  }
  throw new Error('no free ports')
}

function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((done) => {
    server.once('error', () => done(false))
    server.listen(port, '127.0.0.1', () => server.close(() => done(true)))
  })
}
