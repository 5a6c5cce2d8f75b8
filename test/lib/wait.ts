// Waiting in tests: always for a condition, always with a limit and a message that says what never
// came. A bare `sleep` is only for showing that something does NOT happen.

/** Resolves after `ms`. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

/** Runs `probe` every few ms until it gives something truthy; throws after `limitMs`. */
export async function waitFor<T>(
  what: string,
  probe: () => T | Promise<T>,
  limitMs = 10_000,
): Promise<NonNullable<T>> {
  const deadline = Date.now() + limitMs
  for (;;) {
    const result = await probe()
    if (result) return result
    if (Date.now() >= deadline) throw new Error(`not within ${limitMs} ms: ${what}`)
    await sleep(10)
  }
}

/** The promise's result; throws with `what` when it takes longer than `limitMs`. */
export async function within<T>(what: string, limitMs: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${limitMs} ms: ${what}`)), limitMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
