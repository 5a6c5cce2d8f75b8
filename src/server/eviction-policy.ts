// What follows from the name of a `maxmemory-policy`: the choice of keys to evict decides what each
// key remembers of its uses.

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
