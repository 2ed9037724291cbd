/** What goes past libp2p's queues goes as it would through them: a stream of its own, once as it is and once past them. */
import { afterAll, assert, beforeAll, describe, it, vi } from "@effect/vitest"
import { defaultLogger } from "@libp2p/logger"
import { AbstractMessageStream } from "@libp2p/utils"
import * as FastCheck from "effect/FastCheck"
import { afterReading } from "../../../src/layers/libp2p/afterReading.ts"
import { type Data, hearPastQueue, sendPastQueue } from "../../../src/layers/libp2p/queues.ts"

/** What becomes of the next write. */
type Fate = "taken" | "last" | "failed" | "sends"

/** A stream of libp2p's whose other end is the test. */
class Line extends AbstractMessageStream {
  readonly told: Array<string> = []
  fate: Fate = "taken"

  constructor() {
    super({ log: defaultLogger().forComponent("test"), maxReadBufferLength: 300 })
  }

  /** In pieces, as libp2p has them. */
  listOf(...pieces: ReadonlyArray<Uint8Array>): Data {
    const list = this.readBuffer.sublist(0, 0)
    for (const piece of pieces) list.append(piece)
    return list
  }
  sendData(data: Data) {
    const { fate } = this
    this.fate = "taken"
    if (fate === "failed") throw new Error("the socket is gone")
    if (fate === "sends") this.told.push(thrown(() => this.send(Uint8Array.of(4, 5))))
    this.told.push(`writes ${Buffer.from(data.subarray()).toString("hex")}`)
    return { sentBytes: data.byteLength, canSendMore: fate !== "last" }
  }
  sendReset() {
    this.told.push("resets")
  }
  sendPause() {
    this.told.push("pauses")
  }
  sendResume() {
    this.told.push("resumes")
  }
  close() {
    this.writeStatus = "closing"
    return Promise.resolve()
  }
}

type Step =
  | {
      readonly _tag: "Send" | "Bring" | "Unshift"
      readonly bytes: Uint8Array
      readonly inList: boolean
      readonly fate: Fate
    }
  | {
      readonly _tag:
        | "Pause"
        | "Resume"
        | "Drain"
        | "Close"
        | "Abort"
        | "Fin"
        | "Reset"
        | "TransportClosed"
        | "Listen"
        | "Unlisten"
        | "ListenOnce"
        | "Hear"
        | "Unhear"
    }
  /** What the listener does with the next message. */
  | { readonly _tag: "Upon"; readonly what: "pause" | "send" | "abort" | "throw" | "fin" }

const bytes = FastCheck.uint8Array({ maxLength: 120 })
const step: FastCheck.Arbitrary<Step> = FastCheck.oneof(
  {
    weight: 6,
    arbitrary: FastCheck.record({
      _tag: FastCheck.constantFrom(
        "Send" as const,
        "Send" as const,
        "Bring" as const,
        "Bring" as const,
        "Unshift" as const
      ),
      bytes,
      inList: FastCheck.boolean(),
      fate: FastCheck.constantFrom<Fate>("taken", "taken", "last", "last", "failed", "sends")
    })
  },
  {
    weight: 3,
    arbitrary: FastCheck.record({
      _tag: FastCheck.constantFrom(
        "Pause" as const,
        "Resume" as const,
        "Drain" as const,
        "Listen" as const,
        "Unlisten" as const,
        "ListenOnce" as const,
        "Hear" as const,
        "Unhear" as const,
        "Drain" as const,
        "Drain" as const
      )
    })
  },
  {
    weight: 1,
    arbitrary: FastCheck.record({
      _tag: FastCheck.constantFrom(
        "Close" as const,
        "Abort" as const,
        "Fin" as const,
        "Reset" as const,
        "TransportClosed" as const
      )
    })
  },
  {
    weight: 1,
    arbitrary: FastCheck.record({
      _tag: FastCheck.constant("Upon" as const),
      what: FastCheck.constantFrom(
        "pause" as const,
        "send" as const,
        "abort" as const,
        "throw" as const,
        "fin" as const
      )
    })
  }
)

/** What comes after a step comes in the same turn of the event loop, or in another. */
const steps = FastCheck.array(FastCheck.record({ step, isLast: FastCheck.boolean() }), { minLength: 1, maxLength: 20 })

type Steps = typeof steps extends FastCheck.Arbitrary<infer S> ? S : never

const nothing = new Uint8Array(0)

const thrown = (work: () => unknown): string => {
  try {
    return String(work())
  } catch (error) {
    return String(error)
  }
}

/** Errors that a listener threw, as the process is told of them. */
const catchUncaught = () => {
  const errors: Array<string> = []
  const others = process.listeners("uncaughtException")
  const listener = (error: Error) => void errors.push(error.message)
  process.removeAllListeners("uncaughtException").on("uncaughtException", listener)
  return {
    errors,
    release: () => {
      process.off("uncaughtException", listener)
      for (const other of others) process.on("uncaughtException", other)
    }
  }
}

/** What libp2p puts back is told in a timer. */
const turn = async () => {
  vi.runAllTimers()
  await new Promise<void>(afterReading)
}

/** Goes through the steps on a line, and tells everything that can be seen of it. */
const live = async (line: Line, steps: Steps): Promise<ReadonlyArray<string>> => {
  const { told } = line
  const uncaught = catchUncaught()
  let upon: Extract<Step, { _tag: "Upon" }>["what"] | undefined
  const hear = ({ data }: { readonly data: Data }) => {
    told.push(`hears ${Buffer.from(data.subarray()).toString("hex")}`)
    const what = upon
    upon = undefined
    if (what === "pause") told.push(thrown(() => line.pause()))
    if (what === "send") told.push(thrown(() => line.send(Uint8Array.of(1, 2, 3))))
    if (what === "abort") line.abort(new Error("the listener has enough"))
    if (what === "fin") line.onRemoteCloseWrite()
    if (what === "throw") throw new Error("the listener is broken")
  }
  const second = () => void told.push("hears it as well")
  line.addEventListener("message", hear)
  for (const event of ["end", "close", "remoteCloseWrite", "idle"] as const)
    line.addEventListener(event, () => void told.push(event))
  const does: { readonly [Tag in Exclude<Step["_tag"], "Upon">]: (data: Data) => unknown } = {
    Send: (data) => line.send(data),
    Bring: (data) => line.onData(data),
    Unshift: (data) => line.unshift(data),
    Pause: () => line.pause(),
    Resume: () => line.resume(),
    Drain: () => line.safeDispatchEvent("drain"),
    Close: () => void line.close(),
    Abort: () => line.abort(new Error("enough")),
    Fin: () => line.onRemoteCloseWrite(),
    Reset: () => line.onRemoteReset(),
    TransportClosed: () => line.onTransportClosed(),
    Listen: () => line.addEventListener("message", second),
    Hear: () => line.addEventListener("message", hear),
    Unhear: () => line.removeEventListener("message", hear),
    ListenOnce: () => line.addEventListener("message", () => void told.push("hears it once"), { once: true }),
    Unlisten: () => line.removeEventListener("message", second)
  }
  for (const { isLast, step: it } of steps) {
    told.push(`${it._tag}:`)
    if (it._tag === "Upon") upon = it.what
    else if (it._tag === "Send" || it._tag === "Bring" || it._tag === "Unshift") {
      const half = it.bytes.length / 2
      const data = it.inList ? line.listOf(it.bytes.slice(0, half), it.bytes.slice(half)) : it.bytes.slice()
      line.fate = it.fate
      told.push(thrown(() => does[it._tag](data)))
      line.fate = "taken"
    } else told.push(thrown(() => does[it._tag](nothing)))
    if (!isLast) continue
    await turn()
    const { readBufferLength, readStatus, readableEnded, status, writableNeedsDrain, writeBufferLength } = line
    told.push(
      JSON.stringify({ status, readStatus, readBufferLength, readableEnded, writableNeedsDrain, writeBufferLength })
    )
  }
  await turn()
  uncaught.release()
  return [...told, ...uncaught.errors]
}

beforeAll(() => void vi.useFakeTimers({ toFake: ["setTimeout"] }))
afterAll(() => void vi.useRealTimers())

describe("What goes past the queues of a stream", () => {
  it("is written, heard and told as libp2p does it, whatever comes in between", async () => {
    await FastCheck.assert(
      FastCheck.asyncProperty(steps, async (steps) => {
        const past = hearPastQueue(sendPastQueue(new Line()))
        assert.deepStrictEqual(await live(past, steps), await live(new Line(), steps))
      }),
      { numRuns: 1500 }
    )
  })

  it("meets neither a list nor an event", () => {
    const line = hearPastQueue(sendPastQueue(new Line()))
    const [sent, brought] = [Uint8Array.of(1), Uint8Array.of(2)]
    const seen: Array<Data> = []
    line.sendData = (data) => {
      seen.push(data)
      return { sentBytes: data.byteLength, canSendMore: true }
    }
    line.dispatchEvent = () => assert.fail("nobody waits for an event")
    line.addEventListener("message", ({ data }) => void seen.push(data))
    line.send(sent)
    line.onData(brought)
    assert.strictEqual(seen[0], sent)
    assert.strictEqual(seen[1], brought)
  })
})
