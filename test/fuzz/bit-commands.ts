// Commands on bits and on HyperLogLogs for data-commands.ts. Three differences are kept out: SET of
// the lowest i64 under OVERFLOW SAT, which wraps round in Redis; a BITFIELD all of whose writes
// fail on a string that it makes longer, which Redis does not count as a change; and PFADD of
// several elements to a damaged sketch, of which Redis adds some: so sketches have their own keys.

/** What chooses words; the generator of data-commands.ts. */
export interface Chooser {
  below(limit: number): number
  pick<T>(list: readonly T[]): T
  key(): string
  options(limit: number, list: readonly (readonly string[])[]): string[]
}

type Form = (g: Chooser) => string[]

const OFFSETS = ['0', '1', '7', '8', '63', '100', '4097', '20000', '4294967296', '-1', 'x', '']
const FIELDS = ['0', '1', '5', '64', '77', '#0', '#3', '#100', '19999', '#-1', '##1', 'x']
const ENDS = ['0', '1', '-1', '-2', '5', '-9', '300', '-300', '9223372036854775807', 'x']
const AMOUNTS = ['0', '1', '-1', '5', '-100', '255', '65536', '-9007199254740993', 'x']
const ELEMENTS = ['', 'a', 'b', 'foo', '\x00', '\xff'.repeat(9), 'x'.repeat(100)]
/** A sketch in the range between sparse and dense. */
const CROWD = 700

function type(g: Chooser): string {
  if (g.below(40) === 0) return g.pick(['u64', 'i65', 'u0', 'i08', 'U8', 'x', ''])
  return g.below(2) === 0 ? `u${1 + g.below(63)}` : `i${1 + g.below(64)}`
}

function operations(g: Chooser): string[] {
  return g.options(4, [
    ['GET', type(g), g.pick(FIELDS)],
    ['SET', type(g), g.pick(FIELDS), g.pick(AMOUNTS)],
    ['INCRBY', type(g), g.pick(FIELDS), g.pick(AMOUNTS)],
    ['INCRBY', type(g), g.pick(FIELDS), g.pick(['9223372036854775807', '-9223372036854775808'])],
    ['OVERFLOW', g.pick(['WRAP', 'SAT', 'SAT', 'BOGUS'])],
    ['GET', type(g)],
  ])
}

/** Start, maybe an end, maybe a unit. */
function range(g: Chooser): string[] {
  const words = [g.pick(ENDS), g.pick(ENDS), g.pick(['BIT', 'byte', 'BYTE', 'bit', 'x'])]
  return words.slice(0, g.below(4))
}

function element(g: Chooser): string {
  return g.below(3) === 0 ? g.pick(ELEMENTS) : `e${g.below(5000)}`
}

export const BITS: readonly Form[] = [
  (g) => ['SETBIT', g.key(), g.pick(OFFSETS), g.pick(['0', '1', '1', '0', '2', 'x'])],
  (g) => ['SETBIT', g.key(), String(g.below(300)), g.pick(['0', '1'])],
  (g) => ['GETBIT', g.key(), g.pick(OFFSETS)],
  (g) => ['BITCOUNT', g.key(), ...range(g)],
  (g) => ['BITPOS', g.key(), g.pick(['0', '1', '1', '0', '2']), ...range(g)],
  (g) => ['BITOP', g.pick(['AND', 'or', 'XOR', 'not', 'x']), g.key(), g.key()],
  (g) => ['BITOP', g.pick(['AND', 'OR', 'xor', 'NOT']), g.key(), g.key(), g.key(), g.key()],
  (g) => [g.pick(['BITFIELD', 'BITFIELD', 'BITFIELD_RO']), g.key(), ...operations(g)],
  (g) => [
    ...['BITFIELD', g.key(), 'SET', 'u1', '20000', g.pick(['0', '1']), 'OVERFLOW', 'FAIL'],
    ...['INCRBY', type(g), String(g.below(9000)), g.pick(AMOUNTS)],
  ],
]

const SKETCH_KEYS = ['sketch', 'other sketch', 'third sketch']

function sketch(g: Chooser): string {
  return g.pick(SKETCH_KEYS)
}

function elements(g: Chooser, limit: number): string[] {
  return Array.from({ length: g.below(limit) }, () => element(g))
}

export const SKETCHES: readonly Form[] = [
  (g) => ['PFADD', sketch(g), ...elements(g, 5)],
  (g) => ['PFADD', sketch(g), ...elements(g, CROWD)],
  (g) => ['PFADD', g.key(), ...elements(g, 2)],
  (g) => ['PFCOUNT', g.pick([g.key(), sketch(g)])],
  (g) => ['PFCOUNT', sketch(g), sketch(g), g.pick([g.key(), sketch(g)])],
  (g) => ['PFMERGE', sketch(g), g.pick([g.key(), sketch(g)])],
  (g) => ['PFMERGE', g.key(), sketch(g), g.key()],
  (g) => ['PFDEBUG', g.pick(['DECODE', 'ENCODING', 'TODENSE', 'GETREG', 'x']), sketch(g)],
  (g) => ['PFDEBUG', g.pick(['ENCODING', 'TODENSE']), g.key()],
  (g) => [g.pick(['GET', 'GET', 'GET', 'DEL', 'DUMP']), sketch(g)],
  (g) => ['COPY', sketch(g), g.key(), 'REPLACE'],
]
