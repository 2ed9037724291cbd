import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as RelayPool from "../../src/protocol/RelayPool.ts"
import type { KnownRelay } from "../../src/services/RemoteStore.ts"

const learned = (address: string, lastSeen: number): KnownRelay => ({ address, lastSeen, bootstrap: false })
const chosen = (address: string, lastSeen: number): KnownRelay => ({ address, lastSeen, bootstrap: true })
const terms = { now: 1000, maxKnownRelays: 20 }
const names = (count: number, prefix = "r") => Array.from({ length: count }, (_, i) => `${prefix}${i}`)
const addresses = (pool: RelayPool.RelayPool) => pool.map((it) => it.address)

describe("RelayPool", () => {
  it("takes start relays in as seen now, before learned ones, which stay", () => {
    const { evicted, pool } = RelayPool.start([learned("old", 5), learned("b", 7)], ["a", "b", "a"], terms)
    assert.deepStrictEqual(pool, [chosen("a", 1000), chosen("b", 1000), learned("old", 5)])
    assert.deepStrictEqual(evicted, [])
  })

  it("demotes a start relay of earlier, and keeps it", () => {
    const { pool } = RelayPool.start([chosen("A", 5)], ["B"], terms)
    assert.deepStrictEqual(pool, [chosen("B", 1000), learned("A", 5)])
  })

  it("changes nothing without start relays", () => {
    const stored = [chosen("A", 5), learned("B", 9), learned("C", 7)]
    assert.deepStrictEqual(RelayPool.start(stored, [], terms), { pool: stored, evicted: [] })
  })

  it("over the cap keeps start relays in order, then the newest learned ones", () => {
    const pool = [learned("new", 30), chosen("s1", 1), learned("old", 10), chosen("s2", 2), learned("mid", 20)]
    const capped = RelayPool.cap(pool, 4)
    assert.deepStrictEqual(addresses(capped.pool), ["s1", "s2", "new", "mid"])
    assert.deepStrictEqual(addresses(capped.evicted), ["old"])
  })

  it("cuts start relays in order when they alone are over the cap", () => {
    const { evicted, pool } = RelayPool.start([learned("x", 9)], names(25), terms)
    assert.deepStrictEqual(addresses(pool), names(20))
    assert.deepStrictEqual(addresses(evicted), [...names(25).slice(20), "x"])
  })

  it("refreshes a relay that is seen again, without a duplicate and without a change of its mark", () => {
    const { pool } = RelayPool.see([chosen("s", 1), learned("a", 2), learned("b", 3)], ["a", "s", "a", "c"], terms)
    assert.deepStrictEqual(pool, [chosen("s", 1000), learned("c", 1000), learned("a", 1000), learned("b", 3)])
  })

  it("seeing nobody changes nothing", () => {
    const pool = [chosen("s", 1), learned("a", 2)]
    assert.deepStrictEqual(RelayPool.see(pool, [], terms), { pool, evicted: [] })
  })

  it("names 3 of 6 start relays, and 5 of 10 when asked for 5", () => {
    assert.deepStrictEqual(
      RelayPool.urlHints(RelayPool.start([], names(6), terms).pool, RelayPool.defaultMaxUrlRelayHints),
      names(3)
    )
    assert.deepStrictEqual(RelayPool.urlHints(RelayPool.start([], names(10), terms).pool, 5), names(5))
  })

  it("names start relays before learned ones that were seen later", () => {
    const started = RelayPool.start([], ["s1", "s2"], terms).pool
    const pool = names(5, "l").reduce<RelayPool.RelayPool>(
      (pool, address, i) => RelayPool.see(pool, [address], { ...terms, now: 2000 + i }).pool,
      started
    )
    assert.deepStrictEqual(RelayPool.urlHints(pool, 3), ["s1", "s2", "l4"])
  })

  it("names learned relays by when they were seen", () => {
    const pool = [learned("100", 100), learned("300", 300), learned("200", 200)]
    assert.deepStrictEqual(RelayPool.urlHints(pool, 3), ["300", "200", "100"])
  })

  it("holds its promises after any sequence of starts and sightings", () => {
    const list = FastCheck.array(FastCheck.constantFrom(...names(12)), { maxLength: 8 })
    const step = FastCheck.record({ kind: FastCheck.constantFrom("start", "see"), list })
    const max = FastCheck.integer({ min: 1, max: 9 })
    FastCheck.assert(
      FastCheck.property(FastCheck.array(step), max, (steps, maxKnownRelays) => {
        let pool: RelayPool.RelayPool = []
        steps.forEach(({ kind, list }, now) => {
          const change = RelayPool[kind === "start" ? "start" : "see"](pool, list, { now, maxKnownRelays })
          const before = new Set([...addresses(pool), ...list])
          pool = change.pool
          assert.isAtMost(pool.length, maxKnownRelays)
          assert.strictEqual(new Set(addresses(pool)).size, pool.length)
          assert.deepStrictEqual(new Set([...addresses(pool), ...addresses(change.evicted)]), before)
          const flags = pool.map((it) => it.bootstrap)
          assert.deepStrictEqual(
            flags,
            [...flags].sort((a, b) => Number(b) - Number(a))
          )
          const times = pool.filter((it) => !it.bootstrap).map((it) => it.lastSeen)
          assert.deepStrictEqual(
            times,
            [...times].sort((a, b) => b - a)
          )
          if (kind === "start" && list.length > 0) {
            assert.deepStrictEqual(
              addresses(pool.filter((it) => it.bootstrap)),
              [...new Set(list)].slice(0, maxKnownRelays)
            )
          }
        })
      }),
      { numRuns: 10_000 }
    )
  })

  it.each([
    ["/ip4/127.0.0.1/tcp/9001/ws/p2p/12D3KooWNW98jY6oC8EEaFFbYCc24HPRaNAJaEY7eiAvspiAgFak", true],
    ["/dns4/relay.example/tcp/443/wss", true],
    ["", false],
    ["/", false],
    ["relay.example:443", false],
    ["/ip4/999.0.0.1/tcp/1", false],
    ["/ip4/127.0.0.1/tcp/99999", false],
    ["/nonsense/1", false],
    [`/dns4/${"x".repeat(600)}/tcp/1`, false]
  ])("knows an address from other text: %s", (text, expected) => {
    assert.strictEqual(RelayPool.isAddress(text), expected)
  })
})
