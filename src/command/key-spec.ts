// Where keys stand in a command, in the form that COMMAND INFO reports to cluster clients: where to
// begin, and how to go on. Rows whose keys a [first, last, step] describes need none of this.
// Source: Redis documentation, "Command key specifications".

/** Where the keys begin: at an argument, behind a word, or where only the command knows. */
export type KeyBegin =
  | { readonly type: 'index'; readonly index: number }
  | { readonly type: 'keyword'; readonly keyword: string; readonly startfrom: number }
  | { readonly type: 'unknown' }

/** Which arguments from there on are keys; `lastkey` counts from the beginning, or from the end. */
export type KeyFind =
  | {
      readonly type: 'range'
      readonly lastkey: number
      readonly keystep: number
      readonly limit: number
    }
  | {
      readonly type: 'keynum'
      readonly keynumidx: number
      readonly firstkey: number
      readonly keystep: number
    }
  | { readonly type: 'unknown' }

export interface KeySpec {
  /** What happens to the keys: words of COMMAND such as `RW update`. */
  readonly flags: string
  readonly begin: KeyBegin
  readonly find: KeyFind
}

/** One key at an argument. */
export function oneKey(index: number, flags: string): KeySpec {
  const find = { type: 'range', lastkey: 0, keystep: 1, limit: 0 } as const
  return { flags, begin: { type: 'index', index }, find }
}

/** As many keys as the argument before them says. */
export function countedKeys(index: number, flags: string): KeySpec {
  const find = { type: 'keynum', keynumidx: 0, firstkey: 1, keystep: 1 } as const
  return { flags, begin: { type: 'index', index }, find }
}

/** Half of the arguments behind STREAMS. */
export function streamKeys(startfrom: number, flags: string): KeySpec {
  const find = { type: 'range', lastkey: -1, keystep: 1, limit: 2 } as const
  return { flags, begin: { type: 'keyword', keyword: 'STREAMS', startfrom }, find }
}

/** One key behind a word. */
export function keyAfter(keyword: string, startfrom: number, flags: string): KeySpec {
  const find = { type: 'range', lastkey: 0, keystep: 1, limit: 0 } as const
  return { flags, begin: { type: 'keyword', keyword, startfrom }, find }
}

/** Keys that only the command can find. */
export function unknownKeys(flags: string): KeySpec {
  return { flags, begin: { type: 'unknown' }, find: { type: 'unknown' } }
}

/** All arguments behind a word, which is looked for from `startfrom` on (negative: backwards). */
export function keysAfter(keyword: string, startfrom: number, flags: string): KeySpec {
  const find = { type: 'range', lastkey: -1, keystep: 1, limit: 0 } as const
  return { flags, begin: { type: 'keyword', keyword, startfrom }, find }
}
