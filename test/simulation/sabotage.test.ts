/**
 * Is the simulator worth its time? Each of these defects is put into the library, one at a time, and must be found.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Options } from "../../src/testing/Simulation.ts"
import { run } from "../../src/testing/Simulation.ts"
import * as Protocol from "../../src/testing/simulation/protocol.ts"
import { vi } from "vitest"

const { defect } = vi.hoisted(() => {
  const defect: { is: string | undefined } = { is: undefined }
  return { defect }
})

vi.mock(import("../../src/protocol/ReceiveWindow.ts"), async (original) => {
  const real = await original()
  return {
    ...real,
    place: (received, seq, base) => {
      const place = real.place(received, seq, base)
      if (defect.is === "accepts gaps" && place === "early") return "next"
      return defect.is === "drops the dedup" && place === "duplicate" ? "next" : place
    },
    acknowledgeable: (received, refusals, cursor) =>
      defect.is === "acknowledges what is not committed"
        ? received + 1
        : real.acknowledgeable(received, refusals, cursor)
  }
})

vi.mock(import("../../src/protocol/SendWindow.ts"), async (original) => {
  const real = await original()
  return {
    ...real,
    open: (window, stated) => {
      const opened = real.open(window, stated)
      // Without this no number is ever missing between two of ours, so that there is no gap to accept.
      if (defect.is === "resends from behind what the peer lacks" || defect.is === "accepts gaps") {
        return { ...opened, cursor: Math.min(opened.next, opened.cursor + 1) }
      }
      if (defect.is === "does not resend") return { ...opened, cursor: opened.next }
      if (defect.is === "drops the dedup" || defect.is === "resends what the peer has") {
        return { ...opened, cursor: Math.max(opened.base, opened.cursor - 1) }
      }
      return opened
    },
    settle: (window, received, through) =>
      defect.is === "settles before the peer's refusals have arrived"
        ? { ...window, settled: window.acknowledged }
        : real.settle(window, received, through),
    acknowledge: (window, ack) =>
      defect.is === "takes back what was acknowledged" && ack < window.acknowledged
        ? Either.right({ ...window, acknowledged: ack })
        : real.acknowledge(window, ack),
    transmit: (window, through) =>
      defect.is === "does not note what was sent"
        ? { ...real.transmit(window, through), sent: window.sent }
        : real.transmit(window, through)
  }
})

vi.mock(import("../../src/protocol/Session.ts"), async (original) => {
  const real = await original()
  return {
    ...real,
    settle: (mine, theirs) => {
      const verdict = real.settle(mine, theirs)
      if (defect.is === "forgets the incarnation check" && verdict._tag === "Restarted") {
        return { _tag: "Same", epoch: mine.epoch }
      }
      return defect.is === "overlooks a store that went back" && verdict._tag === "RolledBack"
        ? { _tag: "Same", epoch: mine.epoch }
        : verdict
    },
    isEnding: (verdict) =>
      defect.is === "goes on with the channel on a restart verdict" ? false : real.isEnding(verdict),
    statementOf: (incarnationId, record) =>
      defect.is === "steps over an abandoned number without telling"
        ? { ...real.statementOf(incarnationId, record), base: record.acknowledgedSeq + 1 }
        : real.statementOf(incarnationId, record),
    carriedOver: (verdict, theirs, incarnationId) =>
      defect.is === "takes numbers of an old session for new ones"
        ? theirs
        : real.carriedOver(verdict, theirs, incarnationId)
  }
})

vi.mock(import("../../src/protocol/LinkMachine.ts"), async (original) => {
  const real = await original()
  return {
    ...real,
    step: (settings, state, event, moment) => {
      const { phase } = state
      return defect.is === "lets an old channel's loss close the new one" &&
        event._tag === "Ended" &&
        phase._tag === "Open"
        ? real.step(settings, state, { ...event, token: phase.token }, moment)
        : real.step(settings, state, event, moment)
    }
  }
})

vi.mock(import("../../src/layers/remotes/staging.ts"), async (original) => {
  const real = await original()
  return {
    ...real,
    makeParticipant: (core, store, wake) => {
      const keeping: typeof store =
        defect.is === "does not commit the receipt with the message"
          ? { ...store, putRemote: (record) => store.putRemote({ ...record, receivedSeq: core.received }) }
          : defect.is === "keeps no dead letters"
            ? { ...store, addDeadLetters: () => Effect.void, buryPending: () => Effect.succeed(0) }
            : store
      const participant = real.makeParticipant(core, keeping, wake)
      if (defect.is !== "transmits before the commit") return participant
      const { committed, prepare } = participant
      return { ...participant, prepare: Effect.zipLeft(prepare, Effect.sync(committed)), committed: () => undefined }
    }
  }
})

vi.mock(import("../../src/layers/memory/DiskState.ts"), async (original) => {
  const real = await original()
  class DiskState extends real.DiskState {
    private commits = 0
    override commit(): void {
      this.commits += 1
      if (defect.is !== "skips the fsync" || this.commits % 4 === 0) super.commit()
    }
  }
  return { ...real, DiskState }
})

interface Sabotage {
  readonly options: Options
  /** Within how many seeds it must be found. */
  readonly within: number
}

const busy = { every: 3, seconds: 60 } as const
const cuts = { ...busy, faults: ["cut", "reset", "halfOpen", "crash"] } as const

const sabotages: Readonly<Record<string, Sabotage>> = {
  "accepts gaps": { options: cuts, within: 3 },
  "drops the dedup": { options: cuts, within: 3 },
  "acknowledges what is not committed": { options: cuts, within: 3 },
  "resends from behind what the peer lacks": { options: cuts, within: 3 },
  "settles before the peer's refusals have arrived": { options: { ...busy, faults: ["cut", "crash"] }, within: 5 },
  "does not note what was sent": { options: cuts, within: 3 },
  "forgets the incarnation check": { options: { ...busy, faults: ["wipe"] }, within: 3 },
  "overlooks a store that went back": { options: { ...busy, faults: ["rollback"] }, within: 5 },
  "goes on with the channel on a restart verdict": { options: { ...busy, faults: ["wipe"] }, within: 3 },
  "steps over an abandoned number without telling": { options: { ...busy, faults: ["giveUp", "cut"] }, within: 5 },
  "takes numbers of an old session for new ones": { options: { ...busy, faults: ["rollback", "wipe"] }, within: 4 },
  "does not resend": { options: cuts, within: 3 },
  "does not commit the receipt with the message": { options: { ...busy, faults: ["crash"] }, within: 3 },
  "keeps no dead letters": { options: { ...busy, faults: ["cut", "handlerRejects"] }, within: 3 },
  "transmits before the commit": { options: { ...busy, faults: ["storeFails", "crashBefore"] }, within: 5 },
  "skips the fsync": { options: { ...busy, faults: ["crash"] }, within: 3 }
}

/** The first seed that finds it, and what it says. */
const firstSeed = (name: string | undefined, { options, within }: Sabotage) =>
  Effect.gen(function* () {
    for (let seed = 1; seed <= within; seed++) {
      defect.is = name
      const { wrong } = yield* Effect.ensuring(
        run(seed, options),
        Effect.sync(() => {
          defect.is = undefined
        })
      )
      if (wrong.length > 0) return { seed, wrong }
    }
    return undefined
  })

describe("a library that", () => {
  for (const [name, sabotage] of Object.entries(sabotages)) {
    it.effect(
      `${name} is found out within ${sabotage.within} seeds`,
      () =>
        Effect.gen(function* () {
          const found = yield* firstSeed(name, sabotage)
          assert.isDefined(found)
          assert.isUndefined(yield* firstSeed(undefined, { ...sabotage, within: found?.seed ?? 1 }), "not without it")
        }),
      120_000
    )
  }
})

/** In how many of the seeds the state machines alone are found to do it. */
const found = (name: string | undefined, seeds: number): number => {
  defect.is = name
  let count = 0
  for (let seed = 1; seed <= seeds; seed++) if (Protocol.run(seed).wrong.length > 0) count += 1
  defect.is = undefined
  return count
}

describe("state machines of which one", () => {
  const name = "lets an old channel's loss close the new one"

  it(`${name} are found out in at least 50 of 200 seeds`, () => {
    const count = found(name, 200)
    assert.isAtLeast(count, 50)
    assert.strictEqual(found(undefined, 200), 0, "not without it")
  })
})
