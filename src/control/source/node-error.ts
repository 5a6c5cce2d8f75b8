// What goes wrong between us and a node. Messages begin with the node's label, and never repeat
// what may be a password. The kind is what callers decide by: exit codes, whether to try again.

/**
 * Unreachable: no connection; denied: credentials or permissions; timeout: it did not answer in
 * time; refused: an error reply; cut: the connection ended in the middle; changed: another dataset
 * than before; protocol: not what a node says.
 */
export type NodeErrorKind =
  | 'unreachable'
  | 'denied'
  | 'timeout'
  | 'refused'
  | 'cut'
  | 'changed'
  | 'protocol'
  | 'aborted'

export class NodeError extends Error {
  override readonly name = 'NodeError'
  readonly kind: NodeErrorKind
  readonly node: string

  constructor(kind: NodeErrorKind, node: string, message: string, options?: ErrorOptions) {
    super(`${node}: ${message}`, options)
    this.kind = kind
    this.node = node
  }
}
