// startup: how long from starting the program to the first PONG with nothing to load, and what does
// an idle server occupy? Memory is read three seconds after the start, when start-up work is over.

import type { Bench } from './lib/bench.ts'
import { cpuSeconds, pssTreeBytes, rssTreeBytes } from './lib/proc.ts'
import { sleep } from './lib/time.ts'

const MEGABYTE = 1e6

export const startup: Bench = {
  name: 'startup',
  question: 'How long does an empty server take to start, and what does it occupy when idle?',
  rounds: 7,
  measures: [
    {
      name: 'start to first PONG',
      unit: 'ms',
      better: 'lower',
      target: { of: 'subject', limit: 1000 },
    },
    { name: 'idle RSS', unit: 'MB', better: 'lower', target: { of: 'subject', limit: 110 } },
    { name: 'idle PSS', unit: 'MB', better: 'lower' },
    { name: 'CPU until then', unit: 's', better: 'lower' },
  ],
  async run(setup) {
    const idleMs = setup.size(3000, 300)
    await setup.alternate((role) =>
      setup.withServer(role, async (server) => {
        setup.add('start to first PONG', role, server.readyMs)
        await sleep(idleMs)
        setup.add('idle RSS', role, rssTreeBytes(server.pid) / MEGABYTE)
        setup.add('idle PSS', role, pssTreeBytes(server.pid) / MEGABYTE)
        setup.add('CPU until then', role, cpuSeconds(server.pid))
      }),
    )
    return { 'idle ms': idleMs }
  },
}
