// What a file or stream holds, key by key, with all that has expired: it is loaded into a keyspace
// that is there for nothing else, in which time stands at its beginning.

import { FakeDisk } from '../../src/base/disk-fake.ts'
import { Random } from '../../src/base/random.ts'
import { Keyspace } from '../../src/keyspace/keyspace.ts'
import { RdbLoader } from '../../src/persist/loader.ts'
import type { Contents } from './model.ts'
import { digestsOf } from './value-digests.ts'

const PATH = '/loaded'
const STEP_BYTES = 1 << 20

export class CutLoads {
  readonly #keyspace: Keyspace
  readonly #disk = new FakeDisk()

  constructor(databaseCount: number, pageCapacity: number) {
    this.#keyspace = new Keyspace({
      databaseCount,
      pageCapacity,
      hashSecret: new Uint32Array([1, 99]),
      random: new Random(1),
    })
  }

  /** Digests of all keys in the bytes of an RDB file. Throws what loading throws. */
  load(bytes: Uint8Array): Contents {
    const keyspace = this.#keyspace
    for (const database of keyspace.databases) keyspace.flush(database)
    keyspace.reclaimAll()
    this.#disk.put(PATH, bytes)
    const loader = new RdbLoader(this.#disk, PATH, keyspace, {
      checksum: true,
      memoryLimitBytes: 0,
      nowMs: 0,
      mayOverwrite: false,
    })
    let hasMore = true
    while (hasMore) hasMore = loader.step(STEP_BYTES)
    return digestsOf(keyspace)
  }
}
