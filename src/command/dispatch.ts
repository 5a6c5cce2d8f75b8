// From arguments to a reply: finds the command, asks whether it may run now, runs it, and counts.
//
// The order of the questions is Redis's, because the first refusal is the reply: known? arity?
// protected? authenticated? allowed inside MULTI? memory? disk? loading? paused? queued? And last,
// while a cut is open: may a write start now (server/write-delay.ts)? Time is read once per
// command: the end of one is the start of the next, so parsing counts as part of it.
//
// A command that finds the arena full throws out of its handler, having changed nothing if it
// writes one key only; here it becomes an OOM error. It is the one error that handlers may throw:
// what can run out of memory is deep below them, and rare.
//
// What a command changes is kept for those who repeat it (effects.ts): each command with its own
// words or others; what one call of `run` or `retry` has caused is a unit.
//
// Nothing here allocates when a command is found and may run. Errors made of the client's own words
// (unknown command) are built when they happen.

import { assert } from '../base/assert.ts'
import { ErrorCode, StoreError } from '../base/errors.ts'
import type { Args } from '../resp/args.ts'
import {
  ARENA_FULL_ERROR,
  LOADING,
  MASTER_DOWN,
  NO_AUTH,
  OOM,
  type ReplyError,
  replyError,
  wrongArity,
} from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { type Context, Flag } from './command.ts'
import type { CommandEntry, CommandTable } from './table.ts'

/** The client as dispatch sees it. */
export interface Caller {
  /** Whether it gave the password, or none is asked for. */
  readonly isAuthenticated: boolean
  /** Whether it is on this machine. */
  readonly isLocal: boolean
  /** Whether it is a replica, whom no pause holds up. */
  readonly isReplica: boolean
  /** Whether commands are closed to it in its present mode; `refusalOf` says which. */
  readonly isRestricted: boolean
  /** Why its mode does not let it run a command; null: it may. */
  refusalOf(entry: CommandEntry): ReplyError | null
  /** What it asked for last; null for an unknown command. */
  lastEntry: CommandEntry | null
  /** What it has queued since MULTI; null outside. */
  readonly transaction: OpenTransaction | null
  /** The command that was just run waits for a key. */
  readonly isBlocked: boolean
  /** Drops the transaction and what the client watches. */
  abandonTransaction(): void
}

/** A transaction that a client has begun. */
export interface OpenTransaction {
  /** Flags that any of the queued commands has. */
  readonly flags: number
  /** Flags that any of the queued commands lacks. */
  readonly missingFlags: number
  /** A command could not be queued: EXEC will refuse. */
  isFailed: boolean
  /** Queues a copy. */
  add(entry: CommandEntry, args: Args): void
}

/** What the server's state forbids at the moment. */
export interface Gates {
  readonly isLoading: boolean
  /** Whether a link to a primary is down and old data must not be served. */
  readonly isStale: boolean
  /** Commands with any of these flags wait; 0: none do, -1: all do. */
  readonly pausedFlags: number
  /** Whether more memory is in use than `maxmemory` allows. */
  isOverMemory(): boolean
  /** Frees memory, by evicting keys; false when there is nothing left to free. */
  makeRoom(): boolean
  /** Why writes are refused: the last save failed. */
  diskError(): ReplyError | null
  /** Why writes are refused: too few replicas have them. */
  replicaError(): ReplyError | null
  /** Whether DEBUG, MODULE and the like are open to `caller`. */
  allowsProtected(entry: CommandEntry, caller: Caller): boolean
}

/** Sees commands that took long. */
export type SlowHook = (entry: CommandEntry, args: Args, durationUs: number) => void

/** Sees commands that took long enough for the latency monitor. */
export type LatencyHook = (entry: CommandEntry, durationUs: number) => void

/** Sees commands that are executed; `args` are borrowed. */
export type CommandHook = (entry: CommandEntry, args: Args) => void

export interface DispatchOptions {
  readonly table: CommandTable
  readonly context: Context
  readonly gates: Gates
  readonly monotonicUs: () => number
  readonly onSlow: SlowHook
  readonly onLatency: LatencyHook
  /** Asked before a command that `delayedFlags` names; true: it is held back and must wait. */
  readonly holdsWrite: () => boolean
  /** Sees unknown commands; true when it has dealt with one, which then gets no reply. */
  readonly onUnknown: (args: Args) => boolean
}

/** Commands that run inside of MULTI instead of being queued. */
const UNQUEUED: ReadonlySet<string> = new Set([
  'exec',
  'discard',
  'multi',
  'watch',
  'quit',
  'reset',
])
/** Those of them that are open to a client while memory is short, unless what is queued is not. */
const OPEN_AT_OOM: ReadonlySet<string> = new Set(['exec', 'discard', 'quit', 'reset'])
/** What EXEC inherits from the commands that it runs. */
const INHERITED_FLAGS = Flag.Write | Flag.DenyOom | Flag.MayReplicate
/** What EXEC has only if all of them have it. */
const COMMON_FLAGS = Flag.Loading | Flag.Stale
const QUEUED = 'QUEUED'
/** Who runs one of these is kept with its own words when it has changed something. */
const CHANGING_FLAGS = Flag.Write | Flag.MayReplicate
/** What they remove because it has expired has nothing to do with each other. */
const WANDERING: ReadonlySet<string> = new Set(['randomkey', 'scan'])
const NOT_IN_MULTI = replyError('ERR Command not allowed inside a transaction')

/** Longest piece of a client's words in an error, and room for all of them. */
const PREVIEW_LENGTH = 128

export class Dispatcher {
  readonly table: CommandTable
  /** Commands executed since the start or the last CONFIG RESETSTAT. */
  commandCount = 0
  /** Error replies by their first word. */
  readonly errors = new Map<string, number>()
  /** All error replies. */
  errorTotal = 0
  /** `latency-tracking`. */
  isTracking = true
  /** Durations in µs from which the slow hook is called; Infinity: never. */
  slowUs = Infinity
  /** The same for the latency hook, which sees all commands. */
  latencyUs = Infinity
  /** Commands with any of these flags may be held back (server/write-delay.ts); 0: none are. */
  delayedFlags = 0
  /** When the command that runs began, on the monotonic clock. */
  startUs = 0
  /**
   * Called before and after each command that is executed, those of a transaction included, and
   * those that then wait for a key; not for refused and queued ones. null while nobody listens.
   */
  onCommand: CommandHook | null = null
  onExecuted: CommandHook | null = null
  /** The reply's count of errors when errors were last counted. */
  #errorsSeen = 0
  readonly #context: Context
  readonly #gates: Gates
  readonly #monotonicUs: () => number
  readonly #onSlow: SlowHook
  readonly #onLatency: LatencyHook
  readonly #holdsWrite: () => boolean
  readonly #onUnknown: (args: Args) => boolean

  constructor(options: DispatchOptions) {
    this.table = options.table
    this.#context = options.context
    this.#gates = options.gates
    this.#monotonicUs = options.monotonicUs
    this.#onSlow = options.onSlow
    this.#onLatency = options.onLatency
    this.#holdsWrite = options.holdsWrite
    this.#onUnknown = options.onUnknown
  }

  /** Begins a batch: the next command starts now. */
  begin(): void {
    this.startUs = this.#monotonicUs()
  }

  /** Runs one command; false when it must wait (a pause, the write delay) and left no trace. */
  run(args: Args, reply: Reply, caller: Caller): boolean {
    const entry = this.table.find(args)
    if (entry === null || entry.run === null || !entry.takes(args.count)) {
      this.#refuseShape(args, reply, caller)
      return true
    }
    caller.lastEntry = entry
    const { transaction } = caller
    const flags = transaction === null ? entry.flags : flagsInside(transaction, entry)
    const refusal = this.#refusalOf(entry, flags, caller)
    if (refusal !== null) {
      this.#refuse(entry, refusal, { reply, caller })
      return true
    }
    const { pausedFlags } = this.#gates
    const isHeld = pausedFlags === -1 || (flags & pausedFlags) !== 0
    if (isHeld && !caller.isReplica) return false
    if (transaction !== null && !UNQUEUED.has(entry.fullName)) {
      transaction.add(entry, args)
      reply.simple(QUEUED)
      return true
    }
    if ((flags & this.delayedFlags) !== 0 && this.#holdsWrite()) return false
    const startUs = this.startUs
    this.#run(entry, args, reply)
    this.#endUnit(entry)
    this.#count(entry, args, startUs)
    // The time of a command that waits is that of the run that serves it.
    if (!caller.isBlocked) this.#record(entry, args, this.startUs - startUs)
    return true
  }

  /** Runs a command of a transaction, which nothing forbids any more. */
  runQueued(entry: CommandEntry, args: Args, reply: Reply): void {
    const startUs = this.startUs
    this.#run(entry, args, reply)
    this.#count(entry, args, startUs)
    this.#record(entry, args, this.startUs - startUs)
  }

  /** Runs a command that has waited, whose call is counted; false when it waits on. */
  retry(args: Args, reply: Reply, caller: Caller): boolean {
    const entry = caller.lastEntry
    assert(entry !== null, 'who waits has called a command')
    this.begin()
    const startUs = this.startUs
    this.#handle(entry, args, reply)
    this.#endUnit(entry)
    if (caller.isBlocked) return false
    this.begin()
    entry.usec += this.startUs - startUs
    this.#record(entry, args, this.startUs - startUs)
    return true
  }

  /** Runs a command that comes out of a log, which nobody asks about and nothing counts. */
  replay(entry: CommandEntry, args: Args, reply: Reply): void {
    this.#handle(entry, args, reply)
    this.#endUnit(entry)
  }

  /** Counts an error reply that no command wrote (protocol errors). */
  noteError(code: string): void {
    this.errorTotal++
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1)
  }

  resetStatistics(): void {
    this.commandCount = 0
    this.errorTotal = 0
    this.errors.clear()
    this.table.each((entry) => entry.resetStatistics())
  }

  #run(entry: CommandEntry, args: Args, reply: Reply): void {
    if (this.onCommand !== null) this.onCommand(entry, args)
    this.#handle(entry, args, reply)
  }

  /** Runs the handler, keeps what it changed, and counts what it failed with. */
  #handle(entry: CommandEntry, args: Args, reply: Reply): void {
    const { run } = entry
    assert(run !== null, 'what was found runs')
    const { effects, keyspace } = this.#context
    const dirtyBefore = keyspace.dirty
    const lengthBefore = reply.length
    this.#errorsSeen = reply.errorCount
    try {
      run(this.#context, args, reply)
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== ErrorCode.OutOfMemory) throw error
      reply.rewind(lengthBefore)
      reply.error(ARENA_FULL_ERROR)
    }
    if (effects.isKept && (entry.flags & CHANGING_FLAGS) !== 0) {
      effects.endCommand(args, this.#context.db.id, keyspace.dirty !== dirtyBefore)
    }
    // Errors of the commands that EXEC runs are theirs.
    if (reply.errorCount === this.#errorsSeen) return
    this.#errorsSeen = reply.errorCount
    entry.failed++
    this.noteError(reply.lastErrorCode)
  }

  /** Hands over what the command has changed and caused, if anybody wants to know. */
  #endUnit(entry: CommandEntry): void {
    const { effects } = this.#context
    if (effects.count > 0) effects.endUnit(effects.count === 1 || !WANDERING.has(entry.fullName))
  }

  #count(entry: CommandEntry, args: Args, startUs: number): void {
    this.startUs = this.#monotonicUs()
    this.commandCount++
    entry.calls++
    entry.usec += this.startUs - startUs
    if (this.onExecuted !== null) this.onExecuted(entry, args)
  }

  #record(entry: CommandEntry, args: Args, durationUs: number): void {
    if (this.isTracking) entry.record(durationUs)
    if (durationUs >= this.latencyUs) this.#onLatency(entry, durationUs)
    if (durationUs >= this.slowUs && (entry.flags & Flag.SkipSlowlog) === 0) {
      this.#onSlow(entry, args, durationUs)
    }
  }

  #refusalOf(entry: CommandEntry, flags: number, caller: Caller): ReplyError | null {
    const gates = this.#gates
    if ((flags & Flag.Protected) !== 0 && !gates.allowsProtected(entry, caller)) {
      return protectedRefusal(entry)
    }
    if (!caller.isAuthenticated && (flags & Flag.NoAuth) === 0) return NO_AUTH
    if ((flags & Flag.NoMulti) !== 0 && caller.transaction !== null) return NOT_IN_MULTI
    // Before any command, so that there is room when one comes that needs it.
    const isFull = gates.isOverMemory() && !gates.makeRoom()
    if (isFull && takesMemory(entry, flags, caller)) return OOM
    if ((flags & Flag.Write) !== 0 || entry.fullName === 'ping') {
      const diskError = gates.diskError()
      if (diskError !== null) return diskError
    }
    if ((flags & Flag.Write) !== 0) {
      const replicaError = gates.replicaError()
      if (replicaError !== null) return replicaError
    }
    if (caller.isRestricted) {
      const restriction = caller.refusalOf(entry)
      if (restriction !== null) return restriction
    }
    if (gates.isStale && (flags & Flag.Stale) === 0) return MASTER_DOWN
    if (gates.isLoading && (flags & Flag.Loading) === 0) return LOADING
    return null
  }

  #refuse(entry: CommandEntry, error: ReplyError, { reply, caller }: Refused): void {
    entry.rejected++
    if (entry.fullName === 'exec') {
      caller.abandonTransaction()
      return this.#replyError(abortedBy(error.message), reply)
    }
    if (caller.transaction !== null) caller.transaction.isFailed = true
    this.#replyError(error, reply)
  }

  /** No such command or subcommand, or the wrong number of arguments for it. */
  #refuseShape(args: Args, reply: Reply, caller: Caller): void {
    const command = this.table.findCommand(args)
    const entry = this.table.find(args)
    caller.lastEntry = entry
    if (entry !== null) return this.#refuse(entry, wrongArity(entry.fullName), { reply, caller })
    if (command === null && this.#onUnknown(args)) return
    assert(command === null || args.count > 1, 'a command without subcommand was found')
    if (caller.transaction !== null) caller.transaction.isFailed = true
    this.#replyError(command === null ? unknownCommand(args) : unknownSubcommand(args), reply)
  }

  #replyError(error: ReplyError, reply: Reply): void {
    reply.error(error)
    this.noteError(error.code)
  }
}

/** Who is refused, and where it is told. */
interface Refused {
  readonly reply: Reply
  readonly caller: Caller
}

/** The flags that decide whether `entry` may run: for EXEC, also those of what it would run. */
function flagsInside(transaction: OpenTransaction, entry: CommandEntry): number {
  const { flags, missingFlags } = transaction
  if (entry.fullName !== 'exec') return entry.flags
  return (entry.flags & ~(missingFlags & COMMON_FLAGS)) | (flags & INHERITED_FLAGS)
}

/** Whether the command stores something, be it in the queue of a transaction. */
function takesMemory(entry: CommandEntry, flags: number, caller: Caller): boolean {
  if ((flags & Flag.DenyOom) !== 0) return true
  return caller.transaction !== null && !OPEN_AT_OOM.has(entry.fullName)
}

/** What EXEC replies when it cannot run for `reason`. */
function abortedBy(reason: string): ReplyError {
  const text = reason.startsWith('ERR ') ? reason.slice(4) : reason
  return replyError(`EXECABORT Transaction discarded because of: ${text}`)
}

/** The error for a command that does not exist, with the beginning of its arguments. */
export function unknownCommand(args: Args): ReplyError {
  let preview = ''
  for (let i = 1; i < args.count && preview.length < PREVIEW_LENGTH; i++) {
    preview += `'${args.head(i, PREVIEW_LENGTH - preview.length)}' `
  }
  const name = args.head(0, PREVIEW_LENGTH)
  return replyError(`ERR unknown command '${name}', with args beginning with: ${preview}`)
}

/** The error for a subcommand that does not exist. */
export function unknownSubcommand(args: Args): ReplyError {
  const name = args.head(1, PREVIEW_LENGTH)
  const command = args.text(0).toUpperCase()
  return replyError(`ERR unknown subcommand '${name}'. Try ${command} HELP.`)
}

function protectedRefusal(entry: CommandEntry): ReplyError {
  const name = entry.fullName
  return replyError(
    `ERR ${name.toUpperCase()} command not allowed. If the enable-${name}-command option is set ` +
      'to "local", you can run it from a local connection, otherwise you need to set this option ' +
      'in the configuration file, and then restart the server.',
  )
}
