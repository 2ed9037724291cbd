import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Frame from "../../../src/protocol/Frame.ts"
import * as WireMessage from "../../../src/protocol/WireMessage.ts"
import * as Outbox from "../../../src/layers/remotes/Outbox.ts"

const room = { messages: Infinity, bytes: Infinity }

const bodyOf = (size: number) => {
  const methargs = { body: "x".repeat(size), slots: [] }
  return WireMessage.encodeBody({
    _tag: "Deliver",
    delivery: { _tag: "Message", target: "ro+1", methargs, result: "p-1" }
  })
}

const outboxOf = (...sizes: ReadonlyArray<number>) => {
  const outbox = Outbox.make(1)
  sizes.forEach((size, index) => Outbox.append(outbox, index + 1, bodyOf(size)))
  return outbox
}

const write = (outbox: Outbox.Outbox, cursor: number, ack: number) =>
  Outbox.write(outbox, cursor, { room, maxFrame: Infinity, tells: true, ackOf: () => ack }).frames

const read = (frames: Uint8Array) =>
  Either.getOrThrow(Frame.makeDecoder(4_000_000).push(frames)).map((frame) => {
    const message = Either.getOrThrow(WireMessage.decode(frame))
    return message._tag === "Sequenced" ? { seq: message.seq, ack: message.ack } : message
  })

describe("A long message", () => {
  it("is written where it was encoded, without another copy", () => {
    const outbox = outboxOf(100_000)
    const [body] = outbox.bodies
    const frames = write(outbox, 1, 5)
    assert.strictEqual(frames.buffer, body?.buffer)
    assert.deepStrictEqual(read(frames), [{ seq: 1, ack: 5 }])
  })

  it("is written anew when it is sent again, while the first write still lies with the network", () => {
    const outbox = outboxOf(100_000)
    const first = write(outbox, 1, 5)
    const copy = first.slice()
    const second = write(outbox, 1, 123_456)
    assert.deepStrictEqual(read(second), [{ seq: 1, ack: 123_456 }])
    assert.deepStrictEqual(first, copy)
    assert.deepStrictEqual(read(write(outbox, 1, 0)), [{ seq: 1, ack: 0 }])
  })

  it("goes along with short ones as before", () => {
    const outbox = outboxOf(10, 100_000, 10)
    assert.deepStrictEqual(read(write(outbox, 1, 5)), [
      { seq: 1, ack: 0 },
      { seq: 2, ack: 5 }
    ])
    assert.deepStrictEqual(read(write(outbox, 3, 6)), [{ seq: 3, ack: 6 }])
  })
})
