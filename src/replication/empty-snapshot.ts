// An RDB stream without keys, for those who ask for functions alone (`REPLCONF rdb-filter-only
// functions`): there are none. Needs no cut.
// Owner: the engine.

import { Kernels } from '../persist/rdb/kernels.ts'
import { type ByteSink, RdbWriter } from '../persist/rdb/rdb-writer.ts'

const CHUNK_BYTES = 1024

export function emptySnapshot(sink: ByteSink): void {
  const writer = new RdbWriter(new Kernels(RdbWriter.regionBytes(CHUNK_BYTES)), CHUNK_BYTES)
  writer.begin({ sink, compress: false, checksum: true })
  writer.end()
}
