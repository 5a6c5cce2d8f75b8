// Hands the elements of a collection from the reader on to the builder that makes its value: the
// one way of loading and of RESTORE. Who makes the value says what is done with it in the end.

import { assert, fail } from '../../base/assert.ts'
import type { ByteRange, Slice } from '../../base/slice.ts'
import type { Database } from '../../keyspace/database.ts'
import type { Type } from '../../keyspace/record.ts'
import type { Ptr } from '../../memory/layout.ts'
import type { CollectionTarget } from './rdb-target.ts'
import type { BuildOptions, ValueBuilder } from './value-builder.ts'
import { VALUE_BUILDERS } from './value-builders.ts'

/** Types are numbers below it. */
const TYPES_MAX = 8

/** `VALUE_BUILDERS` by type: looked up for each key of a file. */
const BUILDERS = Array.from({ length: TYPES_MAX }, (_, type) => {
  return VALUE_BUILDERS.get(type as Type) ?? null
})

/** Who makes values of that type. */
export function builderOf(type: Type): ValueBuilder {
  return BUILDERS[type] ?? fail('each type of collection has a builder')
}

export class BuiltCollection implements CollectionTarget {
  /** The builder of the value that is being read; null between two values. */
  #builder: ValueBuilder | null = null
  readonly #onEnd: (record: Ptr) => void

  /** `onEnd` gets the record that the builder has made, or NULL. */
  constructor(onEnd: (record: Ptr) => void) {
    this.#onEnd = onEnd
  }

  /** Begins a value of that type. */
  begin(type: Type, db: Database, key: Slice, options: BuildOptions): this {
    this.#builder = builderOf(type)
    this.#builder.begin(db, key, options)
    return this
  }

  /** Frees what there is of a value that does not come to its end. */
  discard(): void {
    this.#builder?.discard()
    this.#builder = null
  }

  onElement(element: ByteRange): void {
    this.#builder?.onElement(element)
  }

  onListpack(listpack: ByteRange): void {
    this.#builder?.onListpack?.(listpack)
  }

  onField(field: ByteRange, value: ByteRange, deadlineMs: number): void {
    this.#builder?.onField(field, value, deadlineMs)
  }

  onMember(member: ByteRange, score: number): void {
    this.#builder?.onMember(member, score)
  }

  onCollectionEnd(): void {
    const builder = this.#builder
    assert(builder !== null, 'what ends has begun')
    const record = builder.end()
    this.#builder = null
    this.#onEnd(record)
  }
}
