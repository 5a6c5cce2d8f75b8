// Goal: commands come out as they were written, whatever the size of reads and buffer, and a file
// cut or damaged at any byte is told apart with the right offset. Method: one file with all that
// can stand in it, cut at every byte and damaged at every byte.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Args } from '../../resp/args.ts'
import { AofRead, AofReader, type AofSource } from './aof-reader.ts'

const command = (...words: string[]) =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`

const PIECES = [
  command('SELECT', '0'),
  '#TS:1700000000\r\n',
  command('SET', 'key', ''),
  command('SET', 'k', 'x'.repeat(300)),
  '# a remark\r\n',
  command('RPUSH', 'list', ...Array.from({ length: 20 }, (_, i) => `item:${i}`)),
]
const WHOLE = PIECES.join('')

function source(text: string, readMax = Number.POSITIVE_INFINITY): AofSource {
  const bytes = Buffer.from(text, 'latin1')
  return {
    path: 'x.aof',
    size: () => bytes.length,
    read: (into, start, length, position) =>
      bytes.copy(into, start, position, position + Math.min(length, readMax)),
  }
}

/** What is read until the end, and how it ended. */
function readAll(text: string, bufferBytes = 64, readMax?: number) {
  const reader = new AofReader(bufferBytes)
  const args = new Args()
  reader.open(source(text, readMax))
  const items: string[] = []
  for (;;) {
    const found = reader.next(args)
    if (found === AofRead.Annotation) items.push(`#${reader.timestamp}`)
    else if (found === AofRead.Command) {
      const words = Array.from({ length: args.count }, (_, i) => args.text(i))
      items.push(command(...words))
    } else return { items, found, reader }
    assert.ok(items.length < 100, 'comes to an end')
  }
}

const ITEMS = [PIECES[0], '#1700000000', PIECES[2], PIECES[3], '#-1', PIECES[5]]

test('commands and annotations come as they are, with any buffer and any reads', () => {
  for (const bufferBytes of [64, 100, 4096]) {
    for (const readMax of [1, 7, 64, 5000]) {
      const { items, found, reader } = readAll(WHOLE, bufferBytes, readMax)
      assert.deepEqual(items, ITEMS)
      assert.equal(found, AofRead.End)
      assert.equal(reader.wholeEnd, WHOLE.length)
    }
  }
})

test('a file cut at any byte is whole up to the last command before it', () => {
  const ends = [0]
  for (const piece of PIECES) ends.push(ends.at(-1)! + piece.length)
  for (let cut = 0; cut < WHOLE.length; cut++) {
    const { items, found, reader } = readAll(WHOLE.slice(0, cut))
    const whole = ends.filter((end) => end <= cut).at(-1)!
    assert.equal(found, whole === cut ? AofRead.End : AofRead.Truncated, `cut at ${cut}`)
    assert.equal(reader.wholeEnd, whole)
    assert.equal(items.length, ends.indexOf(whole))
  }
})

test('a byte that is damaged outside of contents is found, and never read past', () => {
  const text = command('SET', 'k', 'v')
  for (let i = 0; i < text.length; i++) {
    const isContent = 'SETkv'.includes(text[i]!)
    const { items, found, reader } = readAll(`${text.slice(0, i)}\0${text.slice(i + 1)}${text}`)
    if (isContent) {
      assert.equal(found, AofRead.End)
      continue
    }
    assert.equal(found, AofRead.Damaged, `byte ${i}`)
    assert.equal(items.length, 0)
    assert.ok(Math.abs(reader.badOffset - i) <= 3, `byte ${i}: ${reader.badOffset}`)
    assert.match(reader.reason, /^Expected .*, got: "/)
    assert.equal(reader.wholeEnd, 0)
  }
})

test('lengths beyond the file cost nothing and mean that it is cut', () => {
  for (const text of ['*1\r\n$2000000000\r\nx', '*1000000\r\n$1\r\na\r\n', '*1\r\n$3\r\nabc']) {
    assert.equal(readAll(text).found, AofRead.Truncated)
  }
  for (const text of ['*1\r\n$99999999999\r\nx', '*0\r\n', '*-1\r\n', `*${'1'.repeat(99)}\r\n`]) {
    assert.equal(readAll(text).found, AofRead.Damaged)
  }
})

test('a preamble is recognised at the beginning only', () => {
  assert.equal(readAll('REDIS0010').found, AofRead.Preamble)
  assert.equal(readAll('REDIS').found, AofRead.Preamble)
  assert.equal(readAll('REDI').found, AofRead.Damaged)
  assert.equal(readAll(`${PIECES[0]}REDIS0010`).found, AofRead.Damaged)
})

test('reading goes on behind a preamble', () => {
  const reader = new AofReader()
  const args = new Args()
  reader.open(source(`REDIS....${PIECES[0]}`), 9)
  assert.equal(reader.next(args), AofRead.Command)
  assert.equal(reader.commandStart, 9)
  assert.equal(reader.next(args), AofRead.End)
})
