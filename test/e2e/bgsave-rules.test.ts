// Goal: BGSAVE is started, refused and scheduled as redis-server does it, inside of EXEC too.
// Method: the same commands in the same situations against both, with saves made slow by
// rdb-key-save-delay; the replies of ours are written out here, those of redis-server compared.

import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import type { RawClient } from '../lib/client.ts'
import { isReference, REFERENCE, stopAll, TestServer } from '../lib/server.ts'
import { waitFor } from '../lib/wait.ts'

after(stopAll)

const ARGS = ['--enable-debug-command', 'yes']
const BUSY = 'ERR Background save already in progress'
const SCHEDULED = 'Background saving scheduled'

/** What is sent, `EXEC` standing for the queued commands before it, and what must come back. */
const DURING_SAVE: readonly (readonly [commands: readonly string[], reply: string])[] = [
  [['BGSAVE'], BUSY],
  [['BGSAVE SCHEDULE'], BUSY],
  [['SAVE'], BUSY],
  [['MULTI', 'BGSAVE', 'EXEC'], BUSY],
  [['MULTI', 'BGSAVE SCHEDULE', 'EXEC'], BUSY],
  [['BGSAVE nonsense'], 'ERR syntax error'],
  [['BGSAVE SCHEDULE SCHEDULE'], 'ERR syntax error'],
]

/** The last reply to these commands, and the first element of it where it is EXEC's. */
async function replyTo(client: RawClient, commands: readonly string[]): Promise<string> {
  let text = ''
  for (const command of commands) {
    const reply = await client.call(...command.split(' '))
    text = (reply.items[0] ?? reply).text
  }
  return text
}

async function fieldOf(client: RawClient, name: string): Promise<string> {
  const info = await client.text('INFO', 'persistence')
  return new RegExp(`^${name}:(.*)\r$`, 'm').exec(info)?.[1] ?? ''
}

async function checkRules(command: string | undefined): Promise<void> {
  const server = await TestServer.start({ args: ARGS, ...(command !== undefined && { command }) })
  const client = await server.connect()
  await client.text('DEBUG', 'POPULATE', '1000', 'key', '100')
  const saves = async () => Number(await fieldOf(client, 'rdb_saves'))
  const idle = () =>
    waitFor('no save runs', async () => {
      return (await fieldOf(client, 'rdb_bgsave_in_progress')) === '0'
    })

  // While a save of the file runs, every other one is refused.
  await client.text('CONFIG', 'SET', 'rdb-key-save-delay', '2000')
  assert.equal(await replyTo(client, ['BGSAVE SCHEDULE']), 'Background saving started')
  for (const [commands, reply] of DURING_SAVE) {
    assert.equal(await replyTo(client, commands), reply, commands.join(', '))
  }
  assert.equal(await fieldOf(client, 'rdb_bgsave_in_progress'), '1')
  await client.text('CONFIG', 'SET', 'rdb-key-save-delay', '0')
  await idle()
  assert.equal(await saves(), 1)

  // Inside of EXEC it is scheduled, and has the writes of that EXEC.
  for (const words of ['BGSAVE', 'BGSAVE SCHEDULE']) {
    const before = await saves()
    client.send('MULTI')
    client.send(...words.split(' '))
    client.send('SET', 'in', 'exec')
    client.send('EXEC')
    for (const reply of ['OK', 'QUEUED', 'QUEUED']) {
      assert.equal((await client.receive())?.text, reply)
    }
    const done = await client.receive()
    assert.deepEqual(
      done?.items.map(({ text }) => text),
      [SCHEDULED, 'OK'],
    )
    await waitFor('the scheduled save has come', async () => (await saves()) > before)
    await idle()
    assert.equal(await fieldOf(client, 'rdb_changes_since_last_save'), '0')
  }
  await server.stop()
}

it('BGSAVE beside BGSAVE, and inside of EXEC', { timeout: 40_000 }, () => checkRules(undefined))

it('redis-server answers the same', { timeout: 40_000 }, async (t) => {
  if (REFERENCE === '' || isReference()) return t.skip('needs redis-server beside ours')
  await checkRules(REFERENCE)
})
