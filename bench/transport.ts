// Question: what do socket, parser and writer cost per command, against all of redis-server?
// Method: a server that answers GET and SET from one stored value runs in a worker thread, in a
// process of its own; redis-benchmark -c 50 drives it and then redis-server, in alternation, with
// pipelines of 1, 16 and 64. Figure: CPU µs (user + system, /proc/PID/stat) per operation, minimum
// of the rounds. Variants: `fast` (bare handles) and `plain` (net.Socket).
//
//   node bench/transport.ts [--rounds=3] [--ops=1] [--variants=fast,plain,redis]
//
// `--ops` scales the number of operations. Prints JSON. Also `--serve=fast --port=N`: the server
// only, for profiles (`node --cpu-prof`).

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import * as net from 'node:net'
import { cpus } from 'node:os'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import type { Socket, SocketHandler } from '../src/base/socket.ts'
import { NetTransport } from '../src/base/socket-net.ts'
import { Args, word } from '../src/resp/args.ts'
import { QueryReader, Read } from '../src/resp/query-reader.ts'
import { replyError } from '../src/resp/replies.ts'
import { Reply } from '../src/resp/reply.ts'

const PIPELINES = [1, 16, 64] as const
const OPERATIONS: Record<number, number> = { 1: 200_000, 16: 1_000_000, 64: 2_000_000 }
const CLOCK_TICK_US = 10_000
const GET = word('get')
const SET = word('set')
const UNKNOWN = replyError('ERR unknown command')

function option(name: string, fallback: string): string {
  const found = process.argv.find((text) => text.startsWith(`--${name}=`))
  return found ? found.slice(name.length + 3) : fallback
}

/** The server under test; runs in a worker, as the engine does. */
function serve(variant: string, port: number): void {
  let value: Uint8Array = new Uint8Array(3).fill(0x78)
  let current: Socket | null = null
  const args = new Args()
  const reply = new Reply((bytes, start, length) => current!.write(bytes, start, length))

  function run(): void {
    if (args.is(0, GET)) return reply.bulk(value, 0, value.length)
    if (!args.is(0, SET)) return reply.error(UNKNOWN)
    if (args.length(2) !== value.length) value = args.copy(2)
    else for (let i = 0; i < value.length; i++) value[i] = args.bytes[args.start(2) + i]!
    reply.ok()
  }

  class Connection implements SocketHandler {
    readonly #socket: Socket
    readonly #reader = new QueryReader()
    constructor(socket: Socket) {
      this.#socket = socket
    }
    onData(bytes: Uint8Array, start: number, length: number): void {
      current = this.#socket
      this.#reader.feed(bytes, start, length)
      let found = this.#reader.next(args)
      while (found === Read.Command) {
        run()
        found = this.#reader.next(args)
      }
      this.#reader.keep()
      if (found === Read.ProtocolError) reply.error(this.#reader.error)
      reply.flush()
      if (found !== Read.Incomplete) this.#socket.end()
    }
    onDrain(): void {}
    onClose(): void {}
  }

  const transport = new NetTransport({ isPlain: variant === 'plain' })
  const address = { host: '127.0.0.1', port, backlog: 511 }
  const listener = transport.listen(
    address,
    { onAccept: (socket) => new Connection(socket) },
    (error) => {
      if (error) throw error
      if (parentPort) parentPort.postMessage(listener.port)
    },
  )
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo
      server.close(() => resolve(port))
    })
  })
}

async function waitFor(port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const isUp = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', () => resolve(false))
    })
    if (isUp) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`nothing listens on port ${port}`)
}

function start(variant: string, port: number): ChildProcess {
  if (variant === 'redis') {
    const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '']
    return spawn('redis-server', options, { stdio: 'ignore' })
  }
  const file = new URL(import.meta.url).pathname
  const stdio = ['ignore', 'ignore', 'inherit'] as const
  return spawn(process.execPath, [file, `--serve=${variant}`, `--port=${port}`], {
    stdio: [...stdio],
  })
}

/** User and system time of the process, all threads, in µs. */
function cpuUs(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_US
}

function drive(port: number, test: string, pipeline: number, operations: number): void {
  execFileSync('redis-benchmark', [
    '-p',
    String(port),
    '-h',
    '127.0.0.1',
    '-c',
    '50',
    '-P',
    String(pipeline),
    '-n',
    String(operations),
    '-t',
    test,
    '-q',
  ])
}

/** CPU µs per operation of one variant, for each pipeline and command. */
async function measure(variant: string, scale: number): Promise<Record<string, number>> {
  const port = await freePort()
  const child = start(variant, port)
  const result: Record<string, number> = {}
  try {
    await waitFor(port)
    drive(port, 'set,get', 16, 100_000)
    for (const pipeline of PIPELINES) {
      for (const test of ['get', 'set']) {
        const operations = Math.round(OPERATIONS[pipeline]! * scale)
        const before = cpuUs(child.pid!)
        drive(port, test, pipeline, operations)
        result[`${test} P${pipeline}`] = (cpuUs(child.pid!) - before) / operations
      }
    }
  } finally {
    child.kill('SIGKILL')
  }
  return result
}

async function main(): Promise<void> {
  const variants = option('variants', 'redis,fast,plain').split(',')
  const rounds = Number(option('rounds', '3'))
  const scale = Number(option('ops', '1'))
  const best: Record<string, Record<string, number>> = {}
  for (let round = 0; round < rounds; round++) {
    for (const variant of variants) {
      const found = await measure(variant, scale)
      const kept = (best[variant] ??= {})
      for (const [name, us] of Object.entries(found)) {
        kept[name] = Math.round(Math.min(kept[name] ?? Infinity, us) * 1000) / 1000
      }
    }
  }
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version }
  console.log(JSON.stringify({ bench: 'transport', unit: 'CPU us/op', machine, best }, null, 2))
}

const serving = option('serve', '')
if (!isMainThread) {
  const { variant, port } = workerData as { variant: string; port: number }
  serve(variant, port)
} else if (serving !== '') {
  const port = Number(option('port', '0'))
  const worker = new Worker(new URL(import.meta.url), { workerData: { variant: serving, port } })
  worker.on('message', (found) => console.log(`port ${found}`))
} else {
  await main()
}
