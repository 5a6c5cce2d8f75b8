// A process that writes an object without end, and its end by SIGKILL: what a store must survive.
//
// Run as a program it opens the store of its first argument, says `writing` when the first bytes
// are taken, and goes on until it is killed.

import { spawn } from 'node:child_process'
import { openStore } from '../../src/control/store/open-store.ts'

/** Kills such a process so long after its first bytes were taken. */
export async function killWhileWriting(
  url: string,
  env: Readonly<Record<string, string>>,
  delayMs: number,
): Promise<void> {
  const child = spawn(process.execPath, [import.meta.filename, url], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise((done) => child.once('exit', done))
  await new Promise((done, failed) => {
    child.stdout.once('data', done)
    child.once('exit', (code) => failed(new Error(`the writer ended by itself: ${code}`)))
  })
  await new Promise((done) => setTimeout(done, delayMs))
  child.kill('SIGKILL')
  await ended
}

async function main(url: string): Promise<void> {
  const store = await openStore(url)
  const writer = await store.create('data/killed/shard-0000.rdb')
  const bytes = new Uint8Array(1 << 20)
  // Enough for a first part of S3.
  for (let i = 0; i < 40; i++) await writer.write(bytes)
  process.stdout.write('writing\n')
  for (;;) {
    await writer.write(bytes.subarray(0, 65_536))
    await new Promise((done) => setTimeout(done, 1))
  }
}

if (import.meta.main) await main(process.argv[2] ?? '')
