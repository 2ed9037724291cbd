/**
 * Yamux in JavaScript takes each frame apart in a list, and puts it together in another one. A frame of data that is written alone,
 * or comes alone in a packet, needs neither.
 *
 * @internal
 */
import type { Stream, StreamMuxer } from "@libp2p/interface"
import * as Predicate from "effect/Predicate"
import { Slab } from "../../protocol/Slab.ts"
import { hasMethods } from "./hasMethods.ts"
import * as Packets from "./packets.ts"
import * as Queues from "./queues.ts"

/** As Yamux has it: version 0, type, flags, stream and length, in network order. */
const headerBytes = 12

/** The type of a frame of data, and the flags of one on a stream that both sides have accepted. */
const data = 0
const noFlags = 0

/** The state of a stream that both sides have accepted. */
const established = 3

interface Header {
  readonly type: number
  readonly flag: number
  readonly streamID: number
  readonly length: number
}

/** What is used of a stream of Yamux to read a frame; one that has it not is left as it is. */
interface Reading {
  readonly streamId: number
  readonly handleData: (frame: { readonly header: Header; readonly data: Queues.Data }) => void
}

const isReading = (stream: Stream): stream is Stream & Reading =>
  typeof Reflect.get(stream, "streamId") === "number" && typeof Reflect.get(stream, "handleData") === "function"

/** What is used of one to write as well. */
interface YamuxStream extends Queues.Queued, Stream, Reading {
  readonly state: number
  /** How much the peer takes, and how much of that libp2p sends at once. */
  sendWindowCapacity: number
  readonly maxMessageSize: number
  readonly sendFrame: (header: Header, data: Queues.Data) => boolean
}

const numbers = ["state", "sendWindowCapacity", "maxMessageSize"]

const isYamux = (stream: Stream): stream is YamuxStream =>
  Queues.isQueued(stream) &&
  isReading(stream) &&
  hasMethods(stream, ["sendFrame"]) &&
  numbers.every((name) => typeof Reflect.get(stream, name) === "number")

/** What is used of a muxer of Yamux's; one that has it not is left as it is. */
interface Muxer {
  /** What has arrived of frames that are not whole. */
  readonly decoder: { readonly buffer: { readonly byteLength: number } }
  readonly onData: (bytes: Queues.Data) => void
  readonly send: (bytes: Queues.Data) => boolean
  readonly sendFrame: (header: Header, data?: Queues.Data) => boolean
}

const isMuxer = (muxer: object): muxer is Muxer => {
  const decoder: unknown = Reflect.get(muxer, "decoder")
  const buffer: unknown = Predicate.hasProperty(decoder, "buffer") && decoder.buffer
  return (
    hasMethods(muxer, ["onData", "send", "sendFrame"]) &&
    Predicate.hasProperty(buffer, "byteLength") &&
    typeof buffer.byteLength === "number"
  )
}

const frames = new Slab(16_384)

const write32 = (target: Uint8Array, at: number, value: number): void => {
  target[at] = value >>> 24
  target[at + 1] = value >>> 16
  target[at + 2] = value >>> 8
  target[at + 3] = value
}

const read32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) * 2 ** 24 + ((bytes[at + 1] ?? 0) << 16) + ((bytes[at + 2] ?? 0) << 8) + (bytes[at + 3] ?? 0)

/** A frame of data without flags. */
const encode = (streamId: number, text: Uint8Array): Uint8Array => {
  const frame = frames.take(headerBytes + text.length)
  write32(frame, 0, 0)
  write32(frame, 4, streamId)
  write32(frame, 8, text.length)
  frame.set(text, headerBytes)
  return frame
}

/** Whether these bytes are one frame of data without flags, and nothing else. */
const isPlain = (bytes: Uint8Array): boolean =>
  bytes.length > headerBytes && read32(bytes, 0) === 0 && read32(bytes, 8) === bytes.length - headerBytes

/**
 * Has a muxer write a short frame of data in one piece, and read one that comes alone where it lies.
 *
 * @internal
 */
export const takeFramesWhole = <M extends StreamMuxer>(muxer: M): M => {
  if (!isMuxer(muxer)) return muxer
  const { decoder } = muxer
  const onData = muxer.onData.bind(muxer)
  const sendFrame = muxer.sendFrame.bind(muxer)
  // Nothing is kept of it: a stream that is over takes up much.
  const streamOf = (id: number): Reading | undefined =>
    muxer.streams.filter(isReading).find(({ streamId }) => streamId === id)
  return Object.assign(muxer, {
    onData: (bytes: Queues.Data) => {
      if (!(bytes instanceof Uint8Array) || decoder.buffer.byteLength > 0 || !isPlain(bytes)) return onData(bytes)
      const header = { type: data, flag: noFlags, streamID: read32(bytes, 4), length: bytes.length - headerBytes }
      const stream = streamOf(header.streamID)
      if (stream === undefined) onData(bytes)
      else stream.handleData({ header, data: bytes.subarray(headerBytes) })
    },
    sendFrame: (header: Header, text?: Queues.Data) =>
      text instanceof Uint8Array && header.flag === noFlags && text.length < Packets.short - headerBytes
        ? muxer.send(encode(header.streamID, text))
        : sendFrame(header, text)
  })
}

/**
 * Writes to a stream: past its queue, where nothing waits and the peer takes all of it.
 *
 * @internal
 */
export const writerOf = (stream: Stream): ((bytes: Uint8Array) => boolean) => {
  if (!isYamux(stream)) return (bytes) => stream.send(bytes)
  const write = (bytes: Uint8Array) => {
    const { length } = bytes
    const takesMore = stream.sendFrame({ type: data, flag: noFlags, streamID: stream.streamId, length }, bytes)
    stream.sendWindowCapacity -= length
    return takesMore
  }
  return (bytes) =>
    Queues.isFree(stream) &&
    stream.state === established &&
    bytes.length > 0 &&
    bytes.length <= Math.min(stream.maxMessageSize, stream.sendWindowCapacity)
      ? Queues.sendAtOnce(stream, () => write(bytes))
      : stream.send(bytes)
}

/**
 * Has `hear` told of what arrives on a stream past its queue, where nothing waits and nobody but `hear` listens; it has to listen as
 * well, for everything else.
 *
 * @internal
 */
export const hearStream = (stream: Stream, hear: (data: Queues.Data) => void): void => {
  if (!Queues.isQueued(stream)) return
  const onData = stream.onData.bind(stream)
  stream.onData = (bytes) =>
    Queues.isHeardAlone(stream, bytes) ? Queues.hearAtOnce(stream, bytes, hear) : onData(bytes)
}
