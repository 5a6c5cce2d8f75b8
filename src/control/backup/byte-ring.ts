// Bytes from one thread to another, through a ring of shared memory: the writer waits without
// blocking its event loop, the reader blocks its thread, so that a parser that pulls can be fed by
// a stream that pushes. Memory is bounded by the ring.
//
//   words: 0 bytes written, 1 bytes read (both modulo 2^32), 2 and 3 changed for the reader and
//   for the writer to wake up by, 4 state; float 3: what the reader reports, for all to read
//
// Invariants:
// - Whoever changes something changes the word that the other waits for, and only then wakes it.
// - Only the writer changes `written`, only the reader `read`.

const Word = { Written: 0, Read: 1, Filled: 2, Drained: 3, State: 4 } as const
const REPORT_FLOAT = 3
const HEAD_BYTES = 64

/** Ended: no more bytes come. Broken: the reader wants no more. */
const State = { Open: 0, Ended: 1, Broken: 2 } as const

/** What both threads share. */
export interface RingMemory {
  readonly words: Int32Array
  readonly floats: Float64Array
  readonly bytes: Uint8Array
}

/** Memory for a ring of so many bytes. */
export function ringMemory(length: number): RingMemory {
  const memory = new SharedArrayBuffer(HEAD_BYTES + length)
  return {
    words: new Int32Array(memory, 0, HEAD_BYTES / 4),
    floats: new Float64Array(memory, 0, HEAD_BYTES / 8),
    bytes: new Uint8Array(memory, HEAD_BYTES),
  }
}

export class RingWriter {
  readonly #ring: RingMemory

  constructor(ring: RingMemory) {
    this.#ring = ring
  }

  /** What the reader has reported last. */
  get report(): number {
    return this.#ring.floats[REPORT_FLOAT]!
  }

  /** Resolves when all bytes are in the ring; false: the reader wants no more. */
  async write(source: Uint8Array): Promise<boolean> {
    const { words, bytes } = this.#ring
    let at = 0
    while (at < source.length) {
      const turn = Atomics.load(words, Word.Drained)
      if (Atomics.load(words, Word.State) === State.Broken) return false
      const written = Atomics.load(words, Word.Written) >>> 0
      const used = (written - Atomics.load(words, Word.Read)) >>> 0
      const place = written % bytes.length
      const part = Math.min(source.length - at, bytes.length - used, bytes.length - place)
      if (part === 0) {
        await Atomics.waitAsync(words, Word.Drained, turn).value
        continue
      }
      bytes.set(source.subarray(at, at + part), place)
      Atomics.store(words, Word.Written, (written + part) | 0)
      wake(words, Word.Filled)
      at += part
    }
    return true
  }

  /** No more bytes come. */
  end(): void {
    const { words } = this.#ring
    Atomics.compareExchange(words, Word.State, State.Open, State.Ended)
    wake(words, Word.Filled)
  }

  /** Ends a `write` that waits for a reader that is gone. */
  abandon(): void {
    breakRing(this.#ring)
  }
}

export class RingReader {
  readonly #ring: RingMemory

  constructor(ring: RingMemory) {
    this.#ring = ring
  }

  /** Says how far the reader is. */
  report(value: number): void {
    this.#ring.floats[REPORT_FLOAT] = value
  }

  /** Reads up to `length` bytes; blocks until there are any; 0: the end. */
  read(target: Uint8Array, start: number, length: number): number {
    const { words, bytes } = this.#ring
    for (;;) {
      const turn = Atomics.load(words, Word.Filled)
      const isOpen = Atomics.load(words, Word.State) === State.Open
      const read = Atomics.load(words, Word.Read) >>> 0
      const filled = (Atomics.load(words, Word.Written) - read) >>> 0
      const place = read % bytes.length
      const part = Math.min(length, filled, bytes.length - place)
      if (part === 0) {
        if (!isOpen) return 0
        Atomics.wait(words, Word.Filled, turn)
        continue
      }
      target.set(bytes.subarray(place, place + part), start)
      Atomics.store(words, Word.Read, (read + part) | 0)
      wake(words, Word.Drained)
      return part
    }
  }

  /** Wants no more: the writer's next `write` says so. */
  stop(): void {
    breakRing(this.#ring)
  }
}

function breakRing({ words }: RingMemory): void {
  Atomics.store(words, Word.State, State.Broken)
  wake(words, Word.Drained)
  wake(words, Word.Filled)
}

function wake(words: Int32Array, index: number): void {
  Atomics.add(words, index, 1)
  Atomics.notify(words, index)
}
