// The node that is restored into, looked at before anything is changed: whether it is there, may be
// written, is empty if it should be, has the databases and the room, and which values it can take.

import type { NodeAddress } from '../source/node-address.ts'
import type { ConnectOptions } from '../source/node-connection.ts'
import { NodeConnection } from '../source/node-connection.ts'
import { NodeError } from '../source/node-error.ts'
import { type NodeFacts, readFacts } from '../source/node-facts.ts'
import { ErrorReply } from '../source/reply-parser.ts'
import { OLDEST_VERSION } from './restore-payload.ts'

/**
 * Empty: the node must have no keys. Replace: keys of the backup take the place of those that have
 * their names, others stay. Flush: the node is emptied first.
 */
export type RestoreMode = 'empty' | 'replace' | 'flush'

/** Why nothing was changed. */
export type RefusalKind = 'target' | 'room' | 'source' | 'not-empty'

/** The restore is refused, and the target is as it was. */
export class RestoreRefused extends Error {
  override readonly name = 'RestoreRefused'
  readonly kind: RefusalKind

  constructor(kind: RefusalKind, message: string) {
    super(message)
    this.kind = kind
  }
}

export interface RestoreNeeds {
  /** Bytes of the values, as far as they are known, and keys. */
  readonly bytes: number
  readonly keys: number
  readonly databaseMax: number
  readonly functions: number
}

const REPLY_MS = 120_000
/** What a key takes besides its value, on all engines at least. */
const KEY_BYTES_MIN = 48
/** Of the system's memory that is free, a node may take so much. */
const SYSTEM_SHARE = 0.9

export class RestoreTarget {
  readonly connection: NodeConnection
  readonly facts: NodeFacts
  /** Of the payloads that it takes. */
  readonly payloadVersion: number
  readonly #label: string

  private constructor(connection: NodeConnection, facts: NodeFacts) {
    this.connection = connection
    this.facts = facts
    this.payloadVersion = payloadVersionOf(facts)
    this.#label = facts.address.label
  }

  /** Connects; throws NodeError, and RestoreRefused when it is no place for a restore. */
  static async open(address: NodeAddress, options: ConnectOptions): Promise<RestoreTarget> {
    const limits = { timeoutMs: REPLY_MS, ...options }
    const connection = await NodeConnection.connect({ ...address, database: 0 }, limits)
    try {
      const target = new RestoreTarget(connection, await readFacts(connection))
      target.#checkKind()
      return target
    } catch (error) {
      connection.close()
      throw error
    }
  }

  /** Whether the node may be changed in this way. Throws RestoreRefused. */
  checkMode(mode: RestoreMode): void {
    const { keys } = this.facts
    if (mode !== 'empty' || keys === 0) return
    const text = `${this.#label} has ${keys} keys: replace (those of the same name) or flush?`
    throw new RestoreRefused('not-empty', text)
  }

  /** Whether what is to come has its place there. Throws RestoreRefused. */
  async checkNeeds(needs: RestoreNeeds, mode: RestoreMode): Promise<void> {
    await this.#checkDatabases(needs.databaseMax)
    await this.#checkFunctions(needs.functions)
    this.#checkRoom(needs, mode)
  }

  close(): void {
    this.connection.close()
  }

  #checkKind(): void {
    const { role, isLoading, isCluster } = this.facts
    const why = isLoading
      ? 'it is loading its data'
      : role === 'replica'
        ? 'it is a replica: restore into its primary'
        : isCluster
          ? 'it is in cluster mode: keys are restored into single nodes only'
          : null
    if (why !== null) throw new RestoreRefused('target', `${this.#label}: ${why}`)
  }

  async #checkDatabases(databaseMax: number): Promise<void> {
    if (databaseMax === 0) return
    const reply = await this.connection.send('SELECT', databaseMax)
    if (!(reply instanceof ErrorReply)) {
      await this.connection.command('SELECT', 0)
      return
    }
    const text = `${this.#label} has no database ${databaseMax}: map databases, or give it more`
    throw new RestoreRefused('target', `${text} (${reply.text})`)
  }

  async #checkFunctions(functions: number): Promise<void> {
    if (functions === 0) return
    const reply = await this.connection.send('FUNCTION', 'LIST', 'LIBRARYNAME', 'no-such-library')
    if (!(reply instanceof ErrorReply)) return
    const text = `${this.#label} takes no functions, of which there are ${functions} libraries`
    throw new RestoreRefused('target', `${text}: leave them out, or choose another (${reply.text})`)
  }

  /** What is asked for is a lower bound: a restore that this refuses would not have succeeded. */
  #checkRoom({ bytes, keys }: RestoreNeeds, mode: RestoreMode): void {
    const { usedBytes, datasetBytes, maxBytes, systemBytes } = this.facts.memory
    const needed = bytes + keys * KEY_BYTES_MIN
    const isSystem = maxBytes === 0
    const limit = isSystem ? (systemBytes ?? Number.MAX_SAFE_INTEGER) * SYSTEM_SHARE : maxBytes
    // What is replaced goes as it comes; nobody knows how much of it there is.
    const used = mode === 'empty' ? usedBytes : usedBytes - datasetBytes
    const free = Math.max(0, limit - used)
    if (needed <= free) return
    const what = isSystem ? `its machine's ${systemBytes} bytes` : `maxmemory ${maxBytes}`
    const text = `at least ${needed} bytes are needed, ${Math.floor(free)} are left of ${what}`
    throw new RestoreRefused('room', `${this.#label}: ${text}`)
  }
}

/** Removes all keys, and functions if the node has them. Throws NodeError. */
export async function flushNode({ connection }: RestoreTarget): Promise<void> {
  await connection.command('FLUSHALL')
  const reply = await connection.send('FUNCTION', 'FLUSH')
  if (!(reply instanceof ErrorReply)) return
  if (/NOPERM/.test(reply.text)) {
    throw new NodeError('denied', connection.address.label, `FUNCTION FLUSH: ${reply.text}`)
  }
}

/** The newest version of RDB that RESTORE takes there. */
export function payloadVersionOf({ engine, version }: NodeFacts): number {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (engine === 'tidemark') return 12
  // Valkey refuses versions 12 to 79, which have types that it does not know.
  if (engine === 'valkey') return 11
  if (major > 7 || (major === 7 && minor >= 4)) return 12
  if (major === 7) return minor >= 2 ? 11 : 10
  return OLDEST_VERSION
}
