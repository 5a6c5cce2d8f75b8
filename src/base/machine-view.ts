// What of the machine decides about the method of a snapshot, for whoever must not wait for files:
// reading them takes half a millisecond (docs/decisions/0012). The main thread reads them once a
// second and writes two numbers into shared memory, which the engine looks at.

import type { Disk } from './disk.ts'
import { machineCores, machineMemory } from './machine.ts'

export interface MachineView {
  /** Cores that this process may keep busy, fractions included; 0: not known. */
  readonly cores: number
  /** `unthrottledBytes` of machine.ts; 0: not known. */
  readonly availableBytes: number
}

/** Reads the machine's files at each look. */
export class DiskMachine implements MachineView {
  readonly #disk: Disk

  constructor(disk: Disk) {
    this.#disk = disk
  }

  get cores(): number {
    return machineCores(this.#disk)
  }

  get availableBytes(): number {
    return machineMemory(this.#disk).unthrottledBytes
  }
}

const Place = { Cores: 0, AvailableBytes: 1 } as const
const NUMBERS = 2

/** As old as the last `refresh` of another thread. */
export class SharedMachine implements MachineView {
  readonly buffer: SharedArrayBuffer
  readonly #numbers: Float64Array

  constructor(buffer = new SharedArrayBuffer(NUMBERS * Float64Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer
    this.#numbers = new Float64Array(buffer)
  }

  get cores(): number {
    return this.#numbers[Place.Cores]!
  }

  get availableBytes(): number {
    return this.#numbers[Place.AvailableBytes]!
  }

  /** Reads the machine's files. */
  refresh(disk: Disk): void {
    this.#numbers[Place.Cores] = machineCores(disk)
    this.#numbers[Place.AvailableBytes] = machineMemory(disk).unthrottledBytes
  }
}
