import { assert, describe, it } from "@effect/vitest"
import * as LinkMachine from "../../src/protocol/LinkMachine.ts"
import * as Rate from "../../src/protocol/Rate.ts"
import { error } from "./LinkMachine.model.ts"

const settings: LinkMachine.Settings = {
  process: "us",
  wins: true,
  backoff: { base: 500, cap: 10_000 },
  slowBackoff: { base: 500, cap: 30_000 },
  dialRate: Rate.perMinute(10),
  paced: error,
  superseded: error
}
const failure = { error, code: "ECONNRESET" }

/** Dialed, refused once, dialed again, in service, heard, and lost or at rest: with the pauses that there would be. */
const life = (isIdle: boolean): ReadonlyArray<(token: number) => LinkMachine.Event> => [
  () => ({ _tag: "Wanted" }),
  (token) => ({ _tag: "Failed", token, hopeless: false, undialed: false, ...failure }),
  (token) => ({ _tag: "Due", token }),
  (token) => ({ _tag: "Dialed", token }),
  (token) => ({ _tag: "Established", token, hello: { _tag: "handshake", incarnationId: "i", extensions: undefined } }),
  (token) => ({ _tag: "Heard", token }),
  (token) => ({ _tag: "Ended", token, idle: isIdle, ...failure }),
  () => ({ _tag: "Close", error }),
  () => ({ _tag: "Reopen" })
]

/** What is left when what only counts lives or tells the time is taken away. */
const shape = (state: LinkMachine.State): string =>
  JSON.stringify(state, (_, value: unknown) => (typeof value === "number" ? 0 : value))

describe("LinkMachine: a hundred thousand lives of a link", () => {
  it("leave a state as it was after the first", () => {
    let state = LinkMachine.initial
    let now = 0
    const live = (isIdle: boolean) => {
      for (const event of life(isIdle)) {
        now += 10_000
        const token = "token" in state.phase ? state.phase.token : 0
        ;[state] = LinkMachine.step(settings, state, event(token), { now, monotonic: now, random: 0.5 })
      }
    }
    live(false)
    live(true)
    const first = shape(state)
    for (let lives = 2; lives < 100_000; lives += 2) {
      live(false)
      live(true)
    }
    assert.strictEqual(shape(state), first)
  })
})
