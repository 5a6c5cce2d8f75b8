// Rows of the configuration: network, general, clients, security, logging, shutdown.
//
// A row is one parameter of redis.conf under its own name: kind, default and bounds, flags, what
// is missing here (`notice`, `refuse`: see config-row.ts) and a sentence for the documentation.
// Defaults, bounds and words are those of Redis 7.0.15; config-table.test.ts holds its list.
// The formatter would give each property its line, so it is off: a row reads as two or three.
// biome-ignore-all format: rows of a table.

import {
  addresses,
  bufferLimits,
  directory,
  eventClasses,
  oomScores,
  percentiles,
  shutdownOptions,
  titleTemplate,
} from './config-forms.ts'
import {
  NO_ACL,
  NO_CPU_LISTS,
  NO_CRASH_LOG,
  NO_IO_THREADS,
  NO_SCRIPTS,
  NO_SOCKET_MARK,
  NO_SYSLOG,
  NO_TEST_HOOK,
} from './config-notices.ts'
import {
  boolean,
  bytes,
  bytesOrPercent,
  clamped,
  INT_MAX,
  integer,
  octal,
  text,
  UINT_MAX,
  words,
} from './config-row.ts'
import { I64_MAX } from './config-text.ts'

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB
const PORT_MAX = 65535
const MODE_MAX = 0o777

export const networkRows = {
  bind: addresses({
    default: '* -::*', mutable: true,
    doc: 'Addresses to listen on; one with `-` before it may be missing on this machine.',
  }),
  'bind-source-addr': text({
    default: '', whenEmpty: 'absent', mutable: true,
    notice: 'the server opens no connections of its own yet',
    doc: 'Local address of connections that the server opens.',
  }),
  port: integer({
    default: 6379, min: 0, max: PORT_MAX, mutable: true,
    doc: 'TCP port; 0 listens on no TCP port.',
  }),
  unixsocket: text({
    default: '', whenEmpty: 'absent',
    doc: 'Path of a unix socket to listen on as well.',
  }),
  unixsocketperm: octal({
    default: 0, min: 0, max: MODE_MAX,
    doc: 'File mode of the unix socket; 0 leaves it as the umask makes it.',
  }),
  'protected-mode': boolean({
    default: true, mutable: true,
    doc: 'Serve only this machine while neither a password nor `bind` was set.',
  }),
  'tcp-backlog': integer({
    default: 511, min: 0, max: INT_MAX,
    doc: 'Connections that may wait to be accepted; the kernel has a limit of its own.',
  }),
  'tcp-keepalive': integer({
    default: 300, min: 0, max: INT_MAX, mutable: true,
    doc: 'Seconds between probes of silent connections; 0 sends none.',
  }),
  timeout: integer({
    default: 0, min: 0, max: INT_MAX, mutable: true,
    doc: 'Seconds after which an idle client is disconnected; 0 never does.',
  }),
  'socket-mark-id': integer({
    default: 0, min: 0, max: UINT_MAX, notice: NO_SOCKET_MARK,
    doc: 'Mark put on listening sockets for the routing rules of the kernel.',
  }),
} as const

export const generalRows = {
  daemonize: boolean({ default: false, doc: 'Run in the background and write a pid file.' }),
  supervised: words({
    values: ['upstart', 'systemd', 'auto', 'no'], default: 'no',
    doc: 'Tell the service manager when the server is ready.',
  }),
  pidfile: text({
    default: '', whenEmpty: 'absent',
    doc: 'File to hold the process id; removed at the end.',
  }),
  dir: directory({
    mutable: true, guarded: true, deniedLoading: true,
    doc: 'Working directory: files of the dataset lie here, relative paths start here.',
  }),
  databases: integer({ default: 16, min: 1, max: INT_MAX, doc: 'Count of databases.' }),
  'always-show-logo': boolean({
    default: false,
    doc: 'Print the logo at the start even when standard output is not a terminal.',
  }),
  'set-proc-title': boolean({
    default: true,
    doc: 'Show addresses and mode in the process title.',
  }),
  'proc-title-template': titleTemplate({
    default: '{title} {listen-addr} {server-mode}', mutable: true,
    doc:
      'The process title, with {title} {listen-addr} {server-mode} {port} {tls-port} ' +
      '{unixsocket} {config-file}.',
  }),
  hz: clamped({
    default: 10, min: 0, max: INT_MAX, floor: 1, ceiling: 500, mutable: true,
    doc: 'Runs of the background work per second; brought into 1–500.',
  }),
  'dynamic-hz': boolean({
    default: true, mutable: true,
    doc: 'Raise `hz` while many clients are connected.',
  }),
  'io-threads': integer({
    default: 1, min: 1, max: 128, notice: NO_IO_THREADS,
    doc: 'Threads that read and write sockets.',
  }),
  'io-threads-do-reads': boolean({
    default: false, notice: NO_IO_THREADS,
    doc: 'Let these threads read as well.',
  }),
  server_cpulist: text({
    default: '', whenEmpty: 'absent', notice: NO_CPU_LISTS,
    doc: 'Processors for the main thread.',
  }),
  bio_cpulist: text({
    default: '', whenEmpty: 'absent', notice: NO_CPU_LISTS,
    doc: 'Processors for the background threads.',
  }),
  aof_rewrite_cpulist: text({
    default: '', whenEmpty: 'absent', notice: NO_CPU_LISTS,
    doc: 'Processors for rewriting the append only file.',
  }),
  bgsave_cpulist: text({
    default: '', whenEmpty: 'absent', notice: NO_CPU_LISTS,
    doc: 'Processors for saving.',
  }),
  'oom-score-adj': words({
    values: ['no', 'yes', 'relative', 'absolute'], default: 'no', mutable: true,
    synonyms: { relative: 'yes' },
    doc: 'Whether to set how likely the kernel ends this process when memory runs out.',
  }),
  'oom-score-adj-values': oomScores({
    default: '0 200 800', mutable: true,
    doc: 'The scores of a primary, a replica and a saving child (there is none here).',
  }),
  'disable-thp': boolean({
    default: true,
    notice: 'huge pages only hurt servers that fork; their setting is left alone',
    doc: 'Turn transparent huge pages off for this process.',
  }),
  'ignore-warnings': text({
    default: '', mutable: true,
    notice: 'the kernel faults that it silences do not concern a server without fork',
    doc: 'Names of start-up warnings to keep quiet about.',
  }),
} as const

export const clientRows = {
  maxclients: integer({
    default: 10000, min: 1, max: UINT_MAX, mutable: true,
    doc: 'Clients connected at the same time; more are told so and disconnected.',
  }),
  'client-output-buffer-limit': bufferLimits({
    default: 'normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60',
    mutable: true,
    doc:
      'Disconnect clients of a class (normal, replica, pubsub) whose unread replies exceed the ' +
      'hard limit, or the soft limit for that many seconds.',
  }),
  'client-query-buffer-limit': bytes({
    default: GIB, min: MIB, max: I64_MAX, mutable: true,
    doc: 'Bytes of a query that a client may send before it is executed.',
  }),
  'proto-max-bulk-len': bytes({
    default: 512 * MIB, min: MIB, max: I64_MAX, mutable: true,
    doc: 'Largest single string in a query.',
  }),
  'maxmemory-clients': bytesOrPercent({
    default: 0, min: 0, max: I64_MAX, mutable: true,
    doc: 'Memory that buffers of all clients may take, or percent of `maxmemory`; 0 is no limit.',
  }),
  'tracking-table-max-keys': integer({
    default: 1_000_000, min: 0, max: I64_MAX, mutable: true,
    doc: 'Keys remembered for client side caching.',
  }),
  'notify-keyspace-events': eventClasses({
    default: '', mutable: true,
    doc: 'Classes of events to publish: K E g $ l s h z x e t d n m, A for g$lshzxetd.',
  }),
} as const

export const securityRows = {
  requirepass: text({
    default: '', whenEmpty: 'absent', mutable: true, sensitive: true,
    doc: 'Password that clients must give with AUTH.',
  }),
  aclfile: text({
    default: '', refuse: (value) => (value === '' ? null : NO_ACL),
    doc: 'File of users and their rights.',
  }),
  'acllog-max-len': integer({
    default: 128, min: 0, max: I64_MAX, mutable: true, notice: NO_ACL,
    doc: 'Entries of the log of refused accesses.',
  }),
  'acl-pubsub-default': words({
    values: ['allchannels', 'resetchannels'], default: 'resetchannels', mutable: true,
    notice: NO_ACL,
    doc: 'Channels that a new user may use.',
  }),
  'enable-protected-configs': words({
    values: ['no', 'yes', 'local'], default: 'no',
    doc: 'Who may change `dir` and `dbfilename` with CONFIG SET; `local`: this machine only.',
  }),
  'enable-debug-command': words({
    values: ['no', 'yes', 'local'], default: 'no',
    doc: 'Who may use DEBUG; `local`: clients on this machine only.',
  }),
  'enable-module-command': words({
    values: ['no', 'yes', 'local'], default: 'no',
    notice: 'there is no MODULE command',
    doc: 'Who may use MODULE.',
  }),
} as const

export const logRows = {
  loglevel: words({
    values: ['debug', 'verbose', 'notice', 'warning'], default: 'notice', mutable: true,
    doc: 'Least severity that is logged.',
  }),
  logfile: text({ default: '', doc: 'File to log to; empty is standard output.' }),
  'syslog-enabled': boolean({ default: false, notice: NO_SYSLOG, doc: 'Log to syslog.' }),
  'syslog-ident': text({
    default: 'redis', notice: NO_SYSLOG,
    doc: 'Name of this server in syslog.',
  }),
  'syslog-facility': words({
    values: [
      'user', 'local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7',
    ],
    default: 'local0', notice: NO_SYSLOG,
    doc: 'Facility of syslog.',
  }),
  'crash-log-enabled': boolean({
    default: true, mutable: true, notice: NO_CRASH_LOG,
    doc: 'Log a report when the process crashes.',
  }),
  'crash-memcheck-enabled': boolean({
    default: true, mutable: true, notice: NO_CRASH_LOG,
    doc: 'Test the memory when the process crashes.',
  }),
  'slowlog-log-slower-than': integer({
    default: 10000, min: -1, max: I64_MAX, mutable: true,
    doc: 'Microseconds from which a command is put into the slow log; -1 never.',
  }),
  'slowlog-max-len': integer({
    default: 128, min: 0, max: I64_MAX, mutable: true,
    doc: 'Entries of the slow log.',
  }),
  'latency-monitor-threshold': integer({
    default: 0, min: 0, max: I64_MAX, mutable: true,
    doc: 'Milliseconds from which an event is kept by the latency monitor; 0 is off.',
  }),
  'latency-tracking': boolean({
    default: true, mutable: true,
    doc: 'Keep a latency histogram per command.',
  }),
  'latency-tracking-info-percentiles': percentiles({
    default: '50 99 99.9', mutable: true,
    doc: 'Percentiles that INFO latencystats shows.',
  }),
  'busy-reply-threshold': integer({
    default: 5000, min: 0, max: I64_MAX, alias: 'lua-time-limit', mutable: true,
    notice: NO_SCRIPTS,
    doc: 'Milliseconds after which a running script lets other clients be answered with BUSY.',
  }),
  'watchdog-period': integer({
    default: 0, min: 0, max: INT_MAX, mutable: true, hidden: true, notice: NO_TEST_HOOK,
    doc: 'Milliseconds after which a stuck command is reported.',
  }),
  'use-exit-on-panic': boolean({
    default: false, mutable: true, hidden: true, notice: NO_TEST_HOOK,
    doc: 'End with exit instead of abort after a failed assertion.',
  }),
} as const

export const shutdownRows = {
  'shutdown-timeout': integer({
    default: 10, min: 0, max: INT_MAX, mutable: true,
    doc: 'Seconds that a shutdown waits for replicas that lag behind.',
  }),
  'shutdown-on-sigint': shutdownOptions({
    default: 'default', mutable: true,
    doc: 'How SIGINT shuts the server down.',
  }),
  'shutdown-on-sigterm': shutdownOptions({
    default: 'default', mutable: true,
    doc: 'How SIGTERM shuts the server down.',
  }),
} as const
