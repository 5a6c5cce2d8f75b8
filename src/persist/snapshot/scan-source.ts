// The keyspace of a cut: what travels to the thread that scans, and what that thread makes of it.
// All buffers are shared, so that sending them copies nothing; but each one costs some tens of
// microseconds. So segments of the arena, of which there are many, do not travel with a cut, but
// when they come and go (`SegmentChange`), and a cut opens as fast at 8 GB as at 8 MB.

import {
  type Collections,
  FrozenCollections,
  type SharedCollections,
} from '../../keyspace/collections.ts'
import type { Arena } from '../../memory/arena.ts'
import type { Cut } from '../../memory/cut.ts'
import { FrozenPages, type FrozenSource } from '../../memory/frozen-pages.ts'
import type { SegmentBuffer } from '../../memory/segments.ts'

/** All that a scanning thread needs to see the keyspace of a cut. */
export interface SharedScanSource extends Omit<FrozenSource, 'segments'> {
  readonly collections: SharedCollections
  /** One past the highest number of a collection in the cut. */
  readonly collectionLimit: number
  readonly cutNumber: number
}

/** A cut as the scanner reads it. */
export interface ScanSource {
  readonly frozen: FrozenPages
  readonly collections: FrozenCollections
}

/** What is to be sent about a cut that has just been opened. */
export function shareScan(arena: Arena, collections: Collections, cut: Cut): SharedScanSource {
  return {
    table: arena.pages.shared,
    cut: cut.shared,
    pageLimit: arena.pool.pageLimit,
    collections: collections.shared,
    collectionLimit: collections.limit,
    cutNumber: arena.cutNumber,
  }
}

/** A segment that the other thread is to know of; null: that is gone. */
export interface SegmentChange {
  readonly number: number
  readonly segment: SegmentBuffer | null
}

/** What `shareSegments` has told so far, by number. */
export type SharedSegments = (SegmentBuffer | null)[]

/** Up to `limit` changes since the last call, which `shared` remembers. */
export function segmentChanges(
  arena: Arena,
  shared: SharedSegments,
  limit: number,
): SegmentChange[] {
  const changes: SegmentChange[] = []
  for (const [number, segment] of arena.segments.entries()) {
    if (changes.length >= limit) break
    if (segment === (shared[number] ?? null)) continue
    shared[number] = segment
    changes.push({ number, segment })
  }
  return changes
}

/** The receiving end of `shareScan`. */
export function openScan(
  source: SharedScanSource,
  segments: readonly (SegmentBuffer | null)[],
): ScanSource {
  const { collections, cutNumber, collectionLimit } = source
  return {
    frozen: new FrozenPages({ ...source, segments }),
    collections: new FrozenCollections(collections, cutNumber, collectionLimit),
  }
}
