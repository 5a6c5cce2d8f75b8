// CLIENT TRACKING, CACHING, TRACKINGINFO, GETREDIR: client side caching of the calling client. The
// order of the checks is that of redis-server 7.0, as the first one that fails is the reply.
// biome-ignore-all format: rows of a table.

import { type Command, type Context, Flag } from '../command/command.ts'
import { type Args, word } from '../resp/args.ts'
import { NOT_INTEGER, type ReplyError, replyError, SYNTAX_ERROR } from '../resp/replies.ts'
import type { Reply } from '../resp/reply.ts'
import { serverContext } from './server.ts'
import type { TrackingState } from './tracking-state.ts'

const ON = word('on')
const OFF = word('off')
const YES = word('yes')
const NO = word('no')
const REDIRECT = word('redirect')
const BCAST = word('bcast')
const OPTIN = word('optin')
const OPTOUT = word('optout')
const NOLOOP = word('noloop')
const PREFIX = word('prefix')

const REDIRECT_TWICE = replyError('ERR A client can only redirect to a single other client')
const NO_TARGET = replyError('ERR The client ID you want redirect to does not exist')
const PREFIX_ALONE = replyError('ERR PREFIX option requires BCAST mode to be enabled')
const BCAST_SWITCH = replyError(
  "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then " +
    're-enabling it with a different mode.',
)
const BCAST_AND_OPT = replyError('ERR OPTIN and OPTOUT are not compatible with BCAST')
const OPTIN_AND_OPTOUT = replyError("ERR You can't specify both OPTIN mode and OPTOUT mode")
const OPT_SWITCH = replyError(
  "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then " +
    're-enabling it with a different mode.',
)
const NOT_TRACKING = replyError(
  'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or ' +
    'OPTOUT mode enabled',
)
const NOT_OPTIN = replyError(
  'ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.',
)
const NOT_OPTOUT = replyError(
  'ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.',
)

const NO_REDIRECTION = -1

/** What the arguments of CLIENT TRACKING say. */
interface Wish {
  redirect: number
  isBroadcast: boolean
  isOptIn: boolean
  isOptOut: boolean
  isNoLoop: boolean
  /** One character per byte. */
  readonly prefixes: string[]
}

/** CLIENT TRACKING ON | OFF [options]: OK. O(prefixes). */
function tracking(context: Context, args: Args, reply: Reply): void {
  const { client, server } = serverContext(context)
  const wish: Wish = {
    redirect: 0, isBroadcast: false, isOptIn: false, isOptOut: false, isNoLoop: false, prefixes: [],
  }
  const error = readOptions(context, args, wish)
  if (error !== null) return reply.error(error)
  if (args.is(2, OFF)) {
    server.tracking.disable(client)
    return reply.ok()
  }
  if (!args.is(2, ON)) return reply.error(SYNTAX_ERROR)
  const conflict = conflictOf(wish, client.tracking) ?? overlapOf(wish, client.tracking)
  if (conflict !== null) return reply.error(conflict)
  const { prefixes, ...options } = wish
  server.tracking.enable(client, options, prefixes)
  reply.ok()
}

function readOptions(context: Context, args: Args, wish: Wish): ReplyError | null {
  for (let i = 3; i < args.count; i++) {
    const hasValue = i + 1 < args.count
    if (hasValue && args.is(i, REDIRECT)) {
      if (wish.redirect !== 0) return REDIRECT_TWICE
      const id = args.integer(++i)
      if (id === null) return NOT_INTEGER
      const { clients } = serverContext(context).server
      if (typeof id !== 'number' || clients.find(id) === null) return NO_TARGET
      wish.redirect = id
    } else if (hasValue && args.is(i, PREFIX)) wish.prefixes.push(args.text(++i))
    else if (args.is(i, BCAST)) wish.isBroadcast = true
    else if (args.is(i, OPTIN)) wish.isOptIn = true
    else if (args.is(i, OPTOUT)) wish.isOptOut = true
    else if (args.is(i, NOLOOP)) wish.isNoLoop = true
    else return SYNTAX_ERROR
  }
  return null
}

/** Options that exclude each other, or what the client has chosen before. */
function conflictOf(wish: Wish, state: TrackingState | null): ReplyError | null {
  const { isBroadcast, isOptIn, isOptOut, prefixes } = wish
  if (!isBroadcast && prefixes.length > 0) return PREFIX_ALONE
  if (state !== null && state.options.isBroadcast !== isBroadcast) return BCAST_SWITCH
  if (isBroadcast && (isOptIn || isOptOut)) return BCAST_AND_OPT
  if (isOptIn && isOptOut) return OPTIN_AND_OPTOUT
  if (state === null) return null
  const isSwitch = (isOptIn && state.options.isOptOut) || (isOptOut && state.options.isOptIn)
  return isSwitch ? OPT_SWITCH : null
}

/** Of two prefixes none may begin with the other: a key would be told twice. */
function overlapOf({ prefixes }: Wish, state: TrackingState | null): ReplyError | null {
  const existing = [...(state?.prefixes ?? [])].sort()
  for (let i = 0; i < prefixes.length; i++) {
    const prefix = prefixes[i]!
    const old = existing.find((each) => overlaps(each, prefix))
    if (old !== undefined) return overlapError(prefix, 'an existing prefix', old)
    const other = prefixes.slice(i + 1).find((each) => overlaps(each, prefix))
    if (other !== undefined) return overlapError(prefix, 'another provided prefix', other)
  }
  return null
}

function overlaps(a: string, b: string): boolean {
  return a.startsWith(b) || b.startsWith(a)
}

function overlapError(prefix: string, what: string, other: string): ReplyError {
  return replyError(
    `ERR Prefix '${prefix}' overlaps with ${what} '${other}'. Prefixes for a single client must ` +
      'not overlap.',
  )
}

/** CLIENT CACHING YES | NO: the next command is remembered, or is not. */
function caching(context: Context, args: Args, reply: Reply): void {
  const state = serverContext(context).client.tracking
  if (state === null) return reply.error(NOT_TRACKING)
  const isYes = args.is(2, YES)
  if (!isYes && !args.is(2, NO)) return reply.error(SYNTAX_ERROR)
  if (isYes && !state.options.isOptIn) return reply.error(NOT_OPTIN)
  if (!isYes && !state.options.isOptOut) return reply.error(NOT_OPTOUT)
  state.isCaching = true
  reply.ok()
}

/** CLIENT GETREDIR: the client that invalidations go to; 0: this one, -1: tracking is off. */
function getredir(context: Context, _args: Args, reply: Reply): void {
  reply.integer(serverContext(context).client.tracking?.options.redirect ?? NO_REDIRECTION)
}

/** CLIENT TRACKINGINFO: flags, redirection, prefixes. O(prefixes). */
function trackinginfo(context: Context, _args: Args, reply: Reply): void {
  const state = serverContext(context).client.tracking
  const flags = flagsOf(state)
  const prefixes = [...(state?.prefixes ?? [])].sort()
  reply.map(3)
  reply.bulkText('flags')
  reply.set(flags.length)
  for (const flag of flags) reply.bulkText(flag)
  reply.bulkText('redirect')
  reply.integer(state?.options.redirect ?? NO_REDIRECTION)
  reply.bulkText('prefixes')
  reply.array(prefixes.length)
  for (const prefix of prefixes) reply.bulkText(prefix)
}

function flagsOf(state: TrackingState | null): string[] {
  if (state === null) return ['off']
  const { options, isCaching, isBroken } = state
  const flags = ['on']
  if (options.isBroadcast) flags.push('bcast')
  if (options.isOptIn) flags.push('optin')
  if (options.isOptIn && isCaching) flags.push('caching-yes')
  if (options.isOptOut) flags.push('optout')
  if (options.isOptOut && isCaching) flags.push('caching-no')
  if (options.isNoLoop) flags.push('noloop')
  if (isBroken) flags.push('broken_redirect')
  return flags
}

const ROW = {
  flags: Flag.NoScript | Flag.Loading | Flag.Stale, keys: [0, 0, 0], group: 'connection',
  since: '6.0.0', complexity: 'O(1)',
} as const

/** Subcommands of CLIENT. */
export const trackingSubcommands: readonly Command[] = [
  {
    ...ROW, name: 'caching', arity: 3, run: caching,
    summary: 'Says whether the next command is tracked',
  },
  {
    ...ROW, name: 'getredir', arity: 2, run: getredir,
    summary: 'Returns the client that invalidations are redirected to',
  },
  {
    ...ROW, name: 'tracking', arity: -3, run: tracking,
    summary: 'Turns server assisted client side caching on or off',
    complexity: 'O(1), and O(N) with N prefixes.',
  },
  {
    ...ROW, name: 'trackinginfo', arity: 2, since: '6.2.0', run: trackinginfo,
    summary: 'Returns the state of tracking of the connection',
  },
]
