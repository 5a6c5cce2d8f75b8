// What a row of mutations.test.ts is: one path by which data changes while a save is under way.
// Rows stand in mutation-rows-keys.ts and mutation-rows-values.ts; to add one is to add a path that
// every method is tested with.

import type { ConfigName } from '../../src/server/config.ts'
import type { Saved, SavingServer } from './saving-server.ts'

export interface Mutation {
  readonly name: string
  readonly config?: Readonly<Partial<Record<ConfigName, string>>>
  /** Makes the data; before the save. */
  readonly fill: (scene: SavingServer) => void
  /** Some changes, before each turn of the scan. */
  readonly change: (scene: SavingServer, turn: number) => void
  /** Asserts more of the save that has ended. */
  readonly prove?: (scene: SavingServer, saved: Saved) => void
  /** The row only reads. */
  readonly isReadOnly?: boolean
}
