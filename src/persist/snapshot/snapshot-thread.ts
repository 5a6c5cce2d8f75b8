// The snapshot thread: asleep until the engine opens a cut and sends a job, then encodes the cut
// into its sinks while the engine goes on, or writes what the engine encodes. Of the arena it
// writes nothing but page states. What a job does is session.ts's; this is the thread around it.
// Start it as a Worker with `workerData: { port }`, the other end of a SnapshotPort.

import { setPriority } from 'node:os'
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { assert } from '../../base/assert.ts'
import { SystemClock } from '../../base/clock.ts'
import { SystemDisk } from '../../base/disk.ts'
import { collectGarbage } from '../../base/heap.ts'
import type { SegmentBuffer } from '../../memory/segments.ts'
import type { SegmentChange } from './scan-source.ts'
import { SessionStep, type SnapshotJob, type SnapshotOutcome, SnapshotSession } from './session.ts'
import { SnapshotEncoder, type SnapshotState } from './snapshot.ts'

/** Engine → thread. */
export type SnapshotRequest =
  | { readonly kind: 'start'; readonly job: SnapshotJob }
  | { readonly kind: 'segments'; readonly changes: readonly SegmentChange[] }
  | { readonly kind: 'resume'; readonly state: SnapshotState }

/** Thread → engine. */
export type SnapshotReport =
  | { readonly kind: 'ended'; readonly outcome: SnapshotOutcome }
  | { readonly kind: 'suspended'; readonly state: SnapshotState }

/**
 * The thread's niceness: where cores are few, clients come first. On 2 busy cores the longest wait
 * of a client during a save fell from 126 to 43 ms (bench snapshot-latency, both in one run).
 */
const NICENESS = 10
/** Longest sleep between two looks at whether the engine wants to end the cut. */
const IDLE_MS = 20
const STREAM_MS = 5
setPriority(0, NICENESS)
const disk = new SystemDisk()
const clock = new SystemClock()
const sleeper = new Int32Array(new SharedArrayBuffer(4))
/** Made with the first cut that is scanned here: it has memory of its own. */
let encoder: SnapshotEncoder | null = null
/** The segments of the engine's arena, by number. */
const segments: (SegmentBuffer | null)[] = []
const { port } = workerData as { port: MessagePort }

function report(message: SnapshotReport): void {
  port.postMessage(message)
}

/** The message that the engine has sent before it said so through the output queue. */
function takeState(): SnapshotState {
  const received = receiveMessageOnPort(port)
  const request = received?.message as SnapshotRequest | undefined
  assert(request?.kind === 'resume', 'the state was sent before the frame')
  return request.state
}

/** Takes notice of segments that came or went. */
function note(changes: readonly SegmentChange[]): void {
  for (const { number, segment } of changes) segments[number] = segment
  // What is dropped here would stay in memory until this thread collects.
  if (changes.some(({ segment }) => segment === null)) setImmediate(collectGarbage)
}

function run(job: SnapshotJob): void {
  const session = new SnapshotSession(
    {
      disk,
      encoder: () => (encoder ??= new SnapshotEncoder()),
      segments: () => segments,
      pause: (us) => Atomics.wait(sleeper, 0, 0, us / 1000),
      nowUs: () => clock.monotonicUs(),
      onSuspended: (state) => report({ kind: 'suspended', state }),
      takeState,
      waitForStream: (queue) => queue.waitForRoom(STREAM_MS),
    },
    job,
  )
  for (let step = session.step(); step !== SessionStep.Ended; step = session.step()) {
    if (step === SessionStep.Idle) session.waitForEngine(IDLE_MS)
  }
  assert(session.outcome !== null, 'a session that ended says how')
  report({ kind: 'ended', outcome: session.outcome })
}

port.on('message', (request: SnapshotRequest) => {
  if (request.kind === 'segments') return note(request.changes)
  // A state that a session was to take and did not, since the cut was aborted.
  if (request.kind === 'resume') return
  run(request.job)
  // The job's views, still in use here, would keep segments in memory that the engine drops.
  setImmediate(collectGarbage)
})
