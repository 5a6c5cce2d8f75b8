// Work that can be left and taken up again: a generator that yields where it may be left. Between
// two steps anything else may run on the same thread, so what the work needs later on lies in the
// generator's own variables, never in objects that are shared.

/** Work in steps: each `next` does one; `done` with the last. */
export type Steps = Generator<void, void, void>

/** Does all steps in one go. */
export function drain(steps: Steps): void {
  while (steps.next().done !== true);
}
