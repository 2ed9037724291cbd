/** What is fuzzed, and what must hold whatever the input. Each takes one input at once; what does not hold is thrown. */
import * as Either from "effect/Either"
import * as EarlyMessages from "../../src/protocol/EarlyMessages.ts"
import * as Frame from "../../src/protocol/Frame.ts"
import * as Handshake from "../../src/protocol/Handshake.ts"
import * as HeldLine from "../../src/protocol/HeldLine.ts"
import * as LongMessage from "../../src/protocol/LongMessage.ts"
import * as OcapUrl from "../../src/protocol/OcapUrl.ts"
import * as PeerId from "../../src/protocol/PeerId.ts"
import * as Probe from "../../src/protocol/Probe.ts"
import * as ReceiveWindow from "../../src/protocol/ReceiveWindow.ts"
import * as RelayPool from "../../src/protocol/RelayPool.ts"
import * as SendWindow from "../../src/protocol/SendWindow.ts"
import type { Sender } from "../../src/protocol/Senders.ts"
import * as Session from "../../src/protocol/Session.ts"
import * as WireMessage from "../../src/protocol/WireMessage.ts"
import * as assert from "./hold.ts"
import type { Draw } from "./mutate.ts"
import { bentBytes, bentText, garbage } from "./mutate.ts"
import { optionTargets } from "./options.ts"
import { programsTarget } from "./programs.ts"
import type { Target } from "./target.ts"
import { hello, message } from "./traffic.ts"

const largest = 4096

/** Cuts bytes into chunks of any sizes. */
const chunksOf = (draw: Draw, bytes: Uint8Array): ReadonlyArray<Uint8Array> => {
  const chunks: Array<Uint8Array> = []
  for (let from = 0; from < bytes.length;) {
    const size = 1 + draw.below(draw.pick([2, 20, 5000]))
    chunks.push(bytes.slice(from, from + size))
    from += size
  }
  return chunks
}

const stream = (draw: Draw): Uint8Array => {
  const frames = Frame.encode(Array.from({ length: 1 + draw.below(4) }, () => bentBytes(draw, message(draw, 1))))
  if (draw.chance(2)) return frames
  const bent = new Uint8Array([...frames, ...garbage(draw, 16)])
  bent[draw.below(bent.length)] = draw.below(256)
  return draw.chance(4) ? garbage(draw, 64) : bent
}

/** All frames that a stream holds before it is broken, and why it is. */
const readStream = (chunks: ReadonlyArray<Uint8Array>) => {
  const decoder = Frame.makeDecoder(largest)
  const frames: Array<Uint8Array> = []
  for (const chunk of chunks) {
    const decoded = decoder.push(chunk)
    if (Either.isLeft(decoded)) return { frames: [...frames, ...decoder.beforeViolation()], end: decoded.left }
    frames.push(...decoded.right)
    assert.isAtMost(decoder.pendingBytes(), largest + 3)
  }
  return { frames, end: decoder.pendingBytes() }
}

const frames: Target = {
  name: "frames",
  about: "the frame decoder: what is read does not depend on where chunks begin, nor grow beyond the limit",
  input: (draw) => {
    const bytes = stream(draw)
    const whole = readStream([bytes])
    const pieces = readStream(chunksOf(draw, bytes))
    assert.deepStrictEqual(pieces, whole)
    assert.isTrue(whole.frames.every(({ length }) => length <= largest))
    if (whole.end === 0) assert.deepStrictEqual(Frame.encode(whole.frames), bytes)
  }
}

const checkMessage = (frame: Uint8Array): void => {
  const decoded = WireMessage.decode(frame)
  if (Either.isLeft(decoded)) {
    assert.match(decoded.left, /^[\x20-\x7e]{1,200}$/)
    return
  }
  const read = decoded.right
  if (read._tag === "Handshake" || read._tag === "Credit") return
  assert.isTrue(Number.isSafeInteger(read.ack) && read.ack >= 0)
  if (read._tag === "Ack") return
  assert.isTrue(Number.isSafeInteger(read.seq) && read.seq >= 1)
  if (read.content._tag === "Malformed") return
  assert.deepStrictEqual(WireMessage.decodeBody(WireMessage.encodeBody(read.content)), read.content)
}

/** What the decoder of long messages recognises is what JSON says. */
const checkLong = (frame: Uint8Array): void => {
  const read = LongMessage.read(frame)
  if (read === undefined) return
  const { ack, delivery, seq } = read
  const said = { _tag: "Sequenced", seq, ack, content: { _tag: "Deliver", delivery } }
  assert.deepStrictEqual(WireMessage.decode(frame), Either.right(said))
}

const messages: Target = {
  name: "messages",
  about: "the message decoder: what it understands it can write and read again, what it does not it names safely",
  input: (draw) => {
    const frame = draw.chance(10) ? garbage(draw, 64) : bentBytes(draw, message(draw, 1 + draw.below(5)))
    checkMessage(frame)
    checkLong(frame)
    WireMessage.decodeBody(frame)
    Probe.isProbe(frame)
  }
}

const handshakes: Target = {
  name: "handshakes",
  about: "the handshake decoder: what it understands can be said again, and both sides settle on the same",
  input: (draw) => {
    const frame = bentBytes(draw, hello(draw, "evil", draw.pick(["handshake", "handshakeAck"])))
    const decoded = Handshake.decode(draw.pick(["handshake", "handshakeAck"]), frame)
    Handshake.decodeConfirmation(draw.below(4), frame)
    if (Either.isLeft(decoded)) return assert.match(decoded.left, /^[\x20-\x7e]{1,200}$/)
    const { right: said } = decoded
    assert.deepStrictEqual(Handshake.decode(said._tag, Handshake.encode(said)), decoded)
    if (said.extensions === undefined) return
    const { statement: theirs } = said.extensions
    const epoch = draw.below(4)
    const base = 1 + draw.below(3)
    const mine: Session.Statement = {
      incarnationId: "there",
      peerIncarnationId: draw.pick<string | undefined>([undefined, "evil", "other"]),
      epoch,
      received: draw.below(4),
      sent: base,
      acknowledged: base - 1,
      base,
      next: base + 1,
      senders: draw.pick<ReadonlyArray<Sender>>([[], [{ from: 1, process: "one" }]]),
      receivedFrom: draw.pick<string | undefined>([undefined, "one"])
    }
    const verdict = Session.settle(mine, theirs)
    assert.strictEqual(Session.settle(theirs, mine).epoch, verdict.epoch)
    assert.isTrue(Number.isSafeInteger(verdict.epoch) && verdict.epoch >= 0)
  }
}

const peerId = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"

const urls: Target = {
  name: "urls",
  about: "the OCAP URL parser, peer ids and addresses: what is read can be written and read again",
  input: (draw) => {
    const text = bentText(draw, `ocap:zOid@${peerId},/ip4/127.0.0.1/tcp/1/p2p/${peerId},/dns4/x.example/tcp/2`)
    PeerId.fromString(bentText(draw, peerId))
    RelayPool.isAddress(bentText(draw, "/ip4/127.0.0.1/tcp/1/ws/p2p-circuit"))
    const parsed = OcapUrl.parse(text)
    if (Either.isLeft(parsed)) return assert.notInclude(parsed.left.message, "zOid")
    const { right: parts } = parsed
    assert.isAtMost(parts.hints.length, OcapUrl.maxHints)
    assert.deepStrictEqual(Either.flatMap(OcapUrl.format(parts), OcapUrl.parse), parsed)
  }
}

const checkWindow = (window: SendWindow.SendWindow): void => {
  assert.isTrue(Object.values(window).every(Number.isSafeInteger))
  assert.isAtMost(window.settled, window.acknowledged)
  assert.isBelow(window.sent, window.next)
  assert.isAtMost(window.base, window.next)
  assert.isAtLeast(SendWindow.pending(window), 0)
}

/** A peer's whole channel through everything that is pure: hello, then frames, against a window with messages on their way. */
const conversations: Target = {
  name: "conversations",
  about: "the inbound state machine: hello, then bent messages, against the windows of a kernel that has sent some",
  input: (draw) => {
    const greeting = Handshake.decode("handshake", bentBytes(draw, hello(draw, "evil")))
    if (Either.isLeft(greeting)) return
    const { extensions } = greeting.right
    const mine = {
      ...Session.firstStatement("there"),
      peerIncarnationId: draw.pick<string | undefined>([undefined, "evil"]),
      sent: 2,
      next: 4
    }
    const theirs = extensions?.statement
    const verdict = theirs && Session.settle(mine, theirs)
    const said = verdict && theirs && Session.carriedOver(verdict, theirs, "there")
    const ended = verdict !== undefined && Session.isEnding(verdict)
    const record = ended
      ? { nextSeq: 1, sentSeq: 0, baseSeq: 1, acknowledgedSeq: 0 }
      : { nextSeq: 4, sentSeq: 2, baseSeq: 1, acknowledgedSeq: 0 }
    let window = SendWindow.open(SendWindow.make(record), said)
    let received = 0
    let early: EarlyMessages.EarlyMessages<number> = EarlyMessages.empty
    const waiting: Array<Uint8Array> = []
    for (let index = 0; index < 20; index += 1) {
      const frame = draw.chance(3)
        ? bentBytes(draw, message(draw, received + 1))
        : new TextEncoder().encode(message(draw, received + 1))
      const decoded = WireMessage.decode(frame)
      if (Either.isLeft(decoded)) break
      const { right: read } = decoded
      if (read._tag === "Handshake" || read._tag === "Credit") continue
      waiting.push(frame)
      const next = SendWindow.acknowledge(window, read.ack)
      if (Either.isLeft(next)) break
      window = SendWindow.settle(next.right, received)
      checkWindow(window)
      if (read._tag === "Ack") continue
      if (extensions === undefined) {
        const arrived = EarlyMessages.arrive(early, received, { seq: read.seq, bytes: frame.length, message: read.seq })
        early = arrived.early
        for (const seq of arrived.taken) {
          assert.isAbove(seq, received)
          received = seq
        }
        assert.isAtMost(early.held.length, EarlyMessages.defaultLimits.messages)
      } else {
        const place = ReceiveWindow.place(received, read.seq, said?.base)
        if (place === "early") break
        if (place === "next") received = read.seq
      }
    }
    const heard = HeldLine.listen(0, [], waiting)
    assert.isTrue(Number.isSafeInteger(heard.ack) && heard.arrived <= waiting.length)
    const passed = EarlyMessages.pass(EarlyMessages.wait(early, 0, true), received, 20_000, 15_000)
    if (passed !== undefined) assert.isAtMost(passed.hole.from, passed.hole.through)
  }
}

export const targets: ReadonlyArray<Target> = [
  frames,
  messages,
  handshakes,
  urls,
  ...optionTargets,
  programsTarget,
  conversations
]
