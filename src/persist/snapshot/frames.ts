// What the engine sends the snapshot thread through the output queue while it scans itself. Pages
// for the spill have a queue of their own (spill-file.ts).

export const Frame = {
  /** Bytes of the stream. */
  Output: 0,
  /** The stream is complete: make it durable. */
  End: 1,
  /** The thread scans from here on; how far it is stands in a message. */
  Resume: 2,
} as const
export type Frame = (typeof Frame)[keyof typeof Frame]

/** Bytes of the output queue: what the engine may be ahead of the disk. */
export const OUTPUT_QUEUE_BYTES = 1024 * 1024
