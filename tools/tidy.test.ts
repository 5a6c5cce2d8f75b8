// Goal: each rule of tidy finds what it is for and lets the neighbouring good form pass. Method: a
// table of one bad and one good file per rule, checked as a checkout of that one file.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withTexts } from './tidy/source.ts'
import { type Exceptions, RULES, tidy } from './tidy.ts'

const HEADER = '// A sample.\n// It has a header.\n'

/** `rule path:line` for each finding in files given as text. */
function findings(files: Record<string, string>, exceptions: Exceptions = {}): string[] {
  return withTexts(files, (sources) =>
    tidy(sources, exceptions).map(({ rule, path, line }) => `${rule} ${path}:${line}`),
  )
}

interface Sample {
  readonly rule: string
  readonly name: string
  readonly path?: string
  readonly bad: string
  readonly good: string
  /** The line of the finding; the first after the header unless given. */
  readonly line?: number
  /** Whether the text has its own header. */
  readonly isWhole?: boolean
}

const body = (count: number) => 'a()\n'.repeat(count)
// Assembled, so that this file does not break the rules it tests.
const note = 'TO' + 'DO'
const machine = ['', 'home', 'someone', 'x'].join('/')
const registry = ['registry', 'npmjs', 'org'].join('.')

const SAMPLES: readonly Sample[] = [
  {
    rule: 'line-length',
    name: 'columns are counted as characters, not as bytes',
    bad: `const a = '${'é'.repeat(90)}'\n`,
    good: `const a = '${'é'.repeat(87)}'\n`,
  },
  {
    rule: 'file-length',
    name: '601 lines',
    bad: body(599),
    good: body(598),
    line: 1,
  },
  {
    rule: 'header',
    name: 'code on the first line',
    bad: 'a()\n',
    good: '// What\n// it is.\na()\n',
    line: 1,
    isWhole: true,
  },
  {
    rule: 'header',
    name: 'a header that is a chapter',
    bad: '// line\n'.repeat(26),
    good: '// line\n'.repeat(25),
    line: 1,
    isWhole: true,
  },
  {
    rule: 'file-name',
    name: 'a barrel',
    path: 'src/base/index.ts',
    bad: 'a()\n',
    good: '',
    line: 1,
  },
  {
    rule: 'file-name',
    name: 'camel case',
    path: 'src/base/fileName.ts',
    bad: 'a()\n',
    good: '',
    line: 1,
  },
  {
    rule: 'todo',
    name: 'a note without condition',
    bad: `// ${note}: more\n`,
    good: `// ${note} when shards exist: split this.\n`,
    line: 3,
  },
  { rule: 'todo', name: 'another word', bad: `a() // ${'FIX' + 'ME'} later\n`, good: 'a()\n' },
  {
    rule: 'machine-path',
    name: 'a home directory',
    bad: `const a = '${machine}'\n`,
    good: `const a = './home/x'\n`,
  },
  {
    rule: 'registry-host',
    name: 'a registry',
    bad: `// See ${registry}.\n`,
    good: '// See the registry.\n',
  },
  {
    rule: 'function-length',
    name: '71 lines',
    bad: `function f() {\n${body(69)}}\n`,
    good: `function f() {\n${body(68)}}\n`,
  },
  {
    rule: 'function-length',
    name: 'an arrow function counts, a chapter of tests does not',
    bad: `run(() => {\n${body(69)}})\n`,
    good: `describe('x', () => {\n${body(69)}})\n`,
  },
  {
    rule: 'parameters',
    name: 'five parameters',
    bad: 'function f(a: A, b: A, c: A, d: A, e: A) {}\n',
    good: 'function f(a: A, b: A, c: A, d: A) {}\n',
  },
  {
    rule: 'parameters',
    name: 'a signature counts',
    bad: 'interface A { f(a: A, b: A, c: A, d: A, e: A): void }\n',
    good: 'f(a, b, c, d, e)\n',
  },
  { rule: 'erasable', name: 'any', bad: 'let a: any\n', good: "let a = 'any'\n" },
  { rule: 'erasable', name: 'enum', bad: 'enum A { B }\n', good: 'const A = { B: 0 } as const\n' },
  { rule: 'erasable', name: 'namespace', bad: 'namespace A { f() }\n', good: 'type A = B\n' },
  { rule: 'erasable', name: 'import =', bad: 'import a = b.c\n', good: 'const a = b.c\n' },
  { rule: 'erasable', name: '<T>x', bad: 'f(<A>b)\n', good: 'f(b as A)\n' },
  {
    rule: 'erasable',
    name: 'parameter property',
    bad: 'class A { constructor(readonly b: B) {} }\n',
    good: 'class A { constructor(b: B) {} }\n',
  },
  {
    rule: 'erasable',
    name: 'default export',
    bad: 'export default function f() {}\n',
    good: 'switch (a) { default: f() }\n',
  },
  { rule: 'erasable', name: 'exported default', bad: 'export default a\n', good: 'export { a }\n' },
  { rule: 'non-null', name: 'a member', bad: 'f(a.b!)\n', good: 'f(a.b[i]!)\n' },
  {
    rule: 'inheritance',
    name: 'a class of our own',
    bad: 'class A extends B {}\n',
    good: 'class A extends TypeError {}\n',
  },
  { rule: 'door', name: 'Date.now', bad: 'f(Date.now())\n', good: 'f(clock.nowMs())\n' },
  { rule: 'door', name: 'new Date()', bad: 'f(new Date())\n', good: 'f(new Date(ms))\n' },
  { rule: 'door', name: 'Math.random', bad: 'f(Math.random())\n', good: 'f(Math.abs(1))\n' },
  { rule: 'door', name: 'setTimeout', bad: 'setTimeout(f, 1)\n', good: 'clock.after(1, f)\n' },
  {
    rule: 'door',
    name: 'node:fs',
    bad: "import { a } from 'node:fs'\n",
    good: "import { a } from 'node:path'\n",
  },
  {
    rule: 'surroundings',
    name: 'process.env',
    bad: 'f(process.env)\n',
    good: 'f(process.pid)\n',
  },
  {
    rule: 'import-order',
    name: 'a higher folder',
    bad: "import type { A } from '../server/a.ts'\n",
    good: "import type { A } from '../base/a.ts'\n",
  },
  {
    rule: 'import-order',
    name: 'the server from the control plane',
    path: 'src/backup/x.ts',
    bad: "import { a } from '../persist/aof/a.ts'\n",
    good: "import { a } from '../persist/rdb/a.ts'\n",
  },
  {
    rule: 'import-order',
    name: 'out of src',
    bad: "import { a } from '../../tools/a.ts'\n",
    good: "import { a } from './a.ts'\n",
  },
  {
    rule: 'import-form',
    name: 'no file ending',
    bad: "import { a } from './a'\n",
    good: "import { a } from './a.ts'\n",
  },
  {
    rule: 'import-form',
    name: 'no node:',
    bad: "import { a } from 'path'\n",
    good: "import { a } from 'node:path'\n",
  },
  {
    rule: 'import-cycle',
    name: 'a file that imports itself',
    bad: "import { a } from './x.ts'\n",
    good: "import { a } from './y.ts'\n",
  },
]

for (const { rule, name, path = 'src/memory/x.ts', bad, good, line, isWhole } of SAMPLES) {
  test(`${rule}: ${name}`, () => {
    const head = isWhole ? '' : HEADER
    assert.deepEqual(findings({ [path]: head + bad }), [`${rule} ${path}:${line ?? 3}`])
    if (good !== '') assert.deepEqual(findings({ [path]: head + good }), [])
  })
}

test('every rule has a sample', () => {
  const tested = new Set(SAMPLES.map((sample) => sample.rule))
  const untested = RULES.filter((rule) => !tested.has(rule.name)).map((rule) => rule.name)
  // It has its own test below, as it compares two files.
  assert.deepEqual(untested, ['dependency'])
})

test('a cycle over three files is found once and says its way', () => {
  const link = (name: string) => `${HEADER}import type { A } from './${name}.ts'\n`
  const files = {
    'src/base/a.ts': link('b'),
    'src/base/b.ts': link('c'),
    'src/base/c.ts': link('a'),
  }
  const found = withTexts(files, (sources) => tidy(sources))
  assert.deepEqual(
    found.map((finding) => finding.message),
    ['src/base/a.ts → src/base/b.ts → src/base/c.ts → src/base/a.ts'],
  )
})

test('dependency: a package is pinned and explained', () => {
  const manifest = (version: string) => `{\n"devDependencies": {\n"thing": "${version}"\n}\n}\n`
  const page = { 'docs/decisions/dependencies.md': '`thing`: because.\n' }
  assert.deepEqual(findings({ 'package.json': manifest('1.2.3'), ...page }), [])
  assert.deepEqual(findings({ 'package.json': manifest('1.2.3') }), ['dependency package.json:3'])
  assert.deepEqual(findings({ 'package.json': manifest('^1.2.3'), ...page }), [
    'dependency package.json:3',
  ])
})

test('doors and surroundings bind the product, not base, main or tests', () => {
  const text = `${HEADER}f(Date.now(), process.argv)\n`
  assert.deepEqual(findings({ 'src/memory/x.test.ts': text, 'tools/x.ts': text }), [])
  assert.deepEqual(findings({ 'src/base/x.ts': text }), ['surroundings src/base/x.ts:3'])
  assert.deepEqual(findings({ 'src/main.ts': text }), ['door src/main.ts:3'])
})

test('an exception lets exactly its measure by and may only shrink', () => {
  const files = { 'src/base/x.ts': `${HEADER}function f() {\n${body(78)}}\n` }
  const found = ['function-length src/base/x.ts:3']
  const allow = (limit: number) => ({ 'function-length': { 'src/base/x.ts': limit } })
  assert.deepEqual(findings(files, allow(80)), [])
  assert.deepEqual(findings(files, allow(79)), found)
  assert.deepEqual(findings(files, allow(81)), ['function-length tools/tidy/exceptions.json:1'])
  assert.deepEqual(findings({}, allow(80)), ['function-length tools/tidy/exceptions.json:1'])
  assert.deepEqual(findings({}, { 'no-rule': {} }), ['no-rule tools/tidy/exceptions.json:1'])
})
