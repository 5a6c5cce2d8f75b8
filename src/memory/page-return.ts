// When free pages go back to the system. Pages that were free for a whole window of a second are
// due, but for an allowance: what comes and goes all the time is worth keeping, since a page that
// was given back costs a fault of about 0.3 µs when it is used again. Under a memory limit the
// caller does not wait for that (`PagePool.releasePages`). Owner: the engine.

import { PAGE_BYTES } from './layout.ts'
import type { PagePool } from './page-pool.ts'

const WINDOW_MS = 1000
/** Free pages that are kept in any case, and as a share of those in use. */
const KEPT_PAGES = (4 * 1024 * 1024) / PAGE_BYTES
const KEPT_SHARE = 1 / 64
/** Pages given back in one step; about 0.1 ms. */
const STEP_PAGES = 512

export class PageReturn {
  readonly #pool: PagePool
  #windowMs = 0
  #lowest = 0
  #due = 0

  constructor(pool: PagePool) {
    this.#pool = pool
  }

  /** Free pages that are kept for what is allocated next. */
  get keptPages(): number {
    return Math.max(KEPT_PAGES, Math.floor(this.#pool.pagesUsed * KEPT_SHARE))
  }

  /** Notes how many pages are free; to be called some times a second. */
  look(nowMs: number): void {
    const { pagesDirty } = this.#pool
    this.#lowest = Math.min(this.#lowest, pagesDirty)
    if (nowMs - this.#windowMs < WINDOW_MS) return
    this.#due = Math.max(0, this.#lowest - this.keptPages)
    this.#windowMs = nowMs
    this.#lowest = pagesDirty
  }

  /** Gives some of what is due back; true while there is more. */
  step(): boolean {
    if (this.#due === 0) return false
    const released = this.#pool.releasePages(Math.min(STEP_PAGES, this.#due))
    this.#due = released === 0 ? 0 : Math.max(0, this.#due - released)
    return this.#due > 0
  }

  /** Gives all free pages back at once. About 0.2 µs a page. */
  purge(): void {
    this.#due = 0
    let released = 1
    while (released > 0) released = this.#pool.releasePages(STEP_PAGES)
  }
}
