// A file of commands instead of RDB (`aof-use-rdb-preamble no`). The scan writes RDB into a
// temporary file, so that it is as fast and takes as little as any other; the commands are made of
// that file when the pages of the cut are free already.

import { abandonFile, type Disk, type DiskFile } from '../../base/disk.ts'
import { CommandFile } from '../aof/command-file.ts'
import { Kernels } from '../rdb/kernels.ts'
import { RdbInput } from '../rdb/rdb-input.ts'
import { RdbReader } from '../rdb/rdb-reader.ts'
import { FileSink, type FileSinkOptions } from './file-sink.ts'

const BUFFER_BYTES = 512 * 1024
/** Bytes of RDB between two looks at whether to stop. */
const STEP_BYTES = 1024 * 1024

export class CommandSink {
  readonly #disk: Disk
  readonly #rdb: DiskFile
  readonly #commands: FileSink
  readonly #checkpoint: () => void
  readonly #head: Uint8Array

  /** Creates both files. `checkpoint` throws to end the conversion. Throws StoreError. */
  constructor(disk: Disk, options: FileSinkOptions, checkpoint: () => void) {
    this.#disk = disk
    this.#checkpoint = checkpoint
    this.#head = Buffer.from(options.commandHead ?? '', 'latin1')
    this.#rdb = disk.create(`${options.temporaryPath}.rdb`)
    try {
      this.#commands = new FileSink(disk, options)
    } catch (error) {
      abandonFile(disk, this.#rdb)
      throw error
    }
  }

  write(bytes: Uint8Array, start: number, length: number): void {
    this.#rdb.write(bytes, start, length)
  }

  /** Makes the commands, durable under a temporary name. Throws StoreError. */
  prepare(): void {
    this.#rdb.close()
    const source = this.#disk.openRead(this.#rdb.path)
    try {
      if (this.#head.length > 0) this.#commands.write(this.#head, 0, this.#head.length)
      const commands = new CommandFile(this.#commands.write)
      const kernels = new Kernels(RdbInput.regionBytes(BUFFER_BYTES))
      const reader = new RdbReader(kernels, BUFFER_BYTES)
      reader.begin(source, commands)
      while (reader.step(STEP_BYTES)) this.#checkpoint()
      commands.end()
    } finally {
      source.close()
    }
    this.#disk.unlink(this.#rdb.path)
    this.#commands.prepare()
  }

  commit(): void {
    this.#commands.commit()
  }

  discard(): void {
    abandonFile(this.#disk, this.#rdb)
    this.#commands.discard()
  }
}
