import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { DialFailedError, NoAddressError } from "../../src/errors/ConnectionError.ts"
import * as PeerId from "../../src/protocol/PeerId.ts"
import type { RemoteStatus } from "../../src/services/RemoteHandle.ts"
import { explain } from "../../src/services/RemoteStatus.ts"

const peerId = Effect.runSync(PeerId.fromString("12D3KooWFYVfnFKGTuL9KRfpGHyJXC48zqmwZnRLMiUcNGmGPA8E"))
const now = 1_700_000_000_000

const status = (more: Partial<RemoteStatus>): RemoteStatus => ({
  peerId,
  at: now,
  link: { _tag: "Idle", error: undefined },
  pendingMessages: 0,
  pendingBytes: 0,
  oldestPendingAt: undefined,
  nextSeq: 1,
  acknowledgedSeq: 0,
  receivedSeq: 0,
  held: false,
  resent: 0,
  lostByPeer: 0,
  ...more
})

const refused = new DialFailedError({ peerId, address: "/ip4/127.0.0.1/tcp/1", code: "ECONNREFUSED" })
const backingOff = { _tag: "BackingOff", attempt: 7, retryAt: now + 2_400, error: refused, permanent: false } as const
const open = {
  _tag: "Open",
  since: now - 3_725_000,
  address: "/ip4/127.0.0.1/tcp/1",
  relayed: false,
  roundTrip: undefined
} as const

describe("RemoteStatus.explain", () => {
  it.each<readonly [string, Partial<RemoteStatus>]>([
    [
      `waiting for ${peerId}: redial in 3 s, attempt 7, ECONNREFUSED, 412 pending, oldest 41 s`,
      { link: backingOff, pendingMessages: 412, oldestPendingAt: now - 41_900 }
    ],
    [
      `${peerId}: redial in 1 s, attempt 7, ECONNREFUSED, the same each time, nothing pending`,
      { link: { ...backingOff, retryAt: now + 1, permanent: true } }
    ],
    [
      `${peerId}: redial in 0 s, attempt 7, ECONNREFUSED, nothing pending`,
      { link: { ...backingOff, retryAt: now - 5 } }
    ],
    [`${peerId}: not connected, nothing pending`, {}],
    [
      `waiting for ${peerId}: not connected, NoAddressError, 1 pending, oldest 2 d 3 h`,
      {
        link: { _tag: "Idle", error: new NoAddressError({ peerId }) },
        pendingMessages: 1,
        oldestPendingAt: now - 51 * 3_600_000 - 59_000
      }
    ],
    [
      `waiting for ${peerId}: dialing, attempt 1, 2 pending`,
      { link: { _tag: "Dialing", attempt: 1 }, pendingMessages: 2 }
    ],
    [`${peerId}: shaking hands, attempt 2, nothing pending`, { link: { _tag: "Handshaking", attempt: 2 } }],
    [
      `${peerId}: connected for 1 h 2 min, 3 pending, oldest 0 s`,
      { link: open, pendingMessages: 3, oldestPendingAt: now + 5 }
    ],
    [
      `${peerId}: connected through a relay for 1 h 2 min, nothing pending, its messages wait for this kernel`,
      { link: { ...open, relayed: true }, held: true }
    ],
    [`${peerId}: closed on purpose, nothing pending`, { link: { _tag: "Closed" } }]
  ])("%s", (expected, more) => {
    assert.strictEqual(explain(status(more)), expected)
  })

  it("lets no foreign text break the line", () => {
    const error = new DialFailedError({ peerId, address: "a", code: `E\n\u001b[31m${"x".repeat(1000)}` })
    const line = explain(status({ link: { ...backingOff, error } }))
    assert.notMatch(line, /\p{Cc}/u)
    assert.isBelow(line.length, 300)
  })
})
