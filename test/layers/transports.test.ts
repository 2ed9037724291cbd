import { assert, describe, it } from "@effect/vitest"
import { type CreateListenerOptions, type DialTransportOptions, transportSymbol } from "@libp2p/interface"
import { tcp, type TCPComponents } from "@libp2p/tcp"
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr"
import * as Effect from "effect/Effect"
import { deliverAll, startKernel } from "../support/libp2pKernel.ts"

const quic = "/ip4/127.0.0.1/udp/0/quic-v1"

/** A transport for QUIC addresses as a user would bring it along; in truth it is TCP. */
const likeQuic = () => (components: TCPComponents) => {
  const inner = tcp()(components)
  const toTcp = (it: Multiaddr) => multiaddr(it.toString().replace(/udp\/(\d+)\/quic-v1/u, "tcp/$1"))
  const toQuic = (it: Multiaddr) => multiaddr(it.toString().replace(/tcp\/(\d+)/u, "udp/$1/quic-v1"))
  const filter = (all: ReadonlyArray<Multiaddr>) => all.filter((it) => it.toString().includes("/quic-v1"))
  return {
    [transportSymbol]: true as const,
    [Symbol.toStringTag]: "test/quic",
    dial: (address: Multiaddr, options: DialTransportOptions) => inner.dial(toTcp(address), options),
    dialFilter: filter,
    listenFilter: filter,
    createListener: (options: CreateListenerOptions) => {
      const listener = inner.createListener(options)
      const listen = listener.listen.bind(listener)
      const getAddrs = listener.getAddrs.bind(listener)
      return Object.assign(listener, {
        listen: (address: Multiaddr) => listen(toTcp(address)),
        getAddrs: () => getAddrs().map(toQuic)
      })
    }
  }
}

const startError = (factory: NonNullable<Parameters<typeof startKernel>[1]>["factory"]) =>
  Effect.scoped(Effect.flip(startKernel("alice", factory === undefined ? {} : { factory })))

describe("transports that a user brings along", () => {
  it.scopedLive("are dialed and listened on like those that are built in", () =>
    Effect.gen(function* () {
      const alice = yield* startKernel("alice", { factory: { transports: [{ transport: likeQuic() }] } })
      const bob = yield* startKernel("bob", {
        factory: { listen: ["/ip4/127.0.0.1/tcp/0"], transports: [{ transport: likeQuic(), listen: [quic] }] }
      })
      const addresses = yield* bob.addresses
      const viaQuic = addresses.filter((it) => it.includes("/quic-v1/p2p/"))
      assert.deepStrictEqual([addresses.length, viaQuic.length], [2, 1])
      yield* deliverAll(alice, bob, ["one", "two"], viaQuic)
      yield* deliverAll(bob, alice, ["three"])
      assert.deepStrictEqual([bob.received, alice.received], [["one", "two"], ["three"]])
    })
  )

  it.scopedLive("are missed in one sentence where an address needs one", () =>
    Effect.gen(function* () {
      for (const address of [quic, "/ip4/0.0.0.0/udp/1"]) {
        const error = yield* startError({ listen: [address] })
        assert.strictEqual(error._tag, "InvalidAddressError")
        assert.strictEqual(
          error.message,
          `"${address}" is not an address that can be used: nothing here listens on UDP unless a transport for it is given in the option transports`
        )
      }
      const relayed = yield* startError({ listen: ["/p2p-circuit"] })
      assert.strictEqual(
        relayed.message,
        '"/p2p-circuit" is not an address that can be used: relays to be reached through are named in the option relays'
      )
    })
  )

  it.scopedLive("are refused when there are two of a kind", () =>
    Effect.gen(function* () {
      const error = yield* startError({ transports: [{ transport: tcp() }] })
      assert.strictEqual(error._tag, "InvalidOptionsError")
      assert.strictEqual(
        error.message,
        "invalid options: transports: There is already a transport with the tag @libp2p/tcp"
      )
    })
  )
})
