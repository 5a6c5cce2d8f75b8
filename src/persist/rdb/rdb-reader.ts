// Reads an RDB stream (docs/formats/rdb.md) from start to end and tells a target what is in it.
// `step` reads about as many bytes as it is told, so that loading can answer clients in between.
//
//   begin ──► Body ──► Done        a thrown error leaves Failed; nothing more is read
//
// Read are versions 1 to 12, and 80 (Valkey 9). A key's value type is a row of rdb-types.ts. The
// target learns of each key as it comes, before the checksum at the end is known: it must drop all
// of it when the reader throws. Whatever is wrong – a bad byte, a cut, a wrong checksum, bytes
// behind the end – throws; there is no partial success.

import { assert } from '../../base/assert.ts'
import { Slice } from '../../base/slice.ts'
import type { Kernels } from './kernels.ts'
import { CHECKSUM_VERSION, Opcode, RDB_VERSION_MAX, VALKEY_VERSION } from './rdb-format.ts'
import { type RdbFile, RdbInput, RdbString } from './rdb-input.ts'
import { RdbEntry, type RdbTarget } from './rdb-target.ts'
import { rdbTypes } from './rdb-types.ts'

export interface RdbReaderOptions {
  /** Redis's rdbchecksum: whether a checksum that is there must be right. */
  readonly checksum: boolean
  /** Databases that the server has. */
  readonly databases: number
  /** Whether bytes may follow the end, as commands do in an AOF with an RDB preamble. */
  readonly mayTrail: boolean
}

const MAGIC = 'REDIS'
const HEADER_BYTES = 9
const DATABASES_DEFAULT = 0x7fffffff
/** What a MODULE_AUX holds between its id and its data. */
const MODULE_UINT = 2
const MODULE_EOF = 0
const MODULE_NAME_LENGTH = 9
const NO_TYPE = -1
/** `rdbTypes` by their bytes. */
const TYPES = Array.from({ length: Opcode.SlotInfo }, (_, code) => rdbTypes.get(code) ?? null)
const MODULE_CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

const State = { Idle: 'idle', Body: 'body', Done: 'done', Failed: 'failed' } as const
type State = (typeof State)[keyof typeof State]

const nothing = (): void => {}
const NO_TARGET: RdbTarget = {
  onAux: nothing,
  onDatabase: nothing,
  onResize: nothing,
  onFunction: nothing,
  onString: nothing,
  onCollection: () => null,
  onStream: () => null,
}

const DEFAULTS: RdbReaderOptions = { checksum: true, databases: DATABASES_DEFAULT, mayTrail: false }

export class RdbReader {
  readonly #input: RdbInput
  readonly #entry = new RdbEntry()
  readonly #slot = new RdbString()
  #target: RdbTarget = NO_TARGET
  #options = DEFAULTS
  #state: State = State.Idle
  #version = 0
  #keys = 0
  #checksum = 0n
  #size = 0
  #endPosition = 0
  #valueType = NO_TYPE
  #valuePosition = 0
  /** Type byte of the key whose value is being read; NO_TYPE between two. */
  #type = NO_TYPE
  #hasKey = false
  #isVerified = false

  /** Takes regions of `RdbInput.regionBytes(bufferBytes)` from the kernels. */
  constructor(kernels: Kernels, bufferBytes?: number) {
    this.#input = new RdbInput(kernels, bufferBytes)
  }

  /** Byte of the file that is read next; after the end, the first byte behind it. */
  get position(): number {
    return this.#state === State.Done ? this.#endPosition : this.#input.position
  }

  /** After the end: the checksum of all that was read before the one in the stream. */
  get checksum(): bigint {
    return this.#checksum
  }

  /** Bytes of the whole file. */
  get size(): number {
    return this.#size
  }

  /** Keys handed to the target so far. */
  get keys(): number {
    return this.#keys
  }

  /** Type byte of the last key's value. */
  get valueType(): number {
    return this.#valueType
  }

  /** Byte at which the last key's value begins; it ends at `position` until the next is read. */
  get valuePosition(): number {
    return this.#valuePosition
  }

  get version(): number {
    return this.#version
  }

  /** After the end: whether there was a checksum, which was right. */
  get isVerified(): boolean {
    return this.#isVerified
  }

  /** What is being read, for those who say where an error is; null between two keys. Allocates. */
  get reading(): { readonly type: number; readonly key: string | null } | null {
    if (this.#type === NO_TYPE) return null
    const { bytes, start, length } = this.#entry.key
    const key = this.#hasKey ? new Slice().set(bytes, start, length).toLatin1() : null
    return { type: this.#type, key }
  }

  /** Opens the stream and checks its header. */
  begin(file: RdbFile, target: RdbTarget, options: Partial<RdbReaderOptions> = {}): void {
    this.#options = { ...DEFAULTS, ...options }
    this.#target = target
    this.#keys = 0
    this.#checksum = 0n
    this.#type = NO_TYPE
    this.#isVerified = false
    this.#clearEntry()
    this.#state = State.Failed
    this.#input.open(file)
    this.#size = this.#input.size
    this.#version = this.#readHeader()
    if (this.#version < CHECKSUM_VERSION || !this.#options.checksum) this.#input.skipChecksum()
    this.#state = State.Body
  }

  /** Reads about `bytes` more; returns whether there is more to read. */
  step(bytes: number): boolean {
    assert(this.#state === State.Body, 'begin comes first')
    assert(bytes > 0, 'a step reads something')
    // What throws leaves the reader in Failed.
    this.#state = State.Failed
    const limit = this.#input.position + bytes
    do {
      if (this.#readOne()) {
        this.#endPosition = this.#input.position
        this.#input.close()
        this.#state = State.Done
        return false
      }
    } while (this.#input.position < limit)
    this.#state = State.Body
    return true
  }

  /** Ends the reading and gives memory back; needed only where it ended before the end. */
  close(): void {
    if (this.#state !== State.Done) this.#state = State.Failed
    this.#input.close()
  }

  /** Reads a whole file. */
  readAll(file: RdbFile, target: RdbTarget, options?: Partial<RdbReaderOptions>): void {
    this.begin(file, target, options)
    while (this.step(Number.MAX_SAFE_INTEGER)) assert(false, 'one step is enough')
  }

  #readHeader(): number {
    const input = this.#input
    let header = ''
    for (let i = 0; i < HEADER_BYTES; i++) header += String.fromCharCode(input.byte('header'))
    if (!header.startsWith(MAGIC)) {
      throw input.corrupt('header', 0, JSON.stringify(header), 'REDIS and a version')
    }
    const digits = header.slice(MAGIC.length)
    if (!/^\d{4}$/.test(digits)) {
      throw input.corrupt('version', MAGIC.length, JSON.stringify(digits), 'four digits')
    }
    const version = Number(digits)
    const isKnown = (version >= 1 && version <= RDB_VERSION_MAX) || version === VALKEY_VERSION
    if (isKnown) return version
    throw input.unsupported('version', MAGIC.length, digits, `1 to ${RDB_VERSION_MAX}`)
  }

  /** Reads one opcode, or one key with its value; returns true at the end. */
  #readOne(): boolean {
    const input = this.#input
    const target = this.#target
    const position = input.position
    const code = input.byte('opcode')
    if (code < Opcode.SlotInfo) {
      this.#readEntry(code, position)
      return false
    }
    switch (code) {
      case Opcode.ExpireTimeMs:
        this.#entry.deadlineMs = deadlineOf(input.int64('expire time'))
        break
      case Opcode.ExpireTime:
        this.#entry.deadlineMs = deadlineOf(input.int32('expire time') * 1000)
        break
      case Opcode.Idle:
        this.#entry.idleSeconds = input.length('idle time')
        break
      case Opcode.Freq:
        this.#entry.frequency = input.byte('frequency')
        break
      case Opcode.SelectDb:
        target.onDatabase(this.#databaseId())
        break
      case Opcode.ResizeDb: {
        const keys = input.length('count of keys')
        target.onResize(keys, input.length('count of expires'))
        break
      }
      case Opcode.Aux: {
        const name = input.text(this.#slot, 'aux name')
        target.onAux(name, input.text(this.#slot, 'aux value'))
        break
      }
      case Opcode.SlotInfo:
        // A hint for sizing, as RESIZEDB is: slot, its keys, its expires.
        for (let i = 0; i < 3; i++) input.length('slot info')
        break
      case Opcode.Function2:
        target.onFunction(input.text(this.#slot, 'function library'))
        break
      case Opcode.FunctionPreGa:
        throw input.unsupported('opcode', position, '246 (functions of a preview release)', '245')
      case Opcode.ModuleAux:
        this.#skipModuleAux(position)
        break
      default:
        this.#readEnd()
        return true
    }
    return false
  }

  #readEntry(code: number, position: number): void {
    const input = this.#input
    const type = TYPES[code]
    if (type == null) {
      throw input.corrupt('value type', position, `${code}`, 'a known type or opcode')
    }
    if (type.read === null) {
      const found = `${code} (${type.name})`
      throw input.unsupported(
        'value type',
        position,
        found,
        'one that this server holds: 0 (string)',
      )
    }
    this.#type = code
    this.#hasKey = false
    input.key(this.#entry.key, 'key')
    this.#hasKey = true
    this.#valueType = code
    this.#valuePosition = input.position
    type.read(input, this.#entry, this.#target)
    this.#type = NO_TYPE
    this.#keys++
    this.#clearEntry()
  }

  #databaseId(): number {
    const position = this.#input.position
    const id = this.#input.length('database')
    if (id < this.#options.databases) return id
    const most = `below ${this.#options.databases} (directive "databases")`
    throw this.#input.corrupt('database', position, `${id}`, most)
  }

  /** Passes the metadata of a module that has nothing to say; else refuses, as it would be lost. */
  #skipModuleAux(position: number): void {
    const input = this.#input
    const name = moduleName(input.wideLength('module id'))
    const whenAt = input.position
    const whenCode = input.length('module aux')
    if (whenCode !== MODULE_UINT) {
      throw input.corrupt('module aux', whenAt, `${whenCode}`, `${MODULE_UINT}`)
    }
    input.length('module aux')
    if (input.length('module aux') === MODULE_EOF) return
    throw input.unsupported('module aux', position, `data of module ${name}`, 'no module data')
  }

  #readEnd(): void {
    const input = this.#input
    if (this.#version >= CHECKSUM_VERSION) {
      const found = input.checksum()
      this.#checksum = found
      const position = input.position
      const expected = input.uint64('checksum')
      // A zero stands for "not computed" (rdbchecksum no).
      if (this.#options.checksum && expected !== 0n && found !== expected) {
        throw input.corrupt('checksum (CRC error)', position, hex(found), hex(expected))
      }
      this.#isVerified = this.#options.checksum && expected !== 0n
    }
    if (input.remaining > 0 && !this.#options.mayTrail) {
      const found = `${input.remaining} more bytes`
      throw input.corrupt('end', input.position, found, 'the end of the file')
    }
  }

  #clearEntry(): void {
    this.#entry.deadlineMs = -1
    this.#entry.idleSeconds = -1
    this.#entry.frequency = -1
  }
}

/** Negative deadlines are in the past and -1 means none: they become 0. Far ones are clamped. */
function deadlineOf(deadlineMs: number): number {
  return Math.min(Math.max(deadlineMs, 0), Number.MAX_SAFE_INTEGER)
}

/** The nine characters of a module's name: the upper 54 bits of its id, six each. */
function moduleName(id: bigint): string {
  let name = ''
  for (let i = 0; i < MODULE_NAME_LENGTH; i++) {
    const shift = BigInt(10 + 6 * (MODULE_NAME_LENGTH - 1 - i))
    name += MODULE_CHARACTERS[Number((id >> shift) & 63n)]
  }
  return name
}

function hex(value: bigint): string {
  return value.toString(16).padStart(16, '0')
}
