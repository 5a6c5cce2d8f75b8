// Rules that need only the lines of a file: lengths, headers, names, notes of work left to do, and
// what must not be in a public repository (paths of one machine, hosts of one company).

import { basename } from 'node:path'
import { isTypeScript, perSource, type Rule } from './rule.ts'
import type { Source } from './source.ts'

const LINE_COLUMNS_MAX = 100
const FILE_LINES_MAX = 600
// Two lines can be enough: `assert.ts` has nothing more to say. Above 25 it belongs in docs/.
const HEADER_LINES_MIN = 2
const HEADER_LINES_MAX = 25

const lineLength = perSource(
  'line-length',
  `a line of code has at most ${LINE_COLUMNS_MAX} columns`,
  (source, report) => {
    if (!/\.(ts|sh|js)$/.test(source.path)) return
    source.lines.forEach((text, index) => {
      const columns = [...text].length
      if (columns <= LINE_COLUMNS_MAX || isLoneUrl(text)) return
      report({ path: source.path, line: index + 1, message: `${columns} columns` })
    })
  },
)

/** A comment line that is one URL cannot be broken. */
function isLoneUrl(text: string): boolean {
  return /^\s*(\/\/|\*|#) *https?:\/\/\S+$/.test(text)
}

const fileLength = perSource(
  'file-length',
  `a source file has at most ${FILE_LINES_MAX} lines`,
  (source, report) => {
    const count = source.lines.length - (source.text.endsWith('\n') ? 1 : 0)
    if (!isTypeScript(source) || count <= FILE_LINES_MAX) return
    report({ path: source.path, line: 1, message: `${count} lines`, measure: count })
  },
)

const header = perSource(
  'header',
  `a source file starts with a comment of ${HEADER_LINES_MIN}–${HEADER_LINES_MAX} lines`,
  (source, report) => {
    if (!isTypeScript(source)) return
    const minimum = source.path.endsWith('.test.ts') ? 1 : HEADER_LINES_MIN
    const count = headerLines(source)
    if (count >= minimum && count <= HEADER_LINES_MAX) return
    const message = count === 0 ? 'no header comment' : `header comment of ${count} lines`
    report({ path: source.path, line: 1, message, measure: count })
  },
)

/** How many lines the comment at the start of the file has; a first line `#!` is not counted. */
export function headerLines(source: Source): number {
  const first = source.lines[0]?.startsWith('#!') ? 1 : 0
  let index = first
  if (source.lines[index]?.startsWith('/*')) {
    while (index < source.lines.length && !source.lines[index]?.includes('*/')) index++
    return index + 1 - first
  }
  while (source.lines[index]?.startsWith('//')) index++
  return index - first
}

const fileName = perSource(
  'file-name',
  'a source file is named in kebab-case by the main thing inside; there is no index.ts',
  (source, report) => {
    if (!isTypeScript(source)) return
    const name = basename(source.path)
    if (name === 'index.ts') {
      report({ path: source.path, line: 1, message: 'no barrels: name the file by what is in it' })
    } else if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.(test|as|wasm|d))?\.ts$/.test(name)) {
      report({ path: source.path, line: 1, message: `'${name}' is not kebab-case` })
    }
  },
)

const TODO_WORD = 'TO' + 'DO'
const OTHER_WORDS = new RegExp(`\\b(${['FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|')})\\b`)

const todo = perSource(
  'todo',
  `${TODO_WORD} says when it falls due, as "${TODO_WORD} when <condition>: <what>"`,
  (source, report) => {
    if (!isTypeScript(source)) return
    source.lines.forEach((text, index) => {
      const comment = /(?:\/\/|\/\*|^\s*\*)(.*)$/.exec(text)?.[1]
      if (comment === undefined) return
      const at = { path: source.path, line: index + 1 }
      const bad = OTHER_WORDS.exec(comment)
      if (bad) report({ ...at, message: `'${bad[1]}': write ${TODO_WORD} when …: …` })
      if (!new RegExp(`\\b${TODO_WORD}\\b`).test(comment)) return
      if (new RegExp(`\\b${TODO_WORD} when [^:]+: \\S`).test(comment)) return
      report({ ...at, message: `write "${TODO_WORD} when <condition>: <what>"` })
    })
  },
)

const MACHINE_PATH = /(^|[\s'"`=(:,[])(\/(?:work|home|root|Users)\/[\w.-]+)/

const machinePaths = perSource(
  'machine-path',
  'no absolute path of the machine that the code was written on',
  (source, report) => {
    source.lines.forEach((text, index) => {
      const found = MACHINE_PATH.exec(text)
      if (!found) return
      report({ path: source.path, line: index + 1, message: `absolute path ${found[2]}` })
    })
  },
)

// Pieces, so that this file does not name what it looks for.
const REGISTRY = new RegExp(
  [
    ['registry', '(npmjs|yarnpkg|npmmirror)', '\\w+'].join('\\.'),
    ['npm', 'pkg', 'github', 'com'].join('\\.'),
    '_auth' + 'Token',
    '"resolved": ?"http',
    'https?://[\\w.-]+\\.(internal|corp|lan|intranet)\\b',
    'https?://[\\w.-]*(artifactory|nexus|verdaccio)[\\w.-]*',
  ].join('|'),
)

const registryHosts = perSource(
  'registry-host',
  'no host name of a package registry or of a private network, the lock file included',
  (source, report) => {
    source.lines.forEach((text, index) => {
      const found = REGISTRY.exec(text)
      if (found) report({ path: source.path, line: index + 1, message: `names ${found[0]}` })
    })
  },
)

export const textRules: readonly Rule[] = [
  lineLength,
  fileLength,
  header,
  fileName,
  todo,
  machinePaths,
  registryHosts,
]
