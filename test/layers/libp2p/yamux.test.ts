/** What is written and read is what libp2p's own Yamux writes and reads, in any order and size. */
import { yamux } from "@chainsafe/libp2p-yamux"
import { afterEach, assert, describe, it } from "@effect/vitest"
import type { MessageStream, Stream, StreamMuxer } from "@libp2p/interface"
import { multiaddrConnectionPair } from "@libp2p/utils"
import * as FastCheck from "effect/FastCheck"
import { muxing } from "../../../src/layers/libp2p/node.ts"
import { type Data, hearPastQueue, isQueued, sendPastQueue } from "../../../src/layers/libp2p/queues.ts"
import { hearStream, takeFramesWhole, writerOf } from "../../../src/layers/libp2p/yamux.ts"

/** As Noise hands over what it reads: each packet in one piece. */
const hearWhole = <S extends MessageStream>(connection: S): S => {
  if (!isQueued(connection)) return connection
  const onData = connection.onData.bind(connection)
  return Object.assign(connection, { onData: (data: Data) => onData(data.subarray()) })
}

/** They ping each other until they end. */
const muxers: Array<StreamMuxer> = []
afterEach(() => {
  for (const muxer of muxers.splice(0)) muxer.abort(new Error("the test is over"))
})

const muxerOn = (connection: MessageStream, isOurs: boolean) => {
  const muxer = isOurs
    ? takeFramesWhole(yamux(muxing)().createStreamMuxer(hearWhole(hearPastQueue(sendPastQueue(connection)))))
    : yamux(muxing)().createStreamMuxer(connection)
  muxers.push(muxer)
  return muxer
}

/** One end of a stream. */
class End {
  readonly stream: Stream
  readonly write: (bytes: Uint8Array) => boolean
  #heard = Buffer.alloc(0)
  #wanted = { bytes: Infinity, resume: () => undefined as void }

  constructor(stream: Stream, isOurs: boolean) {
    this.stream = stream
    this.write = isOurs ? writerOf(stream) : (bytes) => stream.send(bytes)
    const hear = (data: Data) => {
      this.#heard = Buffer.concat([this.#heard, data.subarray()])
      if (this.#heard.length >= this.#wanted.bytes) this.#wanted.resume()
    }
    stream.addEventListener("message", ({ data }) => hear(data))
    if (isOurs) hearStream(stream, hear)
  }

  /** Everything that was heard, once it is so many bytes. */
  async heard(bytes: number): Promise<Buffer> {
    if (this.#heard.length < bytes)
      await new Promise<void>((resume) => {
        this.#wanted = { bytes, resume }
      })
    return this.#heard
  }
}

interface Ours {
  readonly near: boolean
  readonly far: boolean
}

/** Two connected muxers, and as many streams between them as are opened; each has brought a byte either way, and so is accepted. */
const connect = (ours: Ours) => {
  const [near, far] = multiaddrConnectionPair()
  const [dialer, listener] = [muxerOn(near, ours.near), muxerOn(far, ours.far)]
  const open = async () => {
    const arrived = new Promise<Stream>((resume) => {
      listener.addEventListener("stream", ({ detail }) => resume(detail), { once: true })
    })
    const out = new End(await dialer.createStream(), ours.near)
    const inward = new End(await arrived, ours.far)
    for (const [from, to] of [
      [out, inward],
      [inward, out]
    ] as const) {
      from.write(Uint8Array.of(0))
      await to.heard(1)
    }
    return [out, inward] as const
  }
  return { near, far, listener, open }
}

const size = FastCheck.oneof(
  { weight: 4, arbitrary: FastCheck.integer({ min: 0, max: 40 }) },
  { weight: 4, arbitrary: FastCheck.integer({ min: 1100, max: 1300 }) },
  // More than a window holds at first.
  { weight: 1, arbitrary: FastCheck.constantFrom(262_132, 262_133, 300_000) }
)

const steps = FastCheck.array(
  FastCheck.record({
    stream: FastCheck.nat(1),
    end: FastCheck.nat(1),
    does: FastCheck.oneof(
      { weight: 5, arbitrary: size },
      { weight: 1, arbitrary: FastCheck.constantFrom("pause" as const, "resume" as const) }
    ),
    /** Whether what was said until then has arrived before the next step, unless somebody pauses. */
    waits: FastCheck.boolean()
  }),
  { maxLength: 14 }
)

const every = [
  { near: true, far: true },
  { near: true, far: false },
  { near: false, far: true }
]

describe("Yamux with whole frames", () => {
  for (const ours of every) {
    const names = `${ours.near ? "ours" : "libp2p's"} dials, ${ours.far ? "ours" : "libp2p's"} listens`
    it(`brings everything in order on each stream, held back or not: ${names}`, async () => {
      await FastCheck.assert(
        FastCheck.asyncProperty(steps, async (steps) => {
          const { open } = connect(ours)
          const streams = [await open(), await open()].map((ends) => ends.map((end) => ({ end, said: [Buffer.of(0)] })))
          const ends = streams.flatMap(([a, b]) =>
            a === undefined || b === undefined
              ? []
              : [
                  { from: a, to: b },
                  { from: b, to: a }
                ]
          )
          const arrive = async ({ from, to }: (typeof ends)[number]) => {
            const said = Buffer.concat(from.said)
            if (to.end.stream.readStatus === "paused") return
            assert.isTrue((await to.end.heard(said.length)).equals(said))
          }
          for (const { does, end, stream, waits } of steps) {
            const at = streams[stream]?.[end] ?? assert.fail("there are two streams with two ends")
            if (does === "pause") at.end.stream.pause()
            else if (does === "resume") at.end.stream.resume()
            else {
              const bytes = Buffer.alloc(does, at.said.length)
              at.said.push(bytes)
              at.end.write(bytes)
            }
            if (waits) for (const it of ends) await arrive(it)
          }
          for (const { from } of ends) from.end.stream.resume()
          for (const it of ends) await arrive(it)
        }),
        { numRuns: 60 }
      )
    }, 20_000)
  }

  it("writes a short frame in one piece, and reads it where it lies", async () => {
    const { listener, near, open } = connect({ near: true, far: true })
    const [out, inward] = await open()
    const written: Array<Data> = []
    const send = near.send.bind(near)
    near.send = (data) => {
      written.push(data)
      return send(data)
    }
    Reflect.set(Object(Reflect.get(listener, "decoder")), "emitFrames", () => assert.fail("it went through the list"))
    out.write(new Uint8Array(1000))
    assert.strictEqual((await inward.heard(1001)).length, 1001)
    assert.deepStrictEqual(
      written.map((it) => [it instanceof Uint8Array, it.byteLength]),
      [[true, 1012]]
    )
  })

  it("does not take the rest of a frame for one because it looks like one", async () => {
    const { listener, open } = connect({ near: true, far: true })
    const [, inward] = await open()
    const inner = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 7, 8)
    const bring = (bytes: Uint8Array) => Reflect.apply(Reflect.get(listener, "onData"), listener, [bytes])
    bring(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 15, 9))
    bring(inner)
    assert.deepStrictEqual([...(await inward.heard(16))], [0, 9, ...inner])
  })

  for (const [ours, name] of [
    [{ near: true, far: false }, "reads"],
    [{ near: false, far: true }, "writes"]
  ] as const)
    it(`${name} that a stream is accepted with the first frame on it`, async () => {
      const [near, far] = multiaddrConnectionPair()
      const [dialer, listener] = [muxerOn(near, ours.near), muxerOn(far, ours.far)]
      const arrived = new Promise<Stream>((resume) => {
        listener.addEventListener("stream", ({ detail }) => resume(detail))
      })
      const out = await dialer.createStream()
      new End(await arrived, ours.far).write(Uint8Array.of(1))
      await new End(out, ours.near).heard(1)
      assert.strictEqual(Reflect.get(out, "state"), 3, "it is established")
    })

  it("drops what comes for a stream that is over, as libp2p does", async () => {
    const { far, listener, open } = connect({ near: true, far: true })
    const [, inward] = await open()
    const frame = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 7, 8)
    const bring = () => Reflect.apply(Reflect.get(listener, "onData"), listener, [frame])
    bring()
    assert.deepStrictEqual([...(await inward.heard(3))], [0, 7, 8])
    inward.stream.abort(new Error("enough"))
    const send = far.send.bind(far)
    let answers = 0
    far.send = () => {
      answers += 1
      return true
    }
    for (let brought = 0; brought < 200_000; brought += 1) bring()
    far.send = send
    assert.strictEqual(answers, 0)
    assert.strictEqual((await inward.heard(3)).length, 3)
  })

  it("lets nobody write more than the window holds", async () => {
    const { listener, open } = connect({ near: false, far: true })
    const [, inward] = await open()
    inward.stream.pause()
    const frame = Buffer.concat([Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 64, 0), new Uint8Array(16_384)])
    const bring = () => Reflect.apply(Reflect.get(listener, "onData"), listener, [frame])
    assert.throws(() => {
      for (let brought = 0; brought < 128; brought += 1) bring()
    }, "Receive window exceeded")
  })
})
