// A process that takes a backup, to be killed by a test. Its parent sends what to take it from and
// where to put it.

import { once } from 'node:events'
import { parseNodeAddress } from '../source/node-address.ts'
import { DirectoryStore } from '../store/directory-store.ts'
import { takeBackup } from './take.ts'

const [message] = (await once(process, 'message')) as [{ path: string; port: number }]
const { path, port } = message
await takeBackup({
  store: new DirectoryStore(path),
  name: 'one',
  cluster: 'cluster-1',
  kind: 'manual',
  source: {
    nodes: [parseNodeAddress(`redis://:secret@127.0.0.1:${port}`)],
    files: [],
    preference: 'auto',
    connect: {},
  },
  codec: { level: 1, recipients: [] },
  forkPolicy: 'ignore',
  toolVersion: '0.0.0',
})
