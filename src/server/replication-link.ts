// Ties replication (replication/primary.ts) to the server: the configuration, changes from
// propagation, snapshots from persistence, and each replica's connection.
// Owner: the engine.

import { dirname } from 'node:path'
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import type { Disk } from '../base/disk.ts'
import type { Log } from '../base/log.ts'
import type { Socket } from '../base/socket.ts'
import type { Persistence } from '../persist/persistence.ts'
import { AttachedReplica, type ReplicaLink } from '../replication/attached-replica.ts'
import { Primary, type PrimarySettings } from '../replication/primary.ts'
import type { AckWaits } from './ack-waits.ts'
import type { Clients } from './clients.ts'
import type { Config } from './config.ts'
import type { Connection } from './connection.ts'
import type { Propagation } from './propagation.ts'
import type { Pushes } from './pushes.ts'

/** What replication needs of the server. */
export interface ReplicationHost {
  readonly clock: Clock
  readonly disk: Disk
  readonly log: Log
  readonly config: Config
  readonly clients: Clients
  readonly pushes: Pushes
  readonly propagation: Propagation
  readonly persistence: Persistence | null
  readonly ackWaits: AckWaits
}

/** The primary's side of replication for `server`. */
export function primaryOf(server: ReplicationHost): Primary {
  const { clock, disk, log, propagation } = server
  return new Primary({
    clock,
    disk,
    log,
    settings: new LiveReplicationSettings(server),
    processId: process.pid,
    feed: propagation,
    requestCut: (request) => {
      assert(server.persistence !== null, 'who is asked for a sync can save')
      server.persistence.request(request)
    },
    onUnit: (offset) => {
      const { served } = server.pushes
      if (served !== null) served.writeOffset = offset
    },
    onAck: () => server.ackWaits.look(),
  })
}

/** What `client` is as a replica, or may become. */
export function replicaOf(server: ReplicationHost, client: Connection): AttachedReplica {
  client.replica ??= new AttachedReplica(new ConnectionLink(server, client))
  return client.replica
}

class ConnectionLink implements ReplicaLink {
  readonly socket: Socket
  readonly #server: ReplicationHost
  readonly #client: Connection

  constructor(server: ReplicationHost, client: Connection) {
    this.#server = server
    this.#client = client
    this.socket = client.socket
  }

  close(): void {
    this.#client.socket.close()
  }

  measure(): void {
    const { clients, clock } = this.#server
    if (clients.enforceOutputLimit(this.#client, clock.nowMs())) return
    clients.memory.update(this.#client)
  }
}

class LiveReplicationSettings implements PrimarySettings {
  readonly #server: ReplicationHost

  constructor(server: ReplicationHost) {
    this.#server = server
  }

  get backlogBytes(): number {
    return this.#server.config.values.replBacklogSize
  }

  get backlogTtlSeconds(): number {
    return this.#server.config.values.replBacklogTtl
  }

  get pingPeriodSeconds(): number {
    return this.#server.config.values.replPingReplicaPeriod
  }

  get timeoutSeconds(): number {
    return this.#server.config.values.replTimeout
  }

  get replicasMin(): number {
    return this.#server.config.values.minReplicasToWrite
  }

  get lagSecondsMax(): number {
    return this.#server.config.values.minReplicasMaxLag
  }

  get isDiskless(): boolean {
    return this.#server.config.values.replDisklessSync
  }

  get disklessDelaySeconds(): number {
    return this.#server.config.values.replDisklessSyncDelay
  }

  get disklessReplicas(): number {
    return this.#server.config.values.replDisklessSyncMaxReplicas
  }

  get directory(): string {
    const { config } = this.#server
    return dirname(config.resolvePath(config.values.dbfilename))
  }
}
