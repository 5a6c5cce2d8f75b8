// Goal: what is encrypted here and by Debian's `age` is the same format, both ways; what was
// changed in any place is found. Method: round trips of all sizes around a chunk, in many pieces;
// every byte of a small file changed; the program itself where it is installed (AGE: its path).

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { AgeDecryptor, AgeEncryptor, AgeError } from './age.ts'
import { type AgeIdentity, newIdentity, parseIdentity, parseRecipient } from './age-keys.ts'

const AGE = process.env['AGE'] ?? 'age'
const hasAge = spawnSync(AGE, ['--version']).status === 0
const CHUNK = 65_536
/** Made by age-keygen 1.1.1. */
const KNOWN = 'AGE-SECRET-KEY-1G7H3082VL23YQFAWN0NXC8WN6EDS4UEFHHM3V464MXL9YUN0DHLQN0W66M'
const KNOWN_RECIPIENT = 'age175095ra983tv0ywnty4qg80zgvyfe6tmunqlk5x5tax3myyg9s9s394zxw'

function encrypt(plain: Buffer, identities: readonly AgeIdentity[], step = 10_000): Buffer {
  const encryptor = new AgeEncryptor(identities.map((each) => each.recipient))
  const pieces: Buffer[] = []
  for (let i = 0; i < plain.length; i += step)
    pieces.push(encryptor.push(plain.subarray(i, i + step)))
  return Buffer.concat([...pieces, encryptor.finish()])
}

function decrypt(sealed: Buffer, identities: readonly AgeIdentity[], step = 10_000): Buffer {
  const decryptor = new AgeDecryptor(identities)
  const pieces: Buffer[] = []
  for (let i = 0; i < sealed.length; i += step) {
    pieces.push(decryptor.push(sealed.subarray(i, i + step)))
  }
  return Buffer.concat([...pieces, decryptor.finish()])
}

test('what is encrypted for several is decrypted by each, at any size and in any pieces', () => {
  const [first, second, other] = [newIdentity(), newIdentity(), newIdentity()]
  const recipients = [first.identity, second.identity]
  for (const length of [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 17]) {
    const plain = randomBytes(length)
    for (const step of [777, 65_536, 1 << 20]) {
      const sealed = encrypt(plain, recipients, step)
      assert.deepEqual(decrypt(sealed, [first.identity], step), plain, `${length} by ${step}`)
      assert.deepEqual(decrypt(sealed, [other.identity, second.identity], 1 + step), plain)
    }
  }
  const sealed = encrypt(Buffer.from('secret'), recipients)
  assert.throws(
    () => decrypt(sealed, [other.identity]),
    (error) => error instanceof AgeError && error.isForOthers,
  )
})

test('every changed byte and every cut is found', () => {
  const { identity } = newIdentity()
  const sealed = encrypt(Buffer.from('a short secret'), [identity])
  for (let i = 0; i < sealed.length; i++) {
    const damaged = Buffer.from(sealed)
    damaged[i]! ^= 1
    assert.throws(() => decrypt(damaged, [identity]), AgeError, `byte ${i}`)
    assert.throws(() => decrypt(sealed.subarray(0, i), [identity]), AgeError, `cut at ${i}`)
  }
  const long = encrypt(randomBytes(3 * CHUNK), [identity])
  const cut = long.subarray(0, long.length - CHUNK - 16)
  assert.throws(() => decrypt(cut, [identity]), /byte \d+: a chunk/)
})

test('keys are read as age writes them', () => {
  const { identity, text } = newIdentity()
  assert.deepEqual(parseIdentity(text).recipient, identity.recipient)
  const { text: name, bytes } = parseRecipient(identity.recipient.text)
  assert.deepEqual([name, Buffer.from(bytes)], [identity.recipient.text, identity.recipient.bytes])
  assert.equal(parseIdentity(KNOWN).recipient.text, KNOWN_RECIPIENT)
  assert.match(text, /^AGE-SECRET-KEY-1[0-9A-Z]{58}$/)
  assert.throws(() => parseRecipient(identity.recipient.text.replace(/.$/, 'b')), /is no age recip/)
  assert.throws(() => parseIdentity(KNOWN.replace(/.$/, '0')), /no age identity/)
})

test('age decrypts what we encrypt, and the other way round', { skip: !hasAge }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-age-'))
  try {
    const { identity, text } = newIdentity()
    const keyFile = join(folder, 'key')
    writeFileSync(keyFile, `# a comment\n\n${text}\n`)
    for (const length of [0, 5, CHUNK, 200_000]) {
      const plain = randomBytes(length)
      const input = encrypt(plain, [identity])
      const read = spawnSync(AGE, ['-d', '-i', keyFile], { input })
      assert.equal(read.stderr.toString(), '')
      assert.deepEqual(read.stdout, plain)
      const written = spawnSync(AGE, ['-r', identity.recipient.text], { input: plain })
      assert.deepEqual(decrypt(written.stdout, [identity]), plain)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})
