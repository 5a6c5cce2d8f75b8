// Time that processes can compare: the system's monotonic clock in milliseconds, the same for every
// process on the machine. `performance.now` alone counts from the start of its own process.

const OFFSET_MS = Number(process.hrtime.bigint() / 1000n) / 1000 - performance.now()

/** Milliseconds of the machine's monotonic clock, with fractions. */
export function machineMs(): number {
  return OFFSET_MS + performance.now()
}

/** Resolves after `ms`. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** `promise`, or an error that names `what` when it has not settled within `limitMs`. */
export function within<T>(promise: Promise<T>, limitMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not done after ${limitMs} ms`)), limitMs)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
