// What the engine sends the snapshot thread through the output queue while it scans itself.

export const Frame = {
  /** Bytes of the stream. */
  Output: 0,
  /** A page for the spill. */
  Spill: 1,
  /** The stream is complete: make it durable. */
  End: 2,
  /** The thread scans from here on; how far it is stands in a message. */
  Resume: 3,
} as const
export type Frame = (typeof Frame)[keyof typeof Frame]

/** Bytes of the output queue: what the engine may be ahead of the disk. */
export const OUTPUT_QUEUE_BYTES = 1024 * 1024
