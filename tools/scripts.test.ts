// Goal: the shell scripts do what the README says: the launcher keeps its process id, finds its
// checkout through links and falls back where it should; setup refuses or warns. Method: a copy of
// the scripts in a temporary checkout whose Node is a shell script that reports how it was called.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'

const ROOT = join(import.meta.dirname, '..')
const REPORT = `#!/bin/sh
if [ "$1" = --version ]; then echo v24.1.0; exit; fi
printf '%s\\n' "pid $$" "argv0 $TIDEMARK_ARGV0" "cache $NODE_COMPILE_CACHE"
while [ "\${1#--}" != "$1" ]; do printf 'option %s\\n' "$1"; shift; done
printf 'arg %s\\n' "$@"
`

const COPIED = [
  'bin/tidemark',
  'bin/tidemark-server',
  'tools/launch.sh',
  'tools/setup.sh',
  'tools/start.sh',
]

let root = ''
before(() => {
  root = fs.mkdtempSync(join(tmpdir(), 'tidemark-scripts-'))
})
after(() => fs.rmSync(root, { recursive: true }))

/** A checkout with the real scripts and, if wanted, a Node that reports. */
function checkout(name: string, hasNode = true): string {
  const folder = join(root, name)
  for (const path of ['bin', 'tools']) fs.mkdirSync(join(folder, path), { recursive: true })
  for (const path of COPIED) {
    fs.copyFileSync(join(ROOT, path), join(folder, path))
  }
  if (hasNode) addProgram(join(folder, 'node_modules/node/bin'), 'node', REPORT)
  return folder
}

function addProgram(folder: string, name: string, text: string): void {
  fs.mkdirSync(folder, { recursive: true })
  fs.writeFileSync(join(folder, name), text, { mode: 0o755 })
}

/** The environment, with changes, and without what other tests may have set. */
function environment(changes: Record<string, string> = {}): Record<string, string | undefined> {
  const { NODE_COMPILE_CACHE: _, CI: __, ...rest } = process.env
  return { ...rest, ...changes }
}

describe('bin/tidemark-server', () => {
  test('becomes Node under the same process id, with its arguments untouched', async () => {
    const folder = checkout('plain')
    const args = ['a.conf', '--save', '', '--requirepass', 'a "b" $c']
    const child = spawn('bin/tidemark-server', args, { cwd: folder, env: environment() })
    let out = ''
    for await (const part of child.stdout) out += part
    const lines = out.trimEnd().split('\n')
    const options = lines.filter((line) => line.startsWith('option '))
    assert.match(options.join('\n'), /^option --title=tidemark-server {256}$/m)
    assert.deepEqual(
      lines.filter((line) => !options.includes(line)),
      [
        `pid ${child.pid}`,
        'argv0 bin/tidemark-server',
        `cache ${fs.realpathSync(folder)}/.cache/compile`,
        `arg ${fs.realpathSync(folder)}/src/main.ts`,
        'arg a.conf',
        'arg --save',
        'arg ',
        'arg --requirepass',
        'arg a "b" $c',
      ],
    )
  })

  test('finds its checkout through relative links, and says the name it was called by', () => {
    const folder = checkout('linked')
    const other = join(root, 'elsewhere', 'deep')
    fs.mkdirSync(other, { recursive: true })
    fs.symlinkSync('../../linked/bin/tidemark-server', join(other, 'one'))
    fs.symlinkSync('deep/one', join(root, 'elsewhere', 'redis-server'))
    const options = { cwd: root, env: environment(), encoding: 'utf8' } as const
    const { stdout } = spawnSync('elsewhere/redis-server', [], options)
    assert.match(stdout, /argv0 elsewhere\/redis-server\n/)
    assert.match(stdout, new RegExp(`arg ${fs.realpathSync(folder)}/src/main\\.ts`))
  })

  test('takes a Node 24 from the PATH when there is none in the checkout', () => {
    const folder = checkout('path', false)
    addProgram(join(root, 'programs'), 'node', REPORT.replace('pid', 'on the path'))
    const env = environment({ PATH: `${join(root, 'programs')}:${process.env['PATH']}` })
    const { stdout } = spawnSync('bin/tidemark-server', [], { cwd: folder, env, encoding: 'utf8' })
    assert.match(stdout, /^on the path /)
  })

  test('an older Node on the PATH is not taken: the packages are installed', () => {
    const folder = checkout('old', false)
    const programs = join(root, 'old-programs')
    addProgram(programs, 'node', '#!/bin/sh\necho v20.1.0\n')
    // An npm that installs what `npm ci` would.
    addProgram(programs, 'npm', '#!/bin/sh\nmkdir -p node_modules\ncp -R fixture/. node_modules\n')
    addProgram(join(folder, 'fixture/node/bin'), 'node', REPORT)
    fs.writeFileSync(join(folder, 'package-lock.json'), '{}')
    const env = environment({ PATH: `${programs}:${process.env['PATH']}` })
    const done = spawnSync('bin/tidemark-server', ['x'], { cwd: folder, env, encoding: 'utf8' })
    assert.match(done.stderr, /no Node 24 here/)
    assert.match(done.stdout, /arg x\n$/)
    assert.equal(done.status, 0)
  })
})

test('bin/tidemark finds its checkout through links, and hands its arguments on', () => {
  const folder = checkout('tools')
  fs.symlinkSync(join(folder, 'bin/tidemark'), join(root, 'tidemark'))
  const options = { cwd: root, env: environment(), encoding: 'utf8' } as const
  const { stdout } = spawnSync('./tidemark', ['check-rdb', 'a b', '--json'], options)
  const args = [...stdout.matchAll(/^arg (.*)$/gm)].map((found) => found[1])
  const main = join(fs.realpathSync(folder), 'src/cli/main.ts')
  assert.deepEqual(args, [main, 'check-rdb', 'a b', '--json'])
})

test('npm start: data in ./data, unless a config file says where', () => {
  const folder = checkout('start')
  const run = (...args: string[]) => {
    const options = { cwd: root, env: environment(), encoding: 'utf8' } as const
    const { stdout } = spawnSync('sh', [join(folder, 'tools/start.sh'), ...args], options)
    return [...stdout.matchAll(/^arg (.*)$/gm)].slice(1).map((found) => found[1])
  }
  assert.deepEqual(run('redis.conf', '--port', '7'), ['redis.conf', '--port', '7'])
  assert.equal(fs.existsSync(join(folder, 'data')), false)
  assert.deepEqual(run(), ['--dir', './data'])
  assert.deepEqual(run('--port', '7'), ['--dir', './data', '--port', '7'])
  assert.ok(fs.statSync(join(folder, 'data')).isDirectory())
})

describe('tools/setup.sh', () => {
  /** A PATH with next to nothing on it. */
  function poorPath(): string {
    const folder = join(root, 'poor')
    fs.mkdirSync(folder, { recursive: true })
    for (const name of ['sh', 'dirname', 'id']) {
      if (!fs.existsSync(join(folder, name))) fs.symlinkSync(`/usr/bin/${name}`, join(folder, name))
    }
    return folder
  }

  test('programs that cannot be had are a warning, in CI an error that names them', () => {
    const folder = checkout('peers')
    const run = (changes: Record<string, string>) => {
      const env = environment({ ...changes, PATH: poorPath() })
      return spawnSync('/bin/sh', ['tools/setup.sh', 'peers'], {
        cwd: folder,
        env,
        encoding: 'utf8',
      })
    }
    const warned = run({})
    assert.equal(warned.status, 0)
    assert.match(warned.stderr, /WARNING: without redis-server redis-tools redis-sentinel tcl/)
    const refused = run({ CI: 'true' })
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /needed in CI: redis-server/)
  })

  test('a Node that npm did not bring is fetched by its own installer, or refused clearly', () => {
    const folder = checkout('gated', false)
    const programs = join(root, 'gated-programs')
    addProgram(programs, 'npm', '#!/bin/sh\nmkdir -p node_modules/node\n')
    // Plays the installer that `node installArchSpecificPackage.js` is.
    const installer = '#!/bin/sh\n[ -n "$WORKS" ] || exit 1\nmkdir bin\ncp "$0" bin/node\n'
    addProgram(programs, 'node', installer)
    fs.writeFileSync(join(folder, 'package-lock.json'), '{}')
    const run = (changes: Record<string, string>) => {
      const env = environment({ ...changes, PATH: `${programs}:${process.env['PATH']}` })
      const args = ['tools/setup.sh', 'packages']
      return spawnSync('sh', args, { cwd: folder, env, encoding: 'utf8' })
    }
    const refused = run({})
    assert.equal(refused.status, 1)
    assert.match(
      refused.stderr,
      /node_modules\/node\/bin\/node is missing although npm ci succeeded/,
    )
    const worked = run({ WORKS: '1' })
    assert.equal(worked.status, 0, worked.stderr)
    assert.ok(fs.existsSync(join(folder, 'node_modules/node/bin/node')))
  })
})
