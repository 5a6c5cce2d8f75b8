// Bitmaps: strings read and written by bits, bit 0 being the highest bit of byte 0. SETBIT, GETBIT,
// and the rows of the family. Front door of bitmap-count.ts (BITCOUNT, BITPOS), bitmap-combine.ts
// (BITOP), bitmap-field.ts (BITFIELD) and bitmap-bits.ts (what they do with bytes).
//
// Like Redis, what is beyond a string's end reads as zeros; a write beyond it makes the string
// longer; and a string that met a write has the encoding raw, even if no bit changed.

import { Slice } from '../base/slice.ts'
import { Type } from '../keyspace/record.ts'
import { NULL } from '../memory/layout.ts'
import type { Args } from '../resp/args.ts'
import { replyError, WRONG_TYPE } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { keyArgument } from './arguments.ts'
import { bitop } from './bitmap-combine.ts'
import { bitcount, bitpos } from './bitmap-count.ts'
import { bitfield, bitfieldKeyFlags, bitfieldRo } from './bitmap-field.ts'
import { bitOffset, prepareBits, SETBIT } from './bitmap-write.ts'
import { type Command, type Context, Flag } from './command.ts'
import { noteChange } from './key-event.ts'

const NOT_BIT = replyError('ERR bit is not an integer or out of range')

/** The byte that SETBIT writes. */
const BYTE = new Slice().set(new Uint8Array(1), 0, 1)

/** SETBIT key offset 0|1: the bit as it was. O(1), but for making the string longer. */
export function setbit(context: Context, args: Args, reply: Reply): void {
  const offset = bitOffset(context, args, 2, reply)
  if (offset < 0) return
  const bit = args.integer(3)
  if (bit !== 0 && bit !== 1) return reply.error(NOT_BIT)
  const { db, value } = context
  const key = keyArgument(context, args, 1)
  const found = db.findForWrite(key)
  if (found !== NULL && db.typeOf(found) !== Type.String) return reply.error(WRONG_TYPE)
  const at = Math.floor(offset / 8)
  const oldLength = found === NULL ? -1 : db.stringLength(found)
  const record = prepareBits(context, key, found, at + 1)
  db.readString(record, value)
  const byte = value.bytes[value.start + at]!
  const mask = 0x80 >>> (offset & 7)
  const changed = bit === 1 ? byte | mask : byte & ~mask
  if (changed !== byte) {
    BYTE.bytes[0] = changed
    db.writeString(record, at, BYTE)
  }
  if (changed !== byte || value.length !== oldLength) noteChange(context, key, SETBIT)
  reply.integer((byte & mask) === 0 ? 0 : 1)
}

/** GETBIT key offset: the bit; 0 beyond the end. O(1). */
export function getbit(context: Context, args: Args, reply: Reply): void {
  const offset = bitOffset(context, args, 2, reply)
  if (offset < 0) return
  const { db, value } = context
  const record = db.find(keyArgument(context, args, 1))
  if (record === NULL) return reply.integer(0)
  if (db.typeOf(record) !== Type.String) return reply.error(WRONG_TYPE)
  db.readString(record, value)
  const at = Math.floor(offset / 8)
  const byte = at < value.length ? value.bytes[value.start + at]! : 0
  reply.integer((byte >>> (7 - (offset & 7))) & 1)
}

const READ = { flags: Flag.ReadOnly, keys: [1, 1, 1], group: 'bitmap' } as const
const WRITE = { ...READ, flags: Flag.Write | Flag.DenyOom } as const

export const bitmapCommands: readonly Command[] = [
  {
    ...READ,
    name: 'bitcount',
    arity: -2,
    since: '2.6.0',
    run: bitcount,
    summary: 'Count the bits that are set in a string',
    complexity: 'O(N), where N is the length of the part that is counted.',
    keyFlags: ['RO access'],
  },
  {
    ...WRITE,
    name: 'bitfield',
    arity: -2,
    since: '3.2.0',
    run: bitfield,
    summary: 'Read and write integers of any width inside a string',
    complexity: 'O(1) for each operation.',
    keyFlags: ['RW access update variable_flags'],
    keyFlagsOf: bitfieldKeyFlags,
  },
  {
    ...READ,
    flags: Flag.ReadOnly | Flag.Fast,
    name: 'bitfield_ro',
    arity: -2,
    since: '6.0.0',
    run: bitfieldRo,
    summary: 'Read integers of any width inside a string',
    complexity: 'O(1) for each operation.',
    keyFlags: ['RO access'],
  },
  {
    ...WRITE,
    name: 'bitop',
    arity: -4,
    keys: [2, -1, 1],
    since: '2.6.0',
    run: bitop,
    summary: 'Combine strings bit by bit and store the result',
    complexity: 'O(N), where N is the length of all sources together.',
    keyFlags: ['OW update', 'RO access'],
  },
  {
    ...READ,
    name: 'bitpos',
    arity: -3,
    since: '2.8.7',
    run: bitpos,
    summary: 'Find the first bit that is set or clear in a string',
    complexity: 'O(N), where N is the length of the part that is searched.',
    keyFlags: ['RO access'],
  },
  {
    ...READ,
    flags: Flag.ReadOnly | Flag.Fast,
    name: 'getbit',
    arity: 3,
    since: '2.2.0',
    run: getbit,
    summary: 'Get the bit at an offset of a string',
    complexity: 'O(1)',
    keyFlags: ['RO access'],
  },
  {
    ...WRITE,
    name: 'setbit',
    arity: 4,
    since: '2.2.0',
    run: setbit,
    summary: 'Set or clear the bit at an offset of a string',
    complexity: 'O(1), and O(N) when the string must move.',
    keyFlags: ['RW access update'],
  },
]
