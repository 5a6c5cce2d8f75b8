// Helper processes: the load generator, the prober and the memory sampler each run in a process of
// their own, so that what one does cannot delay another inside one event loop.
//
// The driver starts a helper with its options as one JSON argument. The helper prints one JSON line
// {"ready":true} when it is under way and {"result":…} at its end. It ends when its work is done,
// when the driver writes a line to its standard input, or when that input closes.

import { fileURLToPath } from 'node:url'
import { exitOf, spawnChild } from './children.ts'
import { within } from './time.ts'

/** A helper that is under way. */
export interface Helper<Result> {
  /** Settles when the helper ends by itself or after `stop`. */
  readonly result: Promise<Result>
  /** Asks it to end and gives its result. */
  stop(): Promise<Result>
}

const READY_LIMIT_MS = 20_000
const STOP_LIMIT_MS = 30_000

/** Starts the helper program `file` of this folder; resolves when it says that it is ready. */
export async function startHelper<Result>(file: string, options: object): Promise<Helper<Result>> {
  const path = fileURLToPath(new URL(file, import.meta.url))
  const child = spawnChild(process.execPath, [path, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin!.on('error', () => {})
  const lines = splitLines((onChunk) => child.stdout!.setEncoding('utf8').on('data', onChunk))
  const failed = exitOf(child).then(async (code) => {
    // The last lines may still be in the pipe when the process has gone.
    await within(lines.ended(child.stdout!), 2000, `${file} output`).catch(() => {})
    throw new Error(`${file} ended (${code}) without a result`)
  })
  const result = Promise.race([lines.find<Result>('result'), failed])
  result.catch(() => {})
  failed.catch(() => {})
  await within(Promise.race([lines.find('ready'), failed]), READY_LIMIT_MS, `${file} start`)
  return {
    result,
    stop: () => {
      child.stdin!.write('stop\n')
      return within(result, STOP_LIMIT_MS, `${file} stop`)
    },
  }
}

/** Runs a helper program to its end. */
export async function runHelper<Result>(
  file: string,
  options: object,
  limitMs: number,
): Promise<Result> {
  const helper = await startHelper<Result>(file, options)
  return within(helper.result, limitMs, file).catch((error) => {
    helper.stop().catch(() => {})
    throw error
  })
}

/** In the helper: its options. */
export function helperOptions<Options>(): Options {
  return JSON.parse(process.argv[2] ?? '{}') as Options
}

/** In the helper: tells the driver that it is under way; `onStop` runs when the driver says so. */
export function helperReady(onStop: () => void): void {
  process.stdin.once('data', onStop)
  process.stdin.once('end', () => process.exit(1))
  process.stdout.write('{"ready":true}\n')
}

/** In the helper: hands the result over and exits. */
export function helperDone(result: object): void {
  process.stdout.write(`${JSON.stringify({ result })}\n`, () => process.exit(0))
}

/** Lines of JSON from a stream, findable by the name of a field, whether it has come or not. */
function splitLines(listen: (onChunk: (chunk: string) => void) => void) {
  const found = new Map<string, unknown>()
  const waiting = new Map<string, (value: unknown) => void>()
  let rest = ''
  listen((chunk) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      for (const [name, value] of Object.entries(JSON.parse(line) as object)) {
        found.set(name, value)
        waiting.get(name)?.(value)
      }
    }
  })
  return {
    find<T>(name: string): Promise<T> {
      if (found.has(name)) return Promise.resolve(found.get(name) as T)
      return new Promise((resolve) => waiting.set(name, (value) => resolve(value as T)))
    },
    ended(stream: NodeJS.ReadableStream): Promise<void> {
      return new Promise((resolve) => stream.once('close', resolve))
    },
  }
}
