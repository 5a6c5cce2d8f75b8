// Counts of test results, and the form in which every step and the last line of `npm test` say
// them. Tools outside of this repository read that form; do not change it lightly.

export interface Tally {
  passed: number
  failed: number
  skipped: number
}

/** Adds `part` to `total`. */
export function addTally(total: Tally, part: Readonly<Tally>): void {
  total.passed += part.passed
  total.failed += part.failed
  total.skipped += part.skipped
}

/** `N passed, N failed, N skipped`. */
export function formatTally({ passed, failed, skipped }: Readonly<Tally>): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`
}
