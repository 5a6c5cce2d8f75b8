// Goal: memory and cores are bounded by every control group above this process, wherever they are
// mounted, and nothing that the files may hold makes reading throw.
// Method: a disk in memory with the kernel's files as hosts and containers of both versions have
// them, in tables.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { latin1 } from './bytes.ts'
import { controlGroups } from './control-groups.ts'
import { SystemDisk } from './disk.ts'
import { FakeDisk } from './disk-fake.ts'
import { machineCores, machineMemory } from './machine.ts'

const MIB = 1024 * 1024
const GIB = 1024 * MIB

const MEMINFO = 'MemTotal:       16777216 kB\nMemFree:  1 kB\nMemAvailable:    8388608 kB\n'
const NO_LIMIT_V1 = '9223372036854771712\n'

const MOUNT_V2 = '24 1 0:21 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate'
const MOUNTS_V1 = [
  '22 1 0:20 / /proc rw - proc proc rw',
  '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
  '32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct',
  '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory',
  '36 31 0:33 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw',
].join('\n')
const OWN_V1 = '4:memory:/a/b\n3:cpuset:/\n2:cpuacct,cpu:/a\n1:name=systemd:/a/b\n0::/\n'

function diskOf(files: Record<string, string>): FakeDisk {
  const disk = new FakeDisk()
  for (const [path, text] of Object.entries(files)) disk.put(path, latin1(text))
  return disk
}

/** A host of version 2 whose process is in /a/b; `files` lie below /sys/fs/cgroup. */
function unified(files: Record<string, string>): FakeDisk {
  const at = Object.entries(files).map(([path, text]) => [`/sys/fs/cgroup${path}`, text])
  return diskOf({
    '/proc/meminfo': MEMINFO,
    '/proc/self/cgroup': '0::/a/b\n',
    '/proc/self/mountinfo': MOUNT_V2,
    '/sys/fs/cgroup/a/b/cgroup.procs': '1\n',
    '/sys/fs/cgroup/a/cgroup.procs': '',
    ...Object.fromEntries(at),
  })
}

/** A host of version 1; `files` lie below the memory controller's mount. */
function legacy(files: Record<string, string>): FakeDisk {
  const at = Object.entries(files).map(([path, text]) => [`/sys/fs/cgroup/memory${path}`, text])
  return diskOf({
    '/proc/meminfo': MEMINFO,
    '/proc/self/cgroup': OWN_V1,
    '/proc/self/mountinfo': MOUNTS_V1,
    '/sys/fs/cgroup/memory/memory.limit_in_bytes': NO_LIMIT_V1,
    '/sys/fs/cgroup/memory/a/memory.limit_in_bytes': NO_LIMIT_V1,
    '/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes': NO_LIMIT_V1,
    ...Object.fromEntries(at),
  })
}

/** Total, available, unthrottled, in MiB. */
function mebibytes(disk: FakeDisk): number[] {
  const { totalBytes, availableBytes, unthrottledBytes } = machineMemory(disk)
  return [totalBytes / MIB, availableBytes / MIB, unthrottledBytes / MIB]
}

// Name, disk, what is read.
const memoryCases: [string, FakeDisk, number[]][] = [
  ['nothing to read', diskOf({}), [0, 0, 0]],
  ['no groups', diskOf({ '/proc/meminfo': MEMINFO }), [16384, 8192, 8192]],
  ['version 2, no files', unified({}), [16384, 8192, 8192]],
  [
    'version 2, no limit',
    unified({ '/a/b/memory.max': 'max\n', '/a/b/memory.high': 'max\n' }),
    [16384, 8192, 8192],
  ],
  [
    'version 2, own limit',
    unified({ '/a/b/memory.max': `${GIB}\n`, '/a/b/memory.current': `${600 * MIB}\n` }),
    [1024, 424, 424],
  ],
  [
    'version 2, the limit of an ancestor is the narrower one',
    unified({
      '/a/b/memory.max': `${GIB}`,
      '/a/b/memory.current': `${100 * MIB}`,
      '/a/memory.max': `${2 * GIB}`,
      '/a/memory.current': `${2000 * MIB}`,
    }),
    [1024, 48, 48],
  ],
  [
    'version 2, inactive page cache is given back',
    unified({
      '/a/b/memory.max': `${GIB}`,
      '/a/b/memory.current': `${1000 * MIB}`,
      '/a/b/memory.stat': `anon 5\nactive_file 99\ninactive_file ${300 * MIB}\nslab 3\n`,
    }),
    [1024, 324, 324],
  ],
  [
    'version 2, a soft limit alone',
    unified({ '/a/memory.high': `${GIB}`, '/a/memory.current': `${1000 * MIB}` }),
    [16384, 8192, 24],
  ],
  [
    'version 2, soft below hard limit',
    unified({
      '/a/b/memory.max': `${GIB}`,
      '/a/b/memory.high': `${900 * MIB}`,
      '/a/b/memory.current': `${800 * MIB}`,
    }),
    [1024, 224, 100],
  ],
  [
    'version 2, the machine has less than the group',
    unified({ '/a/b/memory.max': `${15 * GIB}`, '/a/b/memory.current': '0' }),
    [15360, 8192, 8192],
  ],
  [
    'version 1, own limit; the use of groups below counts',
    legacy({
      '/a/b/memory.limit_in_bytes': `${GIB}\n`,
      '/a/b/memory.usage_in_bytes': `${1000 * MIB}\n`,
      '/a/b/memory.stat': `inactive_file ${MIB}\ntotal_inactive_file ${200 * MIB}\n`,
    }),
    [1024, 224, 224],
  ],
  [
    'version 1, an ancestor',
    legacy({
      '/a/memory.limit_in_bytes': `${2 * GIB}`,
      '/a/memory.usage_in_bytes': `${GIB}`,
    }),
    [2048, 1024, 1024],
  ],
  ['version 1, no limit', legacy({}), [16384, 8192, 8192]],
]

for (const [name, disk, expected] of memoryCases) {
  test(`memory: ${name}`, () => assert.deepEqual(mebibytes(disk), expected))
}

test('a group that is full, or has the limit 0, has one byte left: 0 means not known', () => {
  for (const limit of [`${GIB}`, '0']) {
    const files = { '/a/b/memory.max': limit, '/a/b/memory.current': `${GIB + 5}` }
    const { availableBytes, unthrottledBytes } = machineMemory(unified(files))
    assert.deepEqual([availableBytes, unthrottledBytes], [1, 1])
  }
})

test('a limit counts where the machine tells nothing', () => {
  const disk = unified({ '/a/b/memory.max': `${GIB}`, '/a/b/memory.current': `${MIB}` })
  disk.unlink('/proc/meminfo')
  assert.deepEqual(mebibytes(disk), [1024, 1023, 1023])
})

// Name, /proc/self/cgroup, mounts, directories that exist, the group's chain.
const chainCases: [string, string, string[], string[], string[]][] = [
  [
    'a container with its own namespace',
    '0::/',
    ['24 1 0:21 / /sys/fs/cgroup ro - cgroup2 cgroup rw'],
    ['/sys/fs/cgroup'],
    ['/sys/fs/cgroup'],
  ],
  [
    'a container whose mount shows its own group only',
    '0::/docker/c1/sub',
    ['24 1 0:21 /docker/c1 /sys/fs/cgroup ro - cgroup2 cgroup rw'],
    ['/sys/fs/cgroup', '/sys/fs/cgroup/sub'],
    ['/sys/fs/cgroup/sub', '/sys/fs/cgroup'],
  ],
  [
    'a path of the host that is not mounted',
    '0::/kubepods/pod7/c1',
    ['24 1 0:21 / /sys/fs/cgroup ro - cgroup2 cgroup rw'],
    ['/sys/fs/cgroup'],
    ['/sys/fs/cgroup'],
  ],
  [
    'a group outside of the namespace',
    '0::/../c2',
    ['24 1 0:21 / /sys/fs/cgroup ro - cgroup2 cgroup rw'],
    ['/sys/fs/cgroup', '/sys/fs/cgroup/../c2'],
    ['/sys/fs/cgroup'],
  ],
  [
    'a mount of a neighbour whose name begins alike',
    '0::/c10',
    ['24 1 0:21 /c1 /one rw - cgroup2 cgroup rw', '25 1 0:21 / /all rw - cgroup2 cgroup rw'],
    ['/one', '/all', '/all/c10'],
    ['/all/c10', '/all'],
  ],
  [
    'a mount point with a space',
    '0::/x',
    ['24 1 0:21 / /my\\040groups rw - cgroup2 cgroup rw'],
    ['/my groups', '/my groups/x'],
    ['/my groups/x', '/my groups'],
  ],
  ['no mount', '0::/x', ['22 1 0:20 / /proc rw - proc proc rw'], ['/sys/fs/cgroup/x'], []],
  ['not in a group of version 2', '4:memory:/x', [MOUNT_V2], ['/sys/fs/cgroup/x'], []],
]

for (const [name, own, mounts, directories, expected] of chainCases) {
  test(`groups: ${name}`, () => {
    const disk = diskOf({
      '/proc/self/cgroup': `${own}\n`,
      '/proc/self/mountinfo': mounts.join('\n'),
      ...Object.fromEntries(directories.map((each) => [`${each}/cgroup.procs`, ''])),
    })
    assert.deepEqual(controlGroups(disk).unified, expected)
  })
}

test('controllers of version 1 are found by name, each on its own mount and path', () => {
  const disk = legacy({ '/a/b/x': '' })
  disk.put('/sys/fs/cgroup/cpu,cpuacct/a/x', latin1(''))
  assert.deepEqual(controlGroups(disk), {
    unified: ['/sys/fs/cgroup/unified'],
    memory: ['/sys/fs/cgroup/memory/a/b', '/sys/fs/cgroup/memory/a', '/sys/fs/cgroup/memory'],
    cpu: ['/sys/fs/cgroup/cpu,cpuacct/a', '/sys/fs/cgroup/cpu,cpuacct'],
  })
})

// Name, disk, affinity list, cores.
const coreCases: [string, FakeDisk, string, number][] = [
  ['affinity alone', diskOf({}), '0-3', 4],
  ['a list with gaps', diskOf({}), '0,2-3,8', 4],
  ['nothing known', diskOf({}), '', 0],
  ['no quota', unified({ '/a/b/cpu.max': 'max 100000\n' }), '0-7', 8],
  ['a quota', unified({ '/a/b/cpu.max': '150000 100000\n' }), '0-7', 1.5],
  ['affinity below the quota', unified({ '/a/b/cpu.max': '400000 100000' }), '1', 1],
  ['the quota of an ancestor', unified({ '/a/cpu.max': '50000 100000' }), '0-7', 0.5],
  ['a quota where no affinity is known', unified({ '/a/cpu.max': '200000 100000' }), '', 2],
  [
    'version 1, the parent has less',
    diskOf({
      '/proc/self/cgroup': '2:cpu,cpuacct:/a/b\n',
      '/proc/self/mountinfo': MOUNTS_V1,
      '/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us': '300000\n',
      '/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us': '100000\n',
      '/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us': '125000\n',
      '/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us': '50000\n',
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1\n',
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
    }),
    '0-15',
    2.5,
  ],
]

for (const [name, disk, list, expected] of coreCases) {
  test(`cores: ${name}`, () => {
    if (list !== '') {
      disk.put(
        '/proc/self/status',
        latin1(`Name:\tx\nCpus_allowed_list:\t${list}\nMems_allowed:\t1\n`),
      )
    }
    assert.equal(machineCores(disk), expected)
  })
}

test('files that cannot be read or hold nonsense bound nothing', () => {
  const disk = unified({
    '/a/b/memory.max': 'lots\n',
    '/a/b/cpu.max': 'some of them',
    '/a/memory.max': `${MIB}`,
  })
  disk.put('/proc/self/status', latin1('Cpus_allowed_list:\t0-1\n'))
  disk.fail({ operation: 'read', code: 'EACCES', path: '/a/memory.max' })
  assert.deepEqual(mebibytes(disk), [16384, 8192, 8192])
  assert.equal(machineCores(disk), 2)
  disk.fail({ operation: 'read', code: 'EIO' })
  assert.deepEqual(mebibytes(disk), [0, 0, 0])
  assert.equal(machineCores(disk), 0)
  const odd = diskOf({ '/proc/self/cgroup': '\n:\n0\n::', '/proc/self/mountinfo': ' - cgroup\n-' })
  assert.equal(machineMemory(odd).totalBytes, 0)
  assert.equal(machineCores(odd), 0)
})

test('this machine has memory and cores', { skip: process.platform !== 'linux' }, () => {
  const disk = new SystemDisk()
  const { totalBytes, availableBytes, unthrottledBytes } = machineMemory(disk)
  assert.ok(availableBytes > 0 && availableBytes <= totalBytes)
  assert.ok(unthrottledBytes > 0 && unthrottledBytes <= availableBytes)
  assert.ok(machineCores(disk) > 0)
})
