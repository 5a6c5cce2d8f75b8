// The age file format, version 1 (https://age-encryption.org/v1), for X25519 recipients, with
// node:crypto. Files are what `age -d` reads, and what `age -r` writes is read here.
//
//   age-encryption.org/v1
//   -> X25519 EPHEMERAL-KEY          per recipient: the file key, encrypted for it
//   WRAPPED-FILE-KEY
//   --- MAC                          HMAC-SHA-256 of the header up to here
//   nonce (16 bytes), then chunks of 64 KiB, each with a tag of 16 bytes behind it
//
// A chunk is ChaCha20-Poly1305 under a key of the file key and the nonce; its own nonce is its
// index (11 bytes) and 1 if it is the last one, else 0. So chunks can be neither moved nor left
// out, and a file that was cut does not end. Only the last chunk may be shorter.

import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  generateKeyPairSync,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'
import { type AgeIdentity, type AgeRecipient, publicBytes, sharedSecret } from './age-keys.ts'

const VERSION_LINE = 'age-encryption.org/v1'
const X25519_INFO = 'age-encryption.org/v1/X25519'
const X25519_STANZA = /^-> X25519 ([A-Za-z0-9+/]{43})$/
const ALGORITHM = 'chacha20-poly1305'
const FILE_KEY_BYTES = 16
const KEY_BYTES = 32
const NONCE_BYTES = 12
const PAYLOAD_NONCE_BYTES = 16
const TAG_BYTES = 16
const CHUNK_BYTES = 64 * 1024
const SEALED_BYTES = CHUNK_BYTES + TAG_BYTES
const HEADER_BYTES_MAX = 64 * 1024
const EMPTY = Buffer.alloc(0)
const NEWLINE = 0x0a

/** What was to be decrypted is damaged, or not for the identities that are there. */
export class AgeError extends Error {
  override readonly name = 'AgeError'
  /** Whether none of the identities is a recipient's: the file may be whole. */
  readonly isForOthers: boolean

  constructor(message: string, isForOthers = false) {
    super(message)
    this.isForOthers = isForOthers
  }
}

/** Encrypts a stream: `push` for each piece, then `finish`; what they return is to be written. */
export class AgeEncryptor {
  readonly #chunks: ChunkKey
  #head: Buffer
  #held: Buffer = EMPTY

  constructor(recipients: readonly AgeRecipient[]) {
    if (recipients.length === 0) throw new AgeError('no recipient to encrypt for')
    const fileKey = randomBytes(FILE_KEY_BYTES)
    const lines = [VERSION_LINE, ...recipients.flatMap((each) => stanzaFor(each, fileKey)), '---']
    const text = lines.join('\n')
    const nonce = randomBytes(PAYLOAD_NONCE_BYTES)
    this.#head = Buffer.concat([Buffer.from(`${text} ${macOf(text, fileKey)}\n`), nonce])
    this.#chunks = new ChunkKey(fileKey, nonce)
  }

  push(bytes: Uint8Array): Buffer {
    const held = this.#held.length === 0 ? asBuffer(bytes) : Buffer.concat([this.#held, bytes])
    const pieces = [this.#takeHead()]
    let at = 0
    // A whole chunk waits for the next byte: it may be the last one.
    for (; held.length - at > CHUNK_BYTES; at += CHUNK_BYTES) {
      pieces.push(...this.#chunks.seal(held.subarray(at, at + CHUNK_BYTES), false))
    }
    // A copy: the bytes belong to the caller.
    this.#held = Buffer.from(held.subarray(at))
    return Buffer.concat(pieces)
  }

  finish(): Buffer {
    return Buffer.concat([this.#takeHead(), ...this.#chunks.seal(this.#held, true)])
  }

  #takeHead(): Buffer {
    const head = this.#head
    this.#head = EMPTY
    return head
  }
}

/** Decrypts a stream, as AgeEncryptor. Throws AgeError with the byte of the file that is bad. */
export class AgeDecryptor {
  readonly #identities: readonly AgeIdentity[]
  #chunks: ChunkKey | null = null
  #held: Buffer = EMPTY
  /** Byte of the file at which `#held` starts. */
  #position = 0
  /** Bytes of the header, once they have been read and not been passed. */
  #skip = 0

  constructor(identities: readonly AgeIdentity[]) {
    this.#identities = identities
  }

  push(bytes: Uint8Array): Buffer {
    let held = this.#held.length === 0 ? asBuffer(bytes) : Buffer.concat([this.#held, bytes])
    const pieces: Buffer[] = []
    this.#chunks ??= this.#openHeader(held)
    if (this.#chunks !== null) {
      held = held.subarray(this.#skip)
      this.#position += this.#skip
      this.#skip = 0
      let at = 0
      for (; held.length - at > SEALED_BYTES; at += SEALED_BYTES) {
        pieces.push(this.#open(held.subarray(at, at + SEALED_BYTES), this.#position + at, false))
      }
      this.#position += at
      held = held.subarray(at)
    }
    this.#held = Buffer.from(held)
    return Buffer.concat(pieces)
  }

  finish(): Buffer {
    if (this.#chunks === null) throw new AgeError('ends at byte 0, within the header of age')
    if (this.#held.length < TAG_BYTES) {
      const end = this.#position + this.#held.length
      throw new AgeError(`ends at byte ${end}, before the last chunk`)
    }
    const last = this.#open(this.#held, this.#position, true)
    if (last.length > 0 || this.#chunks.index === 1) return last
    throw new AgeError(`byte ${this.#position}: an empty chunk at the end`)
  }

  #open(sealed: Buffer, position: number, isLast: boolean): Buffer {
    const chunks = this.#chunks
    const plain = chunks?.open(sealed, isLast) ?? null
    if (plain !== null) return plain
    throw new AgeError(`byte ${position}: a chunk that is damaged, or not the one expected here`)
  }

  /** Reads the header when it is there as a whole, with the nonce. */
  #openHeader(held: Buffer): ChunkKey | null {
    const mark = held.indexOf('\n--- ')
    const limit = mark < 0 ? -1 : held.indexOf(NEWLINE, mark + 1)
    if (limit < 0 || held.length < limit + 1 + PAYLOAD_NONCE_BYTES) {
      const start = held.subarray(0, VERSION_LINE.length).toString('latin1')
      if (!VERSION_LINE.startsWith(start)) throw new AgeError('byte 0: not a file of age')
      if (held.length > HEADER_BYTES_MAX) throw new AgeError('byte 0: the header does not end')
      return null
    }
    const text = held.toString('latin1', 0, mark + 4)
    const mac = held.toString('latin1', mark + 5, limit)
    const fileKey = this.#unwrap(text.split('\n'))
    if (!isSame(Buffer.from(macOf(text, fileKey)), Buffer.from(mac, 'latin1'))) {
      throw new AgeError('byte 0: the header is damaged')
    }
    this.#skip = limit + 1 + PAYLOAD_NONCE_BYTES
    return new ChunkKey(fileKey, held.subarray(limit + 1, this.#skip))
  }

  #unwrap(lines: readonly string[]): Buffer {
    if (lines[0] !== VERSION_LINE) throw new AgeError('byte 0: not a file of age')
    for (const [index, line] of lines.entries()) {
      const share = X25519_STANZA.exec(line)?.[1]
      if (share === undefined) continue
      const wrapped = Buffer.from(lines[index + 1] ?? '', 'base64')
      for (const identity of this.#identities) {
        const fileKey = unwrapped(identity, Buffer.from(share, 'base64'), wrapped)
        if (fileKey !== null) return fileKey
      }
    }
    const known = this.#identities.map((identity) => identity.recipient.text).join(', ')
    throw new AgeError(`it is not encrypted for ${known || 'anybody: no identity given'}`, true)
  }
}

/** Seals and opens the chunks of one file, in their order. */
class ChunkKey {
  index = 0
  readonly #key: Buffer
  readonly #nonce = Buffer.alloc(NONCE_BYTES)

  constructor(fileKey: Buffer, nonce: Buffer) {
    this.#key = derive(fileKey, nonce, 'payload')
  }

  seal(plain: Buffer, isLast: boolean): Buffer[] {
    const options = { authTagLength: TAG_BYTES }
    const cipher = createCipheriv(ALGORITHM, this.#key, this.#next(isLast), options)
    return [cipher.update(plain), cipher.final(), cipher.getAuthTag()]
  }

  open(sealed: Buffer, isLast: boolean): Buffer | null {
    return opened(this.#key, this.#next(isLast), sealed)
  }

  #next(isLast: boolean): Buffer {
    this.#nonce.writeUIntBE(this.index++, NONCE_BYTES - 7, 6)
    this.#nonce[NONCE_BYTES - 1] = isLast ? 1 : 0
    return this.#nonce
  }
}

function stanzaFor({ bytes }: AgeRecipient, fileKey: Buffer): string[] {
  const { privateKey } = generateKeyPairSync('x25519')
  const share = publicBytes(privateKey)
  const secret = sharedSecret(privateKey, bytes)
  const key = derive(secret, Buffer.concat([share, bytes]), X25519_INFO)
  const options = { authTagLength: TAG_BYTES }
  const cipher = createCipheriv(ALGORITHM, key, Buffer.alloc(NONCE_BYTES), options)
  const wrapped = Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()])
  return [`-> X25519 ${base64(share)}`, base64(wrapped)]
}

function unwrapped(identity: AgeIdentity, share: Buffer, wrapped: Buffer): Buffer | null {
  if (wrapped.length !== FILE_KEY_BYTES + TAG_BYTES) return null
  let secret: Buffer
  try {
    secret = sharedSecret(identity.key, share)
  } catch {
    // A share of small order: whoever wrote it gave the key away.
    return null
  }
  const salt = Buffer.concat([share, identity.recipient.bytes])
  return opened(derive(secret, salt, X25519_INFO), Buffer.alloc(NONCE_BYTES), wrapped)
}

function opened(key: Buffer, nonce: Buffer, sealed: Buffer): Buffer | null {
  const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
  const end = sealed.length - TAG_BYTES
  decipher.setAuthTag(sealed.subarray(end))
  try {
    const plain = decipher.update(sealed.subarray(0, end))
    decipher.final()
    return plain
  } catch {
    return null
  }
}

/** The MAC of a header, which `text` is up to its three dashes. */
function macOf(text: string, fileKey: Buffer): string {
  const key = derive(fileKey, EMPTY, 'header')
  return base64(createHmac('sha256', key).update(text, 'latin1').digest())
}

function derive(secret: Uint8Array, salt: Uint8Array, info: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, info, KEY_BYTES))
}

/** Without padding, as age writes it. */
function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}

function isSame(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
