// Fuzz of RDB files through the loader: a valid file with random damage is loaded with the data it
// had before, or refused by a StoreError; never an assertion, a hang, or memory beyond what the
// file could fill. In half of the rounds the checksum is made right again, so that the damage
// reaches the reader's other checks; then any data may come out, but a sound keyspace.
//
//   node test/fuzz/rdb.ts [rounds]     SEED=n repeats a run

import assert from 'node:assert/strict'
import { FakeDisk } from '../../src/base/disk-fake.ts'
import { StoreError } from '../../src/base/errors.ts'
import { Random } from '../../src/base/random.ts'
import { Keyspace } from '../../src/keyspace/keyspace.ts'
import { contentsOf } from '../../src/keyspace/test-contents.ts'
import { RdbLoader } from '../../src/persist/loader.ts'
import { Kernels } from '../../src/persist/rdb/kernels.ts'
import { TestServer } from '../../src/server/test-server.ts'
import { differenceOf } from '../simulation/model.ts'

const PATH = '/data/dump.rdb'
const NOW_MS = 1_700_000_000_000
const PAGE_CAPACITY = 16384
const DATABASES = 16
const CHECKSUM_BYTES = 8
/** Longest load of a file of some KB. */
const LOAD_MS_MAX = 2000
/** LZF makes at most 264 bytes of 3; pages, slabs and tables come on top. */
const EXPANSION_MAX = 100
const FIXED_BYTES = 4 * 1024 * 1024
/** Bytes that mean something in the format: opcodes, lengths, encodings. */
const TELLING = [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xc0, 0xc1, 0xc2, 0xc3, 0xf5, 0xfa, 0xfe, 0xff]

export interface FuzzOptions {
  readonly seed: number
  readonly rounds: number
}

/** Runs the rounds; returns how many files were loaded and how many refused. */
export function fuzzRdb({ seed, rounds }: FuzzOptions): { loaded: number; refused: number } {
  const random = new Random(seed)
  const kernels = new Kernels(1 << 20)
  const tally = { loaded: 0, refused: 0 }
  let file = validFile(random)
  for (let round = 0; round < rounds; round++) {
    if (round % 100 === 99) file = validFile(random)
    const isResealed = random.below(2) === 0
    const damaged = damage(file, random)
    const bytes = isResealed ? seal(damaged, kernels) : damaged
    // Eight zeros say that a file has no checksum.
    const isChecked = !isResealed && bytes.subarray(-CHECKSUM_BYTES).some((byte) => byte !== 0)
    try {
      const isLoaded = tryLoad(bytes, isChecked ? file : null)
      if (isLoaded) tally.loaded++
      else tally.refused++
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new Error(`SEED=${seed} round ${round}: ${reason}`, { cause })
    }
  }
  return tally
}

/** A file as our own server writes it, with all forms of strings, keys and deadlines. */
function validFile(random: Random): Buffer {
  const config = { save: '', rdbcompression: random.below(2) === 0 ? 'yes' : 'no' }
  const server = new TestServer({ config, hasPersistence: true, pageCapacity: PAGE_CAPACITY })
  const client = server.connect()
  const count = random.below(60)
  for (let i = 0; i < count; i++) {
    if (random.below(10) === 0) client.call('SELECT', String(random.below(DATABASES)))
    const lifetime = random.below(3) === 0 ? ['PX', String(1000 + random.below(1e9))] : []
    client.call('SET', randomText(random, 40), randomText(random, 3000), ...lifetime)
  }
  assert.equal(client.call('SAVE'), '+OK\r\n')
  return Buffer.from(server.disk.contents(PATH)!)
}

function randomText(random: Random, lengthMax: number): string {
  const kind = random.below(4)
  if (kind === 0) return String(random.u32() - 2 ** 31)
  if (kind === 1) return String.fromCharCode(random.below(256)).repeat(random.below(lengthMax))
  const length = random.below(kind === 2 ? 20 : lengthMax)
  return Array.from({ length }, () => String.fromCharCode(random.below(256))).join('')
}

/** The file with one to four changes. */
function damage(file: Buffer, random: Random): Buffer {
  let bytes = Buffer.from(file)
  const changes = 1 + random.below(4)
  for (let i = 0; i < changes; i++) {
    const at = random.below(bytes.length + 1)
    const length = random.below(random.below(4) === 0 ? 200 : 6)
    const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)]
    switch (random.below(7)) {
      case 0:
        if (at < bytes.length) bytes[at] = bytes[at]! ^ (1 << random.below(8))
        break
      case 1:
        if (at < bytes.length) bytes[at] = TELLING[random.below(TELLING.length)]!
        break
      case 2:
        if (at < bytes.length) bytes[at] = random.below(256)
        break
      case 3:
        bytes = Buffer.concat([head, tail.subarray(length)])
        break
      case 4:
        bytes = Buffer.concat([head, noise(random, length), tail])
        break
      case 5:
        bytes = Buffer.concat([head, head.subarray(-length), tail])
        break
      default:
        if (random.below(4) === 0) bytes = Buffer.from(head)
        else bytes.subarray(at, at + length).fill(TELLING[random.below(TELLING.length)]!)
    }
  }
  return bytes
}

function noise(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.below(256)))
}

/** The file with the checksum that it should have. */
function seal(file: Buffer, kernels: Kernels): Buffer {
  if (file.length <= CHECKSUM_BYTES) return file
  const body = file.subarray(0, file.length - CHECKSUM_BYTES)
  const checksum = Buffer.alloc(CHECKSUM_BYTES)
  checksum.writeBigUInt64LE(kernels.crcOf(0n, body, 0, body.length))
  return Buffer.concat([body, checksum])
}

/** Whether the file was loaded; then it must hold what `original` does, unless that is null. */
function tryLoad(bytes: Buffer, original: Buffer | null): boolean {
  const startMs = performance.now()
  const keyspace = load(bytes)
  const ms = performance.now() - startMs
  assert.ok(ms < LOAD_MS_MAX, `${Math.round(ms)} ms for ${bytes.length} bytes`)
  if (keyspace === null) return false
  if (original === null) return true
  const expected = load(original)
  assert.ok(expected !== null, 'the undamaged file is loaded')
  assert.equal(differenceOf(contentsOf(keyspace), contentsOf(expected)), '')
  return true
}

/** The keyspace that the file makes; null when it is refused. */
function load(bytes: Buffer): Keyspace | null {
  const disk = new FakeDisk()
  disk.put(PATH, bytes)
  const keyspace = new Keyspace({ databaseCount: DATABASES, pageCapacity: PAGE_CAPACITY })
  keyspace.advance(NOW_MS)
  const usedBefore = keyspace.usedBytes
  const options = { checksum: true, memoryLimitBytes: 0, nowMs: NOW_MS, mayOverwrite: false }
  let loader: RdbLoader | null = null
  try {
    loader = new RdbLoader(disk, PATH, keyspace, options)
    let hasMore = true
    while (hasMore) hasMore = loader.step(1024)
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    assert.match(error.message, /^\/data\/dump\.rdb: .*(byte|expected)/, 'says file and place')
    return null
  } finally {
    loader?.close()
    const used = keyspace.usedBytes - usedBefore
    assert.ok(used <= FIXED_BYTES + bytes.length * EXPANSION_MAX, `${used} bytes of memory`)
  }
  keyspace.check()
  return keyspace
}

if (import.meta.main) {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  const rounds = Number(process.argv[2] ?? 50_000)
  console.log(`SEED=${seed}`)
  const { loaded, refused } = fuzzRdb({ seed, rounds })
  console.log(`${rounds} rounds: ${loaded} loaded, ${refused} refused`)
}
