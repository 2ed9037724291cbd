/**
 * How raw libp2p sends. Every way waits when the muxer asks it to, and ends when the far end has said that it has everything.
 */
import type { Stream } from "@libp2p/interface"
import { lpStream } from "@libp2p/utils"
import * as Frame from "../../src/protocol/Frame.ts"
import { headerBytes } from "./rawServer.ts"
import type { RawWay } from "./requests.ts"

type Way = (stream: Stream, count: number, size: number) => Promise<number>

const headerOf = (expected: number): Uint8Array => {
  const header = new Uint8Array(headerBytes)
  new DataView(header.buffer).setBigUint64(0, BigInt(expected))
  return header
}

const messageOf = (size: number) => new Uint8Array(size).fill(120)

/** `onDrain` of libp2p resolves at once from its second use on, so the event is only a reason to look again. */
const drained = (stream: Stream): Promise<void> =>
  new Promise((resolve) => {
    const look = () => {
      if (stream.writableNeedsDrain) return
      stream.removeEventListener("drain", later)
      resolve()
    }
    const later = () => queueMicrotask(look)
    stream.addEventListener("drain", later)
    look()
  })

const write = async (stream: Stream, bytes: Uint8Array): Promise<void> => {
  if (!stream.send(bytes)) await drained(stream)
}

const confirmed = (stream: Stream): Promise<void> =>
  new Promise((resolve) => stream.addEventListener("message", () => resolve(), { once: true }))

/** What is sent is copied for the muxer, because it may hold on to it. */
const chunked = async (stream: Stream, expected: number, chunks: Iterable<Uint8Array>): Promise<number> => {
  const done = confirmed(stream)
  const started = performance.now()
  await write(stream, headerOf(expected))
  for (const chunk of chunks) if (!stream.send(chunk)) await drained(stream)
  await done
  return performance.now() - started
}

const writeBytes = 65_536

const coalesced = function* (count: number, size: number): Generator<Uint8Array> {
  const message = messageOf(size)
  const perWrite = Math.max(1, Math.floor(writeBytes / size))
  for (let left = count; left > 0; left -= perWrite) {
    yield Frame.encode(Array<Uint8Array>(Math.min(left, perWrite)).fill(message))
  }
}

const plain = function* (count: number, size: number): Generator<Uint8Array> {
  for (let index = 0; index < count; index += 1) yield messageOf(size)
}

const awaited: Way = async (stream, count, size) => {
  const frames = lpStream(stream, { maxDataLength: 4 * 1_048_576 })
  const message = messageOf(size)
  const started = performance.now()
  await frames.write(headerOf(count))
  for (let index = 0; index < count; index += 1) await frames.write(message)
  await frames.read()
  return performance.now() - started
}

/** How each way sends `count` messages of `size` bytes; gives the milliseconds that it took. */
export const send = (way: RawWay): Way => {
  switch (way) {
    case "awaited":
      return awaited
    case "coalesced":
      return (stream, count, size) => chunked(stream, count, coalesced(count, size))
    case "plain":
      return (stream, count, size) => chunked(stream, count * size, plain(count, size))
  }
}

/** Does something, sends a message, and waits for all of it to come back, again and again; gives the microseconds of each. */
export const echoes = async (
  stream: Stream,
  count: number,
  size: number,
  before: () => void = () => undefined
): Promise<Array<number>> => {
  const message = messageOf(size)
  const micros: Array<number> = []
  let missing = 0
  let back: () => void = () => undefined
  stream.addEventListener("message", ({ data }) => {
    missing -= data.byteLength
    if (missing === 0) back()
  })
  for (let index = 0; index < count; index += 1) {
    const started = performance.now()
    before()
    missing = size
    const returned = new Promise<void>((resolve) => {
      back = resolve
    })
    await write(stream, message)
    await returned
    micros.push((performance.now() - started) * 1000)
  }
  return micros
}
