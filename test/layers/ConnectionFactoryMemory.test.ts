import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as ConnectionFactoryMemory from "../../src/layers/ConnectionFactoryMemory.ts"
import * as Frame from "../../src/protocol/Frame.ts"
import * as PeerId from "../../src/protocol/PeerId.ts"
import { type Channel, ConnectionFactory } from "../../src/services/ConnectionFactory.ts"
import { RemoteIdentity } from "../../src/services/RemoteIdentity.ts"
import * as RemotesConfig from "../../src/services/RemotesConfig.ts"
import * as Network from "../../src/testing/Network.ts"

const id = (text: string) => Either.getOrThrow(PeerId.fromString(text))
const A = id("12D3KooWNW98jY6oC8EEaFFbYCc24HPRaNAJaEY7eiAvspiAgFak")
const B = id("12D3KooWFYVfnFKGTuL9KRfpGHyJXC48zqmwZnRLMiUcNGmGPA8E")
const C = id("12D3KooWP7CwQswqLKZbwvYd9wrEynnL9F2aKVP1X9huNASBTuqj")
const at = (peer: PeerId.PeerId) => [ConnectionFactoryMemory.addressOf(peer)]

type Factory = typeof ConnectionFactory.Service

const bytes = (length: number, seed = 1) => new Uint8Array(length).map((_, i) => i * seed + seed)
const frames = (...payloads: ReadonlyArray<Uint8Array>) => Frame.encode(payloads)
const text = (word: string) => new TextEncoder().encode(word)
const words = (payloads: ReadonlyArray<Uint8Array>) => payloads.map((it) => new TextDecoder().decode(it))
const say = (channel: Channel, ...all: ReadonlyArray<string>) => channel.send(frames(...all.map(text)))
const hear = (channel: Channel) => Effect.map(channel.receive, words)

const accepted = (factory: Factory) => Effect.flatMap(Effect.orDie(factory.incoming.take), (it) => it.accept)
const join = (from: Factory, to: Factory) => Effect.all([from.dial(to.localPeerId, at(to.localPeerId)), accepted(to)])
const pair = (options?: ConnectionFactoryMemory.Options) =>
  Effect.gen(function* () {
    const network = yield* Network.Network
    const alice = yield* ConnectionFactoryMemory.make(A)
    const bob = yield* ConnectionFactoryMemory.make(B, options)
    return { network, alice, bob }
  })
const joined = (options?: ConnectionFactoryMemory.Options) =>
  Effect.gen(function* () {
    const it = yield* pair(options)
    const [near, far] = yield* join(it.alice, it.bob)
    return { ...it, near, far }
  })
const isWaiting = <X, E>(fiber: Fiber.RuntimeFiber<X, E>) => Effect.map(fiber.poll, Option.isNone)
/** Lets everything happen that happens without time passing. */
const settle = TestClock.adjust(0)
const onNetwork = <X, E>(test: Effect.Effect<X, E, Network.Network | Scope.Scope>, options: Network.Options = {}) =>
  Effect.provide(Effect.scoped(test), Network.layerWith(options))
const expectIdle = Effect.gen(function* () {
  const network = yield* Network.Network
  yield* settle
  assert.strictEqual(yield* network.openChannels(), 0)
  assert.isTrue(yield* network.isIdle)
})

describe("ConnectionFactoryMemory", () => {
  describe("a dial", () => {
    it.effect("opens a channel that both sides know as such", () =>
      onNetwork(
        Effect.gen(function* () {
          const { alice, bob, far, near } = yield* joined()
          assert.strictEqual(alice.localPeerId, A)
          assert.deepStrictEqual(yield* bob.listenAddresses, [`/memory/${B}/p2p/${B}`])
          assert.deepInclude(
            { ...near },
            { peerId: B, direction: "outbound", address: `/memory/${B}/p2p/${B}`, relayed: false }
          )
          assert.deepInclude(
            { ...far },
            { peerId: A, direction: "inbound", address: `/memory/${A}/p2p/${A}`, relayed: false }
          )
          assert.deepStrictEqual([near.status(), far.status()], ["open", "open"])
        })
      )
    )

    it.effect("settles on the dialer's first protocol that the listener has", () =>
      onNetwork(
        Effect.gen(function* () {
          const network = yield* Network.Network
          const alice = yield* ConnectionFactoryMemory.make(A)
          const bob = yield* ConnectionFactoryMemory.make(B, { protocols: ["whatever"] })
          const carol = yield* ConnectionFactoryMemory.make(C, { protocols: ["whatever", "/effect-remotes/1"] })
          const protocols = (from: Factory, to: Factory) =>
            Effect.map(join(from, to), (ends) => ends.map((it) => it.protocol))
          assert.deepStrictEqual(yield* protocols(alice, bob), ["whatever", "whatever"])
          assert.deepStrictEqual(yield* protocols(alice, carol), ["/effect-remotes/1", "/effect-remotes/1"])
          assert.deepStrictEqual(yield* protocols(carol, alice), ["whatever", "whatever"])
          yield* network.crash(B)
          const mute = yield* ConnectionFactoryMemory.make(B, { protocols: ["other"] })
          const error = yield* Effect.flip(alice.dial(mute.localPeerId, at(B)))
          assert.deepInclude(error, { _tag: "DialFailedError", code: "UnsupportedProtocolError" })
        })
      )
    )

    it.effect("needs a hint that ends in the peer's id", () =>
      onNetwork(
        Effect.gen(function* () {
          const { alice } = yield* pair()
          for (const hints of [[], at(C), [`/memory/${B}`]]) {
            assert.deepInclude(yield* Effect.flip(alice.dial(B, hints)), { _tag: "NoAddressError", peerId: B })
          }
          assert.strictEqual((yield* alice.dial(B, ["/dns4/relay/tcp/1", `/ip4/127.0.0.1/tcp/9/p2p/${B}`])).peerId, B)
        })
      )
    )

    it.effect("needs none where the network lets kernels discover each other", () =>
      onNetwork(
        Effect.gen(function* () {
          const { alice } = yield* pair()
          assert.strictEqual((yield* alice.dial(B, [])).status(), "open")
        }),
        { discover: true }
      )
    )

    it.effect("fails at once for a peer that is not there, and for the kernel itself", () =>
      onNetwork(
        Effect.gen(function* () {
          const { alice } = yield* pair()
          assert.deepInclude(yield* Effect.flip(alice.dial(C, at(C))), {
            _tag: "DialFailedError",
            code: "ECONNREFUSED"
          })
          assert.deepInclude(yield* Effect.flip(alice.dial(A, at(A))), { _tag: "DialFailedError", code: "DialError" })
        })
      )
    )

    it.effect("opens a channel of its own each time, also when many run at once", () =>
      onNetwork(
        Effect.gen(function* () {
          const { alice, bob, network } = yield* pair()
          yield* network.delay("all", "all", { latency: "10 millis" })
          const dials = yield* Effect.fork(
            Effect.replicateEffect(alice.dial(B, at(B)), 20, { concurrency: "unbounded" } as const)
          )
          yield* TestClock.adjust("20 millis")
          assert.strictEqual(new Set(yield* Fiber.join(dials)).size, 20)
          assert.strictEqual((yield* bob.incoming.takeAll)[0].length, 20)
        })
      )
    )

    it.effect("lives as long as its scope, which closes it gracefully", () =>
      onNetwork(
        Effect.gen(function* () {
          const { alice, bob } = yield* pair()
          yield* Effect.scoped(Effect.flatMap(alice.dial(B, at(B)), (near) => say(near, "last words")))
          const far = yield* accepted(bob)
          assert.deepStrictEqual(yield* hear(far), ["last words"])
          assert.deepInclude(yield* Effect.flip(far.receive), { _tag: "StreamClosedError", status: "closed" })
          yield* far.close
          assert.deepInclude(yield* far.ended, { by: "remote", clean: true })
          yield* expectIdle
        })
      )
    )
  })

  describe("a channel", () => {
    it.effect("moves frames both ways, many in one buffer, one in many buffers", () =>
      onNetwork(
        Effect.gen(function* () {
          const { far, near } = yield* joined()
          yield* say(near, "one", "", "two")
          yield* say(near, "three")
          assert.deepStrictEqual(yield* hear(far), ["one", "", "two", "three"])
          const cut = frames(bytes(300), text("tail"))
          yield* far.send(cut.subarray(0, 1))
          yield* far.send(cut.subarray(1, 100))
          const waiting = yield* Effect.fork(near.receive)
          yield* settle
          assert.isTrue(yield* isWaiting(waiting))
          yield* far.send(cut.subarray(100))
          assert.deepStrictEqual(yield* Fiber.join(waiting), [bytes(300), text("tail")])
        })
      )
    )

    it.effect("holds the sender back while the peer does not receive, by bytes, and each direction alone", () =>
      onNetwork(
        Effect.gen(function* () {
          const { far, near, network } = yield* joined()
          yield* near.send(frames(bytes(600)))
          yield* near.send(frames(bytes(600)))
          const held = yield* Effect.fork(near.send(frames(bytes(600))))
          yield* TestClock.adjust("1 day")
          assert.isTrue(yield* isWaiting(held))
          assert.strictEqual(yield* network.bytes(A, B), 1204)
          yield* say(far, "free")
          assert.deepStrictEqual(yield* hear(near), ["free"])
          assert.strictEqual((yield* far.receive).length, 2)
          yield* Fiber.join(held)
          assert.strictEqual((yield* far.receive).length, 1)
        }),
        { window: 1000 }
      )
    )

    it.effect("takes what is sent now in the very turn, and leaves the rest of the wait to who wants it", () =>
      onNetwork(
        Effect.gen(function* () {
          const { far, near } = yield* joined()
          assert.strictEqual(near.sendNow(frames(bytes(600))), Effect.void, "there is nothing to wait for")
          assert.strictEqual(
            near.sendNow(frames(bytes(600))),
            Effect.void,
            "nor here: the first one was within the window"
          )
          const third = near.sendNow(frames(bytes(600)))
          assert.notStrictEqual(third, Effect.void, "the peer holds back")
          const held = yield* Effect.fork(third)
          yield* TestClock.adjust("1 day")
          assert.isTrue(yield* isWaiting(held))
          assert.strictEqual((yield* far.receive).length, 2)
          yield* Fiber.join(held)
          assert.strictEqual((yield* far.receive).length, 1)
          yield* near.close
          assert.strictEqual((yield* Effect.flip(near.sendNow(frames(bytes(1)))))._tag, "StreamClosedError")
        }),
        { window: 1000 }
      )
    )

    it.effect("makes room for a frame that is larger than the window as its pieces arrive", () =>
      onNetwork(
        Effect.gen(function* () {
          const { far, near } = yield* joined()
          const large = frames(bytes(10_000))
          yield* Effect.fork(
            Effect.gen(function* () {
              for (let i = 0; i < large.length; i += 100) yield* near.send(large.subarray(i, i + 100))
            })
          )
          assert.deepStrictEqual(yield* far.receive, [bytes(10_000)])
        }),
        { window: 256 }
      )
    )

    it.effect("calls back who listens, once: for frames, for what is there already, and for the end", () =>
      onNetwork(
        Effect.gen(function* () {
          const { far, near } = yield* joined()
          const calls: Array<string> = []
          far.listen(() => void calls.push("replaced"))
          far.listen(() => void calls.push("arrival"))
          yield* say(near, "one")
          yield* say(near, "two")
          yield* settle
          assert.deepStrictEqual(calls, ["arrival"])
          far.listen(() => void calls.push("there"))
          assert.deepStrictEqual(calls, ["arrival", "there"])
          assert.deepStrictEqual(yield* hear(far), ["one", "two"])
          far.listen(() => void calls.push("end"))
          yield* near.close
          yield* settle
          assert.deepStrictEqual(calls, ["arrival", "there", "end"])
          assert.strictEqual((yield* Effect.flip(far.receive))._tag, "StreamClosedError")
        })
      )
    )

    it.effect("makes room while somebody listens as it does while somebody receives", () =>
      onNetwork(
        Effect.gen(function* () {
          const { far, near } = yield* joined()
          const large = frames(bytes(10_000))
          const heard = yield* Effect.async<void>((resume) => far.listen(() => resume(Effect.void))).pipe(Effect.fork)
          yield* settle
          for (let i = 0; i < large.length; i += 100) yield* near.send(large.subarray(i, i + 100))
          yield* Fiber.join(heard)
          assert.deepStrictEqual(yield* far.receive, [bytes(10_000)])
        }),
        { window: 256 }
      )
    )

    it.effect("keeps the bytes of a send that is interrupted", () =>
      onNetwork(
        Effect.gen(function* () {
          const { far, near } = yield* joined()
          yield* say(near, "first")
          const held = yield* Effect.fork(say(near, "second"))
          yield* settle
          yield* Fiber.interrupt(held)
          assert.deepStrictEqual(yield* hear(far), ["first"])
          assert.deepStrictEqual(yield* hear(far), ["second"])
        }),
        { window: 1 }
      )
    )

    it.effect("loses no frame to a receive that is interrupted", () =>
      onNetwork(
        Effect.gen(function* () {
          const { far, near } = yield* joined()
          const waiting = yield* Effect.fork(far.receive)
          yield* settle
          yield* say(near, "kept")
          yield* Effect.zipRight(Fiber.interruptFork(waiting), Fiber.await(waiting))
          assert.deepStrictEqual(yield* hear(far), ["kept"])
          const idle = yield* Effect.fork(far.receive)
          yield* settle
          yield* Fiber.interrupt(idle)
          const next = yield* Effect.fork(hear(far))
          yield* Effect.zipRight(settle, say(near, "next"))
          assert.deepStrictEqual(yield* Fiber.join(next), ["next"])
        })
      )
    )

    it.effect("dies of a second reader, which would be a bug", () =>
      onNetwork(
        Effect.gen(function* () {
          const { far } = yield* joined()
          yield* Effect.fork(far.receive)
          yield* settle
          assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.catchAll(far.receive, () => Effect.void))))
        })
      )
    )

    it.effect("ends after a violation, behind the frames that came before it", () =>
      onNetwork(
        Effect.gen(function* () {
          const { far, near } = yield* joined({ maxFrameSize: 10 })
          yield* near.send(Uint8Array.of(...frames(text("good"), bytes(10)), ...frames(bytes(11))))
          assert.deepStrictEqual(yield* far.receive, [text("good"), bytes(10)])
          const error = yield* Effect.flip(far.receive)
          assert.deepInclude(error, { _tag: "ProtocolViolationError", peerId: A })
          assert.deepStrictEqual(yield* far.ended, { by: "local", error })
          assert.strictEqual(far.status(), "aborted")
          assert.strictEqual((yield* Effect.flip(near.receive))._tag, "StreamResetError")
        })
      )
    )

    it.effect("takes a stream that ends inside a frame for a violation", () =>
      onNetwork(
        Effect.gen(function* () {
          const { far, near } = yield* joined()
          yield* near.send(frames(bytes(10)).subarray(0, 5))
          yield* near.close
          assert.strictEqual((yield* Effect.flip(far.receive))._tag, "ProtocolViolationError")
        })
      )
    )

    it.effect("takes frames up to the option of the configuration by default", () =>
      onNetwork(
        Effect.gen(function* () {
          const { far, near } = yield* joined()
          yield* near.send(frames(bytes(5000)))
          assert.strictEqual((yield* Effect.flip(far.receive))._tag, "ProtocolViolationError")
        })
      ).pipe(Effect.provide(RemotesConfig.layer({ maxMessageSize: 4096 })))
    )
  })

  describe("a graceful close", () => {
    it.effect("lets the peer read all, then a clean end; nothing is written any more", () =>
      onNetwork(
        Effect.gen(function* () {
          const { far, near } = yield* joined()
          yield* say(far, "unread")
          yield* say(near, "a", "b")
          yield* settle
          yield* near.close
          assert.strictEqual(near.status(), "closed")
          assert.deepStrictEqual(yield* near.ended, { by: "local", error: undefined })
          assert.deepInclude(yield* Effect.flip(say(near, "late")), { _tag: "StreamClosedError", status: "closed" })
          assert.deepStrictEqual(yield* hear(near), ["unread"])
          assert.deepInclude(yield* Effect.flip(near.receive), { _tag: "StreamClosedError", status: "closed" })
          assert.deepStrictEqual(yield* hear(far), ["a", "b"])
          assert.strictEqual((yield* Effect.flip(far.receive))._tag, "StreamClosedError")
          assert.strictEqual(far.status(), "closed")
          assert.deepInclude(yield* Effect.flip(say(far, "to nobody")), { _tag: "StreamClosedError", status: "closed" })
          assert.deepStrictEqual(yield* far.ended, { by: "remote", clean: true, error: undefined })
          yield* far.close
          yield* expectIdle
        })
      )
    )

    it.effect("flushes what waits for the peer, and its send, before the end", () =>
      onNetwork(
        Effect.gen(function* () {
          const { far, near } = yield* joined()
          yield* say(near, "first")
          const sending = yield* Effect.fork(say(near, "second"))
          yield* settle
          const closing = yield* Effect.fork(near.close)
          yield* settle
          assert.strictEqual(near.status(), "closing")
          assert.deepInclude(yield* Effect.flip(say(near, "late")), { status: "closing" })
          assert.deepStrictEqual(yield* hear(far), ["first"])
          yield* Fiber.join(sending)
          assert.deepStrictEqual(yield* hear(far), ["second"])
          yield* Fiber.join(closing)
          assert.deepInclude(yield* Effect.flip(far.receive), { _tag: "StreamClosedError" })
        }),
        { window: 1 }
      )
    )

    it.effect("turns into an abort at its deadline, also when it is interrupted and asked for twice", () =>
      onNetwork(
        Effect.gen(function* () {
          const { far, near } = yield* joined()
          yield* say(near, "first")
          const sending = yield* Effect.fork(Effect.flip(say(near, "second")))
          yield* settle
          const closing = yield* Effect.fork(near.close)
          const again = yield* Effect.fork(near.close)
          yield* settle
          yield* Fiber.interruptFork(closing)
          yield* TestClock.adjust("999 millis")
          assert.isTrue((yield* isWaiting(closing)) && (yield* isWaiting(again)))
          yield* TestClock.adjust("1 millis")
          yield* Fiber.await(closing)
          yield* Fiber.join(again)
          assert.strictEqual(near.status(), "aborted")
          assert.deepInclude(yield* Fiber.join(sending), { _tag: "StreamClosedError", status: "aborted" })
          const end = yield* near.ended
          assert.deepInclude(end, { by: "local" })
          assert.propertyVal(end.error, "_tag", "WriteTimeoutError")
          assert.deepStrictEqual(yield* hear(far), ["first"])
          assert.strictEqual((yield* Effect.flip(far.receive))._tag, "StreamResetError")
          yield* expectIdle
        }),
        { window: 1 }
      )
    )

    it.effect("does not wait for a peer that closed without reading", () =>
      onNetwork(
        Effect.gen(function* () {
          const { far, near } = yield* joined()
          yield* say(near, "first")
          const sending = yield* Effect.fork(say(near, "second"))
          yield* settle
          yield* far.close
          yield* Fiber.join(sending)
          yield* near.close
          assert.deepInclude(yield* near.ended, { by: "remote", clean: true })
        }),
        { window: 1 }
      )
    )

    it.effect("leaves no deadline behind once the peer has made room", () =>
      onNetwork(
        Effect.gen(function* () {
          const { far, near } = yield* joined()
          yield* say(near, "first")
          yield* Effect.fork(say(near, "second"))
          const closing = yield* Effect.fork(near.close)
          yield* settle
          yield* Effect.zipRight(hear(far), hear(far))
          yield* Fiber.join(closing)
          yield* expectIdle
        }),
        { window: 1 }
      )
    )

    it.effect("leaves nothing under way once both ends are over", () =>
      onNetwork(
        Effect.gen(function* () {
          const { alice, bob, far, near, network } = yield* joined()
          const [near2, far2] = yield* join(alice, bob)
          yield* network.delay("all", "all", { latency: "1 hour" })
          yield* Effect.all([say(near, "lost"), say(far, "lost"), near.close, far.close])
          yield* Effect.all([far2.close, near2.abort(new Error("enough"))])
          yield* expectIdle
        })
      )
    )

    it.effect("lets go of what is under way to a peer that closed meanwhile, and stays clean when cut then", () =>
      onNetwork(
        Effect.gen(function* () {
          const { alice, bob, far, near, network } = yield* joined()
          const [near2, far2] = yield* join(alice, bob)
          yield* network.delay(B, A, { latency: "500 millis" })
          const held = yield* Effect.forEach([far, far2], (it) =>
            Effect.zipRight(say(it, "first"), Effect.fork(Effect.exit(say(it, "second"))))
          )
          yield* settle
          yield* Effect.all([near.close, near2.close, settle])
          assert.deepStrictEqual([far.status(), far2.status()], ["closing", "closing"])
          yield* far2.abort(new Error("enough"))
          yield* TestClock.adjust("500 millis")
          assert.deepStrictEqual((yield* Effect.forEach(held, Fiber.join)).map(Exit.isSuccess), [true, false])
          assert.strictEqual(far.status(), "closed")
          const [near3, far3] = yield* Effect.zipRight(network.delay(B, A, { latency: 0 }), join(alice, bob))
          yield* network.delay(B, A, { latency: "500 millis" })
          yield* Effect.zipRight(say(far3, "first"), Effect.fork(Effect.exit(say(far3, "second"))))
          yield* Effect.all([settle, near3.close, settle])
          yield* network.cut(A, B)
          assert.deepStrictEqual(yield* far3.ended, { by: "remote", clean: true, error: undefined })
          yield* expectIdle
        }),
        { window: 1 }
      )
    )

    it.effect("ends a reader that waits", () =>
      onNetwork(
        Effect.gen(function* () {
          const { far, near } = yield* joined()
          const readers = yield* Effect.forEach([near, far], (it) => Effect.fork(Effect.flip(it.receive)))
          yield* settle
          yield* Effect.all([near.close, near.close, far.close, far.close])
          for (const reader of readers) assert.strictEqual((yield* Fiber.join(reader))._tag, "StreamClosedError")
          yield* expectIdle
        })
      )
    )
  })

  describe("an abort", () => {
    it.effect("resets the peer's end and says why at this one", () =>
      onNetwork(
        Effect.gen(function* () {
          const { far, near } = yield* joined()
          const reader = yield* Effect.fork(Effect.flip(near.receive))
          const error = new Error("enough")
          yield* settle
          yield* near.abort(error)
          yield* near.abort(new Error("again"))
          yield* near.close
          assert.strictEqual(near.status(), "aborted")
          assert.deepStrictEqual(yield* near.ended, { by: "local", error })
          assert.deepInclude(yield* Fiber.join(reader), { _tag: "StreamClosedError", status: "aborted", cause: error })
          assert.deepInclude(yield* Effect.flip(say(near, "late")), { _tag: "StreamClosedError", status: "aborted" })
          assert.strictEqual((yield* Effect.flip(far.receive))._tag, "StreamResetError")
          const end = yield* far.ended
          assert.deepInclude(end, { by: "remote", clean: false })
          assert.propertyVal(end.error, "_tag", "StreamResetError")
          assert.strictEqual(far.status(), "reset")
          assert.deepInclude(yield* Effect.flip(say(far, "late")), { _tag: "StreamClosedError", status: "reset" })
          yield* expectIdle
        })
      )
    )

    it.effect("loses what is under way, and leaves what has arrived to be read", () =>
      onNetwork(
        Effect.gen(function* () {
          const { far, near } = yield* joined()
          yield* say(near, "arrived")
          yield* say(far, "unwanted")
          yield* settle
          yield* say(near, "under way")
          yield* near.abort(new Error("enough"))
          assert.strictEqual((yield* Effect.flip(near.receive))._tag, "StreamClosedError")
          assert.deepStrictEqual(yield* hear(far), ["arrived"])
          assert.strictEqual((yield* Effect.flip(far.receive))._tag, "StreamResetError")
        })
      )
    )

    it.effect("ends sends that wait at both ends", () =>
      onNetwork(
        Effect.gen(function* () {
          const { far, near } = yield* joined()
          const sends = yield* Effect.forEach([near, far], (it) =>
            Effect.zipRight(say(it, "first"), Effect.fork(Effect.flip(say(it, "second"))))
          )
          yield* settle
          yield* near.abort(new Error("enough"))
          const errors = yield* Effect.forEach(sends, Fiber.join)
          assert.deepStrictEqual(
            errors.map((it) => it._tag),
            ["StreamClosedError", "StreamResetError"]
          )
        }),
        { window: 1 }
      )
    )
  })

  describe("incoming", () => {
    it.effect("is refused beyond 256 untaken", () =>
      onNetwork(
        Effect.gen(function* () {
          const { alice, bob } = yield* pair()
          const all = yield* Effect.replicateEffect(alice.dial(B, at(B)), 257)
          yield* settle
          assert.deepStrictEqual(
            all.map((it) => it.status()),
            [...Array.from({ length: 256 }, () => "open"), "reset"]
          )
          yield* bob.incoming.take
          assert.strictEqual((yield* alice.dial(B, at(B))).status(), "open")
        })
      )
    )

    it.effect("is taken once: accepted into a scope, or refused", () =>
      onNetwork(
        Effect.gen(function* () {
          const { alice, bob } = yield* pair()
          const [first, second] = yield* Effect.replicateEffect(alice.dial(B, at(B)), 2)
          const scoped = yield* bob.incoming.take
          assert.strictEqual(scoped.peerId, A)
          yield* Effect.scoped(Effect.flatMap(scoped.accept, (it) => say(it, "hello")))
          assert.deepStrictEqual(yield* hear(first!), ["hello"])
          assert.strictEqual((yield* Effect.flip(first!.receive))._tag, "StreamClosedError")
          yield* (yield* bob.incoming.take).refuse(new Error("no"))
          assert.strictEqual((yield* Effect.flip(second!.receive))._tag, "StreamResetError")
          assert.isTrue(Exit.isFailure(yield* Effect.exit(scoped.refuse(new Error("twice")))))
        })
      )
    )

    it.effect("has what was sent before it was taken", () =>
      onNetwork(
        Effect.gen(function* () {
          const { alice, bob } = yield* pair()
          yield* say(yield* alice.dial(B, at(B)), "early")
          yield* settle
          assert.deepStrictEqual(yield* hear(yield* accepted(bob)), ["early"])
        })
      )
    )

    it.effect("names a peer as disconnected when its last channel ends, not before", () =>
      onNetwork(
        Effect.gen(function* () {
          const { alice, bob, far, near } = yield* joined()
          const [near2, far2] = yield* join(bob, alice)
          yield* near.close
          yield* Effect.zipRight(far.ended, settle)
          for (const { disconnected } of [alice, bob]) assert.deepStrictEqual(yield* disconnected.size, Option.some(0))
          yield* far2.close
          assert.strictEqual(yield* alice.disconnected.take, B)
          assert.strictEqual(yield* bob.disconnected.take, A)
          assert.deepInclude(yield* near2.ended, { clean: true })
        })
      )
    )
  })

  describe("the end of a factory", () => {
    it.effect("ends its channels gracefully, aborts what nobody took, and refuses everything after", () =>
      onNetwork(
        Effect.gen(function* () {
          const network = yield* Network.Network
          const bob = yield* ConnectionFactoryMemory.make(B)
          const scope = yield* Scope.make()
          const alice = yield* Scope.extend(ConnectionFactoryMemory.make(A), scope)
          const [, far] = yield* join(alice, bob)
          const untaken = yield* bob.dial(A, at(A))
          yield* network.hang(B)
          const dial = yield* Effect.fork(Effect.flip(alice.dial(B, at(B))))
          yield* settle
          yield* Scope.close(scope, Exit.void)
          assert.strictEqual((yield* Effect.flip(far.receive))._tag, "StreamClosedError")
          assert.strictEqual((yield* Effect.flip(untaken.receive))._tag, "StreamResetError")
          assert.strictEqual((yield* Fiber.join(dial))._tag, "NetworkStoppedError")
          assert.strictEqual((yield* Effect.flip(alice.dial(B, at(B))))._tag, "NetworkStoppedError")
          assert.deepInclude(yield* Effect.flip(bob.dial(A, at(A))), { code: "ECONNREFUSED" })
          assert.deepStrictEqual(yield* alice.incoming.size, Option.none())
          assert.deepStrictEqual(yield* alice.disconnected.size, Option.none())
          yield* far.close
          yield* expectIdle
          assert.deepStrictEqual(yield* network.peers, [B])
        })
      )
    )

    it.effect("leaves nothing of 1,000 channels, opened and ended in every way", () =>
      onNetwork(
        Effect.gen(function* () {
          const { alice, bob, network } = yield* pair()
          const waysToEnd = [
            (near: Channel, far: Channel) => Effect.zip(near.close, far.close),
            (near: Channel) => near.abort(new Error("enough")),
            (_: Channel, far: Channel) => far.abort(new Error("enough")),
            () => network.cut(A, B),
            () => Effect.void
          ]
          for (let i = 0; i < 1000; i++) {
            if (i === 500) yield* network.delay("all", B, { latency: "5 millis" })
            const once = Effect.scoped(
              Effect.gen(function* () {
                const [near, far] = yield* join(alice, bob)
                yield* say(near, "hello")
                yield* waysToEnd[i % waysToEnd.length]!(near, far)
              })
            )
            if (i < 500) yield* once
            else yield* Effect.zipLeft(Effect.fork(once), i % 50 === 0 ? TestClock.adjust("10 millis") : Effect.void)
          }
          yield* TestClock.adjust("1 minute")
          yield* expectIdle
          assert.isAtMost((yield* network.log).length, 1000)
        })
      )
    )

    it.effect("follows the identity of the kernel, and one peer id is one kernel", () => {
      const identity = Layer.mock(RemoteIdentity, {
        peerId: C,
        incarnationId: "1",
        keySeed: Redacted.make(new Uint8Array(32))
      })
      return onNetwork(
        Effect.gen(function* () {
          const network = yield* Network.Network
          const kernel = Effect.map(ConnectionFactory, (it) => it.localPeerId)
          assert.strictEqual(yield* Effect.provide(kernel, Layer.provide(ConnectionFactoryMemory.layer, identity)), C)
          assert.strictEqual(yield* Effect.provide(kernel, ConnectionFactoryMemory.layerPeer(A)), A)
          assert.deepStrictEqual(yield* network.peers, [])
          yield* ConnectionFactoryMemory.make(A)
          assert.isTrue(Exit.isFailure(yield* Effect.exit(ConnectionFactoryMemory.make(A))))
          assert.deepStrictEqual(yield* network.peers, [A])
        })
      )
    })
  })
})

describe("Network", () => {
  it.effect("cut: every channel between the two vanishes at both ends, others stay", () =>
    onNetwork(
      Effect.gen(function* () {
        const { alice, bob, far, near, network } = yield* joined()
        const carol = yield* ConnectionFactoryMemory.make(C)
        const [other] = yield* join(alice, carol)
        const [back] = yield* join(bob, alice)
        yield* network.cut(A, B)
        for (const it of [near, far, back]) {
          assert.strictEqual((yield* Effect.flip(it.receive))._tag, "StreamResetError")
          assert.deepStrictEqual(yield* it.ended, { by: "remote", clean: false, error: undefined })
        }
        assert.strictEqual(other.status(), "open")
        assert.strictEqual(yield* network.openChannels(), 1)
        assert.strictEqual((yield* join(alice, bob))[0].status(), "open")
        yield* network.cut("all", A)
        assert.strictEqual(yield* network.openChannels(), 0)
      })
    )
  )

  it.effect("cut: what is under way is lost, and a FIN that arrived still counts as clean", () =>
    onNetwork(
      Effect.gen(function* () {
        const { alice, bob, far, near, network } = yield* joined()
        yield* say(near, "under way")
        yield* network.cut(A, B)
        assert.isTrue(yield* network.isIdle)
        assert.strictEqual((yield* Effect.flip(far.receive))._tag, "StreamResetError")
        const [near2, far2] = yield* join(alice, bob)
        yield* near2.close
        yield* settle
        yield* network.cut(B, A)
        assert.strictEqual((yield* Effect.flip(far2.receive))._tag, "StreamClosedError")
        assert.deepInclude(yield* far2.ended, { by: "remote", clean: true })
      })
    )
  )

  it.effect("reset: both ends see a reset", () =>
    onNetwork(
      Effect.gen(function* () {
        const { far, near, network } = yield* joined()
        yield* network.reset(B, A)
        for (const it of [near, far]) {
          assert.propertyVal((yield* it.ended).error, "_tag", "StreamResetError")
          assert.strictEqual(it.status(), "reset")
        }
      })
    )
  )

  it.effect("silence: nothing gets through one way and nobody is told; a torn channel is reset when healed", () =>
    onNetwork(
      Effect.gen(function* () {
        const { alice, bob, far, near, network } = yield* joined()
        const [whole] = yield* join(bob, alice)
        yield* say(near, "before")
        yield* network.silence(A, B)
        yield* say(near, "lost")
        yield* say(far, "heard")
        assert.deepStrictEqual(yield* hear(far), ["before"])
        assert.deepStrictEqual(yield* hear(near), ["heard"])
        const reader = yield* Effect.fork(Effect.flip(far.receive))
        yield* TestClock.adjust("1 day")
        assert.isTrue(yield* isWaiting(reader))
        assert.deepStrictEqual([near.status(), far.status()], ["open", "open"])
        yield* network.heal(B, A)
        assert.strictEqual(near.status(), "open")
        yield* network.heal(A, B)
        assert.strictEqual((yield* Fiber.join(reader))._tag, "StreamResetError")
        assert.deepStrictEqual([near.status(), far.status(), whole.status()], ["reset", "reset", "open"])
        assert.strictEqual((yield* join(alice, bob))[0].status(), "open")
      })
    )
  )

  it.effect("silence: hides every kind of end until it is healed", () =>
    onNetwork(
      Effect.gen(function* () {
        const { alice, bob, network } = yield* pair()
        const channels = yield* Effect.replicateEffect(join(alice, bob), 3)
        yield* network.silence(A, B)
        yield* channels[0]![0].close
        yield* channels[1]![0].abort(new Error("enough"))
        yield* network.crash(A)
        yield* TestClock.adjust("1 day")
        assert.deepStrictEqual(
          channels.map(([, far]) => far.status()),
          ["open", "open", "open"]
        )
        assert.strictEqual(yield* network.openChannels(B, A), 3)
        yield* network.heal()
        assert.deepStrictEqual(
          channels.map(([, far]) => far.status()),
          ["reset", "reset", "reset"]
        )
        yield* expectIdle
      })
    )
  )

  it.effect("silence: a writer whose reader cannot answer stalls", () =>
    onNetwork(
      Effect.gen(function* () {
        const { far, near, network } = yield* joined()
        yield* network.silence(B, A)
        yield* say(near, "one")
        assert.deepStrictEqual(yield* hear(far), ["one"])
        const held = yield* Effect.fork(Effect.flip(say(near, "two")))
        yield* TestClock.adjust("1 hour")
        assert.isTrue(yield* isWaiting(held))
        yield* network.heal()
        assert.strictEqual((yield* Fiber.join(held))._tag, "StreamResetError")
      }),
      { window: 1 }
    )
  )

  it.effect("silence: dials hang for their deadline in either direction, or find the host unreachable", () =>
    onNetwork(
      Effect.gen(function* () {
        const { alice, bob, network } = yield* pair()
        yield* network.silence(A, B)
        const dials = yield* Effect.forEach([alice.dial(B, at(B)), bob.dial(A, at(A))], (it) =>
          Effect.fork(Effect.flip(it))
        )
        yield* TestClock.adjust(9999)
        for (const dial of dials) assert.isTrue(yield* isWaiting(dial))
        assert.isFalse(yield* network.isIdle)
        yield* TestClock.adjust(1)
        for (const dial of dials) {
          const error = yield* Fiber.join(dial)
          assert.deepInclude(error, { _tag: "DialTimeoutError", timeout: Duration.seconds(10) })
        }
        yield* network.silence(A, B, { dials: "unreachable" })
        assert.deepInclude(yield* Effect.flip(bob.dial(A, at(A))), { _tag: "DialFailedError", code: "EHOSTUNREACH" })
        yield* network.heal(A, "all")
        assert.strictEqual((yield* join(alice, bob))[0].status(), "open")
      })
    )
  )

  it.effect("partition: separates groups in both directions, also kernels that come later", () =>
    onNetwork(
      Effect.gen(function* () {
        const { alice, bob, far, near, network } = yield* joined()
        yield* network.partition([[A], [B, C]], { dials: "unreachable" })
        const carol = yield* ConnectionFactoryMemory.make(C)
        yield* Effect.zipRight(say(near, "lost"), say(far, "lost"))
        const reader = yield* Effect.fork(Effect.flip(far.receive))
        const other = yield* Effect.fork(Effect.flip(near.receive))
        yield* settle
        assert.isTrue((yield* isWaiting(reader)) && (yield* isWaiting(other)))
        for (const dial of [alice.dial(B, at(B)), carol.dial(A, at(A)), alice.dial(C, at(C))]) {
          assert.deepInclude(yield* Effect.flip(dial), { code: "EHOSTUNREACH" })
        }
        assert.strictEqual((yield* join(bob, carol))[0].status(), "open")
        yield* network.heal()
        assert.strictEqual((yield* Fiber.join(reader))._tag, "StreamResetError")
        assert.strictEqual((yield* join(alice, carol))[0].status(), "open")
      })
    )
  )

  it.effect("delay: a chunk arrives after the latency of its way, a dial after that of both", () =>
    onNetwork(
      Effect.gen(function* () {
        const { alice, bob, network } = yield* pair()
        yield* network.delay(A, B, { latency: "30 millis" })
        yield* network.delay(B, A, { latency: "20 millis" })
        const dial = yield* Effect.fork(join(alice, bob))
        yield* TestClock.adjust(49)
        assert.isTrue(yield* isWaiting(dial))
        yield* TestClock.adjust(1)
        const [near, far] = yield* Fiber.join(dial)
        const there = yield* Effect.zipRight(say(near, "there"), Effect.fork(hear(far)))
        const back = yield* Effect.zipRight(say(far, "back"), Effect.fork(hear(near)))
        yield* TestClock.adjust(19)
        assert.isTrue(yield* isWaiting(back))
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(yield* Fiber.join(back), ["back"])
        yield* TestClock.adjust(9)
        assert.isTrue(yield* isWaiting(there))
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(yield* Fiber.join(there), ["there"])
        yield* settle
        assert.strictEqual(yield* network.openChannels(), 1)
      })
    )
  )

  it.effect("delay: what is sent later never arrives earlier, and an end waits its turn", () =>
    onNetwork(
      Effect.gen(function* () {
        const { far, near, network } = yield* joined()
        yield* network.delay("all", "all", { latency: "1 second" })
        yield* say(near, "slow")
        yield* network.delay("all", "all", { latency: 0 })
        yield* say(near, "fast")
        yield* near.close
        const reader = yield* Effect.fork(hear(far))
        yield* TestClock.adjust(999)
        assert.isTrue(yield* isWaiting(reader))
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(yield* Fiber.join(reader), ["slow", "fast"])
        assert.strictEqual((yield* Effect.flip(far.receive))._tag, "StreamClosedError")
      })
    )
  )

  it.effect("delay: a narrow path takes its time for each byte", () =>
    onNetwork(
      Effect.gen(function* () {
        const { far, near, network } = yield* joined()
        yield* network.delay(A, B, { latency: "10 millis", bytesPerSecond: 1000 })
        yield* near.send(frames(bytes(99)))
        yield* near.send(frames(bytes(99)))
        const first = yield* Effect.fork(far.receive)
        yield* TestClock.adjust(109)
        assert.isTrue(yield* isWaiting(first))
        yield* TestClock.adjust(1)
        assert.strictEqual((yield* Fiber.join(first)).length, 1)
        const second = yield* Effect.fork(far.receive)
        yield* TestClock.adjust(99)
        assert.isTrue(yield* isWaiting(second))
        yield* TestClock.adjust(1)
        assert.strictEqual((yield* Fiber.join(second)).length, 1)
      })
    )
  )

  it.effect("delay: an abort overtakes what is under way, and takes its time itself", () =>
    onNetwork(
      Effect.gen(function* () {
        const { far, near, network } = yield* joined()
        yield* network.delay(A, B, { latency: "10 millis" })
        yield* say(near, "lost")
        yield* near.abort(new Error("enough"))
        const reader = yield* Effect.fork(Effect.flip(far.receive))
        yield* TestClock.adjust(9)
        assert.isTrue(yield* isWaiting(reader))
        yield* TestClock.adjust(1)
        assert.strictEqual((yield* Fiber.join(reader))._tag, "StreamResetError")
        yield* expectIdle
      })
    )
  )

  it.effect("delay: a cut leaves no timer behind", () =>
    onNetwork(
      Effect.gen(function* () {
        const { near, network } = yield* joined()
        yield* network.delay(A, B, { latency: "1 hour" })
        yield* say(near, "lost")
        assert.isFalse(yield* network.isIdle)
        yield* network.cut(A, B)
        yield* expectIdle
      })
    )
  )

  it.effect("refuse and hang: end dials to a peer until it is welcome", () =>
    onNetwork(
      Effect.gen(function* () {
        const { alice, network } = yield* pair()
        yield* network.refuse(B)
        assert.deepInclude(yield* Effect.flip(alice.dial(B, at(B))), { _tag: "DialFailedError", code: "ECONNREFUSED" })
        yield* network.refuse(B, "ENETUNREACH")
        assert.deepInclude(yield* Effect.flip(alice.dial(B, at(B))), { _tag: "DialFailedError", code: "ENETUNREACH" })
        yield* network.hang(B)
        const dial = yield* Effect.fork(Effect.flip(alice.dial(B, at(B))))
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual((yield* Fiber.join(dial))._tag, "DialTimeoutError")
        yield* network.welcome(B)
        assert.strictEqual((yield* alice.dial(B, at(B))).status(), "open")
      })
    )
  )

  it.effect("crash: the kernel is dead, its peers find out, and a new one takes its place", () =>
    onNetwork(
      Effect.gen(function* () {
        const { alice, bob, far, near, network } = yield* joined()
        yield* say(near, "lost with the process")
        yield* network.hang(B)
        const dial = yield* Effect.fork(Effect.flip(alice.dial(B, at(B))))
        yield* alice.dial(C, at(C)).pipe(Effect.flip)
        yield* settle
        yield* say(near, "under way")
        yield* network.crash(A)
        assert.strictEqual((yield* Fiber.join(dial))._tag, "NetworkStoppedError")
        assert.strictEqual((yield* Effect.flip(alice.dial(B, at(B))))._tag, "NetworkStoppedError")
        assert.strictEqual((yield* Effect.flip(near.receive))._tag, "StreamResetError")
        assert.deepInclude(yield* Effect.flip(say(near, "ghost")), { _tag: "StreamClosedError", status: "reset" })
        assert.deepStrictEqual(yield* alice.incoming.size, Option.none())
        assert.deepStrictEqual(yield* hear(far), ["lost with the process"])
        assert.strictEqual((yield* Effect.flip(far.receive))._tag, "StreamResetError")
        assert.deepStrictEqual(yield* far.ended, { by: "remote", clean: false, error: undefined })
        assert.strictEqual(yield* bob.disconnected.take, A)
        assert.deepInclude(yield* Effect.flip(bob.dial(A, at(A))), { code: "ECONNREFUSED" })
        yield* expectIdle
        const reborn = yield* ConnectionFactoryMemory.make(A)
        assert.strictEqual((yield* join(bob, reborn))[0].status(), "open")
      })
    )
  )

  it.effect("duplicateDials: the listener sees channels that the dialer does not know", () =>
    onNetwork(
      Effect.gen(function* () {
        const { alice, bob, network } = yield* pair()
        yield* network.duplicateDials(A, B, 2)
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* say(yield* alice.dial(B, at(B)), "real")
            yield* settle
            const [ghost, another, real] = yield* Effect.replicateEffect(accepted(bob), 3)
            assert.deepStrictEqual(yield* hear(real!), ["real"])
            assert.deepStrictEqual([ghost!.status(), another!.status()], ["open", "open"])
            assert.strictEqual(yield* network.dials(A, B), 1)
            assert.strictEqual(yield* network.openChannels(), 3)
          })
        )
        yield* expectIdle
      })
    )
  )

  it.effect("cutRelay: what goes through it vanishes at both ends, and dials need another way until it is back", () =>
    onNetwork(
      Effect.gen(function* () {
        const { alice, bob, network } = yield* pair({ relays: ["near", "far"] })
        const by = (relay: string) => ConnectionFactoryMemory.relayedAddressOf(B, relay)
        const dial = (...hints: ReadonlyArray<string>) => alice.dial(B, hints)
        assert.deepStrictEqual(yield* bob.listenAddresses, [by("near"), by("far")])
        assert.deepInclude(yield* Effect.flip(dial(...at(B))), { _tag: "DialFailedError", code: "ECONNREFUSED" })
        assert.deepInclude(yield* Effect.flip(dial(by("other"))), { code: "NO_RESERVATION", address: by("other") })
        const direct = yield* bob.dial(A, at(A))
        const near = yield* dial(by("near"))
        const far = yield* dial(by("far"))
        assert.deepInclude(near, { relayed: true, address: by("near") })
        assert.isFalse(direct.relayed)

        yield* network.cutRelay("near")
        assert.deepStrictEqual([near.status(), far.status(), direct.status()], ["reset", "open", "open"])
        assert.deepInclude(yield* Effect.flip(dial(by("near"))), { code: "ECONNREFUSED" })
        const around = yield* dial(by("near"), by("far"))
        assert.strictEqual(around.address, by("far"))
        assert.strictEqual(yield* network.dials(A, B), 6)

        yield* network.mendRelay("near")
        assert.strictEqual((yield* dial(by("near"))).address, by("near"))
      })
    )
  )

  it.effect("cutRelay: both sides of a relayed channel find it gone", () =>
    onNetwork(
      Effect.gen(function* () {
        const { alice, bob, network } = yield* pair({ relays: ["near"] })
        yield* alice.dial(B, [ConnectionFactoryMemory.relayedAddressOf(B, "near")])
        const far = yield* accepted(bob)
        assert.isTrue(far.relayed)
        yield* network.cutRelay("near")
        assert.deepStrictEqual(yield* far.ended, { by: "remote", clean: false, error: undefined })
        yield* expectIdle
      })
    )
  )

  it.effect("dropDials: what was dialed is gone at once, or behind the first thing that its listener says", () =>
    onNetwork(
      Effect.gen(function* () {
        const { alice, bob, network } = yield* pair()
        yield* network.dropDials(A, B, "atOnce")
        const [gone, unheard] = yield* join(alice, bob)
        assert.deepStrictEqual([gone.status(), unheard.status()], ["reset", "reset"])

        yield* network.dropDials(A, B, "answered")
        const [near, far] = yield* join(alice, bob)
        yield* say(near, "hello")
        assert.deepStrictEqual(yield* hear(far), ["hello"])
        yield* say(far, "answer")
        yield* say(near, "message")
        yield* settle
        assert.deepStrictEqual(yield* hear(far), ["message"])
        yield* say(far, "ACK")
        yield* settle
        assert.deepStrictEqual(yield* hear(near), ["answer"])
        assert.deepStrictEqual([near.status(), far.status()], ["reset", "reset"])
        yield* expectIdle

        const [back] = yield* join(bob, alice)
        yield* network.dropDials(A, B, "no")
        const [open] = yield* join(alice, bob)
        assert.deepStrictEqual([back.status(), open.status()], ["open", "open"])
      })
    )
  )

  it.effect("restore: ends every lasting fault", () =>
    onNetwork(
      Effect.gen(function* () {
        const { alice, bob, network } = yield* pair()
        yield* network.silence(A, "all")
        yield* network.delay("all", B, { latency: "1 hour" })
        yield* network.duplicateDials(A, B, 1)
        yield* network.refuse(B)
        yield* network.dropDials(A, B, "atOnce")
        yield* network.cutRelay("near")
        yield* network.restore
        yield* ConnectionFactoryMemory.make(C, { relays: ["near"] })
        yield* alice.dial(C, [ConnectionFactoryMemory.relayedAddressOf(C, "near")])
        assert.strictEqual(yield* network.openChannels(A, C), 1)
        const [near, far] = yield* join(alice, bob)
        yield* say(near, "hello")
        assert.deepStrictEqual(yield* hear(far), ["hello"])
        assert.strictEqual(yield* network.openChannels(A, B), 1)
      })
    )
  )

  it.effect("keeps books of dials, bytes and events", () =>
    onNetwork(
      Effect.gen(function* () {
        const { alice, far, near, network } = yield* joined()
        yield* near.send(frames(bytes(100), bytes(200)))
        yield* far.send(frames(bytes(10)))
        yield* Effect.ignore(alice.dial(C, at(C)))
        assert.deepStrictEqual([yield* network.bytes(A, B), yield* network.bytes(B, A)], [303, 11])
        assert.deepStrictEqual(
          [yield* network.dials(A, B), yield* network.dials(B, A), yield* network.dials(A, C)],
          [1, 0, 1]
        )
        assert.deepStrictEqual(
          (yield* network.log).map(({ event, from, to }) => [event, from, to]),
          [
            ["opened", A, B],
            ["dial", A, C],
            ["dialFailed", A, C]
          ]
        )
      }),
      { logSize: 3 }
    )
  )

  it.effect("repeats a run with the same seed", () => {
    const run = onNetwork(
      Effect.gen(function* () {
        const { far, near, network } = yield* joined()
        yield* network.delay("all", "all", { latency: "1 second", jitter: "10 seconds" })
        const arrivals: Array<number> = []
        yield* Effect.fork(
          Effect.forever(
            Effect.zipRight(
              far.receive,
              Effect.clockWith((clock) => Effect.map(clock.currentTimeMillis, (now) => arrivals.push(now)))
            )
          )
        )
        const start = yield* TestClock.currentTimeMillis
        for (let i = 0; i < 5; i++) {
          yield* say(near, "tick")
          yield* TestClock.adjust("5 seconds")
        }
        yield* TestClock.adjust("10 seconds")
        return arrivals.map((it) => it - start)
      })
    )
    return Effect.gen(function* () {
      const first = yield* Effect.withRandom(run, Random.make("one"))
      assert.deepStrictEqual(yield* Effect.withRandom(run, Random.make("one")), first)
      assert.notDeepEqual(yield* Effect.withRandom(run, Random.make("two")), first)
    })
  })

  const send = FastCheck.record({ size: FastCheck.nat(600), latency: FastCheck.nat(30), wait: FastCheck.nat(20) })
  it.effect.prop(
    "everything sent arrives whole and in order, whatever the chunks, the latency and the window",
    [
      FastCheck.array(send, { maxLength: 40 }),
      FastCheck.array(FastCheck.nat(400), { minLength: 1, maxLength: 20 }),
      FastCheck.integer({ min: 1, max: 2000 })
    ],
    ([script, cuts, window]) =>
      onNetwork(
        Effect.gen(function* () {
          const { far, near, network } = yield* joined()
          const payloads = script.map(({ size }, i) => bytes(size, i + 1))
          const stream = frames(...payloads)
          yield* Effect.fork(
            Effect.gen(function* () {
              let offset = 0
              for (let i = 0; offset < stream.length; i++) {
                const step = script[i % script.length]
                const end = offset + (cuts[i % cuts.length] ?? 0) + 1
                yield* network.delay("all", "all", { latency: step?.latency ?? 0, jitter: 5 })
                yield* near.send(stream.slice(offset, end))
                yield* Effect.sleep(step?.wait ?? 0)
                offset = end
              }
              yield* near.close
            })
          )
          const received: Array<Uint8Array> = []
          const reader = yield* Effect.fork(
            Effect.flip(Effect.forever(Effect.map(far.receive, (it) => received.push(...it))))
          )
          yield* TestClock.adjust("1 hour")
          assert.strictEqual((yield* Fiber.join(reader))._tag, "StreamClosedError")
          assert.deepStrictEqual(received, payloads)
          yield* far.close
          yield* expectIdle
        }),
        { window, closeTimeout: "10 minutes" }
      ),
    { fastCheck: { numRuns: 20 } }
  )

  it.effect.prop(
    "a dial that is interrupted anywhere leaves nothing",
    [FastCheck.nat(25), FastCheck.nat(8), FastCheck.boolean()],
    ([after, turns, hanging]) =>
      onNetwork(
        Effect.gen(function* () {
          const { alice, bob, network } = yield* pair()
          yield* network.delay("all", "all", { latency: after === 0 ? 0 : "10 millis" })
          if (hanging) yield* network.hang(B)
          const started = yield* Deferred.make<void>()
          const dial = yield* Effect.fork(
            Effect.scoped(
              Deferred.succeed(started, void 0).pipe(
                Effect.zipRight(alice.dial(B, at(B))),
                Effect.zipRight(Effect.never)
              )
            )
          )
          yield* Deferred.await(started)
          if (after > 0) yield* TestClock.adjust(after)
          for (let i = 0; i < turns; i++) yield* Effect.yieldNow()
          yield* Fiber.interrupt(dial)
          yield* settle
          yield* Effect.scoped(Effect.forEach(yield* bob.incoming.clear, (it) => it.accept))
          yield* TestClock.adjust("1 minute")
          yield* expectIdle
        })
      ),
    { fastCheck: { numRuns: 40 } }
  )
})
