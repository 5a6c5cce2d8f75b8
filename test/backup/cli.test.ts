// Goal: the commands of docs/backup.md do what they say, with real servers and a real process: exit
// codes, JSON, no secret in any output; a service that is killed anywhere goes on, and ends cleanly
// when it is asked to. Method: bin/tidemark, redis-server where it is installed, our server.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { freePort, REFERENCE, ROOT, stopAll, TestServer, temporaryDir } from '../lib/server.ts'
import { sleep, waitFor } from '../lib/wait.ts'

const SECRET = 'quite-secret'
const FAST = ['--repl-diskless-sync-delay', '0', '--requirepass', SECRET]
const work = temporaryDir()
const children = new Set<ChildProcess>()

after(() => {
  for (const child of children) child.kill('SIGKILL')
  stopAll()
})

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function start(args: readonly string[], environment: NodeJS.ProcessEnv = {}): ChildProcess {
  const child = spawn(join(ROOT, 'bin/tidemark'), args, {
    cwd: work,
    env: { ...process.env, TIDEMARK_PASSWORD: SECRET, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

async function run(...args: string[]): Promise<Ended> {
  const child = start(args)
  let out = ''
  let err = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text))
  const [code] = (await once(child, 'close')) as [number | null]
  assert.ok(!`${out}${err}`.includes(SECRET), 'no secret is written')
  return { code, out, err }
}

async function ok(...args: string[]): Promise<string> {
  const { code, out, err } = await run(...args)
  assert.equal(code, 0, `${args.join(' ')}: ${err}`)
  return out
}

async function filled(command?: string): Promise<TestServer> {
  const server = await TestServer.start({
    args: FAST,
    ...(command === undefined ? {} : { command }),
  })
  const client = await server.connect()
  await client.text('AUTH', SECRET)
  for (let i = 0; i < 50; i++) await client.text('SET', `key:${i}`, `value ${i}`)
  await client.text('SELECT', '2')
  await client.text('RPUSH', 'list', 'a', 'b')
  client.close()
  return server
}

async function sizeOf(server: TestServer, database = 0): Promise<string> {
  const client = await server.connect()
  await client.text('AUTH', SECRET)
  await client.text('SELECT', `${database}`)
  const size = await client.text('DBSIZE')
  client.close()
  return size
}

const skip = REFERENCE === '' ? 'redis-server is not installed' : false

describe('a backup from the command line', () => {
  for (const [engine, command] of [
    ['redis', REFERENCE],
    ['tidemark', undefined],
  ] as const) {
    it(`of ${engine}: from its creation to its end`, { skip }, async () => {
      const server = await filled(command)
      const store = ['--store', join(work, engine)]
      const from = `redis://127.0.0.1:${server.port}`
      const made = JSON.parse(
        await ok(
          'backup',
          'create',
          'one',
          '--from',
          from,
          '--cluster',
          'main',
          ...store,
          '--json',
        ),
      )
      assert.equal(made.totals.keys, 51)
      assert.equal(made.shards[0].source.engine, engine)
      assert.equal((await run('backup', 'create', 'one', '--from', from, ...store)).code, 4)
      const quota = ['--quota', '1', '--cluster', 'main']
      assert.equal(
        (await run('backup', 'create', 'two', '--from', from, ...quota, ...store)).code,
        4,
      )
      assert.match(await ok('backup', 'verify', 'one', '--deep', ...store), /^Backup one is good/)
      const [listed] = JSON.parse(await ok('backup', 'list', ...store, '--json')).backups
      assert.equal(listed.isGood, true)
      assert.match(await ok('backup', 'show', 'one', ...store), /database 2 +1 keys/)

      await ok('backup', 'copy', 'one', '--as', 'two', '--to-store', join(work, engine), ...store)
      await ok('backup', 'pin', 'one', '--reason', 'audit', ...store)
      assert.equal((await run('backup', 'delete', 'one', '--confirm', ...store)).code, 4)
      await ok('backup', 'unpin', 'one', ...store)
      assert.match(await ok('backup', 'delete', 'one', ...store), /^Would remove/)
      assert.match(await ok('backup', 'delete', 'one', '--confirm', ...store), /^Removed/)
      assert.equal((await run('backup', 'show', 'one', ...store)).code, 3)
      assert.match(await ok('backup', 'verify', 'two', ...store), /^Backup two is good/)
      assert.match(await ok('backup', 'prune', '--retention', '1', ...store), /^Nothing to remove/m)

      const target = await TestServer.start({ args: FAST })
      const to = ['--to', `redis://127.0.0.1:${target.port}`]
      await ok('restore', 'two', ...store, ...to)
      assert.equal(await sizeOf(target), '50')
      assert.equal(await sizeOf(target, 2), '1')
      assert.equal((await run('restore', 'two', ...store, ...to)).code, 4)
      const some = ['--replace', '--filter', 'key:1*', '--database', '0:5']
      await ok('restore', 'two', ...store, ...to, ...some)
      assert.equal(await sizeOf(target, 5), '11')
      const file = join(work, `${engine}.rdb`)
      await ok('restore', 'two', ...store, '--to', file)
      assert.match(await ok('check-rdb', file), /51 keys read/)
      await ok('restore', file, ...to, '--flush')
      assert.equal(await sizeOf(target, 5), '0')
      const fresh = join(work, `${engine}-node`)
      const at = ['--port', `${await freePort()}`]
      const node = JSON.parse(await ok('restore', 'two', ...store, '--to', fresh, ...at, '--json'))
      assert.equal(node.keys, 51)
      assert.equal(node.pid, null)
      await Promise.all([server.stop(), target.stop()])
    })
  }
})

describe('misuse', () => {
  const cases: readonly (readonly [number, RegExp, ...string[]])[] = [
    [2, /^Usage: tidemark backup ACTION/, 'backup'],
    [2, /no action 'take'/, 'backup', 'take'],
    [2, /Which store/, 'backup', 'list'],
    [2, /--limit is "x"/, 'backup', 'list', '--store', 'x', '--limit', 'x'],
    [2, /must begin with a letter/, 'backup', 'create', '1', '--from', 'redis://a'],
    [2, /Of what\?/, 'backup', 'create', 'a', '--store', 'x'],
    [2, /--kind is "automatic"/, 'backup', 'create', 'a', '--from', 'b', '--kind', 'automatic'],
    [2, /Unknown option/, 'backup', 'verify', 'a', '--deeper'],
    [2, /--retention is "36"/, 'backup', 'prune', '--store', 'x', '--retention', '36'],
    [3, /there is no backup a/, 'backup', 'delete', 'a', '--store', 'empty'],
    [
      1,
      /unreachable|ECONNREFUSED|connect/,
      'backup',
      'create',
      'a',
      '--from',
      'redis://127.0.0.1:1',
    ],
    [2, /c\.json: ENOENT/, 'backup', 'run', 'c.json'],
    [2, /Where to\?/, 'restore', 'a', '--store', 'x'],
    [
      2,
      /--database is "1"/,
      'restore',
      'a',
      '--to',
      'redis://a',
      '--store',
      'x',
      '--database',
      '1',
    ],
  ]
  for (const [code, message, ...args] of cases) {
    it(`ends with ${code}: ${args.join(' ')}`, async () => {
      const hasStore = args.includes('--store') || args[1] !== 'create'
      const ended = await run(...args, ...(hasStore ? [] : ['--store', 'unused']))
      assert.match(ended.err, message)
      assert.equal(ended.code, code)
    })
  }

  it('--help teaches, on the standard output', async () => {
    assert.match(await ok('backup', '--help'), /First steps:/)
    assert.match(await ok('backup', 'create', '--help'), /^Usage: tidemark backup create NAME/)
    assert.match(await ok('restore', '--help'), /Examples:/)
  })
})

describe('the service', () => {
  it('is killed at many points, and the next one goes on', { skip }, async () => {
    const server = await filled(REFERENCE)
    for (const afterMs of KILLED_AFTER_MS) {
      const store = join(work, `service-${afterMs}`)
      const config = writeConfig(store, server)
      const child = start(['backup', 'run', config])
      const ended = once(child, 'exit')
      await waitFor('something is in the store', () => existsSync(join(store, 'locks')))
      await sleep(afterMs)
      child.kill('SIGKILL')
      await ended
      const { backups } = JSON.parse(await ok('backup', 'list', '--store', store, '--json'))
      for (const { state, name } of backups) {
        if (state === 'available') await ok('backup', 'verify', name, '--store', store)
        else assert.equal(state, 'creating')
      }
      // Eleven minutes later, as far as the store can tell.
      makeOld(store)
      await ok('backup', 'run', config, '--once')
      const after = JSON.parse(await ok('backup', 'list', '--store', store, '--json'))
      assert.ok(after.backups.length >= 1)
      for (const { state, isGood } of after.backups) {
        assert.equal(`${state} ${isGood}`, 'available true', `killed after ${afterMs} ms`)
      }
      assert.match(await ok('backup', 'prune', '--store', store), /Nothing to remove/)
      assert.equal(readdirSync(join(store, 'data')).length, after.backups.length)
    }
    await server.stop()
  })

  it('ends cleanly when it is asked to, and checks its configuration', { skip }, async () => {
    const server = await filled(REFERENCE)
    const store = join(work, 'service')
    const config = writeConfig(store, server)
    assert.match(await ok('backup', 'run', config, '--check'), /main: redis:/)
    const child = start(['backup', 'run', config])
    let out = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text))
    await waitFor('a backup is verified', () => out.includes('verified'))
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null])
    assert.match(out, /the service ends/)
    assert.ok(!out.includes(SECRET))
    await server.stop()
  })
})

/** From the first object in the store on: the claim, the sync, the part, the manifest, after it. */
const KILLED_AFTER_MS = [0, 30, 80, 150, 300, 700]

function writeConfig(store: string, { port }: TestServer): string {
  const path = `${store}.json`
  const clusters = [{ name: 'main', from: `redis://127.0.0.1:${port}` }]
  const verify = { level: 'parts' }
  writeFileSync(path, JSON.stringify({ stores: store, clusters, verify, listen: 'none' }))
  return path
}

/** Heartbeats and files of a dead service are those of eleven minutes ago. */
function makeOld(store: string): void {
  const then = new Date(Date.now() - 660_000)
  for (const entry of readdirSync(store, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (/\/(claims|locks)$/.test(entry.parentPath) && entry.name.endsWith('.json')) {
      const holder = JSON.parse(readFileSync(path, 'utf8'))
      writeFileSync(path, JSON.stringify({ ...holder, heartbeat: then.toISOString() }))
    }
    utimesSync(path, then, then)
  }
}
