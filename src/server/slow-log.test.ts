// Goal: the slow log keeps the newest entries, small and without secrets. Method: literal entries,
// and commands on an engine with a threshold of zero.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Args } from '../resp/args.ts'
import { SlowLog } from './slow-log.ts'
import { TestServer } from './test-server.ts'

const FACTS = { unixSeconds: 1, durationUs: 2, address: 'a', clientName: '' }

describe('the slow log', () => {
  it('keeps the newest, newest first, and counts on', () => {
    const log = new SlowLog(2)
    for (const text of ['a', 'b', 'c']) log.add(Args.of(text), new Set(), FACTS)
    assert.deepEqual(
      log.newest(10).map(({ id, args }) => [id, args[0]]),
      [
        [2, 'c'],
        [1, 'b'],
      ],
    )
    log.setLimit(1)
    assert.equal(log.length, 1)
    log.clear()
    log.add(Args.of('d'), new Set(), FACTS)
    assert.equal(log.newest(1)[0]?.id, 3)
  })

  it('cuts long arguments and long lists of them', () => {
    const log = new SlowLog(1)
    const words = Array.from({ length: 40 }, (_, i) => (i === 1 ? 'x'.repeat(130) : `${i}`))
    log.add(Args.of(...words), new Set(), FACTS)
    const found = log.newest(1)[0]!.args
    assert.equal(found.length, 32)
    assert.equal(found[1], `${'x'.repeat(128)}... (2 more bytes)`)
    assert.equal(found[31], '... (9 more arguments)')
  })

  it('shows no passwords', () => {
    const config = { 'slowlog-log-slower-than': '0', requirepass: 'word1' }
    const server = new TestServer({ config })
    const client = server.connect()
    client.call('AUTH', 'word1')
    client.call('CONFIG', 'SET', 'timeout', '77', 'requirepass', 'word2')
    client.call('HELLO', '2', 'AUTH', 'default', 'word2', 'SETNAME', 'me')
    const text = client.call('SLOWLOG', 'GET', '-1')
    assert.doesNotMatch(text, /word[12]/)
    assert.match(text, /77/)
    assert.match(text, /SETNAME/)
    assert.equal(text.split('(redacted)').length - 1, 4)
  })
})
