// The engine's thread: real doors for an `Engine`, and its line to the main thread. Nothing else is
// here, so that all of the engine can run in a test.

import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../base/assert.ts'
import { SystemClock } from '../base/clock.ts'
import { SystemDisk } from '../base/disk.ts'
import { ForwardLog } from '../base/log.ts'
import { SharedMachine } from '../base/machine-view.ts'
import { NetTransport } from '../base/socket-net.ts'
import { pageRelease } from '../base/system-memory.ts'
import { Keyspace } from '../keyspace/keyspace.ts'
import { PAGES_MAX } from '../memory/layout.ts'
import { SnapshotPort } from '../persist/snapshot/snapshot-port.ts'
import { Config } from './config.ts'
import { Engine } from './engine.ts'
import { type EngineData, type EngineMessage, Mailbox, type MainMessage } from './mailbox.ts'

function main(): void {
  const port = parentPort
  assert(port !== null, 'the engine runs in a worker')
  const data = workerData as EngineData
  const send = (message: MainMessage) => port.postMessage(message)
  const clock = new SystemClock()
  const disk = new SystemDisk()
  const config = Config.fromTransfer(data.config, disk)
  const log = new ForwardLog(clock, data.logLevel, (line) => send({ kind: 'log', line }))
  const keyspace = new Keyspace({
    databaseCount: config.values.databases,
    pageCapacity: PAGES_MAX,
    release: pageRelease(),
  })
  const engine = new Engine({
    config,
    keyspace,
    clock,
    disk,
    log,
    send,
    executable: data.executable,
    isSupervised: data.supervised,
    transport: new NetTransport(),
    mailbox: new Mailbox(data.mailbox),
    machine: new SharedMachine(data.machine),
    snapshots: new SnapshotPort(data.snapshotPort),
    processId: process.pid,
  })
  port.on('message', (message: EngineMessage) => {
    switch (message.kind) {
      case 'go':
        return engine.start()
      case 'wake':
        return engine.wake()
      case 'titled':
        return engine.noteTitled()
    }
  })
  engine.listen()
}

main()
