// Goal: MEMORY DOCTOR gives the advice that belongs to what it finds, and no other. Method: figures
// of a server in order, in which one thing at a time is changed; the kernel's files on a fake disk.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ConfigName } from './config.ts'
import { diagnoseMemory } from './memory-doctor.ts'
import type { MemoryFigures } from './memory-figures.ts'
import { TestServer, type TestServerOptions } from './test-server.ts'

const MIB = 1024 * 1024
const GIB = 1024 * MIB

/** A server of 1 GiB on a machine of 8, about which there is nothing to say. */
const SOUND: MemoryFigures = {
  usedBytes: GIB,
  peakBytes: GIB + 100 * MIB,
  startupBytes: 0,
  datasetBytes: 900 * MIB,
  overheadBytes: 124 * MIB,
  keyCount: 1_000_000,
  clientBytes: 100_000,
  replicaBytes: 0,
  backlogBytes: 0,
  aofBufferBytes: 0,
  savingBytes: 0,
  allocatedBytes: GIB,
  activeBytes: GIB + 50 * MIB,
  residentBytes: GIB + 60 * MIB,
  rssBytes: GIB + 200 * MIB,
  heapUsedBytes: 20 * MIB,
  heapTotalBytes: 40 * MIB,
  systemBytes: 8 * GIB,
  databases: [],
}
const LIMITED = { maxmemory: '2gb', 'maxmemory-policy': 'allkeys-lru' } as const

interface Case {
  readonly figures?: Partial<MemoryFigures>
  readonly config?: Partial<Record<ConfigName, string>>
  readonly files?: TestServerOptions['files']
  readonly commands?: readonly (readonly string[])[]
}

function diagnose({ figures = {}, config = {}, files = {}, commands = [] }: Case): string {
  const server = new TestServer({ config: { ...LIMITED, ...config }, files })
  const client = server.connect()
  for (const words of commands) client.call(...words)
  const text = diagnoseMemory(server.engine.server, { ...SOUND, ...figures })
  assert.match(text, /^[\x20-\x7e\n]+\n$/, 'plain text')
  return text
}

const MEMINFO = 'CommitLimit:  2048 kB\nCommitted_AS: 1024 kB\n'
const CASES: readonly [name: string, change: Case, expected: RegExp][] = [
  ['a peak', { figures: { peakBytes: 2 * GIB } }, /^- Peak: 2\.00G were .* now 1\.00G/],
  [
    'fragmentation',
    { figures: { activeBytes: 2 * GIB, residentBytes: 2 * GIB } },
    /^- Fragmentation: 50 % .*, 1\.00G, .*CONFIG SET activedefrag yes/,
  ],
  ['free pages', { figures: { residentBytes: 2 * GIB } }, /^- Free pages: 974\.00M/],
  [
    'a large process',
    { figures: { rssBytes: 2 * GIB } },
    /^- Process: it has 2\.00G, of which 1\.06G hold data/,
  ],
  [
    'buffers of clients',
    { figures: { clientBytes: 300 * 1024 } },
    /^- Clients: 1 of them .* 300\.00K each/,
  ],
  ['no limit', { config: { maxmemory: '0' } }, /^- No limit: .* at 8\.00G/],
  ['a limit too high', { figures: { systemBytes: 2 * GIB } }, /^- Limit too high: .*\(2\.00G\)/],
  [
    'writes that will be refused',
    { config: { maxmemory: '1gb', 'maxmemory-policy': 'noeviction' } },
    /^- Nearly full: 100 %/,
  ],
  [
    'a policy that finds nothing',
    { config: { 'maxmemory-policy': 'volatile-lru' }, commands: [['SET', 'k', 'v']] },
    /^- Nothing to evict: volatile-lru/,
  ],
  ['a large reserve', { config: { 'snapshot-reserve': '1gb' } }, /^- Reserve large: .*1\.00G/],
  [
    'swapped memory',
    { files: { '/proc/self/status': 'VmRSS: 10 kB\nVmSwap:\t  2048 kB\n' } },
    /^- Swap: 2\.00M/,
  ],
  [
    'huge pages',
    { files: { '/sys/kernel/mm/transparent_hugepage/enabled': '[always] madvise never\n' } },
    /^- Huge pages: /,
  ],
  [
    'strict overcommit',
    { files: { '/proc/sys/vm/overcommit_memory': '2\n', '/proc/meminfo': MEMINFO } },
    /^- Strict overcommit: .* 1\.00M are left/,
  ],
]

describe('the memory doctor', () => {
  it('has nothing to say of a server in order', () => {
    assert.equal(diagnose({}), 'Nothing about memory is remarkable.\n')
    const small = { usedBytes: 2 * GIB, peakBytes: 2 * GIB }
    assert.equal(
      diagnose({ figures: small, config: { maxmemory: '4gb' } }),
      'Nothing about memory is remarkable.\n',
    )
  })

  for (const [name, change, expected] of CASES) {
    it(`sees ${name}, and nothing else`, () => {
      const text = diagnose(change)
      assert.match(text, expected)
      assert.equal(text.split('\n').length, 2, text)
    })
  }

  it('does not judge proportions while there is little data, but settings', () => {
    const figures = { usedBytes: MIB, peakBytes: 4 * MIB, activeBytes: GIB, residentBytes: GIB }
    assert.equal(
      diagnose({ figures }),
      'Only 1.00M are in use: too little to tell how memory is used.\n',
    )
    const text = diagnose({ figures, config: { maxmemory: '0' } })
    assert.match(text, /^Only 1\.00M .*\n\n- No limit: /)
  })

  it('is asked by MEMORY DOCTOR', () => {
    const text = new TestServer().connect().call('MEMORY', 'DOCTOR')
    assert.match(text, /^\$\d+\r\nOnly .* too little to tell/)
  })
})
