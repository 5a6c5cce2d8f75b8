// The prober, a helper process: one request per millisecond, PING and SET in turn, on a schedule
// fixed in advance. A latency runs from the instant the request was *due*, not from when it was
// sent: a server (or a machine) that stands still for 20 ms spoils 20 probes, not one, so waiting
// is never left out (no coordinated omission).
//
// Timing: between probes the process sleeps (Atomics.wait) until `SPIN_MS` before the next is due
// and then spins, which costs a tenth of a core and starts a probe within microseconds. While a
// reply is awaited it stands in the event loop, so a reply is seen as soon as it is readable;
// probes that fall due meanwhile are sent by a 1 ms timer.
//
// It also measures itself: `ownLateness` is how late it woke, for each probe it slept for. Without
// a port it does only that: the noise floor of the machine, with no server in the picture.

import { connect, type Socket } from 'node:net'
import { Random } from '../../src/base/random.ts'
import { helperDone, helperOptions, helperReady } from './helper.ts'
import { SetBatch, ValuePool } from './requests.ts'
import { machineMs } from './time.ts'

export interface ProbeOptions {
  /** Missing: measure only the machine. */
  readonly port?: number
  readonly intervalUs: number
  readonly keys: number
  readonly valueBytes: number
  readonly limitMs: number
  readonly seed: number
}

export interface ProbeResult {
  /** Machine time at which probe 0 was due. */
  readonly startMs: number
  readonly intervalMs: number
  /** Microseconds from due to answered; even probes are PING, odd ones SET. */
  readonly latencyUs: number[]
  /** Microseconds by which the prober itself woke late; -1 where it had not slept. */
  readonly ownLatenessUs: number[]
}

const SPIN_MS = 0.1
const PING = Buffer.from('*1\r\n$4\r\nPING\r\n')
const NEWLINE = 10
const MINUS = 45

const options = helperOptions<ProbeOptions>()
const intervalMs = options.intervalUs / 1000
const sleeper = new Int32Array(new SharedArrayBuffer(4))
const latencyUs: number[] = []
const ownLatenessUs: number[] = []
let startMs = 0
let sent = 0
let isStopping = false

/** Blocks this thread until the next probe is due, and notes how late it woke. */
function blockUntilDue(): void {
  const dueMs = startMs + sent * intervalMs
  let now = machineMs()
  const isEarly = now < dueMs
  if (dueMs - now > SPIN_MS) Atomics.wait(sleeper, 0, 0, dueMs - now - SPIN_MS)
  do now = machineMs()
  while (now < dueMs)
  ownLatenessUs[sent] = isEarly ? Math.round((now - dueMs) * 1000) : -1
}

function finish(): void {
  // Probes still unanswered have waited this long already.
  while (latencyUs.length < sent) latencyUs.push(latencyOf(latencyUs.length))
  const result: ProbeResult = { startMs, intervalMs, latencyUs, ownLatenessUs }
  helperDone(result)
}

function latencyOf(probe: number): number {
  return Math.round((machineMs() - startMs - probe * intervalMs) * 1000)
}

/** Sends every probe that is due, also several at once after a stall. */
function sendDue(socket: Socket, sets: SetBatch, pool: ValuePool, random: Random): void {
  while (!isStopping && startMs + sent * intervalMs <= machineMs()) {
    ownLatenessUs[sent] ??= -1
    if (sent % 2 === 0) socket.write(PING)
    else {
      // A fresh copy: several may be under way at once after a stall.
      sets.fill(0, random.below(options.keys), pool)
      socket.write(Buffer.from(sets.bytes))
    }
    sent++
  }
}

function probeServer(port: number): void {
  const sets = new SetBatch({ ...options, valueKind: 'random', pipeline: 1 })
  const pool = new ValuePool('random', options.seed)
  const random = new Random(options.seed + 1)
  const receive = Buffer.alloc(64 * 1024)
  const onReplies = (length: number): boolean => {
    for (let i = 0; i < length; i++) {
      if (receive[i] === MINUS) fail(receive.toString('latin1', i, Math.min(length, i + 200)))
      if (receive[i] === NEWLINE) latencyUs.push(latencyOf(latencyUs.length))
    }
    if (latencyUs.length < sent) return true
    if (isStopping) finish()
    else {
      blockUntilDue()
      sendDue(socket, sets, pool, random)
    }
    return true
  }
  const socket: Socket = connect({
    host: '127.0.0.1',
    port,
    onread: { buffer: receive, callback: onReplies },
  })
  socket.setNoDelay(true)
  socket.on('error', (error) => fail(error.message))
  socket.on('close', () => fail('the server closed the connection'))
  socket.once('connect', () => {
    begin()
    setInterval(() => sendDue(socket, sets, pool, random), 1)
  })
}

/** No server: sleeps and wakes on the same schedule; yields now and then to hear `stop`. */
function probeMachine(): void {
  begin()
  const step = () => {
    for (let i = 0; i < 50; i++) {
      blockUntilDue()
      latencyUs[sent] = latencyOf(sent)
      sent++
    }
    if (isStopping) finish()
    else setImmediate(step)
  }
  step()
}

function begin(): void {
  startMs = machineMs() + 5
  setTimeout(stop, options.limitMs)
  helperReady(stop)
}

function stop(): void {
  isStopping = true
  if (options.port !== undefined && latencyUs.length === sent) finish()
}

function fail(message: string): void {
  process.stderr.write(`prober: ${message}\n`)
  process.exit(1)
}

if (options.port === undefined) probeMachine()
else probeServer(options.port)
