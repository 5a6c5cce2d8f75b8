// Data of all types on a server, for tests that move it to another: random scripts, each in a
// database of its own, and some large values.

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Random } from '../../src/base/random.ts'
import type { RawClient } from '../lib/client.ts'
import { ROOT } from '../lib/server.ts'
import type { ParsedRow } from './rows.ts'
import { makeScript } from './script.ts'

/** Databases that hold something. */
export const EXCHANGED_DATABASES = 9

const COMMANDS = 400
const LARGE_COUNT = 3000
/** Where a script stays in its database, and what it leaves there. */
const STAYS = /^(select|swapdb|move|flushdb|flushall|debug|watch|multi|exec)$/
const ASSETS = join(ROOT, '.cache/tcl/redis-source/tests/assets')

/** Fills the databases; needs a server that knows all commands. */
export async function fill(client: RawClient, seed: number): Promise<void> {
  const isUseful = ({ name, isBlocking, isNewer }: ParsedRow) =>
    !STAYS.test(name) && isBlocking !== true && isNewer !== true
  for (let database = 0; database < EXCHANGED_DATABASES - 1; database++) {
    await client.text('SELECT', `${database}`)
    const script = makeScript(new Random(seed + database), COMMANDS, isUseful)
    for (const { words } of script.steps) {
      const name = words[0]!.toLowerCase()
      if (name !== 'copy') await client.call(...words.map((word) => Buffer.from(word, 'latin1')))
    }
    await client.call('DISCARD')
  }
  await client.text('SELECT', `${EXCHANGED_DATABASES - 1}`)
  await fillLarge(client)
}

/** Values of thousands of elements, and of elements that are large. */
async function fillLarge(client: RawClient): Promise<void> {
  const numbers = Array.from({ length: LARGE_COUNT }, (_, i) => i)
  const names = numbers.map((i) => `element:${i}`)
  await client.text('RPUSH', 'list', ...names, ...numbers.map(String))
  await client.text('RPUSH', 'wide', 'x'.repeat(70_000), 'small', 'y'.repeat(9000), '')
  await client.text('SADD', 'set', ...names)
  await client.text('SADD', 'numbers', ...numbers.map((i) => `${(i * 7919) % 100_003}`))
  await client.text('SADD', 'few', '1', '-70000', '5000000000')
  await client.text('HSET', 'hash', ...names.flatMap((name, i) => [name, `${i}`]))
  await client.text('HSET', 'wide hash', 'field', 'z'.repeat(100_000), '', '')
  await client.text('ZADD', 'zset', ...names.flatMap((name, i) => [`${(i * 37) % 101}.5`, name]))
  await client.text('ZADD', 'ends', 'inf', 'a', '-inf', 'b', '1e300', 'c', '-0', 'd', '1e17', 'e')
  for (const i of numbers.slice(0, 500)) {
    await client.text('XADD', 'stream', `${i}-${i % 3}`.replace(/^0-0$/, '0-1'), 'f', names[i]!)
  }
  await client.text('XGROUP', 'CREATE', 'stream', 'group', '0')
  await client.call('XREADGROUP', 'GROUP', 'group', 'c', 'COUNT', '200', 'STREAMS', 'stream', '>')
  await client.text('XDEL', 'stream', '5-2', '6-0', '499-1')
  await client.text('EXPIRE', 'zset', '100000')
  await client.text('PEXPIREAT', 'list', '4102444800123')
}

/** Old RDB files of Redis's test suite; none where the suite's source is not at hand. */
export function oldFiles(): string[] {
  try {
    return readdirSync(ASSETS)
      .filter((name) => name.endsWith('.rdb') && !/^(corrupt|script)/.test(name))
      .map((name) => join(ASSETS, name))
  } catch {
    return []
  }
}
