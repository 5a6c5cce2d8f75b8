// A session that runs to its end on the caller's own thread, as Redis blocks for it, too: SAVE,
// SHUTDOWN SAVE, DEBUG RELOAD. Owner: the engine.

import { assert, fail } from '../../base/assert.ts'
import type { Disk } from '../../base/disk.ts'
import type { SegmentBuffer } from '../../memory/segments.ts'
import { SessionStep, type SnapshotJob, type SnapshotOutcome, SnapshotSession } from './session.ts'
import type { SnapshotEncoder } from './snapshot.ts'

const WAIT_WORD = new Int32Array(new SharedArrayBuffer(4))

export interface BlockingHost {
  readonly disk: Disk
  readonly encoder: () => SnapshotEncoder
  readonly segments: readonly (SegmentBuffer | null)[]
}

/** Carries out the job; how it ended. */
export function runSession(job: SnapshotJob, host: BlockingHost): SnapshotOutcome {
  const { disk, encoder, segments } = host
  const session = new SnapshotSession(
    {
      disk,
      encoder,
      segments: () => segments,
      pause: (us) => Atomics.wait(WAIT_WORD, 0, 0, us / 1000),
      nowUs: null,
      onSuspended: () => fail('nobody asks for it'),
      takeState: () => fail('nobody has one'),
      waitForStream: (queue) => queue.waitForRoom(1),
    },
    job,
  )
  let step = session.step()
  while (step !== SessionStep.Ended) step = session.step()
  assert(session.outcome !== null, 'a session that ended says how')
  return session.outcome
}
