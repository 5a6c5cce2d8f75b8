// What `tidemark backup ACTION --help` says: words only, so that help needs nothing of what it is
// about. `BACKUP_HELP` is the list of actions; `backup-actions.ts` has a function for each.

export interface ActionHelp {
  readonly usage: string
  readonly summary: string
  readonly details: readonly string[]
}

const STORE_LINES: readonly string[] = [
  '  --store URL        directory, file:///path or s3://bucket/prefix?endpoint=…; else',
  '                     TIDEMARK_STORE. Given twice: two stores as one, the near one first',
  '  --limit MB         megabytes per second to and from the store, at most',
  '  --json             one JSON value in place of text',
]

const NODE_LINES: readonly string[] = [
  '  --password-file F  password of the node; else TIDEMARK_PASSWORD, or in the address',
  '  --user NAME        ACL user; else TIDEMARK_USER',
  '  --tls-ca F         authority to trust (PEM); --tls-cert F and --tls-key F: who we are;',
  '                     --tls-name N: name in the certificate; --tls-insecure: any certificate',
]

export const BACKUP_HELP = {
  create: {
    usage: 'NAME --from redis[s]://[user:password@]host:port --store URL [OPTION …]',
    summary: 'Takes a backup of a node or a cluster',
    details: [
      'Reads the data as a replica would, checks it on the way and stores it. One node of a',
      'cluster is enough; --from again and again names shards that are no cluster. A replica is',
      'read if there is a healthy one. When anything fails, no backup is listed.',
      '',
      '  --from ADDRESS     node; or an RDB file, for data of any origin',
      ...STORE_LINES,
      '  --cluster ID       whose backup it is; else host and port of the first node',
      '  --kind KIND        manual (counts for the quota), or final: read from the primary',
      '  --source WHICH     auto, primary or replica',
      '  --recipient AGE    encrypts for age1…; again: for several',
      '  --compression N    level of zstd, 1 to 19, or none; without it 1',
      '  --label KEY=VALUE  kept with the backup; again: several',
      '  --quota N          manual backups of a cluster in 24 hours; without it 20',
      '  --fork POLICY      refuse, warn or ignore, when a node could run out of memory by forking',
      ...NODE_LINES,
      '',
      'Examples:',
      '  tidemark backup create before-upgrade --from redis://10.0.0.5:6379 --store /backups',
      '  TIDEMARK_PASSWORD=… tidemark backup create nightly --from rediss://cache:6380 \\',
      '      --store "s3://bucket/redis?endpoint=https://s3.example.net" --recipient age1…',
    ],
  },
  list: {
    usage: '--store URL [--cluster ID] [--json]',
    summary: 'Lists what there is, and what it costs',
    details: [
      'States: creating, available, damaged (its manifest cannot be read), failed (nothing of it',
      'is there; prune removes what is left). VERIFIED says when a backup was last verified.',
      '',
      ...STORE_LINES,
      '  --cluster ID       of one cluster only',
      '  --price P          dollars per GB-month; the largest backup of a cluster is free',
      '',
      'Example:',
      '  tidemark backup list --store /backups --cluster main',
    ],
  },
  show: {
    usage: 'NAME --store URL [--json]',
    summary: 'Says all that is known of a backup',
    details: [
      ...STORE_LINES,
      '',
      'Example:',
      '  tidemark backup show before-upgrade --store /backups',
    ],
  },
  delete: {
    usage: 'NAME --store URL [--confirm]',
    summary: 'Removes a backup; says only what it would do without --confirm',
    details: [
      'A pinned backup is not removed, nor one that something is at work on.',
      '',
      ...STORE_LINES,
      '  --confirm          does it',
      '',
      'Example:',
      '  tidemark backup delete before-upgrade --store /backups --confirm',
    ],
  },
  verify: {
    usage: 'NAME --store URL [--deep] [--identity FILE]',
    summary: 'Says whether a backup is whole, and writes that down beside it',
    details: [
      'Reads, decrypts and parses every part and compares counts and digest with the manifest.',
      '--deep also loads each into a server of its own, on this machine, and compares what that',
      'has. Ends with 5 and names the part when something is missing or damaged.',
      '',
      ...STORE_LINES,
      '  --deep             loads it into a scratch engine',
      '  --identity FILE    age identities, for an encrypted backup; else TIDEMARK_IDENTITY',
      '  --work DIR         where scratch files go',
      '',
      'Example:',
      '  tidemark backup verify before-upgrade --store /backups --deep',
    ],
  },
  copy: {
    usage: 'NAME --store URL --to-store URL [--as NAME]',
    summary: 'Copies a backup to another store, as it is',
    details: [
      'Parts are copied as they are stored, each checked on the way; the manifest comes last. A',
      'copy that was broken off goes on where it stopped when it is begun again.',
      '',
      ...STORE_LINES,
      '  --to-store URL     where to',
      '  --as NAME          name of the copy; else the same',
      '',
      'Example:',
      '  tidemark backup copy nightly --store /backups --to-store s3://far/redis',
    ],
  },
  export: {
    usage: 'NAME --store URL --to FILE.rdb|STORE [--identity FILE]',
    summary: 'Writes a backup as plain RDB files that any server loads',
    details: [
      'To a file, or of several shards to files with their numbers; to a store as objects',
      'NAME-0001.rdb, NAME-0002.rdb. What is there already is not replaced.',
      '',
      ...STORE_LINES,
      '  --to WHERE         a path that ends with .rdb, or a store',
      '  --identity FILE    age identities, for an encrypted backup; else TIDEMARK_IDENTITY',
      '',
      'Examples:',
      '  tidemark backup export nightly --store /backups --to dump.rdb',
      '  tidemark backup export nightly --store /backups --to s3://exports/redis',
    ],
  },
  prune: {
    usage: '--store URL --retention DAYS [--cluster ID] [--keep N] [--confirm]',
    summary: 'Removes expired backups and what operations left; only says so without --confirm',
    details: [
      'Only automatic backups expire; pinned ones stay, and so do the newest of each cluster.',
      'Parts, uploads and claims of operations that died more than ten minutes ago are removed.',
      '',
      ...STORE_LINES,
      '  --retention DAYS   0 to 35; 0, or without it: no backup expires',
      '  --cluster ID       of one cluster only',
      '  --keep N           so many of each cluster stay in any case; without it 1',
      '  --confirm          does it',
      '',
      'Example:',
      '  tidemark backup prune --store /backups --retention 7',
    ],
  },
  pin: {
    usage: 'NAME --store URL [--reason TEXT]',
    summary: 'Protects a backup from retention and deletion',
    details: [...STORE_LINES, '  --reason TEXT      why, for those who find it'],
  },
  unpin: {
    usage: 'NAME --store URL',
    summary: 'Lets a pinned backup go',
    details: [...STORE_LINES],
  },
  run: {
    usage: '[CONFIG] [--once] [--check]',
    summary: 'Runs the service: schedule, retention, verification, metrics',
    details: [
      'Without CONFIG: the node at 127.0.0.1:6379, the store ./backups, a backup a day, kept for',
      '7 days, each verified. Expired backups are removed only if CONFIG says deleteExpired: true;',
      'else the log says which would be. docs/backup.md has all that CONFIG may say. TERM ends it',
      'cleanly; a service that was killed cleans up when it runs again.',
      '',
      '  --once             does what is due now, and ends',
      '  --check            says whether CONFIG is right, and ends',
      '',
      'Examples:',
      '  tidemark backup run',
      '  tidemark backup run /etc/tidemark/backup.json',
    ],
  },
} as const satisfies Record<string, ActionHelp>

export type ActionName = keyof typeof BACKUP_HELP

export function helpOf(name: ActionName): string {
  const { usage, summary, details } = BACKUP_HELP[name]
  return `Usage: tidemark backup ${name} ${usage}\n\n${summary}.\n\n${details.join('\n')}\n`
}
