// What a row of the configuration table is, and the simple kinds of rows: yes/no, integers, sizes,
// percentages, octal numbers, words, texts. Forms with several parts are in config-forms.ts.
//
// A row knows how to read arguments into a setting (canonical text and typed value) and how to
// write a setting into redis.conf. The canonical text is what CONFIG GET shows; it can always be
// set again. Rows are data without state: a `Config` holds one setting per row.
//
// What happens with a directive here is said by its row:
//   implemented             neither `notice` nor `refuse`
//   accepted, no effect     `notice` says why; logged when it is set to other than the default
//   refused                 `refuse` gives the reason for values that must not be accepted silently

import {
  formatBytes,
  parseBytes,
  parseInteger,
  parseLooseInteger,
  quoteText,
} from './config-text.ts'

/** One parameter's state: `text` as CONFIG GET shows it, `value` as the code uses it. */
export interface Setting<T> {
  readonly text: string
  readonly value: T
  /** What CONFIG REWRITE writes, where that is not `text`. */
  readonly written?: string
}

/** A setting, or the text of the error that the arguments contain. */
export type Parsed<T> = Setting<T> | string

/** What a row may look at besides its arguments. */
export interface ParseContext<T> {
  readonly previous: T
  /** Further lines of a file add to `previous` (only `save` does so). */
  readonly isAppending: boolean
  /** The absolute path of an existing directory, or the error text. */
  readonly findDirectory: (path: string) => Parsed<string>
  /** Bytes that this process can have: the machine's, or its control group's; 0: not known. */
  readonly memoryBytes: () => number
}

/** A line for redis.conf; without force it only takes the place of a line that is there. */
export interface ConfigLine {
  readonly line: string
  readonly force: boolean
}

export interface RowOptions<T> {
  /** A second name: `slave-…`, `…-ziplist-…`; both are listed. */
  readonly alias?: string
  /** Whether CONFIG SET may change it. */
  readonly mutable?: boolean
  /** CONFIG SET needs `enable-protected-configs`. */
  readonly guarded?: boolean
  /** The value must not appear in logs, slow log or MONITOR. */
  readonly sensitive?: boolean
  /** Shown by CONFIG GET for its exact name only. */
  readonly hidden?: boolean
  /** CONFIG SET is refused while a file is being loaded. */
  readonly deniedLoading?: boolean
  /** Applied by CONFIG SET even when the value stays the same (files that may have changed). */
  readonly volatile?: boolean
  /** Error text for a value that is well formed and still wrong, else null. */
  readonly check?: (value: T) => string | null
  /** The reason why Tidemark cannot accept this value, else null. */
  readonly refuse?: (value: T) => string | null
  readonly notice?: string
  readonly doc: string
}

export interface Row<T> extends RowOptions<T> {
  /** What may be given, for the documentation: `bytes`, `yes \| no`. */
  readonly form: string
  /** Several arguments; CONFIG SET cuts its value at spaces. */
  readonly isMultiple: boolean
  readonly initial: Setting<T>
  parse(args: readonly string[], context: ParseContext<T>): Parsed<T>
  /** Lines for CONFIG REWRITE; none when the directive must not be in the file. */
  write(name: string, setting: Setting<T>): ConfigLine[]
}

export const INT_MAX = 2147483647
export const INT_MIN = -2147483648
export const UINT_MAX = 4294967295

export interface NumberOptions extends RowOptions<number> {
  readonly default: number
  /** Inclusive. */
  readonly min: number | bigint
  readonly max: number | bigint
}

/** A yes/no row. */
export function boolean(options: RowOptions<boolean> & { default: boolean }): Row<boolean> {
  return single(options, 'yes | no', options.default ? 'yes' : 'no', (argument) => {
    const text = argument.toLowerCase()
    if (text !== 'yes' && text !== 'no') return "argument must be 'yes' or 'no'"
    return { text, value: text === 'yes' }
  })
}

/** A decimal number. Values above 2^53 keep their text and lose precision in `value`. */
export function integer(options: NumberOptions): Row<number> {
  return single(options, rangeForm(options), String(options.default), (argument) => {
    const found = parseInteger(argument)
    if (found === null) return "argument couldn't be parsed into an integer"
    return inRange(found, options) ?? { text: `${found}`, value: Number(found) }
  })
}

/** A decimal number that is moved into the range instead of being refused (`hz`). */
export function clamped(options: NumberOptions & { floor: number; ceiling: number }): Row<number> {
  return single(options, rangeForm(options), String(options.default), (argument) => {
    const found = parseInteger(argument)
    if (found === null) return "argument couldn't be parsed into an integer"
    const error = inRange(found, options)
    if (error !== null) return error
    const value = Math.min(Math.max(Number(found), options.floor), options.ceiling)
    return { text: `${value}`, value }
  })
}

/** An octal number, as file modes are. */
export function octal(options: NumberOptions): Row<number> {
  return single(options, 'octal number', options.default.toString(8), (argument) => {
    const found = parseLooseInteger(argument, 8)
    if (found === null) return "argument couldn't be parsed as an octal number"
    if (found < BigInt(options.min) || found > BigInt(options.max)) {
      const [min, max] = [BigInt(options.min).toString(8), BigInt(options.max).toString(8)]
      return `argument must be between ${min} and ${max} inclusive`
    }
    return { text: found.toString(8), value: Number(found) }
  })
}

/**
 * A size with an optional unit: 1k is 1000, 1kb is 1024. Shown in bytes, written with unit. What is
 * in range but below `floor` becomes `floor`.
 */
export function bytes(options: NumberOptions & { floor?: number }): Row<number> {
  const read = (argument: string) => readBytes(argument, options)
  const row = single(options, 'bytes', String(options.default), read)
  return {
    ...row,
    write: (name, setting) => [changed(row, `${name} ${sizeText(setting)}`, setting)],
  }
}

/**
 * A size, or a percentage up to 100, whose value is negative: `10%` is -10. With `default: 'auto'`
 * that word is a value, too: 0, which no size may be then.
 */
export function bytesOrPercent(
  options: RowOptions<number> & Pick<NumberOptions, 'min' | 'max'> & { default: number | 'auto' },
): Row<number> {
  const hasAuto = options.default === 'auto'
  const form = hasAuto ? 'auto | bytes | n%' : 'bytes | n%'
  const row = single(options, form, String(options.default), (argument) => {
    if (hasAuto && argument.toLowerCase() === 'auto') return { text: 'auto', value: 0 }
    const found = parseBytes(argument)
    if (found !== null) {
      return inRange(found, options) ?? { text: `${found}`, value: Number(found) }
    }
    const percent = argument.endsWith('%') ? parseInteger(argument.slice(0, -1)) : null
    if (percent === null || percent < 0n) return 'argument must be a memory or percent value'
    if (percent > 100n) return 'percentage argument must be less or equal to 100'
    if (percent === 0n) return inRange(percent, options) ?? { text: '0', value: 0 }
    return { text: `${percent}%`, value: -Number(percent) }
  })
  return {
    ...row,
    write: (name, setting) => [changed(row, `${name} ${sizeText(setting)}`, setting)],
  }
}

/**
 * A size, or a percentage of the memory that there is for this process, read when it is set. Shown
 * in bytes; a file keeps the percentage.
 */
export function bytesOrShare(options: NumberOptions): Row<number> {
  const row = single(options, 'bytes | n%', String(options.default), (argument, context) => {
    const percent = argument.endsWith('%') ? parseInteger(argument.slice(0, -1)) : null
    if (context === null || percent === null) return readBytes(argument, options)
    const total = context.memoryBytes()
    // In Redis a percentage is no size at all.
    if (percent < 1n || percent > 100n || total === 0) return NO_SIZE
    const value = Math.floor((total * Number(percent)) / 100)
    return { text: `${value}`, value, written: `${percent}%` }
  })
  const write = (name: string, setting: Setting<number>) => [
    changed(row, `${name} ${setting.written ?? sizeText(setting)}`, setting),
  ]
  return { ...row, write }
}

/** One of several words, in any case. `synonyms` says which word another one stands for. */
export function words<const N extends string>(
  options: RowOptions<N> & {
    values: readonly N[]
    default: NoInfer<N>
    synonyms?: Partial<Record<NoInfer<N>, NoInfer<N>>>
  },
): Row<N> {
  const { values, synonyms } = options
  return single(options, values.join(' | '), options.default, (argument) => {
    const found = values.find((each) => each === argument.toLowerCase())
    if (found === undefined) return unknownWord(values)
    const text = synonyms?.[found] ?? found
    return { text, value: text }
  })
}

/** Any text. With `absent`, an empty text means that the directive is not given at all. */
export function text(
  options: RowOptions<string> & { default: string; whenEmpty?: 'keep' | 'absent' },
): Row<string> {
  const isKept = options.whenEmpty !== 'absent'
  const row = single(options, 'text', options.default, (argument) => ({
    text: argument,
    value: argument,
  }))
  const write = (name: string, setting: Setting<string>) => {
    if (setting.text === '' && !isKept) return []
    return [changed(row, `${name} ${quoteText(setting.text)}`, setting)]
  }
  return { ...row, write }
}

/** A row of one argument, from its options, form, default and the function that reads it. */
export function single<T>(
  options: RowOptions<T>,
  form: string,
  initialText: string,
  read: (argument: string, context: ParseContext<T> | null) => Parsed<T>,
): Row<T> {
  const initial = read(initialText, null)
  if (typeof initial === 'string') throw new TypeError(`default ${initialText}: ${initial}`)
  const row: Row<T> = {
    ...options,
    form,
    isMultiple: false,
    initial,
    parse: (args, context) => {
      if (args.length !== 1) return WRONG_COUNT
      return checked(options, read(args[0]!, context))
    },
    write: (name, setting) => [changed(row, `${name} ${setting.text}`, setting)],
  }
  return row
}

export const WRONG_COUNT = 'wrong number of arguments'
const NO_SIZE = 'argument must be a memory value'

/** The setting, unless the row's own check or refusal objects. */
export function checked<T>(options: RowOptions<T>, parsed: Parsed<T>): Parsed<T> {
  if (typeof parsed === 'string') return parsed
  return options.check?.(parsed.value) ?? options.refuse?.(parsed.value) ?? parsed
}

/** A line that is forced into the file when the setting is not the default. */
export function changed<T>(row: Row<T>, line: string, setting: Setting<T>): ConfigLine {
  return { line, force: setting.text !== row.initial.text }
}

/** The error for a word that is none of `values`. */
export function unknownWord(values: readonly string[]): string {
  return `argument(s) must be one of the following: ${values.join(', ')}`
}

function readBytes(
  argument: string,
  options: NumberOptions & { readonly floor?: number },
): Parsed<number> {
  const given = parseBytes(argument)
  if (given === null) return NO_SIZE
  const error = inRange(given, options)
  if (error !== null) return error
  const floor = BigInt(options.floor ?? 0)
  const found = given < floor ? floor : given
  return { text: `${found}`, value: Number(found) }
}

function inRange(found: bigint, { min, max }: Pick<NumberOptions, 'min' | 'max'>): string | null {
  if (found >= BigInt(min) && found <= BigInt(max)) return null
  return `argument must be between ${min} and ${max} inclusive`
}

function rangeForm({ min, max }: NumberOptions): string {
  const isLimited = max < INT_MAX
  return isLimited ? `${min}–${max}` : min > INT_MIN ? `integer ≥ ${min}` : 'integer'
}

function sizeText({ text }: Setting<number>): string {
  return text.endsWith('%') || text === 'auto' ? text : formatBytes(BigInt(text))
}
