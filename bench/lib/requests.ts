// Batches of SET commands in prebuilt buffers. Only the key's digits and the value's bytes change
// from one use to the next, so that the generator costs less than the server it drives:
//
//    *3 $3 SET $16 key:000000000042 $64 <value>
//                      |- 12 digits -|
//
// Keys are 16 bytes, in redis-benchmark's form, so that its keys and ours are the same ones.
// Values are slices at random offsets of a pool that is random bytes (nothing to compress) or
// JSON records (LZF saves about half).

import { Random } from '../../src/base/random.ts'

export type ValueKind = 'random' | 'compressible'

export const KEY_BYTES = 16
const KEY_DIGITS = 12
const POOL_BYTES = 1 << 20

const WORDS = [
  'account',
  'active',
  'address',
  'amount',
  'balance',
  'basket',
  'city',
  'country',
  'created',
  'currency',
  'customer',
  'delivery',
  'discount',
  'email',
  'false',
  'history',
  'invoice',
  'item',
  'language',
  'name',
  'null',
  'order',
  'payment',
  'phone',
  'price',
  'product',
  'quantity',
  'session',
  'shipping',
  'status',
  'street',
  'total',
  'true',
  'updated',
  'user',
  'visited',
] as const

export interface RequestShape {
  readonly valueBytes: number
  readonly valueKind: ValueKind
  /** Commands in a full batch. */
  readonly pipeline: number
}

/** Where values come from: a pool of bytes, filled once. */
export class ValuePool {
  readonly bytes: Buffer
  #random: Random

  constructor(kind: ValueKind, seed: number) {
    this.#random = new Random(seed)
    this.bytes = kind === 'random' ? randomPool(this.#random) : textPool(this.#random)
  }

  /** Copies `length` bytes from a random place of the pool to `target[start, …)`. */
  copyTo(target: Buffer, start: number, length: number): void {
    const offset = this.#random.below(POOL_BYTES - length)
    this.bytes.copy(target, start, offset, offset + length)
  }
}

/** A buffer of `pipeline` SET commands, all of one size. */
export class SetBatch {
  readonly bytes: Buffer
  readonly commandBytes: number
  #valueBytes: number
  #keyStart: number
  #valueStart: number

  constructor(shape: RequestShape) {
    const head = `*3\r\n$3\r\nSET\r\n$${KEY_BYTES}\r\nkey:`
    const middle = `\r\n$${shape.valueBytes}\r\n`
    const command = `${head}${'0'.repeat(KEY_DIGITS)}${middle}${'x'.repeat(shape.valueBytes)}\r\n`
    this.#valueBytes = shape.valueBytes
    this.#keyStart = head.length
    this.#valueStart = head.length + KEY_DIGITS + middle.length
    this.commandBytes = command.length
    this.bytes = Buffer.from(command.repeat(shape.pipeline), 'latin1')
  }

  /** Makes the command at `index` a SET of key number `key` with a value out of the pool. */
  fill(index: number, key: number, pool: ValuePool): void {
    const start = index * this.commandBytes
    writeDigits(this.bytes, start + this.#keyStart + KEY_DIGITS - 1, key)
    pool.copyTo(this.bytes, start + this.#valueStart, this.#valueBytes)
  }

  /** The first `count` commands. */
  view(count: number): Buffer {
    return this.bytes.subarray(0, count * this.commandBytes)
  }
}

/** Writes all twelve digits of `key`, ending at `last`. Key numbers stay below 2^31. */
function writeDigits(target: Buffer, last: number, key: number): void {
  let rest = key
  for (let i = 0; i < KEY_DIGITS; i++) {
    const next = (rest / 10) | 0
    target[last - i] = 48 + rest - next * 10
    rest = next
  }
}

function randomPool(random: Random): Buffer {
  const pool = Buffer.alloc(POOL_BYTES)
  for (let i = 0; i < POOL_BYTES; i += 4) pool.writeUInt32LE(random.u32(), i)
  return pool
}

/** Records with the same fields and other values, as in the JSON that people keep in Redis. */
function textPool(random: Random): Buffer {
  const word = () => WORDS[random.below(WORDS.length)]
  let text = ''
  while (text.length < POOL_BYTES) {
    text += `{"product":"${word()}","quantity":${random.below(100)},"currency":"EUR",`
    text += `"price":${random.below(10_000)},"discount":null,"status":"${word()}"},`
  }
  return Buffer.from(text.slice(0, POOL_BYTES), 'latin1')
}
