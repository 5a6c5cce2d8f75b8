// The expectations of conformance files must be able to fail: what each notation matches and what
// it does not, in both protocols, and what the parser refuses.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseValue } from '../lib/resp.ts'
import { parseCases } from './parse.ts'
import { matches, type Protocol, parsePattern } from './pattern.ts'
import { FormatError, matchesGlob, resolvePiece, splitWords } from './scanner.ts'

// Pattern, reply on the wire, protocol, whether it matches.
const TABLE: readonly [string, string, Protocol, boolean][] = [
  ['+OK', '+OK\r\n', 2, true],
  ['+OK', '$2\r\nOK\r\n', 2, false],
  ['+OK', '+OKAY\r\n', 2, false],
  ['-ERR no such key', '-ERR no such key\r\n', 2, true],
  ['-ERR no such key', '-ERR no such keys\r\n', 2, false],
  ['-~ERR no*', '-ERR no such key\r\n', 2, true],
  ['-~ERR no*', '+ERR no such key\r\n', 2, false],
  ['-"ERR a "', '-ERR a \r\n', 2, true],
  ['-"ERR a "', '-ERR a\r\n', 2, false],
  [':1', ':1\r\n', 2, true],
  [':1', ':2\r\n', 2, false],
  [':1', '$1\r\n1\r\n', 2, false],
  [':1..3', ':3\r\n', 2, true],
  [':1..3', ':4\r\n', 2, false],
  [':-5..-3', ':-4\r\n', 2, true],
  [':$n+1', ':8\r\n', 2, true],
  [':$n+1', ':9\r\n', 2, false],
  [':9223372036854775807', ':9223372036854775806\r\n', 2, false],
  ['"a\\x00b"', '$3\r\na\0b\r\n', 2, true],
  ['"a"', '+a\r\n', 2, false],
  ['"a"', '$1\r\nb\r\n', 2, false],
  ['""', '$0\r\n\r\n', 2, true],
  ['""', '$-1\r\n', 2, false],
  ['~"a*c"', '$4\r\na\r\nc\r\n', 2, true],
  ['~"a?c"', '$4\r\nabbc\r\n', 2, false],
  ['nil', '$-1\r\n', 2, true],
  ['nil', '*-1\r\n', 2, false],
  ['nil', '_\r\n', 3, true],
  ['nil', '$-1\r\n', 3, false],
  ['nil-array', '*-1\r\n', 2, true],
  ['nil-array', '$-1\r\n', 2, false],
  ['[]', '*0\r\n', 2, true],
  ['[]', '*-1\r\n', 2, false],
  ['["a" :1]', '*2\r\n$1\r\na\r\n:1\r\n', 2, true],
  ['["a" :1]', '*2\r\n:1\r\n$1\r\na\r\n', 2, false],
  ['["a"]', '*2\r\n$1\r\na\r\n:1\r\n', 2, false],
  ['["a" ...]', '*2\r\n$1\r\na\r\n:1\r\n', 2, true],
  ['["a" :1 ...]', '*1\r\n$1\r\na\r\n', 2, false],
  ['unordered[:1 :2]', '*2\r\n:2\r\n:1\r\n', 2, true],
  ['unordered[:1 :2]', '*2\r\n:2\r\n:2\r\n', 2, false],
  ['unordered[:1 :1]', '*2\r\n:1\r\n:2\r\n', 2, false],
  ['unordered[:1]', '*2\r\n:2\r\n:1\r\n', 2, false],
  ['set[:1 :2]', '~2\r\n:2\r\n:1\r\n', 3, true],
  ['set[:1 :2]', '*2\r\n:2\r\n:1\r\n', 3, false],
  ['set[:1 :2]', '*2\r\n:2\r\n:1\r\n', 2, true],
  ['{"a" :1}', '%1\r\n$1\r\na\r\n:1\r\n', 3, true],
  ['{"a" :1}', '*2\r\n$1\r\na\r\n:1\r\n', 3, false],
  ['{"a" :1}', '*2\r\n$1\r\na\r\n:1\r\n', 2, true],
  ['{"a" :1}', '%1\r\n$1\r\na\r\n:2\r\n', 3, false],
  ['{"b" :2 ...}', '%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:2\r\n', 3, true],
  ['{"b" :2}', '%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:2\r\n', 3, false],
  ['push[:1]', '>1\r\n:1\r\n', 3, true],
  ['push[:1]', '*1\r\n:1\r\n', 3, false],
  [',1.5', ',1.5\r\n', 3, true],
  [',1.5', ',1.50\r\n', 3, false],
  [',1.5', '$3\r\n1.5\r\n', 2, true],
  ['#t', '#t\r\n', 3, true],
  ['#t', ':1\r\n', 3, false],
  ['#t', ':1\r\n', 2, true],
  ['#f', ':1\r\n', 2, false],
  ['(12', '(12\r\n', 3, true],
  ['(12', ':12\r\n', 3, false],
  ['txt"a"', '=5\r\ntxt:a\r\n', 3, true],
  ['txt"a"', '=5\r\nmkd:a\r\n', 3, false],
  ['txt"a"', '$1\r\na\r\n', 2, true],
  ['"a" | :1', ':1\r\n', 2, true],
  ['"a" | :1', ':2\r\n', 2, false],
  ['-ERR a | +OK', '+OK\r\n', 2, true],
  ['*', ':2\r\n', 2, true],
  ['closed', ':2\r\n', 2, false],
]

describe('expected replies', () => {
  for (const [notation, wire, protocol, expected] of TABLE) {
    const verb = expected ? 'matches' : 'does not match'
    it(`${notation} ${verb} ${JSON.stringify(wire)} in RESP${protocol}`, () => {
      const variables = new Map([['n', '7']])
      const parsed = parseValue(Buffer.from(wire, 'latin1'), 0)
      assert.equal(parsed?.next, wire.length)
      const value = parsed?.value ?? null
      assert.equal(matches(parsePattern(notation), value, { protocol, variables }), expected)
    })
  }

  it('captures a reply', () => {
    const variables = new Map<string, string>()
    const { value } = parseValue(Buffer.from('*1\r\n$1\r\nx\r\n'), 0) ?? { value: null }
    assert.ok(matches(parsePattern('[v=*]'), value, { protocol: 2, variables }))
    assert.equal(variables.get('v'), 'x')
  })

  for (const bad of ['bogus', '"a', '[:1', '{:1}', ':x', '"a" "b"', '', '~', '"\\z"']) {
    it(`refuses ${bad}`, () => assert.throws(() => parsePattern(bad), FormatError))
  }
})

describe('words of a command', () => {
  it('splits, unescapes, repeats and puts in variables', () => {
    const words = splitWords(`SET "a\\x00\\n\\"" 'b c\\n' "\\{ab*3}" $n $n+3 plain"x`)
    const variables = new Map([['n', '10']])
    const bytes = words.map((word) => resolvePiece(word, variables))
    assert.deepEqual(bytes, ['SET', 'a\0\n"', 'b c\\n', 'ababab', '10', '13', 'plain"x'])
  })

  it('names a variable that is not there', () => {
    assert.throws(() => resolvePiece({ variable: 'x', offset: 0 }, new Map()), /no variable \$x/)
  })
})

describe('globs', () => {
  for (const [glob, text, expected] of [
    ['a*c', 'abc', true],
    ['a*c', 'abd', false],
    ['*', '', true],
    ['a.c', 'abc', false],
    ['[a-c]x', 'bx', true],
    ['[^a-c]x', 'bx', false],
    ['a\\*', 'ab', false],
    ['a\\*', 'a*', true],
    ['(a|b)', 'a', false],
    ['a*b', 'a\r\nb', true],
    ['x[', 'x[', true],
  ] as const) {
    it(`${glob} on ${JSON.stringify(text)}: ${expected}`, () => {
      assert.equal(matchesGlob(glob, text), expected)
    })
  }
})

describe('case files', () => {
  it('keeps cases, clients, differences and lines', () => {
    const text = [
      '@server --hz 5',
      '== one',
      '@resp 2',
      '> GET k',
      '"v"',
      'ours "w" because of a reason',
      'b> PING',
      '+PONG',
      '== two',
      '@only reference: no lists',
      '> LRANGE l 0 -1',
      '["a"',
      ' "b"]',
    ].join('\n')
    const file = parseCases('x', text)
    assert.deepEqual(file.serverArgs, ['--hz', '5'])
    assert.deepEqual(
      file.cases.map((found) => [found.title, found.line, found.protocols, found.referenceOnly]),
      [
        ['one', 2, [2], ''],
        ['two', 9, [2, 3], 'no lists'],
      ],
    )
    const [send, expected, , pong] = file.cases[0]?.steps ?? []
    assert.equal(send?.do, 'send')
    assert.equal(expected?.do === 'expect' && expected.ours?.reason, 'of a reason')
    assert.equal(pong?.do === 'expect' && pong.client, 'b')
  })

  for (const [name, text] of [
    ['an unknown directive', '== a\n@bogus 1'],
    ['a reply that is none', '== a\n> GET k\nwhat'],
    ['a line before the first case', '> GET k'],
    ['a difference without a reason', '== a\n> GET k\n"v"\nours "w"'],
  ] as const) {
    it(`refuses ${name}, with file and line`, () => {
      assert.throws(() => parseCases('x', text), /^Error: x\.txt:\d+: /)
    })
  }
})
