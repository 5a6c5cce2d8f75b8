// Rows of the configuration: replication, cluster, TLS.
//
// What a row holds is said in config-table-general.ts. Until a subsystem is there, its rows are
// accepted with a notice; values that would promise safety (`tls-port`, `replicaof`,
// `cluster-enabled`) are refused, because nobody reads notices.
// biome-ignore-all format: rows of a table.

import { primaryAddress } from './config-forms.ts'
import { NO_CLUSTER, NO_REPLICATION, NO_TLS } from './config-notices.ts'
import { boolean, bytes, INT_MAX, integer, text, words } from './config-row.ts'
import { I64_MAX, U64_MAX } from './config-text.ts'

const KIB = 1024
const MIB = 1024 * KIB
const PORT_MAX = 65535
const HOSTNAME_LIMIT = 256

export const replicationRows = {
  replicaof: primaryAddress({
    alias: 'slaveof',
    refuse: (value) => (value === null ? null : NO_REPLICATION),
    doc: 'Be a replica of the server at this host and port.',
  }),
  masterauth: text({
    default: '', whenEmpty: 'absent', mutable: true, sensitive: true, notice: NO_REPLICATION,
    doc: 'Password for the primary.',
  }),
  masteruser: text({
    default: '', whenEmpty: 'absent', mutable: true, sensitive: true, notice: NO_REPLICATION,
    doc: 'User name for the primary.',
  }),
  'replica-serve-stale-data': boolean({
    default: true, alias: 'slave-serve-stale-data', mutable: true, notice: NO_REPLICATION,
    doc: 'Answer while the connection with the primary is down.',
  }),
  'replica-read-only': boolean({
    default: true, alias: 'slave-read-only', mutable: true, notice: NO_REPLICATION,
    doc: 'Refuse writes on a replica.',
  }),
  'replica-lazy-flush': boolean({
    default: false, alias: 'slave-lazy-flush', mutable: true, notice: NO_REPLICATION,
    doc: 'Free the old dataset in the background before a full sync.',
  }),
  'replica-ignore-maxmemory': boolean({
    default: true, alias: 'slave-ignore-maxmemory', mutable: true, notice: NO_REPLICATION,
    doc: 'Leave eviction to the primary.',
  }),
  'replica-ignore-disk-write-errors': boolean({
    default: false, mutable: true, notice: NO_REPLICATION,
    doc: 'Let a replica go on when it cannot write to its disk.',
  }),
  'replica-priority': integer({
    default: 100, min: 0, max: INT_MAX, alias: 'slave-priority', mutable: true,
    notice: NO_REPLICATION,
    doc: 'Rank in a failover, lowest first; 0 never becomes primary.',
  }),
  'replica-announced': boolean({
    default: true, mutable: true, notice: NO_REPLICATION,
    doc: 'Let Sentinel list this replica.',
  }),
  'replica-announce-ip': text({
    default: '', whenEmpty: 'absent', alias: 'slave-announce-ip', mutable: true,
    notice: NO_REPLICATION,
    doc: 'Address that a replica tells its primary.',
  }),
  'replica-announce-port': integer({
    default: 0, min: 0, max: PORT_MAX, alias: 'slave-announce-port', mutable: true,
    notice: NO_REPLICATION,
    doc: 'Port that a replica tells its primary; 0 is the real one.',
  }),
  'min-replicas-to-write': integer({
    default: 0, min: 0, max: INT_MAX, alias: 'min-slaves-to-write', mutable: true,
    doc: 'Refuse writes with fewer replicas than this; 0 is off.',
  }),
  'min-replicas-max-lag': integer({
    default: 10, min: 0, max: INT_MAX, alias: 'min-slaves-max-lag', mutable: true,
    doc: 'Seconds of silence after which a replica does not count.',
  }),
  'repl-backlog-size': bytes({
    default: 1 * MIB, min: 1, max: I64_MAX, floor: 16 * KIB, mutable: true,
    doc: 'Bytes of the replication stream kept for partial resync (PSYNC).',
  }),
  'repl-backlog-ttl': integer({
    default: 3600, min: 0, max: I64_MAX, mutable: true,
    doc: 'Seconds without replicas after which the backlog is dropped; 0 never.',
  }),
  'repl-ping-replica-period': integer({
    default: 10, min: 1, max: INT_MAX, alias: 'repl-ping-slave-period', mutable: true,
    doc: 'Seconds between pings to replicas.',
  }),
  'repl-timeout': integer({
    default: 60, min: 1, max: INT_MAX, mutable: true,
    doc: 'Seconds of silence after which a replication link is given up.',
  }),
  'repl-disable-tcp-nodelay': boolean({
    default: false, mutable: true, notice: NO_REPLICATION,
    doc: 'Let the kernel gather small packets to replicas.',
  }),
  'repl-diskless-sync': boolean({
    default: true, mutable: true,
    doc: 'Send a full sync straight to the sockets.',
  }),
  'repl-diskless-sync-delay': integer({
    default: 5, min: 0, max: INT_MAX, mutable: true,
    doc: 'Seconds to wait for more replicas before a full sync.',
  }),
  'repl-diskless-sync-max-replicas': integer({
    default: 0, min: 0, max: INT_MAX, mutable: true,
    doc: 'Replicas for which not to wait longer; 0 always waits the delay.',
  }),
  'repl-diskless-load': words({
    values: ['disabled', 'on-empty-db', 'swapdb'], default: 'disabled', mutable: true,
    deniedLoading: true, notice: NO_REPLICATION,
    doc: 'Load a full sync straight from the socket.',
  }),
  'rdb-del-sync-files': boolean({
    default: false, mutable: true, notice: NO_REPLICATION,
    doc: 'Delete snapshots made for a full sync when nothing else needs them.',
  }),
  'propagation-error-behavior': words({
    values: ['ignore', 'panic', 'panic-on-replicas'], default: 'ignore', mutable: true,
    notice: NO_REPLICATION,
    doc: 'What to do when a replicated command fails.',
  }),
} as const

export const clusterRows = {
  'cluster-enabled': boolean({
    default: false, refuse: (value) => (value ? NO_CLUSTER : null),
    doc: 'Be a node of a cluster.',
  }),
  'cluster-config-file': text({
    default: 'nodes.conf', notice: NO_CLUSTER,
    doc: 'File in which the node keeps the topology.',
  }),
  'cluster-node-timeout': integer({
    default: 15000, min: 0, max: I64_MAX, mutable: true, notice: NO_CLUSTER,
    doc: 'Milliseconds after which a silent node counts as failed.',
  }),
  'cluster-port': integer({
    default: 0, min: 0, max: PORT_MAX, notice: NO_CLUSTER,
    doc: 'Port of the cluster bus; 0 is the port plus 10000.',
  }),
  'cluster-replica-validity-factor': integer({
    default: 10, min: 0, max: INT_MAX, alias: 'cluster-slave-validity-factor', mutable: true,
    notice: NO_CLUSTER,
    doc: 'How stale a replica may be to take over.',
  }),
  'cluster-replica-no-failover': boolean({
    default: false, alias: 'cluster-slave-no-failover', mutable: true, notice: NO_CLUSTER,
    doc: 'Never take over by itself.',
  }),
  'cluster-migration-barrier': integer({
    default: 1, min: 0, max: INT_MAX, mutable: true, notice: NO_CLUSTER,
    doc: 'Replicas that a primary keeps when one moves to another.',
  }),
  'cluster-allow-replica-migration': boolean({
    default: true, mutable: true, notice: NO_CLUSTER,
    doc: 'Let replicas move to primaries without one.',
  }),
  'cluster-require-full-coverage': boolean({
    default: true, mutable: true, notice: NO_CLUSTER,
    doc: 'Refuse queries while a hash slot is not served.',
  }),
  'cluster-allow-reads-when-down': boolean({
    default: false, mutable: true, notice: NO_CLUSTER,
    doc: 'Answer reads while the cluster is down.',
  }),
  'cluster-allow-pubsubshard-when-down': boolean({
    default: true, mutable: true, notice: NO_CLUSTER,
    doc: 'Serve sharded channels while the cluster is down.',
  }),
  'cluster-link-sendbuf-limit': bytes({
    default: 0, min: 0, max: U64_MAX, mutable: true, notice: NO_CLUSTER,
    doc: 'Bytes waiting on a link of the cluster bus; 0 is no limit.',
  }),
  'cluster-announce-ip': text({
    default: '', whenEmpty: 'absent', mutable: true, notice: NO_CLUSTER,
    doc: 'Address that the node announces.',
  }),
  'cluster-announce-hostname': text({
    default: '', whenEmpty: 'absent', mutable: true, notice: NO_CLUSTER, check: checkHostname,
    doc: 'Host name that the node announces.',
  }),
  'cluster-announce-port': integer({
    default: 0, min: 0, max: PORT_MAX, mutable: true, notice: NO_CLUSTER,
    doc: 'Port that the node announces; 0 is the real one.',
  }),
  'cluster-announce-tls-port': integer({
    default: 0, min: 0, max: PORT_MAX, mutable: true, notice: NO_CLUSTER,
    doc: 'TLS port that the node announces; 0 is the real one.',
  }),
  'cluster-announce-bus-port': integer({
    default: 0, min: 0, max: PORT_MAX, mutable: true, notice: NO_CLUSTER,
    doc: 'Bus port that the node announces; 0 is the real one.',
  }),
  'cluster-preferred-endpoint-type': words({
    values: ['ip', 'hostname', 'unknown-endpoint'], default: 'ip', mutable: true,
    notice: NO_CLUSTER,
    doc: 'What clients are told to connect to.',
  }),
} as const

const refuseTls = (value: boolean) => (value ? NO_TLS : null)

/** A path or list that matters only with TLS. */
const tlsText = (doc: string) =>
  text({ default: '', whenEmpty: 'absent', mutable: true, notice: NO_TLS, doc })

/** The same for a file whose content may have changed although its path has not. */
const tlsFile = (doc: string) =>
  text({ default: '', whenEmpty: 'absent', mutable: true, volatile: true, notice: NO_TLS, doc })

export const tlsRows = {
  'tls-port': integer({
    default: 0, min: 0, max: PORT_MAX, mutable: true,
    refuse: (value) => (value === 0 ? null : NO_TLS),
    doc: 'TCP port for TLS; 0 is none.',
  }),
  'tls-replication': boolean({
    default: false, mutable: true, refuse: refuseTls,
    doc: 'Use TLS to the primary.',
  }),
  'tls-cluster': boolean({
    default: false, mutable: true, refuse: refuseTls,
    doc: 'Use TLS on the cluster bus.',
  }),
  'tls-auth-clients': words({
    values: ['no', 'yes', 'optional'], default: 'yes', mutable: true, notice: NO_TLS,
    doc: 'Whether clients must show a certificate.',
  }),
  'tls-cert-file': tlsFile('Certificate of the server.'),
  'tls-key-file': tlsFile('Key of the server.'),
  'tls-key-file-pass': tlsText('Password of the key.'),
  'tls-client-cert-file': tlsFile('Certificate for connections that the server opens.'),
  'tls-client-key-file': tlsFile('Key for connections that the server opens.'),
  'tls-client-key-file-pass': tlsText('Password of that key.'),
  'tls-dh-params-file': tlsFile('Diffie-Hellman parameters.'),
  'tls-ca-cert-file': tlsFile('Certificates of the authorities that are trusted.'),
  'tls-ca-cert-dir': tlsFile('Directory of such certificates.'),
  'tls-protocols': tlsText('Versions of TLS that are allowed.'),
  'tls-ciphers': tlsText('Ciphers up to TLS 1.2.'),
  'tls-ciphersuites': tlsText('Cipher suites of TLS 1.3.'),
  'tls-prefer-server-ciphers': boolean({
    default: false, mutable: true, notice: NO_TLS,
    doc: "Prefer the server's order of ciphers.",
  }),
  'tls-session-caching': boolean({
    default: true, mutable: true, notice: NO_TLS,
    doc: 'Let clients resume sessions.',
  }),
  'tls-session-cache-size': integer({
    default: 20 * 1024, min: 0, max: INT_MAX, mutable: true, notice: NO_TLS,
    doc: 'Sessions kept; 0 is no limit.',
  }),
  'tls-session-cache-timeout': integer({
    default: 300, min: 0, max: INT_MAX, mutable: true, notice: NO_TLS,
    doc: 'Seconds for which a session is kept.',
  }),
} as const

function checkHostname(value: string): string | null {
  if (value.length >= HOSTNAME_LIMIT) {
    return `Hostnames must be less than ${HOSTNAME_LIMIT} characters`
  }
  if (/^[A-Za-z0-9.-]*$/.test(value)) return null
  return 'Hostnames may only contain alphanumeric characters, hyphens or dots'
}
