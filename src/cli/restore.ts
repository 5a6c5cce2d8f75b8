// tidemark restore: a backup, or an RDB file of any server, into a file or a node. Its parts are
// loaded when it runs, as those of `tidemark backup` are.

import type { Subcommand } from './subcommand.ts'

export const restore: Subcommand = {
  name: 'restore',
  usage: 'NAME|FILE.rdb --store URL --to redis[s]://…|FILE.rdb|DIR [OPTION …]',
  summary: 'Restores a backup into a file, a running node or a new one',
  details: [
    'Everything is looked at before anything is changed: the backup is whole, the node can be',
    'written to, is empty and has room. Into a node keys go by RESTORE commands; one that was',
    'interrupted says how far it came and can be run again with --replace. To a file: it appears',
    'whole or not at all.',
    '',
    '  NAME               backup in the store; FILE.rdb: a file on this machine, or with --store',
    '                     an object of it',
    '  --store URL        where the backup is; else TIDEMARK_STORE',
    '  --to WHERE         running node; path that ends with .rdb; or directory, empty or not there',
    '                     yet, for a new Tidemark node: with --port N, and --keep-running',
    '  --replace          keys and files that are there are replaced',
    '  --flush            the node is emptied before',
    '  --filter GLOB      only keys that match, as with KEYS; again: several patterns',
    '  --database A:B     database A goes to B, and others are left out; again: several',
    '  --ttl POLICY       keep: deadlines stay as they were; shift: keys live as long from now as',
    '                     they would have from the backup on; drop: they live for ever',
    '  --identity FILE    age identities, for an encrypted backup; else TIDEMARK_IDENTITY',
    '  --split            several shards become several files',
    '  --no-functions     libraries of functions are left out',
    '  --skip-unsupported keys that the node has no form for are left out, and counted',
    '  --ignore-room      goes on even if the data seems not to fit',
    '  --limit MB         megabytes per second from the store, at most',
    '  --json             the result as JSON',
    '  --password-file F  password of the node; else TIDEMARK_PASSWORD, or in the address;',
    '                     --user, --tls-…: as with tidemark backup create',
    '',
    'Examples:',
    '  tidemark restore nightly --store /backups --to dump.rdb',
    '  tidemark restore nightly --store /backups --to redis://10.0.0.6:6379',
    "  tidemark restore nightly --store /backups --to redis://10.0.0.6 --filter 'user:*' --replace",
    '  tidemark restore nightly --store /backups --to /srv/new-node --port 6390 --keep-running',
    '  tidemark restore dump.rdb --to redis://10.0.0.6:6379 --ttl shift',
    '',
    'Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 refused and unchanged, 5 damaged.',
  ],
  async run(args, context) {
    const [{ restoreAction }, { tellFault }] = await Promise.all([
      import('./restore-action.ts'),
      import('./backup-faults.ts'),
    ])
    try {
      return await restoreAction(args, context)
    } catch (error) {
      return tellFault(error, 'tidemark restore', context)
    }
  },
}
