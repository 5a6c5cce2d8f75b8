// Commands with blanks, and batches of them in prebuilt buffers. A command is a list of words; a
// word may hold tokens, which the load generator fills with digits or bytes each time it sends the
// command. A token has a fixed width, so that a batch is laid out once and only its blanks change:
//
//    ['SADD', `set:${random(2, 100)}`, `member:${sequence(9)}`]
//
//    random(digits, below)   a random number below `below`
//    same(digits)            the number of the token before it in this batch
//    sequence(digits, form)  the number n of the command in this load: 0, 1, 2, …, or what `form`
//                            makes of it: (⌊n / over⌋ × times + plus) mod below
//    bytes(length)           random bytes, nothing to compress
//
// Numbers have leading zeros, which Redis takes in members, keys, fields and scores, but not where
// it wants an integer: there a digit before the token (`5${random(5, 100_000)}`) does it.

import type { Random } from '../../src/base/random.ts'
import type { ValuePool } from './requests.ts'

export type Words = readonly string[]

/** What a sequence makes of the number n of its command. */
export interface SequenceForm {
  /** So many commands in a row get the same number. */
  readonly over?: number
  readonly times?: number
  readonly plus?: number
  readonly below?: number
}

type Kind = 'random' | 'same' | 'sequence' | 'bytes'

interface Blank {
  readonly kind: Kind
  readonly start: number
  readonly length: number
  readonly over: number
  readonly times: number
  readonly plus: number
  readonly below: number
}

const TOKEN = /<(random|same|sequence|bytes) (\d+) (\d+) (\d+) (\d+) (\d+)>/g
/** Numbers in tokens stay below this, so that digits can be written in whole-number arithmetic. */
const NUMBER_LIMIT = 2 ** 31

export function random(digits: number, below: number): string {
  return token('random', digits, { below })
}

export function same(digits: number): string {
  return token('same', digits, {})
}

export function sequence(digits: number, form: SequenceForm = {}): string {
  return token('sequence', digits, form)
}

export function bytes(length: number): string {
  return token('bytes', length, {})
}

function token(kind: Kind, length: number, form: SequenceForm): string {
  const { over = 1, times = 1, plus = 0, below = NUMBER_LIMIT } = form
  return `<${kind} ${length} ${over} ${times} ${plus} ${below}>`
}

/** Where the numbers and bytes of a load come from. */
export interface Source {
  readonly random: Random
  readonly pool: ValuePool
}

/** A buffer of `pipeline` commands that takes them in turn: a, b, c, a, b, c … */
export class CommandBatch {
  readonly bytes: Buffer
  /** Where each command ends. */
  readonly #ends: number[] = []
  readonly #blanks: Blank[][] = []
  #last = 0

  constructor(commands: readonly Words[], pipeline: number) {
    if (commands.length === 0 || pipeline % commands.length !== 0) {
      throw new Error(`a batch of ${pipeline} does not hold ${commands.length} commands in turn`)
    }
    const parts: Buffer[] = []
    let length = 0
    for (let i = 0; i < pipeline; i++) {
      const { image, blanks } = layOut(commands[i % commands.length]!, length)
      length += image.length
      parts.push(image)
      this.#blanks.push(blanks)
      this.#ends.push(length)
    }
    this.bytes = Buffer.concat(parts)
  }

  /** Fills the blanks of the command at `index`, which is number `n` of its load. */
  fill(index: number, n: number, { random: numbers, pool }: Source): void {
    for (const blank of this.#blanks[index]!) {
      if (blank.kind === 'bytes') {
        pool.copyTo(this.bytes, blank.start, blank.length)
        continue
      }
      if (blank.kind === 'random') this.#last = numbers.below(blank.below)
      else if (blank.kind === 'sequence') this.#last = numberOf(blank, n)
      writeDigits(this.bytes, blank, this.#last)
    }
  }

  /** The first `count` commands. */
  view(count: number): Buffer {
    return this.bytes.subarray(0, this.#ends[count - 1] ?? 0)
  }
}

function numberOf({ over, times, plus, below }: Blank, n: number): number {
  return (Math.floor(n / over) * times + plus) % below
}

/** The bytes of a command, zeros in its blanks, and the blanks' places if it starts at `start`. */
function layOut(words: Words, start: number): { image: Buffer; blanks: Blank[] } {
  const blanks: Blank[] = []
  let image = `*${words.length}\r\n`
  for (const word of words) {
    const filled = word.replace(TOKEN, (_, _kind, length) => '0'.repeat(Number(length)))
    image += `$${filled.length}\r\n`
    // A token is longer or shorter than what stands in its place.
    let shift = image.length
    for (const match of word.matchAll(TOKEN)) {
      const [length, over, times, plus, below] = match.slice(2).map(Number)
      blanks.push({
        kind: match[1] as Kind,
        start: start + shift + match.index,
        length: length!,
        over: over!,
        times: times!,
        plus: plus!,
        below: below!,
      })
      shift += length! - match[0].length
    }
    image += `${filled}\r\n`
  }
  return { image: Buffer.from(image, 'latin1'), blanks }
}

/** Writes the last digits of a number into a blank, zeros in front. */
function writeDigits(target: Buffer, { start, length }: Blank, number: number): void {
  let rest = number
  for (let i = start + length - 1; i >= start; i--) {
    const next = Math.floor(rest / 10)
    target[i] = 48 + rest - next * 10
    rest = next
  }
}
