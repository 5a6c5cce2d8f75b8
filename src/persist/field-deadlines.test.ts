// Goal: deadlines of fields survive DUMP and RESTORE, and files; the bytes are those of Redis 7.4's
// types 24 and 25, in files and payloads of version 12, while hashes without deadlines stay as
// Redis 7.0 reads them; a cut holds the deadlines of its instant, whatever expires or is set
// meanwhile.
// Method: literal bytes; round trips in all forms; seeded random commands between the steps of a
// snapshot in checking mode, its file loaded and compared with the state at the cut.

import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { latin1 } from '../base/bytes.ts'
import { FakeDisk } from '../base/disk-fake.ts'
import { Random } from '../base/random.ts'
import { type Answer, Harness, line, OK } from '../command/harness.ts'
import { FieldExpireCycle } from '../keyspace/field-expire.ts'
import { dumpCommands } from './dump.ts'
import { Persistence } from './persistence.ts'
import { SteppedRunner } from './snapshot/test-runner.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9))
const ROUNDS = Number(process.env['ROUNDS'] ?? 8)
console.log(`SEED=${SEED}`)

const PATH = '/data/dump.rdb'
const BAD_FORMAT = line('-ERR Bad data format')
/** A payload's last bytes when its checksum is not looked at. */
const FOOTER = '0c000000000000000000'

function harnessOf(seed = 1): Harness {
  return new Harness({ seed, commands: dumpCommands })
}

function run(harness: Harness, command: string): Answer {
  return harness.run(...command.split(' '))
}

function dumpOf(harness: Harness, key: string): Uint8Array {
  const payload = harness.run('dump', key)
  ok(typeof payload === 'string')
  return latin1(payload)
}

/** The payload without its checksum, in hexadecimal. */
function hexOf(payload: Uint8Array): string {
  return Buffer.from(payload.subarray(0, payload.length - 8)).toString('hex')
}

function restoreHex(harness: Harness, key: string, hex: string): Answer {
  harness.context.limits.isPayloadChecked = false
  return harness.run('restore', key, 0, Buffer.from(hex + FOOTER, 'hex'), 'replace')
}

/** 1900000000000 and 2000000000000 as eight bytes. */
const EARLY = '0038d360ba010000'
const LATE = '00204aa9d1010000'
/** Fields b and c with deadlines and a without, as Redis 7.4 orders them. */
const LISTPACK =
  `2c000000${'0900'}` +
  `816202${'0201'}f4${EARLY}09` +
  `816302${'0301'}f4${LATE}09` +
  `816102${'0101'}${'0001'}ff`

test('the bytes of both types', () => {
  const harness = harnessOf()
  run(harness, 'hset h a 1 b 2 c 3')
  equal(hexOf(dumpOf(harness, 'h')).slice(-4), '0a00', 'version 10 without deadlines')
  run(harness, 'hpexpireat h 2000000000000 fields 1 c')
  run(harness, 'hpexpireat h 1900000000000 fields 1 b')
  equal(hexOf(dumpOf(harness, 'h')), `19${EARLY}2c${LISTPACK}0c00`)
  harness.context.limits.encodings.hashValueMax = 1
  run(harness, 'hset g a 10 b 20')
  run(harness, 'hpexpireat g 1900000000000 fields 1 b')
  equal(hexOf(dumpOf(harness, 'g')), `18${EARLY}02${'000161c00a'}${'010162c014'}0c00`)
  // Without any deadline left it is what Redis 7.0 reads again.
  run(harness, 'hpersist h fields 2 b c')
  equal(run(harness, 'object encoding h'), 'listpackex')
  equal(hexOf(dumpOf(harness, 'h')), '0403' + '0161c001' + '0162c002' + '0163c003' + '0a00')
})

test('payloads of Redis 7.4 are read', () => {
  const harness = harnessOf()
  const packed = `19${EARLY}2c${LISTPACK}`
  const plain = `18${EARLY}03${'000161c00a'}${'010162c014'}${'020163c01e'}`
  for (const [hex, times] of [
    [packed, [1_900_000_000_000, 2_000_000_000_000]],
    [plain, [1_900_000_000_000, 1_900_000_000_001]],
  ] as const) {
    deepEqual(restoreHex(harness, 'k', hex), OK)
    deepEqual(run(harness, 'hpexpiretime k fields 3 a b c'), [-1, ...times])
    equal(harness.context.db.fieldDeadlines.count, 1)
    equal(run(harness, 'hlen k'), 3)
  }
  // What has expired since is not there for anybody.
  harness.advance(1_900_000_000_000 - harness.context.nowMs)
  deepEqual(run(harness, 'hkeys k'), ['a', 'c'])
  deepEqual(restoreHex(harness, 'k', plain), OK)
  deepEqual(run(harness, 'hkeys k'), ['a', 'c'])
})

test('damaged payloads are errors and change nothing', () => {
  const harness = harnessOf()
  run(harness, 'hset k kept 1')
  const bad = [
    `19${EARLY}2c${LISTPACK.replace('0900', '0800')}`,
    // Two fields without the last deadline.
    `19${EARLY}0d0d000000020081610201010001ff`,
    // A deadline that is a text, and one below 0.
    `19${EARLY}0f0f00000003008161020101817802ff`,
    `19${EARLY}0f0f00000003008161020101dfff02ff`,
    // A field twice.
    `18${EARLY}02${'000161c00a'}${'010161c014'}`,
    // A deadline beyond what a number holds; one before 1970.
    `18ffffffffffffff7f01${'010161c00a'}`,
    `18f0ffffffffffffff01${'010161c00a'}`,
    `18${EARLY}02${'000161c00a'}`,
    `18${EARLY}00`,
    `19${EARLY}07${'07000000' + '0000' + 'ff'}`,
  ]
  for (const hex of bad) deepEqual(restoreHex(harness, 'k', hex), BAD_FORMAT, hex)
  deepEqual(run(harness, 'hgetall k'), ['kept', '1'])
  equal(harness.keyspace.size, 1)
  equal(harness.context.db.fieldDeadlines.count, 0)
})

test('no flipped bit and no cut of a payload does more than fail', () => {
  const harness = harnessOf()
  let refused = 0
  for (const hex of [`19${EARLY}2c${LISTPACK}`, `18${EARLY}02${'000161c00a'}${'010162c014'}`]) {
    for (let at = 0; at < hex.length / 2; at++) {
      for (let bit = 0; bit <= 8; bit++) {
        const bytes = Buffer.from(hex, 'hex')
        const damaged = bit === 8 ? bytes.subarray(0, at) : bytes
        if (bit < 8) bytes[at] = bytes[at]! ^ (1 << bit)
        const answer = restoreHex(harness, 'k', damaged.toString('hex'))
        if (answer !== null && typeof answer === 'object' && 'line' in answer) {
          if (answer.line !== '+OK') refused++
        }
        run(harness, 'hgetall k')
      }
    }
    harness.keyspace.check()
  }
  ok(refused > 200)
})

test('DUMP and RESTORE, RENAME, MOVE and COPY keep deadlines, in every form', () => {
  for (const { count, valueMax } of [
    { count: 5, valueMax: 64 },
    { count: 5, valueMax: 1 },
    { count: 3000, valueMax: 64 },
  ]) {
    const harness = harnessOf()
    harness.context.limits.encodings.hashValueMax = valueMax
    for (let i = 0; i < count; i++) {
      harness.run('hset', 'h', `f${i}`, `value${i}`)
      if (i % 3 > 0) harness.run('hpexpire', 'h', 1000 * i, 'fields', 1, `f${i}`)
    }
    const encoding = run(harness, 'object encoding h')
    const fields = Array.from({ length: count }, (_, i) => `f${i}`)
    const times = (key: string): Answer =>
      harness.run('hpexpiretime', key, 'fields', count, ...fields)
    const expected = times('h')
    deepEqual(harness.run('restore', 'restored', 0, dumpOf(harness, 'h')), OK)
    equal(run(harness, 'copy h copied'), 1)
    equal(run(harness, 'copy h copied replace'), 1)
    deepEqual(run(harness, 'rename h renamed'), OK)
    for (const key of ['restored', 'copied', 'renamed']) {
      deepEqual(times(key), expected, key)
      equal(run(harness, `object encoding ${key}`), encoding, key)
      equal(run(harness, `move ${key} 1`), 1)
    }
    equal(harness.keyspace.databases[0]!.fieldDeadlines.count, 0)
    equal(harness.keyspace.databases[1]!.fieldDeadlines.count, 3)
    harness.context.db = harness.keyspace.databases[1]!
    for (const key of ['restored', 'copied', 'renamed']) deepEqual(times(key), expected, key)
    // Each has its own: what expires in one stays in the other.
    run(harness, `hpersist copied fields ${count} ${fields.join(' ')}`)
    equal(harness.context.db.fieldDeadlines.count, 2)
    deepEqual(times('renamed'), expected)
    harness.keyspace.check()
  }
})

/** Persistence of a harness, on a disk in memory. */
function persistenceOf(harness: Harness, disk: FakeDisk, runner: SteppedRunner): Persistence {
  const silent = (): undefined => undefined
  const log = { level: 3, debug: silent, verbose: silent, notice: silent, warning: silent }
  return new Persistence({
    keyspace: harness.keyspace,
    disk,
    clock: harness.clock,
    log: { ...log, raw: silent } as never,
    settings: {
      filePath: PATH,
      savePoints: [],
      compress: true,
      checksum: true,
      syncsWhileWriting: true,
      stopsWritesOnError: true,
      reserveBytes: 64 * 4096,
      method: 'background',
      stallTimeoutSeconds: 60,
      keyDelayUs: 0,
      keepsClocks: false,
      version: '7.0.15',
      usedMemory: 0,
    },
    runner,
    processId: 1,
    isChecking: true,
    relieve: () => runner.step(),
  })
}

/** All that clients see of the hashes. */
function contentsOf(harness: Harness): string {
  const found: string[] = []
  const keys = (run(harness, 'keys *') as string[]).sort()
  for (const key of keys) {
    const names = (harness.run('hkeys', key) as string[]).sort()
    if (names.length === 0) continue
    const values = harness.run('hmget', key, ...names)
    const times = harness.run('hpexpiretime', key, 'fields', names.length, ...names)
    found.push(JSON.stringify([key, names, values, times]))
  }
  return found.join('\n')
}

function change(harness: Harness, random: Random): void {
  const key = `k${random.below(5)}`
  const span = key === 'k0' ? 2000 : 20
  const names = Array.from({ length: 1 + random.below(8) }, () => `f${random.below(span)}`)
  const choice = random.below(100)
  if (choice < 45) {
    const long = random.below(30) === 0 ? 12_000 : random.below(50)
    harness.run('hset', key, ...names.flatMap((name) => [name, `${random.u32()}`.padEnd(long)]))
  } else if (choice < 75) {
    harness.run('hpexpire', key, random.below(2000), 'fields', names.length, ...names)
  } else if (choice < 80) harness.run('hpersist', key, 'fields', names.length, ...names)
  else if (choice < 85) harness.run('hdel', key, ...names)
  else if (choice < 90) harness.advance(random.below(300))
  else if (choice < 92) run(harness, `copy ${key} k${random.below(5)} replace`)
  else if (choice < 93) run(harness, `del ${key}`)
  else if (choice < 97) {
    const { nowMs } = harness.context
    const cycle = new FieldExpireCycle(harness.keyspace)
    cycle.run({ nowMs, limitUs: 0, monotonicUs: () => random.below(2) })
  }
}

test('a cut holds the deadlines of its instant', () => {
  const random = new Random(SEED)
  const disk = new FakeDisk()
  disk.makeDirectory('/data')
  for (let round = 0; round < ROUNDS; round++) {
    const harness = harnessOf(SEED + round)
    const runner = new SteppedRunner(disk)
    const persistence = persistenceOf(harness, disk, runner)
    for (let i = 0; i < 1500; i++) change(harness, random)
    const hasDeadlines = harness.context.db.fieldDeadlines.count > 0
    const expected = contentsOf(harness)
    const cutMs = harness.context.nowMs
    equal(persistence.startBackground(), null)
    for (let i = 0; persistence.isSaving; i++) {
      for (let turn = 0; turn < 10; turn++) change(harness, random)
      if (i % 2 === 0) runner.step()
      persistence.cron()
    }
    ok(persistence.isLastSaveOk)
    harness.keyspace.check()
    const head = Buffer.from(disk.contents(PATH)!).toString('latin1', 0, 9)
    equal(head, hasDeadlines ? 'REDIS0012' : 'REDIS0010')
    const loaded = harnessOf()
    loaded.advance(cutMs - loaded.context.nowMs)
    persistenceOf(loaded, disk, runner).loadNow({ mayOverwrite: false })
    loaded.keyspace.check()
    equal(contentsOf(loaded), expected)
  }
})

test('a file without deadlines stays one that Redis 7.0 reads', () => {
  const disk = new FakeDisk()
  disk.makeDirectory('/data')
  const harness = harnessOf()
  const persistence = persistenceOf(harness, disk, new SteppedRunner(disk))
  run(harness, 'hset h a 1 b 2')
  run(harness, 'hexpire h 10 fields 1 a')
  run(harness, 'hset h a 3')
  equal(persistence.save(), null)
  match(Buffer.from(disk.contents(PATH)!).toString('latin1'), /^REDIS0010/)
  run(harness, 'hexpire h 10 fields 1 a')
  equal(persistence.save(), null)
  match(Buffer.from(disk.contents(PATH)!).toString('latin1'), /^REDIS0012/)
})
