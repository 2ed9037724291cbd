/**
 * Larger messages: against the bytes that a raw stream moves with writes of that size.
 */
import * as Effect from "effect/Effect"
import { interleaved } from "../interleaved.ts"
import type { Bench, Measured, Row } from "../Row.ts"
import type { KernelProcess, RawProcess, Two } from "../workers/processes.ts"
import { kernels, raws } from "../workers/processes.ts"
import { RawSend, Send } from "../workers/requests.ts"

const mebibyte = 1_048_576

const measureSize = Effect.fnUntraced(function* (
  bench: Bench,
  { ours, raw }: { readonly ours: Two<KernelProcess>; readonly raw: Two<RawProcess> },
  { count, name, size }: { readonly name: string; readonly size: number; readonly count: number }
) {
  const speed = ({ millis }: { readonly millis: number }) => (count * size * 1000) / millis / mebibyte
  const measured: Measured = {
    name,
    what: `messages of ${name}, memory store`,
    against: "raw stream",
    unit: "MiB/s",
    target: { figure: "ratio", sense: "at least", limit: 0.8 },
    pairs: yield* interleaved(bench, name, {
      ours: Effect.map(ours.near.ask(new Send({ count, size })), speed),
      raw: Effect.map(raw.near.ask(new RawSend({ way: "plain", count, size })), speed)
    }),
    beside: []
  }
  return measured
})

const all = [
  { name: "4 KiB", size: 4096, count: 20_000 },
  { name: "64 KiB", size: 65_536, count: 2000 },
  { name: "1 MiB", size: mebibyte, count: 150 }
]

export const sizes: Row = {
  name: "sizes",
  about: "messages of 4 KiB, 64 KiB and 1 MiB",
  run: (bench) =>
    Effect.gen(function* () {
      const pairs = { ours: yield* kernels(bench, "memory"), raw: yield* raws(bench) }
      return yield* Effect.forEach(all, (it) => measureSize(bench, pairs, it))
    })
}
