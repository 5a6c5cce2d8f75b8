// Error replies. A client's mistake is one of these constants: the bytes of the whole reply line,
// built once, never thrown. Texts are Redis 7.0's, because clients and test suites match them.
// `code` is the first word; INFO errorstats counts by it.

import { assert } from '../base/assert.ts'
import { latin1 } from '../base/bytes.ts'

export class ReplyError {
  /** First word of the message: ERR, WRONGTYPE, … */
  readonly code: string
  /** The line as sent: `-`, message, CR LF. */
  readonly bytes: Uint8Array

  /** `message` begins with its code; CR and LF in it become blanks. */
  constructor(message: string) {
    const line = message.replace(/[\r\n]/g, ' ')
    this.code = codeOf(line)
    this.bytes = latin1(`-${line}\r\n`)
  }

  /** The message without `-` and line end. */
  get message(): string {
    return String.fromCharCode(...this.bytes.subarray(1, this.bytes.length - 2))
  }
}

/** First word of an error message. */
export function codeOf(message: string): string {
  const end = message.indexOf(' ')
  return end < 0 ? message : message.slice(0, end)
}

function define(message: string): ReplyError {
  const error = new ReplyError(message)
  assert(/^[A-Z]+$/.test(error.code), 'an error begins with its code')
  return error
}

/** An error that is put together when it happens; slow path. */
export function replyError(message: string): ReplyError {
  return new ReplyError(message)
}

// Types and arguments.
export const WRONG_TYPE = define(
  'WRONGTYPE Operation against a key holding the wrong kind of value',
)
export const SYNTAX_ERROR = define('ERR syntax error')
export const NOT_INTEGER = define('ERR value is not an integer or out of range')
export const NOT_FLOAT = define('ERR value is not a valid float')
export const OFFSET_OUT_OF_RANGE = define('ERR offset is out of range')
export const INCREMENT_OVERFLOW = define('ERR increment or decrement would overflow')
export const DECREMENT_OVERFLOW = define('ERR decrement would overflow')
export const NAN_OR_INFINITY = define('ERR increment would produce NaN or Infinity')
export const STRING_TOO_LONG = define(
  'ERR string exceeds maximum allowed size (proto-max-bulk-len)',
)
export const INVALID_CURSOR = define('ERR invalid cursor')
export const TIMEOUT_NOT_INTEGER = define('ERR timeout is not an integer or out of range')
export const TIMEOUT_NEGATIVE = define('ERR timeout is negative')

// Keys and databases.
export const NO_SUCH_KEY = define('ERR no such key')
export const SAME_OBJECT = define('ERR source and destination objects are the same')
export const BUSY_KEY = define('BUSYKEY Target key name already exists.')
export const DB_OUT_OF_RANGE = define('ERR DB index is out of range')
export const DUMP_BAD = define('ERR DUMP payload version or checksum are wrong')
export const DUMP_BAD_FORMAT = define('ERR Bad data format')
export const TTL_INVALID = define('ERR Invalid TTL value, must be >= 0')
export const IDLETIME_INVALID = define('ERR Invalid IDLETIME value, must be >= 0')
export const FREQ_INVALID = define('ERR Invalid FREQ value, must be >= 0 and <= 255')

// Access.
export const NO_AUTH = define('NOAUTH Authentication required.')
export const WRONG_PASS = define('WRONGPASS invalid username-password pair or user is disabled.')
export const AUTH_NOT_SET = define(
  'ERR AUTH <password> called without any password configured for the default user. ' +
    'Are you sure your configuration is correct?',
)
export const NO_PROTO = define('NOPROTO unsupported protocol version')
export const PROTOCOL_NOT_INTEGER = define('ERR Protocol version is not an integer or out of range')
export const HELLO_NO_AUTH = define(
  'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH ' +
    '<user> <pass> option can be used to authenticate the client and select the RESP protocol ' +
    'version at the same time',
)
export const DENIED = define(
  'DENIED Redis is running in protected mode because protected mode is enabled and no password ' +
    'is set for the default user. In this mode connections are only accepted from the loopback ' +
    'interface. If you want to connect from external computers to Redis you may adopt one of ' +
    "the following solutions: 1) Just disable protected mode sending the command 'CONFIG SET " +
    "protected-mode no' from the loopback interface by connecting to Redis from the same host " +
    'the server is running, however MAKE SURE Redis is not publicly accessible from internet if ' +
    'you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just ' +
    'disable the protected mode by editing the Redis configuration file, and setting the ' +
    "protected mode option to 'no', and then restarting the server. 3) If you started the " +
    "server manually just for testing, restart it with the '--protected-mode no' option. 4) " +
    'Setup a an authentication password for the default user. NOTE: You only need to do one of ' +
    'the above things in order for the server to start accepting connections from the outside.',
)
export const MAX_CLIENTS = define('ERR max number of clients reached')

// The server's state.
export const LOADING = define('LOADING Redis is loading the dataset in memory')
export const ARENA_FULL_ERROR = define(
  'OOM command not allowed: no memory is left for what it stores.',
)
export const OOM = define("OOM command not allowed when used memory > 'maxmemory'.")
export const MISCONF = define(
  "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to " +
    'disk. Commands that may modify the data set are disabled, because this instance is ' +
    'configured to report errors during writes if RDB snapshotting fails ' +
    '(stop-writes-on-bgsave-error option). Please check the Redis logs for details about the ' +
    'RDB error.',
)
export const MASTER_DOWN = define(
  "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
)
export const SAVE_IN_PROGRESS = define('ERR Background save already in progress')

// The wire (the connection is closed after each of these).
export const INVALID_MULTIBULK_LENGTH = define('ERR Protocol error: invalid multibulk length')
export const INVALID_BULK_LENGTH = define('ERR Protocol error: invalid bulk length')
export const TOO_BIG_MULTIBULK_COUNT = define('ERR Protocol error: too big mbulk count string')
export const TOO_BIG_BULK_COUNT = define('ERR Protocol error: too big bulk count string')
export const TOO_BIG_INLINE = define('ERR Protocol error: too big inline request')
export const UNBALANCED_QUOTES = define('ERR Protocol error: unbalanced quotes in request')
export const UNAUTHENTICATED_MULTIBULK = define(
  'ERR Protocol error: unauthenticated multibulk length',
)
export const UNAUTHENTICATED_BULK = define('ERR Protocol error: unauthenticated bulk length')

/** `expected '$', got 'x'`: a NUL ends the text there, as it does in Redis. */
export function expectedBulk(found: number): ReplyError {
  const tail = found === 0 ? '' : `${String.fromCharCode(found)}'`
  return new ReplyError(`ERR Protocol error: expected '$', got '${tail}`)
}

/** `wrong number of arguments`; `name` in lower case, a subcommand as `config|get`. */
export function wrongArity(name: string): ReplyError {
  return new ReplyError(`ERR wrong number of arguments for '${name}' command`)
}
