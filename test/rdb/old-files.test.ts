// Goal: every sample file of old versions that Redis's source package carries (tests/assets) loads
// with the right keys, or is refused where it is damaged; and `tidemark check-rdb` says the same of
// it. Method: what each file holds is written down here, from what Redis's own suite expects of it.
// The files are Debian's, laid out by `npm run tcl`; without them the tests are skipped.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { walk } from '../differential/walk.ts'
import { ROOT, TestServer, temporaryDir } from '../lib/server.ts'

const ASSETS = join(ROOT, '.cache/tcl/redis-source/tests/assets')
const TIDEMARK = join(ROOT, 'bin/tidemark')
const DATABASES = 16

/** Type, encoding and contents of a key, as `walk` tells them. */
type Expected = Readonly<Record<string, string>>

const NUMBERS = '"1","2","3","a","b","c","100000","6000000000"'

const FILES: Readonly<Record<string, Expected>> = {
  'encodings.rdb': {
    compressible: `string raw "${'a'.repeat(137)}"`,
    hash:
      'hash listpack ["a","1"] ["aa","10"] ["aaa","100"] ["b","2"] ["bb","20"] ["bbb","200"] ' +
      '["c","3"] ["cc","30"] ["ccc","300"] ["ddd","400"] ["eee","5000000000"]',
    hash_zipped: 'hash listpack ["a","1"] ["b","2"] ["c","3"]',
    list: `list quicklist [${NUMBERS},${NUMBERS},${NUMBERS}]`,
    list_zipped: `list quicklist [${NUMBERS}]`,
    number: 'string int "10"',
    set: 'set hashtable ["1"] ["100000"] ["2"] ["3"] ["6000000000"] ["a"] ["b"] ["c"]',
    set_zipped_1: 'set intset ["1"] ["2"] ["3"] ["4"]',
    set_zipped_2: 'set intset ["100000"] ["200000"] ["300000"] ["400000"]',
    set_zipped_3: `set intset ${[1, 2, 3, 4, 5, 6].map((i) => `["${i}000000000"]`).join(' ')}`,
    string: 'string embstr "Hello World"',
    zset:
      'zset listpack ["a","1","b","2","c","3","aa","10","bb","20","cc","30","aaa","100",' +
      '"bbb","200","ccc","300","aaaa","1000","cccc","123456789","bbbb","5000000000"]',
    zset_zipped: 'zset listpack ["a","1","b","2","c","3"]',
  },
  'list-quicklist.rdb': { list: 'list quicklist ["7"]', x: 'string int "7"' },
  'hash-zipmap.rdb': { hash: 'hash listpack ["f1","v1"] ["f2","v2"]' },
  'hash-ziplist.rdb': { hash: 'hash listpack ["f1","v1"] ["f2","v2"]' },
  'zset-ziplist.rdb': { zset: 'zset listpack ["one","1","two","2"]' },
  // Collections without elements are passed over; a script in the metadata is no key.
  'corrupt_empty_keys.rdb': {},
  'scriptbackup.rdb': {},
}
const DAMAGED = 'corrupt_ziplist.rdb'

const skip = existsSync(ASSETS) ? false : `${ASSETS} is not here (npm run tcl)`

/** A folder where the file is the one that a server loads. */
function folderWith(name: string): string {
  const dir = mkdtempSync(join(temporaryDir(), 'old-'))
  copyFileSync(join(ASSETS, name), join(dir, 'dump.rdb'))
  return dir
}

function check(name: string): { readonly code: number | null; readonly output: string } {
  const options = { encoding: 'utf8', timeout: 20_000 } as const
  const done = spawnSync(TIDEMARK, ['check-rdb', join(ASSETS, name)], options)
  return { code: done.status, output: done.stdout + done.stderr }
}

test('each file of the package is known here', { skip }, () => {
  const found = readdirSync(ASSETS).filter((name) => name.endsWith('.rdb'))
  assert.deepEqual(found.sort(), [...Object.keys(FILES), DAMAGED].sort())
})

for (const [name, expected] of Object.entries(FILES)) {
  test(`${name} loads with the right keys`, { skip }, async () => {
    const server = await TestServer.start({ dir: folderWith(name) })
    try {
      const client = await server.connect()
      const states = await walk(client, DATABASES)
      const found: Record<string, string> = {}
      for (const [key, { type, encoding, deadlineMs, contents }] of states) {
        assert.equal(deadlineMs, -1, key)
        found[key.replace(/^0[^\w]/, '')] = `${type} ${encoding} ${contents}`
      }
      assert.deepEqual(found, expected)
      client.close()
    } finally {
      await server.stop()
    }
    const { code, output } = check(name)
    assert.equal(code, 0, output)
    assert.ok(output.includes('RDB looks OK!'), output)
    const { length } = Object.keys(expected)
    if (length > 0) assert.ok(output.includes(`[info] ${length} keys read`), output)
  })
}

test(`${DAMAGED} is refused, and nothing of it is served`, { skip }, async () => {
  const server = await TestServer.launch({ dir: folderWith(DAMAGED) })
  const { code } = await server.exited()
  assert.equal(code, 1)
  assert.match(server.output, /Hash ziplist integrity check failed/)
  await server.stop()
  const checked = check(DAMAGED)
  assert.equal(checked.code, 1)
  assert.match(checked.output, /Reading key 'key:000000000091'/)
  assert.match(checked.output, /Hash ziplist integrity check failed/)
})
