// Goal: the process behaves as Redis's does towards shells, supervisors and the kernel. Method:
// real child processes and files in a temporary directory; systemd's socket is played by Python
// (skipped without systemd-notify or python3), the OOM score by an ordinary file.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { SystemClock } from '../base/clock.ts'
import { SystemDisk } from '../base/disk.ts'
import { type Log, LogLevel } from '../base/log.ts'
import {
  DAEMON_MARK,
  type Environment,
  findSupervisor,
  formatBanner,
  formatProcessTitle,
  isDaemon,
  logBanner,
  notifySystemd,
  OomScore,
  removePidFile,
  startDaemon,
  writePidFile,
} from './process.ts'

/** A log that keeps its lines as `level message`. */
class LineLog implements Log {
  level: LogLevel = LogLevel.Debug
  readonly lines: string[] = []
  debug(message: string): void {
    this.lines.push(`. ${message}`)
  }
  verbose(message: string): void {
    this.lines.push(`- ${message}`)
  }
  notice(message: string): void {
    this.lines.push(`* ${message}`)
  }
  warning(message: string): void {
    this.lines.push(`# ${message}`)
  }
  raw(text: string): void {
    this.lines.push(text)
  }
}

const disk = new SystemDisk()
const modulePath = join(import.meta.dirname, 'process.ts')
let folder = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-process-'))
})
after(() => rmSync(folder, { recursive: true }))

describe('daemon', () => {
  /** Starts `script` as a daemon; the exit code that the first start would end with. */
  function daemon(script: string, input: string | null = null): Promise<number> {
    const command = [process.execPath, '--input-type=module', '-e', script] as const
    return new Promise((resolve) => {
      const options = { clock: new SystemClock(), environment: process.env, input }
      startDaemon({ ...options, command: [...command] }, resolve)
    })
  }

  test('the first start ends with 0 once the second is up, in a session of its own', async () => {
    const report = join(folder, 'daemon.json')
    const exitCode = await daemon(`
      import { readFileSync, writeFileSync, readlinkSync } from 'node:fs'
      import { isDaemon, reportUp } from ${JSON.stringify(modulePath)}
      const session = Number(readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ')[3])
      writeFileSync(${JSON.stringify(report)}, JSON.stringify({
        pid: process.pid, session, isDaemon: isDaemon(process.env),
        out: readlinkSync('/proc/self/fd/1'), input: readFileSync(0, 'utf8'),
      }))
      reportUp()
    `)
    const found = JSON.parse(readFileSync(report, 'utf8'))
    assert.equal(exitCode, 0)
    const { pid } = found
    assert.deepEqual(found, { pid, session: pid, isDaemon: true, out: '/dev/null', input: '' })
    assert.notEqual(pid, process.pid)
  })

  test('what the first start read from its input reaches the second', async () => {
    const report = join(folder, 'input')
    const exitCode = await daemon(
      `
      import { readFileSync, writeFileSync } from 'node:fs'
      import { reportUp } from ${JSON.stringify(modulePath)}
      writeFileSync(${JSON.stringify(report)}, readFileSync(0))
      reportUp()
    `,
      'port 7000\n',
    )
    assert.equal(exitCode, 0)
    assert.equal(readFileSync(report, 'utf8'), 'port 7000\n')
  })

  test('a second start that fails before it is up hands its exit code on', async () => {
    assert.equal(await daemon('process.exit(3)'), 3)
    assert.equal(await daemon('process.exit(0)'), 1)
    assert.equal(await daemon("process.kill(process.pid, 'SIGKILL')"), 1)
  })

  test('a program that cannot be started is a failure', async () => {
    const options = { clock: new SystemClock(), environment: {}, input: null }
    const command: [string] = [join(folder, 'nothing')]
    const exitCode = await new Promise((resolve) => startDaemon({ ...options, command }, resolve))
    assert.equal(exitCode, 1)
    assert.equal(isDaemon({}), false)
    assert.equal(isDaemon({ [DAEMON_MARK]: '1' }), true)
  })
})

test('the pid file holds the process id and goes; what cannot be written is logged', () => {
  const log = new LineLog()
  const path = join(folder, 'redis.pid')
  writePidFile(path, { disk, log })
  assert.equal(readFileSync(path, 'utf8'), `${process.pid}\n`)
  removePidFile(path, { disk, log })
  removePidFile(path, { disk, log })
  assert.equal(existsSync(path), false)
  writePidFile(join(folder, 'missing', 'redis.pid'), { disk, log })
  assert.deepEqual(log.lines, [
    `# Failed to write PID file ${join(folder, 'missing', 'redis.pid')}: No such file or directory`,
  ])
})

describe('title', () => {
  const plain = {
    name: 'src/tidemark-server',
    host: '',
    port: 6379,
    tlsPort: 0,
    unixSocket: '',
    mode: '',
    configFile: '',
  }
  const rows: [string, string, object, string | null][] = [
    ['default', '{title} {listen-addr} {server-mode}', {}, 'src/tidemark-server *:6379'],
    ['bound', '{listen-addr}', { host: '127.0.0.1' }, '127.0.0.1:6379'],
    ['unix socket only', '{listen-addr}', { port: 0, unixSocket: '/run/x' }, '/run/x'],
    ['TLS only', '{listen-addr} {tls-port}', { port: 0, tlsPort: 7000 }, '*:7000 7000'],
    ['all', 'T {port} "{unixsocket}" {config-file}', { configFile: 'a.conf' }, 'T 6379 "" a.conf'],
    ['escape', '{{x}} }{port} {config-file} ', {}, '{x}} }6379 -'],
    ['mode', '{title} {server-mode}', { mode: '[cluster]' }, 'src/tidemark-server [cluster]'],
    ['unknown', '{nothing}', {}, null],
    ['unclosed', '{title', {}, null],
  ]
  for (const [name, template, changes, expected] of rows) {
    test(name, () => {
      assert.equal(formatProcessTitle(template, { ...plain, ...changes }), expected)
    })
  }

  test('ps shows it, as long as the start left room', () => {
    const script = `
      import { readFileSync } from 'node:fs'
      import { setProcessTitle } from ${JSON.stringify(modulePath)}
      setProcessTitle('{title} {listen-addr}', {
        name: '${'n'.repeat(200)}', host: '', port: 1, tlsPort: 0, unixSocket: '', mode: '',
        configFile: '' })
      process.stdout.write(readFileSync('/proc/self/cmdline', 'utf8'))`
    const room = `--title=${' '.repeat(256)}`
    const args = [room, '--input-type=module', '-e', script]
    const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    assert.equal(stdout.replaceAll('\0', ''), `${'n'.repeat(200)} *:1`)
  })
})

describe('supervisor', () => {
  function find(mode: string, environment: Environment) {
    const log = new LineLog()
    let stops = 0
    const stopSelf = () => {
      stops++
    }
    const supervisor = findSupervisor(mode, { environment, log, stopSelf })
    return { supervisor, stops, lines: log.lines }
  }

  test('no and auto without a supervisor do nothing', () => {
    const nothing = { supervisor: 'none', stops: 0, lines: [] }
    assert.deepEqual(find('no', { UPSTART_JOB: 'x', NOTIFY_SOCKET: 'y' }), nothing)
    assert.deepEqual(find('auto', {}), nothing)
  })

  test('upstart is told by a stop', () => {
    assert.deepEqual(find('auto', { UPSTART_JOB: 'x' }), {
      supervisor: 'upstart',
      stops: 1,
      lines: [
        '* Upstart supervision detected.',
        '* supervised by upstart, will stop to signal readiness.',
      ],
    })
    assert.deepEqual(find('upstart', {}), {
      supervisor: 'none',
      stops: 0,
      lines: ['# upstart supervision requested, but UPSTART_JOB not found!'],
    })
  })

  test('systemd without a socket is an error that is logged', () => {
    assert.deepEqual(find('systemd', {}), {
      supervisor: 'none',
      stops: 0,
      lines: ['# systemd supervision error: NOTIFY_SOCKET not found!'],
    })
  })

  const needed = ['systemd-notify', 'python3'].filter(
    (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0,
  )
  const skip = needed.length > 0 ? `no ${needed.join(', no ')}` : false
  test('systemd gets the status and readiness at its socket', { skip }, async () => {
    const path = join(folder, 'notify')
    const script = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1]); s.settimeout(5)
print('bound', flush=True)
lines = []
while not any('READY' in line for line in lines) or lines.count('BARRIER=1') < 2:
  lines.append(s.recv(999).decode().replace(chr(10), '|'))
  print(lines[-1], flush=True)`
    const python = spawn('python3', ['-c', script, path], { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    python.stdout.setEncoding('utf8')
    python.stdout.on('data', (part) => {
      text += part
    })
    const ended = once(python, 'exit')
    await once(python.stdout, 'data')

    const environment = { ...process.env, UPSTART_JOB: undefined, NOTIFY_SOCKET: path }
    const log = new LineLog()
    assert.equal(findSupervisor('auto', { environment, log, stopSelf() {} }), 'systemd')
    while (!text.includes('loading')) await once(python.stdout, 'data')
    notifySystemd({ environment, log }, ['READY=1', 'STATUS=Ready to accept connections'])
    await ended
    // With each, systemd-notify asks for a receipt, by BARRIER=1.
    const messages = text.split('\n').filter((line) => line.includes('STATUS'))
    assert.match(messages[0] ?? '', /^STATUS=Tidemark is loading\.\.\.\|?$/)
    assert.match(messages[1] ?? '', /^READY=1\|STATUS=Ready to accept connections\|?$/)
    assert.equal(log.lines.length, 2)
  })

  test('a notification that fails is logged', async () => {
    const log = new LineLog()
    notifySystemd({ environment: { PATH: folder }, log }, ['READY=1'])
    const clock = new SystemClock()
    while (log.lines.length === 0) await new Promise<void>((wake) => clock.after(5, wake))
    assert.match(log.lines[0] ?? '', /^# systemd supervision error: systemd-notify: .*ENOENT/)
  })
})

describe('OOM score', () => {
  test('relative adds to the initial score, absolute does not, both stay within 1000', () => {
    const path = join(folder, 'score')
    writeFileSync(path, '100\n')
    const log = new LineLog()
    const score = new OomScore(disk, log, path)
    const read = () => Number(readFileSync(path, 'utf8'))
    const steps: [Parameters<OomScore['apply']>, number][] = [
      [['no', 5], 100],
      [['relative', 200], 300],
      [['yes', 300], 400],
      [['absolute', 200], 200],
      [['relative', 1500], 1000],
      [['absolute', -1500], -1000],
      [['no', 5], 100],
    ]
    for (const [[mode, value], expected] of steps) {
      assert.equal(score.apply(mode, value), true)
      assert.equal(read(), expected, `${mode} ${value}`)
    }
    assert.deepEqual(log.lines, [])
  })

  test('a score that someone set while it was off counts as the initial one', () => {
    const path = join(folder, 'changed')
    writeFileSync(path, '100\n')
    const score = new OomScore(disk, new LineLog(), path)
    assert.equal(score.apply('relative', 5), true)
    assert.equal(score.apply('no', 5), true)
    writeFileSync(path, '22\n')
    assert.equal(score.apply('no', 9), true)
    assert.equal(readFileSync(path, 'utf8'), '22\n')
    assert.equal(score.apply('yes', 9), true)
    assert.equal(readFileSync(path, 'utf8'), '31\n')
    assert.equal(score.apply('no', 9), true)
    assert.equal(readFileSync(path, 'utf8'), '22\n')
  })

  test('a score that cannot be read or written is logged and false', () => {
    const log = new LineLog()
    assert.equal(new OomScore(disk, log, join(folder, 'none', 'x')).apply('yes', 1), false)
    assert.equal(new OomScore(disk, log, folder).apply('yes', 1), false)
    assert.deepEqual(log.lines, [
      '# Unable to read oom_score_adj: No such file or directory',
      '# Unable to read oom_score_adj: Is a directory',
    ])
  })
})

test('the banner says version, mode, port and process id; elsewhere one line does', () => {
  const options = { version: '0.1.0', redisVersion: '7.0.15', mode: 'standalone', port: 7, pid: 42 }
  const banner = formatBanner(options)
  for (const part of ['Tidemark 0.1.0', '7.0.15', 'standalone mode', 'Port: 7\n', ' PID: 42\n']) {
    assert.ok(banner.includes(part), part)
  }
  const log = new LineLog()
  logBanner(log, options, true)
  logBanner(log, options, false)
  assert.deepEqual(log.lines, [banner, '* Running mode=standalone, port=7.'])
})
