import { assert, describe, it } from "@effect/vitest"
import * as Main from "effect-remotes"
import * as Browser from "effect-remotes/browser"
import * as Sql from "effect-remotes/sql"
import * as Testing from "effect-remotes/testing"

describe("the public surface", () => {
  it("of effect-remotes", () => {
    assert.deepStrictEqual(Object.keys(Main).sort(), [
      "AddressError",
      "ConfigError",
      "ConnectionError",
      "ConnectionFactory",
      "ConnectionFactoryLibp2p",
      "ConnectionFactoryMemory",
      "DeadLetterError",
      "DeadLetters",
      "DeadLettersStored",
      "Delivery",
      "IdentityError",
      "KernelPort",
      "OcapUrl",
      "PeerId",
      "RelayServer",
      "RelayServerLibp2p",
      "RemoteError",
      "RemoteHandle",
      "RemoteIdentity",
      "RemoteIdentityStored",
      "RemoteStatus",
      "RemoteStore",
      "RemoteStoreMemory",
      "Remotes",
      "RemotesConfig",
      "RemotesDurable",
      "StoreError",
      "Transport",
      "TransportError",
      "TransportLinks"
    ])
  })

  it("of effect-remotes/browser: all but what only Node can do", () => {
    const nodeOnly = new Set(["ConnectionFactoryLibp2p", "RelayServer", "RelayServerLibp2p"])
    const names = Object.keys(Main).filter((name) => !nodeOnly.has(name))
    assert.deepStrictEqual(Object.keys(Browser).sort(), [...names, "ConnectionFactoryBrowser"].sort())
  })

  it("of effect-remotes/sql", () => {
    assert.deepStrictEqual(Object.keys(Sql), ["RemoteStoreSql"])
  })

  it("of effect-remotes/testing", () => {
    assert.deepStrictEqual(Object.keys(Testing).sort(), [
      "ConnectionFactoryMemory",
      "Network",
      "Simulation",
      "VirtualTime"
    ])
  })
})
