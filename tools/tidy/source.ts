// The files that tidy looks at: every text file of the checkout, and for TypeScript its tree.
//
// TypeScript 7 is a native program; its package answers over a pipe (`typescript/unstable/sync`).
// All files go in as one virtual project without libraries or resolution: nothing is type-checked,
// and it takes a fraction of a second. The API is marked unstable: its version is pinned exactly,
// and only tools/tidy/ knows it (docs/decisions/dependencies.md).

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Node, type SourceFile, SyntaxKind } from 'typescript/unstable/ast'
import { createVirtualFileSystem } from 'typescript/unstable/fs'
import { API } from 'typescript/unstable/sync'

export { type Node, SyntaxKind }

/** One text file. `path` is relative to the root, with slashes. */
export interface Source {
  readonly path: string
  readonly text: string
  readonly lines: readonly string[]
  /** The syntax tree; null unless the file is TypeScript that Node runs. */
  readonly tree: SourceFile | null
}

/** What a rule found, and where. `measure` is the size that a size rule compares. */
export interface Finding {
  readonly rule: string
  readonly path: string
  readonly line: number
  readonly message: string
  readonly measure?: number
}

const SKIPPED_FOLDERS = new Set(['node_modules', '.git', '.cache', 'data', 'tmp'])
const TEXT_FILE = /\.(ts|js|mjs|cjs|json|jsonc|md|sh|tcl|txt|conf|yml|yaml|py|toml|html|css)$/
const PROGRAM_FOLDERS = /^(\.ci|bin)\//
const VIRTUAL_ROOT = '/tidy'

/** Paths of the text files under `root`, sorted. */
export function listTextFiles(root: string): string[] {
  const paths: string[] = []
  const folders = ['']
  while (folders.length > 0) {
    const folder = folders.pop() ?? ''
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory()) {
        if (!SKIPPED_FOLDERS.has(entry.name)) folders.push(path)
      } else if (entry.isFile() && (TEXT_FILE.test(path) || PROGRAM_FOLDERS.test(path))) {
        paths.push(path)
      }
    }
  }
  return paths.sort()
}

/** Calls `use` with all text files under `root`; the syntax trees are valid only inside it. */
export function withSources<T>(root: string, use: (sources: readonly Source[]) => T): T {
  const texts: Record<string, string> = {}
  for (const path of listTextFiles(root)) texts[path] = readFileSync(join(root, path), 'utf8')
  return withTexts(texts, use)
}

/** The same for files given as text by path; for tests. */
export function withTexts<T>(
  texts: Readonly<Record<string, string>>,
  use: (sources: readonly Source[]) => T,
): T {
  const config = `${VIRTUAL_ROOT}/tsconfig.json`
  const names = Object.keys(texts).filter(isProgram)
  const files: Record<string, string> = {
    [config]: JSON.stringify({
      compilerOptions: { noLib: true, noResolve: true, types: [], noEmit: true },
      files: names,
    }),
  }
  for (const name of names) files[`${VIRTUAL_ROOT}/${name}`] = texts[name] ?? ''
  const api = new API({ cwd: VIRTUAL_ROOT, fs: createVirtualFileSystem(files) })
  try {
    const project = api.updateSnapshot({ openProjects: [config] }).getProject(config)
    const sources = Object.entries(texts).map(([path, text]) => {
      const tree = project?.program.getSourceFile(`${VIRTUAL_ROOT}/${path}`) ?? null
      if (isProgram(path) && tree === null) throw new Error(`${path}: TypeScript gave no tree`)
      return { path, text, lines: text.split('\n'), tree }
    })
    return use(sources)
  } finally {
    api.close()
  }
}

/** TypeScript that Node runs; `*.as.ts` is AssemblyScript, another language in the same clothes. */
function isProgram(path: string): boolean {
  return path.endsWith('.ts') && !path.endsWith('.as.ts')
}

/** Calls `visit` for every node under `node`, parents first. */
export function walk(node: Node, visit: (node: Node) => void): void {
  node.forEachChild((child) => {
    visit(child)
    walk(child, visit)
    return undefined
  })
}

/** The 1-based line on which a node starts, leading comments not counted. */
export function lineOf(tree: SourceFile, position: number): number {
  const starts = tree.getLineStarts()
  let low = 0
  let high = starts.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((starts[middle] ?? 0) <= position) low = middle
    else high = middle - 1
  }
  return low + 1
}
