// Fuzz of the wire protocol: any bytes give commands or an error. Each round makes an input, reads
// it whole and again in random chunks, with random stops in the middle of a turn: commands and
// outcome must be the same. A read past the end shows, because the bytes around each chunk change
// between the two readings; a hang shows as more commands than bytes.
//
//   node test/fuzz/resp.ts [rounds]     SEED=n repeats a run

import assert from 'node:assert/strict'
import { latin1, textOf } from '../../src/base/bytes.ts'
import { Random } from '../../src/base/random.ts'
import { Args } from '../../src/resp/args.ts'
import { QueryReader, Read } from '../../src/resp/query-reader.ts'

/** Pieces that inputs are made of: well-formed, nearly so, and noise. */
const PIECES = [
  '*',
  '$',
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  '"',
  "'",
  '\\',
  '\\x4',
  '-',
  '+',
  '0',
  '1',
  '2',
  '3',
  '10',
  '99999999999',
  '*1\r\n',
  '*2\r\n',
  '*-1\r\n',
  '*0\r\n',
  '$1\r\na\r\n',
  '$0\r\n\r\n',
  '$3\r\nabc\r\n',
  '*1\r\n$4\r\nPING\r\n',
  '*2\r\n$3\r\nGET\r\n$1\r\nk\r\n',
  'PING\r\n',
  'SET "a b" \'c\'\r\n',
  '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$40000\r\n',
]

export interface FuzzOptions {
  readonly seed: number
  readonly rounds: number
}

/** Runs the rounds, returns commands seen; throws at the first that fails, naming its seed. */
export function fuzzResp({ seed, rounds }: FuzzOptions): number {
  const random = new Random(seed)
  let seen = 0
  for (let round = 0; round < rounds; round++) {
    const input = makeInput(random)
    try {
      const whole = read(input, random, false)
      const cut = read(input, random, true)
      assert.deepEqual(cut, whole)
      assert.ok(whole.length <= input.length + 1, 'more commands than bytes')
      seen += whole.length
    } catch (cause) {
      const text = JSON.stringify(textOf(input, 0, Math.min(input.length, 400)))
      throw new Error(`SEED=${seed} round ${round}: ${text}`, { cause })
    }
  }
  return seen
}

function makeInput(random: Random): Uint8Array {
  const parts: string[] = []
  const count = 1 + random.below(30)
  const noise = random.below(4)
  for (let i = 0; i < count; i++) {
    if (random.below(8) < noise) parts.push(String.fromCharCode(random.below(256)))
    else parts.push(PIECES[random.below(PIECES.length)]!)
    if (random.below(200) === 0) parts.push('x'.repeat(random.below(100_000)))
  }
  return latin1(parts.join(''))
}

/** Each command as one text, and at the end how the reading ended. */
function read(input: Uint8Array, random: Random, isCut: boolean): string[] {
  const limits = { bulkLengthMax: 50_000, queryLengthMax: 1 << 30 }
  const reader = new QueryReader(limits)
  const args = new Args()
  const found: string[] = []
  let outcome: Read = Read.Incomplete
  let at = 0
  do {
    const left = input.length - at
    const length = isCut ? random.below(Math.min(left, 1 + random.below(70_000)) + 1) : left
    // The chunk stands between bytes that would be taken for more input.
    const chunk = new Uint8Array(length + 64).fill(isCut ? 0x31 : 0x0a)
    chunk.set(input.subarray(at, at + length), 32)
    reader.feed(chunk, 32, length)
    at += length
    outcome = drain(reader, args, found, isCut && at < input.length ? random : null)
    reader.keep()
    chunk.fill(0x24)
  } while (at < input.length && (outcome === Read.Incomplete || outcome === Read.Command))
  if (outcome === Read.ProtocolError) found.push(`!${reader.error.message}`)
  else found.push(`=${outcome}`)
  return found
}

/** Reads commands until none is left, or, given `random`, until chance stops the turn. */
function drain(reader: QueryReader, args: Args, found: string[], random: Random | null): Read {
  for (;;) {
    if (random && random.below(4) === 0) return Read.Command
    const outcome = reader.next(args)
    if (outcome !== Read.Command) return outcome
    assert.ok(args.count > 0, 'an empty command')
    const texts: string[] = []
    for (let i = 0; i < args.count; i++) texts.push(args.text(i))
    found.push(JSON.stringify(texts))
  }
}

if (import.meta.main) {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  const rounds = Number(process.argv[2] ?? 200_000)
  console.log(`SEED=${seed}`)
  console.log(`${rounds} rounds, ${fuzzResp({ seed, rounds })} commands`)
}
