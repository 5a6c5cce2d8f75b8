// Goal: check-aof says of whole, torn and damaged append only files what is true of them, repairs
// only what it was told to, only at the end of the last file, and never without a complete copy.
// Method: files made of commands on a fake disk, which fails, or loses power, at every operation;
// the same kinds of files go to redis-check-aof in test/aof.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeCommand } from '../../test/lib/resp.ts'
import { PowerCut } from '../base/disk-fake.ts'
import { Random } from '../base/random.ts'
import { ExitCode } from './subcommand.ts'
import { TestContext } from './test-context.ts'

const SEED = Number(process.env['SEED'] ?? 4711)
const DIR = '/data/'
const PATH = `${DIR}single.aof`
const MANIFEST = `${DIR}a.manifest`
const RDB = 'REDIS0010\xfe\x00\x00\x01k\x01v\xff\0\0\0\0\0\0\0\0'
/** FakeClock's start. */
const COPY = `${PATH}.bak-20231114T221320Z`

console.log(`SEED=${SEED}`)

function commands(...lines: readonly string[]): string {
  return lines
    .map((line) => (line.startsWith('#') ? `${line}\r\n` : latin1(encodeCommand(line.split(' ')))))
    .join('')
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

function contextWith(files: Readonly<Record<string, string>>, options = {}): TestContext {
  const context = new TestContext(options)
  for (const [path, text] of Object.entries(files)) {
    context.disk.put(path, Buffer.from(text, 'latin1'))
  }
  return context
}

function textOf(context: TestContext, path: string): string | null {
  const found = context.disk.contents(path)
  return found === null ? null : latin1(found)
}

const WHOLE = commands('SELECT 0', 'SET a 1', 'MULTI', 'SET b 2', 'SET c 3', 'EXEC', 'DEL a')
const BASE = commands('SELECT 0', 'SET x 1')

test('single files: verdict, exit code, place', () => {
  const multi = commands('MULTI', 'SET b 2')
  const rows: [name: string, text: string, code: ExitCode, ...expected: RegExp[]][] = [
    [
      'whole',
      WHOLE,
      0,
      /^AOF \/data\/single.aof is valid$/m,
      /size=(\d+), ok_up_to=\1,.* diff=0$/m,
    ],
    ['empty', '', 0, /^AOF \/data\/single.aof is empty$/m],
    ['preamble alone', RDB, 0, /RDB looks OK!/, /^RDB preamble is OK, proceeding with AOF tail/m],
    ['preamble', RDB + WHOLE, 0, /^\[info\] 1 keys read$/m, /is valid$/m, /7 commands, 1 trans/],
    ['preamble, torn tail', `${RDB}${BASE}*2`, 1, /ok_up_to=75, ok_up_to_line=13, diff=2$/m],
    ['torn preamble', RDB.slice(0, 15), 1, /Unexpected EOF/, /preamble of AOF file is not sane/],
    [
      'times',
      `#TS:1\r\n${WHOLE}#TS:2\r\n#other\r\n`,
      0,
      /from 1970-01-01T00:00:01Z to 1970.*02Z$/m,
    ],
    ['garbage', `${BASE}!!!`, 1, /ok_up_to_line=13, diff=3$/m, /Expected prefix '\*', got: "!!"/],
    ['open transaction', BASE + multi, 1, /Reached EOF before reading EXEC for MULTI/, /diff=42$/m],
    ['MULTI twice', multi + multi, 1, /Unexpected MULTI/, /ok_up_to=0,/],
    ['EXEC alone', commands('EXEC'), 1, /^0x {15}0: Unexpected EXEC$/m],
  ]
  for (const [name, text, code, ...expected] of rows) {
    const context = contextWith({ [PATH]: text })
    assert.equal(context.run('check-aof', PATH), code, `${name}: ${context.output}`)
    assert.match(context.output, /^Start checking Old-Style AOF\n/, name)
    for (const each of expected) assert.match(context.output, each, name)
    assert.equal(textOf(context, PATH), text, name)
    assert.equal(context.run('check-aof', PATH, '--json'), code, name)
    const { ok, files } = JSON.parse(context.output)
    assert.equal(ok, code === 0, name)
    assert.equal(files[0].fileBytes, text.length, name)
  }
})

test('what is not valid names the command that repairs it, and that command does', () => {
  const torn = `${BASE}*3\r\n$3\r\nSET`
  const path = `${DIR}it's one.aof`
  const context = contextWith({ [path]: torn })
  assert.equal(context.run('check-aof', path), ExitCode.Failed)
  const line = /^tidemark check-aof --fix '(.*)'$/m.exec(context.output)
  assert.equal(line?.[1]?.replaceAll("'\\''", "'"), path)
  assert.equal(context.run('check-aof', '--fix', path), ExitCode.Ok)
  assert.match(context.output, /^This will shrink the AOF .* from 61 bytes, with 11 bytes, to 50/m)
  assert.match(context.output, /^Successfully truncated AOF /m)
  const copy = /^The file as it was: (.*)$/m.exec(context.output)?.[1] ?? ''
  assert.equal(textOf(context, copy), torn)
  assert.equal(textOf(context, path), BASE)
  assert.equal(context.run('check-aof', path), ExitCode.Ok)
})

test('a file that is cut anywhere keeps all whole commands, none of an open transaction', () => {
  // Where commands end that are in no transaction.
  const ends = [0]
  const whole = [['SELECT 0'], ['SET a 1'], ['MULTI', 'SET b 2', 'SET c 3', 'EXEC'], ['DEL a']]
  for (const lines of whole) ends.push(ends.at(-1)! + commands(...lines).length)
  assert.equal(ends.at(-1), WHOLE.length)
  for (let length = 1; length <= WHOLE.length; length++) {
    const torn = WHOLE.slice(0, length)
    const context = contextWith({ [PATH]: torn })
    const kept = ends.findLast((end) => end <= length) ?? 0
    const isWhole = kept === length
    assert.equal(context.run('check-aof', PATH), isWhole ? 0 : 1, `${length} bytes`)
    assert.equal(context.run('check-aof', '--fix', PATH), ExitCode.Ok)
    assert.equal(textOf(context, PATH), WHOLE.slice(0, kept))
    assert.equal(textOf(context, COPY), isWhole ? null : torn)
  }
})

test('a manifest stands for its files; only the last one is cut', () => {
  const names = 'file b.aof seq 1 type b\nfile old.aof seq 1 type h\nfile i.aof seq 1 type i\n'
  const files = { [MANIFEST]: names, [`${DIR}b.aof`]: BASE, [`${DIR}i.aof`]: WHOLE }
  const good = contextWith(files)
  assert.equal(good.run('check-aof', MANIFEST), ExitCode.Ok, good.output)
  const order = [
    'Start checking Multi Part AOF',
    'Start to check BASE AOF (RESP format).',
    'BASE AOF b.aof is valid',
    'Start to check INCR files.',
    'INCR AOF i.aof is valid',
    'All AOF files and manifest are valid',
  ]
  const lines = good.output.split('\n').filter((line) => order.includes(line))
  assert.deepEqual(lines, order)

  const tornLast = contextWith({ ...files, [`${DIR}i.aof`]: `${WHOLE}*1\r\n` })
  assert.equal(tornLast.run('check-aof', MANIFEST), ExitCode.Failed)
  assert.match(tornLast.output, /^AOF i.aof is not valid. Use the --fix option/m)
  assert.equal(tornLast.run('check-aof', '--fix', MANIFEST), ExitCode.Ok)
  assert.equal(textOf(tornLast, `${DIR}i.aof`), WHOLE)

  const tornBase = contextWith({ ...files, [`${DIR}b.aof`]: `${BASE}*1\r\n` })
  for (const args of [[], ['--fix']]) {
    assert.equal(tornBase.run('check-aof', ...args, MANIFEST), ExitCode.Failed)
    assert.equal(textOf(tornBase, `${DIR}b.aof`), `${BASE}*1\r\n`)
  }
  assert.match(tornBase.output, /^Failed to truncate AOF b.aof because it is not the last file$/m)

  const { [`${DIR}i.aof`]: _, ...incomplete } = files
  const missing = contextWith(incomplete)
  assert.equal(missing.run('check-aof', '--fix', MANIFEST), ExitCode.Failed)
  assert.match(missing.errors, /^Cannot open file \/data\/i.aof: No such file or directory/)

  const damaged = contextWith({ ...files, [MANIFEST]: `${names}file c.aof seq\n` })
  assert.equal(damaged.run('check-aof', MANIFEST), ExitCode.Failed)
  assert.match(damaged.errors, /a\.manifest: .* line 4: .*Invalid AOF manifest file format/)
})

test('going back to a time: nothing without --fix, only in the last file', () => {
  const parts = ['#TS:100', 'SET a 1', '#TS:200', 'MULTI', 'SET b 2', 'EXEC', '#TS:300', 'SET c 3']
  const text = commands(...parts)
  const rows: [seconds: number, kept: string | null][] = [
    [99, null],
    [100, commands(...parts.slice(0, 2))],
    [299, commands(...parts.slice(0, 6))],
    [300, text],
  ]
  for (const [seconds, kept] of rows) {
    const context = contextWith({ [PATH]: text })
    const args = ['check-aof', '--truncate-to-timestamp', `${seconds}`, PATH]
    assert.equal(context.run(...args), kept === text ? 0 : 1, `${seconds}`)
    assert.equal(textOf(context, PATH), text)
    assert.equal(context.run(...args, '--fix'), kept === null ? 1 : 0, `${seconds}`)
    assert.equal(textOf(context, PATH), kept ?? text)
    assert.equal(textOf(context, COPY), kept === null || kept === text ? null : text)
  }
  const late = contextWith({
    [MANIFEST]: 'file b.aof seq 1 type b\nfile i.aof seq 1 type i\n',
    [`${DIR}b.aof`]: text,
    [`${DIR}i.aof`]: WHOLE,
  })
  const args = ['check-aof', '--fix', '--truncate-to-timestamp', '200', MANIFEST]
  assert.equal(late.run(...args), ExitCode.Failed)
  assert.match(late.output, /Failed to truncate AOF b.aof to timestamp 200 because it is not the/)
  assert.equal(textOf(late, `${DIR}b.aof`), text)
})

test('misuse', () => {
  const context = contextWith({ [PATH]: WHOLE })
  for (const seconds of ['abc', '-1', '0', '1.5', '']) {
    const args = ['check-aof', `--truncate-to-timestamp=${seconds}`, PATH]
    assert.equal(context.run(...args), ExitCode.Failed, seconds)
    assert.match(context.errors, /^Invalid timestamp, aborting\.\.\.\nUsage: tidemark check-aof /)
  }
  assert.equal(context.run('check-aof', `${DIR}none`), ExitCode.Failed)
  assert.match(context.errors, /^Cannot open file \/data\/none: No such file or directory/)
})

test('a repair that fails at any operation leaves the file whole, or repaired with a copy', () => {
  const torn = `${WHOLE}*2\r\n$3\r\nGET\r\n`
  for (const operation of ['open', 'read', 'write', 'fsync', 'close', 'truncate'] as const) {
    for (let nth = 1; nth < 12; nth++) {
      const context = contextWith({ [PATH]: torn })
      context.disk.fail({ operation, code: 'EIO', nth, times: 1 })
      const code = context.run('check-aof', '--fix', PATH)
      const found = textOf(context, PATH)
      if (found === WHOLE) assert.equal(textOf(context, COPY), torn, `${operation} ${nth}`)
      else assert.equal(found, torn, `${operation} ${nth}`)
      if (code === ExitCode.Ok) assert.equal(found, WHOLE, `${operation} ${nth}`)
      else assert.match(context.errors, /: (EIO|Input\/output error)/, `${operation} ${nth}`)
    }
  }
})

test('a power cut in the midst of a repair loses nothing of file and copy together', () => {
  const torn = `${WHOLE}*2\r\n$3\r\nGET\r\n`
  const random = new Random(SEED)
  let cuts = 0
  for (let at = 1; at < 40; at++) {
    const context = contextWith({ [PATH]: torn })
    context.disk.syncDirectory('/data')
    const file = context.disk.openAppend(PATH)
    file.sync()
    file.close()
    context.disk.cutPowerAt(at)
    try {
      context.run('check-aof', '--fix', PATH)
    } catch (error) {
      assert.ok(error instanceof PowerCut)
      cuts++
    }
    context.disk.crash(random)
    const found = textOf(context, PATH)
    if (found === torn) continue
    assert.equal(found, WHOLE, `cut at ${at}`)
    assert.equal(textOf(context, COPY), torn, `cut at ${at}`)
  }
  assert.ok(cuts > 5, `${cuts} cuts`)
})

test('the names of commands that are counted are limited, and fit for a terminal', () => {
  const many = Array.from({ length: 1200 }, (_, i) => `C${i} x`)
  const context = contextWith({ [PATH]: commands(...many, '\x1b[2J x') })
  assert.equal(context.run('check-aof', PATH), ExitCode.Ok)
  assert.ok(!context.output.includes('\x1b'))
  assert.match(context.output, /^\(\d+ more\)$/m)
  assert.equal(context.run('check-aof', PATH, '--json'), ExitCode.Ok)
  const { byCommand } = JSON.parse(context.output).files[0]
  assert.equal(Object.keys(byCommand).length, 1001)
  assert.equal(byCommand['(others)'].count, 201)
})
