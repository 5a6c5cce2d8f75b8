// Goal: a configuration is right or says where it is not, and no secret is in what it says. Method:
// a table of files with the one thing that is wrong, and the sentence that must name it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError, parseConfig, readConfig, withoutComments } from './read-config.ts'

const PLACE = { environment: { TIDEMARK_PASSWORD: 'known', OTHER: 'secret' }, directory: '/etc/tm' }

function withCluster(more: object): object {
  const cluster = { name: 'main', from: ['redis://10.0.0.1:6379'], ...more }
  return { stores: ['backups'], clusters: [cluster] }
}

function parse(value: object) {
  return parseConfig(JSON.stringify(value), 'c.json', PLACE)
}

test('without a file there is a node, a store and a backup a day', async () => {
  const config = await readConfig(null, {})
  assert.equal(config.clusters[0]?.nodes[0]?.label, 'redis://127.0.0.1:6379')
  assert.equal(config.clusters[0]?.retention.retentionDays, 7)
  assert.equal(config.deleteExpired, false)
  assert.deepEqual(config.listen, { host: '127.0.0.1', port: 9151 })
})

test('what a file says is what is configured', async () => {
  const config = await parse({
    ...withCluster({
      user: 'backup',
      passwordVariable: 'OTHER',
      window: '23:30-00:30',
      retentionDays: 35,
      keepAtLeast: 3,
      freshHours: 30,
      source: 'replica',
      fork: 'refuse',
      tls: { ca: 'ca.pem', insecure: false },
    }),
    stores: ['backups', 's3://bucket/prefix'],
    compression: 'none',
    verify: { afterBackup: false, level: 'parts', everyHours: 0 },
    deleteExpired: true,
    listen: '[::1]:80',
    limitMBPerSecond: 50,
  })
  const [cluster] = config.clusters
  assert.deepEqual(config.stores, ['/etc/tm/backups', 's3://bucket/prefix'])
  assert.equal(config.level, null)
  assert.equal(config.bytesPerSecond, 50e6)
  assert.deepEqual(config.listen, { host: '::1', port: 80 })
  assert.deepEqual(config.verify, { afterBackup: false, level: 'parts', everyMs: 0 })
  assert.equal(cluster?.nodes[0]?.user, 'backup')
  assert.equal(cluster?.nodes[0]?.password, 'secret')
  assert.deepEqual(cluster?.window, { startMinute: 1410, minutes: 60 })
  assert.deepEqual(cluster?.tls, { ca: '/etc/tm/ca.pem' })
  assert.equal(cluster?.freshMs, 108_000_000)
})

const WRONG: readonly (readonly [object, RegExp])[] = [
  [{}, /c\.json: stores is missing, expected a list of 1 to 2 strings/],
  [{ stores: ['a'] }, /clusters is missing, expected a list/],
  [{ ...withCluster({}), stores: [1] }, /stores is \[1\], expected a list of 1 to 2 strings/],
  [{ ...withCluster({}), retension: 1 }, /retension is not known; what may stand here: clusters/],
  [withCluster({ days: 1 }), /clusters\[0\]\.days is not known/],
  [withCluster({ name: '9' }), /clusters\[0\]\.name "9": .* must begin with a letter/],
  [withCluster({ from: [] }), /clusters\[0\]\.from is \[\], expected a list of 1/],
  [withCluster({ from: 'http://:hidden@x' }), /clusters\[0\]\.from: address begins with http/],
  [withCluster({ window: '03:00-03:30' }), /window is "03:00-03:30", expected .* 60 minutes/],
  [withCluster({ retentionDays: 36 }), /retentionDays is 36, expected a number from 0 to 35/],
  [withCluster({ retentionDays: 1.5 }), /retentionDays is 1\.5, expected a whole number/],
  [withCluster({ retentionDays: '7' }), /retentionDays is "7", expected a number/],
  [withCluster({ source: 'any' }), /source is "any", expected one of auto, primary, replica/],
  [withCluster({ passwordVariable: 'NONE' }), /"NONE", expected a variable that is set/],
  [withCluster({ passwordFile: 'no' }), /passwordFile is "no", expected a file that can be read/],
  [withCluster({ tls: 1 }), /clusters\[0\]\.tls must be an object/],
  [{ ...withCluster({}), compression: 20 }, /compression is 20, expected 1 to 19, or "none"/],
  [{ ...withCluster({}), listen: '9151' }, /listen is "9151", expected host:port, or none/],
  [{ ...withCluster({}), recipients: ['age1x'] }, /recipients "age1x": .*no age recipient/],
  [{ ...withCluster({}), verify: { level: 1 } }, /verify\.level is 1, expected one of engine/],
  [{ ...withCluster({}), deleteExpired: 'yes' }, /deleteExpired is "yes", expected true or false/],
]

for (const [value, message] of WRONG) {
  test(`refused: ${message.source}`, async () => {
    await assert.rejects(parse(value), (error) => {
      assert.ok(error instanceof ConfigError)
      assert.match(error.message, message)
      return !error.message.includes('hidden')
    })
  })
}

test('two clusters of one name are refused', async () => {
  const cluster = { name: 'main', from: 'redis://a' }
  await assert.rejects(parse({ stores: 'b', clusters: [cluster, cluster] }), /no other cluster/)
})

test('comments are blank, and addresses are none', async () => {
  const text = '{ // all\n "a": "s3://b", "c": "\\"//" } // end'
  assert.deepEqual(JSON.parse(withoutComments(text)), { a: 's3://b', c: '"//' })
  assert.equal(withoutComments(text).length, text.length)
  await assert.rejects(parseConfig('{ "stores": ', 'c.json', PLACE), /^ConfigError: c\.json: /)
  await assert.rejects(readConfig('/nowhere/c.json', {}), /\/nowhere\/c\.json: ENOENT/)
})
