// From where on a value is kept, and called, another encoding: the `*-max-*` parameters as numbers.
// The engine changes the one instance in place on CONFIG SET; a value meets a new limit with its
// next change, as in Redis. What lies behind a name is another matter: see collection.ts.

export interface EncodingLimits {
  hashEntriesMax: number
  /** Longest field or value of a hash that is called listpack. */
  hashValueMax: number
  /** `list-max-listpack-size`: positive, entries; -1 … -5: 4, 8, 16, 32, 64 KiB. */
  listNodeSize: number
  setIntsetEntriesMax: number
  zsetEntriesMax: number
  zsetValueMax: number
  /** Longest sparse HyperLogLog. */
  hllSparseBytesMax: number
  /** 0: no limit. */
  streamNodeBytesMax: number
  streamNodeEntriesMax: number
}

/** What Redis 7.0 has without a configuration. */
export function defaultEncodingLimits(): EncodingLimits {
  return {
    hashEntriesMax: 512,
    hashValueMax: 64,
    listNodeSize: -2,
    setIntsetEntriesMax: 512,
    zsetEntriesMax: 128,
    zsetValueMax: 64,
    hllSparseBytesMax: 3000,
    streamNodeBytesMax: 4096,
    streamNodeEntriesMax: 100,
  }
}
