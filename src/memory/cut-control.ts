// The words that engine and scanner share during a cut, and the states of a page in it.
//
// A page's state is one byte: the epoch of the last cut it was settled in, times four, and two
// bits. Opening a cut moves the epoch on by one, so every page in use becomes *unread* at once.
//
//   unread     any value of another epoch; the page holds its bytes of the instant of the cut
//   Busy       one side copies it just now (well under a microsecond)
//   Preserved  its bytes stand in reserve slots; the page itself may be written
//   Read       checking mode only: the scanner has it, the engine never touched it
//   Done       the scanner has it, or the page was born after the cut
//
//              scanner                        engine (touch)
//   unread ──► Busy ──► Done        unread ──► Busy ──► Preserved ──(scanner)──► Done
//
// Record runs change state as one, by the state of their first page; span pages one by one.
//
// A preserved or freed page that the scanner cannot encode soon (it is in the middle of a large
// value, or its sink takes nothing) is *spilled*: its bytes go to a file, and it is Done for the
// engine. Only the scanner knows of it (frozen-pages.ts).
// Epochs are six bits: free pages may keep a stale state, as they get a fresh one with their use.

export const StateBits = { Done: 0, Busy: 1, Preserved: 2, Read: 3 } as const

/** Indexes into the shared control words. */
export const Control = {
  Phase: 0,
  /** The state value of a done page in this cut. */
  Done: 1,
  /** Ring of pages the scanner shall take first, engine → scanner. */
  EarlyWrite: 2,
  EarlyRead: 3,
  /** Ring of reserve slots that are empty again, scanner → engine. */
  FreedWrite: 4,
  FreedRead: 5,
  /** A page that the engine waits for, plus 1; 0 when it waits for none. */
  Urgent: 6,
  /** 1 while the engine sleeps on FreedWrite. */
  Sleeping: 7,
  /** The value of FreedWrite at which the sleeping engine is woken. */
  WakeAt: 9,
  /** 1 in checking mode: the scanner leaves pages it took as Read. */
  Checking: 8,
  /** Reserve slots taken since the cut opened; less FreedWrite: slots in use. */
  SlotsTaken: 10,
  /** Pages in use, beyond which what cannot be encoded soon is spilled. */
  SpillAt: 11,
  /** Pages by which the arena grew because freed ones are held. */
  Forced: 12,
  /** 1: the engine wants to scan itself. */
  Handover: 13,
  /** 1 while the scanner is inside a call of a sink, and so touches no page. */
  InSink: 14,
} as const
export const CONTROL_WORDS = 16

export const Phase = {
  /** No cut. */
  Idle: 0,
  /** The scanner works. */
  Scanning: 1,
  /** The engine wants the scanner to stop early. */
  Aborting: 2,
  /** The scanner is done with all pages: well, by failure or by abort. */
  Ended: 3,
} as const
export type Phase = (typeof Phase)[keyof typeof Phase]

/** The shared memory of a cut, as it travels to the snapshot thread. */
export interface SharedCut {
  readonly control: SharedArrayBuffer
  readonly reserve: SharedArrayBuffer
  readonly early: SharedArrayBuffer
  readonly freed: SharedArrayBuffer
  /** Slots of the reserve, those for overdrafts included. */
  readonly slotCount: number
}

/** Slots of the early ring: preserved runs, and freed runs that wait to be read. */
export function earlyRingSize(slotCount: number): number {
  return 2 ** Math.ceil(Math.log2(slotCount * 2 + 2))
}

/** Slots of the freed ring: every reserve slot fits. */
export function freedRingSize(slotCount: number): number {
  return 2 ** Math.ceil(Math.log2(slotCount + 2))
}
