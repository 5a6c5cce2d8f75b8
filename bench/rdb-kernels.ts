// rdb-kernels: what do the inner loops of the RDB format cost, against Redis's on the same data?
//
//   node bench/rdb-kernels.ts [--keys=N] [--work=DIR]
//
// Own figures: the kernels alone on 512-byte values, the writer fed from kernel memory into a sink
// that drops the bytes, the reader with a target that drops the keys. Redis's figures: the time of
// SAVE by its client and of loading by its log, so they hold its dict and its file as well; give
// --work a directory in memory (/dev/shm) to keep the disk out of it. Rates are of key and value
// bytes. The minimum of several runs counts; result as JSON on stdout.

import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Kernels } from '../src/persist/rdb/kernels.ts'
import { BytesFile, RdbInput } from '../src/persist/rdb/rdb-input.ts'
import { RdbReader } from '../src/persist/rdb/rdb-reader.ts'
import { RdbWriter } from '../src/persist/rdb/rdb-writer.ts'
import { KEY_BYTES, type ValueKind, ValuePool } from './lib/requests.ts'
import { withServer } from './lib/server.ts'

const RUNS = 5
const POOL_BYTES = 1 << 20
const POOL_SEED = 1
const KEY_DIGITS_START = 4

interface Shape {
  readonly kind: ValueKind
  readonly valueBytes: number
}

const SHAPES: readonly Shape[] = [
  { kind: 'random', valueBytes: 512 },
  { kind: 'compressible', valueBytes: 512 },
  { kind: 'random', valueBytes: 64 },
]

/** Seconds of the fastest of several runs. */
function fastest(run: () => void): number {
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < RUNS; i++) {
    const start = performance.now()
    run()
    best = Math.min(best, (performance.now() - start) / 1000)
  }
  return best
}

/** The kernels alone, MB/s of input. */
function measureKernels({ kind, valueBytes }: Shape): Record<string, number> {
  const kernels = new Kernels(4 * POOL_BYTES)
  const source = kernels.allocate(POOL_BYTES)
  const target = kernels.allocate(2 * POOL_BYTES)
  kernels.memory.set(new ValuePool(kind, POOL_SEED).bytes, source)
  const values = Math.floor(POOL_BYTES / valueBytes)
  const megabytes = (values * valueBytes) / 1e6
  let compressedBytes = 0
  const compress = (): void => {
    compressedBytes = 0
    for (let i = 0; i < values; i++) {
      const at = source + i * valueBytes
      const length = kernels.lzfCompress(at, valueBytes, target, valueBytes - 4)
      compressedBytes += length === 0 ? valueBytes : length
    }
  }
  const compressS = fastest(compress)
  const length = kernels.lzfCompress(source, POOL_BYTES, target, 2 * POOL_BYTES)
  const expandS = fastest(() => kernels.lzfDecompress(target, length, source, POOL_BYTES))
  const crcS = fastest(() => kernels.crc(0n, source, POOL_BYTES))
  return {
    crcMBps: Math.round(POOL_BYTES / 1e6 / crcS),
    compressMBps: Math.round(megabytes / compressS),
    expandMBps: Math.round(POOL_BYTES / 1e6 / expandS),
    compressedRatio: Number((compressedBytes / (values * valueBytes)).toFixed(3)),
  }
}

/** Writes `keys` keys from kernel memory to `sink`; returns the length of the file. */
function writeFile(
  { kind, valueBytes }: Shape,
  keys: number,
  compress: boolean,
  sink: (bytes: Uint8Array, start: number, length: number) => void,
): number {
  const kernels = new Kernels(RdbWriter.regionBytes() + POOL_BYTES + 1024)
  const writer = new RdbWriter(kernels)
  const pool = kernels.allocate(POOL_BYTES)
  const key = kernels.allocate(KEY_BYTES)
  const { memory } = kernels
  memory.set(new ValuePool(kind, POOL_SEED).bytes, pool)
  memory.set(Buffer.from('key:'.padEnd(KEY_BYTES, '0')), key)
  writer.begin({ sink, compress, checksum: true })
  writer.selectDb(0)
  writer.resizeDb(keys, 0)
  for (let i = 0; i < keys; i++) {
    let digits = i
    for (let at = key + KEY_BYTES - 1; at >= key + KEY_DIGITS_START; at--) {
      memory[at] = 48 + (digits % 10)
      digits = Math.floor(digits / 10)
    }
    writer.type(0)
    writer.string(memory, key, KEY_BYTES)
    writer.string(memory, pool + ((i * 4099) % (POOL_BYTES - valueBytes)), valueBytes)
  }
  return writer.end()
}

/** The whole file in memory. */
function fileOf(shape: Shape, keys: number, compress: boolean): Buffer {
  const chunks: Buffer[] = []
  writeFile(shape, keys, compress, (bytes, start, length) => {
    chunks.push(Buffer.from(bytes.slice(start, start + length)))
  })
  return Buffer.concat(chunks)
}

function loadSeconds(file: Buffer, valueBytes: number): number {
  const reader = new RdbReader(new Kernels(RdbInput.regionBytes()))
  let bytes = 0
  const target = {
    onAux: () => {},
    onDatabase: () => {},
    onResize: () => {},
    onFunction: () => {},
    onCollection: () => null,
    onStream: () => null,
    onString: (entry: { value: { length: number } }) => {
      bytes += entry.value.length
    },
  }
  const seconds = fastest(() => reader.readAll(new BytesFile('bench.rdb', file), target))
  if (bytes !== RUNS * reader.keys * valueBytes) throw new Error('bench.rdb: values lost')
  return seconds
}

/** Seconds that redis-server takes to load the file and to save it again. */
async function measureRedis(
  file: Buffer,
  compress: boolean,
  work: string,
): Promise<{ loadS: number; saveS: number; fileBytes: number }> {
  const compression = compress ? 'yes' : 'no'
  const options = {
    command: 'redis-server',
    work,
    directives: ['--rdbcompression', compression, '--logfile', 'log.txt'],
    prepare: (directory: string) => writeFileSync(join(directory, 'dump.rdb'), file),
  }
  let result = { loadS: 0, saveS: Number.POSITIVE_INFINITY, fileBytes: 0 }
  await withServer(options, async (server) => {
    const log = readFileSync(join(server.directory, 'log.txt'), 'utf8')
    const loadS = Number(/DB loaded from disk: ([\d.]+) seconds/.exec(log)?.[1])
    let saveS = Number.POSITIVE_INFINITY
    for (let i = 0; i < RUNS; i++) {
      const start = performance.now()
      await server.client.call(['SAVE'])
      saveS = Math.min(saveS, (performance.now() - start) / 1000)
    }
    result = { loadS, saveS, fileBytes: readFileSync(server.rdbPath).length }
  })
  return result
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { keys: { type: 'string' }, work: { type: 'string' } },
  })
  const keys = Number(values.keys ?? 300_000)
  const work = values.work ?? tmpdir()
  const rows = []
  for (const shape of SHAPES) {
    for (const compress of [true, false]) {
      const megabytes = (keys * (KEY_BYTES + shape.valueBytes)) / 1e6
      const writeS = fastest(() => writeFile(shape, keys, compress, () => {}))
      const file = fileOf(shape, keys, compress)
      const readS = loadSeconds(file, shape.valueBytes)
      const redis = await measureRedis(file, compress, work)
      rows.push({
        values: `${shape.valueBytes} B ${shape.kind}`,
        compress,
        write: {
          MBps: Math.round(megabytes / writeS),
          redisSaveMBps: Math.round(megabytes / redis.saveS),
        },
        read: {
          keysPerS: Math.round(keys / readS),
          redisLoadKeysPerS: Math.round(keys / redis.loadS),
        },
        fileBytes: { ours: file.length, redis: redis.fileBytes },
      })
    }
  }
  const kernels = SHAPES.map((shape) => ({
    values: `${shape.valueBytes} B ${shape.kind}`,
    ...measureKernels(shape),
  }))
  const machine = { cpu: cpus()[0]?.model ?? '', cores: cpus().length, node: process.version }
  process.stdout.write(`${JSON.stringify({ machine, keys, kernels, rows }, null, 2)}\n`)
}

await main()
