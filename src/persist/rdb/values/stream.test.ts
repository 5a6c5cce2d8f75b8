// Goal: streams go out and come in with all they have, in each of the three forms, and a damaged
// payload is an error, never a broken stream. Method: payloads of our own, the other forms made of
// them, and random damage; payloads are exchanged with redis-server in test/differential.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../../base/random.ts'
import { Slice } from '../../../base/slice.ts'
import { Harness, line, OK } from '../../../command/harness.ts'
import { Type } from '../../../keyspace/record.ts'
import { Streams } from '../../../keyspace/stream/stream.ts'
import { NULL } from '../../../memory/layout.ts'
import { dumpCommands } from '../../dump.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32))

function makeHarness(): Harness {
  return new Harness({ commands: dumpCommands })
}

/** A stream with several leaves, one of them in a span, groups, consumers and pending entries. */
function fill(harness: Harness): void {
  const { encodings } = harness.context.limits
  encodings.streamNodeEntriesMax = 5
  for (let i = 1; i <= 40; i++) harness.run('XADD', 's', `${i >> 2}-${i}`, 'name', `v${i}`)
  harness.run('XADD', 's', '50-1', 'large', 'x'.repeat(40_000), 'n', '-7')
  harness.run('XADD', 's', '18446744073709551615-5', 'far', 'away')
  harness.run('XDEL', 's', '1-4', '2-9', '5-21')
  harness.run('XGROUP', 'CREATE', 's', 'group', '0')
  harness.run('XGROUP', 'CREATE', 's', 'g'.repeat(3000), '18446744073709551615-4')
  harness.run('XREADGROUP', 'GROUP', 'group', 'alice', 'COUNT', '7', 'STREAMS', 's', '>')
  harness.advance(5)
  harness.run('XREADGROUP', 'GROUP', 'group', 'b'.repeat(2000), 'COUNT', '3', 'STREAMS', 's', '>')
  harness.run('XREADGROUP', 'GROUP', 'group', 'alice', 'COUNT', '20', 'STREAMS', 's', '>')
  harness.run('XGROUP', 'CREATECONSUMER', 's', 'group', 'idle')
  harness.run('XACK', 's', 'group', '0-1', '4-16')
}

function payloadOf(harness: Harness, key: string): Uint8Array {
  const payload = harness.run('DUMP', key)
  assert.ok(typeof payload === 'string')
  return Buffer.from(payload, 'latin1')
}

function check(harness: Harness, key: string): void {
  const { db } = harness.context
  const record = db.peek(Slice.ofText(key))
  assert.ok(record !== NULL && db.typeOf(record) === Type.Stream)
  new Streams(db.collections).open(db, record).check()
}

test('a stream comes back whole, and its nodes as they were', () => {
  const harness = makeHarness()
  fill(harness)
  const payload = payloadOf(harness, 's')
  assert.deepEqual(harness.run('RESTORE', 't', '0', payload), OK)
  check(harness, 't')
  const full = ['FULL', 'COUNT', '0']
  const whole = harness.run('XINFO', 'STREAM', 's', ...full)
  assert.deepEqual(harness.run('XINFO', 'STREAM', 't', ...full), whole)
  assert.deepEqual(Buffer.from(payloadOf(harness, 't')), Buffer.from(payload))
})

test('the newer form has one more time for each consumer', () => {
  const harness = makeHarness()
  harness.run('XADD', 's', '1-1', 'a', '1')
  harness.run('XGROUP', 'CREATE', 's', 'g', '0')
  harness.run('XREADGROUP', 'GROUP', 'g', 'conny', 'STREAMS', 's', '>')
  const payload = Buffer.from(payloadOf(harness, 's'))
  const at = payload.indexOf('conny') + 'conny'.length + 8
  const newer = Buffer.concat([payload.subarray(0, at), Buffer.alloc(8, 1), payload.subarray(at)])
  newer[0] = 21
  harness.context.limits.isPayloadChecked = false
  assert.deepEqual(harness.run('RESTORE', 't', '0', newer), OK)
  const whole = harness.run('XINFO', 'STREAM', 's', 'FULL')
  assert.deepEqual(harness.run('XINFO', 'STREAM', 't', 'FULL'), whole)
})

test('the older form says nothing of deleted entries and of what groups have read', () => {
  const harness = makeHarness()
  harness.run('XADD', 's', '1-1', 'a', 'x')
  harness.run('XADD', 's', '1-2', 'a', 'y')
  harness.run('XGROUP', 'CREATE', 's', 'g', '1-1')
  const payload = Buffer.from(payloadOf(harness, 's'))
  // Length 2, last ID 1-2; then first ID 1-1, deleted ID 0-0, entries added 2; one group g at 1-1.
  const facts = Buffer.from('020102' + '0101' + '0000' + '02' + '01' + '0167' + '0101', 'hex')
  const from = payload.indexOf(facts)
  assert.ok(from > 0)
  const tail = payload.subarray(from + facts.length)
  // The unknown count of entries read takes nine bytes.
  assert.equal(tail[0], 0x81)
  const older = Buffer.concat([
    payload.subarray(0, from),
    Buffer.from('020102' + '01' + '0167' + '0101', 'hex'),
    tail.subarray(9),
  ])
  older[0] = 15
  harness.context.limits.isPayloadChecked = false
  assert.deepEqual(harness.run('RESTORE', 't', '0', older), OK)
  const [group] = harness.run('XINFO', 'GROUPS', 't') as unknown[][]
  assert.equal(group?.[group.indexOf('entries-read') + 1], 1)
  assert.equal(group?.[group.indexOf('lag') + 1], 1)
})

test('damaged payloads are errors, or streams that hold together', () => {
  const random = new Random(SEED)
  const harness = makeHarness()
  harness.context.limits.isRdbCompressed = false
  fill(harness)
  harness.run('XDEL', 's', '50-1')
  const whole = payloadOf(harness, 's')
  harness.context.limits.isPayloadChecked = false
  assert.deepEqual(harness.run('RESTORE', 't', '0', whole), OK)
  let restored = 0
  for (let round = 0; round < 3000; round++) {
    const bytes = new Uint8Array(whole)
    for (let i = random.below(3); i >= 0; i--) {
      bytes[1 + random.below(bytes.length - 11)] = random.u32()
    }
    const reply = harness.run('RESTORE', 't', '0', bytes, 'REPLACE')
    if (reply === null || typeof reply !== 'object' || !('line' in reply)) assert.fail('a line')
    if (reply.line !== '+OK') {
      assert.deepEqual(reply, line('-ERR Bad data format'), `SEED=${SEED}`)
      continue
    }
    restored++
    check(harness, 't')
    harness.run('XINFO', 'STREAM', 't', 'FULL', 'COUNT', '0')
    harness.run('XTRIM', 't', 'MAXLEN', '3')
    harness.run('XREADGROUP', 'GROUP', 'group', 'alice', 'STREAMS', 't', '>')
  }
  assert.ok(restored > 0)
  harness.keyspace.reclaimAll()
  harness.keyspace.check()
})
