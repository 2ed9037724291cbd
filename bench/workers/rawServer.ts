/**
 * What the far end of a raw measurement does: it takes everything, and says when it has all of it.
 */
import type { Libp2p, Stream } from "@libp2p/interface"
import { lpStream } from "@libp2p/utils"
import * as Either from "effect/Either"
import * as Frame from "../../src/protocol/Frame.ts"

export const protocols = {
  awaited: "/bench/awaited/1",
  coalesced: "/bench/coalesced/1",
  plain: "/bench/plain/1",
  echo: "/bench/echo/1",
  committedEcho: "/bench/committed-echo/1"
} as const

/** What a stream begins with: how many messages, or bytes, will come. */
export const headerBytes = 8

/** Reads the header off the first chunks, and gives what lies behind it in the same chunk. */
const makeHeader = () => {
  const bytes = new Uint8Array(headerBytes)
  let have = 0
  return {
    expected: () => (have < headerBytes ? undefined : Number(new DataView(bytes.buffer).getBigUint64(0))),
    skim: (chunk: Uint8Array): Uint8Array => {
      const taken = Math.min(headerBytes - have, chunk.length)
      bytes.set(chunk.subarray(0, taken), have)
      have += taken
      return chunk.subarray(taken)
    }
  }
}

/** Takes chunks until `count` has counted as much as was announced, then says so with one byte. */
const take = (stream: Stream, count: (chunk: Uint8Array) => number) => {
  const header = makeHeader()
  let counted = 0
  stream.addEventListener("message", ({ data }) => {
    for (const chunk of data instanceof Uint8Array ? [data] : data) {
      const rest = header.skim(chunk)
      if (rest.length > 0) counted += count(rest)
    }
    if (counted === header.expected()) stream.send(Uint8Array.of(1))
  })
}

const countFrames = () => {
  const decoder = Frame.makeDecoder(4 * 1_048_576)
  return (chunk: Uint8Array) => Either.getOrThrow(decoder.push(chunk)).length
}

const takeAwaited = async (stream: Stream) => {
  const frames = lpStream(stream, { maxDataLength: 4 * 1_048_576 })
  const header = (await frames.read()).subarray()
  const expected = Number(new DataView(header.buffer, header.byteOffset).getBigUint64(0))
  for (let count = 0; count < expected; count += 1) await frames.read()
  await frames.write(Uint8Array.of(1))
}

/** Commits once a whole message has come, and only then sends it back. */
const commitAndEcho = (stream: Stream, { commit, size }: Journal) => {
  let pieces: Array<Uint8Array> = []
  let missing = size
  stream.addEventListener("message", ({ data }) => {
    pieces.push(data.subarray())
    missing -= data.byteLength
    if (missing > 0) return
    commit()
    for (const piece of pieces) stream.send(piece)
    pieces = []
    missing = size
  })
}

/** What messages of so many bytes are committed to. */
export interface Journal {
  readonly size: number
  readonly commit: () => void
}

/** Serves a protocol, and closes a stream when the peer has: only so many of a protocol may be open. */
const serve = (node: Libp2p, protocol: string, use: (stream: Stream) => void | Promise<void>) =>
  node.handle(protocol, (stream) => {
    stream.addEventListener("remoteCloseWrite", () => {
      stream.close().catch((error: unknown) => stream.abort(error instanceof Error ? error : new Error(String(error))))
    })
    return use(stream)
  })

export const serveCommitted = (node: Libp2p, journal: Journal): Promise<void> =>
  serve(node, protocols.committedEcho, (stream) => commitAndEcho(stream, journal))

export const serveAll = async (node: Libp2p): Promise<void> => {
  await serve(node, protocols.awaited, takeAwaited)
  await serve(node, protocols.coalesced, (stream) => take(stream, countFrames()))
  await serve(node, protocols.plain, (stream) => take(stream, (chunk) => chunk.length))
  await serve(node, protocols.echo, (stream) => {
    stream.addEventListener("message", ({ data }) => {
      stream.send(data)
    })
  })
}
