// COMMAND INFO, DOCS and GETKEYS of every command that redis-server has too must say the same, but
// for texts of our own. Sets are compared as sets. What redis-server has and this server has not is
// listed here by name, so that the list can only shrink.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { RawClient } from '../lib/client.ts'
import type { Value } from '../lib/resp.ts'
import { REFERENCE, stopAll, TestServer } from '../lib/server.ts'
import { MISSING, OWN_FACTS } from './command-differences.ts'
import { KEY_SAMPLES } from './key-samples.ts'

const skip = REFERENCE === '' ? 'redis-server is not installed' : false

let ours: RawClient
let theirs: RawClient

before(async () => {
  if (skip) return
  const server = await TestServer.start()
  const reference = await TestServer.start({ command: REFERENCE })
  ours = await server.connect()
  theirs = await reference.connect()
})
after(stopAll)

type Plain = string | readonly Plain[] | null

/** A reply as text and arrays; sets, which have no order, sorted. */
function plain(value: Value): Plain {
  if (value.kind === 'nil') return null
  if (value.items === undefined || value.items.length === 0) return value.text
  const items = value.items.map(plain)
  // Notes in key specs are texts for people.
  if (value.kind === 'map' && items[0] === 'notes') items.splice(0, 2)
  return value.kind === 'set' ? items.map((each) => JSON.stringify(each)).sort() : items
}

async function ask(client: RawClient, ...words: string[]): Promise<Plain> {
  client.send(...words)
  const reply = await client.receive()
  assert.ok(reply !== null, words.join(' '))
  return plain(reply)
}

async function namesOf(client: RawClient): Promise<string[]> {
  const names = await ask(client, 'COMMAND', 'LIST')
  return (names as string[]).toSorted()
}

test('every command of redis-server is here, or is known to be missing', { skip }, async () => {
  const own = new Set(await namesOf(ours))
  const missing = (await namesOf(theirs)).filter((name) => !own.has(name))
  assert.deepEqual(missing, [...MISSING].toSorted())
})

test('COMMAND INFO says what redis-server says', { skip }, async () => {
  for (const client of [ours, theirs]) await ask(client, 'HELLO', '3')
  const own = new Set(await namesOf(ours))
  const differences: string[] = []
  for (const name of await namesOf(theirs)) {
    if (!own.has(name) || OWN_FACTS.has(name)) continue
    const [left, right] = [
      await ask(ours, 'COMMAND', 'INFO', name),
      await ask(theirs, 'COMMAND', 'INFO', name),
    ]
    const parts = ['name', 'arity', 'flags', 'first', 'last', 'step', 'categories', 'tips', 'specs']
    const [a, b] = [(left as Plain[][])[0]!, (right as Plain[][])[0]!]
    parts.forEach((part, i) => {
      const [x, y] = [JSON.stringify(a[i]), JSON.stringify(b[i])]
      if (x !== y) differences.push(`${name} ${part}: ${x}, expected ${y}`)
    })
  }
  assert.deepEqual(differences, [])
})

test('COMMAND DOCS says what redis-server says', { skip }, async () => {
  const own = new Set(await namesOf(ours))
  const differences: string[] = []
  for (const name of await namesOf(theirs)) {
    if (!own.has(name)) continue
    const docs: Map<string, string>[] = []
    for (const client of [ours, theirs]) {
      const reply = (await ask(client, 'COMMAND', 'DOCS', name)) as Plain[]
      const fields = new Map<string, string>()
      const pairs = reply[1] as Plain[]
      for (let i = 0; i < pairs.length; i += 2)
        fields.set(`${pairs[i]}`, JSON.stringify(pairs[i + 1]))
      docs.push(fields)
    }
    for (const field of ['since', 'group', 'deprecated_since', 'doc_flags']) {
      const [x, y] = [docs[0]?.get(field), docs[1]?.get(field)]
      if (x !== y) differences.push(`${name} ${field}: ${x}, expected ${y}`)
    }
    if ((docs[0]?.get('summary') ?? '').length < 8) differences.push(`${name}: no summary`)
  }
  assert.deepEqual(differences, [])
})

for (const sample of KEY_SAMPLES) {
  test(`keys of ${sample}`, { skip }, async () => {
    for (const command of ['GETKEYS', 'GETKEYSANDFLAGS']) {
      const words = sample.split(' ').map((word) => (word === '""' ? '' : word))
      const left = await ask(ours, 'COMMAND', command, ...words)
      assert.deepEqual(left, await ask(theirs, 'COMMAND', command, ...words), command)
    }
  })
}
