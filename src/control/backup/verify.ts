// Whether a backup can be trusted. Level `parts`: every part is read, decrypted, decompressed and
// parsed, and compared with the manifest. Level `engine`: besides, each shard is loaded into a
// scratch engine, and what a full sync of that gives is compared again. What was found, good or
// bad, becomes a record beside the manifest.
//
// A bad backup is a result; that it cannot be told – the store is away, no identity, no room, the
// engine does not start – is an error, and leaves no record.
//
// Deadlines go on passing in a scratch engine. So both sides are compared without the keys that
// expire before an instant that lies behind the end of the comparison; if it took longer, it is
// done again with more time. What is left out has been compared in the part.

import { mkdtemp, open, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFullSync } from '../source/psync-stream.ts'
import { openRdbFile } from '../source/rdb-file-source.ts'
import type { RdbStream } from '../source/rdb-source.ts'
import type { ObjectStore } from '../store/object-store.ts'
import type { AgeIdentity } from './age-keys.ts'
import { checkPart, countsDifference } from './check-part.ts'
import { EngineError, LocalEngine, RDB_NAME } from './local-engine.ts'
import type { BackupManifest, ShardManifest } from './manifest.ts'
import { verifiedObject } from './names.ts'
import { PartFault } from './part-reader.ts'
import { noteBytesPassed } from './passed-buffers.ts'
import { RdbSurvey, type SurveyResult } from './rdb-survey.ts'
import {
  RECORD_VERSION,
  readManifest,
  type VerificationLevel,
  type VerificationRecord,
} from './read-manifest.ts'

export interface VerifyRequest {
  readonly store: ObjectStore
  readonly name: string
  readonly level: VerificationLevel
  readonly identities: readonly AgeIdentity[]
  /** Where scratch files go; absent: the system's directory for them. */
  readonly workDirectory?: string
  /** The server that loads it; absent: the one of this checkout. */
  readonly engineCommand?: string
  readonly signal?: AbortSignal
  readonly onNote?: (text: string) => void
  /** Whenever something has passed. */
  readonly onProgress?: (progress: VerifyProgress) => void
}

export interface VerifyProgress {
  readonly phase: 'parts' | 'engine'
  readonly shard: number
  readonly shards: number
  /** RDB bytes of all shards that have passed in this phase, and that will. */
  readonly bytes: number
  readonly totalBytes: number
}

interface Fault {
  readonly object: string
  readonly text: string
}

const MARGIN_MS_MIN = 60_000
/** Of a scratch engine: slower than any that was seen. */
const BYTES_PER_MS_MIN = 5_000
const ATTEMPTS_MAX = 3
const DATABASES_MIN = 16

/** Looks at the backup and writes down what was found. Throws what kept it from being told. */
export async function verifyBackup(request: VerifyRequest): Promise<VerificationRecord> {
  const { store, name, signal, onNote } = request
  const startedMs = Date.now()
  const manifest = await readManifest(store, name, signal)
  const functions = manifest.shards.reduce((sum, { rdb }) => sum + rdb.functions, 0)
  let { level } = request
  if (level === 'engine' && functions > 0 && request.engineCommand === undefined) {
    onNote?.(`${functions} libraries of functions, which no scratch engine loads: parts only`)
    level = 'parts'
  }
  const verification = new Verification(request, manifest)
  const faults: Fault[] = []
  const engines = new Set<string>()
  for (const shard of manifest.shards) {
    const { fault, engine } = await verification.look(shard, level)
    if (fault !== null) faults.push(fault)
    if (engine !== '') engines.add(engine)
  }
  const nowMs = Date.now()
  const record: VerificationRecord = {
    version: RECORD_VERSION,
    name,
    id: manifest.id,
    at: new Date(nowMs).toISOString(),
    isGood: faults.length === 0,
    level,
    faults,
    engine: [...engines].join(', '),
    tookMs: nowMs - startedMs,
  }
  const bytes = Buffer.from(`${JSON.stringify(record, null, 2)}\n`)
  await store.put(verifiedObject(name, nowMs), bytes, { createOnly: true })
  return record
}

class Verification {
  readonly #request: VerifyRequest
  readonly #manifest: BackupManifest
  readonly #totalBytes: number
  #doneBytes = 0

  constructor(request: VerifyRequest, manifest: BackupManifest) {
    this.#request = request
    this.#manifest = manifest
    this.#totalBytes = manifest.totals.rdbBytes
  }

  /** Verifies one shard; a fault of the backup is returned. */
  async look(
    shard: ShardManifest,
    level: VerificationLevel,
  ): Promise<{ readonly fault: Fault | null; readonly engine: string }> {
    try {
      if (level === 'engine') return await this.#byEngine(shard)
      await this.#check(shard)
      return { fault: null, engine: '' }
    } catch (error) {
      if (!(error instanceof PartFault) || error.kind === 'locked') throw error
      const { object } = error
      return { fault: { object, text: error.message.replace(`${object}: `, '') }, engine: '' }
    } finally {
      this.#doneBytes += shard.rdb.bytes
    }
  }

  async #check(shard: ShardManifest, take?: (bytes: Uint8Array) => Promise<void>): Promise<void> {
    const { store, identities, signal } = this.#request
    await checkPart({
      store,
      shard,
      codec: this.#manifest,
      identities,
      ...(signal === undefined ? {} : { signal }),
      ...(take === undefined ? {} : { take }),
      onBytes: (bytes) => this.#tell('parts', shard, bytes),
    })
  }

  async #byEngine(shard: ShardManifest) {
    const { workDirectory = tmpdir(), engineCommand, signal } = this.#request
    const directory = await mkdtemp(join(workDirectory, 'tidemark-verify-'))
    try {
      const path = join(directory, RDB_NAME)
      await checkRoom(directory, shard.rdb.bytes)
      const file = await open(path, 'wx', 0o600)
      try {
        await this.#check(shard, async (bytes) => {
          await file.writeFile(bytes)
        })
      } finally {
        await file.close()
      }
      const numbers = shard.rdb.databases.map(({ database }) => database + 1)
      const engine = await LocalEngine.start({
        directory,
        databases: Math.max(DATABASES_MIN, ...numbers),
        ...(engineCommand === undefined ? {} : { command: engineCommand }),
        ...(signal === undefined ? {} : { signal }),
      })
      try {
        const text = await this.#compare(shard, path, engine)
        const fault = text === '' ? null : { object: shard.part.object, text }
        return { fault, engine: `${engine.facts.engine} ${engine.facts.version}` }
      } finally {
        await engine.stop()
      }
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  }

  /** What differs between the file and the engine that has loaded it, in words; '': nothing. */
  async #compare(shard: ShardManifest, path: string, engine: LocalEngine): Promise<string> {
    const { signal } = this.#request
    let marginMs = MARGIN_MS_MIN + shard.rdb.bytes / BYTES_PER_MS_MIN
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const withoutBeforeMs = Date.now() + Math.ceil(marginMs)
      const name = `the engine that has loaded ${shard.part.object}`
      const sync = await openFullSync(engine.address, signal === undefined ? {} : { signal })
      const loaded = await this.#survey(sync, { name, withoutBeforeMs }, shard)
      if (Date.now() < withoutBeforeMs) {
        const file = await openRdbFile(path, signal)
        const stored = await this.#survey(file, { name: path, withoutBeforeMs }, shard)
        return engineDifference(loaded, stored)
      }
      marginMs *= 4
    }
    throw new EngineError(`${shard.part.object}: the scratch engine is too slow to be compared`)
  }

  async #survey(
    stream: RdbStream,
    options: { readonly name: string; readonly withoutBeforeMs: number },
    shard: ShardManifest,
  ): Promise<SurveyResult> {
    const survey = new RdbSurvey(options)
    let bytes = 0
    try {
      for await (const piece of stream.chunks()) {
        await survey.write(piece)
        bytes += piece.length
        noteBytesPassed(piece.length)
        this.#tell('engine', shard, Math.min(bytes, shard.rdb.bytes))
      }
      return await survey.finish()
    } finally {
      stream.close()
      await survey.close()
    }
  }

  #tell(phase: VerifyProgress['phase'], { shard }: ShardManifest, bytes: number): void {
    this.#request.onProgress?.({
      phase,
      shard,
      shards: this.#manifest.shards.length,
      bytes: this.#doneBytes + bytes,
      totalBytes: this.#totalBytes,
    })
  }
}

/** Bytes of the stream are not compared: two engines write the same data differently. */
function engineDifference(loaded: SurveyResult, stored: SurveyResult): string {
  const counts = countsDifference(loaded.databases, stored.databases)
  if (counts !== '') return `loaded into an engine: ${counts}`
  if (loaded.digest === stored.digest) return ''
  return `loaded into an engine: digest ${loaded.digest}, expected ${stored.digest}`
}

/** Throws EngineError when the file would not fit. */
async function checkRoom(directory: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory)
  const free = bavail * bsize
  if (free > bytes) return
  throw new EngineError(`${directory}: ${free} bytes are free, the backup takes ${bytes}`)
}
