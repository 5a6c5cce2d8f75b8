// Goal: CONFIG GET and SET behave as in Redis 7.0.15, and a failed SET leaves no trace. Method:
// replies that were taken from redis-server 7.0.15, compared text by text.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeDisk } from '../base/disk-fake.ts'
import { Config } from './config.ts'
import { configEntries } from './config-table.ts'

const FAILED = 'ERR CONFIG SET failed (possibly related to argument'

const INTEGER_ERROR = "argument couldn't be parsed into an integer"
const MEMORY_ERROR = 'argument must be a memory value'
const LEVEL_ERROR = 'argument(s) must be one of the following: debug, verbose, notice, warning'
const SHUTDOWN_ERROR = 'argument(s) must be one of the following: default, save, nosave, now, force'
const PERCENTILE_ERROR = 'Invalid latency-tracking-info-percentiles parameters'
const SET_ERRORS: readonly (readonly [pairs: [string, string][], expected: string | null])[] = [
  [[['MaxMemory', 'abc']], `${FAILED} 'maxmemory') - ${MEMORY_ERROR}`],
  [[['hash-max-listpack-value', '-1']], `${FAILED} 'hash-max-listpack-value') - ${MEMORY_ERROR}`],
  [[['PORT', '99999']], `${FAILED} 'port') - argument must be between 0 and 65535 inclusive`],
  [[['Databases', '3']], `${FAILED} 'Databases') - can't set immutable config`],
  [[['dir', '/']], `${FAILED} 'dir') - can't set protected config`],
  [
    [
      ['Foo', '1'],
      ['databases', '3'],
    ],
    "ERR Unknown option or number of arguments for CONFIG SET - 'Foo'",
  ],
  [[['', '1']], "ERR Unknown option or number of arguments for CONFIG SET - ''"],
  [
    [
      ['maxmemory', '1'],
      ['MAXMEMORY', '2'],
    ],
    `${FAILED} 'MAXMEMORY') - duplicate parameter`,
  ],
  [
    [['slave-priority', '-1']],
    `${FAILED} 'slave-priority') - argument must be between 0 and 2147483647 inclusive`,
  ],
  [
    [['maxclients', '-1']],
    `${FAILED} 'maxclients') - argument must be between 1 and 4294967295 inclusive`,
  ],
  [
    [['hash-max-listpack-entries', '-1']],
    `${FAILED} 'hash-max-listpack-entries') - ` +
      'argument must be between 0 and 9223372036854775807 inclusive',
  ],
  [[['save', '1  2']], `${FAILED} 'save') - Invalid save parameters`],
  [[['save', '1 2 ']], `${FAILED} 'save') - Invalid save parameters`],
  [[['save', '0 2']], `${FAILED} 'save') - Invalid save parameters`],
  [[['shutdown-on-sigint', '']], `${FAILED} 'shutdown-on-sigint') - ${SHUTDOWN_ERROR}`],
  [
    [['shutdown-on-sigint', 'save nosave']],
    `${FAILED} 'shutdown-on-sigint') - ` +
      "shutdown options SAVE and NOSAVE can't be used simultaneously",
  ],
  [[['bind', '127.0.0.1  ::1']], `${FAILED} 'bind') - Failed to bind to specified addresses.`],
  [[['loglevel', '']], `${FAILED} 'loglevel') - ${LEVEL_ERROR}`],
  [[['tcp-keepalive', '+5']], `${FAILED} 'tcp-keepalive') - ${INTEGER_ERROR}`],
  [[['tcp-keepalive', '05']], `${FAILED} 'tcp-keepalive') - ${INTEGER_ERROR}`],
  [
    [['oom-score-adj-values', '1 2']],
    `${FAILED} 'oom-score-adj-values') - wrong number of arguments`,
  ],
  [
    [['client-output-buffer-limit', 'normal 1 2 3 foo 1 2 3']],
    `${FAILED} 'client-output-buffer-limit') - ` +
      'Invalid client class specified in buffer limit configuration.',
  ],
  [
    [['notify-keyspace-events', 'q']],
    `${FAILED} 'notify-keyspace-events') - ` +
      "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.",
  ],
  [
    [['latency-tracking-info-percentiles', '1 x']],
    `${FAILED} 'latency-tracking-info-percentiles') - ${PERCENTILE_ERROR}`,
  ],
  [
    [['proc-title-template', '{title}']],
    `${FAILED} 'proc-title-template') - ` +
      'template format is invalid or contains unknown variables',
  ],
  [
    [['maxmemory-clients', '200%']],
    `${FAILED} 'maxmemory-clients') - percentage argument must be less or equal to 100`,
  ],
  [
    [['cluster-announce-hostname', 'a b']],
    `${FAILED} 'cluster-announce-hostname') - ` +
      'Hostnames may only contain alphanumeric characters, hyphens or dots',
  ],
]

function newConfig(): Config {
  const disk = new FakeDisk()
  disk.makeDirectory('/data')
  disk.makeDirectory('/data/sub')
  disk.put('/data/file', new Uint8Array(1))
  return new Config(disk, '/data')
}

test('CONFIG SET refuses what Redis refuses, in its words, and changes nothing', () => {
  for (const [pairs, expected] of SET_ERRORS) {
    const config = newConfig()
    const before = config.get(['*'])
    assert.equal(config.set(pairs), expected)
    assert.deepEqual(config.get(['*']), before)
  }
})

test('values are shown in the form in which Redis shows them', () => {
  const cases: readonly (readonly [name: string, given: string, shown: string])[] = [
    ['maxmemory', '10mb', '10485760'],
    ['maxmemory', '18446744073709551615', '18446744073709551615'],
    ['maxmemory', '', '0'],
    ['maxmemory-clients', '10%', '10%'],
    ['maxmemory-clients', '1k', '1000'],
    ['maxmemory-clients', '0%', '0'],
    ['hz', '1000', '500'],
    ['repl-backlog-size', '1', '16384'],
    ['hz', '0', '1'],
    ['loglevel', 'VERBOSE', 'verbose'],
    ['oom-score-adj', 'relative', 'yes'],
    ['save', '', ''],
    ['save', '900 1 20 0', '900 1 20 0'],
    ['shutdown-on-sigterm', 'force nosave', 'nosave force'],
    ['shutdown-on-sigterm', 'default', 'default'],
    ['notify-keyspace-events', 'EKA', 'AKE'],
    ['notify-keyspace-events', 'mKnlg$', 'g$lnKm'],
    ['notify-keyspace-events', 'An', 'An'],
    [
      'client-output-buffer-limit',
      '',
      'normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60',
    ],
    [
      'client-output-buffer-limit',
      'REPLICA 1mb 2k 3',
      'normal 0 0 0 slave 1048576 2000 3 pubsub 33554432 8388608 60',
    ],
    ['latency-tracking-info-percentiles', '99.99999999 0.5 1e1', '100 0.5 10'],
    ['latency-tracking-info-percentiles', '', ''],
    ['oom-score-adj-values', '-1 +2 03', '-1 2 3'],
    ['bind', '', ''],
    ['bind', '127.0.0.1 -::1', '127.0.0.1 -::1'],
    ['proc-title-template', 'a{{b', 'a{{b'],
    ['slowlog-log-slower-than', '-1', '-1'],
    ['slave-priority', '3', '3'],
  ]
  for (const [name, given, shown] of cases) {
    const config = newConfig()
    assert.equal(config.set([[name, given]]), null, `${name} ${given}`)
    assert.deepEqual(config.get([name]), [[name, shown]])
  }
})

test('CONFIG GET takes names as given, patterns, aliases, and shows nothing twice', () => {
  const config = newConfig()
  assert.deepEqual(config.get(['HZ', 'hz']), [['HZ', '10']])
  assert.deepEqual(config.get(['nothing', 'noth*']), [])
  assert.deepEqual(config.get(['h[yz]', 'H\\z', 'h?']), [['hz', '10']])
  const names = (patterns: string[]) => config.get(patterns).map(([name]) => name)
  assert.deepEqual(names(['hz', '*hz']), ['hz', 'dynamic-hz'])
  assert.deepEqual(names(['slave*announce*ip']), ['slave-announce-ip'])
  assert.deepEqual(names(['REPLICAOF', 'slaveof', '*aveof']), ['REPLICAOF', 'slaveof'])
  assert.deepEqual(names(['MAXMEMORY-*']), [
    'maxmemory-clients',
    'maxmemory-policy',
    'maxmemory-samples',
    'maxmemory-eviction-tenacity',
  ])
  assert.ok(!names(['*']).includes('key-load-delay'))
  assert.deepEqual(config.get(['key-load-delay']), [['key-load-delay', '0']])
})

test('a value of several parts has its parts', () => {
  const config = newConfig()
  config.set([
    ['save', '900 1 20 0'],
    ['client-output-buffer-limit', 'replica 1mb 2k 3'],
    ['maxmemory-clients', '10%'],
    ['shutdown-on-sigint', 'now save'],
  ])
  assert.deepEqual(config.values.save, [
    { seconds: 900, changes: 1 },
    { seconds: 20, changes: 0 },
  ])
  assert.deepEqual(config.values.clientOutputBufferLimit.slave, {
    hardBytes: 1048576,
    softBytes: 2000,
    softSeconds: 3,
  })
  assert.equal(config.values.maxmemoryClients, -10)
  assert.deepEqual(config.values.shutdownOnSigint, ['save', 'now'])
})

test('snapshot-reserve is auto, a size of at least 1 MiB, or a percentage', () => {
  const config = newConfig()
  const shown = (value: string) => {
    const error = config.set([['snapshot-reserve', value]])
    assert.equal(error, null, value)
    return [config.get(['snapshot-reserve'])[0]?.[1], config.values.snapshotReserve]
  }
  assert.deepEqual(config.get(['snapshot-reserve']), [['snapshot-reserve', 'auto']])
  assert.equal(config.values.snapshotReserve, 0)
  assert.deepEqual(shown('1mb'), ['1048576', 1048576])
  assert.deepEqual(shown('64MB'), ['67108864', 67108864])
  assert.deepEqual(shown('5m'), ['5000000', 5000000])
  assert.deepEqual(shown('10%'), ['10%', -10])
  assert.deepEqual(shown('AUTO'), ['auto', 0])
  for (const value of ['0', '0%', '1048575', '1000k', '-1', '101%', 'autos', 'auto%', '', '-5%']) {
    assert.match(config.set([['snapshot-reserve', value]]) ?? 'OK', /^ERR CONFIG SET failed/, value)
  }
  assert.deepEqual(config.get(['snapshot-reserve']), [['snapshot-reserve', 'auto']])
  // Others of this form do not know the word.
  assert.match(config.set([['maxmemory-clients', 'auto']]) ?? 'OK', /^ERR CONFIG SET failed/)
})

test('everything that CONFIG GET lists can be set to its own value, unless it is immutable', () => {
  const config = newConfig()
  const before = config.get(['*'])
  for (const [name, value] of before) {
    const error = config.set([[name, value]])
    const isFixed = error?.includes('immutable') || error?.includes('protected')
    assert.ok(error === null || isFixed, `${name}: ${error}`)
  }
  assert.deepEqual(config.get(['*']), before)
})

test('a wrong value among several changes none of them', () => {
  const config = newConfig()
  const error = config.set([
    ['maxmemory', '10000001'],
    ['replica-priority', '7'],
    ['slave-priority', '8'],
    ['client-query-buffer-limit', 'invalid'],
  ])
  assert.match(error ?? '', /related to argument 'client-query-buffer-limit'/)
  assert.equal(config.values.maxmemory, 0)
  assert.equal(config.values.replicaPriority, 100)
})

test('a value that cannot be applied is undone, also where it was applied before', () => {
  const config = newConfig()
  const seen: string[] = []
  config.onChange('maxmemory', () => {
    seen.push(`maxmemory ${config.values.maxmemory}`)
    return null
  })
  config.onChange('port', () => {
    seen.push(`port ${config.values.port}`)
    return config.values.port === 1 ? 'Unable to listen on this port. Check server logs.' : null
  })
  config.onChange('timeout', () => {
    seen.push('timeout')
    return null
  })
  const error = config.set([
    ['maxmemory', '5'],
    ['port', '1'],
    ['timeout', '9'],
  ])
  assert.equal(error, `${FAILED} 'port') - Unable to listen on this port. Check server logs.`)
  assert.deepEqual(seen, ['maxmemory 5', 'port 1', 'maxmemory 0', 'port 6379'])
  assert.deepEqual(
    [config.values.maxmemory, config.values.port, config.values.timeout],
    [0, 6379, 0],
  )
  assert.equal(config.isExplicit('port'), false)
})

test('what is registered is called once, only for what changes, and for files always', () => {
  const config = newConfig()
  let calls = 0
  const apply = () => {
    calls++
    return null
  }
  for (const name of ['timeout', 'maxmemory', 'tls-cert-file'] as const)
    config.onChange(name, apply)
  config.set([['timeout', '0']])
  assert.equal(calls, 0)
  config.set([
    ['timeout', '1'],
    ['maxmemory', '1'],
  ])
  assert.equal(calls, 1)
  config.set([['tls-cert-file', '']])
  assert.equal(calls, 2)
})

test('guarded parameters follow enable-protected-configs, and dir must be a directory', () => {
  const config = newConfig()
  const local = { isLocal: true, isLoading: false }
  const remote = { isLocal: false, isLoading: false }
  assert.equal(config.assign('enable-protected-configs', ['local']), null)
  assert.match(config.set([['dir', 'sub']], remote) ?? '', /protected/)
  assert.equal(config.set([['dir', 'sub']], local), null)
  assert.equal(config.values.dir, '/data/sub')
  assert.equal(config.resolvePath('a/b'), '/data/sub/a/b')
  assert.equal(config.set([['dir', '..']], local), null)
  assert.equal(config.values.dir, '/data')
  assert.equal(config.set([['dir', 'none']], local), `${FAILED} 'dir') - No such file or directory`)
  assert.equal(config.set([['dir', 'file']], local), `${FAILED} 'dir') - Not a directory`)
  assert.equal(config.set([['dir', '']], local), `${FAILED} 'dir') - No such file or directory`)
  assert.equal(
    config.set([['dbfilename', 'a/b']], local),
    `${FAILED} 'dbfilename') - dbfilename can't be a path, just a filename`,
  )
})

test('while a dataset is loaded, only what does not touch it may be set', () => {
  const config = newConfig()
  const caller = { isLocal: true, isLoading: true }
  assert.equal(config.set([['loglevel', 'debug']], caller), null)
  const loading = 'LOADING Redis is loading the dataset in memory'
  assert.equal(config.set([['appendonly', 'no']], caller), loading)
  assert.match(config.set([['dir', 'sub']], caller) ?? '', /protected/)
})

test('what does not exist yet is refused where ignoring it would do harm', () => {
  const config = newConfig()
  for (const [name, value] of [['tls-port', '6380']] as const) {
    assert.match(config.set([[name, value]]) ?? 'OK', /^ERR CONFIG SET failed/, name)
  }
  for (const [name, args] of [
    ['cluster-enabled', ['yes']],
    ['aclfile', ['/x']],
    ['replicaof', ['127.0.0.1', '1']],
  ] as const) {
    assert.match(config.assign(name, args) ?? 'OK', / yet/, name)
  }
})

test('a parameter without effect gives a notice when it is not the default', () => {
  const config = newConfig()
  assert.deepEqual(config.notices(), [])
  config.set([
    ['io-threads-do-reads', 'no'],
    ['list-compress-depth', '0'],
    ['timeout', '3'],
  ])
  assert.deepEqual(config.notices(), [])
  config.set([['list-compress-depth', '1']])
  assert.match(config.notices().join(), /^list-compress-depth has no effect: the leaves of lists/)
  assert.equal(config.notices(['LIST-COMPRESS-DEPTH']).length, 1)
  assert.equal(config.notices(['timeout', 'nothing']).length, 0)
})

test('maxmemory takes a percentage of the memory there is, and shows bytes', () => {
  const disk = new FakeDisk()
  disk.makeDirectory('/data')
  disk.put('/proc/meminfo', Buffer.from('MemTotal:  1000 kB\nMemAvailable:  1000 kB\n'))
  disk.put('/data/redis.conf', Buffer.from('maxmemory 50%\n'))
  const config = new Config(disk, '/data')
  assert.equal(config.set([['maxmemory', '75%']]), null)
  assert.equal(config.textOf('maxmemory'), '768000')
  assert.equal(config.values.maxmemory, 768_000)
  // Where there is more memory after the next start, the limit is higher.
  config.configFile = '/data/redis.conf'
  assert.equal(config.rewrite(), null)
  assert.match(Buffer.from(disk.contents('/data/redis.conf') ?? []).toString(), /^maxmemory 75%$/m)
  const noSize = `${FAILED} 'maxmemory') - ${MEMORY_ERROR}`
  for (const wrong of ['0%', '101%', 'x%']) {
    assert.equal(config.set([['maxmemory', wrong]]), noSize)
  }
  assert.equal(config.set([['maxmemory', '100']]), null)
  // The memory of a machine without this file is not known.
  assert.equal(newConfig().set([['maxmemory', '75%']]), noSize)
})

test('another thread gets the same configuration as plain data', () => {
  const config = newConfig()
  config.set([
    ['notify-keyspace-events', 'AnK'],
    ['latency-tracking-info-percentiles', '0.1234567'],
    ['requirepass', 'a\udcff'],
    ['save', ''],
  ])
  config.renames.push({ from: 'get', to: '' })
  config.configFile = '/data/redis.conf'
  const copy = Config.fromTransfer(structuredClone(config.toTransfer()), new FakeDisk())
  assert.deepEqual(copy.values, config.values)
  assert.deepEqual(copy.get(['*']), config.get(['*']))
  assert.deepEqual(copy.renames, config.renames)
  assert.deepEqual(copy.notices(), config.notices())
  assert.equal(copy.configFile, config.configFile)
  config.set([['timeout', '4']])
  copy.adopt(config.toTransfer())
  assert.equal(copy.values.timeout, 4)
  assert.equal(copy.renames.length, 1)
})

test('passwords are known to be sensitive, by any of their names', () => {
  const config = newConfig()
  assert.ok(config.isSensitive('RequirePass'))
  assert.ok(config.isSensitive('masterauth'))
  assert.ok(!config.isSensitive('port'))
  assert.ok(!config.isSensitive('nothing'))
})

test('every value has its own field', () => {
  const { values } = newConfig()
  assert.equal(Object.keys(values).length, configEntries.length)
  assert.equal(values.serverCpulist, '')
  assert.equal(values.replBacklogSize, 1024 * 1024)
})
