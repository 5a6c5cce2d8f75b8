// The actions of `tidemark backup` by their names, and what becomes of what they throw. This
// loads all of the backup service: only `backup.ts` imports it, and that when it runs.

import { deleteAction, pinAction, pruneAction, unpinAction } from './backup-change.ts'
import { copyAction, exportAction } from './backup-copy.ts'
import { createAction } from './backup-create.ts'
import { tellFault } from './backup-faults.ts'
import type { ActionName } from './backup-help.ts'
import { listAction, showAction } from './backup-list.ts'
import { runServiceAction } from './backup-run.ts'
import { verifyAction } from './backup-verify.ts'
import type { CliContext, ExitCode } from './subcommand.ts'

export { tellFault } from './backup-faults.ts'

type Action = (args: readonly string[], context: CliContext) => Promise<ExitCode>

const ACTIONS: Readonly<Record<ActionName, Action>> = {
  create: createAction,
  list: listAction,
  show: showAction,
  verify: verifyAction,
  copy: copyAction,
  export: exportAction,
  delete: deleteAction,
  prune: pruneAction,
  pin: pinAction,
  unpin: unpinAction,
  run: runServiceAction,
}

export async function runAction(
  name: ActionName,
  args: readonly string[],
  context: CliContext,
): Promise<ExitCode> {
  try {
    return await ACTIONS[name](args, context)
  } catch (error) {
    return tellFault(error, `tidemark backup ${name}`, context)
  }
}
