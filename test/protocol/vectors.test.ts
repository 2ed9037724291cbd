/** Our extensions to the wire, to the byte and both ways, against frames that no code of ours wrote. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Handshake from "../../src/protocol/Handshake.ts"
import * as Probe from "../../src/protocol/Probe.ts"
import * as WireMessage from "../../src/protocol/WireMessage.ts"

const Frames = Schema.Record({ key: Schema.String, value: Schema.String })
const { frames, refused } = Schema.decodeUnknownSync(
  Schema.parseJson(Schema.Struct({ frames: Frames, refused: Frames }))
)(readFileSync(new URL("../vectors/extensions.json", import.meta.url), "utf8"))

const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const hellos: Readonly<Record<string, Handshake.Hello>> = {
  "handshake at first contact": {
    _tag: "handshake",
    incarnationId: "a-1",
    extensions: {
      statement: {
        incarnationId: "a-1",
        peerIncarnationId: undefined,
        epoch: 0,
        received: 0,
        sent: 0,
        acknowledged: 0,
        base: 1,
        next: 1,
        senders: [],
        receivedFrom: undefined
      },
      process: "p-1",
      dial: 1,
      after: undefined,
      limits: { frame: 1_048_576, messages: 16_384, bytes: 4_194_304 }
    }
  },
  "handshakeAck of a known peer, without limits": {
    _tag: "handshakeAck",
    incarnationId: "b-1",
    extensions: {
      statement: {
        incarnationId: "b-1",
        peerIncarnationId: "a-1",
        epoch: 2,
        received: 12,
        sent: 44,
        acknowledged: 41,
        base: 42,
        next: 45,
        senders: [
          { from: 38, process: "p-1" },
          { from: 43, process: "p-2" }
        ],
        receivedFrom: "p-3"
      },
      process: "p-2",
      dial: 3,
      after: { process: "p-1", dial: 2 },
      limits: undefined
    }
  }
}

const messages: Readonly<Record<string, Extract<WireMessage.WireMessage, { _tag: "Sequenced" | "Credit" }>>> = {
  rejected: {
    _tag: "Sequenced",
    seq: 9,
    ack: 2,
    content: { _tag: "Rejected", seq: 3, code: "NoSuchObject", reason: "ro-1 is unknown" }
  },
  abandoned: { _tag: "Sequenced", seq: 10, ack: 0, content: { _tag: "Abandoned" } },
  credit: { _tag: "Credit", to: { messages: 24_576, bytes: 6_291_456 } }
}

const written = (message: (typeof messages)[string]): string => {
  if (message._tag === "Credit") return textOf(WireMessage.encodeCredit(message.to))
  const { ack, content, seq } = message
  assert(content._tag !== "Malformed")
  return WireMessage.head(seq, ack) + textOf(WireMessage.encodeBody(content))
}

const decodeAny = (text: string): Either.Either<unknown, string> =>
  text.startsWith('{"method":"handshake"')
    ? Handshake.decode("handshake", bytesOf(text))
    : WireMessage.decode(bytesOf(text))

describe("the vectors of our extensions", () => {
  it("are all here", () => {
    const shown = [...Object.keys(hellos), "handshakeConfirm", ...Object.keys(messages), "probe", "probed"]
    assert.sameMembers(Object.keys(frames), shown)
  })

  it.each(Object.entries(hellos))("%s is read and written", (name, hello) => {
    const text = frames[name] ?? ""
    assert.deepStrictEqual(Handshake.decode(hello._tag, bytesOf(text)), Either.right(hello))
    assert.strictEqual(textOf(Handshake.encode(hello)), text)
  })

  it("handshakeConfirm is read and written, and confirms no other epoch", () => {
    const text = frames["handshakeConfirm"] ?? ""
    assert.strictEqual(textOf(Handshake.encodeConfirmation(1)), text)
    assert.isTrue(Either.isRight(Handshake.decodeConfirmation(1, bytesOf(text))))
    assert.isTrue(Either.isLeft(Handshake.decodeConfirmation(2, bytesOf(text))))
  })

  it.each(Object.entries(messages))("%s is read and written", (name, message) => {
    const text = frames[name] ?? ""
    assert.deepStrictEqual(WireMessage.decode(bytesOf(text)), Either.right(message))
    assert.strictEqual(written(message), text)
  })

  it("probe and its answer are these", () => {
    assert.strictEqual(textOf(Probe.ask), frames["probe"])
    assert.strictEqual(textOf(Probe.answer), frames["probed"])
    assert.isTrue(Probe.isProbe(bytesOf(frames["probe"] ?? "")))
    assert.isTrue(Probe.hasAnswer([bytesOf(frames["probed"] ?? "")]))
  })

  it.each(Object.entries(refused))("%s is refused", (_, text) => {
    assert.isTrue(Either.isLeft(decodeAny(text)))
  })
})
