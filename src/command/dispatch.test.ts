// Goal: commands are found whatever their case, refused in Redis's order and words, and counted.
// Method: a table of a few rows, gates that the test opens and shuts, literal replies.

import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { Slice } from '../base/slice.ts'
import { defaultEncodingLimits } from '../keyspace/encoding-limits.ts'
import { Keyspace } from '../keyspace/keyspace.ts'
import { Args } from '../resp/args.ts'
import { type ReplyError, replyError } from '../resp/replies.ts'
import { Reply } from '../resp/reply.ts'
import { type Command, type Context, Flag } from './command.ts'
import { type Caller, Dispatcher, type Gates } from './dispatch.ts'
import { Effects } from './effects.ts'
import { RecordingBlocker, RecordingObserver } from './harness.ts'
import { CommandTable, type Rename } from './table.ts'

const FACTS = {
  keys: [0, 0, 0],
  group: 'server',
  since: '1.0.0',
  summary: '',
  complexity: '',
} as const
const ok = (_context: Context, _args: Args, reply: Reply) => reply.ok()
const ROWS: readonly Command[] = [
  { ...FACTS, name: 'read', arity: 2, flags: Flag.ReadOnly, run: ok },
  { ...FACTS, name: 'write', arity: -2, flags: Flag.Write | Flag.DenyOom, run: ok },
  { ...FACTS, name: 'ping', arity: -1, flags: Flag.Fast | Flag.Loading | Flag.Stale, run: ok },
  { ...FACTS, name: 'auth', arity: -2, flags: Flag.NoAuth | Flag.Loading, run: ok },
  { ...FACTS, name: 'debug', arity: -2, flags: Flag.Protected, run: ok },
  {
    ...FACTS,
    name: 'fail',
    arity: 1,
    flags: 0,
    run: (_context, _args, reply) => reply.error(replyError('WRONGTYPE no')),
  },
  {
    ...FACTS,
    name: 'client',
    arity: -2,
    flags: 0,
    subcommands: [{ ...FACTS, name: 'get-name', arity: 2, flags: 0, run: ok }],
  },
]

class TestGates implements Gates {
  isLoading = false
  isStale = false
  pausedFlags = 0
  isFull = false
  error: ReplyError | null = null
  isProtectedOpen = false
  isOverMemory = () => this.isFull
  makeRoom = () => false
  diskError = () => this.error
  replicaError = () => null
  allowsProtected = () => this.isProtectedOpen
}

let gates: TestGates
let caller: { -readonly [Name in keyof Caller]: Caller[Name] }
let dispatcher: Dispatcher
let timeUs = 0

function build(renames: readonly Rename[] = []): void {
  const keyspace = new Keyspace({ databaseCount: 1, pageCapacity: 1024 })
  const context: Context = {
    keyspace,
    db: keyspace.databases[0]!,
    nowMs: 0,
    session: { database: 0 },
    observer: new RecordingObserver(),
    effects: new Effects(),
    isReplayed: false,
    blocker: new RecordingBlocker(),
    limits: {
      encodings: defaultEncodingLimits(),
      stringLengthMax: 1000,
      isUserFlushLazy: false,
      isUserDelLazy: false,
      isRdbCompressed: false,
      isPayloadChecked: true,
      isIntegerShared: true,
    },
    noteFlushAll: () => false,
    noteDamage: () => {},
    key: new Slice(),
    value: new Slice(),
  }
  gates = new TestGates()
  caller = {
    isAuthenticated: true,
    isLocal: true,
    isReplica: false,
    isRestricted: false,
    refusalOf: () => null,
    lastEntry: null,
    transaction: null,
    isBlocked: false,
    abandonTransaction: () => {},
  }
  timeUs = 0
  dispatcher = new Dispatcher({
    table: new CommandTable([ROWS], renames),
    context,
    gates,
    monotonicUs: () => timeUs,
    onSlow: (entry, _args, durationUs) => slow.push(`${entry.fullName} ${durationUs}`),
    onLatency: (entry, durationUs) => long.push(`${entry.fullName} ${durationUs}`),
    holdsWrite: () => isHeld,
    onUnknown: () => false,
  })
  slow = []
  long = []
}

let isHeld = false
let slow: string[] = []
let long: string[] = []

/** The reply, or 'waits'. */
function run(...words: readonly string[]): string {
  let text = ''
  const reply = new Reply((bytes, start, length) => {
    text += Buffer.from(bytes.subarray(start, start + length)).toString('latin1')
  })
  const isDone = dispatcher.run(Args.of(...words), reply, caller)
  reply.flush()
  return isDone ? text.trimEnd() : 'waits'
}

beforeEach(() => build())

describe('finding a command', () => {
  it('folds letters only', () => {
    for (const name of ['read', 'READ', 'rEaD']) assert.equal(run(name, 'k'), '+OK')
    assert.equal(run('CLIENT', 'Get-Name'), '+OK')
    // 0x0d is 0x2d without bit 5: no hyphen.
    assert.match(run('client', 'get\x0dname'), /^-ERR unknown subcommand 'get name'/)
    assert.equal(caller.lastEntry, null)
  })

  it('says what is unknown, with the beginning of the arguments', () => {
    const cases: [string[], string][] = [
      [['bogus'], "-ERR unknown command 'bogus', with args beginning with:"],
      [['bo\r\ngus', 'a'], "-ERR unknown command 'bo  gus', with args beginning with: 'a'"],
      [['CLIENT', 'x', 'y'], "-ERR unknown subcommand 'x'. Try CLIENT HELP."],
      [['CLIENT'], "-ERR wrong number of arguments for 'client' command"],
      [['client', 'GET-NAME', 'x'], "-ERR wrong number of arguments for 'client|get-name' command"],
      [['READ'], "-ERR wrong number of arguments for 'read' command"],
      [['write'], "-ERR wrong number of arguments for 'write' command"],
    ]
    for (const [words, expected] of cases) assert.equal(run(...words), expected)
    const long = run('bogus', 'x'.repeat(100), 'y'.repeat(100), 'z')
    assert.equal(
      long,
      `${"-ERR unknown command 'bogus', with args beginning with: "}'${'x'.repeat(
        100,
      )}' '${'y'.repeat(25)}'`,
    )
  })

  it('renames and removes commands, but counts them under their own names', () => {
    build([
      { from: 'READ', to: 'Secret' },
      { from: 'write', to: '' },
    ])
    assert.match(run('read', 'k'), /^-ERR unknown command 'read'/)
    assert.match(run('write', 'k'), /^-ERR unknown command 'write'/)
    assert.equal(run('SECRET', 'k'), '+OK')
    assert.equal(dispatcher.table.findByName('secret')?.fullName, 'read')
    assert.equal(dispatcher.table.entries.length, ROWS.length - 1)
  })

  it('finds by full name', () => {
    assert.equal(dispatcher.table.findByName('CLIENT|GET-NAME')?.fullName, 'client|get-name')
    for (const name of ['client|x', 'read|x', 'client|get-name|x', '']) {
      assert.equal(dispatcher.table.findByName(name), null, name)
    }
  })
})

describe('refusing a command', () => {
  it('does so in the order of Redis', () => {
    caller.isAuthenticated = false
    gates.isFull = true
    gates.error = replyError('MISCONF no')
    gates.isStale = true
    gates.isLoading = true
    assert.match(run('bogus'), /^-ERR unknown/)
    assert.match(run('write'), /^-ERR wrong number/)
    assert.match(run('debug', 'x'), /^-ERR DEBUG command not allowed/)
    assert.match(run('write', 'k'), /^-NOAUTH/)
    caller.isAuthenticated = true
    assert.match(run('write', 'k'), /^-OOM/)
    gates.isFull = false
    assert.match(run('write', 'k'), /^-MISCONF/)
    assert.match(run('ping'), /^-MISCONF/)
    gates.error = null
    assert.match(run('write', 'k'), /^-MASTERDOWN/)
    gates.isStale = false
    assert.match(run('write', 'k'), /^-LOADING/)
    assert.equal(run('ping'), '+OK')
    gates.isLoading = false
    assert.equal(run('write', 'k'), '+OK')
  })

  it('lets AUTH pass without authentication, and DEBUG when it is open', () => {
    caller.isAuthenticated = false
    assert.equal(run('auth', 'x'), '+OK')
    caller.isAuthenticated = true
    gates.isProtectedOpen = true
    assert.equal(run('debug', 'x'), '+OK')
  })

  it('holds writers, or all, without a trace', () => {
    gates.pausedFlags = Flag.Write
    assert.equal(run('write', 'k'), 'waits')
    assert.equal(run('read', 'k'), '+OK')
    gates.pausedFlags = -1
    assert.equal(run('ping'), 'waits')
    assert.equal(dispatcher.commandCount, 1)
    assert.match(run('bogus'), /^-ERR unknown/)
  })

  it('asks for a delay only before those that may be delayed, and after all refusals', () => {
    isHeld = true
    assert.equal(run('write', 'k'), '+OK')
    dispatcher.delayedFlags = Flag.Write
    assert.equal(run('write', 'k'), 'waits')
    assert.equal(run('read', 'k'), '+OK')
    gates.isLoading = true
    assert.match(run('write', 'k'), /^-LOADING/)
    gates.isLoading = false
    isHeld = false
    assert.equal(run('write', 'k'), '+OK')
    assert.equal(dispatcher.table.findByName('write')!.calls, 2)
  })
})

describe('counting', () => {
  it('calls, time, rejections and failures', () => {
    dispatcher.begin()
    timeUs = 7
    run('read', 'k')
    timeUs = 10
    run('read', 'k')
    run('read')
    run('fail')
    run('bogus')
    const read = dispatcher.table.findByName('read')!
    assert.deepEqual([read.calls, read.usec, read.rejected, read.failed], [2, 10, 1, 0])
    assert.equal(read.latency?.total, 2)
    assert.equal(dispatcher.table.findByName('fail')?.failed, 1)
    assert.deepEqual(
      [...dispatcher.errors],
      [
        ['ERR', 2],
        ['WRONGTYPE', 1],
      ],
    )
    assert.equal(dispatcher.errorTotal, 3)
    assert.equal(dispatcher.commandCount, 3)
    dispatcher.resetStatistics()
    assert.deepEqual([read.calls, read.usec, read.latency, dispatcher.errors.size], [0, 0, null, 0])
  })

  it('keeps no histogram when told so, and reports slow commands', () => {
    dispatcher.isTracking = false
    dispatcher.slowUs = 5
    dispatcher.begin()
    timeUs = 4
    run('read', 'k')
    timeUs = 9
    run('read', 'k')
    assert.deepEqual(slow, ['read 5'])
    assert.equal(dispatcher.table.findByName('read')?.latency, null)
  })

  it('tells the latency monitor of commands that took as long as its threshold', () => {
    dispatcher.latencyUs = 5
    dispatcher.begin()
    timeUs = 5
    run('read', 'k')
    timeUs = 9
    run('read', 'k')
    dispatcher.latencyUs = Infinity
    timeUs = 99
    run('read', 'k')
    assert.deepEqual(long, ['read 5'])
  })
})
