// Starting: every way in which it must be refused ends the process with a message that names the
// file, the line, the port or the byte; nothing half-started stays behind. And the ways of giving
// configuration: file, arguments, stdin, CONFIG REWRITE.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { RawClient } from '../lib/client.ts'
import { freePort, isReference, SERVER, stopAll, TestServer, temporaryDir } from '../lib/server.ts'
import { waitFor } from '../lib/wait.ts'

after(stopAll)

const onlyOurs = { skip: isReference() && 'Redis answers differently' }

/** Starts, expects the process to end by itself with an error, and gives its output. */
async function refused(args: readonly string[], configFile?: string): Promise<string> {
  const file = configFile === undefined ? {} : { configFile }
  const server = await TestServer.launch({ args, ...file })
  try {
    const { code, signal } = await server.exited()
    assert.equal(signal, null, server.output)
    assert.notEqual(code, 0, server.output)
    return server.output
  } finally {
    await server.stop()
  }
}

describe('a start that must be refused', () => {
  it('busy port', async () => {
    const port = await freePort()
    const holder = createServer().listen(port, '127.0.0.1')
    const server = await TestServer.launch({ port })
    const { code } = await server.exited()
    holder.close()
    assert.notEqual(code, 0)
    assert.match(server.output, /bind: Address already in use/)
    assert.match(server.output, /Failed listening on port/)
    await server.stop()
  })

  it('a bad directive or value: names the file and the line', async () => {
    const dir = temporaryDir()
    const cases = [
      ['bogus-directive yes', /Bad directive or wrong number of arguments/],
      ['maxclients 0', /argument must be between 1 and/],
      ['appendonly perhaps', /argument must be 'yes' or 'no'/],
      ['maxmemory 10zb', /argument must be a memory value/],
      ['port 70000', /argument must be between 0 and 65535/],
      ['timeout', /wrong number of arguments/],
      ['maxmemory-policy bogus', /argument\(s\) must be one of the following/],
      ['logfile "unbalanced', /Unbalanced quotes in configuration line/],
      ['save 10', /Invalid save parameters/],
    ] as const
    for (const [line, message] of cases) {
      const path = join(dir, 'redis.conf')
      writeFileSync(path, `# a comment\n\nloglevel notice\n${line}\n`)
      const output = await refused([], path)
      assert.match(output, message, line)
      assert.match(output, /at line 4/, line)
      assert.ok(output.includes(line), line)
    }
  })

  it('a config file that is not there, or a bad argument', async () => {
    const missing = join(temporaryDir(), 'no.conf')
    assert.match(await refused([], missing), /can't open config file '.*no\.conf'/)
    assert.match(await refused(['--loglevel', 'bla']), /argument\(s\) must be one of the following/)
    assert.match(await refused(['--bogus', '1']), /Bad directive or wrong number of arguments/)
  })

  it('a data directory that is missing or no directory', async () => {
    const missing = join(temporaryDir(), 'none')
    assert.match(await refused(['--dir', missing]), /No such file or directory/)
    const file = join(temporaryDir(), 'file')
    writeFileSync(file, '')
    assert.match(await refused(['--dir', file]), /Not a directory/)
  })

  it('a log file that cannot be opened', async () => {
    const path = join(temporaryDir(), 'none', 'server.log')
    assert.match(await refused(['--logfile', path]), /Can't open the log file/)
  })

  it('a damaged RDB file: nothing of it is served, and the file stays as it is', async () => {
    const dir = temporaryDir()
    const path = join(dir, 'dump.rdb')
    const good = await goodFile(dir)
    const damages: [string, Buffer][] = [
      ['cut in the middle', good.subarray(0, good.length >> 1)],
      ['cut in the checksum', good.subarray(0, good.length - 3)],
      ['a wrong magic', Buffer.concat([Buffer.from('REDIX'), good.subarray(5)])],
      ['a version of the future', Buffer.concat([Buffer.from('REDIS9999'), good.subarray(9)])],
      ['a flipped byte in a value', flipped(good, good.indexOf('vvvv') + 2)],
      ['a flipped byte of the checksum', flipped(good, good.length - 1)],
    ]
    for (const [name, bytes] of damages) {
      writeFileSync(path, bytes)
      const server = await TestServer.launch({ dir })
      const { code, signal } = await server.exited()
      assert.equal(signal, null, `${name}: ${server.output}`)
      assert.notEqual(code, 0, name)
      assert.match(server.output, /rdb|RDB|DB/, name)
      assert.deepEqual(readFileSync(path), bytes, name)
    }
  })

  it('a damaged RDB file is refused with file, offset, found and expected', onlyOurs, async () => {
    const dir = temporaryDir()
    const good = await goodFile(dir)
    writeFileSync(join(dir, 'dump.rdb'), flipped(good, good.length - 1))
    const server = await TestServer.launch({ dir })
    await server.exited()
    assert.match(server.output, /dump\.rdb.*byte \d+.*expected/s)
  })

  it('an RDB file that is a directory', async () => {
    const dir = temporaryDir()
    mkdirSync(join(dir, 'dump.rdb'))
    const server = await TestServer.launch({ dir })
    const { code } = await server.exited()
    assert.notEqual(code, 0)
    await server.stop()
  })
})

describe('configuration at start', () => {
  it('takes a file, arguments that win over it, and quoted values', async () => {
    const dir = temporaryDir()
    const path = join(dir, 'redis.conf')
    writeFileSync(path, `maxmemory 100mb\nsave 900 1\nsave 300 10\ndir "${dir}"\ntimeout 7\n`)
    const server = await TestServer.start({ dir, configFile: path, args: ['--timeout', '9'] })
    const client = await server.connect()
    assert.equal((await client.call('CONFIG', 'GET', 'maxmemory')).items[1]?.text, '104857600')
    assert.equal((await client.call('CONFIG', 'GET', 'timeout')).items[1]?.text, '9')
    assert.match((await client.call('INFO', 'server')).text, /config_file:.*redis\.conf/)
    await server.stop()
  })

  it('reads configuration from stdin', async () => {
    const port = await freePort()
    const input = `port ${port}\nmaxmemory bogus\n`
    const done = spawnSync(SERVER, ['-'], { input, encoding: 'utf8', timeout: 20_000 })
    assert.notEqual(done.status, 0)
    assert.match(done.stdout + done.stderr, /argument must be a memory value/)
  })

  it('knows --version and --help', () => {
    const version = spawnSync(SERVER, ['--version'], { encoding: 'utf8', timeout: 20_000 })
    assert.equal(version.status, 0)
    assert.match(version.stdout, /v=\d+\.\d+\.\d+/)
    const help = spawnSync(SERVER, ['--help'], { encoding: 'utf8', timeout: 20_000 })
    assert.match(help.stdout + help.stderr, /Usage: .*redis\.conf/s)
  })

  it('writes a pid file and a log file', async () => {
    const dir = temporaryDir()
    const pidfile = join(dir, 'server.pid')
    const logfile = join(dir, 'server.log')
    const server = await TestServer.start({
      dir,
      args: ['--pidfile', pidfile, '--logfile', logfile],
    })
    assert.equal(readFileSync(pidfile, 'utf8').trim(), `${server.child.pid}`)
    // Clients may be served before the line about it is in the file: another thread writes that.
    const log = () => readFileSync(logfile, 'utf8')
    await waitFor('the log line', () => log().includes('Ready to accept connections'))
    await server.stop('SIGTERM')
    assert.equal(existsSync(pidfile), false)
    assert.match(readFileSync(logfile, 'utf8'), /ready to exit, bye bye/)
  })

  it('daemonizes, under the process id of the pid file', async () => {
    const dir = temporaryDir()
    const port = await freePort()
    const pidfile = join(dir, 'server.pid')
    const args = ['--daemonize', 'yes', '--port', `${port}`, '--dir', dir, '--pidfile', pidfile]
    const logfile = join(dir, 'server.log')
    const done = spawnSync(SERVER, [...args, '--logfile', logfile], { timeout: 20_000 })
    assert.equal(done.status, 0)
    await waitFor('the pid file', () => existsSync(pidfile))
    const pid = Number(readFileSync(pidfile, 'utf8'))
    try {
      const client = await waitFor('it answers', () => RawClient.open({ port }).catch(() => null))
      assert.match(await client.text('INFO', 'server'), new RegExp(`process_id:${pid}\r`))
      client.send('SHUTDOWN', 'NOSAVE')
      assert.equal(await client.receive(), null)
      await waitFor('the process is gone', () => !existsSync(`/proc/${pid}/stat`))
    } finally {
      if (existsSync(`/proc/${pid}/stat`)) process.kill(pid, 'SIGKILL')
    }
  })

  it('rewrites its file, keeps the comments, and starts from it again', async () => {
    const dir = temporaryDir()
    const path = join(dir, 'redis.conf')
    writeFileSync(path, '# keep this comment\ntimeout 7\n')
    const first = await TestServer.start({ dir, configFile: path })
    const client = await first.connect()
    await client.text('CONFIG', 'SET', 'timeout', '11', 'maxmemory', '50mb', 'save', '100 1')
    assert.equal(await client.text('CONFIG', 'REWRITE'), 'OK')
    await first.stop()
    const text = readFileSync(path, 'utf8')
    assert.match(text, /^# keep this comment$/m)
    assert.match(text, /^timeout 11$/m)
    assert.match(text, /^maxmemory 50mb$/m)
    assert.match(text, /^save 100 1$/m)

    const second = await TestServer.start({ dir, configFile: path })
    const again = await second.connect()
    assert.equal((await again.call('CONFIG', 'GET', 'timeout')).items[1]?.text, '11')
    assert.equal((await again.call('CONFIG', 'GET', 'maxmemory')).items[1]?.text, '52428800')
    await second.stop()
  })
})

/** A small RDB file, saved by the server itself. */
async function goodFile(dir: string): Promise<Buffer> {
  const server = await TestServer.start({ dir })
  const client = await server.connect()
  await client.text('SET', 'k', 'vvvv')
  await client.text('SET', 'n', '12345', 'EX', '1000')
  await client.text('SET', 'zz', 'abc'.repeat(100))
  await client.text('SAVE')
  await server.stop()
  return readFileSync(join(dir, 'dump.rdb'))
}

function flipped(bytes: Buffer, at: number): Buffer {
  assert.ok(at >= 0 && at < bytes.length)
  const copy = Buffer.from(bytes)
  copy[at]! ^= 0x01
  return copy
}
