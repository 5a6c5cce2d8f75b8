// The names of INFO's fields, section by section, beside redis-server: tools look for them by name,
// and some by order. What redis-server has and this server has not is listed here with the reason,
// so that the list can only shrink. Fields that are named after keys or commands are left out.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { RawClient } from '../lib/client.ts'
import { REFERENCE, stopAll, TestServer } from '../lib/server.ts'

const skip = REFERENCE === '' ? 'redis-server is not installed' : false

/** Field by its section, and why it is not here. */
const MISSING: Readonly<Record<string, string>> = {}

/** Sections whose fields are named after commands, errors or databases. */
const NAMED = new Set(['Commandstats', 'Errorstats', 'Latencystats', 'Keyspace'])

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

/** Names of fields, in their order, by section. */
async function fieldsOf(client: RawClient, ...words: string[]): Promise<Map<string, string[]>> {
  client.send('INFO', ...words)
  const reply = await client.receive()
  assert.ok(reply !== null && reply.text !== null)
  const sections = new Map<string, string[]>()
  let fields: string[] = []
  for (const line of reply.text.split('\r\n')) {
    if (line.startsWith('# ')) {
      fields = []
      sections.set(line.slice(2), fields)
    } else if (line !== '') fields.push(line.slice(0, line.indexOf(':')))
  }
  return sections
}

test('sections are those of redis-server, in its order', { skip }, async () => {
  for (const words of [[], ['all'], ['everything'], ['memory', 'stats', 'cpu']]) {
    const own = [...(await fieldsOf(ours, ...words)).keys()]
    assert.deepEqual(own, [...(await fieldsOf(theirs, ...words)).keys()], words.join(' '))
  }
})

test('every field of redis-server is here, in its order, or its lack is known', {
  skip,
}, async () => {
  const own = await fieldsOf(ours, 'everything')
  const missing: string[] = []
  for (const [section, names] of await fieldsOf(theirs, 'everything')) {
    if (NAMED.has(section)) continue
    const found = own.get(section) ?? []
    missing.push(...names.filter((name) => !found.includes(name)))
    const shared = names.filter((name) => found.includes(name))
    assert.deepEqual(
      found.filter((name) => names.includes(name)),
      shared,
      section,
    )
  }
  assert.deepEqual(missing.toSorted(), Object.keys(MISSING).toSorted())
})

test('fields while something is going on are here, too', { skip }, async () => {
  for (const client of [ours, theirs]) {
    for (const words of [
      ['CONFIG', 'SET', 'rdb-key-save-delay', '1000000'],
      ['SET', 'k', 'v'],
      ['BGSAVE'],
    ]) {
      client.send(...words)
      await client.receive()
    }
  }
  const own = (await fieldsOf(ours, 'persistence')).get('Persistence') ?? []
  const names = (await fieldsOf(theirs, 'persistence')).get('Persistence') ?? []
  assert.deepEqual(
    names.filter((name) => !own.includes(name)),
    [],
  )
})
