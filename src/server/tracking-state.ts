// What CLIENT TRACKING has set for one client. It lies in the client's `Connection`; what the
// server remembers of the keys that clients have read is in tracking.ts.
//
// The default mode remembers each key that a command reads; OPTIN and OPTOUT make that depend on a
// CLIENT CACHING before the command. Broadcast mode remembers nothing: prefixes decide.
//
// Invariant: `prefixes` is empty unless the mode is broadcast.

export interface TrackingOptions {
  /** Id of the client that gets the invalidations; 0: this one. */
  readonly redirect: number
  readonly isBroadcast: boolean
  readonly isOptIn: boolean
  readonly isOptOut: boolean
  /** Is not told of its own changes. */
  readonly isNoLoop: boolean
}

/** What a prefix takes besides its characters, as heap snapshots show it. */
const PREFIX_BYTES = 400

export class TrackingState {
  options: TrackingOptions
  /** CLIENT CACHING was called: the next command is tracked (OPTIN) or is not (OPTOUT). */
  isCaching = false
  /** The client that invalidations go to is gone. */
  isBroken = false
  /** In broadcast mode, one character per byte. */
  readonly prefixes = new Set<string>()
  /** Memory of the prefixes, also where several clients have the same. */
  bytes = 0

  constructor(options: TrackingOptions) {
    this.options = options
  }

  addPrefix(text: string): void {
    if (this.prefixes.has(text)) return
    this.prefixes.add(text)
    this.bytes += PREFIX_BYTES + text.length
  }

  /** Whether what the next command reads is remembered. */
  get isRemembering(): boolean {
    const { isBroadcast, isOptIn, isOptOut } = this.options
    if (isBroadcast) return false
    if (isOptIn) return this.isCaching
    return !(isOptOut && this.isCaching)
  }
}
