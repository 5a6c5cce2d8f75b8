// tidemark backup verify: whether a backup can be trusted, and which part of it cannot. A damaged
// backup is a result with an exit code of its own; that it could not be told is a failure.

import type { VerificationRecord } from '../control/backup/read-manifest.ts'
import { verifyBackup } from '../control/backup/verify.ts'
import { parseArguments } from './arguments.ts'
import { needBackup } from './backup-list.ts'
import { identitiesFrom, json, nameFrom, STORE_OPTIONS, withStore } from './backup-options.ts'
import { type CliContext, ExitCode } from './subcommand.ts'
import { byteText } from './text.ts'
import { timeText, WorkLine } from './work-line.ts'

export async function verifyAction(
  args: readonly string[],
  context: CliContext,
): Promise<ExitCode> {
  const { values, positionals } = parseArguments(args, {
    ...STORE_OPTIONS,
    deep: { type: 'boolean', default: false },
    identity: { type: 'string' },
    work: { type: 'string' },
  })
  const name = nameFrom(positionals)
  const identities = await identitiesFrom(values.identity, context)
  return await withStore(values, context, async (store) => {
    await needBackup(store, name, context)
    const line = new WorkLine(context)
    try {
      const record = await verifyBackup({
        store,
        name,
        level: values.deep ? 'engine' : 'parts',
        identities,
        ...(values.work === undefined ? {} : { workDirectory: values.work }),
        signal: context.signal,
        onNote: (text) => line.note(text),
        onProgress: ({ phase, bytes, totalBytes }) =>
          line.showBytes(bytes, totalBytes, (rate) => {
            const amount = `${byteText(bytes)} of ${byteText(totalBytes)}`
            return `${phase}  ${amount}  ${byteText(rate)}/s`
          }),
      })
      line.clear()
      context.out(values.json ? json(record) : recordText(record))
      return record.isGood ? ExitCode.Ok : ExitCode.Damaged
    } finally {
      line.clear()
    }
  })
}

function recordText({ name, isGood, level, engine, faults, tookMs }: VerificationRecord): string {
  const how = level === 'engine' ? `loaded into ${engine}` : 'all parts were read'
  if (isGood) return `Backup ${name} is good: ${how}, in ${timeText(tookMs)}\n`
  const lines = faults.map(({ object, text }) => `  ${object}: ${text}\n`)
  return `Backup ${name} is DAMAGED:\n${lines.join('')}`
}
