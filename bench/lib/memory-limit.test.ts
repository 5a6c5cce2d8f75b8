// A group's limit holds for what is started inside of it, and the group is gone afterwards. With a
// real control group, where this process may make one.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { MemoryGroup, memoryGroups } from './memory-limit.ts'

const MEGABYTE = 1e6
const groups = memoryGroups()
const skip = typeof groups === 'string' ? groups : false

test('who needs more than the limit is killed, who needs less is not', { skip }, async () => {
  assert.ok(typeof groups !== 'string')
  const group = new MemoryGroup(groups)
  try {
    group.limit(60 * MEGABYTE)
    const [shell, ...words] = group.launcher
    const small = spawnSync(shell!, [...words, 'sh', '-c', 'echo here'], { encoding: 'utf8' })
    assert.equal(small.stdout, 'here\n', small.stderr)
    const source = 'Buffer.alloc(300e6, 1); console.log("through")'
    const large = spawnSync(shell!, [...words, process.execPath, '-e', source])
    assert.equal(large.signal, 'SIGKILL', String(large.stdout))
    assert.ok(group.peakBytes > 10 * MEGABYTE && group.peakBytes <= 60 * MEGABYTE)
  } finally {
    await group.remove()
  }
})

test('a group that a stopped run has left behind is removed', { skip }, async () => {
  assert.ok(typeof groups !== 'string')
  const stale = join(groups.parent, 'tidemark-bench-999999999-0')
  mkdirSync(stale)
  const group = new MemoryGroup(groups)
  assert.equal(existsSync(stale), false)
  await group.remove()
})

test('what its processes need is charged to the group', { skip }, async () => {
  assert.ok(typeof groups !== 'string')
  const group = new MemoryGroup(groups)
  const [shell, ...words] = group.launcher
  const source =
    'const kept = Buffer.alloc(80e6, 1); console.log(kept.length); process.stdin.resume()'
  const child = spawn(shell!, [...words, process.execPath, '-e', source])
  try {
    await once(child.stdout, 'data')
    const megabytes = group.chargedBytes / MEGABYTE
    assert.ok(megabytes > 80 && megabytes < 200, `${megabytes} MB`)
  } finally {
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
    await group.remove()
  }
})
