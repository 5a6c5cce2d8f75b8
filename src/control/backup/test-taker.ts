// A process that takes a backup, to be killed by a test: `test-taker.ts STORE PORT`.

import { parseNodeAddress } from '../source/node-address.ts'
import { DirectoryStore } from '../store/directory-store.ts'
import { takeBackup } from './take.ts'

const [path = '', port = ''] = process.argv.slice(2)
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
