// What follows from the name of a `maxmemory-policy`: which keys may be evicted, by what they are
// chosen, and what each key remembers of its uses for that.

/** All there are, in the order in which CONFIG SET names them. */
export const POLICIES = [
  'volatile-lru',
  'volatile-lfu',
  'volatile-random',
  'volatile-ttl',
  'allkeys-lru',
  'allkeys-lfu',
  'allkeys-random',
  'noeviction',
] as const

/** What the choice of the next key goes by; None: no key is evicted. */
export const Ranking = { None: 0, Random: 1, LastUse: 2, Uses: 3, Deadline: 4 } as const
export type Ranking = (typeof Ranking)[keyof typeof Ranking]

/** Policies that need no clock in each key. */
const CLOCKLESS_POLICIES: readonly string[] = [
  'noeviction',
  'volatile-random',
  'volatile-ttl',
  'allkeys-random',
]

/** Whether the policy looks at when or how often keys were used. */
export function needsClocks(policy: string): boolean {
  return !CLOCKLESS_POLICIES.includes(policy)
}

/** Whether the policy counts uses instead of remembering the last one. */
export function countsUses(policy: string): boolean {
  return policy.endsWith('lfu')
}

/** Whether only keys with a deadline are evicted. */
export function isVolatile(policy: string): boolean {
  return policy.startsWith('volatile-')
}

export function rankingOf(policy: string): Ranking {
  if (policy === 'noeviction') return Ranking.None
  if (policy.endsWith('-random')) return Ranking.Random
  if (policy.endsWith('-lru')) return Ranking.LastUse
  return countsUses(policy) ? Ranking.Uses : Ranking.Deadline
}
