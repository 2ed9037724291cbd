/**
 * Where a run is shown: a terminal has one line that changes, anything else gets a line a second.
 */
import * as NodeSink from "@effect/platform-node/NodeSink"
import * as Terminal from "@effect/platform/Terminal"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Mailbox from "effect/Mailbox"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { RunFailed } from "./failure.ts"

const flushDeadline = "1 second"

/** Standard output as a queue. Unlike a plain write, it tells when nobody reads any more, instead of ending the process. */
const open = Effect.gen(function* () {
  const texts = yield* Mailbox.make<string>({ capacity: 64 })
  const writer = yield* Effect.forkScoped(Stream.run(Mailbox.toStream(texts), NodeSink.stdout))
  const flush = Effect.zipRight(
    texts.end,
    Effect.timeoutOption(Effect.interruptible(Fiber.await(writer)), flushDeadline)
  )
  yield* Effect.addFinalizer(() => flush)
  const broken = Effect.mapError(
    Fiber.join(writer),
    (cause) => new RunFailed({ sentence: "Nobody reads the standard output any more.", cause })
  )
  return { broken: Effect.zipRight(broken, Effect.never), write: (text: string) => texts.offer(text) }
})

interface Sample {
  readonly at: number
  readonly received: number
}

/** Messages a second over the last second or so. */
const rateOver = (samples: ReadonlyArray<Sample>): number => {
  const [first, last] = [samples[0], samples.at(-1)]
  return first === undefined || last === undefined || last.at === first.at
    ? 0
    : Math.max(0, (1000 * (last.received - first.received)) / (last.at - first.at))
}

/**
 * Opens the screen. At the end of the scope, what was printed has been written.
 */
export const make = Effect.gen(function* () {
  const terminal = yield* Terminal.Terminal
  const { broken, write } = yield* open
  const live = yield* terminal.isTTY
  const period = live ? 100 : 1000
  let unfinished = false

  const finishLine = Effect.suspend(() => {
    const text = unfinished ? "\n" : ""
    unfinished = false
    return write(text)
  })

  const showLine = Effect.fnUntraced(function* (line: string) {
    if (!live) return yield* write(`${line}\n`)
    const columns = yield* terminal.columns
    unfinished = true
    return yield* write(`\r\x1b[2K${line.slice(0, Math.max(1, columns - 1))}`)
  })

  /** Shows the progress until it is interrupted, and once more then; `line` gets what is so, and the messages a second. */
  const follow = Effect.fnUntraced(function* <A extends { readonly received: number }>(
    state: Ref.Ref<A>,
    line: (state: A, rate: number) => string
  ) {
    let samples: ReadonlyArray<Sample> = []
    const show = Effect.gen(function* () {
      const now = yield* Ref.get(state)
      const at = yield* Clock.currentTimeMillis
      samples = [...samples.filter((it) => at - it.at <= 1050), { at, received: now.received }]
      yield* showLine(line(now, rateOver(samples)))
    })
    return yield* Effect.forever(Effect.zipRight(show, Effect.sleep(period))).pipe(
      Effect.ensuring(Effect.zipRight(show, finishLine))
    )
  })

  const print = (text: string) => Effect.zipRight(finishLine, write(`${text}\n`))

  return { broken, follow, print }
})

/**
 * A screen that is open.
 */
export type Screen = Effect.Effect.Success<typeof make>
