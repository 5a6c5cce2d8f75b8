// Goal: the transport keeps the contract of socket.ts against real peers: slow, half-closed, reset,
// many. Method: `node:net` clients over loopback and unix sockets; every test runs on bare handles
// and on plain sockets.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import * as net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ErrorCode, StoreError } from './errors.ts'
import type { ListenAddress, Listener, Socket } from './socket.ts'
import { NetTransport } from './socket-net.ts'

const LOCAL: ListenAddress = { host: '127.0.0.1', port: 0, backlog: 511 }
const WAIT_MS = 5000
/** Writes to a slow reader, 25 MB a 400. The kernel may take more than 30 MB before it stops. */
const ROUNDS_MIN = 400
const ROUNDS_MAX = 1600
const CLOG_BYTES_MAX = 128_000_000

/** A server connection as a test sees it. */
interface Peer {
  readonly socket: Socket
  text: string
  received: number
  drains: number
  closes: number
}

interface Bench {
  readonly transport: NetTransport
  readonly listener: Listener
  readonly peers: Peer[]
  readonly connect: () => Promise<net.Socket>
}

type Behaviour = (peer: Peer, bytes: Uint8Array, start: number, length: number) => void

const ignore: Behaviour = () => {}
const echo: Behaviour = ({ socket }, bytes, start, length) => socket.write(bytes, start, length)

function listen(transport: NetTransport, address: ListenAddress, onData: Behaviour) {
  const peers: Peer[] = []
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onAccept = (socket: Socket) => {
    const peer: Peer = { socket, text: '', received: 0, drains: 0, closes: 0 }
    peers.push(peer)
    return {
      onData(bytes: Uint8Array, start: number, length: number) {
        assert.equal(peer.closes, 0, 'no data after the close')
        peer.received += length
        if (length < 1000) peer.text += Buffer.from(bytes.subarray(start, start + length))
        onData(peer, bytes, start, length)
      },
      onDrain: () => void peer.drains++,
      onClose: () => void peer.closes++,
    }
  }
  const done = (error: Error | null) => (error ? reject(error) : resolve())
  const listener = transport.listen(address, { onAccept }, done)
  return { listener, peers, ready: promise }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const limit = performance.now() + WAIT_MS
  while (!condition()) {
    if (performance.now() > limit) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

function connectTo(options: net.NetConnectOpts): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const client = net.connect(options, () => resolve(client))
    client.once('error', reject)
  })
}

/** A listening transport whose parts end with the test. */
async function open(context: TestContext, isPlain: boolean, onData: Behaviour): Promise<Bench> {
  const transport = new NetTransport({ isPlain })
  const { listener, peers, ready } = listen(transport, LOCAL, onData)
  const clients: net.Socket[] = []
  context.after(() => {
    for (const client of clients) client.destroy()
    transport.close()
  })
  await ready
  const connect = async () => {
    const client = await connectTo({ host: '127.0.0.1', port: listener.port, allowHalfOpen: true })
    client.on('error', () => {})
    clients.push(client)
    return client
  }
  return { transport, listener, peers, connect }
}

/** Collects `length` bytes from a client. */
function collect(client: net.Socket, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    let total = 0
    client.on('data', (part) => {
      parts.push(part as Buffer)
      total += part.length
      if (total >= length) resolve(Buffer.concat(parts))
    })
    const fail = () => reject(new Error(`closed after ${total} of ${length} bytes`))
    client.on('end', fail)
    client.on('close', fail)
    client.resume()
  })
}

/** Writes until the kernel takes no more and bytes are pending; returns how many were written. */
function clog(socket: Socket): number {
  const part = new Uint8Array(4_000_000).fill(1)
  let total = 0
  while (socket.pendingBytes === 0 && total < CLOG_BYTES_MAX) {
    socket.write(part, 0, part.length)
    total += part.length
  }
  assert.ok(socket.pendingBytes > 0, 'the kernel does not take all')
  return total
}

test('this Node offers the handles of the fast transport', () => {
  assert.ok(new NetTransport().isFast)
  assert.ok(!new NetTransport({ isPlain: true }).isFast)
})

for (const isPlain of [false, true]) {
  const kind = isPlain ? 'plain' : 'fast'

  test(`${kind}: echoes, and knows both addresses`, async (context) => {
    const { connect, peers, listener } = await open(context, isPlain, echo)
    const client = await connect()
    client.write('hello')
    assert.equal(String(await collect(client, 5)), 'hello')
    const { socket } = peers[0]!
    assert.equal(socket.remoteAddress, `127.0.0.1:${client.localPort}`)
    assert.equal(socket.localAddress, `127.0.0.1:${listener.port}`)
    assert.ok(socket.isLocal)
    assert.equal(socket.pendingBytes, 0)
    if (!isPlain) assert.ok(socket.descriptor > 2)
  })

  test(`${kind}: a slow reader gets all bytes in order, then a drain`, async (context) => {
    const { connect, peers } = await open(context, isPlain, ignore)
    const client = await connect()
    client.pause()
    await until(() => peers.length === 1, 'accept')
    const peer = peers[0]!
    // One buffer, overwritten between writes: the transport must have copied it.
    const buffer = new Uint8Array(new SharedArrayBuffer(300_000))
    const lengths = [1, 20, 70_000, 5, 300_000, 33, 65_536, 65_537]
    let total = 0
    let rounds = 0
    for (; rounds < ROUNDS_MIN || peer.socket.pendingBytes === 0; rounds++) {
      assert.ok(rounds < ROUNDS_MAX, 'the kernel does not take all')
      const length = lengths[rounds % lengths.length]!
      buffer.fill((rounds % 251) + 1)
      peer.socket.write(buffer, 0, length)
      total += length
    }
    buffer.fill(0)
    assert.ok(peer.socket.pendingBytes <= total)
    assert.equal(peer.drains, 0)
    const received = await collect(client, total)
    let at = 0
    for (let round = 0; round < rounds; round++) {
      const length = lengths[round % lengths.length]!
      const part = received.subarray(at, at + length)
      assert.ok(
        part.every((byte) => byte === (round % 251) + 1),
        `write ${round}`,
      )
      at += length
    }
    assert.equal(received.length, total)
    await until(() => peer.drains === 1, 'drain')
    assert.equal(peer.socket.pendingBytes, 0)
  })

  test(`${kind}: others are served while one does not read`, async (context) => {
    const { connect, peers } = await open(context, isPlain, echo)
    const slow = await connect()
    slow.pause()
    await until(() => peers.length === 1, 'accept')
    clog(peers[0]!.socket)
    const quick = await connect()
    quick.write('hello')
    assert.equal(String(await collect(quick, 5)), 'hello')
    assert.ok(peers[0]!.socket.pendingBytes > 0)
  })

  test(`${kind}: a paused socket reads nothing until resumed`, async (context) => {
    const { connect, peers } = await open(context, isPlain, ({ socket }) => socket.pause())
    const client = await connect()
    client.write('one')
    await until(() => peers[0]?.text === 'one', 'first bytes')
    client.write('two')
    await new Promise((resolve) => setTimeout(resolve, 30))
    assert.equal(peers[0]!.text, 'one')
    peers[0]!.socket.resume()
    await until(() => peers[0]!.text === 'onetwo', 'bytes after resume')
  })

  test(`${kind}: end sends what is pending, close does not`, async (context) => {
    const { connect, peers } = await open(context, isPlain, ignore)
    const client = await connect()
    client.pause()
    await until(() => peers.length === 1, 'accept')
    const length = clog(peers[0]!.socket)
    peers[0]!.socket.end()
    assert.equal(peers[0]!.closes, 0)
    const received = await collect(client, length)
    assert.equal(received.length, length)
    await until(() => peers[0]!.closes === 1, 'close after the last byte')

    const other = await connect()
    other.pause()
    await until(() => peers.length === 2, 'accept')
    const lost = clog(peers[1]!.socket)
    peers[1]!.socket.close()
    assert.equal(peers[1]!.closes, 1)
    assert.equal(peers[1]!.socket.pendingBytes, 0)
    await assert.rejects(collect(other, lost), /closed after/)
  })

  test(`${kind}: a closed socket takes calls and does nothing`, async (context) => {
    const { connect, peers } = await open(context, isPlain, ignore)
    await connect()
    await until(() => peers.length === 1, 'accept')
    const { socket } = peers[0]!
    socket.close()
    socket.close()
    socket.end()
    socket.write(new Uint8Array(3), 0, 3)
    socket.pause()
    socket.resume()
    socket.setKeepAlive(10)
    assert.equal(socket.descriptor, -1)
    assert.equal(peers[0]!.closes, 1)
  })

  test(`${kind}: a peer that ends its side is closed`, async (context) => {
    const { connect, peers } = await open(context, isPlain, echo)
    const client = await connect()
    client.write('bye')
    client.end()
    await until(() => peers[0]?.closes === 1, 'close')
    assert.equal(peers[0]!.text, 'bye')
    assert.equal(String(await collect(client, 3)), 'bye')
  })

  test(`${kind}: a reset closes once, even while bytes are pending`, async (context) => {
    const { connect, peers } = await open(context, isPlain, ignore)
    for (let i = 0; i < 4; i++) {
      const client = await connect()
      client.pause()
      await until(() => peers.length === i + 1, 'accept')
      const { socket } = peers[i]!
      if (i % 2 === 1) clog(socket)
      client.resetAndDestroy()
      if (i < 2) await until(() => peers[i]!.closes > 0, 'close')
      // Writing to a peer that is gone must not close inside the call.
      const before = peers[i]!.closes
      for (let k = 0; k < 10; k++) socket.write(new Uint8Array(1000), 0, 1000)
      assert.equal(peers[i]!.closes, before)
      await until(() => peers[i]!.closes > 0, 'close')
      await new Promise((resolve) => setTimeout(resolve, 10))
      assert.equal(peers[i]!.closes, 1)
    }
  })

  test(`${kind}: closing inside of onData and onAccept is allowed`, async (context) => {
    const { connect, peers } = await open(context, isPlain, ({ socket }) => socket.close())
    const client = await connect()
    client.write('x'.repeat(100_000))
    await until(() => peers[0]?.closes === 1, 'close')

    let closes = 0
    const transport = new NetTransport({ isPlain })
    context.after(() => transport.close())
    const ready = Promise.withResolvers<void>()
    const onAccept = (socket: Socket) => {
      socket.write(Buffer.from('-ERR full\r\n'), 0, 11)
      socket.end()
      return { onData: () => {}, onDrain: () => {}, onClose: () => void closes++ }
    }
    const listener = transport.listen(LOCAL, { onAccept }, () => ready.resolve())
    await ready.promise
    const refused = await connectTo({ host: '127.0.0.1', port: listener.port })
    assert.equal(String(await collect(refused, 11)), '-ERR full\r\n')
    await until(() => closes === 1, 'onClose after onAccept')
  })

  test(`${kind}: keepalive starts the kernel's timer`, async (context) => {
    const { connect, peers, listener } = await open(context, isPlain, ignore)
    const client = await connect()
    await until(() => peers.length === 1, 'accept')
    const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0')
    const timer = () => {
      const ends = `:${hex(listener.port)} 0100007F:${hex(client.localPort!)}`
      const line = readFileSync('/proc/net/tcp', 'utf8')
        .split('\n')
        .find((l) => l.includes(ends))
      // sl local remote state queues timer: 02 is the keepalive timer.
      return line?.trim().split(/\s+/)[5]?.slice(0, 2)
    }
    if (timer() === undefined) return context.skip('no /proc/net/tcp here')
    assert.notEqual(timer(), '02')
    peers[0]!.socket.setKeepAlive(300)
    assert.equal(timer(), '02')
    peers[0]!.socket.setKeepAlive(0)
    assert.notEqual(timer(), '02')
  })

  test(`${kind}: a busy port is an error with the system's code`, async (context) => {
    const { listener } = await open(context, isPlain, ignore)
    const transport = new NetTransport({ isPlain })
    const taken = { host: '127.0.0.1', port: listener.port, backlog: 5 }
    await assert.rejects(listen(transport, taken, ignore).ready, (error: unknown) => {
      assert.ok(error instanceof StoreError)
      assert.equal(error.code, ErrorCode.ListenFailed)
      assert.match(error.message, /127\.0\.0\.1:\d+: EADDRINUSE/)
      return true
    })
    const foreign = { host: '192.0.2.1', port: 0, backlog: 5 }
    await assert.rejects(listen(transport, foreign, ignore).ready, /EADDRNOTAVAIL/)
  })

  test(`${kind}: unix socket: mode, stale file, a file that is none`, async (context) => {
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-'))
    context.after(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 's.sock')
    const transport = new NetTransport({ isPlain })
    context.after(() => transport.close())
    const first = listen(transport, { path, mode: 0o700, backlog: 5 }, echo)
    await first.ready
    assert.equal(statSync(path).mode & 0o777, 0o700)
    assert.equal(first.listener.port, 0)
    const client = await connectTo({ path })
    client.write('hi')
    assert.equal(String(await collect(client, 2)), 'hi')
    client.destroy()
    const { socket } = first.peers[0]!
    assert.deepEqual([socket.remoteAddress, socket.isLocal], [`${path}:0`, true])

    // The file of a server that is gone (here: one that no longer owns the path).
    const second = listen(transport, { path, mode: 0o770, backlog: 5 }, echo)
    await second.ready
    assert.equal(statSync(path).mode & 0o777, 0o770)

    const plainFile = join(folder, 'precious')
    writeFileSync(plainFile, 'x')
    const third = listen(transport, { path: plainFile, mode: 0, backlog: 5 }, echo)
    await assert.rejects(third.ready, /EADDRINUSE/)
    assert.equal(readFileSync(plainFile, 'utf8'), 'x')
  })

  test(`${kind}: IPv6 addresses stand in brackets`, async (context) => {
    const transport = new NetTransport({ isPlain })
    context.after(() => transport.close())
    const { ready, listener, peers } = listen(transport, { host: '::1', port: 0, backlog: 5 }, echo)
    try {
      await ready
    } catch {
      return context.skip('no IPv6 here')
    }
    const client = await connectTo({ host: '::1', port: listener.port })
    context.after(() => client.destroy())
    await until(() => peers.length === 1, 'accept')
    assert.equal(peers[0]!.socket.remoteAddress, `[::1]:${client.localPort}`)
    assert.ok(peers[0]!.socket.isLocal)
  })

  test(`${kind}: a thousand connections, each with its own bytes`, async (context) => {
    const { connect, peers, transport } = await open(context, isPlain, echo)
    const clients = await Promise.all(Array.from({ length: 1000 }, connect))
    const answers = clients.map((client, i) => {
      const text = `connection ${i}`
      const answer = collect(client, text.length)
      client.write(text)
      return answer.then((bytes) => assert.equal(String(bytes), text))
    })
    await Promise.all(answers)
    assert.equal(peers.length, 1000)
    transport.close()
    assert.ok(peers.every((peer) => peer.closes === 1))
  })

  test(`${kind}: after close nobody can connect`, async (context) => {
    const { transport, listener } = await open(context, isPlain, echo)
    const { port } = listener
    transport.close()
    await assert.rejects(connectTo({ host: '127.0.0.1', port }), /ECONNREFUSED/)
  })
}
