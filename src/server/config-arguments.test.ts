// Goal: every form of command line and file that redis-server 7.0 takes means the same here, and a
// wrong one is refused with place and reason. Method: tables, on a disk in memory; messages and
// line numbers were compared with those of redis-server 7.0.15.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeDisk } from '../base/disk-fake.ts'
import { Random } from '../base/random.ts'
import type { Config } from './config.ts'
import { configFromArguments, type Startup } from './config-arguments.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32))
const COMMANDS = ['get', 'set', 'debug', 'flushdb']
const WORD_ERROR = 'argument(s) must be one of the following:'
const COUNT_ERROR = 'wrong number of arguments'

interface Fixture {
  readonly files?: Readonly<Record<string, string>>
  readonly stdin?: string
  readonly disk?: FakeDisk
}

test('options in all forms that Redis takes', () => {
  const files = { '/data/redis.conf': 'save 900 1\nloglevel notice\n' }
  const cases: readonly (readonly [args: string[], expected: Record<string, string>])[] = [
    [[], { port: '6379', save: '3600 1 300 100 60 10000' }],
    [['--port', '6380'], { port: '6380' }],
    [['--PORT', '6380', '--Port', '6381'], { port: '6381' }],
    [['--port 6380'], { port: '6380' }],
    [['redis.conf'], { save: '900 1' }],
    [['redis.conf', '--save', '100', '100'], { save: '900 1 100 100' }],
    [['redis.conf', '--save', '100 100', '--save', '5 6'], { save: '900 1 100 100 5 6' }],
    [['redis.conf', '--save', ''], { save: '' }],
    [['redis.conf', '--save', '--loglevel', 'verbose'], { save: '', loglevel: 'verbose' }],
    [['redis.conf', '--loglevel', 'verbose', '--save'], { save: '', loglevel: 'verbose' }],
    [['redis.conf', '--save', '', '--save', '7', '8'], { save: '7 8' }],
    [['redis.conf', 'loglevel', 'verbose'], { loglevel: 'verbose' }],
    [['redis.conf', 'loglevel', 'debug', "--maxmemory '700mb'"], { maxmemory: '734003200' }],
    [['--maxmemory 700mb', '--maxmemory-policy volatile-lru'], { maxmemory: '734003200' }],
    [
      ['--proc-title-template', '--my--title', '--loglevel', 'verbose'],
      { 'proc-title-template': '--my--title', loglevel: 'verbose' },
    ],
    [
      ['--proc-title-template --my--title', '--loglevel verbose'],
      { 'proc-title-template': '--my--title', loglevel: 'verbose' },
    ],
    [
      ['--proc-title-template', '--save', '--save', '', '--loglevel', 'verbose'],
      { 'proc-title-template': '--save', save: '', loglevel: 'verbose' },
    ],
    [
      ['--shutdown-on-sigint', 'nosave', 'force', 'now', '--shutdown-on-sigterm', 'nosave force'],
      { 'shutdown-on-sigint': 'nosave now force', 'shutdown-on-sigterm': 'nosave force' },
    ],
    [['--requirepass', 'a"b \\'], { requirepass: 'a"b \\' }],
    [['--replicaof', 'no', 'one'], { replicaof: '' }],
    [['--dir', 'sub', '--logfile', 'log.txt'], { dir: '/data/sub', logfile: 'log.txt' }],
    [['--hash-max-ziplist-entries', '7'], { 'hash-max-listpack-entries': '7' }],
  ]
  for (const [args, expected] of cases) {
    const config = run(args, { files })
    for (const [name, value] of Object.entries(expected)) {
      assert.deepEqual(config.get([name]), [[name, value]], args.join(' '))
    }
  }
})

test('a wrong option is refused with line and reason', () => {
  const cases: readonly (readonly [args: string[], line: string, reason: string])[] = [
    [['--port'], 'port', COUNT_ERROR],
    [['--port', '6379', '6380'], 'port "6379" "6380"', COUNT_ERROR],
    [['--port', '--loglevel', 'verbose'], 'port "--loglevel" "verbose"', COUNT_ERROR],
    [['--port', '--bla', '--loglevel', 'x'], 'port "--bla"', "argument couldn't be parsed into an"],
    [['--logfile', '--my', '--loglevel', '--bla'], 'loglevel "--bla"', WORD_ERROR],
    [['--shutdown-on-sigint'], 'shutdown-on-sigint', WORD_ERROR],
    [['--replicaof', '127.0.0.1', 'abc'], 'replicaof "127.0.0.1" "abc"', 'Invalid master port'],
    [['--replicaof', '--127.0.0.1', '--abc'], 'replicaof "--127.0.0.1"', COUNT_ERROR],
    [['--foo', 'bar'], 'foo "bar"', 'Bad directive or wrong number of arguments'],
    [['--include'], 'include', 'Bad directive or wrong number of arguments'],
    [['--port "6379'], 'port "6379', 'Unbalanced quotes in configuration line'],
    [['--unixsocketperm', '1777'], 'unixsocketperm "1777"', 'between 0 and 777 inclusive'],
    [['--unixsocketperm', '9'], 'unixsocketperm "9"', "couldn't be parsed as an octal number"],
    [['--dir', '/none'], 'dir "/none"', 'No such file or directory'],
    [['--dir', 'redis.conf'], 'dir "redis.conf"', 'Not a directory'],
    [['--appendfilename', ''], 'appendfilename ""', "appendfilename can't be empty"],
    [['--rename-command', 'x', 'y'], 'rename-command "x" "y"', 'No such command in rename-command'],
    [['--rename-command', 'GET', 'set'], 'rename-command "GET" "set"', 'already exists'],
    [['--loadmodule', 'x.so'], 'loadmodule "x.so"', 'cannot be loaded'],
    [['--redis.x', '1'], 'redis.x "1"', 'cannot be loaded'],
    [['--user', 'bob', 'on', '+@all'], 'user "bob" "on" "+@all"', "user declaration 'bob'"],
    [['--user', 'default', 'off'], 'user "default" "off"', "user declaration 'off'"],
    [['--user', 'default', 'on', '~*'], 'user "default" "on" "~*"', 'no access control lists'],
    [['--replicaof', 'h', '1'], 'replicaof "h" "1"', 'cannot be a replica yet'],
    [['--lua-replicate-commands', 'a', 'b'], 'lua-replicate-commands "a" "b"', 'Bad directive'],
    [['sentinel', 'x'], 'sentinel "x"', 'not in sentinel mode'],
  ]
  for (const [args, line, reason] of cases) {
    const isFile = args[0] === 'sentinel'
    const files = { '/data/redis.conf': isFile ? 'sentinel "x"' : '' }
    const { code, stderr } = refused(isFile ? ['redis.conf'] : args, { files })
    const place = isFile ? '/data/redis.conf, line 1' : 'the command line'
    assert.equal(code, 1)
    assert.match(stderr, /^\n\*\*\* FATAL CONFIG FILE ERROR \(Tidemark 0\.1\.0\) \*\*\*\n/)
    assert.ok(stderr.includes(`>>> '${line}'\n`), `${line}: ${stderr}`)
    assert.ok(stderr.includes(reason), `${reason}: ${stderr}`)
    assert.ok(stderr.endsWith(`Found in ${place}\n`), stderr)
  }
})

test('a file may hold comments, blank lines, quotes, names in any case, DOS line ends', () => {
  const text =
    '# a\r\n\r\n \t PORT\t"63\\x380"  \r\n#b\nlogfile \'\'\nlua-replicate-commands yes\nsave ""\n'
  const config = run(['/data/redis.conf'], { files: { '/data/redis.conf': text } })
  assert.equal(config.values.port, 6380)
  assert.deepEqual(config.values.save, [])
  assert.equal(config.configFile, '/data/redis.conf')
  assert.ok(config.isExplicit('port') && !config.isExplicit('timeout'))
})

test('an error names the file and its line, also behind an include', () => {
  const files = {
    '/data/redis.conf': 'port 1\ninclude conf.d/*.conf\n',
    '/data/conf.d/a.conf': 'timeout 1\n',
    '/data/conf.d/b.conf': '# b\n\nfoo bar',
    '/data/conf.d/.hidden.conf': 'broken',
    '/data/conf.d/c.txt': 'broken',
  }
  const { stderr } = refused(['redis.conf'], { files })
  assert.ok(stderr.includes('Reading the configuration file, at line 3\n'))
  assert.ok(stderr.includes(">>> 'foo bar'\n"))
  assert.ok(stderr.endsWith('Found in /data/conf.d/b.conf, line 3\n'), stderr)
})

test('lines are counted as Redis counts them', () => {
  const files = { '/data/redis.conf': 'port 1\n' }
  const lineOf = (args: string[], stdin = '') =>
    /at line (\d+)/.exec(refused(args, { files, stdin }).stderr)?.[1]
  assert.equal(lineOf(['--foo', '1']), '2')
  assert.equal(lineOf(['redis.conf', '--foo', '1']), '3')
  assert.equal(lineOf(['-', '--foo', '1']), '2')
  assert.equal(lineOf(['-'], 'port 1\nfoo 1\n'), '2')
  assert.equal(lineOf(['redis.conf', '-'], 'foo 1\n'), '2')
  assert.equal(lineOf(['redis.conf', '--foo', '1', '-'], 'port 2\n'), '4')
})

test('includes are found from dir; a pattern may match nothing, a path must exist', () => {
  const files = {
    '/data/redis.conf': 'dir sub\ninclude one.conf\ninclude none/*.conf\ninclude s[u]b/*\n',
    '/data/sub/one.conf': 'timeout 7\n',
  }
  assert.equal(run(['redis.conf'], { files }).values.timeout, 7)
  const missing = { '/data/redis.conf': 'include none.conf\n' }
  assert.equal(
    refused(['redis.conf'], { files: missing }).stderr,
    "Fatal error, can't open config file '/data/none.conf': No such file or directory\n",
  )
  const loop = { '/data/redis.conf': 'include redis.conf\n' }
  assert.match(refused(['redis.conf'], { files: loop }).stderr, /nested more than 16 deep/)
  assert.match(refused(['none.conf'], {}).stderr, /open config file '\/data\/none.conf': No such/)
})

test('standard input comes after the file and before the options', () => {
  const files = { '/data/redis.conf': 'port 1\ntimeout 1\nhz 1' }
  const config = run(['redis.conf', '--hz', '3', '-'], { files, stdin: 'timeout 2\nhz 2\n' })
  assert.deepEqual([config.values.port, config.values.timeout, config.values.hz], [1, 2, 3])
  assert.equal(run(['-'], { stdin: 'port 9' }).values.port, 9)
  // In between it is a value.
  assert.match(refused(['--port', '-', '--hz', '1'], {}).stderr, />>> 'port "-"'/)
})

test('save lines add up; the first removes the defaults, an empty one what came before', () => {
  const save = (text: string, args: string[] = []) =>
    run(['redis.conf', ...args], { files: { '/data/redis.conf': text } }).textOf('save')
  assert.equal(save('save 1 2\nsave 3 4'), '1 2 3 4')
  assert.equal(save('save 1 2 3 4\nsave ""\nsave 5 6'), '5 6')
  assert.equal(save('save ""', ['--save', '1', '1']), '1 1')
})

test('a log file that cannot be written ends the start', () => {
  const disk = new FakeDisk()
  disk.fail({ operation: 'open', code: 'EACCES', path: 'log.txt' })
  const { stderr } = refused(['--logfile', 'log.txt'], { disk })
  assert.ok(stderr.endsWith("Can't open the log file: Permission denied\n"), stderr)
})

test('what Redis wrote about its default user is accepted if it matches requirepass', () => {
  const rights = 'sanitize-payload ~* &* +@all'
  const hash = '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae'
  const load = (text: string) => start(['redis.conf'], { files: { '/data/redis.conf': text } }).kind
  assert.equal(load(`user default on nopass ${rights}`), 'run')
  assert.equal(load(`requirepass foo\nuser default on #${hash} ${rights}`), 'run')
  assert.equal(load(`user default on #${hash} ${rights}`), 'exit')
  assert.equal(load(`requirepass bar\nuser default on #${hash} ${rights}`), 'exit')
  assert.equal(load(`requirepass foo\nuser default on nopass ${rights}`), 'exit')
  assert.equal(load(`user default on >foo ${rights}`), 'exit')
})

test('renamed commands are listed in order, also onto names that became free', () => {
  const text = 'rename-command FLUSHDB badger\nrename-command debug ""\nrename-command get debug\n'
  const config = run(['redis.conf'], { files: { '/data/redis.conf': text } })
  assert.deepEqual(config.renames, [
    { from: 'FLUSHDB', to: 'badger' },
    { from: 'debug', to: '' },
    { from: 'get', to: 'debug' },
  ])
  const twice = { '/data/redis.conf': 'rename-command get a\nrename-command get b\n' }
  assert.match(refused(['redis.conf'], { files: twice }).stderr, /No such command/)
})

test('options that start no server say what they are asked and end', () => {
  for (const option of ['-v', '--version']) {
    const { code, stdout } = refused([option], {})
    assert.equal(code, 0)
    assert.match(stdout, /^Tidemark server v=0\.1\.0 .*redis=7\.0\.15\n$/)
  }
  for (const option of ['-h', '--help']) {
    const { code, stderr } = refused([option], {})
    assert.equal(code, 1)
    assert.match(stderr, /^Usage: .*\[options\]/)
  }
  assert.match(refused(['--test-memory', '100'], {}).stderr, /does not test memory/)
  assert.match(refused(['a', '--sentinel'], {}).stderr, /no Sentinel/)
  const clock = '/sys/devices/system/clocksource/clocksource0/current_clocksource'
  assert.equal(refused(['--check-system'], { files: { [clock]: 'tsc\n' } }).code, 0)
  const slow = refused(['--check-system'], { files: { [clock]: 'hpet\n' } })
  assert.equal(slow.code, 1)
  assert.match(slow.stdout, /hpet is slow/)
  assert.match(refused(['--check-system'], {}).stdout, /skipped: ENOENT/)
})

test('any bytes as a file give a configuration or an error, never an exception', () => {
  const random = new Random(SEED)
  const words = [
    'save',
    'port',
    'include',
    'user',
    'bind',
    '"',
    "'",
    '\\x',
    '1',
    '-1',
    '\n',
    ' ',
    '#',
  ]
  const more = [
    'client-output-buffer-limit',
    'replica',
    'rename-command',
    '%',
    '',
    '\xff',
    'é',
    '*',
  ]
  const all = [...words, ...more]
  for (let round = 0; round < 2000; round++) {
    let text = ''
    for (let i = random.below(14); i > 0; i--) {
      text += `${all[random.below(all.length)]}${random.below(3) ? ' ' : ''}`
    }
    try {
      start(['redis.conf'], { files: { '/data/redis.conf': text } })
    } catch (error) {
      assert.fail(`SEED=${SEED} ${JSON.stringify(text)}: ${error}`)
    }
  }
})

function start(args: string[], fixture: Fixture): Startup {
  const disk = fixture.disk ?? new FakeDisk()
  disk.makeDirectory('/data/sub')
  for (const [path, text] of Object.entries(fixture.files ?? {})) {
    disk.makeDirectory(path.slice(0, path.lastIndexOf('/')))
    disk.put(path, Buffer.from(text, 'utf8'))
  }
  return configFromArguments(args, {
    disk,
    workingDirectory: '/data',
    version: '0.1.0',
    readStdin: () => Buffer.from(fixture.stdin ?? '', 'utf8'),
    hasCommand: (name) => COMMANDS.includes(name),
  })
}

function run(args: string[], fixture: Fixture): Config {
  const startup = start(args, fixture)
  if (startup.kind === 'exit') assert.fail(`${args.join(' ')}: ${startup.stderr}`)
  return startup.config
}

function refused(args: string[], fixture: Fixture): Extract<Startup, { kind: 'exit' }> {
  const startup = start(args, fixture)
  if (startup.kind === 'run') assert.fail(`${args.join(' ')} was accepted`)
  return startup
}
