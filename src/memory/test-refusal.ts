// For tests: a system that is out of memory. The real one cannot be asked to refuse one buffer and
// grant the next, so the constructor is replaced for a while. What is allocated otherwise (heap,
// WebAssembly memory) is not affected.

/**
 * Runs `act` while shared buffers of more than `limit` bytes are refused, as Node refuses them;
 * returns how many were.
 */
export function refuseBuffers(limit: number, act: () => void): number {
  const { SharedArrayBuffer: Real } = globalThis
  let refusals = 0
  globalThis.SharedArrayBuffer = new Proxy(Real, {
    construct(target, [length]) {
      if (length <= limit) return new target(length)
      refusals++
      throw new RangeError(`no memory for ${length} bytes`)
    },
  })
  try {
    act()
  } finally {
    globalThis.SharedArrayBuffer = Real
  }
  return refusals
}
