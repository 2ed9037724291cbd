/** Each failure that a caller can act on can be caught alone, by its tag, where the service's own type says that it may come. */
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Connection from "../../src/errors/ConnectionError.ts"
import * as Remote from "../../src/errors/RemoteError.ts"
import * as Transport from "../../src/errors/TransportError.ts"
import type { Channel, ConnectionFactory } from "../../src/services/ConnectionFactory.ts"
import type { Receipt, RemoteHandleService } from "../../src/services/RemoteHandle.ts"
import type { Link, LinkState } from "../../src/services/Transport.ts"

type ErrorOf<F extends (...args: never) => Effect.Effect<unknown, unknown, unknown>> = Effect.Effect.Error<
  ReturnType<F>
>

/** What the services' own signatures say. */
type Dial = ErrorOf<ConnectionFactory["Type"]["dial"]>
type Read = Effect.Effect.Error<Channel["receive"]>
type Send = ErrorOf<Link["send"]>
type State = Extract<LinkState, { readonly _tag: "BackingOff" }>["error"]
type Idle = NonNullable<Extract<LinkState, { readonly _tag: "Idle" }>["error"]>
type Deliver = ErrorOf<RemoteHandleService["deliver"]>
type Settled = Effect.Effect.Error<Receipt["acknowledged"]>

const peerId = "12D3KooWFYVfnFKGTuL9KRfpGHyJXC48zqmwZnRLMiUcNGmGPA8E"
const timeout = Duration.seconds(10)

/** A failure as its caller sees it: as any of what the operation may fail with. */
const failing = <E>(error: E): Effect.Effect<never, E> => Effect.fail(error)

/** What was caught, the rest of the errors in its type. */
const check = <A, E>(caught: Effect.Effect<A, E>, expected: A) =>
  Effect.map(Effect.either(caught), (it: Either.Either<A, E>) =>
    assert.deepInclude(it, { _tag: "Right", right: expected })
  )

describe("a caller can catch exactly", () => {
  it.effect("DialTimeoutError", () => {
    const error = new Connection.DialTimeoutError({ peerId, address: "/a", timeout })
    const caught = Effect.catchTag(failing<Dial>(error), "DialTimeoutError", (it) => Effect.succeed(it.address))
    expectTypeOf(caught).toEqualTypeOf<Effect.Effect<string, Exclude<Dial, Connection.DialTimeoutError>>>()
    return check(caught, "/a")
  })

  it.effect("TooManyOutboundProtocolStreamsError", () => {
    const error = new Connection.TooManyOutboundProtocolStreamsError({ peerId })
    const caught = Effect.catchTag(failing<Dial>(error), "TooManyOutboundProtocolStreamsError", (it) =>
      Effect.succeed(it.peerId)
    )
    type Rest = Exclude<Dial, Connection.TooManyOutboundProtocolStreamsError>
    expectTypeOf(caught).toEqualTypeOf<Effect.Effect<string, Rest>>()
    return check(caught, peerId)
  })

  it.effect("MuxerClosedError", () => {
    const error = new Connection.MuxerClosedError({ peerId })
    const caught = Effect.catchTag(failing<Dial>(error), "MuxerClosedError", (it) => Effect.succeed(it.peerId))
    expectTypeOf(caught).toEqualTypeOf<Effect.Effect<string, Exclude<Dial, Connection.MuxerClosedError>>>()
    return check(caught, peerId)
  })

  it.effect("NetworkStoppedError", () => {
    const error = new Connection.NetworkStoppedError()
    const dial = Effect.catchTag(failing<Dial>(error), "NetworkStoppedError", () => Effect.succeed("stopped"))
    const deliver = Effect.catchTag(failing<Deliver>(error), "NetworkStoppedError", () => Effect.succeed("stopped"))
    expectTypeOf(dial).toEqualTypeOf<Effect.Effect<string, Exclude<Dial, Connection.NetworkStoppedError>>>()
    expectTypeOf(deliver).toEqualTypeOf<Effect.Effect<string, Exclude<Deliver, Connection.NetworkStoppedError>>>()
    return Effect.zipRight(check(dial, "stopped"), check(deliver, "stopped"))
  })

  it.effect("StreamResetError", () => {
    const error = new Connection.StreamResetError({ peerId })
    const caught = Effect.catchTag(failing<Read>(error), "StreamResetError", (it) => Effect.succeed(it.peerId))
    expectTypeOf(caught).toEqualTypeOf<Effect.Effect<string, Exclude<Read, Connection.StreamResetError>>>()
    return check(caught, peerId)
  })

  it.effect("StreamClosedError, with the stream's status", () => {
    const error = new Connection.StreamClosedError({ peerId, status: "reset" })
    const caught = Effect.catchTag(failing<Send>(error), "StreamClosedError", (it) => Effect.succeed(it.status))
    type Rest = Exclude<Send, Connection.StreamClosedError>
    expectTypeOf(caught).toEqualTypeOf<Effect.Effect<"closing" | "closed" | "aborted" | "reset", Rest>>()
    return check(caught, "reset" as const)
  })

  it.effect("WriteTimeoutError", () => {
    const error = new Connection.WriteTimeoutError({ peerId, timeout })
    const caught = Effect.catchTag(failing<Send>(error), "WriteTimeoutError", (it) => Effect.succeed(it.timeout))
    expectTypeOf(caught).toEqualTypeOf<Effect.Effect<Duration.Duration, Exclude<Send, Connection.WriteTimeoutError>>>()
    return check(caught, timeout)
  })

  it.effect("ProtocolViolationError", () => {
    const error = new Connection.ProtocolViolationError({ peerId, reason: "odd" })
    const caught = Effect.catchTag(failing<Read>(error), "ProtocolViolationError", (it) => Effect.succeed(it.reason))
    expectTypeOf(caught).toEqualTypeOf<Effect.Effect<string, Exclude<Read, Connection.ProtocolViolationError>>>()
    return check(caught, "odd")
  })

  it.effect("HandshakeTimeoutError", () => {
    const error = new Transport.HandshakeTimeoutError({ peerId, timeout })
    const caught = Effect.catchTag(failing<State>(error), "HandshakeTimeoutError", (it) => Effect.succeed(it.timeout))
    type Rest = Exclude<State, Transport.HandshakeTimeoutError>
    expectTypeOf(caught).toEqualTypeOf<Effect.Effect<Duration.Duration, Rest>>()
    return check(caught, timeout)
  })

  it.effect("StreamInactivityTimeoutError", () => {
    const error = new Transport.StreamInactivityTimeoutError({ peerId, timeout })
    const caught = Effect.catchTag(failing<Idle>(error), "StreamInactivityTimeoutError", (it) =>
      Effect.succeed(it.timeout)
    )
    type Rest = Exclude<Idle, Transport.StreamInactivityTimeoutError>
    expectTypeOf(caught).toEqualTypeOf<Effect.Effect<Duration.Duration, Rest>>()
    return check(caught, timeout)
  })

  it.effect("IntentionalCloseError", () => {
    const error = new Transport.IntentionalCloseError({ peerId })
    const caught = Effect.catchTag(failing<State>(error), "IntentionalCloseError", (it) => Effect.succeed(it.peerId))
    expectTypeOf(caught).toEqualTypeOf<Effect.Effect<string, Exclude<State, Transport.IntentionalCloseError>>>()
    return check(caught, peerId)
  })

  it.effect("PeerRestartedError", () => {
    const error = new Remote.PeerRestartedError({ peerId, incarnationId: "b-2" })
    const caught = Effect.catchTag(failing<Settled>(error), "PeerRestartedError", (it) =>
      Effect.succeed(it.incarnationId)
    )
    expectTypeOf(caught).toEqualTypeOf<Effect.Effect<string, Exclude<Settled, Remote.PeerRestartedError>>>()
    return check(caught, "b-2")
  })

  it.effect("ResourceLimitError, with what was reached", () => {
    const error = new Transport.ResourceLimitError({ limit: "messageSize", current: 5, max: 4 })
    const caught = Effect.catchTag(failing<Deliver>(error), "ResourceLimitError", ({ current, limit, max }) =>
      Effect.succeed([limit === "messageSize", current, max] as const)
    )
    type Rest = Exclude<Deliver, Transport.ResourceLimitError>
    expectTypeOf(caught).toEqualTypeOf<Effect.Effect<readonly [boolean, number, number], Rest>>()
    return check(caught, [true, 5, 4] as const)
  })
})
