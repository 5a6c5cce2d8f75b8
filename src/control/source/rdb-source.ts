// Where the RDB bytes of a shard come from: a full sync of a node, or a file. Whoever takes a
// backup knows only this.

export interface RdbStream {
  /** Of the source at the instant of the data; '' and -1: it has none. */
  readonly replicationId: string
  readonly replicationOffset: number
  /** Length of the stream; null: not known before its end. */
  readonly bytes: number | null
  /** When the source began to send, or said that it would: the instant of the data, unix ms. */
  readonly takenAtMs: number
  /** The stream, once. It ends only if the source says that it is whole; else it throws. */
  chunks(): AsyncIterable<Uint8Array>
  /** Gives the connection or file back; never throws. To be called in any case. */
  close(): void
}
