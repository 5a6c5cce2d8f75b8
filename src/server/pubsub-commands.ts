// Pub/sub: SUBSCRIBE, UNSUBSCRIBE, PUBLISH, the same for patterns and shard channels, PUBSUB. A
// subscription is confirmed by a push for each name, in the order of the arguments.
// biome-ignore-all format: rows of a table.

import { Glob } from '../base/glob.ts'
import { keyArgument, valueArgument, writeHelp } from '../command/arguments.ts'
import { type Command, type Context, Flag, type Handler } from '../command/command.ts'
import { Target } from '../command/effects.ts'
import type { Args } from '../resp/args.ts'
import type { Reply } from '../resp/reply.ts'
import { wrongUse } from './client-commands.ts'
import { serverContext } from './server.ts'
import { SubscriptionKind } from './subscriptions.ts'

/** SUBSCRIBE and its like: a confirmation for each name. */
function subscribeHandler(kind: SubscriptionKind): Handler {
  return (context, args) => {
    const { client, server } = serverContext(context)
    for (let i = 1; i < args.count; i++) {
      server.pubsub.subscribe(kind, client, keyArgument(context, args, i))
    }
  }
}

/** UNSUBSCRIBE and its like; without names all of the kind. */
function unsubscribeHandler(kind: SubscriptionKind): Handler {
  return (context, args) => {
    const { client, server } = serverContext(context)
    for (let i = 1; i < args.count; i++) {
      server.pubsub.unsubscribe(kind, client, keyArgument(context, args, i))
    }
    if (args.count === 1) server.pubsub.unsubscribeAll(kind, client)
  }
}

/** PUBLISH channel message: to how many clients it went. O(subscribers + patterns). */
function publish(context: Context, args: Args, reply: Reply): void {
  const { pubsub } = serverContext(context).server
  context.effects.force(Target.Replicas)
  reply.integer(pubsub.publish(keyArgument(context, args, 1), valueArgument(context, args, 2)))
}

/** SPUBLISH shardchannel message: to how many clients it went. O(subscribers). */
function spublish(context: Context, args: Args, reply: Reply): void {
  const { pubsub } = serverContext(context).server
  const channel = keyArgument(context, args, 1)
  context.effects.force(Target.Replicas)
  reply.integer(pubsub.publishToShard(channel, valueArgument(context, args, 2)))
}

/** PUBSUB CHANNELS or SHARDCHANNELS [pattern]: the channels with subscribers. O(channels). */
function channelsHandler(kind: SubscriptionKind): Handler {
  return (context, args, reply) => {
    if (args.count > 3) return reply.error(wrongUse(args))
    let pattern: Glob | null = null
    if (args.count === 3) {
      pattern = new Glob()
      pattern.set(args.bytes, args.start(2), args.length(2))
    }
    const names = serverContext(context).server.pubsub.names(kind, pattern)
    reply.array(names.length)
    for (const name of names) reply.bulk(name, 0, name.length)
  }
}

/** PUBSUB NUMSUB or SHARDNUMSUB [channel …]: each with the number of its subscribers. O(N). */
function numsubHandler(kind: SubscriptionKind): Handler {
  return (context, args, reply) => {
    const { pubsub } = serverContext(context).server
    reply.array((args.count - 2) * 2)
    for (let i = 2; i < args.count; i++) {
      const channel = keyArgument(context, args, i)
      reply.bulk(channel.bytes, channel.start, channel.length)
      reply.integer(pubsub.subscriberCount(kind, channel))
    }
  }
}

function numpat(context: Context, _args: Args, reply: Reply): void {
  reply.integer(serverContext(context).server.pubsub.count(SubscriptionKind.Pattern))
}

function help(_context: Context, _args: Args, reply: Reply): void {
  writeHelp(reply, 'PUBSUB', [
    'CHANNELS [<pattern>]',
    '    Channels with subscribers, those that match if there is a pattern.',
    'NUMPAT',
    '    How many patterns have subscribers.',
    'NUMSUB [<channel> ...]',
    '    The number of subscribers of each channel, those of patterns not counted.',
    'SHARDCHANNELS [<pattern>]',
    '    Shard channels with subscribers, those that match if there is a pattern.',
    'SHARDNUMSUB [<shardchannel> ...]',
    '    The number of subscribers of each shard channel.',
  ])
}

const ROW = { keys: [0, 0, 0], group: 'pubsub' } as const
const LISTEN = {
  ...ROW, flags: Flag.PubSub | Flag.NoScript | Flag.Loading | Flag.Stale,
  complexity: 'O(N), where N is the number of names.',
} as const
const LEAVE_PATTERN = {
  ...LISTEN, complexity: 'O(N), where N is the number of patterns.',
} as const
const SHARD = { ...LISTEN, keys: [1, -1, 1], keyFlags: ['not_key'] } as const
const POST = {
  ...ROW, arity: 3,
  flags: Flag.PubSub | Flag.Loading | Flag.Stale | Flag.Fast | Flag.MayReplicate,
} as const
const LOOK = { ...ROW, flags: Flag.PubSub | Flag.Loading | Flag.Stale } as const

const { Channel, Pattern, Shard } = SubscriptionKind

export const pubsubCommands: readonly Command[] = [
  {
    ...LISTEN, name: 'psubscribe', arity: -2, since: '2.0.0', run: subscribeHandler(Pattern),
    summary: 'Listen for messages to channels that match the patterns',
  },
  {
    ...POST, name: 'publish', since: '2.0.0', run: publish,
    summary: 'Post a message to a channel',
    complexity: 'O(N+M), where N is the number of subscribers and M that of all patterns.',
  },
  {
    ...ROW, name: 'pubsub', arity: -2, flags: 0, since: '2.8.0',
    summary: 'A container for commands about pub/sub', complexity: 'Depends on the subcommand.',
    subcommands: [
      {
        ...LOOK, name: 'channels', arity: -2, since: '2.8.0', run: channelsHandler(Channel),
        summary: 'List the channels with subscribers',
        complexity: 'O(N), where N is the number of channels.',
      },
      {
        ...LOOK, name: 'help', arity: 2, since: '6.2.0', run: help,
        flags: Flag.Loading | Flag.Stale,
        summary: 'Show what the subcommands do', complexity: 'O(1)',
      },
      {
        ...LOOK, name: 'numpat', arity: 2, since: '2.8.0', run: numpat,
        summary: 'Count the patterns with subscribers', complexity: 'O(1)',
      },
      {
        ...LOOK, name: 'numsub', arity: -2, since: '2.8.0', run: numsubHandler(Channel),
        summary: 'Count the subscribers of channels',
        complexity: 'O(N), where N is the number of channels asked for.',
      },
      {
        ...LOOK, name: 'shardchannels', arity: -2, since: '7.0.0', run: channelsHandler(Shard),
        summary: 'List the shard channels with subscribers',
        complexity: 'O(N), where N is the number of shard channels.',
      },
      {
        ...LOOK, name: 'shardnumsub', arity: -2, since: '7.0.0', run: numsubHandler(Shard),
        summary: 'Count the subscribers of shard channels',
        complexity: 'O(N), where N is the number of shard channels asked for.',
      },
    ],
  },
  {
    ...LEAVE_PATTERN, name: 'punsubscribe', arity: -1, since: '2.0.0',
    run: unsubscribeHandler(Pattern),
    summary: 'Stop listening for messages to channels that match the patterns',
  },
  {
    ...POST, name: 'spublish', keys: [1, 1, 1], keyFlags: ['not_key'], since: '7.0.0',
    run: spublish,
    summary: 'Post a message to a shard channel',
    complexity: 'O(N), where N is the number of subscribers.',
  },
  {
    ...SHARD, name: 'ssubscribe', arity: -2, since: '7.0.0', run: subscribeHandler(Shard),
    summary: 'Listen for messages to shard channels',
  },
  {
    ...LISTEN, name: 'subscribe', arity: -2, since: '2.0.0', run: subscribeHandler(Channel),
    summary: 'Listen for messages to channels',
  },
  {
    ...SHARD, name: 'sunsubscribe', arity: -1, since: '7.0.0', run: unsubscribeHandler(Shard),
    summary: 'Stop listening for messages to shard channels',
  },
  {
    ...LISTEN, name: 'unsubscribe', arity: -1, since: '2.0.0', run: unsubscribeHandler(Channel),
    summary: 'Stop listening for messages to channels',
  },
]
