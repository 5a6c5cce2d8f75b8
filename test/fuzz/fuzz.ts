// npm run fuzz -- <target> [rounds]: one fuzzer at length. SEED=n repeats a run; without it each
// run takes another seed and prints it.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const TARGETS: Readonly<Record<string, string>> = {
  resp: 'resp.ts',
  rdb: 'rdb.ts',
  data: 'data-commands.ts',
  restore: 'restore.ts',
  commands: '../differential/differential.ts',
}

const [target = '', ...rest] = process.argv.slice(2)
const file = TARGETS[target]
if (file === undefined) {
  const names = Object.keys(TARGETS).join(', ')
  process.stderr.write(`no target '${target}'; there are: ${names}\n`)
  process.exitCode = 2
} else {
  const path = join(import.meta.dirname, file)
  process.exitCode = spawnSync(process.execPath, [path, ...rest], { stdio: 'inherit' }).status ?? 1
}
