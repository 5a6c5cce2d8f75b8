// Two servers side by side: this one and the reference. A script is run command by command on both;
// the first difference ends it. After the last command the changes counted, the events told to
// keyspace followers, and the whole data must agree too.

import type { RawClient } from '../lib/client.ts'
import { scalar, showValue, type Value } from '../lib/resp.ts'
import type { TestServer } from '../lib/server.ts'
import { sleep } from '../lib/wait.ts'
import { exact } from './same.ts'
import type { Script, Step } from './script.ts'
import { compareStates, keyState, walk } from './walk.ts'

/** Where and how two servers differ. */
export interface Difference {
  /** The step; the number of steps for what is seen at the end. */
  readonly at: number
  /** What a smaller script must show as well: the command, or what is compared at the end. */
  readonly about: string
  readonly text: string
}

const DATABASES = 2
const DEADLINE_TOLERATED_MS = 5000
const CRASH_OUTPUT = 1500
const CRASH_MS = 1000
const SWAPPED = 'exchanged payload'
const NIL = scalar('nil')
const END = 'end of the script'

export class Pair {
  #ours: TestServer
  readonly #theirs: TestServer
  readonly #restart: () => Promise<TestServer>
  /** Commands that were compared, by name. */
  readonly counts = new Map<string, number>()

  private constructor(options: PairOptions, ours: TestServer, theirs: TestServer) {
    this.#ours = ours
    this.#theirs = theirs
    this.#restart = options.startOurs
  }

  static async start(options: PairOptions): Promise<Pair> {
    const ours = await options.startOurs()
    try {
      return new Pair(options, ours, await options.startTheirs())
    } catch (error) {
      await ours.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    await this.#ours.stop()
    await this.#theirs.stop()
  }

  /** The names of the commands that this server has, without subcommands. */
  async commandNames(): Promise<ReadonlySet<string>> {
    const client = await this.#ours.connect()
    const list = await client.call('COMMAND', 'LIST')
    client.close()
    return new Set(list.items.map(({ text }) => text))
  }

  /** Runs a script on two empty servers; null when they agree. */
  async run(script: Script): Promise<Difference | null> {
    const sides = [
      await Side.open(this.#ours, script),
      await Side.open(this.#theirs, script),
    ] as const
    const run = new Run(sides[0], sides[1], this.counts)
    try {
      const difference = await run.run(script.steps)
      return difference ?? (await compareEnds(sides[0], sides[1], script.steps))
    } catch (error) {
      if (!(await this.#hasEnded())) throw error
      const text = crashOf(this.#ours.output)
      this.#ours = await this.#restart()
      return { at: run.at, about: `crash: ${text.split('\n')[1]}`, text }
    } finally {
      for (const side of sides) side.close()
    }
  }

  /** Whether the server under test has ended, or ends now. */
  async #hasEnded(): Promise<boolean> {
    const { child } = this.#ours
    const isGone = () => child.exitCode !== null || child.signalCode !== null
    for (let i = 0; i < CRASH_MS / 10 && !isGone(); i++) await sleep(10)
    return isGone()
  }
}

export interface PairOptions {
  /** Starts the server under test; again after it crashed. */
  readonly startOurs: () => Promise<TestServer>
  readonly startTheirs: () => Promise<TestServer>
}

/** A connection to one server, and one that hears of events. */
class Side {
  readonly client: RawClient
  readonly #listener: RawClient
  /** What the changes are counted from. */
  #firstChange = 0

  private constructor(client: RawClient, listener: RawClient) {
    this.client = client
    this.#listener = listener
  }

  /** Makes the server empty and sets the script's parameters. */
  static async open(server: TestServer, script: Script): Promise<Side> {
    const client = await server.connect()
    await client.text('FLUSHALL')
    await client.text('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
    const parameters = Object.entries(script.config).flat()
    await client.text('CONFIG', 'SET', ...parameters, 'notify-keyspace-events', 'KEA')
    const listener = await server.connect()
    await listener.call('PSUBSCRIBE', '__keyevent@*', END)
    if (script.version === 3) await client.call('HELLO', '3')
    const side = new Side(client, listener)
    side.#firstChange = await side.changes()
    return side
  }

  /** Events so far, as `database event key`. */
  async events(): Promise<string[]> {
    const events: string[] = []
    await this.client.call('PUBLISH', END, '')
    for (;;) {
      const message = await this.#listener.receive()
      const channel = message?.items[2]?.text
      if (message === null || channel === END) return events
      events.push(`${channel?.replace('__keyevent@', '')} ${message.items[3]?.text}`)
    }
  }

  /** Changes that the server has counted since the script began, or since it saved. */
  async changes(): Promise<number> {
    const info = (await this.client.call('INFO', 'persistence')).text
    return Number(/rdb_changes_since_last_save:(\d+)/.exec(info)?.[1]) - this.#firstChange
  }

  /** The server has saved: it counts from 0. */
  restartChanges(): void {
    this.#firstChange = 0
  }

  close(): void {
    this.client.close()
    this.#listener.close()
  }
}

/** One pass through the steps of a script. */
class Run {
  readonly #ours: Side
  readonly #theirs: Side
  readonly #counts: Map<string, number>
  #areZsetsOpen = false
  /** The step that runs. */
  at = 0
  /** What is queued between MULTI and EXEC; null outside. */
  #queued: Step[] | null = null

  constructor(ours: Side, theirs: Side, counts: Map<string, number>) {
    this.#ours = ours
    this.#theirs = theirs
    this.#counts = counts
  }

  async run(steps: readonly Step[]): Promise<Difference | null> {
    this.#areZsetsOpen = areZsetsOpen(steps)
    for (const [at, step] of steps.entries()) {
      this.at = at
      // In a smaller script the end of a transaction may be missing.
      if (this.#queued !== null && step.row.isAlone === true) continue
      const name = step.words[0]!.toLowerCase()
      this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
      const text = await this.#compare(step, name)
      if (text !== '') return { at, about: name, text }
    }
    // Both sides are asked more things now.
    if (this.#queued !== null) await this.#both(['DISCARD'])
    return null
  }

  async #compare(step: Step, name: string): Promise<string> {
    const { words, row } = step
    if (row.follow && !words.includes('MULTI')) return this.#compareFollowed(step)
    const [ours, theirs] = await this.#both(words)
    if (row.isDump === true && ours.kind === 'bulk') return this.#exchange(words, ours, theirs)
    const text = this.#compareReplies(step, ours, theirs)
    if (text !== '') return this.#isOpen(ours, theirs) ? '' : text
    if (name === 'multi' && ours.kind === 'simple') this.#queued = []
    if (name === 'debug' && ours.kind === 'simple') {
      for (const side of [this.#ours, this.#theirs]) side.restartChanges()
    }
    if (row.witness && ours.kind !== 'error') return this.#askWitness(step, ours)
    return ''
  }

  /** Whether the replies are names of encodings that are not compared. */
  #isOpen(ours: Value, theirs: Value): boolean {
    const names = /^(listpack|skiplist)$/
    return this.#areZsetsOpen && names.test(ours.text) && names.test(theirs.text)
  }

  #compareReplies(step: Step, ours: Value, theirs: Value): string {
    const name = step.words[0]!.toLowerCase()
    const queued = this.#queued
    if (queued === null) return compareOne(step, ours, theirs)
    if (name === 'exec' || name === 'discard' || name === 'reset') {
      if (!/^(ERR (EXEC|DISCARD) without|ERR wrong)/.test(ours.text)) this.#queued = null
      if (name !== 'exec' || ours.kind !== 'array') return compareOne(step, ours, theirs)
      if (ours.items.length !== theirs.items.length) return describe(ours, theirs)
      return queued
        .map((item, i) => this.#compareQueued(item, ours.items[i]!, theirs.items[i]!))
        .map((text, i) => (text === '' ? '' : `${queued[i]!.words.join(' ')} in EXEC: ${text}`))
        .join('')
    }
    if (ours.kind === 'simple' && ours.text === 'QUEUED') queued.push(step)
    return exact(ours, theirs) ? '' : describe(ours, theirs)
  }

  #compareQueued(step: Step, ours: Value, theirs: Value): string {
    return this.#isOpen(ours, theirs) ? '' : compareOne(step, ours, theirs)
  }

  /** The reference does what this server's reply says was done here. */
  async #compareFollowed({ words, row }: Step): Promise<string> {
    const ours = await this.#ours.client.call(...latin1(words))
    const theirs = await this.#theirs.client.call(...latin1(row.follow!(words, ours)))
    return (row.same ?? exact)(ours, theirs, words) ? '' : describe(ours, theirs)
  }

  /** What was chosen here must be there too. */
  async #askWitness({ words, row }: Step, ours: Value): Promise<string> {
    const asked = row.witness!(words, ours)
    const theirs = await this.#theirs.client.call(...latin1(asked))
    const answers = theirs.items.length > 0 ? theirs.items : [theirs]
    const isTrue = answers.every(({ kind, text }) => {
      return !/^(nil|null|error)$/.test(kind) && !(kind === 'integer' && text === '0')
    })
    return isTrue ? '' : describe(ours, theirs)
  }

  /** The payload of each side is restored on the other; the values must be the same as before. */
  async #exchange(words: readonly string[], ours: Value, theirs: Value): Promise<string> {
    if (theirs.kind !== 'bulk') return describe(ours, theirs)
    const key = words[1]!
    const back = [
      await restoreInto(this.#ours.client, key, theirs.text),
      await restoreInto(this.#theirs.client, key, ours.text),
    ]
    if (back[0] !== '' || back[1] !== '') {
      return `payloads exchanged\n  ours:   ${back[0]}\n  theirs: ${back[1]}`
    }
    const [encoding, theirEncoding] = await this.#both(['OBJECT', 'ENCODING', SWAPPED])
    await this.#both(['DEL', SWAPPED])
    return exact(encoding, theirEncoding) ? '' : `restored: ${describe(encoding, theirEncoding)}`
  }

  async #both(words: readonly string[]): Promise<[Value, Value]> {
    const sent = latin1(words)
    return Promise.all([this.#ours.client.call(...sent), this.#theirs.client.call(...sent)])
  }
}

/** Restores a payload beside the key that it should equal; '' if it does. */
async function restoreInto(client: RawClient, key: string, payload: string): Promise<string> {
  const hasDeadline = (await client.call('PTTL', key)).text !== '-1'
  const ttl = hasDeadline ? '1000000' : '0'
  const bytes = Buffer.from(payload, 'latin1')
  const restored = await client.call('RESTORE', SWAPPED, ttl, bytes, 'REPLACE')
  if (restored.kind === 'error') return showValue(restored)
  const digests = await client.call('DEBUG', 'DIGEST-VALUE', ...latin1([key, SWAPPED]))
  if (digests.items[0]?.text === digests.items[1]?.text) return ''
  // The other server's deliveries from a stream were at other times.
  const [before, after] = [await keyState(client, key), await keyState(client, SWAPPED)]
  if (before?.type !== 'stream' || after === null) return 'the restored value has another digest'
  const freedom = { toleratedMs: Number.POSITIVE_INFINITY }
  return compareStates(new Map([[key, after]]), new Map([[key, before]]), freedom)
}

/** What a server that crashed said last. */
function crashOf(output: string): string {
  const at = output.lastIndexOf('STACK TRACE')
  return at < 0 ? output.slice(-CRASH_OUTPUT) : output.slice(at, at + CRASH_OUTPUT)
}

async function compareEnds(
  ours: Side,
  theirs: Side,
  steps: readonly Step[],
): Promise<Difference | null> {
  const at = steps.length
  const hasOwnChanges = steps.some(({ row }) => row.hasOwnChanges === true)
  const changes = hasOwnChanges ? [0, 0] : [await ours.changes(), await theirs.changes()]
  const [events, theirEvents] = [await ours.events(), await theirs.events()]
  for (const side of [ours, theirs]) await side.client.call('HELLO', '2')
  const states = [await walk(ours.client, DATABASES), await walk(theirs.client, DATABASES)] as const
  const data = compareStates(states[0], states[1], {
    toleratedMs: DEADLINE_TOLERATED_MS,
    areZsetsOpen: areZsetsOpen(steps),
  })
  if (data !== '') return { at, about: 'data', text: data }
  const event = compareEvents(events, theirEvents)
  if (event !== '') return { at, about: 'events', text: event }
  if (changes[0] === changes[1]) return null
  return { at, about: 'changes', text: `ours: ${changes[0]}, theirs: ${changes[1]} changes` }
}

/** Whether encodings of sorted sets are not compared: the reference changes them by reading. */
function areZsetsOpen(steps: readonly Step[]): boolean {
  return steps.some(({ row }) => row.convertsZsets === true)
}

function compareEvents(ours: readonly string[], theirs: readonly string[]): string {
  // What is popped at random here is removed there.
  const same = (event: string) => event.replace(':spop ', ':srem ')
  const count = Math.max(ours.length, theirs.length)
  for (let i = 0; i < count; i++) {
    if (same(ours[i] ?? '') === same(theirs[i] ?? '')) continue
    const before = i > 0 ? `after ${ours[i - 1]}: ` : ''
    return `${before}ours: ${ours[i] ?? 'none'}, theirs: ${theirs[i] ?? 'none'}`
  }
  return ''
}

function compareOne({ words, row }: Step, ours: Value, theirs: Value): string {
  // Nothing of WATCH and failures is special: absent replies are absent on both sides.
  const same = row.same ?? exact
  return same(ours ?? NIL, theirs ?? NIL, words) ? '' : describe(ours, theirs)
}

function describe(ours: Value, theirs: Value): string {
  return `\n  ours:   ${showValue(ours)}\n  theirs: ${showValue(theirs)}`
}

function latin1(words: readonly string[]): Buffer[] {
  return words.map((word) => Buffer.from(word, 'latin1'))
}
