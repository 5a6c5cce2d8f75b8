// Runs the cases of one file against one server. Each case starts with empty databases and new
// connections; parameters it sets by @config are put back. A case yields the list of lines where
// the reply was not the expected one; it stops at the first, as later replies follow from it.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RawClient } from '../lib/client.ts'
import { showValue, type Value } from '../lib/resp.ts'
import { TestServer } from '../lib/server.ts'
import { sleep } from '../lib/wait.ts'
import { type Case, type CaseFile, type Expectation, parseCases, type Step } from './parse.ts'
import { matches, type Pattern, type Protocol } from './pattern.ts'
import { type Piece, resolvePiece, type Variables } from './scanner.ts'

export const CASES_DIR = import.meta.dirname

/** Which server a run is about: the one under test or the reference. */
export type Side = 'ours' | 'reference'

const SILENCE_MS = 20
const REPLY_LIMIT_MS = 5_000

/** All case files, sorted by name; `names` limits them. */
export function loadCaseFiles(names: readonly string[] = []): CaseFile[] {
  const files = readdirSync(CASES_DIR).filter((file) => file.endsWith('.txt'))
  const wanted = new Set(names.map((name) => `${name.replace(/^.*\/|\.txt$/g, '')}.txt`))
  return files
    .sort()
    .filter((file) => wanted.size === 0 || wanted.has(file))
    .map((file) => parseCases(file.slice(0, -4), readFileSync(join(CASES_DIR, file), 'latin1')))
}

/** A server for the cases of one file. */
export function startFor(file: CaseFile, command: string): Promise<TestServer> {
  const args = ['--enable-debug-command', 'local', '--enable-protected-configs', 'local']
  return TestServer.start({ command, args: [...args, ...file.serverArgs] })
}

/** Runs one case in one protocol; '' when all replies were as expected, else what was not. */
export async function runCase(
  server: TestServer,
  test: Case,
  options: { side: Side; protocol: Protocol },
): Promise<string> {
  const run = new CaseRun(server, options)
  try {
    await run.begin()
    return await run.steps(test.steps)
  } catch (error) {
    return `line ${run.line}: ${error instanceof Error ? error.message : String(error)}`
  } finally {
    await run.end()
  }
}

class CaseRun {
  line = 0
  readonly #server: TestServer
  readonly #side: Side
  readonly #protocol: Protocol
  readonly #clients = new Map<string, RawClient>()
  readonly #variables: Variables = new Map()
  readonly #changed = new Map<string, string>()
  #sent = ''

  constructor(server: TestServer, options: { side: Side; protocol: Protocol }) {
    this.#server = server
    this.#side = options.side
    this.#protocol = options.protocol
  }

  async begin(): Promise<void> {
    const control = await this.#control()
    await control.call('FLUSHALL')
    control.close()
    const nowMs = Date.now()
    this.#variables.set('now', String(Math.floor(nowMs / 1000))).set('nowms', String(nowMs))
    this.#variables.set('port', String(this.#server.port)).set('dir', this.#server.dir)
  }

  async end(): Promise<void> {
    for (const client of this.#clients.values()) client.close()
    if (this.#changed.size === 0) return
    const control = await this.#control()
    for (const [name, value] of this.#changed) await control.call('CONFIG', 'SET', name, value)
    control.close()
  }

  async steps(steps: readonly Step[]): Promise<string> {
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i]!
      this.line = step.line
      if (step.do === 'until') {
        const problem = await this.#repeat(steps[i + 1], steps[i + 2], step.ms)
        if (problem !== '') return problem
        i += 2
      } else {
        const problem = await this.#step(step)
        if (problem !== '') return problem
      }
    }
    return ''
  }

  async #step(step: Step): Promise<string> {
    switch (step.do) {
      case 'sleep':
      case 'until':
        await sleep(step.ms)
        return ''
      case 'config':
        return this.#setConfig(step.name, resolvePiece(step.value, this.#variables))
      case 'send': {
        const client = await this.#client(step.client)
        client.send(...step.words.map((word) => this.#resolve(word)))
        this.#sent = `line ${step.line}`
        return ''
      }
      case 'raw': {
        const client = await this.#client(step.client)
        for (const piece of step.bytes) client.write(this.#resolve(piece))
        return ''
      }
      case 'expect':
        return this.#expect(step)
    }
  }

  async #expect(step: Expectation): Promise<string> {
    const pattern = this.#patternOf(step)
    const shown = this.#side === 'ours' && step.ours ? step.ours.shown : step.shown
    const client = await this.#client(step.client)
    if (pattern.form === 'silent') {
      if (await client.isSilent(SILENCE_MS)) return ''
      const value = await client.receive()
      return `line ${step.line}: expected no reply, got ${value ? showValue(value) : 'closed'}`
    }
    const value = await client.receive(REPLY_LIMIT_MS)
    if (this.#matches(pattern, value)) return ''
    const got = value ? showValue(value) : 'closed'
    return `line ${step.line} (${this.#sent}): expected ${shown}\n    got ${got}`
  }

  /** Sends a command again and again until its reply matches. */
  async #repeat(
    send: Step | undefined,
    wanted: Step | undefined,
    limitMs: number,
  ): Promise<string> {
    if (send?.do !== 'send' || wanted?.do !== 'expect') return 'no command and reply below @until'
    const deadline = Date.now() + limitMs
    for (;;) {
      await this.#step(send)
      const client = await this.#client(wanted.client)
      const value = await client.receive(REPLY_LIMIT_MS)
      if (this.#matches(this.#patternOf(wanted), value)) return ''
      if (Date.now() > deadline) {
        const got = value ? showValue(value) : 'closed'
        return `line ${wanted.line}: never became ${wanted.shown}\n    last ${got}`
      }
      await sleep(5)
    }
  }

  async #setConfig(name: string, value: string): Promise<string> {
    const control = await this.#control()
    const before = await control.call('CONFIG', 'GET', name)
    const old = before.items[1]?.text
    if (old !== undefined && !this.#changed.has(name)) this.#changed.set(name, old)
    const reply = await control.call('CONFIG', 'SET', name, value)
    control.close()
    return reply.kind === 'error' ? `line ${this.line}: @config: ${reply.text}` : ''
  }

  #patternOf(step: Expectation): Pattern {
    return this.#side === 'ours' && step.ours ? step.ours.pattern : step.pattern
  }

  #matches(pattern: Pattern, value: Value | null): boolean {
    return matches(pattern, value, { protocol: this.#protocol, variables: this.#variables })
  }

  #resolve(piece: Piece): string {
    return resolvePiece(piece, this.#variables)
  }

  /** The connection of that name; a new one speaks the protocol of the run. */
  async #client(name: string): Promise<RawClient> {
    const known = this.#clients.get(name)
    if (known) return known
    const client = await this.#server.connect()
    this.#clients.set(name, client)
    if (this.#protocol === 3) await client.call('HELLO', '3')
    return client
  }

  /** A RESP2 connection for setting up, with the password that a case file may have given. */
  async #control(): Promise<RawClient> {
    const client = await this.#server.connect()
    const password = this.#server.password
    if (password !== '') await client.call('AUTH', password)
    return client
  }
}
