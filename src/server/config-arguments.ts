// The command line of tidemark-server, in all the forms that redis-server 7.0 takes:
//
//   tidemark-server [redis.conf] [--directive value …] [-]
//
// Options become lines of configuration behind those of the file. A word that starts with `--` is
// the name of an option only when the option before it has a value, so that values may start with
// `--` too; `--save` alone means never to save. `--maxmemory 700mb` may be one word.

import { resolve } from 'node:path'
import { type Disk, systemCode } from '../base/disk.ts'
import { ErrorCode, StoreError } from '../base/errors.ts'
import { Config } from './config.ts'
import { openConfigFile } from './config-file.ts'
import { type ConfigSource, type ConfigText, loadTexts } from './config-load.ts'
import { decodeText, quoteText, splitArguments } from './config-text.ts'

const CLOCK_PATH = '/sys/devices/system/clocksource/clocksource0/current_clocksource'
const FAST_CLOCKS: readonly string[] = [
  'tsc',
  'kvm-clock',
  'hyperv_clocksource_tsc_page',
  'arch_sys_counter',
]

const USAGE = `Usage: tidemark-server [/path/to/redis.conf] [options] [-]
       tidemark-server -                       read the configuration from standard input
       tidemark-server -v or --version
       tidemark-server -h or --help
       tidemark-server --check-system          look for settings of the kernel that slow it down

Each directive of redis.conf is an option:
       tidemark-server --port 7777 --save "" --maxmemory 2gb
       tidemark-server /etc/redis/redis.conf --loglevel verbose
       echo 'maxmemory 128mb' | tidemark-server -
`

/** What the command line asks for: to run with a configuration, or to print something and end. */
export type Startup =
  | { readonly kind: 'run'; readonly config: Config }
  | {
      readonly kind: 'exit'
      readonly code: number
      readonly stdout: string
      readonly stderr: string
    }

/** The configuration that `args` (without program name) ask for, or what to print instead. */
export function configFromArguments(args: readonly string[], source: ConfigSource): Startup {
  const special = specialOption(args, source)
  if (special !== null) return special
  const config = new Config(source.disk, source.workingDirectory)
  try {
    loadTexts(collectTexts(args, source, config), config, source)
  } catch (error) {
    if (error instanceof StoreError && error.code === ErrorCode.ConfigInvalid) {
      return end(1, { stderr: error.message })
    }
    throw error
  }
  return { kind: 'run', config }
}

/** What is to be done for an option that does not start a server; null for all others. */
function specialOption(args: readonly string[], source: ConfigSource): Startup | null {
  const version = `Tidemark server v=${source.version} malloc=arena bits=64 redis=7.0.15\n`
  switch (args[0]) {
    case '-v':
    case '--version':
      return end(0, { stdout: version })
    case '-h':
    case '--help':
      return end(1, { stderr: USAGE })
    case '--check-system':
      return checkSystem(source.disk)
    case '--test-memory':
      return end(1, { stderr: 'Tidemark does not test memory; memtester and memtest86+ do.\n' })
  }
  if (args.includes('--sentinel')) {
    const stderr = 'Tidemark is no Sentinel; redis-sentinel works with it.\n'
    return end(1, { stderr })
  }
  return null
}

/** File, standard input and options, in the order in which they apply. */
function collectTexts(args: readonly string[], source: ConfigSource, config: Config): ConfigText[] {
  const texts: ConfigText[] = []
  const hasFile = args.length > 0 && !args[0]!.startsWith('-')
  if (hasFile) {
    config.configFile = resolve(source.workingDirectory, args[0]!)
    const text = openConfigFile(source.disk, config.configFile)
    texts.push({ origin: config.configFile, text, hasLines: true })
  }
  const rest = hasFile ? args.slice(1) : args
  // A `-` is standard input where it is the very first word or the last one.
  const isInput = (index: number) =>
    rest[index] === '-' && (index === rest.length - 1 || (index === 0 && !hasFile))
  if (rest.some((_, index) => isInput(index))) {
    // One text goes on in the line in which the one before ended, as long as that is empty.
    const last = texts.at(-1)
    if (last?.text.endsWith('\n')) texts[0] = { ...last, text: last.text.slice(0, -1) }
    const text = decodeText(source.readStdin())
    texts.push({ origin: 'standard input', text, hasLines: true })
  }
  const options = rest.filter((_, index) => !isInput(index))
  // Redis counts lines from one more when there is no file, and harnesses see the numbers.
  if (texts.length === 0) texts.push({ origin: 'nowhere', text: '', hasLines: false })
  texts.push({ origin: 'the command line', text: optionLines(options), hasLines: false })
  return texts
}

/** The options as lines of configuration. */
function optionLines(options: readonly string[]): string {
  let result = ''
  let hasValue = true
  for (let i = 0; i < options.length; i++) {
    const word = options[i]!
    if (!hasValue || !word.startsWith('--')) {
      result += `${quoteText(word)} `
      hasValue = true
      continue
    }
    if (result !== '') result += '\n'
    result += `${word.slice(2)} `
    // A word with blanks in it holds name and value.
    hasValue = splitArguments(word)?.length !== 1
    const isBareSave = word.toLowerCase() === '--save'
    const isLast = i === options.length - 1
    if (isBareSave && (isLast || options[i + 1]!.startsWith('--'))) {
      result += '""'
      hasValue = true
    }
  }
  return result
}

/** Looks at what matters to a server that does not fork: the clock it reads for each command. */
function checkSystem(disk: Disk): Startup {
  const unneeded = '[overcommit, huge pages, fork]...not needed: Tidemark saves without fork\n'
  let clock = ''
  try {
    clock = disk.readText(CLOCK_PATH).trim()
  } catch (error) {
    return end(0, { stdout: `${unneeded}[clocksource]...skipped: ${systemCode(error)}\n` })
  }
  if (FAST_CLOCKS.includes(clock)) return end(0, { stdout: `${unneeded}[clocksource]...OK\n` })
  const expected = FAST_CLOCKS.join(' ')
  const advice = `[clocksource]...WARNING: ${clock} is slow, expected one of ${expected}\n`
  return end(1, { stdout: unneeded + advice })
}

function end(code: number, output: { stdout?: string; stderr?: string }): Startup {
  return { kind: 'exit', code, stdout: output.stdout ?? '', stderr: output.stderr ?? '' }
}
