// Goal: the reserve that the configuration means, for datasets of all sizes; CONFIG SET holds at
// once. Method: a table, and settings of a server whose parameters are changed.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeDisk } from '../base/disk-fake.ts'
import { Config, type ConfigName } from './config.ts'
import { LiveSettings, reserveFor } from './persistence-settings.ts'
import type { Server } from './server.ts'

const MIB = 1024 * 1024
const GIB = 1024 * MIB
const AUTO = 0

// Configured, dataset, reserve.
const cases: [configured: number, dataset: number, reserve: number][] = [
  [AUTO, 0, 32 * MIB],
  [AUTO, GIB, 32 * MIB],
  [AUTO, 1600 * MIB, 32 * MIB],
  [AUTO, 1600 * MIB + 1, 40 * MIB],
  [AUTO, 2000 * MIB, 40 * MIB],
  [AUTO, 100 * GIB, 2048 * MIB],
  [MIB, 100 * GIB, MIB],
  [64 * MIB, 0, 64 * MIB],
  [-10, 0, 0],
  [-10, 15, 2],
  [-10, GIB, Math.ceil(GIB / 10)],
  [-100, GIB, GIB],
]

test('the reserve follows from the configured value and the dataset', () => {
  for (const [configured, dataset, reserve] of cases) {
    assert.equal(reserveFor(configured, dataset), reserve, `${configured} of ${dataset}`)
  }
})

test('CONFIG SET holds for what is read next, and auto follows the dataset', () => {
  const disk = new FakeDisk()
  disk.makeDirectory('/data')
  const config = new Config(disk, '/data')
  const keyspace = { usedBytes: 0 }
  const settings = new LiveSettings({ config, keyspace } as unknown as Server)
  assert.equal(settings.reserveBytes, 32 * MIB)
  assert.equal(settings.stallTimeoutSeconds, 60)
  keyspace.usedBytes = 10_000 * MIB
  assert.equal(settings.reserveBytes, 200 * MIB)
  const error = config.set([
    ['snapshot-reserve', '8mb'],
    ['snapshot-stall-timeout', '0'],
  ])
  assert.equal(error, null)
  assert.equal(settings.reserveBytes, 8 * MIB)
  assert.equal(settings.stallTimeoutSeconds, 0)
  assert.equal(config.set([['snapshot-reserve', '1%']]), null)
  assert.equal(settings.reserveBytes, 100 * MIB)
})

test("ElastiCache's names count while snapshot-reserve is auto", () => {
  const disk = new FakeDisk()
  disk.makeDirectory('/data')
  const config = new Config(disk, '/data')
  const keyspace = { usedBytes: 1000 * MIB }
  const settings = new LiveSettings({ config, keyspace } as unknown as Server)
  const steps: [name: ConfigName, value: string, reserve: number][] = [
    ['reserved-memory-percent', '25', 250 * MIB],
    ['maxmemory', '2000mb', 500 * MIB],
    ['reserved-memory', '100mb', 100 * MIB],
    ['snapshot-reserve', '64mb', 64 * MIB],
    ['snapshot-reserve', '10%', 100 * MIB],
    ['reserved-memory', '0', 100 * MIB],
    ['snapshot-reserve', 'auto', 500 * MIB],
    ['reserved-memory-percent', '0', 32 * MIB],
  ]
  for (const [name, value, reserve] of steps) {
    assert.equal(config.set([[name, value]]), null)
    assert.equal(settings.reserveBytes, reserve, `${name} ${value}`)
  }
})
