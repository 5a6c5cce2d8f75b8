// Takes an RDB stream apart into keys and the bytes of their values as they stand in it: those are,
// with a version and a checksum behind them, what RESTORE takes. The server's reader checks every
// value on the way; what it reads is kept in a window from the start of the key that is read.
//
//   … ┊ key, value ┊ read ahead │        window: bytes `#start` … of the stream, as long as needed
//
// One stream at a time; `next` until it is false. Throws what the reader throws.

import { assert } from '../../base/assert.ts'
import type { Kernels } from '../../persist/rdb/kernels.ts'
import { type LongString, type RdbFile, RdbInput } from '../../persist/rdb/rdb-input.ts'
import { RdbReader } from '../../persist/rdb/rdb-reader.ts'
import type { RdbEntry, RdbTarget } from '../../persist/rdb/rdb-target.ts'

/** What `next` has found. */
export type SplitKind = 'key' | 'function' | 'end'

const BUFFER_BYTES = 256 * 1024
const WINDOW_BYTES = 2 * 1024 * 1024
/** A larger window is given back once half of it is enough. */
const WINDOW_KEPT_BYTES = 16 * 1024 * 1024

export class RdbSplitter implements RdbTarget {
  /** Long values are looked at where they lie in the window. */
  readonly longString: LongString
  readonly reader: RdbReader
  /** Of the last key. */
  database = 0
  key: Uint8Array = new Uint8Array(0)
  /** Unix ms; -1 without. */
  deadlineMs = -1
  idleSeconds = -1
  frequency = -1
  /** Source of the last library of functions. */
  code = ''
  #window = new Window()
  #kind: SplitKind | null = null
  /** Of the last string, without its compression. */
  #stringLength = 0

  /** Takes regions of `RdbSplitter.regionBytes`. */
  constructor(kernels: Kernels) {
    this.reader = new RdbReader(kernels, BUFFER_BYTES)
    this.longString = {
      onLength: (length) => {
        this.#stringLength = length
      },
      onPiece: () => {},
    }
  }

  static get regionBytes(): number {
    return RdbInput.regionBytes(BUFFER_BYTES)
  }

  /** Type byte of the last key's value. */
  get type(): number {
    return this.reader.valueType
  }

  get valueLength(): number {
    return this.reader.position - this.reader.valuePosition
  }

  /** Opens the stream. Bytes behind its end are left alone. */
  begin(file: RdbFile): void {
    this.#window = new Window()
    const window = this.#window
    const read: RdbFile['read'] = (bytes, start, length, position) => {
      const count = file.read(bytes, start, length, position)
      window.append(bytes, start, count)
      return count
    }
    this.reader.begin({ path: file.path, size: () => file.size(), read }, this, { mayTrail: true })
  }

  /** Goes to the next key or library. A collection without elements is passed over. */
  next(): SplitKind {
    this.#kind = null
    this.#stringLength = 0
    while (this.#kind === null) {
      this.#window.drop(this.reader.position)
      // One byte more is at least one thing more.
      if (!this.reader.step(1)) return 'end'
    }
    return this.#kind
  }

  /** Of the last value, of strings without their compression. */
  get plainLength(): number {
    return Math.max(this.valueLength, this.#stringLength)
  }

  /** Copies the bytes of the last key's value. */
  copyValue(target: Uint8Array, at: number): void {
    this.#window.copy(this.reader.valuePosition, this.valueLength, target, at)
  }

  onAux(): void {}

  onDatabase(id: number): void {
    this.database = id
  }

  onResize(): void {}

  onFunction(code: string): void {
    this.code = code
    this.#kind = 'function'
  }

  onString(entry: RdbEntry): void {
    this.#stringLength = entry.value.length
    this.#note(entry)
  }

  onLongString(entry: RdbEntry): void {
    this.#note(entry)
  }

  onCollection(entry: RdbEntry): null {
    this.#note(entry)
    return null
  }

  onStream(entry: RdbEntry): null {
    this.#note(entry)
    return null
  }

  #note({ key, deadlineMs, idleSeconds, frequency }: RdbEntry): void {
    this.key = key.bytes.slice(key.start, key.start + key.length)
    this.deadlineMs = deadlineMs
    this.idleSeconds = idleSeconds
    this.frequency = frequency
    this.#kind = 'key'
  }
}

/** The last bytes of a stream. */
class Window {
  #bytes = new Uint8Array(WINDOW_BYTES)
  /** Where the window lies in `#bytes`, and byte of the stream at which it begins. */
  #from = 0
  #length = 0
  #start = 0

  append(bytes: Uint8Array, start: number, count: number): void {
    if (this.#from + this.#length + count > this.#bytes.length) this.#makeRoom(count)
    this.#bytes.set(bytes.subarray(start, start + count), this.#from + this.#length)
    this.#length += count
  }

  /** Forgets what lies before `position`. */
  drop(position: number): void {
    const count = position - this.#start
    assert(count >= 0 && count <= this.#length, 'only what was read is dropped')
    this.#from += count
    this.#length -= count
    this.#start = position
  }

  copy(position: number, length: number, target: Uint8Array, at: number): void {
    const offset = position - this.#start
    assert(offset >= 0 && offset + length <= this.#length, 'a value lies in the window')
    const from = this.#from + offset
    target.set(this.#bytes.subarray(from, from + length), at)
  }

  #makeRoom(count: number): void {
    const needed = this.#length + count
    const isTooLarge = this.#bytes.length > WINDOW_KEPT_BYTES && 4 * needed < this.#bytes.length
    if (needed > this.#bytes.length || isTooLarge) {
      const grown = new Uint8Array(Math.max(WINDOW_BYTES, 2 * needed))
      grown.set(this.#bytes.subarray(this.#from, this.#from + this.#length))
      this.#bytes = grown
    } else this.#bytes.copyWithin(0, this.#from, this.#from + this.#length)
    this.#from = 0
  }
}
