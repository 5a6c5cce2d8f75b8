// Goal: DUMP payloads are Redis's, and what is not one is refused. Method: payloads taken from
// redis-server 7.0.15 as literal bytes; every flip and cut of one; long values.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CollectingTarget, randomValue } from '../../../test/lib/rdb.ts'
import { Random } from '../../base/random.ts'

import { RdbPayload } from './rdb-payload.ts'
import { RdbEntry } from './rdb-target.ts'

const SEED = Number(process.env['SEED'] ?? 99)

// As redis-server 7.0.15 answered DUMP.
const PAYLOADS: readonly (readonly [value: string, hex: string])[] = [
  ['', '00000a005d9b5c400f7fa2da'],
  ['hello', '000568656c6c6f0a006372df766534200a'],
  ['12', '00c00c0a003c2af8515c04bcd5'],
  ['-300', '00c1d4fe0a00c6c48623febede2e'],
  ['70000', '00c2701101000a0001a408fe953095a5'],
  ['2147483648', '000a323134373438333634380a00e7b129a34c1d76ee'],
  ['007', '00033030370a007258e27b4c69bad9'],
  ['aaaaaaaaaaaaaaaaaaaaa', '00c30615016161e00a000a00fd0cb36807413f68'],
  ['\u0000ÿ\r\n', '000400ff0d0a0a008d10d19e4216ec65'],
  [
    'abcdefghijklmnopqrstuvwxyz0123456789',
    '00246162636465666768696a6b6c6d6e6f707172737475767778797a' +
      '303132333435363738390a00c3d18e5aec8d8f0d',
  ],
]

const payload = new RdbPayload()

/** Reads the value of a verified payload; null when it is damaged. */
function read(bytes: Buffer): string | null {
  const target = new CollectingTarget()
  const range = { bytes, start: 0, length: bytes.length }
  if (!payload.read(range, new RdbEntry(), target)) return null
  return target.keys[0]?.value ?? null
}

function dump(value: Buffer, compress = true): Buffer {
  payload.begin(0, compress).string(value, 0, value.length)
  payload.end()
  return Buffer.from(payload.bytes.slice(payload.start, payload.start + payload.length))
}

/** The string in a payload, or null. */
function restore(bytes: Buffer): string | null {
  if (!payload.verify(bytes, 0, bytes.length)) return null
  if (payload.typeOf(bytes, 0) !== 0) return null
  return read(bytes)
}

test('payloads equal those of redis-server and read back', () => {
  for (const [value, hex] of PAYLOADS) {
    // Of a compressed string the LZF stream may differ.
    const isCompressed = hex.startsWith('00c3')
    const own = dump(Buffer.from(value, 'latin1'))
    if (!isCompressed) assert.equal(own.toString('hex'), hex, value)
    assert.equal(restore(own), value)
    assert.equal(restore(Buffer.from(hex, 'hex')), value)
  }
})

test('an integer from two words dumps as its text does', () => {
  payload.begin(0, true).integer(0xfffffc18, 0xffffffff)
  payload.end()
  const bytes = payload.bytes.slice(payload.start, payload.start + payload.length)
  assert.deepEqual(Buffer.from(bytes), dump(Buffer.from('-1000')))
})

test('long values pass through unharmed, in either form', () => {
  const random = new Random(SEED)
  for (const length of [30_000, 65_536, 300_000, 2_000_000]) {
    for (const compress of [true, false]) {
      const value = randomValue(random, length)
      const bytes = dump(value, compress)
      assert.ok(restore(bytes) === value.toString('latin1'), `${length}`)
    }
  }
  payload.release()
  assert.equal(payload.length, 0)
})

test('no flipped byte and no cut of a payload passes', () => {
  const bytes = dump(Buffer.from(`${'repeat'.repeat(12)} and an end`))
  for (let i = 0; i < bytes.length; i++) {
    for (const mask of [1, 0x80, 0xff]) {
      const damaged = Buffer.from(bytes)
      damaged[i] = damaged[i]! ^ mask
      assert.equal(restore(damaged), null, `byte ${i} ^ ${mask}`)
    }
    assert.equal(restore(bytes.subarray(0, i)), null, `${i} bytes`)
  }
})

test('with the checksum ignored, damage gives a value or a refusal, nothing else', () => {
  const bytes = dump(Buffer.from(`${'repeat'.repeat(12)} and an end`))
  let refusals = 0
  for (let i = 1; i < bytes.length - 10; i++) {
    for (let value = 0; value < 256; value++) {
      const damaged = Buffer.from(bytes)
      damaged[i] = value
      assert.ok(payload.verify(damaged, 0, damaged.length, false))
      if (read(damaged) === null) refusals++
    }
  }
  assert.ok(refusals > 500, `${refusals}`)
})

test('a newer version than known is refused', () => {
  const bytes = dump(Buffer.from('x'))
  bytes[bytes.length - 10] = 200
  assert.ok(!payload.verify(bytes, 0, bytes.length, false))
})
