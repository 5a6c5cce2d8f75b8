// Assertions stay on in production: one costs about a nanosecond. A failed one is a bug of ours;
// it is never caught, the process reports its state and exits.

/** Throws when `condition` is false. `message` is a literal that names the broken rule. */
export function assert(condition: boolean, message = 'assertion failed'): asserts condition {
  if (!condition) fail(message)
}

/** Throws always; marks a branch that cannot be reached. */
export function fail(message: string): never {
  throw new AssertionError(message)
}

/** A broken invariant of our own code. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}
