// Pub/sub: who is subscribed to which channels, patterns and shard channels, and the way of a
// message to them. Shard channels are as good as channels here, under names of their own: without a
// cluster there is one shard.
//
// A message is encoded once (pushes.ts) and written to each subscriber's socket in one loop;
// nothing is allocated for a subscriber. Patterns are asked one after the other, in no special
// order.
//
// Invariant: a topic is there exactly while it has subscribers, and then it is in the
// `subscriptions` of each of them. Owner: the engine.

import { assert } from '../base/assert.ts'
import { latin1 } from '../base/bytes.ts'
import { Glob } from '../base/glob.ts'
import type { Slice } from '../base/slice.ts'
import { ByteMap } from './byte-map.ts'
import type { Connection } from './connection.ts'
import type { Pushes } from './pushes.ts'
import { SubscriptionKind, Subscriptions, type Topic } from './subscriptions.ts'

/** A channel or pattern with its subscribers. */
interface SubscribedTopic extends Topic {
  readonly subscribers: Set<Connection>
  /** Of a pattern. */
  readonly glob: Glob | null
}

/** A channel with its set of subscribers besides the name, by the growth of the resident set. */
const TOPIC_BYTES = 450

const MESSAGE = latin1('message')
const PMESSAGE = latin1('pmessage')
const SMESSAGE = latin1('smessage')

/** Words of the confirmations, by kind. */
const SUBSCRIBED = [latin1('subscribe'), latin1('psubscribe'), latin1('ssubscribe')] as const
const UNSUBSCRIBED = [
  latin1('unsubscribe'),
  latin1('punsubscribe'),
  latin1('sunsubscribe'),
] as const

export class PubSub {
  readonly #pushes: Pushes
  readonly #topics: readonly [
    ByteMap<SubscribedTopic>,
    ByteMap<SubscribedTopic>,
    ByteMap<SubscribedTopic>,
  ] = [new ByteMap(), new ByteMap(), new ByteMap()]

  constructor(pushes: Pushes) {
    this.#pushes = pushes
  }

  /** Whether no message could reach anybody, shard channels aside. */
  get isIdle(): boolean {
    return this.count(SubscriptionKind.Channel) + this.count(SubscriptionKind.Pattern) === 0
  }

  /** Channels or patterns with subscribers. */
  count(kind: SubscriptionKind): number {
    return this.#topics[kind].size
  }

  /** Memory of all channels and patterns, roughly; their subscribers count for clients. */
  get bytes(): number {
    let bytes = 0
    for (const topics of this.#topics) bytes += topics.bytes + topics.size * TOPIC_BYTES
    return bytes
  }

  /** Clients subscribed to the name in a range. */
  subscriberCount(kind: SubscriptionKind, name: Slice): number {
    const topic = this.#topics[kind].find(name.bytes, name.start, name.length)
    return topic === undefined ? 0 : topic.subscribers.size
  }

  /** Names of the channels that match, all without a pattern. O(channels), allocates. */
  names(kind: SubscriptionKind, pattern: Glob | null): Uint8Array[] {
    const found: Uint8Array[] = []
    const topics = this.#topics[kind]
    for (let i = 0; i < topics.size; i++) {
      const { name } = topics.valueAt(i)
      if (pattern === null || pattern.matches(name, 0, name.length)) found.push(name)
    }
    return found
  }

  /** Subscribes a client, if it is not yet, and confirms. */
  subscribe(kind: SubscriptionKind, client: Connection, name: Slice): void {
    client.subscriptions ??= new Subscriptions()
    const topic = this.#topicOf(kind, name)
    topic.subscribers.add(client)
    client.subscriptions.add(kind, topic)
    this.#confirm(SUBSCRIBED[kind], kind, client, topic.name)
  }

  /** Ends a subscription, if there is one, and confirms. */
  unsubscribe(kind: SubscriptionKind, client: Connection, name: Slice): void {
    const topic = this.#topics[kind].find(name.bytes, name.start, name.length)
    if (topic !== undefined) this.#leave(kind, client, topic)
    this.#confirm(UNSUBSCRIBED[kind], kind, client, name.toBytes())
  }

  /** Ends all subscriptions of a kind, and confirms each, or that there was none. */
  unsubscribeAll(kind: SubscriptionKind, client: Connection): void {
    const topics = client.subscriptions?.of(kind)
    if (topics === undefined || topics.size === 0) {
      return this.#confirm(UNSUBSCRIBED[kind], kind, client, null)
    }
    for (const { name } of topics) {
      this.#drop(kind, client, name)
      this.#confirm(UNSUBSCRIBED[kind], kind, client, name)
    }
  }

  /** Ends all subscriptions of a client without a word. */
  forget(client: Connection): void {
    if (client.subscriptions === null) return
    for (const kind of Object.values(SubscriptionKind)) {
      for (const { name } of client.subscriptions.of(kind)) this.#drop(kind, client, name)
    }
    client.subscriptions = null
  }

  /** Sends a message to a channel's subscribers and to those of patterns; returns how many. */
  publish(channel: Slice, message: Slice): number {
    let count = this.#send(SubscriptionKind.Channel, MESSAGE, channel, message)
    const patterns = this.#topics[SubscriptionKind.Pattern]
    for (let i = 0; i < patterns.size; i++) {
      const { name, glob, subscribers } = patterns.valueAt(i)
      assert(glob !== null, 'a pattern can be matched')
      if (!glob.matches(channel.bytes, channel.start, channel.length)) continue
      const push = this.#pushes.begin(4)
      push.bulk(PMESSAGE, 0, PMESSAGE.length)
      push.bulk(name, 0, name.length)
      push.bulk(channel.bytes, channel.start, channel.length)
      push.bulk(message.bytes, message.start, message.length)
      count += this.#sendTo(subscribers)
    }
    this.#pushes.enforceLimits()
    return count
  }

  /** Sends a message to a shard channel's subscribers; returns how many. */
  publishToShard(channel: Slice, message: Slice): number {
    const count = this.#send(SubscriptionKind.Shard, SMESSAGE, channel, message)
    this.#pushes.enforceLimits()
    return count
  }

  #send(kind: SubscriptionKind, word: Uint8Array, channel: Slice, message: Slice): number {
    const topic = this.#topics[kind].find(channel.bytes, channel.start, channel.length)
    if (topic === undefined) return 0
    const push = this.#pushes.begin(3)
    push.bulk(word, 0, word.length)
    push.bulk(channel.bytes, channel.start, channel.length)
    push.bulk(message.bytes, message.start, message.length)
    return this.#sendTo(topic.subscribers)
  }

  #sendTo(subscribers: ReadonlySet<Connection>): number {
    this.#pushes.end()
    for (const subscriber of subscribers) this.#pushes.send(subscriber)
    return subscribers.size
  }

  #topicOf(kind: SubscriptionKind, name: Slice): SubscribedTopic {
    const topics = this.#topics[kind]
    const found = topics.find(name.bytes, name.start, name.length)
    if (found !== undefined) return found
    let glob: Glob | null = null
    if (kind === SubscriptionKind.Pattern) {
      glob = new Glob()
      glob.set(name.bytes, name.start, name.length)
    }
    const topic = { name: name.toBytes(), subscribers: new Set<Connection>(), glob }
    topics.add(name.bytes, name.start, name.length, topic)
    return topic
  }

  #drop(kind: SubscriptionKind, client: Connection, name: Uint8Array): void {
    const topic = this.#topics[kind].find(name, 0, name.length)
    assert(topic !== undefined, 'a topic is there while it has subscribers')
    this.#leave(kind, client, topic)
  }

  #leave(kind: SubscriptionKind, client: Connection, topic: SubscribedTopic): void {
    client.subscriptions?.remove(kind, topic)
    topic.subscribers.delete(client)
    if (topic.subscribers.size > 0) return
    const { name } = topic
    this.#topics[kind].removeAt(this.#topics[kind].indexOf(name, 0, name.length))
  }

  #confirm(
    word: Uint8Array,
    kind: SubscriptionKind,
    client: Connection,
    name: Uint8Array | null,
  ): void {
    const { subscriptions } = client
    const push = this.#pushes.begin(3)
    push.bulk(word, 0, word.length)
    push.version = client.version
    if (name === null) push.nil()
    else push.bulk(name, 0, name.length)
    push.integer(subscriptions === null ? 0 : subscriptions.countWith(kind))
    this.#pushes.end()
    this.#pushes.send(client)
    if (subscriptions?.isEmpty) client.subscriptions = null
  }
}
