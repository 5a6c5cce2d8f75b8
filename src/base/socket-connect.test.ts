// Goal: a connection that the transport opens keeps the contract of socket.ts, and an attempt ends
// in exactly one of its ways. Method: the transport connects to itself over loopback.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Socket, SocketHandler } from './socket.ts'
import { NetTransport } from './socket-net.ts'

const WAIT_MS = 5000
const IGNORE: SocketHandler = { onData() {}, onDrain() {}, onClose() {} }

/** What an opened connection has seen. */
class Seen {
  socket: Socket | null = null
  text = ''
  drains = 0
  closes = 0
  readonly failures: string[] = []

  onConnect(socket: Socket): SocketHandler {
    this.socket = socket
    return {
      onData: (bytes, start, length) => {
        this.text += Buffer.from(bytes.subarray(start, start + length)).toString('latin1')
      },
      onDrain: () => void this.drains++,
      onClose: () => void this.closes++,
    }
  }

  onFail(code: string): void {
    this.failures.push(code)
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const limit = performance.now() + WAIT_MS
  while (!condition()) {
    if (performance.now() > limit) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** A transport that listens; `accept` handles what connects. */
async function listening(context: TestContext, accept: (socket: Socket) => SocketHandler) {
  const transport = new NetTransport()
  context.after(() => transport.close())
  const port = await new Promise<number>((resolve, reject) => {
    const address = { host: '127.0.0.1', port: 0, backlog: 16 }
    const listener = transport.listen(address, { onAccept: accept }, (error) => {
      if (error) reject(error)
      else resolve(listener.port)
    })
  })
  return { transport, port }
}

test('bytes go both ways, a large write drains, and the end is told once', async (context) => {
  let received = 0
  let peer: Socket | null = null
  const { transport, port } = await listening(context, (socket) => {
    peer = socket
    return {
      ...IGNORE,
      onData: (_bytes, _start, length) => {
        received += length
        if (received === 5) socket.write(Buffer.from('hello'), 0, 5)
      },
    }
  })
  const seen = new Seen()
  transport.connect({ host: 'localhost', port }, seen)
  assert.equal(seen.socket, null, 'never at once')
  await until(() => seen.socket !== null, 'connect')
  const socket = seen.socket!
  assert.equal(socket.remoteAddress, `127.0.0.1:${port}`)
  socket.write(Buffer.from('12345'), 0, 5)
  await until(() => seen.text === 'hello', 'answer')
  const large = new Uint8Array(20_000_000)
  socket.write(large, 0, large.length)
  assert.ok(socket.pendingBytes > 0)
  await until(() => received === large.length + 5, 'all bytes')
  await until(() => seen.drains > 0, 'drain')
  assert.equal(socket.pendingBytes, 0)
  ;(peer as Socket | null)?.close()
  await until(() => seen.closes === 1, 'close')
  transport.close()
  assert.equal(seen.closes, 1)
  assert.deepEqual(seen.failures, [])
})

test('an attempt that fails says why, once', async (context) => {
  const { transport, port } = await listening(context, () => IGNORE)
  const refused = new Seen()
  const unknown = new Seen()
  transport.close()
  transport.connect({ host: '127.0.0.1', port }, refused)
  transport.connect({ host: 'no-such-host.invalid', port }, unknown)
  const bad = ['a\0b', 'x'.repeat(300), '\xff', 'a b', '*'].map((host) => {
    const seen = new Seen()
    transport.connect({ host, port }, seen)
    assert.deepEqual(seen.failures, [], 'never at once')
    return seen
  })
  const all = [refused, unknown, ...bad]
  await until(() => all.every(({ failures }) => failures.length === 1), 'all fail')
  assert.deepEqual(refused.failures, ['ECONNREFUSED'])
  assert.match(unknown.failures[0] ?? '', /^(ENOTFOUND|EAI_AGAIN)$/)
  assert.equal(refused.socket, null)
})

test('an attempt that was given up or ended with the transport is silent', async (context) => {
  const { transport, port } = await listening(context, () => IGNORE)
  const aborted = new Seen()
  const ended = new Seen()
  const open = new Seen()
  const attempt = transport.connect({ host: '127.0.0.1', port }, aborted)
  attempt.abort()
  const done = transport.connect({ host: '127.0.0.1', port }, open)
  await until(() => open.socket !== null, 'connect')
  // Too late: it is open.
  done.abort()
  assert.equal(open.closes, 0)
  transport.connect({ host: '127.0.0.1', port }, ended)
  transport.close()
  assert.equal(open.closes, 1)
  await new Promise((resolve) => setTimeout(resolve, 50))
  for (const seen of [aborted, ended]) {
    assert.equal(seen.socket, null)
    assert.deepEqual(seen.failures, [])
  }
})
