// backup: how fast does a backup pass through the service, and how much memory does that take?
//
//   node bench/backup.ts [--mib=2048] [--value-bytes=1024] [--level=1] [--plain] [--work=DIR]
//
// A synthetic RDB (half noise, half text) comes from a primary in a process of its own over
// loopback, as a diskless full sync; it is surveyed, compressed, encrypted for one recipient, and
// stored in a directory, which is then read back and compared. Rates are of RDB bytes. Memory is
// the largest of the process that takes the backup. The result is JSON on stdout.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { newIdentity } from '../src/control/backup/age-keys.ts'
import { readPart } from '../src/control/backup/part-reader.ts'
import { RdbSurvey } from '../src/control/backup/rdb-survey.ts'
import { takeBackup } from '../src/control/backup/take.ts'
import { type TestRdbShape, testRdb, testRdbBytes } from '../src/control/backup/test-rdb.ts'
import { parseNodeAddress } from '../src/control/source/node-address.ts'
import { TestPrimary } from '../src/control/source/test-primary.ts'
import { DirectoryStore } from '../src/control/store/directory-store.ts'

const MIB = 1024 * 1024
const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '2048' },
    'value-bytes': { type: 'string', default: '1024' },
    level: { type: 'string', default: '1' },
    plain: { type: 'boolean', default: false },
    work: { type: 'string', default: tmpdir() },
    serve: { type: 'boolean', default: false },
  },
})
const valueBytes = Number(values['value-bytes'])
const shape: TestRdbShape = {
  valueBytes,
  keys: Math.ceil((Number(values.mib) * MIB) / (valueBytes + 23)),
}

if (values.serve) await serve()
else console.log(JSON.stringify(await measure(), null, 2))

/** The primary: tells its port, and ends with its parent. */
async function serve(): Promise<void> {
  const info = [`db0:keys=${shape.keys},expires=0,avg_ttl=0`]
  const primary = await TestPrimary.start({ snapshot: () => testRdb(shape), length: null, info })
  process.on('disconnect', () => process.exit())
  process.send?.(primary.port)
}

async function measure(): Promise<object> {
  const child = fork(import.meta.filename, [...process.argv.slice(2), '--serve'])
  const work = mkdtempSync(join(values.work, 'tidemark-backup-'))
  try {
    const [port] = (await once(child, 'message')) as [number]
    return await pass(port, work)
  } finally {
    child.disconnect()
    rmSync(work, { recursive: true })
  }
}

async function pass(port: number, work: string): Promise<object> {
  const store = new DirectoryStore(join(work, 'store'))
  const { identity } = newIdentity()
  const start = performance.now()
  const cpu = process.cpuUsage()
  const manifest = await takeBackup({
    store,
    name: 'bench',
    cluster: 'bench',
    kind: 'manual',
    source: {
      nodes: [parseNodeAddress(`redis://127.0.0.1:${port}`)],
      files: [],
      preference: 'auto',
      connect: {},
    },
    codec: {
      level: values.plain ? null : Number(values.level),
      recipients: values.plain ? [] : [identity.recipient],
    },
    forkPolicy: 'ignore',
    toolVersion: 'bench',
  })
  const takeSeconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const peakBytes = process.resourceUsage().maxRSS * 1024
  const readStart = performance.now()
  const [shard] = manifest.shards
  if (shard === undefined) throw new Error('one shard was taken')
  const survey = new RdbSurvey({ name: 'read back' })
  const identities = [identity]
  for await (const piece of readPart({ store, part: shard.part, codec: manifest, identities })) {
    await survey.write(piece)
  }
  const { digest } = await survey.finish()
  const readSeconds = (performance.now() - readStart) / 1000
  if (digest !== shard.rdb.digest) throw new Error(`read back ${digest}, not ${shard.rdb.digest}`)
  const megabytes = testRdbBytes(shape) / 1e6
  return {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    node: process.version,
    rdbMegabytes: Math.round(megabytes),
    storedMegabytes: Math.round(shard.part.bytes / 1e6),
    takeMegabytesPerSecond: Math.round(megabytes / takeSeconds),
    takeCpuMsPerMegabyte: Number(((user + system) / 1000 / megabytes).toFixed(2)),
    readMegabytesPerSecond: Math.round(megabytes / readSeconds),
    peakMiBTaking: Math.round(peakBytes / MIB),
    peakMiBReading: Math.round(process.resourceUsage().maxRSS / 1024),
  }
}
