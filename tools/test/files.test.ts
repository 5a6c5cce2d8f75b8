// Goal: the runner of `npm test` counts leaves, shows why a test failed, and takes neither an empty
// nor a broken file for a pass. Method: a few small test files in a temporary directory, run by a
// second process as `npm test` would.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { addTally, formatTally, type Tally } from './tally.ts'

let folder = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-runner-'))
})
after(() => rmSync(folder, { recursive: true }))

/** Runs one file with this text; the counts and what was printed. */
function run(
  text: string,
  { timeoutMs = 10_000, limitMs = 20_000 } = {},
): { tally: Tally; out: string } {
  const file = join(folder, 'sample.test.ts')
  writeFileSync(file, `import { test, describe, before } from 'node:test'\n${text}`)
  const script = `
    import { runTestFiles } from ${JSON.stringify(join(import.meta.dirname, 'files.ts'))}
    const options = { concurrency: 1, timeoutMs: ${timeoutMs}, limitMs: ${limitMs} }
    const tally = await runTestFiles([${JSON.stringify(file)}], options)
    console.log('TALLY ' + JSON.stringify(tally))`
  const env = { ...process.env }
  // Else node:test takes the process for one of its own.
  delete env['NODE_TEST_CONTEXT']
  // A file of its own: node:test hands options such as -e on to the processes it starts.
  const runner = join(folder, 'runner.ts')
  writeFileSync(runner, script)
  const done = spawnSync(process.execPath, [runner], {
    encoding: 'utf8',
    env,
    cwd: folder,
  })
  const [out = '', tally] = done.stdout.split('TALLY ')
  assert.ok(tally !== undefined, `${done.stdout}${done.stderr}`)
  return { tally: JSON.parse(tally), out }
}

test('tests in suites count, suites do not; skipped and todo are not passed', () => {
  const { tally, out } = run(`
    test('one', () => {})
    describe('suite', () => { test('two', () => {}); test('three', () => {}) })
    test('four', { skip: 'no redis-server' }, () => { throw new Error('never') })
    test('five', { todo: 'later' }, () => { throw new Error('known') })`)
  assert.deepEqual(tally, { passed: 3, failed: 0, skipped: 2 })
  assert.match(out, /skipped sample\.test\.ts:\d+ four: no redis-server/)
})

test('a failure shows its place, its suites, its reason and what the file printed', () => {
  const { tally, out } = run(`
    console.log('SEED=12')
    describe('outer', () => describe('inner', () => {
      test('bad', () => { throw new Error('the reason') })
      test('good', () => {})
    }))`)
  assert.deepEqual(tally, { passed: 1, failed: 1, skipped: 0 })
  assert.match(out, /FAILED sample\.test\.ts:5 outer > inner > bad\n {4}Error: the reason/)
  assert.match(out, /output of sample\.test\.ts\nSEED=12/)
})

test('a hook that fails fails each test, and says why once', () => {
  const { tally, out } = run(`
    describe('suite', () => {
      before(() => { throw new Error('no server') })
      test('one', () => {})
      test('two', () => {})
    })`)
  assert.ok(tally.failed >= 2 && tally.passed === 0, formatTally(tally))
  assert.equal(out.match(/Error: no server/g)?.length, 1)
})

test('a file without tests, one that throws, one that says nothing are failures', () => {
  assert.deepEqual(run('').tally, { passed: 0, failed: 1, skipped: 0 })
  assert.deepEqual(run("throw new Error('x')").tally, { passed: 0, failed: 1, skipped: 0 })
  assert.deepEqual(run('process.exit(0)').tally, { passed: 0, failed: 1, skipped: 0 })
})

test('a test that hangs fails by its timeout, a loop without end by the limit of all files', () => {
  const waiting = "test('waits', () => new Promise(() => setInterval(() => {}, 1000)))"
  assert.deepEqual(run(waiting, { timeoutMs: 500 }).tally, { passed: 0, failed: 1, skipped: 0 })
  const looping = run("test('loops', () => { for (;;); })", { limitMs: 1000 })
  assert.equal(looping.tally.passed, 0)
  assert.ok(looping.tally.failed > 0)
})

test('no result is lost, however many there are, with a timer left behind', () => {
  const { tally } = run(`
    setInterval(() => {}, 1000)
    for (let i = 0; i < 500; i++) test('test ' + i, () => {})`)
  assert.deepEqual(tally, { passed: 500, failed: 0, skipped: 0 })
})

test('the last line has the form that tools read', () => {
  const total = { passed: 1, failed: 2, skipped: 3 }
  addTally(total, { passed: 10, failed: 20, skipped: 30 })
  assert.equal(formatTally(total), '11 passed, 22 failed, 33 skipped')
})
