// tidemark backup: taking backups and what can be done with them, an action for each. The actions
// are in files of their own and are loaded when one is run: the check tools, which share this
// program, then start without S3, threads and kernels.

import { type ActionName, BACKUP_HELP, helpOf } from './backup-help.ts'
import { ExitCode, type Subcommand, UsageError } from './subcommand.ts'

export const backup: Subcommand = {
  name: 'backup',
  usage: 'ACTION [ARGUMENT …]',
  summary: 'Takes, lists, verifies, copies and expires backups; runs the service that does',
  details: [],
  help: (args) => {
    const name = args.find((each) => !each.startsWith('-'))
    return name !== undefined && isAction(name) ? helpOf(name) : generalHelp()
  },
  async run(args, context) {
    const [name, ...rest] = args
    if (name === undefined || name === 'help') {
      if (name === undefined) context.err(generalHelp())
      else context.out(generalHelp())
      return name === undefined ? ExitCode.Usage : ExitCode.Ok
    }
    const { runAction, tellFault } = await import('./backup-actions.ts')
    if (!isAction(name)) {
      const text = `no action '${name}': one of ${Object.keys(BACKUP_HELP).join(', ')}`
      return tellFault(new UsageError(text), 'tidemark backup', context)
    }
    return await runAction(name, rest, context)
  },
}

function isAction(name: string): name is ActionName {
  return Object.hasOwn(BACKUP_HELP, name)
}

function generalHelp(): string {
  const names = Object.keys(BACKUP_HELP).filter(isAction)
  const width = Math.max(...names.map((name) => name.length))
  const lines = names.map((name) => `  ${name.padEnd(width)}  ${BACKUP_HELP[name].summary}`)
  return `Usage: tidemark backup ACTION [ARGUMENT …]

${lines.join('\n')}

First steps:
  tidemark backup create first --from redis://127.0.0.1:6379 --store ./backups
  tidemark backup verify first --store ./backups --deep
  tidemark restore first --store ./backups --to ./first.rdb

A store is a directory or s3://bucket/prefix; TIDEMARK_STORE names one for all commands.
Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 refused, 5 damaged.
tidemark backup ACTION --help says more of each.
`
}
