// Compiles src/persist/rdb/kernels.as.ts with AssemblyScript into src/persist/rdb/kernels.wasm.ts,
// a module that holds the WebAssembly as base64. The result depends only on the source and on the
// compiler's version, which build-kernels.test.ts checks by compiling again.
//
//   node tools/build-kernels.ts

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const SOURCE = fileURLToPath(new URL('../src/persist/rdb/kernels.as.ts', import.meta.url))
const RESULT = fileURLToPath(new URL('../src/persist/rdb/kernels.wasm.ts', import.meta.url))
const LINE_LENGTH = 92

/** The text of kernels.wasm.ts, compiled from the present source. Throws what the compiler says. */
export async function buildKernels(): Promise<string> {
  const asc = (await import('assemblyscript/asc')).default
  let binary: Uint8Array | null = null
  const options = [
    'kernels.as.ts',
    '-O3',
    '--noAssert',
    '--runtime',
    'stub',
    '--importMemory',
    '--enable',
    'simd,bulk-memory',
    '--outFile',
    'kernels.wasm',
  ]
  const { error, stderr } = await asc.main(options, {
    readFile: (name: string) => (name === 'kernels.as.ts' ? readFileSync(SOURCE, 'utf8') : null),
    writeFile: (name: string, contents: Uint8Array | string) => {
      if (name === 'kernels.wasm' && typeof contents !== 'string') binary = contents
    },
    listFiles: () => [],
  })
  if (error !== null || binary === null) throw new Error(`kernels.as.ts: ${stderr.toString()}`)
  return moduleText(Buffer.from(binary).toString('base64'))
}

function moduleText(base64: string): string {
  const lines = []
  for (let i = 0; i < base64.length; i += LINE_LENGTH) {
    lines.push(`  '${base64.slice(i, i + LINE_LENGTH)}',`)
  }
  return [
    '// The compiled kernels: WebAssembly as base64, so that a start needs neither a compiler',
    '// nor a file besides the sources. Do not edit: tools/build-kernels.ts writes this file',
    '// from kernels.as.ts, and build-kernels.test.ts fails when the two differ.',
    '//',
    '// Imports `env.memory`; what it exports is the interface `Exports` in kernels.ts.',
    '',
    '/** The WebAssembly module, base64. */',
    'export const KERNELS_WASM = [',
    ...lines,
    "].join('')",
    '',
  ].join('\n')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(RESULT, await buildKernels())
}
