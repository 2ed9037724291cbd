/**
 * The WebSocket transport of libp2p, without its leaks.
 *
 * @internal
 */
import { type Connection, ConnectionFailedError, type DialTransportOptions, type Transport } from "@libp2p/interface"
import { type WebSocketsComponents, webSockets } from "@libp2p/websockets"
import type { Multiaddr } from "@multiformats/multiaddr"

const toUrl = (address: Multiaddr): string => {
  const parts = address.getComponents()
  const value = (name: string) => parts.find((part) => part.name === name)?.value
  const secure = parts.some(({ name }) => name === "tls" || name === "wss")
  const host = parts.find(({ name }) => name !== "ip6zone")
  const name = host?.name === "ip6" ? `[${host.value}]` : host?.value
  return `${secure ? "wss" : "ws"}://${name}:${value("tcp")}${decodeURIComponent(value("http-path") ?? "")}`
}

const connect = (address: Multiaddr, { signal }: { readonly signal: AbortSignal }): Promise<WebSocket> =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const url = toUrl(address)
    const socket = new WebSocket(url)
    socket.binaryType = "arraybuffer"
    const close = () => socket.close()
    const settle = (event: Event) => {
      signal.removeEventListener("abort", close)
      if (event.type === "open") resolve(socket)
      else reject(new ConnectionFailedError(`could not connect to ${url}`))
    }
    signal.addEventListener("abort", close)
    socket.addEventListener("open", settle, { once: true })
    socket.addEventListener("error", settle, { once: true })
  })

/** `close(1006)`, by which libp2p means to reset, throws and leaves the socket open; any other code closes it. */
const resettable = (socket: WebSocket): WebSocket => {
  const close = socket.close.bind(socket)
  return Object.assign(socket, { close: (code?: number) => (code === 1006 ? close() : close(code)) })
}

/**
 * WebSockets, both ways. `@libp2p/websockets` 10 leaves the socket of an aborted connect, of a failed upgrade and of an aborted
 * connection open; here no dial that fails and no connection that is aborted leaves one. It replaces the transport's
 * `_connect`, which is not of its public API: the tests with a mute listener and a wrong peer id fail should that ever move.
 *
 * @internal
 */
export const make = (components: WebSocketsComponents): Transport => {
  const transport = webSockets()(components)
  const inner = transport.dial.bind(transport)
  const sockets = new WeakMap<object, WebSocket>()
  const dial = async (address: Multiaddr, options: DialTransportOptions): Promise<Connection> => {
    try {
      return await inner(address, options)
    } catch (cause) {
      sockets.get(options)?.close()
      throw cause
    }
  }
  const _connect = async (address: Multiaddr, options: DialTransportOptions): Promise<WebSocket> => {
    const socket = resettable(await connect(address, options))
    sockets.set(options, socket)
    return socket
  }
  return Object.assign(transport, { dial, _connect })
}
