// tidemark check-rdb: says whether an RDB file is whole and what is in it, as redis-check-rdb does
// and with its exit codes. Never changes anything; what is damaged in an RDB file cannot be
// repaired, so the answer names what can be done instead.
//
// What the server refuses is refused here: also bytes behind the end, and data of modules, which
// redis-check-rdb lets pass. What the server loads is accepted: also collections without elements.

import { parseFileArguments } from './arguments.ts'
import { ProgressBar, watchedFile } from './progress-bar.ts'
import { RdbCheck } from './rdb-check.ts'
import { ExitCode, type Subcommand } from './subcommand.ts'
import { surveyJson, surveyText } from './survey-report.ts'

export const checkRdb: Subcommand = {
  name: 'check-rdb',
  usage: 'FILE [--json]',
  summary: 'Says whether an RDB file is whole, and what is in it',
  details: [
    'Reads the file as a server would load it, in bounded memory, and changes nothing.',
    'Ends with 0 when the file is whole, else with 1, as redis-check-rdb does.',
    '',
    '  --json  one JSON object in place of text',
  ],
  run(args, context) {
    const { path, values } = parseFileArguments(args, {
      json: { type: 'boolean', default: false },
    })
    const file = context.disk.openRead(path)
    const bar = new ProgressBar(context, file.size())
    const tell = (line: string): void => {
      bar.clear()
      context.out(`${line}\n`)
    }
    const options = { nowMs: context.clock.nowMs(), mayTrail: false }
    try {
      const watched = watchedFile(file, bar)
      const check = new RdbCheck(watched, values.json ? options : { ...options, tell })
      const isWhole = check.run()
      bar.clear()
      context.out(values.json ? jsonText(check, file.size(), path) : surveyText(check.survey))
      return isWhole ? ExitCode.Ok : ExitCode.Failed
    } finally {
      bar.clear()
      file.close()
    }
  },
}

function jsonText({ survey, damage }: RdbCheck, fileBytes: number, path: string): string {
  const { version, isVerified, keys } = survey.reader
  const result = {
    file: path,
    fileBytes,
    ok: damage === null,
    error: damage,
    version,
    checksum: damage !== null ? 'unknown' : isVerified ? 'ok' : 'none',
    aux: Object.fromEntries(survey.aux),
    ...surveyJson(survey),
    // Of those that were read, not only of those that could be counted.
    keys,
  }
  return `${JSON.stringify(result, null, 2)}\n`
}
