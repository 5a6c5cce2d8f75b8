// The rows with a form of their own: save points, output buffer limits, addresses, keyspace event
// classes, shutdown options, OOM scores, percentiles, the primary's address, directory, title.

import {
  type ConfigLine,
  changed,
  checked,
  type ParseContext,
  type Parsed,
  type Row,
  type RowOptions,
  type Setting,
  single,
  unknownWord,
  WRONG_COUNT,
} from './config-row.ts'
import {
  formatBytes,
  parseBytes,
  parseLooseInteger,
  quoteIfNeeded,
  quoteText,
} from './config-text.ts'

/** Save after `seconds` when at least `changes` writes were made. */
export interface SavePoint {
  readonly seconds: number
  readonly changes: number
}

/** Output buffer limits of a class of clients; 0 means none. */
export interface BufferLimit {
  readonly hardBytes: number
  readonly softBytes: number
  readonly softSeconds: number
}

/** Limits by class; `slave` is what Redis calls replicas here. */
export interface BufferLimits {
  readonly normal: BufferLimit
  readonly slave: BufferLimit
  readonly pubsub: BufferLimit
}

/** Classes of keyspace events, by their letters in `notify-keyspace-events`. */
export const EventClass = {
  Keyspace: 1 << 0,
  Keyevent: 1 << 1,
  Generic: 1 << 2,
  String: 1 << 3,
  List: 1 << 4,
  Set: 1 << 5,
  Hash: 1 << 6,
  Zset: 1 << 7,
  Expired: 1 << 8,
  Evicted: 1 << 9,
  Stream: 1 << 10,
  Miss: 1 << 11,
  Module: 1 << 12,
  New: 1 << 13,
} as const

export type ShutdownOption = 'save' | 'nosave' | 'now' | 'force'

/** Where a replica finds its primary. */
export interface PrimaryAddress {
  readonly host: string
  readonly port: number
}

const MAX_ADDRESSES = 16
const MAX_PORT = 65535
const OOM_SCORES = 3
const OOM_SCORE_LIMIT = 2000n
const BUFFER_CLASSES = ['normal', 'slave', 'pubsub'] as const
const CLASS_WORDS: Readonly<Record<string, keyof BufferLimits>> = {
  normal: 'normal',
  slave: 'slave',
  replica: 'slave',
  pubsub: 'pubsub',
}
const SHUTDOWN_WORDS = ['default', 'save', 'nosave', 'now', 'force'] as const

// In the order in which Redis prints them; the first eleven are what `A` stands for.
const EVENT_LETTERS: readonly (readonly [letter: string, bit: number])[] = [
  ['g', EventClass.Generic],
  ['$', EventClass.String],
  ['l', EventClass.List],
  ['s', EventClass.Set],
  ['h', EventClass.Hash],
  ['z', EventClass.Zset],
  ['x', EventClass.Expired],
  ['e', EventClass.Evicted],
  ['t', EventClass.Stream],
  ['d', EventClass.Module],
  ['n', EventClass.New],
  ['K', EventClass.Keyspace],
  ['E', EventClass.Keyevent],
  ['m', EventClass.Miss],
]
const ALL_LETTERS = 'g$lshzxetd'
const ALL_EVENTS = EVENT_LETTERS.filter(([letter]) => ALL_LETTERS.includes(letter)).reduce(
  (bits, [, bit]) => bits | bit,
  0,
)

type ReadMultiple<T> = (args: readonly string[], context: ParseContext<T> | null) => Parsed<T>

/** Save points. Each line of a file adds to those of the lines before it; `""` means never. */
export function savePoints(
  options: RowOptions<readonly SavePoint[]> & { default: string },
): Row<readonly SavePoint[]> {
  const row = multiple(options, 'seconds changes …', options.default, readSavePoints)
  const write = (name: string, { value }: Setting<readonly SavePoint[]>): ConfigLine[] => {
    if (value.length === 0) return [{ line: `${name} ""`, force: true }]
    return value.map(({ seconds, changes }) => ({
      line: `${name} ${seconds} ${changes}`,
      force: true,
    }))
  }
  return { ...row, write }
}

/** Limits of the output buffers; classes that are not named keep theirs. */
export function bufferLimits(
  options: RowOptions<BufferLimits> & { default: string },
): Row<BufferLimits> {
  const row = multiple(options, 'class hard soft seconds …', options.default, readBufferLimits)
  const write = (name: string, { value }: Setting<BufferLimits>): ConfigLine[] =>
    BUFFER_CLASSES.map((each) => {
      const limit = value[each]
      const hard = formatBytes(BigInt(limit.hardBytes))
      const soft = formatBytes(BigInt(limit.softBytes))
      const title = each === 'slave' ? 'replica' : each
      const force = formatLimit(each, limit) !== formatLimit(each, row.initial.value[each])
      return { line: `${name} ${title} ${hard} ${soft} ${limit.softSeconds}`, force }
    })
  return { ...row, write }
}

/** Addresses to listen on; a `-` before one means that it may be missing on this machine. */
export function addresses(
  options: RowOptions<readonly string[]> & { default: string },
): Row<readonly string[]> {
  const row = multiple<readonly string[]>(options, 'address …', options.default, (args) => {
    if (args.length > MAX_ADDRESSES) return 'Too many bind addresses specified.'
    const value = args.length === 1 && args[0] === '' ? [] : [...args]
    const isWrong = value.some((each) => quoteIfNeeded(each) !== each)
    if (isWrong) return 'Failed to bind to specified addresses.'
    return { text: value.join(' '), value }
  })
  const write = (name: string, { text }: Setting<readonly string[]>): ConfigLine[] => {
    if (text === row.initial.text) return []
    return [{ line: `${name} ${text === '' ? '""' : text}`, force: true }]
  }
  return { ...row, write }
}

/** Keyspace events as bits of `EventClass`. */
export function eventClasses(options: RowOptions<number> & { default: string }): Row<number> {
  const row = single<number>(options, 'letters', options.default, (argument) => {
    let value = 0
    for (const letter of argument) {
      const bit = letter === 'A' ? ALL_EVENTS : EVENT_LETTERS.find(([own]) => own === letter)?.[1]
      if (bit === undefined) return "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."
      value |= bit
    }
    return { text: formatEvents(value), value }
  })
  const write = (name: string, setting: Setting<number>) => [
    changed(row, `${name} ${quoteText(setting.text)}`, setting),
  ]
  return { ...row, write }
}

/** How a signal shuts the server down; none of the options means: as the save points say. */
export function shutdownOptions(
  options: RowOptions<readonly ShutdownOption[]> & { default: string },
): Row<readonly ShutdownOption[]> {
  return multiple(options, SHUTDOWN_WORDS.join(' | '), options.default, (args) => {
    const given = args.map((each) => each.toLowerCase())
    const isUnknown = given.some((each) => !SHUTDOWN_WORDS.some((word) => word === each))
    if (given.length === 0 || isUnknown) return unknownWord(SHUTDOWN_WORDS)
    if (given.includes('save') && given.includes('nosave')) {
      return "shutdown options SAVE and NOSAVE can't be used simultaneously"
    }
    const value = SHUTDOWN_WORDS.filter((word) => word !== 'default' && given.includes(word))
    return { text: value.join(' ') || 'default', value: value as readonly ShutdownOption[] }
  })
}

/** OOM scores of primary, replica and background child. */
export function oomScores(
  options: RowOptions<readonly number[]> & { default: string },
): Row<readonly number[]> {
  return multiple<readonly number[]>(options, 'primary replica child', options.default, (args) => {
    if (args.length !== OOM_SCORES) return WRONG_COUNT
    const found = args.map((each) => parseLooseInteger(each))
    if (found.some((each) => each === null || each < -OOM_SCORE_LIMIT || each > OOM_SCORE_LIMIT)) {
      return 'Invalid oom-score-adj-values, elements must be between -2000 and 2000.'
    }
    const value = found.map(Number)
    return { text: value.join(' '), value }
  })
}

/** Percentiles, with six decimals at most. */
export function percentiles(
  options: RowOptions<readonly number[]> & { default: string },
): Row<readonly number[]> {
  const row = multiple<readonly number[]>(options, 'percentile …', options.default, (args) => {
    const given = args.length === 1 && args[0] === '' ? [] : args
    const value: number[] = []
    for (const each of given) {
      const found = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(each) ? Number(each) : Number.NaN
      if (Number.isNaN(found)) return 'Invalid latency-tracking-info-percentiles parameters'
      if (found < 0 || found > 100) {
        return 'latency-tracking-info-percentiles parameters should sit between [0.0,100.0]'
      }
      value.push(found)
    }
    return { text: value.map((each) => `${Number(each.toFixed(6))}`).join(' '), value }
  })
  const write = (name: string, { text }: Setting<readonly number[]>): ConfigLine[] => [
    { line: `${name} ${text === '' ? '""' : text}`, force: true },
  ]
  return { ...row, write }
}

/** The primary to replicate; null for a primary, also by the words `no one`. */
export function primaryAddress(
  options: RowOptions<PrimaryAddress | null>,
): Row<PrimaryAddress | null> {
  const none = { text: '', value: null }
  const parse = (args: readonly string[]): Parsed<PrimaryAddress | null> => {
    if (args.length !== 2) return WRONG_COUNT
    const host = args[0]!
    if (host.toLowerCase() === 'no' && args[1]!.toLowerCase() === 'one') return none
    const port = parseLooseInteger(args[1]!)
    if (port === null || port < 0n || port > MAX_PORT) return 'Invalid master port'
    return checked(options, { text: `${host} ${port}`, value: { host, port: Number(port) } })
  }
  const write = (name: string, { value }: Setting<PrimaryAddress | null>): ConfigLine[] => {
    if (value === null) return []
    return [{ line: `${name} ${quoteIfNeeded(value.host)} ${value.port}`, force: true }]
  }
  return { ...options, form: 'host port', isMultiple: true, initial: none, parse, write }
}

/** The working directory: an absolute path, '' until the configuration knows where it is. */
export function directory(options: RowOptions<string>): Row<string> {
  const row = single(options, 'path', '', (argument, context) =>
    context === null ? { text: '', value: '' } : context.findDirectory(argument),
  )
  const write = (name: string, { text }: Setting<string>): ConfigLine[] => [
    { line: `${name} ${quoteText(text)}`, force: true },
  ]
  return { ...row, write }
}

/** A template for the process title; it must be well formed and must not come out empty. */
export function titleTemplate(options: RowOptions<string> & { default: string }): Row<string> {
  const sample = (name: string) => TITLE_SAMPLE[name] ?? null
  const row = single<string>(options, 'text', options.default, (argument) => {
    const title = expandTitle(argument, sample)
    if (title === null || title === '') {
      return 'template format is invalid or contains unknown variables'
    }
    return { text: argument, value: argument }
  })
  const write = (name: string, setting: Setting<string>) => [
    changed(row, `${name} ${quoteText(setting.text)}`, setting),
  ]
  return { ...row, write }
}

// What the variables are at worst: the title, the mode and the socket's path may be empty.
const TITLE_SAMPLE: Readonly<Record<string, string>> = {
  title: '',
  'listen-addr': '*:0',
  'server-mode': '',
  'config-file': '-',
  port: '0',
  'tls-port': '0',
  unixsocket: '',
}

/**
 * `template` with `{name}` replaced by what `find` gives for it and `{{` by `{`, without blanks at
 * its ends; null when a brace is not closed or `find` does not know a name.
 */
export function expandTitle(
  template: string,
  find: (name: string) => string | null,
): string | null {
  let result = ''
  let at = 0
  while (at < template.length) {
    const open = template.indexOf('{', at)
    if (open < 0) {
      result += template.slice(at)
      break
    }
    result += template.slice(at, open)
    if (template[open + 1] === '{') {
      result += '{'
      at = open + 2
      continue
    }
    const close = template.indexOf('}', open)
    const value = close < 0 ? null : find(template.slice(open + 1, close))
    if (value === null) return null
    result += value
    at = close + 1
  }
  return result.replace(/^ +| +$/g, '')
}

/** A row of several arguments, from its options, form, default and the function that reads it. */
function multiple<T>(
  options: RowOptions<T>,
  form: string,
  initialText: string,
  read: ReadMultiple<T>,
): Row<T> {
  const initial = read(initialText === '' ? [''] : initialText.split(' '), null)
  if (typeof initial === 'string') throw new TypeError(`default ${initialText}: ${initial}`)
  const row: Row<T> = {
    ...options,
    form,
    isMultiple: true,
    initial,
    parse: (args, context) => checked(options, read(args, context)),
    write: (name, setting) => [changed(row, `${name} ${setting.text}`, setting)],
  }
  return row
}

function readSavePoints(
  args: readonly string[],
  context: ParseContext<readonly SavePoint[]> | null,
): Parsed<readonly SavePoint[]> {
  const isReset = args.length === 1 && args[0] === ''
  const given = isReset ? [] : args
  if (given.length % 2 !== 0) return 'Invalid save parameters'
  const value = context?.isAppending && !isReset ? [...context.previous] : []
  for (let i = 0; i < given.length; i += 2) {
    const seconds = parseLooseInteger(given[i]!)
    const changes = parseLooseInteger(given[i + 1]!)
    if (seconds === null || changes === null || seconds < 1n || changes < 0n) {
      return 'Invalid save parameters'
    }
    value.push({ seconds: Number(seconds), changes: Number(BigInt.asIntN(32, changes)) })
  }
  const text = value.map(({ seconds, changes }) => `${seconds} ${changes}`).join(' ')
  return { text, value }
}

function readBufferLimits(
  args: readonly string[],
  context: ParseContext<BufferLimits> | null,
): Parsed<BufferLimits> {
  if (args.length % 4 !== 0) return 'Wrong number of arguments in buffer limit configuration.'
  const none = { hardBytes: 0, softBytes: 0, softSeconds: 0 }
  const value = { normal: none, slave: none, pubsub: none, ...context?.previous }
  for (let i = 0; i < args.length; i += 4) {
    const name = CLASS_WORDS[args[i]!.toLowerCase()]
    if (name === undefined) return 'Invalid client class specified in buffer limit configuration.'
    const hard = parseBytes(args[i + 1]!)
    const soft = parseBytes(args[i + 2]!)
    const seconds = parseLooseInteger(args[i + 3]!)
    if (hard === null || soft === null || seconds === null || seconds < 0n) {
      return 'Error in hard, soft or soft_seconds setting in buffer limit configuration.'
    }
    value[name] = {
      hardBytes: Number(hard),
      softBytes: Number(soft),
      softSeconds: Number(seconds),
    }
  }
  const text = BUFFER_CLASSES.map((name) => formatLimit(name, value[name])).join(' ')
  return { text, value }
}

function formatLimit(name: string, limit: BufferLimit): string {
  return `${name} ${limit.hardBytes} ${limit.softBytes} ${limit.softSeconds}`
}

/** The letters of `bits`. Unlike Redis 7.0, `n` is shown beside `A`, so that nothing is lost. */
function formatEvents(bits: number): string {
  const isAll = (bits & ALL_EVENTS) === ALL_EVENTS
  let result = isAll ? 'A' : ''
  for (const [letter, bit] of EVENT_LETTERS) {
    if ((bits & bit) !== 0 && !(isAll && ALL_LETTERS.includes(letter))) result += letter
  }
  return result
}
