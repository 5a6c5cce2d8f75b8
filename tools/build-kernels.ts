// Compiles the AssemblyScript sources of src/persist/rdb with AssemblyScript, each into a module
// that holds the WebAssembly as base64. The result depends only on the source and on the compiler's
// version, which build-kernels.test.ts checks by compiling again.
//
//   node tools/build-kernels.ts

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** One module: `NAME.as.ts` becomes `NAME.wasm.ts`, which exports `constant`. */
export interface KernelModule {
  readonly name: string
  readonly constant: string
  /** Where the interface of its exports stands. */
  readonly driver: string
}

export const KERNEL_MODULES: readonly KernelModule[] = [
  { name: 'kernels', constant: 'KERNELS_WASM', driver: '`Exports` in kernels.ts' },
  { name: 'digest', constant: 'DIGEST_WASM', driver: '`Exports` in digest-kernel.ts' },
  { name: 'stream-node', constant: 'STREAM_NODE_WASM', driver: '`Exports` in stream-nodes.ts' },
]

const LINE_LENGTH = 92

/** The file that a module is compiled into. */
export function resultOf({ name }: KernelModule): string {
  return fileURLToPath(new URL(`../src/persist/rdb/${name}.wasm.ts`, import.meta.url))
}

/** The text of that file, compiled from the present source. Throws what the compiler says. */
export async function buildKernels(module: KernelModule): Promise<string> {
  const asc = (await import('assemblyscript/asc')).default
  const { name } = module
  const entry = `${name}.as.ts`
  const source = fileURLToPath(new URL(`../src/persist/rdb/${entry}`, import.meta.url))
  let binary: Uint8Array | null = null
  const options = [
    entry,
    '-O3',
    '--noAssert',
    '--runtime',
    'stub',
    '--importMemory',
    '--enable',
    'simd,bulk-memory',
    '--outFile',
    `${name}.wasm`,
  ]
  const { error, stderr } = await asc.main(options, {
    readFile: (asked: string) => (asked === entry ? readFileSync(source, 'utf8') : null),
    writeFile: (asked: string, contents: Uint8Array | string) => {
      if (asked === `${name}.wasm` && typeof contents !== 'string') binary = contents
    },
    listFiles: () => [],
  })
  if (error !== null || binary === null) throw new Error(`${entry}: ${stderr.toString()}`)
  return moduleText(module, Buffer.from(binary).toString('base64'))
}

function moduleText({ name, constant, driver }: KernelModule, base64: string): string {
  const lines = []
  for (let i = 0; i < base64.length; i += LINE_LENGTH) {
    lines.push(`  '${base64.slice(i, i + LINE_LENGTH)}',`)
  }
  return [
    '// The compiled kernels: WebAssembly as base64, so that a start needs neither a compiler',
    '// nor a file besides the sources. Do not edit: tools/build-kernels.ts writes this file',
    `// from ${name}.as.ts, and build-kernels.test.ts fails when the two differ.`,
    '//',
    `// Imports \`env.memory\`; what it exports is the interface ${driver}.`,
    '',
    '/** The WebAssembly module, base64. */',
    `export const ${constant} = [`,
    ...lines,
    "].join('')",
    '',
  ].join('\n')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const module of KERNEL_MODULES) writeFileSync(resultOf(module), await buildKernels(module))
}
