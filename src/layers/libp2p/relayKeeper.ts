/**
 * Keeps a place at one relay, for ever.
 *
 * @internal
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Random from "effect/Random"
import * as Backoff from "../../protocol/Backoff.ts"

/**
 * Why there is no place at a relay.
 *
 * @internal
 */
export class RelayFailed extends Data.TaggedError("RelayFailed")<{ readonly code: string; readonly cause?: unknown }> {
  override get message() {
    return this.code
  }
}

/**
 * One relay.
 *
 * @internal
 */
export interface Harbour {
  /** For people. */
  readonly name: string
  /** Gets a place, or makes sure of the one there is; bounded in time. */
  readonly reserve: Effect.Effect<void, RelayFailed>
  /** Waits until the place is lost. */
  readonly lost: Effect.Effect<void>
}

/**
 * @internal
 */
export interface Keeper {
  /** Never ends; only ever one attempt is under way. */
  readonly run: Effect.Effect<never>
  /** Ends a wait and lets the next one be the shortest again; makes sure of a place that there seems to be. */
  readonly wake: Effect.Effect<void>
}

/**
 * How long to wait before a relay is tried again.
 *
 * @internal
 */
export const backoff: Backoff.Backoff = { base: 5000, cap: 60_000 }

/**
 * @internal
 */
export const make = (harbour: Harbour): Keeper => {
  const woken = Effect.unsafeMakeLatch()
  let failures = 0
  let wasThere = false

  const afterFailure = (error: RelayFailed) =>
    Effect.gen(function* () {
      const wait = Duration.millis(Backoff.delay(backoff, ++failures, yield* Random.next))
      const text = wasThere || failures === 1 ? Effect.logWarning : Effect.logDebug
      wasThere = false
      yield* text(`No place at the relay ${harbour.name}: ${error.message}; next try in ${Duration.format(wait)}`)
      yield* Effect.timeoutOption(woken.await, wait)
    })
  const whileThere = Effect.gen(function* () {
    if (!wasThere) yield* Effect.logInfo(`Listening through the relay ${harbour.name}`)
    wasThere = true
    failures = 0
    const isLost = yield* Effect.raceFirst(Effect.as(harbour.lost, true), Effect.as(woken.await, false))
    if (isLost) yield* afterFailure(new RelayFailed({ code: "the relay has gone" }))
  })
  const turn = Effect.gen(function* () {
    woken.unsafeClose()
    const reserved = yield* Effect.either(harbour.reserve)
    yield* Either.isLeft(reserved) ? afterFailure(reserved.left) : whileThere
  })
  return {
    run: Effect.forever(turn).pipe(Effect.annotateLogs({ package: "effect-remotes", module: "Relays" })),
    wake: Effect.sync(() => {
      failures = 0
      woken.unsafeOpen()
    })
  }
}
