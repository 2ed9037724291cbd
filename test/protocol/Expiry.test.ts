import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Expiry from "../../src/protocol/Expiry.ts"

const many = { fastCheck: { numRuns: 10_000 } }

/** Messages are accepted, some with a deadline; some are transmitted; and what is due ends. */
const script = FastCheck.array(
  FastCheck.oneof(
    FastCheck.array(FastCheck.option(FastCheck.integer({ min: 1, max: 20 }), { nil: undefined }), {
      minLength: 1,
      maxLength: 4
    }).map((lifetimes) => ({ _tag: "Accept", lifetimes }) as const),
    FastCheck.nat(5).map((count) => ({ _tag: "Transmit", count }) as const),
    FastCheck.nat(8).map((millis) => ({ _tag: "Pass", millis }) as const)
  ),
  { maxLength: 40 }
)

describe("Expiry", () => {
  it.prop(
    "ends what was never transmitted at its deadline, nothing before it, and nothing that may be on its way",
    [script],
    ([script]) => {
      const deadlines = new Map<number, number>()
      let expiry = Expiry.empty
      let next = 1
      let sent = 0
      let now = 0
      const due = () => [...deadlines].filter(([seq, at]) => seq > sent && at <= now)
      for (const op of script) {
        if (op._tag === "Accept") {
          const begun = op.lifetimes.flatMap((lifetime, index) =>
            lifetime === undefined ? [] : [{ seq: next + index, expiresAt: now + lifetime }]
          )
          next += op.lifetimes.length
          for (const { expiresAt, seq } of begun) deadlines.set(seq, expiresAt)
          expiry = Expiry.add(expiry, begun, { next, sent })
        } else if (op._tag === "Transmit") {
          // The writer does not pass what is due.
          if (!Expiry.isDue(expiry, sent, now)) sent = Math.min(next - 1, sent + op.count)
          expiry = Expiry.trim(expiry, sent)
        } else {
          now += op.millis
          assert.strictEqual(Expiry.isDue(expiry, sent, now), due().length > 0)
          for (const [seq] of due()) deadlines.delete(seq)
          expiry = Expiry.end(expiry, sent, now)
        }
        const open = [...deadlines].filter(([seq]) => seq > sent).map(([, at]) => at)
        assert.strictEqual(Expiry.nextAt(expiry, sent), open.length === 0 ? undefined : Math.min(...open))
        assert.strictEqual(Expiry.isDue(expiry, sent, now), due().length > 0)
      }
    },
    many
  )

  it("keeps no more than what waits and a few, however many pass", () => {
    let expiry = Expiry.empty
    for (let seq = 1; seq <= 10_000; seq += 1) {
      expiry = Expiry.add(expiry, [{ seq, expiresAt: 1e9 - seq }], { next: seq + 1, sent: seq - 2 })
      assert.isAtMost(expiry.length, 100)
    }
  })
})
