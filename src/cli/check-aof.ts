// tidemark check-aof: says whether an append only file is whole and what is in it, and cuts off
// what a crash has left of it. Lines, in their essential parts, and exit codes are those of
// redis-check-aof 7: a manifest with its files, a single file of an older version, either with an
// RDB preamble.
//
// Unlike redis-check-aof it changes nothing without --fix, also not with --truncate-to-timestamp;
// it keeps a copy of what it changes, and so does not ask. Only the last file of a manifest is ever
// cut: what is behind a gap must not be replayed.

import { dirname, join } from 'node:path'
import type { DiskFile } from '../base/disk.ts'
import { systemReason } from '../base/disk-error.ts'
import { StoreError } from '../base/errors.ts'
import { loadedFiles, type Manifest, parseManifest } from '../persist/aof/manifest.ts'
import { cutFile } from './aof-repair.ts'
import { type AofPart, type AofVerdict, aofJson, aofText } from './aof-report.ts'
import { AofScan } from './aof-scan.ts'
import { parseFileArguments } from './arguments.ts'
import { ProgressBar, watchedFile } from './progress-bar.ts'
import { type CliContext, ExitCode, type Subcommand, UsageError } from './subcommand.ts'

interface Options {
  readonly isFixing: boolean
  /** Unix seconds; 0: not asked for. */
  readonly toTimestamp: number
  readonly isJson: boolean
}

/** What a file begins with says what it is. */
const HEAD_BYTES = 4096
const MANIFEST_MARK = /^(#.*\n)*file\b/
const RDB_MARK = 'REDIS'

export const checkAof: Subcommand = {
  name: 'check-aof',
  usage: '[--fix] [--truncate-to-timestamp SECONDS] FILE|MANIFEST [--json]',
  summary: 'Says whether an append only file is whole, and cuts off what is not',
  details: [
    'Takes a manifest (appendonlydir/appendonly.aof.manifest), which stands for all files that it',
    'names, or a single file. Changes nothing without --fix.',
    'Ends with 0 when all files are whole or were repaired, else with 1, as redis-check-aof does.',
    '',
    '  --fix                            cut the last file off behind its last whole command;',
    '                                   a copy of it stays beside it as FILE.bak-TIME',
    '  --truncate-to-timestamp SECONDS  drop what was written after this unix time, as the',
    '                                   annotations of aof-timestamp-enabled tell; with --fix',
    '  --json                           one JSON object in place of text',
  ],
  run(args, context) {
    const { path, values } = parseFileArguments(args, {
      fix: { type: 'boolean', default: false },
      'truncate-to-timestamp': { type: 'string' },
      json: { type: 'boolean', default: false },
    })
    const toTimestamp = readTimestamp(values['truncate-to-timestamp'])
    const options = { isFixing: values.fix, toTimestamp, isJson: values.json }
    return new AofCheck(context, options).run(path)
  },
}

function readTimestamp(text: string | undefined): number {
  if (text === undefined) return 0
  const seconds = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(seconds) && seconds > 0) return seconds
  throw new UsageError('Invalid timestamp, aborting...')
}

class AofCheck {
  readonly #context: CliContext
  readonly #options: Options
  #bar: ProgressBar

  constructor(context: CliContext, options: Options) {
    this.#context = context
    this.#options = options
    this.#bar = new ProgressBar(context, 0)
  }

  run(path: string): ExitCode {
    const head = this.#headOf(path)
    const manifest = MANIFEST_MARK.test(head)
      ? parseManifest(this.#context.disk.readText(path), path)
      : null
    const verdicts: AofVerdict[] = []
    this.#tell(`Start checking ${manifest === null ? 'Old-Style' : 'Multi Part'} AOF`)
    const parts = manifest === null ? [singlePart(path)] : partsOf(manifest, path)
    let isValid = true
    for (const part of parts) {
      if (part.role === 'BASE AOF') {
        const form = this.#headOf(part.path).startsWith(RDB_MARK) ? 'RDB' : 'RESP'
        this.#tell(`Start to check BASE AOF (${form} format).`)
      } else if (part.role === 'INCR AOF' && verdicts.length === firstIncrement(parts)) {
        this.#tell('Start to check INCR files.')
      }
      const verdict = this.#check(part)
      verdicts.push(verdict)
      isValid = verdict.isValid
      if (!isValid) break
    }
    if (isValid && manifest !== null) this.#tell('All AOF files and manifest are valid')
    if (this.#options.isJson) this.#context.out(aofJson(path, verdicts, isValid))
    else this.#context.out(aofText(verdicts))
    return isValid ? ExitCode.Ok : ExitCode.Failed
  }

  #check(part: AofPart): AofVerdict {
    const { context, file } = { context: this.#context, file: this.#open(part.path) }
    this.#bar = new ProgressBar(context, file.size())
    try {
      const watched = watchedFile(file, this.#bar)
      const { toTimestamp, isJson } = this.#options
      const nowMs = context.clock.nowMs()
      const options = { toTimestamp, nowMs }
      const tell = (line: string) => this.#tell(line)
      const scan = new AofScan(watched, isJson ? options : { ...options, tell })
      scan.run()
      this.#bar.clear()
      return this.#judge(part, scan)
    } finally {
      this.#bar.clear()
      file.close()
    }
  }

  #judge(part: AofPart, scan: AofScan): AofVerdict {
    if (scan.cutAt >= 0) return this.#cutToTimestamp(part, scan)
    const { role, name } = part
    const { fault, rdb, bytes } = scan
    if (bytes === 0) {
      this.#tell(`${role} ${name} is empty`)
      return { part, scan, isValid: true, copy: null, repair: null }
    }
    if (rdb?.damage != null) {
      this.#tell('RDB preamble of AOF file is not sane, aborting.')
      return { part, scan, isValid: false, copy: null, repair: null }
    }
    if (rdb !== null) this.#tell('RDB preamble is OK, proceeding with AOF tail...')
    if (fault !== null) {
      this.#tell(`0x${fault.offset.toString(16).padStart(16)}: ${fault.reason}`)
    } else if (this.#options.toTimestamp > 0) {
      this.#tell(`Truncate nothing in AOF ${name} to timestamp ${this.#options.toTimestamp}`)
    }
    this.#tell(
      `AOF analyzed: filename=${name}, size=${bytes}, ok_up_to=${scan.okUpTo}, ` +
        `ok_up_to_line=${scan.okUpToLine}, diff=${scan.rest}`,
    )
    if (fault !== null) return this.#cutToWhole(part, scan)
    this.#tell(`${role} ${name} is valid`)
    return { part, scan, isValid: true, copy: null, repair: null }
  }

  /** What is to be done with a file that is not whole. */
  #cutToWhole(part: AofPart, scan: AofScan): AofVerdict {
    const { name, path } = part
    const refused = { part, scan, isValid: false, copy: null }
    if (!part.isLast) {
      if (this.#options.isFixing) {
        this.#tell(`Failed to truncate AOF ${name} because it is not the last file`)
      } else this.#tell(`AOF ${name} is not valid.`)
      this.#tell('Only the last file can be cut off: the ones behind it would no longer fit.')
      return { ...refused, repair: null }
    }
    const repair = `tidemark check-aof --fix ${shellWord(path)}`
    if (!this.#options.isFixing) {
      this.#tell(`AOF ${name} is not valid. Use the --fix option to try fixing it.`)
      this.#tell(
        `${repair}\n  keeps the first ${scan.okUpTo} bytes, drops ${scan.rest}, and keeps a copy`,
      )
      return { ...refused, repair }
    }
    return this.#cut(part, scan, `Successfully truncated AOF ${name}`)
  }

  /** What is to be done with a file that goes on after the time. */
  #cutToTimestamp(part: AofPart, scan: AofScan): AofVerdict {
    const { name, path } = part
    const { toTimestamp, isFixing } = this.#options
    const refused = { part, scan, isValid: false, copy: null, repair: null }
    if (scan.cutAt === 0) {
      this.#tell(`AOF ${name} has nothing before timestamp ${toTimestamp}, aborting...`)
      return refused
    }
    if (!part.isLast) {
      const what = `AOF ${name} to timestamp ${toTimestamp}`
      this.#tell(`Failed to truncate ${what} because it is not the last file`)
      this.#tell('To go back that far, take the files behind it out of the manifest first.')
      return refused
    }
    if (!isFixing) {
      const repair = `tidemark check-aof --fix --truncate-to-timestamp ${toTimestamp}`
      this.#tell(
        `AOF ${name} goes on after timestamp ${toTimestamp}: nothing was changed.\n` +
          `${repair} ${shellWord(path)}\n` +
          `  keeps the first ${scan.cutAt} bytes, drops ${scan.rest}, and keeps a copy`,
      )
      return { ...refused, repair: `${repair} ${shellWord(path)}` }
    }
    return this.#cut(part, scan, `Successfully truncated AOF ${name} to timestamp ${toTimestamp}`)
  }

  #cut(part: AofPart, scan: AofScan, done: string): AofVerdict {
    const { disk, clock } = this.#context
    const length = scan.cutAt >= 0 ? scan.cutAt : scan.okUpTo
    const { name, path } = part
    this.#tell(
      `This will shrink the AOF ${name} from ${scan.bytes} bytes, with ${scan.rest} bytes, ` +
        `to ${length} bytes`,
    )
    const copy = cutFile(disk, scan.file, { path, length, nowMs: clock.nowMs() })
    this.#bar.clear()
    this.#tell(done)
    this.#tell(`The file as it was: ${copy}`)
    return { part, scan, isValid: true, copy, repair: null }
  }

  /** The beginning of a file, by which it is known. */
  #headOf(path: string): string {
    const file = this.#open(path)
    try {
      const head = new Uint8Array(HEAD_BYTES)
      const count = file.read(head, 0, HEAD_BYTES, 0)
      return Buffer.from(head.buffer, 0, count).toString('latin1')
    } finally {
      file.close()
    }
  }

  #open(path: string): DiskFile {
    try {
      return this.#context.disk.openRead(path)
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      const text = `Cannot open file ${path}: ${systemReason(error)}, aborting...`
      throw new StoreError(error.code, text, { cause: error.cause })
    }
  }

  #tell(line: string): void {
    if (this.#options.isJson) return
    this.#bar.clear()
    this.#context.out(`${line}\n`)
  }
}

function singlePart(path: string): AofPart {
  return { path, name: path, role: 'AOF', isLast: true }
}

/** The files of a manifest, which lie beside it, in the order in which they are read. */
function partsOf(manifest: Manifest, path: string): AofPart[] {
  const files = loadedFiles(manifest)
  return files.map((file, i) => ({
    path: join(dirname(path), file.name),
    name: file.name,
    role: file === manifest.base ? 'BASE AOF' : 'INCR AOF',
    isLast: i === files.length - 1,
  }))
}

function firstIncrement(parts: readonly AofPart[]): number {
  return parts.findIndex(({ role }) => role === 'INCR AOF')
}

/** A path as one word of a shell. */
function shellWord(path: string): string {
  return /^[\w./:@%+=,-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}
