// Goal: what a load leaves in the log: how many keys, what was passed over, and where damage is.

import { equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { FakeDisk } from '../base/disk-fake.ts'
import { TestServer } from './test-server.ts'

const PATH = '/data/dump.rdb'
const HEADER = 'REDIS0010\xfe\x00'
/** No checksum was computed. */
const END = `\xff${'\0'.repeat(8)}`

function startWith(file: string): TestServer {
  const disk = new FakeDisk()
  disk.makeDirectory('/data')
  disk.put(PATH, Buffer.from(file, 'latin1'))
  return new TestServer({ disk, hasPersistence: true })
}

test('keys without elements are named and counted', () => {
  const server = startWith(`${HEADER}\x02\x03set\0\x00\x01k\x01v\x0e\x04list\x00${END}`)
  ok(server.logged('skipping empty key: set'))
  ok(server.logged('skipping empty key: list'))
  ok(
    server.log.includes(
      'Done loading RDB, keys loaded: 1, keys expired: 0, empty keys skipped: 2.',
    ),
  )
  equal(server.connect().call('KEYS', '*'), '*1\r\n$1\r\nk\r\n')
})

test('without any the line is as it was', () => {
  const server = startWith(`${HEADER}\x00\x01k\x01v${END}`)
  ok(server.log.includes('Done loading RDB, keys loaded: 1, keys expired: 0.'))
})

test('damage ends the server, and the log says where it is, in words that are searched for', () => {
  const server = startWith(`${HEADER}\x00\x01k\x01v\x0c\x04zset\x03abc${END}`)
  const at = 'dump.rdb: integrity check failed by byte 26 of 35, after 1 keys'
  ok(
    server.log.some((line) => line.endsWith(at)),
    server.log.join('\n'),
  )
  const fatal = server.log.find((line) => line.startsWith('Fatal error loading the DB: ')) ?? ''
  ok(fatal.includes('sorted set at byte 22, found a damaged ziplist'), fatal)
  ok(fatal.endsWith(': Zset ziplist integrity check failed. Exiting.'), fatal)
  ok(server.log.includes('Terminating server after rdb file reading failure.'))
  ok(server.messages.some(({ kind }) => kind === 'exit'))
})

test('a file that ends early is damaged in another way', () => {
  const server = startWith(`${HEADER}\x00\x01k\x05v`)
  ok(server.log.includes('Terminating server after rdb file reading failure.'))
  ok(!server.logged('integrity check failed'))
})
