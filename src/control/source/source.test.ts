// Goal: addresses never show passwords; facts, forks and replicas are judged by the rules that
// choose-source.ts and fork-prediction.ts state; replies parse wherever they are cut. Method:
// tables of INFO fields on one side and of what they mean on the other.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { replicaFault } from './choose-source.ts'
import { forkAdvice, predictFork } from './fork-prediction.ts'
import { AddressError, parseNodeAddress } from './node-address.ts'
import { factsOf, type NodeFacts, parseInfo, saveFactsOf } from './node-facts.ts'
import { ErrorReply, ReplyFormError, ReplyParser } from './reply-parser.ts'

const ADDRESS = parseNodeAddress('redis://:secret@node:7000')
const MIB = 1024 * 1024

function factsFrom(...lines: readonly string[]): NodeFacts {
  return factsOf(ADDRESS, parseInfo(['redis_version:7.0.15', ...lines].join('\r\n')))
}

test('addresses', () => {
  const full = parseNodeAddress('rediss://me:p%40ss%3A@[::1]:7000/3')
  const { host, port, user, password, database, label, isTls } = full
  assert.deepEqual([host, port, user, password, database], ['::1', 7000, 'me', 'p@ss:', 3])
  assert.deepEqual([isTls, label], [true, 'rediss://[::1]:7000'])
  assert.equal(parseNodeAddress('redis://host').port, 6379)
  for (const text of ['host:1', 'http://:secret@x', 'redis://:secret@x/y', 'redis://', ':secret']) {
    assert.throws(
      () => parseNodeAddress(text),
      (error) => {
        return error instanceof AddressError && !error.message.includes('secret')
      },
    )
  }
})

test('replies parse wherever they are cut', () => {
  const text = '*4\r\n$5\r\nh\r\nlo\r\n:-12\r\n$-1\r\n*2\r\n+OK\r\n-ERR no\r\n'
  const expected = [Buffer.from('h\r\nlo'), -12, null, ['OK', new ErrorReply('ERR no')]]
  const bytes = Buffer.from(`${text}rest`)
  for (let cut = 0; cut <= text.length; cut++) {
    const parser = new ReplyParser()
    parser.push(bytes.subarray(0, cut))
    const early = parser.next()
    parser.push(bytes.subarray(cut))
    assert.deepEqual(early ?? parser.next(), expected, `cut at ${cut}`)
    assert.equal(parser.rest().toString(), 'rest')
  }
  for (const bad of ['HTTP/1.1 400\r\n', ':x\r\n', '$-5\r\n']) {
    const parser = new ReplyParser()
    parser.push(Buffer.from(bad))
    assert.throws(() => parser.next(), ReplyFormError)
  }
})

test('forks are predicted from what INFO tells', () => {
  const system = `total_system_memory:${1000 * MIB}`
  const cases: readonly (readonly [string, readonly number[]])[] = [
    // Resident, dataset, last copy on write, changes since the last save.
    ['fits', [300, 250, 0, 0]],
    ['fits', [450, 400, 100, 0]],
    ['tight', [600, 500, 0, 0]],
    ['tight', [700, 600, 110, 0]],
    ['refuse', [850, 800, 100, 0]],
    ['refuse', [700, 600, 0, 100_000]],
  ]
  for (const [verdict, [rss = 0, dataset = 0, cow = 0, changes = 0]] of cases) {
    const facts = factsFrom(
      `used_memory_rss:${rss * MIB}`,
      `used_memory_dataset:${dataset * MIB}`,
      `rdb_last_cow_size:${cow * MIB}`,
      `rdb_changes_since_last_save:${changes}`,
      system,
    )
    assert.equal(predictFork(facts).verdict, verdict, `${rss} ${dataset} ${cow} ${changes}`)
    const isBad = verdict === 'refuse'
    assert.equal(forkAdvice(predictFork(facts), 'refuse')?.isRefused ?? false, isBad)
    assert.equal(forkAdvice(predictFork(facts), 'warn')?.isRefused ?? false, false)
    assert.equal(forkAdvice(predictFork(facts), 'ignore'), null)
  }
  assert.equal(predictFork(factsFrom()).verdict, 'unknown')
  const own = factsFrom('tidemark_version:1', `used_memory_rss:${999 * MIB}`, system)
  assert.equal(predictFork(own).verdict, 'fits')
})

test('a replica is healthy unless something speaks against it', () => {
  const primary = factsFrom(
    'role:master',
    'master_replid:a',
    'master_repl_offset:100000000',
    'slave0:ip=node,port=7000,state=online,offset=99999990,lag=0',
  )
  const [seen] = primary.replicas
  assert.deepEqual([seen?.isOnline, seen?.lagBytes, seen?.lagSeconds], [true, 10, 0])
  const healthy = ['role:slave', 'master_link_status:up', 'master_replid:a', 'loading:0']
  const cases: readonly (readonly [RegExp | null, readonly string[]])[] = [
    [null, ['master_repl_offset:99999990']],
    [/link/, ['master_repl_offset:99999990', 'master_link_status:down']],
    [/loading/, ['master_repl_offset:99999990', 'loading:1']],
    [/another dataset/, ['master_repl_offset:99999990', 'master_replid:b']],
    [/bytes behind/, ['master_repl_offset:1']],
    [/no replica/, ['role:master']],
  ]
  for (const [fault, lines] of cases) {
    const found = replicaFault(factsFrom(...healthy, ...lines), primary)
    if (fault === null) assert.equal(found, null)
    else assert.match(found ?? '', fault)
  }
  const lagging = factsFrom(
    'role:master',
    'master_replid:a',
    'slave0:ip=node,port=7000,state=online,offset=0,lag=60',
  )
  assert.match(replicaFault(factsFrom(...healthy), lagging) ?? '', /60 s/)
})

test('what a save cost is read from either engine', () => {
  const fork = parseInfo('redis_version:7.0.15\r\nlatest_fork_usec:2500')
  assert.deepEqual(saveFactsOf(fork), { method: 'fork', writeDelayMs: null, freezeMs: 2.5 })
  const own = parseInfo(
    'tidemark_version:1\r\nsnapshot_method:background\r\nsnapshot_freeze_usec:150\r\n' +
      'snapshot_write_delay_usec:4000',
  )
  assert.deepEqual(saveFactsOf(own), { method: 'background', writeDelayMs: 4, freezeMs: 0.15 })
})
