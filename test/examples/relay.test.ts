import * as Command from "@effect/platform/Command"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { message } from "../support/kernel.ts"
import { reserved, startKernel } from "../support/libp2pKernel.ts"

const seed = "5e".repeat(32)
const relayId = "12D3KooWJX11sa7vuW1Q1pMMA8j76s8QbTGtEcudsUwGHE5hvMbs"

const start = (...options: ReadonlyArray<string>) =>
  Command.start(
    Command.make(
      "node",
      "--conditions=effect-remotes-source",
      "examples/relay/main.ts",
      "--host",
      "127.0.0.1",
      ...options
    )
  )

describe("the relay program", () => {
  it.scopedLive("prints its addresses, by which two kernels talk, and ends well when it is interrupted", () =>
    Effect.gen(function* () {
      const relay = yield* start("--tcp-port", "0", "--ws-port", "0", "--seed", seed)
      const [title, tcp = "", ws = ""] = yield* relay.stdout.pipe(
        Stream.decodeText(),
        Stream.splitLines,
        Stream.take(3),
        Stream.runCollect
      )
      assert.strictEqual(title, `Relay ${relayId}`)
      assert.match(tcp, new RegExp(`^/ip4/127.0.0.1/tcp/[0-9]+/p2p/${relayId}$`, "u"))
      assert.match(ws, new RegExp(`^/ip4/127.0.0.1/tcp/[0-9]+/ws/p2p/${relayId}$`, "u"))
      const alice = yield* startKernel("alice")
      const bob = yield* startKernel("bob", { factory: { relays: [ws] } })
      yield* reserved(bob, ws)
      const handle = yield* alice.remotes.get(bob.peerId, { hints: [tcp] })
      const receipt = yield* handle.deliver(message("hello"))
      yield* receipt.acknowledged
      assert.deepStrictEqual(bob.received, ["hello"])
      const exit = yield* Effect.fork(relay.exitCode)
      yield* relay.kill("SIGINT")
      assert.strictEqual(yield* exit, 0)
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive("tells in one sentence what is wrong with an option", () =>
    Effect.gen(function* () {
      const cases = [
        [["--tcp-port", "x"], "--tcp-port must be a port from 0 to 65535, but is 'x'."],
        [["--tcp-port", "0", "--seed", "abc"], "the key seed is not 32 bytes in hexadecimal"],
        [["--tcp-port", "0", "--announce", "x"], '"x" is not an address that can be used: it is no multiaddr']
      ] as const
      const refused = ([options, sentence]: (typeof cases)[number]) =>
        Effect.gen(function* () {
          const relay = yield* start("--ws-port", "0", ...options)
          assert.strictEqual((yield* Stream.mkString(Stream.decodeText(relay.stderr))).trim(), sentence)
          assert.strictEqual(yield* relay.exitCode, 1)
        })
      yield* Effect.forEach(cases, refused, { concurrency: "unbounded", discard: true })
    }).pipe(Effect.provide(NodeContext.layer))
  )
})
