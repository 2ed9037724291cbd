import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Check from "../../examples/exactly-once/check.ts"
import { watch } from "../../examples/exactly-once/exchange.ts"
import * as Letter from "../../examples/processes/letter.ts"
import * as Lines from "../../examples/exactly-once/lines.ts"
import { read, write } from "../../examples/processes/lines.ts"
import * as Plan from "../../examples/exactly-once/plan.ts"
import * as Report from "../../examples/exactly-once/report.ts"
import * as Settings from "../../examples/exactly-once/settings.ts"
import * as Tally from "../../examples/exactly-once/tally.ts"

const settings: Settings.Settings = {
  messages: 10_000,
  size: 256,
  kills: 3,
  resets: 3,
  transport: "tcp",
  keep: false,
  seed: 1
}

const sizes = FastCheck.record({
  kills: FastCheck.nat(20),
  resets: FastCheck.nat(20),
  more: FastCheck.integer({ min: 1, max: 5_000 }),
  seed: FastCheck.nat()
})

describe("Plan", () => {
  it.effect.prop(
    "has every disruption at its own moment, with a message left for each one behind it",
    [sizes],
    ([drawn]) =>
      Effect.gen(function* () {
        const messages = drawn.kills + drawn.resets + drawn.more
        const plan = yield* Plan.make({ ...drawn, messages })
        const count = (what: Plan.Disruption["what"]) => plan.filter((it) => it.what === what).length
        assert.strictEqual(count("KillAlice"), Math.floor(drawn.kills / 3))
        assert.strictEqual(count("KillBob"), drawn.kills - count("KillAlice"))
        assert.strictEqual(count("Reset"), drawn.resets)
        plan.forEach(({ at }, index) => {
          assert.isAbove(at, plan[index - 1]?.at ?? 0)
          assert.isAtMost(at, messages - (plan.length - index))
        })
      })
  )

  it.effect.prop("lets alice reach each disruption, but not the end before the last one", [sizes], ([drawn]) =>
    Effect.gen(function* () {
      const messages = drawn.kills + drawn.resets + drawn.more
      const plan = yield* Plan.make({ ...drawn, messages })
      const { window } = Settings.pace({ messages, size: 256 })
      const upTo = plan.map((_, done) => Plan.allowance(plan, done, { messages, window }))
      upTo.forEach((limit, index) => {
        assert.isAtLeast(limit, plan[index]?.at ?? 0)
        assert.isBelow(limit, messages)
        assert.isAbove(limit, upTo[index - 1] ?? 0)
      })
      assert.strictEqual(Plan.allowance(plan, plan.length, { messages, window }), messages)
    })
  )

  it.effect("is decided by its seed, and spread over the run", () =>
    Effect.gen(function* () {
      const plan = yield* Plan.make(settings)
      assert.deepStrictEqual(plan, yield* Plan.make(settings))
      assert.notDeepEqual(plan, yield* Plan.make({ ...settings, seed: 2 }))
      plan.forEach(({ at }, index) => {
        assert.isAbove(at, index * 1_500 - 1)
        assert.isAtMost(at, (index + 1) * 1_500)
      })
    })
  )
})

describe("Settings", () => {
  it("refuses more disruptions than there are messages", () => {
    const refused = Settings.check({ ...settings, messages: 6 })
    assert.deepStrictEqual(
      refused,
      Either.left("--kills and --resets together must be fewer than --messages, but are 6 of 6.")
    )
    assert.isTrue(Either.isRight(Settings.check({ ...settings, messages: 7 })))
  })

  it("keeps what alice has under way within the limits of the library", () => {
    for (const messages of [1, 7, 500, 10_000, 1_000_000]) {
      for (const size of [16, 256, 1_000_000]) {
        const { turn, window } = Settings.pace({ messages, size })
        assert.isAtLeast(turn, 1)
        assert.isAtMost(turn, 64)
        assert.isAtMost(window - 1 + turn, 10_000)
        assert.isBelow((window - 1 + turn) * size, 67_108_864)
      }
    }
  })
})

describe("Letter", () => {
  it("says its number and has its size", () => {
    const letter = Letter.make("ro-1", 4711, 256)
    assert.strictEqual(letter._tag === "Message" ? letter.methargs.body.length : 0, 256)
    assert.deepStrictEqual(Letter.numberOf("ro-1", letter), Option.some(4711))
    assert.deepStrictEqual(Letter.numberOf("ro-2", letter), Option.none())
    assert.deepStrictEqual(Letter.numberOf("ro-1", { _tag: "BringOutYourDead" }), Option.none())
  })

  it("turns references round", () => {
    assert.strictEqual(Letter.turnRound("ro+1"), "ro-1")
    assert.strictEqual(Letter.turnRound("rp-12"), "rp+12")
  })
})

describe("Lines", () => {
  const reports: ReadonlyArray<Lines.Report> = [
    { _tag: "Received", received: 3 },
    { _tag: "Sent", sent: 9, acknowledged: 3, link: "Open", opened: 1, resent: 0 }
  ]

  it.effect("reads what it wrote, however the bytes are cut", () =>
    Effect.gen(function* () {
      const bytes = yield* Stream.fromIterable(reports).pipe(write(Lines.Report), Stream.runCollect)
      const single = Stream.fromIterable([...bytes].flatMap((chunk) => [...chunk].map((byte) => Uint8Array.of(byte))))
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Stream.runCollect(read(Lines.Report)(single))), reports)
    })
  )

  it.effect("fails at a line that is none", () =>
    Effect.gen(function* () {
      for (const line of ["hello\n", '{"_tag":"Sent"}\n']) {
        const refused = Stream.make(new TextEncoder().encode(line)).pipe(read(Lines.Report), Stream.runDrain)
        assert.isTrue(Either.isLeft(yield* Effect.either(refused)))
      }
    })
  )
})

describe("Tally", () => {
  const sent = (over: Partial<typeof Lines.Sent.Type>) =>
    ({ _tag: "Sent", sent: 0, acknowledged: 0, link: "Open", opened: 0, resent: 0, ...over }) as const

  it("adds up openings and resends over the lives of alice", () => {
    const first = Tally.report(Tally.start(0), sent({ sent: 10, opened: 2, resent: 5 }), 1)
    const again = Tally.report(first, sent({ sent: 12, opened: 3, resent: 6 }), 2)
    const killed = Tally.disrupt(again, "KillAlice", 3)
    const second = Tally.report(killed, sent({ sent: 12, opened: 1, resent: 2 }), 4)
    assert.deepInclude(second, { kills: 1, opened: 4, resent: 8, sent: 12 })
  })

  it("takes only rising counts and disruptions for progress", () => {
    const at1 = Tally.report(Tally.start(0), sent({ sent: 10 }), 1)
    assert.strictEqual(Tally.report(at1, sent({ sent: 10, link: "BackingOff" }), 2).progressedAt, 1)
    assert.strictEqual(Tally.report(at1, sent({ sent: 10, acknowledged: 1 }), 2).progressedAt, 2)
    assert.strictEqual(Tally.report(at1, { _tag: "Received", received: 1 }, 3).progressedAt, 3)
    assert.strictEqual(Tally.disrupt(at1, "Reset", 4).progressedAt, 4)
  })

  it("is complete when both sides have everything", () => {
    const acknowledged = Tally.report(Tally.start(0), sent({ sent: 5, acknowledged: 5 }), 1)
    assert.isFalse(Tally.isComplete(acknowledged, 5))
    assert.isTrue(Tally.isComplete(Tally.report(acknowledged, { _tag: "Received", received: 5 }, 1), 5))
  })
})

describe("watch", () => {
  it.effect("fails after 30 s without progress, and says what was going on", () =>
    Effect.gen(function* () {
      const tally = yield* Ref.make({ ...Tally.start(0), link: "BackingOff" })
      const watching = yield* Effect.fork(Effect.flip(watch(tally)))
      yield* TestClock.adjust("25 seconds")
      yield* Ref.update(tally, (it) => Tally.report(it, { _tag: "Received", received: 7 }, 25_000))
      yield* TestClock.adjust("29 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.poll(watching)))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(
        (yield* Fiber.join(watching)).message,
        "Nothing moved for 30s: alice had sent 0 messages and had 0 acknowledged, bob had received 7, and alice's link " +
          "was: BackingOff."
      )
    })
  )
})

describe("Report", () => {
  const tally = {
    ...Tally.start(0),
    sent: 1234,
    acknowledged: 1000,
    received: 1100,
    link: "Open",
    opened: 5,
    resets: 1
  }

  it("has one line for the progress", () => {
    assert.strictEqual(
      Report.progressLine(tally, 999.6),
      "sent 1,234 · acknowledged 1,000 · received 1,100 · link Open · 1,000/s · kills 0 · resets 1"
    )
  })

  it("says of a stall what was going on", () => {
    assert.strictEqual(
      Report.stallSentence(tally, "30s"),
      "Nothing moved for 30s: alice had sent 1,234 messages and had 1,000 acknowledged, bob had received 1,100, and " +
        "alice's link was: Open."
    )
  })

  it("has a table with aligned figures", () => {
    const verdict = Check.compare(3, [1, 2, 3], [1, 3, 3])
    const rows = Report.table({ ...settings, messages: 3 }, tally, verdict, 2).split("\n")
    assert.strictEqual(new Set(rows.map((row) => row.length)).size, 1)
    const figures = rows.map((row) => row.trim().split(/ {2,}/))
    assert.deepStrictEqual(Object.fromEntries<unknown>(figures.map(([name = "", figure]) => [name, figure])), {
      sent: "3",
      "received once": "1",
      missing: "1",
      doubled: "1",
      "out of order": "0",
      "never sent": "0",
      kills: "0",
      resets: "1",
      reconnects: "4",
      resent: "0",
      seconds: "2.0",
      "messages per second": "2"
    })
  })
})
