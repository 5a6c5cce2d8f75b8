// Keys of age (https://age-encryption.org/v1): X25519, written in Bech32. A recipient, `age1…`, is
// public and is who a backup is encrypted for; an identity, `AGE-SECRET-KEY-1…`, decrypts it and
// belongs on the host that restores, in a file with one per line.

import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { decodeBech32, encodeBech32 } from './bech32.ts'

const RECIPIENT_PREFIX = 'age'
const IDENTITY_PREFIX = 'age-secret-key-'
const KEY_BYTES = 32
/** What stands before the 32 bytes in the DER forms (RFC 8410). */
const PUBLIC_HEAD = Buffer.from('302a300506032b656e032100', 'hex')
const PRIVATE_HEAD = Buffer.from('302e020100300506032b656e04220420', 'hex')
const IDENTITIES_MAX = 1024

export class AgeKeyError extends Error {
  override readonly name = 'AgeKeyError'
}

export interface AgeRecipient {
  /** As the user wrote it. */
  readonly text: string
  readonly bytes: Uint8Array
}

export interface AgeIdentity {
  readonly key: KeyObject
  /** Of the recipient that it belongs to. */
  readonly recipient: AgeRecipient
}

/** Parses `age1…`; throws AgeKeyError. */
export function parseRecipient(text: string): AgeRecipient {
  const bytes = decodeBech32(RECIPIENT_PREFIX, text)
  if (bytes?.length === KEY_BYTES) return { text, bytes }
  throw new AgeKeyError(`${JSON.stringify(text)} is no age recipient: age1 and 58 characters`)
}

/** Parses `AGE-SECRET-KEY-1…`; throws AgeKeyError, which does not repeat it. */
export function parseIdentity(text: string): AgeIdentity {
  const bytes = decodeBech32(IDENTITY_PREFIX, text)
  if (bytes?.length !== KEY_BYTES) {
    throw new AgeKeyError('no age identity: AGE-SECRET-KEY-1 and 58 characters are expected')
  }
  return identityOf(privateKeyOf(bytes))
}

/** Reads a file as `age-keygen` writes it: identities, comments and empty lines. */
export async function readIdentities(path: string): Promise<AgeIdentity[]> {
  const lines = (await readFile(path, 'utf8')).split(/\r?\n/)
  const found: AgeIdentity[] = []
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    if (found.length === IDENTITIES_MAX) throw new AgeKeyError(`${path}: too many identities`)
    try {
      found.push(parseIdentity(line.trim()))
    } catch (error) {
      if (!(error instanceof AgeKeyError)) throw error
      throw new AgeKeyError(`${path}, line ${index + 1}: ${error.message}`)
    }
  }
  if (found.length === 0) throw new AgeKeyError(`${path}: no identity in it`)
  return found
}

/** A new identity, and its text for a file. */
export function newIdentity(): { readonly identity: AgeIdentity; readonly text: string } {
  const { privateKey } = generateKeyPairSync('x25519')
  const raw = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(PRIVATE_HEAD.length)
  const text = encodeBech32(IDENTITY_PREFIX, raw).toUpperCase()
  return { identity: identityOf(privateKey), text }
}

/** The secret that both sides of X25519 come to; throws when the other key is none. */
export function sharedSecret(own: KeyObject, other: Uint8Array): Buffer {
  const der = Buffer.concat([PUBLIC_HEAD, other])
  const publicKey = createPublicKey({ key: der, format: 'der', type: 'spki' })
  return diffieHellman({ privateKey: own, publicKey })
}

/** The 32 bytes of the public key that belongs to a private one. */
export function publicBytes(key: KeyObject): Buffer {
  const der = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return der.subarray(PUBLIC_HEAD.length)
}

function privateKeyOf(bytes: Uint8Array): KeyObject {
  const der = Buffer.concat([PRIVATE_HEAD, bytes])
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
}

function identityOf(key: KeyObject): AgeIdentity {
  const bytes = publicBytes(key)
  return { key, recipient: { text: encodeBech32(RECIPIENT_PREFIX, bytes), bytes } }
}
