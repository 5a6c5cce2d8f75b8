// For tests: a sink of the stream of changes that keeps it as text, a command a line with its words
// separated by blanks, and can give it back as arguments to run again.

import { assert } from '../base/assert.ts'
import { type Target, Target as Targets } from '../command/effects.ts'
import { Args } from '../resp/args.ts'
import type { ChangeSink } from './propagation.ts'

const LF = 0x0a

export class TestSink implements ChangeSink {
  readonly target: Target
  unitCount = 0
  #bytes: Buffer = Buffer.alloc(0)
  #pieces: Uint8Array[] = []

  constructor(target: Target = Targets.Log) {
    this.target = target
  }

  write(bytes: Uint8Array, start: number, length: number): void {
    assert(length > 0, 'something is written')
    this.#pieces.push(bytes.slice(start, start + length))
  }

  endUnit(): void {
    this.unitCount++
  }

  /** All words that were written since the last call. */
  takeWords(): Buffer[][] {
    this.#bytes = Buffer.concat(this.#pieces)
    this.#pieces = []
    const commands: Buffer[][] = []
    for (let at = 0; at < this.#bytes.length; ) {
      const header = this.#line(at)
      assert(header.text[0] === '*', 'a command is an array')
      const words: Buffer[] = []
      at = header.next
      for (let i = Number(header.text.slice(1)); i > 0; i--) {
        const { text, next } = this.#line(at)
        assert(text[0] === '$', 'a word is a bulk')
        const limit = next + Number(text.slice(1))
        words.push(this.#bytes.subarray(next, limit))
        assert(this.#line(limit).text === '', 'a bulk ends with its line')
        at = limit + 2
      }
      commands.push(words)
    }
    return commands
  }

  /** The same as lines of text. */
  take(): string[] {
    return this.takeWords().map((words) => words.map((word) => word.toString('latin1')).join(' '))
  }

  /** The same as arguments. */
  takeArgs(): Args[] {
    return this.takeWords().map((words) => Args.of(...words))
  }

  #line(at: number): { text: string; next: number } {
    const end = this.#bytes.indexOf(LF, at)
    assert(end > at && this.#bytes[end - 1] === 0x0d, 'a line ends')
    return { text: this.#bytes.toString('latin1', at, end - 1), next: end + 1 }
  }
}
