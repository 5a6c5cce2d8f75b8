// What one client is subscribed to, in the order of subscribing. The other side, who is subscribed
// to a channel, is in pubsub.ts.

/** The three kinds; each has names of its own. */
export const SubscriptionKind = { Channel: 0, Pattern: 1, Shard: 2 } as const
export type SubscriptionKind = (typeof SubscriptionKind)[keyof typeof SubscriptionKind]

/** A channel or pattern that somebody is subscribed to. */
export interface Topic {
  readonly name: Uint8Array
}

/** What a name and its place in the sets take, besides its bytes. */
const TOPIC_BYTES = 64

export class Subscriptions {
  readonly #topics: readonly [Set<Topic>, Set<Topic>, Set<Topic>] = [
    new Set(),
    new Set(),
    new Set(),
  ]
  /** Memory of all names, roughly. */
  bytes = 0

  of(kind: SubscriptionKind): ReadonlySet<Topic> {
    return this.#topics[kind]
  }

  add(kind: SubscriptionKind, topic: Topic): void {
    const topics = this.#topics[kind]
    if (topics.has(topic)) return
    topics.add(topic)
    this.bytes += TOPIC_BYTES + topic.name.length
  }

  remove(kind: SubscriptionKind, topic: Topic): void {
    if (this.#topics[kind].delete(topic)) this.bytes -= TOPIC_BYTES + topic.name.length
  }

  get isEmpty(): boolean {
    return this.#topics.every((each) => each.size === 0)
  }

  /** What a confirmation counts: channels and patterns together, shard channels alone. */
  countWith(kind: SubscriptionKind): number {
    const [channels, patterns, shards] = this.#topics
    return kind === SubscriptionKind.Shard ? shards.size : channels.size + patterns.size
  }
}
