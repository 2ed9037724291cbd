import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Negotiation from "../../../src/layers/libp2p/negotiation.ts"
import { framed } from "../../support/attacker.ts"

const served = new Set(["/ours/1", "/ipfs/id/1.0.0"])
const lines = (...all: ReadonlyArray<string>) => framed(...all.map((line) => `${line}\n`))
const concat = (...parts: ReadonlyArray<Uint8Array>) => new Uint8Array(Buffer.concat(parts))

/** What is said of bytes that arrive in pieces, up to the first verdict. */
const verdict = (bytes: Uint8Array, piece = bytes.length) => {
  const read = Negotiation.reader((protocol) => served.has(protocol))
  for (let from = 0; from < bytes.length; from += piece) {
    const standing = read(bytes.subarray(from, from + piece))
    if (standing !== "open") return standing
  }
  return "open"
}

const greeting = "/multistream/1.0.0"

const cases: Record<Negotiation.Standing, Readonly<Record<string, Uint8Array>>> = {
  open: {
    "a greeting": lines(greeting),
    "protocols that are not served": lines(greeting, "/other/1", "ls", "na"),
    "half a line": lines(greeting).subarray(0, 9),
    "a protocol in which a message with a length follows": lines(greeting, "/ipfs/id/1.0.0"),
    "half of that message": concat(lines(greeting, "/ipfs/id/1.0.0"), framed("x".repeat(5000)).subarray(0, 4000))
  },
  over: {
    "a protocol that is served": lines(greeting, "/ours/1"),
    "a protocol that is served, after others": lines(greeting, "/other/1", "/another/1", "/ours/1"),
    "whatever follows a protocol that is served": concat(lines(greeting, "/ours/1"), new Uint8Array(99).fill(0xff)),
    "a message with a length, whole": concat(lines(greeting, "/ipfs/id/1.0.0"), framed("x".repeat(5000)))
  },
  refused: {
    "a length that never ends": new Uint8Array(3).fill(0xff),
    "the same after a greeting": concat(lines(greeting), new Uint8Array(3).fill(0xff)),
    "the same where a message is due": concat(lines(greeting, "/ipfs/id/1.0.0"), new Uint8Array(3).fill(0xff)),
    "a line of more than 8 KiB": framed("x".repeat(8193)).subarray(0, 2),
    "lines without end": lines(...Array<string>(32).fill("/other/1")),
    "empty lines without end": new Uint8Array(32)
  }
}

describe("What a peer says before a protocol is agreed upon", () => {
  for (const [standing, examples] of Object.entries(cases)) {
    for (const [name, bytes] of Object.entries(examples)) {
      it(`is ${standing}: ${name}`, () => {
        FastCheck.assert(
          FastCheck.property(FastCheck.integer({ min: 1, max: bytes.length }), (piece) =>
            assert.strictEqual(verdict(bytes, piece), standing)
          ),
          { examples: [[1], [bytes.length]], numRuns: 20 }
        )
      })
    }
  }
})
