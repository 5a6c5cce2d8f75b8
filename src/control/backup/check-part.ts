// Reads a part back and compares all that the manifest says of it: length and SHA-256 of the
// object, what is encrypted and compressed in it, the RDB stream, its counts and its digest. What
// does not fit is a PartFault that names the object. The bytes can be taken on the way.

import type { DatabaseCounts, RdbManifest, ShardManifest } from './manifest.ts'
import { PartFault, type PartSource, readPart } from './part-reader.ts'
import { noteBytesPassed } from './passed-buffers.ts'
import { RdbSurvey, SurveyError, type SurveyResult } from './rdb-survey.ts'

export interface PartCheck extends Omit<PartSource, 'part'> {
  readonly shard: ShardManifest
  /** Takes the RDB bytes on their way; they are right only if the check ends without a fault. */
  readonly take?: (bytes: Uint8Array) => Promise<void>
  /** RDB bytes that have passed, whenever there are more. */
  readonly onBytes?: (bytes: number) => void
}

/** Resolves when the part is what the manifest says. Throws PartFault, or StoreFault. */
export async function checkPart(check: PartCheck): Promise<SurveyResult> {
  const { shard, take, onBytes } = check
  const { part, rdb } = shard
  const survey = new RdbSurvey({ name: part.object, bytes: rdb.bytes })
  let passed = 0
  try {
    for await (const piece of readPart({ ...check, part })) {
      await Promise.all([survey.write(piece), take?.(piece)])
      passed += piece.length
      noteBytesPassed(piece.length)
      onBytes?.(passed)
    }
    const found = await survey.finish()
    const text = differenceOf(found, rdb)
    if (text !== '') throw new PartFault('damaged', part.object, text)
    return found
  } catch (cause) {
    if (!(cause instanceof SurveyError)) throw cause
    const text = cause.message.replace(`${part.object}: `, '')
    throw new PartFault('damaged', part.object, `the RDB stream: ${text}`, { cause })
  } finally {
    await survey.close()
  }
}

/** Whether the object alone is what the manifest says, for who has no identity to look into it. */
export async function checkStored(check: PartCheck): Promise<void> {
  const codec = { compression: null, encryption: null }
  const { part } = check.shard
  let bytes = 0
  for await (const piece of readPart({ ...check, codec, part })) {
    bytes += piece.length
    check.onBytes?.(bytes)
  }
}

/** What of a stream is not as the manifest says; '': nothing. */
export function differenceOf(found: SurveyResult, expected: RdbManifest): string {
  const counts = countsDifference(found.databases, expected.databases)
  if (counts !== '') return counts
  for (const field of ['functions', 'bytes', 'version', 'digest', 'crc64', 'sha256'] as const) {
    if (found[field] === expected[field]) continue
    return `${field} ${found[field]} of the RDB stream, expected ${expected[field]}`
  }
  return ''
}

/** The first count that differs, in words; '': none. */
export function countsDifference(
  found: readonly DatabaseCounts[],
  expected: readonly DatabaseCounts[],
): string {
  const ids = new Set([...found, ...expected].map(({ database }) => database))
  for (const id of [...ids].sort((a, b) => a - b)) {
    const is = figuresOf(found, id)
    const should = figuresOf(expected, id)
    for (const name of new Set([...is.keys(), ...should.keys()])) {
      const [a, b] = [is.get(name) ?? 0, should.get(name) ?? 0]
      if (a !== b) return `${a} ${name} in database ${id}, expected ${b}`
    }
  }
  return ''
}

/** What is counted of a database, by what it is called in messages. */
function figuresOf(all: readonly DatabaseCounts[], id: number): Map<string, number> {
  const counts = all.find(({ database }) => database === id)
  if (counts === undefined) return new Map()
  const types = Object.entries(counts.types).map(
    ([type, keys]) => [`keys of type ${type}`, keys] as const,
  )
  return new Map([['keys', counts.keys], ['keys with a deadline', counts.expiring], ...types])
}
