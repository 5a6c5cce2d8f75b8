// Where the command table differs from that of redis-server 7.0.15. A line goes when its command
// comes.

/** Commands that this server does not have, by what they belong to. */
const MISSING_BY_SUBJECT: Readonly<Record<string, string>> = {
  'access control lists':
    'acl acl|cat acl|deluser acl|dryrun acl|genpass acl|getuser acl|help acl|list ' +
    'acl|load acl|log acl|save acl|setuser acl|users acl|whoami',
  'cluster mode':
    'asking cluster cluster|addslots cluster|addslotsrange cluster|bumpepoch ' +
    'cluster|count-failure-reports cluster|countkeysinslot cluster|delslots ' +
    'cluster|delslotsrange cluster|failover cluster|flushslots cluster|forget ' +
    'cluster|getkeysinslot cluster|help cluster|info cluster|keyslot cluster|links ' +
    'cluster|meet cluster|myid cluster|nodes cluster|replicas cluster|replicate ' +
    'cluster|reset cluster|saveconfig cluster|set-config-epoch cluster|setslot ' +
    'cluster|shards cluster|slaves cluster|slots readonly readwrite restore-asking',
  'scripts and functions':
    'eval eval_ro evalsha evalsha_ro fcall fcall_ro function function|delete ' +
    'function|dump function|flush function|help function|kill function|list function|load ' +
    'function|restore function|stats script script|debug script|exists script|flush ' +
    'script|help script|kill script|load',
  replication: 'failover',
  'modules: native code for another server, never':
    'module module|help module|list module|load module|loadex module|unload',
}

export const MISSING: readonly string[] = Object.values(MISSING_BY_SUBJECT).flatMap((names) =>
  names.split(' '),
)

/** Commands whose facts differ on purpose: WITHSCORE of Redis 7.2 takes one argument more. */
export const OWN_FACTS: ReadonlySet<string> = new Set(['zrank', 'zrevrank'])
