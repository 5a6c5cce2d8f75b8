// Help for tests of packed values: literal bytes, slices and listpacks of texts, and the texts of a
// listpack. Texts have one character per byte; a slice has digits on both sides, so that a parser
// that leaves its range finds an integer that is not there.

import assert from 'node:assert/strict'
import { Slice } from '../../base/slice.ts'
import { EMPTY_BYTES, END, endOf, firstEntry, readEntry } from './listpack.ts'
import { encodedLength, insertEntry, writeEmpty } from './listpack-edit.ts'
import { PackedEntry } from './packed.ts'

/** Bytes of hexadecimal digits; blanks are for the reader. */
export function hex(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits.replaceAll(' ', ''), 'hex'))
}

/** A slice over a text, one byte per character, with other bytes on both sides. */
export function sliceOf(text: string): Slice {
  const bytes = Buffer.from(`7${text}7`, 'latin1')
  return new Slice().set(bytes, 1, text.length)
}

/** A listpack of texts in an array of its own length. */
export function listpackOf(texts: readonly string[]): Uint8Array {
  let total = EMPTY_BYTES
  for (const text of texts) total += encodedLength(sliceOf(text))
  const bytes = new Uint8Array(total)
  writeEmpty(bytes, 0)
  for (const text of texts) insertEntry(bytes, 0, endOf(bytes, 0), sliceOf(text))
  return bytes
}

/** The texts of a listpack, first to last. */
export function textsOf(bytes: Uint8Array, start: number): string[] {
  const texts: string[] = []
  const entry = new PackedEntry()
  let at = firstEntry(bytes, start)
  while (at !== END) {
    at = readEntry(bytes, at, entry)
    texts.push(entry.toLatin1())
  }
  return texts
}

/** A copy that throws on reading past its end. */
export function guarded(bytes: Uint8Array): Uint8Array {
  return new Proxy(bytes.slice(), {
    get(target, key) {
      if (typeof key === 'string' && /^\d+$/.test(key)) {
        assert.ok(Number(key) < target.length, `reads byte ${key} of ${target.length}`)
      }
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    },
    set: (target, key, value) => Reflect.set(target, key, value),
  })
}
