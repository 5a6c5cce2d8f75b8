// Rules that need the syntax tree: the shape of functions, what TypeScript may be used, and the
// doors: the outside world is reached through `src/base/` only.

import {
  isArrowFunction,
  isAsExpression,
  isCallExpression,
  isClassDeclaration,
  isElementAccessExpression,
  isIdentifier,
  isNewExpression,
  isNonNullExpression,
  isParameterDeclaration,
  isPropertyAccessExpression,
  isStringLiteral,
  type Node,
  type SourceFile,
} from 'typescript/unstable/ast'
import { isProduct, perSource, type Rule } from './rule.ts'
import { lineOf, type Source, SyntaxKind, walk } from './source.ts'

const FUNCTION_LINES_MAX = 70
const PARAMETERS_MAX = 4

const BODIES = new Set<SyntaxKind>([
  SyntaxKind.FunctionDeclaration,
  SyntaxKind.FunctionExpression,
  SyntaxKind.ArrowFunction,
  SyntaxKind.MethodDeclaration,
  SyntaxKind.Constructor,
  SyntaxKind.GetAccessor,
  SyntaxKind.SetAccessor,
])

const SIGNATURES = new Set<SyntaxKind>([
  ...BODIES,
  SyntaxKind.MethodSignature,
  SyntaxKind.FunctionType,
  SyntaxKind.CallSignature,
])

/** Visits every node of a file that has a tree. */
function eachNode(source: Source, visit: (node: Node, tree: SourceFile) => void): void {
  const tree = source.tree
  if (tree !== null) walk(tree, (node) => visit(node, tree))
}

function firstLine(node: Node, tree: SourceFile): number {
  return lineOf(tree, node.getStart(tree))
}

/** `describe('…', () => { … })` is a chapter, not a function. */
function isChapter(node: Node): boolean {
  const call = node.parent
  if (!isArrowFunction(node) || !isCallExpression(call)) return false
  return isIdentifier(call.expression) && ['describe', 'suite'].includes(call.expression.text)
}

const functionLength = perSource(
  'function-length',
  `a function has at most ${FUNCTION_LINES_MAX} lines`,
  (source, report) => {
    eachNode(source, (node, tree) => {
      if (!BODIES.has(node.kind) || isChapter(node)) return
      const line = firstLine(node, tree)
      const count = lineOf(tree, node.end) - line + 1
      if (count <= FUNCTION_LINES_MAX) return
      const message = `${nameOf(node)} has ${count} lines`
      report({ path: source.path, line, message, measure: count })
    })
  },
)

/** The name of a function, for messages. */
function nameOf(node: Node): string {
  const name = (node as { readonly name?: Node }).name
  return name === undefined ? 'a function' : `'${name.getText()}'`
}

const parameterCount = perSource(
  'parameters',
  `a function has at most ${PARAMETERS_MAX} parameters`,
  (source, report) => {
    eachNode(source, (node, tree) => {
      if (!SIGNATURES.has(node.kind)) return
      const { parameters } = node as unknown as { readonly parameters: readonly Node[] }
      if (parameters.length <= PARAMETERS_MAX) return
      const message = `${nameOf(node)} has ${parameters.length} parameters`
      const line = firstLine(node, tree)
      report({ path: source.path, line, message, measure: parameters.length })
    })
  },
)

/** What is wrong with a node that only a compiler could take away, or null. */
function syntaxFault(node: Node): string | null {
  switch (node.kind) {
    case SyntaxKind.AnyKeyword:
      return '`any`: say the type, or `unknown`'
    case SyntaxKind.EnumDeclaration:
      return '`enum`: use a const object and a type of its values'
    case SyntaxKind.ModuleDeclaration:
      return '`namespace`: a file is a namespace'
    case SyntaxKind.ImportEqualsDeclaration:
      return '`import =`: use import … from'
    case SyntaxKind.TypeAssertionExpression:
      return '`<T>x`: use x as T'
    case SyntaxKind.ExportAssignment:
      return 'default export: export by name'
    case SyntaxKind.DefaultKeyword:
      return node.parent.kind === SyntaxKind.DefaultClause ? null : 'default export: export by name'
    default:
      return null
  }
}

const erasable = perSource(
  'erasable',
  'no any, enum, namespace, import =, <T>x, parameter property or default export',
  (source, report) => {
    eachNode(source, (node, tree) => {
      let message = syntaxFault(node)
      if (isParameterDeclaration(node) && (node.modifiers?.length ?? 0) > 0) {
        message = 'parameter property: declare the field'
      }
      if (message !== null) report({ path: source.path, line: firstLine(node, tree), message })
    })
  },
)

const nonNull = perSource(
  'non-null',
  '`!` stands only after an array index, which an assertion or a mask bounds',
  (source, report) => {
    if (!isProduct(source)) return
    eachNode(source, (node, tree) => {
      if (!isNonNullExpression(node)) return
      const inner = isAsExpression(node.expression) ? node.expression.expression : node.expression
      if (isElementAccessExpression(inner)) return
      const message = `'${node.getText(tree)}': assert it instead`
      report({ path: source.path, line: firstLine(node, tree), message })
    })
  },
)

const inheritance = perSource(
  'inheritance',
  'a class extends nothing but an error',
  (source, report) => {
    if (!isProduct(source)) return
    eachNode(source, (node, tree) => {
      if (!isClassDeclaration(node)) return
      for (const clause of node.heritageClauses ?? []) {
        if (clause.token !== SyntaxKind.ExtendsKeyword) continue
        const parent = clause.types[0]?.expression.getText(tree) ?? ''
        if (parent.endsWith('Error')) continue
        const message = `${nameOf(node)} extends ${parent}`
        report({ path: source.path, line: firstLine(node, tree), message })
      }
    })
  },
)

// Members of globals and global functions that only src/base/ may use, and its own word for them.
const DOOR_MEMBERS: ReadonlyMap<string, string> = new Map([
  ['Date.now', 'Clock.nowMs'],
  ['performance.now', 'Clock.monotonicUs'],
  ['process.hrtime', 'Clock.monotonicUs'],
  ['Math.random', 'Random'],
])
const DOOR_CALLS: ReadonlyMap<string, string> = new Map([
  ['setTimeout', 'Clock.after'],
  ['setInterval', 'Clock.every'],
])
const DOOR_MODULES: ReadonlyMap<string, string> = new Map([
  ['node:fs', 'Disk'],
  ['node:fs/promises', 'Disk'],
  ['node:net', 'Transport'],
  ['node:timers', 'Clock'],
  ['node:timers/promises', 'Clock'],
])

/** Which door a node goes round, as 'used, instead of door', or null. */
function doorFault(node: Node, tree: SourceFile): string | null {
  if (isPropertyAccessExpression(node)) {
    const door = DOOR_MEMBERS.get(node.getText(tree))
    return door === undefined ? null : `${node.getText(tree)} instead of ${door}`
  }
  if (isNewExpression(node) && (node.arguments?.length ?? 0) === 0) {
    return node.expression.getText(tree) === 'Date' ? 'new Date() instead of Clock.nowMs' : null
  }
  if (isCallExpression(node) && isIdentifier(node.expression)) {
    const door = DOOR_CALLS.get(node.expression.text)
    return door === undefined ? null : `${node.expression.text} instead of ${door}`
  }
  if (isStringLiteral(node) && node.parent.kind === SyntaxKind.ImportDeclaration) {
    const door = DOOR_MODULES.get(node.text)
    return door === undefined ? null : `${node.text} instead of ${door}`
  }
  return null
}

// The control plane is another process than the server, waits for the world all day long and has no
// simulation: promises, streams and Node's own modules serve it better than the engine's doors.
const DOORLESS: readonly string[] = ['src/base/', 'src/control/']

const doors = perSource(
  'door',
  'of the server, time, randomness, files and sockets are reached through src/base/ only',
  (source, report) => {
    if (!isProduct(source) || DOORLESS.some((path) => source.path.startsWith(path))) return
    eachNode(source, (node, tree) => {
      const message = doorFault(node, tree)
      if (message !== null) report({ path: source.path, line: firstLine(node, tree), message })
    })
  },
)

/** One file per program. */
const PROGRAMS: readonly string[] = ['src/main.ts', 'src/cli/main.ts']

const surroundings = perSource(
  'surroundings',
  'process.argv and process.env are read in src/main.ts and src/cli/main.ts only',
  (source, report) => {
    if (!isProduct(source) || PROGRAMS.includes(source.path)) return
    eachNode(source, (node, tree) => {
      if (!isPropertyAccessExpression(node)) return
      const text = node.getText(tree)
      if (text !== 'process.argv' && text !== 'process.env') return
      const message = `${text}: let main.ts pass the value in`
      report({ path: source.path, line: firstLine(node, tree), message })
    })
  },
)

export const syntaxRules: readonly Rule[] = [
  functionLength,
  parameterCount,
  erasable,
  nonNull,
  inheritance,
  doors,
  surroundings,
]
