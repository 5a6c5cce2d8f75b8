// Why directives have no effect here, or are refused. One text per subsystem: when the subsystem
// is there, its constant and the rows that name it go.

export const NO_REPLICATION = 'a server cannot be a replica yet'
export const NO_CLUSTER = 'there is no cluster mode yet'
export const NO_TLS = 'there is no TLS yet; put a TLS proxy in front of the server'
export const NO_SCRIPTS = 'there are no scripts and functions yet'
export const NO_ACL = 'there are no access control lists yet; use requirepass'
export const NO_LIST_COMPRESSION = 'the leaves of lists are not compressed'
export const NO_MODULES =
  'modules are native code for another server and cannot be loaded by Tidemark'
export const NO_JEMALLOC = 'memory is managed in an arena, not by jemalloc'
export const DEFRAG_BY_SLABS =
  'a step is one slab of records; elements of collections are not moved'
export const NO_REHASH = 'the dict grows one segment at a time; there is no rehashing to spread out'
export const NO_IO_THREADS = 'one engine thread serves all sockets'
export const NO_SYSLOG = 'there is no syslog client; send standard output to systemd or logger'
export const NO_CPU_LISTS = 'threads are not bound to processors; start with taskset instead'
export const NO_CRASH_LOG = 'a crash is always reported, as far as the runtime lives to see it'
export const NO_SOCKET_MARK = 'sockets are opened by the runtime, which cannot mark them'
export const NO_SANITIZE = 'payloads of RESTORE and files are always checked in full'
export const NO_TEST_HOOK = 'it is a test hook of the original that has no counterpart here'
