// Where a node is and who to be there: redis[s]://[user:password@]host:port[/database].
// Messages show `label`, which has neither user nor password.

export const PORT_DEFAULT = 6379

export interface NodeAddress {
  readonly host: string
  readonly port: number
  readonly isTls: boolean
  /** '' for the default user. */
  readonly user: string
  /** '' without. */
  readonly password: string
  readonly database: number
  /** For messages and manifests: `redis://host:port`. */
  readonly label: string
}

export class AddressError extends Error {
  override readonly name = 'AddressError'
}

const FORM = 'redis[s]://[user:password@]host:port[/database]'

/** Parses an address; throws AddressError, which does not repeat what may be a password. */
export function parseNodeAddress(text: string): NodeAddress {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new AddressError(`not an address of a node: ${FORM} is expected`)
  }
  const { protocol, hostname } = url
  if (protocol !== 'redis:' && protocol !== 'rediss:') {
    throw new AddressError(`address begins with ${protocol}//: ${FORM} is expected`)
  }
  if (hostname === '') throw new AddressError(`an address has no host: ${FORM} is expected`)
  const databaseText = url.pathname.replace(/^\//, '')
  if (!/^\d{0,5}$/.test(databaseText)) {
    throw new AddressError(`database ${JSON.stringify(databaseText)} of an address is no number`)
  }
  return nodeAddress({
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? PORT_DEFAULT : Number(url.port),
    isTls: protocol === 'rediss:',
    user: unescaped(url.username),
    password: unescaped(url.password),
    database: Number(databaseText),
  })
}

/** The address with its label. */
export function nodeAddress(parts: Omit<NodeAddress, 'label'>): NodeAddress {
  const host = parts.host.includes(':') ? `[${parts.host}]` : parts.host
  return { ...parts, label: `${parts.isTls ? 'rediss' : 'redis'}://${host}:${parts.port}` }
}

/** Another node, reached in the same way as this one. */
export function besideNode(address: NodeAddress, host: string, port: number): NodeAddress {
  return nodeAddress({ ...address, host, port })
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new AddressError('user or password of an address has a bad %-escape')
  }
}
