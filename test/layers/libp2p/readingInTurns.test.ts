/** How much of a TCP connection is read in one turn of the event loop. */
import { assert, describe, it } from "@effect/vitest"
import { afterReading } from "../../../src/layers/libp2p/afterReading.ts"
import { readInTurns } from "../../../src/layers/libp2p/readingInTurns.ts"

/** A connection on a socket, that brings what it is told to; each of it is heard before anything is done about how much it was. */
const makeConnection = () => {
  const calls: Array<string> = []
  const heard: Array<number> = []
  const socket = { pause: () => void calls.push("pause"), resume: () => void calls.push("resume") }
  const onData = ({ byteLength }: Uint8Array) => {
    assert.strictEqual(calls.filter((it) => it === "pause").length, calls.filter((it) => it === "resume").length)
    heard.push(byteLength)
  }
  const connection = readInTurns({ socket, readStatus: "readable", onData })
  const bring = (...sizes: ReadonlyArray<number>) => {
    const before = heard.length
    for (const size of sizes) connection.onData(new Uint8Array(size))
    assert.deepStrictEqual(heard.slice(before), sizes)
  }
  return { bring, calls, connection }
}

const nextTurn = () => new Promise<void>(afterReading)

describe("A TCP connection", () => {
  it("that brings 128 KiB in one turn of the event loop is read again in the next", async () => {
    const { bring, calls } = makeConnection()
    bring(65_536)
    assert.deepStrictEqual(calls, [])
    bring(65_536)
    assert.deepStrictEqual(calls, ["pause"])
    await nextTurn()
    assert.deepStrictEqual(calls, ["pause", "resume"])
    bring(65_536, 65_536)
    await nextTurn()
    assert.deepStrictEqual(calls, ["pause", "resume", "pause", "resume"])
  })

  it("that brings as much in two turns, or in short pieces, is read all the time", async () => {
    const { bring, calls } = makeConnection()
    bring(65_536)
    await nextTurn()
    bring(65_536)
    await nextTurn()
    bring(...Array<number>(100).fill(65_535))
    assert.deepStrictEqual(calls, [])
  })

  it("that libp2p holds back by then stays so", async () => {
    const { bring, calls, connection } = makeConnection()
    bring(65_536, 65_536)
    connection.readStatus = "paused"
    await nextTurn()
    assert.deepStrictEqual(calls, ["pause"])
  })

  it("without a socket is left as it is", () => {
    const connection = { socket: undefined, onData: () => undefined }
    const { onData } = connection
    assert.strictEqual(readInTurns(connection).onData, onData)
  })
})
