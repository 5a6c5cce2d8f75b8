// Who watches commands: MONITOR, and client side caching, which remembers what was read. The hooks
// of dispatch are set while anybody does, so that otherwise a command pays two branches. Commands
// of a transaction are seen one by one, before EXEC; one that waits for a key only the first time.
//
// Owner: the engine.

import type { Dispatcher } from '../command/dispatch.ts'
import type { CommandEntry } from '../command/table.ts'
import type { Args } from '../resp/args.ts'
import type { Monitors } from './monitor.ts'
import type { Pushes } from './pushes.ts'
import type { Tracking } from './tracking.ts'

export class CommandWatch {
  readonly #pushes: Pushes
  readonly #tracking: Tracking
  readonly #monitors: Monitors
  readonly #onCommand = () => {
    this.#pushes.beginCommand()
    this.#tracking.beginCommand()
  }
  readonly #onExecuted = (entry: CommandEntry, args: Args) => this.#noteExecuted(entry, args)

  constructor(pushes: Pushes, tracking: Tracking, monitors: Monitors) {
    this.#pushes = pushes
    this.#tracking = tracking
    this.#monitors = monitors
  }

  /** Sets or clears the hooks. */
  update(dispatcher: Dispatcher): void {
    const isOn = this.#tracking.isOn || this.#monitors.isOn
    dispatcher.onCommand = isOn ? this.#onCommand : null
    dispatcher.onExecuted = isOn ? this.#onExecuted : null
  }

  #noteExecuted(entry: CommandEntry, args: Args): void {
    const client = this.#pushes.served
    if (client === null) return
    if (this.#monitors.isOn) this.#monitors.feed(client, entry, args)
    this.#tracking.noteExecuted(client, entry, args)
  }
}
