// Rules about who may import whom. `IMPORT_ORDER` is the one list of folders, lowest first: a
// folder imports only itself and the folders above its line. The control plane and the doctor meet
// the server on the wire, so they take of it only what `Layer.only` names.

import { dirname, join } from 'node:path/posix'
import {
  isCallExpression,
  isExportDeclaration,
  isImportDeclaration,
  isStringLiteral,
  type Node,
} from 'typescript/unstable/ast'
import { isTest, perSource, type Rule } from './rule.ts'
import { lineOf, type Source, SyntaxKind, walk } from './source.ts'

interface Layer {
  readonly folder: string
  /** When given, the only folders (or sub-folders) that may be imported besides itself. */
  readonly only?: readonly string[]
}

const WIRE: readonly string[] = ['base', 'resp', 'persist/rdb']

export const IMPORT_ORDER: readonly Layer[] = [
  { folder: 'base' },
  { folder: 'memory' },
  { folder: 'keyspace' },
  { folder: 'resp' },
  { folder: 'command' },
  { folder: 'persist' },
  { folder: 'replication' },
  { folder: 'server' },
  { folder: 'backup', only: WIRE },
  { folder: 'control', only: [...WIRE, 'backup'] },
  { folder: 'doctor', only: WIRE },
  { folder: 'cli', only: [...WIRE, 'persist/aof', 'backup', 'control', 'doctor'] },
]

interface Import {
  readonly specifier: string
  readonly line: number
}

/** What a file imports, in order; re-exports and `import()` count. */
export function importsOf(source: Source): Import[] {
  const tree = source.tree
  if (tree === null) return []
  const found: Import[] = []
  const add = (specifier: Node | undefined) => {
    if (specifier === undefined || !isStringLiteral(specifier)) return
    found.push({ specifier: specifier.text, line: lineOf(tree, specifier.getStart(tree)) })
  }
  walk(tree, (node) => {
    if (isImportDeclaration(node) || isExportDeclaration(node)) add(node.moduleSpecifier)
    if (isCallExpression(node) && node.expression.kind === SyntaxKind.ImportKeyword) {
      add(node.arguments[0])
    }
  })
  return found
}

/** The path inside the checkout that a relative import means, or null for packages. */
function targetOf(source: Source, specifier: string): string | null {
  return specifier.startsWith('.') ? join(dirname(source.path), specifier) : null
}

/** The folder of `src/` that a path lies in; '' for `src/main.ts`, null outside of `src/`. */
function folderOf(path: string): string | null {
  const parts = path.split('/')
  if (parts[0] !== 'src') return null
  return parts.length > 2 ? (parts[1] ?? '') : ''
}

/** Why `from` may not import `target`, or null when it may. */
function orderFault(from: string, target: string): string | null {
  const folder = folderOf(from)
  const targetFolder = folderOf(target)
  if (folder === null || folder === '') return null
  if (targetFolder === null) return `${target} lies outside of src/`
  if (targetFolder === folder) return null
  const rank = IMPORT_ORDER.findIndex((layer) => layer.folder === folder)
  if (rank < 0) return `src/${folder} is not in IMPORT_ORDER`
  const layer = IMPORT_ORDER[rank]
  if (layer?.only !== undefined) {
    const allowed = layer.only.some((name) => target.startsWith(`src/${name}/`))
    return allowed ? null : `${folder}/ may import ${layer.only.join(', ')} only, not ${target}`
  }
  const targetRank = IMPORT_ORDER.findIndex((other) => other.folder === targetFolder)
  return targetRank >= 0 && targetRank < rank ? null : `${folder}/ lies below ${targetFolder}/`
}

const order = perSource(
  'import-order',
  'a folder of src/ imports only itself and folders that come before it in IMPORT_ORDER',
  (source, report) => {
    for (const { specifier, line } of importsOf(source)) {
      const target = targetOf(source, specifier)
      // A test may bring help from test/.
      if (target === null || (isTest(source) && target.startsWith('test/'))) continue
      const message = orderFault(source.path, target)
      if (message !== null) report({ path: source.path, line, message })
    }
  },
)

const form = perSource(
  'import-form',
  'a relative import ends in .ts (or .json), a module of Node starts with node:',
  (source, report) => {
    for (const { specifier, line } of importsOf(source)) {
      if (specifier.startsWith('.')) {
        if (/\.(ts|json|js|mjs)$/.test(specifier)) continue
        report({ path: source.path, line, message: `'${specifier}' has no file ending` })
      } else if (NODE_MODULES.has(specifier.split('/')[0] ?? '')) {
        report({ path: source.path, line, message: `'${specifier}': write node:${specifier}` })
      }
    }
  },
)

const NODE_MODULES = new Set(
  [
    ['assert', 'buffer', 'child_process', 'cluster', 'crypto', 'dgram', 'dns', 'events', 'fs'],
    ['http', 'http2', 'https', 'module', 'net', 'os', 'path', 'perf_hooks', 'process', 'readline'],
    ['stream', 'timers', 'tls', 'url', 'util', 'v8', 'vm', 'worker_threads', 'zlib'],
  ].flat(),
)

const cycles: Rule = {
  name: 'import-cycle',
  doc: 'no file imports itself by way of others; types count',
  check(sources, report) {
    const graph = new Map<string, Map<string, number>>()
    for (const source of sources) {
      if (source.tree === null) continue
      const targets = new Map<string, number>()
      for (const { specifier, line } of importsOf(source)) {
        const target = targetOf(source, specifier)
        if (target !== null) targets.set(target, line)
      }
      graph.set(source.path, targets)
    }
    for (const cycle of findCycles(graph)) {
      const [first = '', second = ''] = cycle
      const line = graph.get(first)?.get(second) ?? 1
      report({ path: first, line, message: cycle.join(' → ') })
    }
  },
}

/** One cycle per edge that closes one, as the paths along it, the first again at the end. */
function findCycles(graph: ReadonlyMap<string, ReadonlyMap<string, number>>): string[][] {
  const found: string[][] = []
  const finished = new Set<string>()
  const trail: string[] = []
  const visit = (path: string) => {
    const start = trail.indexOf(path)
    if (start >= 0) found.push([...trail.slice(start), path])
    if (start >= 0 || finished.has(path)) return
    trail.push(path)
    for (const target of graph.get(path)?.keys() ?? []) visit(target)
    trail.pop()
    finished.add(path)
  }
  for (const path of graph.keys()) visit(path)
  return found
}

const DEPENDENCIES_PAGE = 'docs/decisions/dependencies.md'

const dependencies: Rule = {
  name: 'dependency',
  doc: `each package is named, with its reason, in ${DEPENDENCIES_PAGE}`,
  check(sources, report) {
    const manifest = sources.find((source) => source.path === 'package.json')
    if (manifest === undefined) return
    const page = sources.find((source) => source.path === DEPENDENCIES_PAGE)?.text ?? ''
    const parsed = JSON.parse(manifest.text) as Record<string, Record<string, string> | undefined>
    const all = { ...parsed['dependencies'], ...parsed['devDependencies'] }
    for (const [name, version] of Object.entries(all)) {
      const line = 1 + manifest.lines.findLastIndex((text) => text.includes(`"${name}":`))
      const at = { path: 'package.json', line }
      if (!page.includes(`\`${name}\``)) {
        report({ ...at, message: `${name} is not explained in ${DEPENDENCIES_PAGE}` })
      }
      if (!/^\d+\.\d+\.\d+$/.test(version)) {
        report({ ...at, message: `${name}@${version}: pin one version` })
      }
    }
  },
}

export const importRules: readonly Rule[] = [order, form, cycles, dependencies]
