// Keys of commands that say how many there are: `numkeys key [key …]`. For COMMAND GETKEYS and all
// who follow keys; the handlers read their arguments themselves.

import type { Args } from '../resp/args.ts'

/** Adds the positions of the keys that argument `i` counts; none when it counts wrong. */
export function addCountedKeys(args: Args, i: number, positions: number[]): void {
  const count = i < args.count ? args.integer(i) : null
  if (typeof count !== 'number' || count < 1 || count > args.count - i - 1) return
  for (let k = 1; k <= count; k++) positions.push(i + k)
}
