// tidemark backup copy and export: a backup in another place, as it is or as plain RDB files. An
// export to a path is what `tidemark restore` to it does.

import { copyBackup } from '../control/backup/copy-backup.ts'
import { exportBackup, exportNames } from '../control/backup/export-backup.ts'
import { readManifest } from '../control/backup/read-manifest.ts'
import { restoreToFile } from '../control/restore/restore-file.ts'
import { backupSource } from '../control/restore/restore-source.ts'
import { checkNewName } from '../control/service/rules.ts'
import { openStore } from '../control/store/open-store.ts'
import { parseArguments } from './arguments.ts'
import { needBackup } from './backup-list.ts'
import { identitiesFrom, json, nameFrom, STORE_OPTIONS, withStore } from './backup-options.ts'
import { type CliContext, ExitCode, UsageError } from './subcommand.ts'
import { byteText } from './text.ts'
import { WorkLine } from './work-line.ts'

export async function copyAction(args: readonly string[], context: CliContext): Promise<ExitCode> {
  const { values, positionals } = parseArguments(args, {
    ...STORE_OPTIONS,
    'to-store': { type: 'string' },
    as: { type: 'string' },
  })
  const name = nameFrom(positionals)
  const { as: newName = name, 'to-store': url } = values
  if (url === undefined) throw new UsageError('Where to? --to-store URL is missing')
  if (newName !== name) checkNewName(newName)
  return await withStore(values, context, async (source) => {
    await needBackup(source, name, context)
    const target = await openStore(url)
    const line = new WorkLine(context)
    try {
      const manifest = await copyBackup({
        source,
        target,
        name,
        newName,
        signal: context.signal,
        onProgress: shower(line),
      })
      line.clear()
      const bytes = byteText(manifest.totals.storedBytes)
      const text = `Backup ${newName} is in ${target.url}: ${bytes} copied\n`
      context.out(values.json ? json(manifest) : text)
      return ExitCode.Ok
    } finally {
      line.clear()
      target.close()
    }
  })
}

export async function exportAction(
  args: readonly string[],
  context: CliContext,
): Promise<ExitCode> {
  const { values, positionals } = parseArguments(args, {
    ...STORE_OPTIONS,
    to: { type: 'string' },
    identity: { type: 'string' },
  })
  const name = nameFrom(positionals)
  const { to } = values
  if (to === undefined) throw new UsageError('Where to? --to FILE.rdb or --to STORE is missing')
  const identities = await identitiesFrom(values.identity, context)
  return await withStore(values, context, async (store) => {
    await needBackup(store, name, context)
    const line = new WorkLine(context)
    try {
      const { signal } = context
      const onProgress = shower(line)
      if (isPath(to)) {
        const source = await backupSource({ store, name, identities, signal })
        const request = { source, path: to, isSplit: true, signal }
        const paths = await restoreToFile({ ...request, onProgress })
        line.clear()
        context.out(values.json ? json({ files: paths }) : paths.map((p) => `${p}\n`).join(''))
        return ExitCode.Ok
      }
      const target = await openStore(to)
      try {
        const manifest = await readManifest(store, name, signal)
        const names = exportNames(name, manifest.shards.length)
        const request = { store, manifest, identities, target, names, signal }
        const written = await exportBackup({ ...request, onProgress })
        line.clear()
        const texts = written.map((each) => `${target.url}: ${each.name}, ${each.bytes} bytes\n`)
        context.out(values.json ? json({ objects: written }) : texts.join(''))
        return ExitCode.Ok
      } finally {
        target.close()
      }
    } finally {
      line.clear()
    }
  })
}

function isPath(text: string): boolean {
  return text.endsWith('.rdb') && !text.includes('://')
}

function shower(line: WorkLine): (bytes: number, totalBytes: number | null) => void {
  return (bytes, totalBytes) =>
    line.showBytes(bytes, totalBytes ?? bytes, (rate) => {
      return `${byteText(bytes)} of ${byteText(totalBytes ?? bytes)}  ${byteText(rate)}/s`
    })
}
