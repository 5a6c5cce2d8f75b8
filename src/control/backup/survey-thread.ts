// The thread behind RdbSurvey: reads the stream from the ring with the server's own reader into a
// digest, and answers once, with what passed or with what is wrong.

import { createHash } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../../base/assert.ts'
import { StoreError } from '../../base/errors.ts'
import { DigestKernel } from '../../persist/rdb/digest-kernel.ts'
import { Kernels } from '../../persist/rdb/kernels.ts'
import { RdbDigest } from '../../persist/rdb/rdb-digest.ts'
import { RdbInput } from '../../persist/rdb/rdb-input.ts'
import { RdbReader } from '../../persist/rdb/rdb-reader.ts'
import { RingReader } from './byte-ring.ts'
import type { SurveyAnswer, SurveyResult, SurveyTask } from './rdb-survey.ts'

const BUFFER_BYTES = 512 * 1024
/** Bytes between two reports. */
const STEP_BYTES = 1024 * 1024
/** Of a stream of unknown length: no length in it is too large to be tried. */
const UNKNOWN_BYTES = Number.MAX_SAFE_INTEGER

function survey(task: SurveyTask, ring: RingReader): SurveyResult {
  const sha256 = createHash('sha256')
  let received = 0
  const read = (bytes: Uint8Array, start: number, length: number): number => {
    const count = ring.read(bytes, start, length)
    sha256.update(bytes.subarray(start, start + count))
    received += count
    return count
  }
  const regionBytes = RdbInput.regionBytes(BUFFER_BYTES) + DigestKernel.regionBytes
  const kernels = new Kernels(regionBytes)
  const reader = new RdbReader(kernels, BUFFER_BYTES)
  const { name, withoutBeforeMs = 0 } = task
  const digest = new RdbDigest(kernels, { withoutBeforeMs })
  const size = task.bytes ?? UNKNOWN_BYTES
  // What follows the end shows below: of a stream of unknown length, all that is missing follows.
  reader.begin({ path: name, size: () => size, read }, digest, { mayTrail: true })
  while (reader.step(STEP_BYTES)) ring.report(digest.keys)
  ring.report(digest.keys)
  while (read(new Uint8Array(BUFFER_BYTES), 0, BUFFER_BYTES) > 0);
  const { position } = reader
  if (received !== position) {
    throw new Error(`${name}: ${received - position} bytes behind the end at byte ${position}`)
  }
  if (task.bytes !== undefined && received !== task.bytes) {
    throw new Error(`${name}: ends at byte ${received}, expected ${task.bytes} bytes`)
  }
  return {
    version: reader.version,
    bytes: received,
    sha256: sha256.digest('hex'),
    crc64: reader.checksum.toString(16).padStart(16, '0'),
    isVerified: reader.isVerified,
    databases: [...digest.databases.values()].filter((database) => database.keys > 0),
    keys: digest.keys,
    functions: digest.functions,
    left: digest.left,
    digest: digest.total(),
    aux: Object.fromEntries(digest.aux),
  }
}

function answerTo(task: SurveyTask): SurveyAnswer {
  const ring = new RingReader(task.ring)
  try {
    return { result: survey(task, ring), error: null }
  } catch (error) {
    const isExpected = error instanceof StoreError || error instanceof Error
    const text = isExpected ? error.message : String(error)
    return { result: null, error: text }
  } finally {
    ring.stop()
  }
}

assert(parentPort !== null, 'runs as a thread')
parentPort.postMessage(answerTo(workerData as SurveyTask))
