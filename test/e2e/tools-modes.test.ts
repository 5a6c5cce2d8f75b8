// The modes of redis-cli that look at keys, memory and time: what an operator runs first when
// something is slow or large. tools.test.ts has the others. Skipped where Debian's redis-tools are
// not installed.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import { findProgram, stopAll, TestServer } from '../lib/server.ts'
import { sleep } from '../lib/wait.ts'

after(stopAll)

const CLI = findProgram('redis-cli')
const STOP_LIMIT_MS = 2000

/** Waits for the end of a program that was interrupted, and ends it when it does not. */
async function stopped(child: ChildProcess, closed: Promise<unknown>): Promise<void> {
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
  await closed
  clearTimeout(timer)
}

describe('modes of redis-cli', { skip: CLI === '' && 'redis-cli is not installed' }, () => {
  let server: TestServer

  before(async () => {
    server = await TestServer.start({ args: ['--maxmemory-policy', 'allkeys-lfu'] })
    const commands = Array.from({ length: 300 }, (_, i) => `SET key:${i} value`)
    commands.push(`HSET profile name ${'n'.repeat(50_000)} mail ${'m'.repeat(50_000)}`)
    commands.push('RPUSH queue a b c d e f g h i j', 'ZADD board 1 a 2 b 3 c')
    commands.push('SADD tags a b c', 'XADD events * type login')
    for (let i = 0; i < 200; i++) commands.push('GET key:7')
    cli([], `${commands.join('\n')}\n`)
  })

  after(async () => {
    await server?.stop()
  })

  function cli(args: readonly string[], input = ''): string {
    const all = ['-h', '127.0.0.1', '-p', `${server.port}`, ...args]
    const done = spawnSync(CLI, all, { input, timeout: 20_000, encoding: 'utf8' })
    return done.stdout + done.stderr
  }

  /** The output of a mode that runs until it is stopped. */
  async function cliFor(ms: number, args: readonly string[]): Promise<string> {
    // Line by line: into a pipe, stdio would keep the output back until it is stopped.
    const target = ['-h', '127.0.0.1', '-p', `${server.port}`]
    const child = spawn('stdbuf', ['-oL', CLI, ...target, ...args])
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('latin1')
    })
    await sleep(ms)
    const closed = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGINT')
    await stopped(child, closed)
    return output
  }

  it('--bigkeys finds the largest key of each type', () => {
    const output = cli(['--bigkeys'])
    assert.match(output, /Sampled 305 keys in the keyspace!/)
    assert.match(output, /Biggest +list found '?"queue"'? has 10 items/)
    assert.match(output, /Biggest +zset found '?"board"'? has 3 members/)
    assert.match(output, /1 streams with 1 entries/)
  })

  it('--memkeys finds where memory is', () => {
    const output = cli(['--memkeys', '--memkeys-samples', '0'])
    assert.match(output, /Sampled 305 keys in the keyspace!/)
    const [, bytes] = /Biggest +hash found '?"profile"'? has (\d+) bytes/.exec(output) ?? []
    assert.ok(Number(bytes) > 100_000 && Number(bytes) < 140_000, `${bytes} bytes`)
  })

  it('--hotkeys finds what is used most, and refuses other policies', () => {
    const output = cli(['--hotkeys'])
    const [, counter] = /found with counter: (\d+)\s+keyname: "key:7"/.exec(output) ?? []
    assert.ok(Number(counter) > 6, output)
    assert.ok(output.indexOf('"key:7"', output.indexOf('summary')) > 0)
    cli(['CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru'])
    assert.match(cli(['--hotkeys']), /ERR An LFU maxmemory policy is not selected/)
    cli(['CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lfu'])
  })

  it('--scan gives keys by pattern', () => {
    const keys = cli(['--scan', '--pattern', 'key:1*']).trim().split('\n')
    assert.equal(new Set(keys).size, 111)
  })

  it('--stat shows a line for each interval', async () => {
    const output = await cliFor(900, ['--stat', '-i', '0.2'])
    assert.match(output, /keys +mem +clients +blocked +requests +connections/)
    assert.ok((output.match(/^305 +\d+\.\d+[KM] +\d+ +0 +\d+ \(\+\d+\) +\d+/gm)?.length ?? 0) > 1)
  })

  it('--latency-history shows windows of time', async () => {
    const output = await cliFor(1500, ['--latency-history', '-i', '0.3'])
    // Into a pipe it writes least, most, average and count.
    assert.match(output, /\d+ \d+ \d+\.\d+ \d+\n -- 0\.\d+ seconds range\n/)
  })

  it('--latency-dist draws a spectrum', async () => {
    const output = await cliFor(1500, ['--latency-dist', '-i', '0.3'])
    assert.match(output, /From 0 to 100%:/)
    assert.ok(output.split('---\n').length >= 2)
  })

  it('--intrinsic-latency measures the machine, not the server', () => {
    assert.match(cli(['--intrinsic-latency', '1']), /total runs \(avg latency: /)
  })

  it('--lru-test has hits while keys are evicted', async () => {
    const args = ['--maxmemory', '3mb', '--maxmemory-policy', 'allkeys-lru']
    const full = await TestServer.start({ args })
    const client = await full.connect()
    const target = ['-h', '127.0.0.1', '-p', `${full.port}`, '--lru-test', '1000000']
    const child = spawn('stdbuf', ['-oL', CLI, ...target])
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
    // A line a second, of which the last is to tell of a full server.
    let evicted = 0
    for (let i = 0; i < 100 && (evicted === 0 || output.split('Hits').length < 4); i++) {
      await sleep(100)
      client.send('INFO', 'stats')
      const info = (await client.receive())?.text ?? ''
      evicted = Number(/evicted_keys:(\d+)/.exec(info)?.[1])
    }
    const closed = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGINT')
    await stopped(child, closed)
    assert.ok(evicted > 0, 'keys were evicted')
    const shares = [...output.matchAll(/Hits: \d+ \((\d+\.\d+)%\)/g)]
    // Gets follow a power law: some keys are asked for most of the time.
    assert.ok(Number(shares.at(-1)?.[1]) > 20, output)
    await full.stop()
  })
})
