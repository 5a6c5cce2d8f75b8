// Goal: listpacks are Redis's to the byte, and every walk, search and change agrees with an array.
// Method: literal bytes of DUMP payloads of redis-server 7.0.15, with elements at every width and
// length where the format changes; a model of random changes; damaged bytes of all kinds.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import * as listpack from './listpack.ts'
import * as edit from './listpack-edit.ts'
import { PackedEntry } from './packed.ts'
import { guarded, hex, listpackOf, sliceOf, textsOf } from './test-packed.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32))
const ENTRY = new PackedEntry()

const LIMITS = ['0', '127', '128', '-1', '-4096', '-4097', '4095', '4096', '32767', '-32768']
LIMITS.push('32768', '8388607', '-8388608', '8388608', '2147483647', '-2147483648', '2147483648')
LIMITS.push('-2147483649', '9223372036854775807', '-9223372036854775808', '9223372036854775808')
LIMITS.push('007', '-0', '', 'abc', '12345678901234567')

/** DUMP of a list of LIMITS, without the frame of quicklist and payload. */
const LIMITS_BYTES = hex(
  '9f0000001a0000017f01c08002dfff02d00002f1ffef03cfff02f1001003f1ff7f03f1008003f200800004' +
    'f2ffff7f04f200008004f30000800005f3ffffff7f05f30000008005f4000000800000000009f4ffffff7fff' +
    'ffffff09f4ffffffffffffff7f09f40000000000000080099339323233333732303336383534373735383038' +
    '148330303704822d300380018361626304f4874b6b5d54dc2b0009ff',
)

test('integers and strings at every limit are encoded as Redis does', () => {
  assert.deepEqual(listpackOf(LIMITS), LIMITS_BYTES)
  assert.deepEqual(textsOf(LIMITS_BYTES, 0), LIMITS)
  assert.ok(listpack.validate(LIMITS_BYTES, 0, LIMITS_BYTES.length))
  for (const text of LIMITS) {
    const at = listpack.find(LIMITS_BYTES, 6, sliceOf(text), 0)
    listpack.readEntry(LIMITS_BYTES, at, ENTRY)
    assert.equal(ENTRY.toLatin1(), text)
    assert.ok(listpack.equalsEntry(LIMITS_BYTES, at, sliceOf(text)))
    assert.ok(!listpack.equalsEntry(LIMITS_BYTES, at, sliceOf(`${text}1`)))
    assert.equal(ENTRY.textLength, text.length)
  }
})

test('integers are encoded as their text is', () => {
  const target = new Uint8Array(16)
  for (const text of LIMITS) {
    if (!/^(-?[1-9]\d*|0)$/.test(text) || BigInt.asIntN(64, BigInt(text)) !== BigInt(text)) continue
    const wide = BigInt(text)
    const value = Number.isSafeInteger(Number(wide)) ? Number(wide) : wide
    const limit = edit.encodeInteger(value, target, 2)
    assert.equal(limit - 2, edit.encodedIntegerLength(value))
    const expected = listpackOf([text]).subarray(6, -1)
    assert.deepEqual(target.subarray(2, limit), expected, text)
  }
})

test('hash of Redis: a field is found among fields, not among values', () => {
  const bytes = hex(
    `62000000 0600 816602 817602 816e02 dfd602 846c6f6e6705 e046${'78'.repeat(70)}48ff`,
  )
  assert.deepEqual(textsOf(bytes, 0), ['f', 'v', 'n', '-42', 'long', 'x'.repeat(70)])
  assert.equal(listpack.find(bytes, 6, sliceOf('v'), 1), listpack.END)
  assert.equal(listpack.find(bytes, 6, sliceOf('-42'), 1), listpack.END)
  assert.equal(listpack.find(bytes, 6, sliceOf('n'), 1), 12)
  assert.equal(listpack.find(bytes, 6, sliceOf('long'), 1), 18)
  assert.equal(listpack.find(bytes, 6, sliceOf('-42'), 0), 15)
  assert.equal(listpack.find(bytes, listpack.END, sliceOf('f'), 1), listpack.END)
})

test('lengths behind a body take the bytes that Redis gives them', () => {
  // Length of the string, last bytes of the listpack: DUMP of lists of one string.
  const rows: [number, string][] = [
    [125, '617fff'],
    [126, '610180ff'],
    [128, '610182ff'],
    [16377, '617ffeff'],
    [16378, '6100ffffff'],
    [16379, '61018080ff'],
  ]
  for (const [length, tail] of rows) {
    const bytes = listpackOf(['a'.repeat(length), 'b'])
    const one = listpackOf(['a'.repeat(length)])
    assert.equal(Buffer.from(one.subarray(-tail.length / 2)).toString('hex'), tail, `${length}`)
    assert.ok(listpack.validate(bytes, 0, bytes.length))
    const last = listpack.lastEntry(bytes, 0)
    assert.equal(last, listpack.nextEntry(bytes, 6))
    assert.equal(listpack.previousEntry(bytes, 0, last), 6)
    assert.equal(listpack.previousEntry(bytes, 0, 6), listpack.END)
  }
})

test('strings of a length that a listpack keeps in 32 bits, up to three bytes behind', () => {
  for (const length of [63, 64, 4095, 4096, 2097145, 2097146, 2097147]) {
    const bytes = listpackOf(['1', 'a'.repeat(length), '-1'])
    assert.ok(listpack.validate(bytes, 0, bytes.length), `${length}`)
    const middle = listpack.previousEntry(bytes, 0, listpack.lastEntry(bytes, 0))
    assert.equal(middle, 8)
    listpack.readEntry(bytes, middle, ENTRY)
    assert.equal(ENTRY.length, length)
    assert.equal(ENTRY.isInteger, false)
  }
})

test('entries that no encoder of ours makes are read and found all the same', () => {
  // "12" as a string; 5 in 13, 16, 24, 32 and 64 bits.
  const entries = '82313203 c00502 f1050003 f205000004 f30500000005 f4050000000000000009'
  const body = hex(entries)
  const bytes = hex(`${(body.length + 7).toString(16)}000000 0600 ${entries} ff`)
  assert.ok(listpack.validate(bytes, 0, bytes.length))
  assert.deepEqual(textsOf(bytes, 0), ['12', '5', '5', '5', '5', '5'])
  assert.equal(listpack.find(bytes, 6, sliceOf('12'), 0), 6)
  for (let at = 10; at !== listpack.END; at = listpack.nextEntry(bytes, at)) {
    assert.ok(listpack.equalsEntry(bytes, at, sliceOf('5')))
    assert.equal(listpack.find(bytes, at, sliceOf('5'), 0), at)
  }
})

test('texts compare byte by byte', () => {
  const texts = ['', '-1', '-9', '0', '10', '100', '9', '99', 'a', 'ab', 'b', '\xff', '\xff\x00']
  const bytes = listpackOf(texts)
  let at = listpack.firstEntry(bytes, 0)
  for (let i = 0; i < texts.length; i++) {
    for (let k = 0; k < texts.length; k++) {
      const order = listpack.compareEntry(bytes, at, sliceOf(texts[k]!))
      assert.equal(Math.sign(order), Math.sign(i - k), `${texts[i]} ${texts[k]}`)
    }
    at = listpack.nextEntry(bytes, at)
  }
})

test('an empty listpack has no entry', () => {
  const bytes = listpackOf([])
  assert.deepEqual(bytes, hex('070000000000ff'))
  assert.equal(listpack.firstEntry(bytes, 0), listpack.END)
  assert.equal(listpack.lastEntry(bytes, 0), listpack.END)
  assert.equal(listpack.seek(bytes, 0, 0), listpack.END)
  assert.equal(listpack.seek(bytes, 0, -1), listpack.END)
  assert.equal(listpack.count(bytes, 0), 0)
  assert.ok(listpack.validate(bytes, 0, 7))
})

test('counts above 65534 are walked', () => {
  const room = new Uint8Array(140_000 + 8)
  edit.writeEmpty(room, 1)
  let total: number = listpack.EMPTY_BYTES
  for (let i = 0; i < 65_540; i++) {
    total = edit.insertEntry(room, 1, listpack.endOf(room, 1), sliceOf(String(i % 100)))
    if (i === 65_533) assert.equal(listpack.headerCount(room, 1), 65_534)
  }
  assert.equal(listpack.headerCount(room, 1), listpack.COUNT_UNKNOWN)
  assert.equal(listpack.count(room, 1), 65_540)
  assert.ok(listpack.validate(room, 1, total))
  assert.equal(listpack.seek(room, 1, 65_539), listpack.lastEntry(room, 1))
  assert.equal(listpack.seek(room, 1, -65_540), listpack.firstEntry(room, 1))
  assert.equal(listpack.seek(room, 1, 65_540), listpack.END)
  assert.equal(listpack.seek(room, 1, -65_541), listpack.END)
  edit.removeEntries(room, 1, listpack.firstEntry(room, 1), 10)
  assert.equal(listpack.count(room, 1), 65_530)
})

test('the text of an entry, as bytes and as a slice', () => {
  const bytes = listpackOf(['abc', '-9223372036854775808'])
  const target = new Uint8Array(32)
  const next = listpack.readEntry(bytes, 6, ENTRY)
  assert.equal(ENTRY.writeText(target, 2), 5)
  assert.equal(ENTRY.textInto(sliceOf('')).toLatin1(), 'abc')
  assert.equal(listpack.readEntry(bytes, next, ENTRY), listpack.END)
  assert.equal(ENTRY.integer, -(2n ** 63n))
  assert.equal(ENTRY.writeText(target, 2), 22)
  assert.equal(ENTRY.textInto(sliceOf('')).toLatin1(), '-9223372036854775808')
})

/** A text of random length and kind. */
function randomText(random: Random): string {
  switch (random.below(6)) {
    case 0:
      return String(random.below(300) - 150)
    case 1: {
      const wide = (BigInt(random.u32()) << 32n) | BigInt(random.u32())
      return String(BigInt.asIntN(1 + random.below(64), wide))
    }
    case 2:
      return 'y'.repeat(random.below(random.below(20) === 0 ? 20_000 : 200))
    default: {
      let text = ''
      for (let i = random.below(12); i > 0; i--) text += String.fromCharCode(random.below(256))
      return text
    }
  }
}

test('random inserts, replacements and removals agree with an array', () => {
  const random = new Random(SEED)
  const start = 5
  const room = new Uint8Array(4_000_000).fill(0xaa)
  edit.writeEmpty(room, start)
  const model: string[] = []
  let total: number = listpack.EMPTY_BYTES
  for (let round = 0; round < 4_000; round++) {
    const index = random.below(model.length + 1)
    const at = index === model.length ? listpack.endOf(room, start) : seekAny(room, start, index)
    const isShrinking = model.length > 120
    if (index === model.length || (random.below(3) > 0 && !isShrinking)) {
      const text = randomText(random)
      total = edit.insertEntry(room, start, at, sliceOf(text))
      model.splice(index, 0, text)
    } else if (random.below(2) === 0) {
      const text = randomText(random)
      total = edit.replaceEntry(room, start, at, sliceOf(text))
      model[index] = text
    } else {
      const removed = 1 + random.below(Math.min(3, model.length - index))
      total = edit.removeEntries(room, start, at, removed)
      model.splice(index, removed)
    }
    assert.equal(total, listpack.totalBytes(room, start))
    assert.equal(listpack.count(room, start), model.length)
    if (round % 16 !== 0) continue
    assert.ok(listpack.validate(room, start, total), `SEED=${SEED} round ${round}`)
    assert.deepEqual(textsOf(room, start), model, `SEED=${SEED} round ${round}`)
    assert.deepEqual(room.slice(start, start + total), listpackOf(model))
    checkSearch(room, start, model)
  }
  assert.equal(room[start - 1], 0xaa)
})

function seekAny(bytes: Uint8Array, start: number, index: number): number {
  const at = listpack.seek(bytes, start, index)
  assert.equal(at, listpack.seek(bytes, start, index - listpack.count(bytes, start)))
  return at
}

function checkSearch(bytes: Uint8Array, start: number, model: readonly string[]): void {
  const first = listpack.firstEntry(bytes, start)
  for (const skip of [0, 1, 2]) {
    for (let i = 0; i < model.length; i += 7) {
      const found = listpack.find(bytes, first, sliceOf(model[i]!), skip)
      const index = model.findIndex((text, k) => k % (skip + 1) === 0 && text === model[i])
      assert.equal(found, index < 0 ? listpack.END : listpack.seek(bytes, start, index))
    }
  }
}

test('moving entries of one packed value into another keeps their bytes', () => {
  const target = new Uint8Array(LIMITS_BYTES.length)
  edit.writeEmpty(target, 0)
  let at = listpack.firstEntry(LIMITS_BYTES, 0)
  while (at !== listpack.END) {
    at = listpack.readEntry(LIMITS_BYTES, at, ENTRY)
    const end = listpack.endOf(target, 0)
    edit.spliceWithin(target, 0, end, edit.encodedPackedLength(ENTRY))
    assert.equal(edit.encodePacked(ENTRY, target, end), listpack.endOf(target, 0))
    edit.addCount(target, 0, 1)
  }
  assert.deepEqual(target, LIMITS_BYTES)
})

test('damage is seen, and nothing outside of the range is read', () => {
  const random = new Random(SEED)
  const texts = ['a', '5', '-300', '70000', 'x'.repeat(70), '2147483648', 'y'.repeat(5000), 'z']
  const whole = listpackOf(texts)
  for (let length = 0; length < whole.length; length++) {
    assert.ok(!listpack.validate(whole, 0, length), `truncated to ${length}`)
  }
  for (let round = 0; round < 30_000; round++) {
    const isShort = random.below(2) === 0
    const base = isShort ? listpackOf(texts.slice(0, 1 + random.below(4))) : whole
    // Every index that a check may read is within the range: the array ends with it.
    const bytes = guarded(base)
    for (let i = 1 + random.below(3); i > 0; i--) {
      const at = random.below(4) === 0 ? random.below(7) : random.below(base.length)
      bytes[at] = random.below(3) === 0 ? 0xff - random.below(16) : random.below(256)
    }
    if (!listpack.validate(bytes, 0, bytes.length)) continue
    // Damage of contents only: it can be walked both ways.
    const found = textsOf(bytes, 0)
    assert.equal(found.length, listpack.count(bytes, 0), `SEED=${SEED} round ${round}`)
    let walked = 0
    let at = listpack.lastEntry(bytes, 0)
    for (; at !== listpack.END; at = listpack.previousEntry(bytes, 0, at)) walked++
    assert.equal(walked, found.length)
  }
})

test('what comes and goes at the ends moves nothing, and makes the same bytes', () => {
  const random = new Random(SEED)
  const bytes = new Uint8Array(40_000)
  let start = 20_000
  edit.writeEmpty(bytes, start)
  const model: string[] = []
  for (let i = 0; i < 2000; i++) {
    const choice = model.length === 0 ? random.below(2) : random.below(4)
    const text = random.below(2) === 0 ? String(random.u32()) : 'x'.repeat(random.below(150))
    if (choice === 0) {
      start = edit.prependEntry(bytes, start, sliceOf(text))
      model.unshift(text)
    } else if (choice === 1) {
      edit.appendEntry(bytes, start, sliceOf(text))
      model.push(text)
    } else if (choice === 2) {
      const count = Math.min(1 + random.below(3), model.length)
      start = edit.dropFirst(bytes, start, count)
      model.splice(0, count)
    } else {
      edit.dropLast(bytes, start, listpack.lastEntry(bytes, start))
      model.pop()
    }
    const total = listpack.totalBytes(bytes, start)
    assert.deepEqual(bytes.slice(start, start + total), listpackOf(model), `SEED=${SEED} step ${i}`)
  }
})
