// The keyspace of a cut: what travels to the thread that scans, and what that thread makes of it.
// All buffers are shared, so that sending them copies nothing.

import {
  type Collections,
  FrozenCollections,
  type SharedCollections,
} from '../../keyspace/collections.ts'
import type { Arena } from '../../memory/arena.ts'
import type { Cut } from '../../memory/cut.ts'
import { FrozenPages, type FrozenSource } from '../../memory/frozen-pages.ts'

/** All that a scanning thread needs to see the keyspace of a cut. */
export interface SharedScanSource extends FrozenSource {
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
    segments: [...arena.segments],
    pageLimit: arena.pool.pageLimit,
    collections: collections.shared,
    collectionLimit: collections.limit,
    cutNumber: arena.cutNumber,
  }
}

/** The receiving end of `shareScan`. */
export function openScan(source: SharedScanSource): ScanSource {
  const { collections, cutNumber, collectionLimit } = source
  return {
    frozen: new FrozenPages(source),
    collections: new FrozenCollections(collections, cutNumber, collectionLimit),
  }
}
