// Redis's own tools against the server: redis-cli in its modes, and redis-benchmark. They are the
// first thing an operator tries. Skipped where Debian's redis-tools are not installed.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import { encodeCommand } from '../lib/resp.ts'
import { findProgram, stopAll, TestServer } from '../lib/server.ts'
import { sleep } from '../lib/wait.ts'

after(stopAll)

const CLI = findProgram('redis-cli')
const BENCHMARK = findProgram('redis-benchmark')

describe('redis-cli', { skip: CLI === '' && 'redis-cli is not installed' }, () => {
  let server: TestServer

  before(async () => {
    server = await TestServer.start()
  })

  after(async () => {
    await server?.stop()
  })

  function cli(args: readonly string[], input = Buffer.alloc(0)): string {
    const all = ['-h', '127.0.0.1', '-p', `${server.port}`, ...args]
    const done = spawnSync(CLI, all, { input, timeout: 20_000, maxBuffer: 64 << 20 })
    return done.stdout.toString() + done.stderr.toString()
  }

  /** The output of a mode that runs until it is stopped. */
  async function cliFor(ms: number, args: readonly string[]): Promise<string> {
    // Line by line: into a pipe, stdio would keep the output back until it is stopped.
    const target = ['-h', '127.0.0.1', '-p', `${server.port}`]
    const child = spawn('stdbuf', ['-oL', CLI, ...target, ...args])
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
    await sleep(ms)
    const closed = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGINT')
    await closed
    return output
  }

  it('runs single commands and says what failed', () => {
    assert.equal(cli(['SET', 'k', 'v']), 'OK\n')
    assert.equal(cli(['GET', 'k']), 'v\n')
    assert.match(cli(['GET']), /ERR wrong number of arguments for 'get' command/)
    assert.match(cli(['BOGUS']), /ERR unknown command 'BOGUS'/)
  })

  it('reads commands from stdin and arguments with -x', () => {
    assert.equal(cli([], Buffer.from('SET a 1\nINCR a\nGET a\n')), 'OK\n2\n2\n')
    assert.equal(cli(['-x', 'SET', 'bin'], Buffer.from([0, 1, 255])), 'OK\n')
    assert.equal(cli(['STRLEN', 'bin']), '3\n')
  })

  it('speaks RESP3 with -3', () => {
    assert.match(cli(['-3', '--no-raw', 'CONFIG', 'GET', 'maxmemory']), /1# "maxmemory" => "0"/)
    assert.match(cli(['-3', 'HELLO']), /proto.*3/s)
  })

  it('inserts masses with --pipe', () => {
    const commands = Array.from({ length: 20_000 }, (_, i) =>
      encodeCommand(['SET', `mass:${i}`, `value ${i}`]),
    )
    const output = cli(['--pipe'], Buffer.concat(commands))
    assert.match(output, /errors: 0, replies: 20000/)
    assert.equal(cli(['GET', 'mass:19999']), 'value 19999\n')
  })

  it('counts the errors of --pipe', () => {
    const commands = [encodeCommand(['SET', 'word', 'x']), encodeCommand(['INCR', 'word'])]
    assert.match(cli(['--pipe'], Buffer.concat(commands)), /errors: 1, replies: 2/)
  })

  it('lists all keys with --scan', () => {
    const keys = new Set(cli(['--scan', '--pattern', 'mass:*']).trim().split('\n'))
    assert.equal(keys.size, 20_000)
  })

  it('finds the biggest key with --bigkeys', () => {
    assert.equal(cli(['SET', 'bigone', 'x'.repeat(5000)]), 'OK\n')
    const output = cli(['--bigkeys'])
    assert.match(output, /Biggest string found '?"bigone"'? has 5000 bytes/)
    assert.match(output, /Sampled 200\d\d keys in the keyspace/)
  })

  it('shows INFO', () => {
    const info = cli(['INFO'])
    assert.match(info, /# Server/)
    assert.match(info, new RegExp(`tcp_port:${server.port}`))
    assert.match(info, /db0:keys=200\d\d,/)
  })

  it('runs --stat and --latency', async () => {
    const stat = await cliFor(700, ['--stat', '-i', '0.2'])
    assert.match(stat, /200\d\d +\d+(\.\d+)?[KMG]?/)
    const latency = cli(['--latency', '-i', '1', '--raw'])
    assert.match(latency, /^\d+(\.\d+)? \d+(\.\d+)? \d+(\.\d+)? \d+/)
  })
})

describe('redis-benchmark', {
  skip: BENCHMARK === '' && 'redis-benchmark is not installed',
}, () => {
  for (const [name, more] of [
    ['single requests', []],
    ['pipelines', ['-P', '32']],
    ['random keys and large values', ['-r', '1000', '-d', '5000']],
  ] as const) {
    it(`runs SET, GET, INCR, MSET and PING: ${name}`, async () => {
      const server = await TestServer.start()
      const tests = ['-t', 'set,get,incr,mset,ping', '-n', '5000', '-c', '20', '--csv']
      const args = ['-h', '127.0.0.1', '-p', `${server.port}`, ...tests, ...more]
      const done = spawnSync(BENCHMARK, args, { encoding: 'utf8', timeout: 60_000 })
      await server.stop()
      assert.equal(done.status, 0, done.stderr)
      for (const test of ['PING_MBULK', 'SET', 'GET', 'INCR', 'MSET']) {
        assert.match(done.stdout, new RegExp(`"${test}[^"]*","\\d+`))
      }
      assert.doesNotMatch(done.stdout + done.stderr, /WARNING|Error|ERR/)
    })
  }
})
