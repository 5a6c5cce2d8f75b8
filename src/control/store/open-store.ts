// A store by its URL, the front door of this folder:
//
//   backups, /var/backups, file:///var/backups   a directory (`directory-store.ts`)
//   s3://bucket/prefix?endpoint=…&region=…       a bucket (`s3-store.ts`, parameters
//   `s3-client.ts`)
//
// What is below knows objects by their names and nothing of backups: `object-store.ts` says what a
// store promises. `limited-store.ts` and `twin-store.ts` put a limit of bandwidth around one and
// two of them together; `copy-object.ts` copies from one to another.
//
// The SDK of S3 is loaded when it is needed: that takes a third of a second.

import { fileURLToPath } from 'node:url'
import { DirectoryStore } from './directory-store.ts'
import { BandwidthLimit, LimitedStore } from './limited-store.ts'
import { type ObjectStore, StoreFault } from './object-store.ts'
import type { S3Options } from './s3-store.ts'

export interface OpenOptions extends S3Options {
  /** Of reading and writing together. */
  readonly bytesPerSecond?: number
}

/** The store of this URL. Nothing is asked or made before it is used: see `ObjectStore.probe`. */
export async function openStore(url: string, options: OpenOptions = {}): Promise<ObjectStore> {
  const store = await openPlain(url, options)
  const { bytesPerSecond } = options
  if (bytesPerSecond === undefined) return store
  return new LimitedStore(store, new BandwidthLimit(bytesPerSecond))
}

async function openPlain(url: string, options: OpenOptions): Promise<ObjectStore> {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(url)?.[1]?.toLowerCase()
  switch (scheme) {
    case undefined:
      if (url.trim() === '') throw new StoreFault('invalid', "the store's URL is empty")
      return new DirectoryStore(url)
    case 'file':
      return new DirectoryStore(pathOf(url), url)
    case 's3': {
      const { openS3Store } = await import('./s3-store.ts')
      return openS3Store(url, options)
    }
    default: {
      const text = `a store is a directory, file:// or s3://, not ${scheme}://`
      throw new StoreFault('invalid', text)
    }
  }
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url)
  } catch {
    throw new StoreFault('invalid', "the store's URL: it has the form file:///path")
  }
}
