// idle-clients: what does a client cost that is connected and does nothing? Growth of the resident
// set while clients connect and call one command each, divided by their number: at once, and some
// seconds later, when a server has given back the buffers that the command took. Beside it what the
// server itself counts for them (`mem_clients_normal`), which limits are compared with. In the end
// every client calls once more, and the time until all are answered is taken.
//
// The clients live in this process; it needs a descriptor for each, as does the server.

import type { Bench, Role, Setup } from './lib/bench.ts'
import { Client } from './lib/client.ts'
import { rssTreeBytes } from './lib/proc.ts'
import type { RunningServer } from './lib/server.ts'
import { sleep } from './lib/time.ts'

const CLIENTS = 10_000
/** Connections that are begun at the same time; below every listener's backlog. */
const BATCH = 100
/** Redis gives back query buffers after two seconds, reply buffers after five. */
const IDLE_MS = 8000

export const idleClients: Bench = {
  name: 'idle-clients',
  question: 'How many bytes does a connected client cost that does nothing?',
  rounds: 2,
  measures: [
    {
      name: 'RSS per idle client',
      unit: 'B',
      better: 'lower',
      target: { of: 'ratio', limit: 1 },
    },
    { name: 'RSS per client, just served', unit: 'B', better: 'lower' },
    { name: 'counted per idle client', unit: 'B' },
    { name: 'all clients served', unit: 'ms', better: 'lower' },
  ],
  async run(setup) {
    const count = setup.size(CLIENTS, 500)
    const directives = ['--maxclients', `${count + 100}`]
    await setup.alternate((role) => {
      const use = (server: RunningServer) => measure(setup, role, { server, count })
      return setup.withServer(role, use, { directives })
    })
    return { clients: count }
  },
}

async function measure(
  setup: Setup,
  role: Role,
  { server, count }: { server: RunningServer; count: number },
): Promise<void> {
  await sleep(setup.size(3000, 200))
  const before = await readMemory(server)
  const clients = await openClients(server, count)
  await callAll(clients)
  const served = await readMemory(server)
  await sleep(setup.size(IDLE_MS, 500))
  const idle = await readMemory(server)
  setup.add('RSS per client, just served', role, perClient(served.rss - before.rss, count))
  setup.add('RSS per idle client', role, perClient(idle.rss - before.rss, count))
  setup.add('counted per idle client', role, perClient(idle.counted - before.counted, count))
  const startMs = performance.now()
  await callAll(clients)
  setup.add('all clients served', role, performance.now() - startMs)
  for (const client of clients) client.close()
}

/** Few clients may fit what a server has in reserve. */
function perClient(bytes: number, count: number): number {
  return Math.max(0, bytes) / count
}

async function openClients(server: RunningServer, count: number): Promise<Client[]> {
  const clients: Client[] = []
  while (clients.length < count) {
    const length = Math.min(BATCH, count - clients.length)
    const next = Array.from({ length }, () => Client.open(server.port))
    clients.push(...(await Promise.all(next)))
  }
  return clients
}

async function callAll(clients: readonly Client[]): Promise<void> {
  await Promise.all(clients.map((client) => client.call(['ECHO', 'idle'])))
}

async function readMemory(server: RunningServer): Promise<{ rss: number; counted: number }> {
  const info = await server.client.info('memory')
  const counted = Number(info.get('mem_clients_normal'))
  return { rss: rssTreeBytes(server.pid), counted }
}
