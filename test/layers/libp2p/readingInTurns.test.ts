/** How much of a TCP connection is read in one turn of the event loop. */
import { assert, describe, it } from "@effect/vitest"
import { EventEmitter } from "node:events"
import { afterReading } from "../../../src/layers/libp2p/afterReading.ts"
import { readInTurns } from "../../../src/layers/libp2p/readingInTurns.ts"

/** A socket that brings what it is told to, and the connection on it. */
const makeConnection = () => {
  const calls: Array<string> = []
  const socket = Object.assign(new EventEmitter(), {
    pause: () => void calls.push("pause"),
    resume: () => void calls.push("resume")
  })
  const connection = { socket, readStatus: "readable" }
  readInTurns(connection)
  const bring = (...sizes: ReadonlyArray<number>) => {
    for (const size of sizes) socket.emit("data", new Uint8Array(size))
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
    const connection = { socket: undefined }
    assert.strictEqual(readInTurns(connection), connection)
  })
})
