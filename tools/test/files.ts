// Runs files of tests under node:test, a process each, and prints what a person needs: nothing for
// a test that passes, name, place and reason for one that fails (with what its file printed, SEED=
// lines for instance), and name and reason for one that is skipped.
//
// Only leaves count: a suite (`describe`) has no result of its own, unless it fails itself. A file
// that contains no test at all is a failure: it would look like a pass for ever.

import { join, relative, resolve } from 'node:path'
import { run } from 'node:test'
import type { Tally } from './tally.ts'

export interface FileOptions {
  /** How many files run at a time. */
  readonly concurrency: number
  /** The longest that one test may take. */
  readonly timeoutMs: number
  /** The longest that all files together may take; what still runs then is killed. */
  readonly limitMs: number
}

/** What node:test tells about one test; the part of its event that is used here. */
interface Result {
  readonly name: string
  readonly nesting: number
  readonly file?: string | undefined
  readonly line?: number | undefined
  readonly skip?: string | boolean | undefined
  readonly todo?: string | boolean | undefined
  readonly details: { readonly type?: string | undefined; readonly error?: Error }
}

const LEAVE = join(import.meta.dirname, 'leave.ts')
// Of what a file prints, this much of the end is shown when a test in it fails.
const OUTPUT_CHARACTERS_MAX = 8000

/** Runs the files; prints failures and skipped tests; returns the counts. */
export async function runTestFiles(
  files: readonly string[],
  { concurrency, timeoutMs, limitMs }: FileOptions,
): Promise<Tally> {
  const report = new Report()
  const stream = run({
    files: [...files],
    concurrency,
    timeout: timeoutMs,
    execArgv: ['--import', LEAVE],
    signal: AbortSignal.timeout(limitMs),
  })
  stream.on('test:start', (data) => report.start(data))
  stream.on('test:pass', (data) => report.pass(data))
  stream.on('test:fail', (data) => report.fail(data))
  stream.on('test:stdout', ({ file, message }) => report.output(file, message))
  stream.on('test:stderr', ({ file, message }) => report.output(file, message))
  // The stream ends only when it is read.
  for await (const _ of stream);
  report.checkComplete(files)
  report.printOutputs()
  return report.tally
}

class Report {
  readonly tally: Tally = { passed: 0, failed: 0, skipped: 0 }
  /** The names of the suites around the current test, by nesting. */
  readonly #names: string[] = []
  readonly #outputs = new Map<string, string>()
  readonly #failedFiles = new Set<string>()
  readonly #reasons = new Set<string>()
  /** Files with at least one result of any kind. */
  readonly #seenFiles = new Set<string>()

  start({ name, nesting }: { name: string; nesting: number }): void {
    this.#names.length = nesting
    this.#names[nesting] = name
  }

  pass(result: Result): void {
    this.#seenFiles.add(result.file ?? '')
    if (result.details.type === 'suite') return
    if (result.skip || result.todo) this.#skip(result)
    else if (isFileItself(result)) this.#failure(result, 'the file contains no test')
    else this.tally.passed++
  }

  fail(result: Result): void {
    this.#seenFiles.add(result.file ?? '')
    const error = result.details.error as (Error & { failureType?: string }) | undefined
    // A suite fails because a test in it did, which has been reported.
    if (error?.failureType === 'subtestsFailed') return
    if (result.todo) this.#skip(result)
    else this.#failure(result, describeError(error))
  }

  output(file: string | undefined, message: string): void {
    if (file === undefined) return
    const all = (this.#outputs.get(file) ?? '') + message
    this.#outputs.set(file, all.slice(-OUTPUT_CHARACTERS_MAX))
  }

  /** Counts a failure for each file that said nothing at all. */
  checkComplete(files: readonly string[]): void {
    for (const path of files) {
      const file = resolve(path)
      if (this.#seenFiles.has(file)) continue
      this.#names.length = 0
      this.#failure({ name: 'the file', nesting: 0, file, details: {} }, 'it gave no result')
    }
  }

  /** Prints what the files with failures wrote. */
  printOutputs(): void {
    for (const file of this.#failedFiles) {
      const text = this.#outputs.get(file)?.trimEnd()
      if (text) console.log(`\n-- output of ${place(file)}\n${text}`)
    }
  }

  #skip(result: Result): void {
    this.tally.skipped++
    const reason = [result.skip, result.todo].find((value) => typeof value === 'string') ?? ''
    console.log(`skipped ${this.#title(result)}${reason === '' ? '' : `: ${reason}`}`)
  }

  #failure(result: Result, reason: string): void {
    this.tally.failed++
    if (result.file !== undefined) this.#failedFiles.add(result.file)
    // A hook that fails takes all tests of its suite along; say why once.
    const text = this.#reasons.has(reason) ? 'for the same reason as one above' : reason
    this.#reasons.add(reason)
    console.log(`\nFAILED ${this.#title(result)}\n${text.replace(/^/gm, '    ')}`)
  }

  #title({ name, nesting, file, line }: Result): string {
    const path = [...this.#names.slice(0, nesting), name].join(' > ')
    return file === undefined ? path : `${place(file)}:${line ?? 1} ${path}`
  }
}

/** Whether the result is of the file as a whole, which node:test gives when there is no test. */
function isFileItself({ name, nesting, file }: Result): boolean {
  return nesting === 0 && file !== undefined && file.endsWith(name)
}

function place(file: string): string {
  return relative(process.cwd(), file)
}

/** The error that a test threw, with its stack, out of the wrapping of node:test. */
function describeError(error: Error | undefined): string {
  const cause = error?.cause
  if (cause instanceof Error) return cause.stack ?? cause.message
  // Errors cross from the test's process as plain objects at times.
  const stack = (cause as { stack?: unknown } | undefined)?.stack
  if (typeof stack === 'string') return stack
  return cause === undefined ? (error?.message ?? 'no reason given') : String(cause)
}
