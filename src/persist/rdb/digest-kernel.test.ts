// Goal: the hash is the published one, and a string has one hash wherever it lies and by however
// many pieces it comes. Method: known values; the same string hashed in each way.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Slice } from '../../base/slice.ts'
import { DigestKernel } from './digest-kernel.ts'
import { Kernels } from './kernels.ts'

const TEXT_BYTES = 300_000

function setUp() {
  const kernels = new Kernels(TEXT_BYTES + DigestKernel.regionBytes)
  return { kernels, kernel: new DigestKernel(kernels), at: kernels.allocate(TEXT_BYTES) }
}

/** As it is usually printed: both words, the first one first. */
function resultOf(kernel: DigestKernel): string {
  kernel.writeResult(0)
  const words = [0, 8].map((at) => kernel.record.getBigUint64(at, true))
  return words.map((word) => word.toString(16).padStart(16, '0')).join('')
}

test('it is MurmurHash3_x64_128', () => {
  const { kernel } = setUp()
  const known: readonly (readonly [string, string])[] = [
    ['', '00000000000000000000000000000000'],
    ['hello', 'cbd8a7b341bd9b025b1e906a48ae1d19'],
    ['hello, world', '342fac623a5ebc8e4cdcbc079642414d'],
    ['The quick brown fox jumps over the lazy dog', 'e34bbc7bbc071b6c7a433ca9c49a9347'],
  ]
  for (const [text, expected] of known) {
    kernel.hash(Slice.ofText(text))
    assert.equal(resultOf(kernel), expected, text)
  }
})

test('a string has one hash, in kernel memory or not, whole or in pieces', () => {
  const { kernels, kernel, at } = setUp()
  const text = Buffer.alloc(TEXT_BYTES)
  for (let i = 0; i < text.length; i++) text[i] = (i * 7) ^ (i >> 8)
  kernels.memory.set(text, at)
  for (const length of [1, 7, 8, 9, 15, 16, 17, 31, 33, 65_535, 65_536, 65_537, TEXT_BYTES - 3]) {
    kernel.hash(new Slice().set(text, 3, length))
    const expected = resultOf(kernel)
    kernel.hash(new Slice().set(kernels.memory, at + 3, length))
    assert.equal(resultOf(kernel), expected, `${length} bytes in kernel memory`)
    for (const step of [5, 1000, 100_000]) {
      kernel.hashBegin()
      for (let i = 0; i < length; i += step) {
        kernel.hashPiece(kernels.memory, at + 3 + i, Math.min(step, length - i))
      }
      kernel.hashEnd()
      assert.equal(resultOf(kernel), expected, `${length} bytes in pieces of ${step}`)
    }
  }
})
