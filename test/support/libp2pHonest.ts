/** What an honest peer on real libp2p gets done meanwhile. */
import { assert } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { message } from "./kernel.ts"
import type { Kernel } from "./libp2pKernel.ts"

/** How many messages it sends, 40 ms apart. */
const rounds = 20

/** The attackers share two cores, and mostly a process, with the honest kernel; nine of ten were seen to take 354 ms at most. */
const inTime = Duration.seconds(1)

/** Sends messages, and fails unless at least nine of ten of them are acknowledged in time. */
export const assertHeard = (
  what: string,
  honest: Kernel,
  to: Pick<Kernel, "peerId">,
  hints: ReadonlyArray<string> = []
) =>
  Effect.gen(function* () {
    const handle = yield* honest.remotes.get(to.peerId, { hints })
    const send = Effect.gen(function* () {
      const [took] = yield* Effect.timed(Effect.flatMap(handle.deliver(message("honest")), (it) => it.acknowledged))
      return Duration.lessThanOrEqualTo(took, inTime)
    })
    const sent = yield* Effect.forEach(
      Array.from({ length: rounds }),
      (_, index) => Effect.delay(send, `${index * 40} millis`),
      { concurrency: "unbounded" }
    )
    assert.isAtLeast(sent.filter((wasInTime) => wasInTime).length, 0.9 * rounds, `${what}: honest messages in time`)
  })
