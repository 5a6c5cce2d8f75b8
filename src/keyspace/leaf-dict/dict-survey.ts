// How many entries the fullest leaf of a `LeafDict` (leaf-dict.ts) has: the bound by which random
// picks are made even. Entries that come raise it at once; that it has sunk is found out leaf by
// leaf, one for each pick that the bound made fail, so that a dict that loses most of its entries
// is not picked from ever more slowly, and nothing ever looks at all leaves in one go.
//
// The survey goes through the space of hashes, as scans do: splits, merges and growth meanwhile
// hide no leaf. One dict of a kind is under survey at a time; its state is worth nothing once
// another dict is.

import type { Arena } from '../../memory/arena.ts'
import { LeafWord, nodeWord, type Root } from '../root.ts'
import { DictRootWord, leafAt } from './dict-directory.ts'
import { DictLeafWord, depthOfShape } from './dict-leaf.ts'

const HASH_LIMIT = 0x100000000
const NO_DICT = 0

export class DictSurvey {
  /** The collection under survey. */
  #number = NO_DICT
  /** Hashes below this have been surveyed. */
  #position = 0
  /** The bound for their leaves. */
  #most = 0

  /** A new dict has that number: what is known of an old one is void. */
  forget(number: number): void {
    if (this.#number === number) this.#number = NO_DICT
  }

  /** A leaf of a dict whose root has been touched has got `count` entries. */
  note(root: Root, count: number): void {
    const { words, at } = root
    if (count > words[at + DictRootWord.Most]!) words[at + DictRootWord.Most] = count
    if (count > this.#most && root.number === this.#number) this.#most = count
  }

  /** Looks at one leaf more; after the last the bound is what has been found. */
  step(arena: Arena, root: Root): void {
    if (this.#number !== root.number) {
      this.#number = root.number
      this.#position = 0
      this.#most = 0
    }
    const leaf = leafAt(arena, root, this.#position)
    const count = nodeWord(arena, leaf, LeafWord.Count)
    if (count > this.#most) this.#most = count
    const depth = depthOfShape(nodeWord(arena, leaf, DictLeafWord.Shape))
    this.#position = nodeWord(arena, leaf, DictLeafWord.Prefix) + 2 ** (32 - depth)
    if (this.#position < HASH_LIMIT) return
    root.chain.touch(arena)
    root.words[root.at + DictRootWord.Most] = this.#most
    this.#number = NO_DICT
  }
}
