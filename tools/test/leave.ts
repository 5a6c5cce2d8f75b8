// Loaded before each file of tests: ends a process that its tests have left behind alive, by a
// timer, a socket or a server that a failed or timed-out test did not close.
//
// Not `--test-force-exit`: that ends the process while results are still on their way to the
// runner, and results that are lost count neither as passed nor as failed.

import { after } from 'node:test'

/** More than results need to get out; nobody waits for it where nothing is left behind. */
const GRACE_MS = 2000

after(() => {
  setTimeout(() => process.exit(), GRACE_MS).unref()
})
