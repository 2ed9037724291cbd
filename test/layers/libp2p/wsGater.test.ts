import { assert, describe, it } from "@effect/vitest"
import { multiaddr } from "@multiformats/multiaddr"
import * as WsGater from "../../../src/layers/libp2p/wsGater.ts"

const relay = "/p2p/12D3KooWNW98jY6oC8EEaFFbYCc24HPRaNAJaEY7eiAvspiAgFak"

const verdicts: Record<"pass" | "deny", ReadonlyArray<string>> = {
  pass: [
    "/ip4/127.0.0.1/tcp/1/ws",
    "/ip4/127.255.0.1/tcp/1/ws",
    "/ip4/10.1.2.3/tcp/1/ws",
    "/ip4/172.16.0.1/tcp/1/ws",
    "/ip4/172.31.255.1/tcp/1/ws",
    "/ip4/192.168.1.1/tcp/1/ws",
    "/ip6/::1/tcp/1/ws",
    "/ip6/0:0:0:0:0:0:0:1/tcp/1/ws",
    "/ip6/fc00::1/tcp/1/ws",
    "/ip6/fdff::1/tcp/1/ws",
    "/ip6/fe80::1/tcp/1/ws",
    "/ip6/febf::1/tcp/1/ws",
    "/ip6zone/eth0/ip6/fe80::1/tcp/1/ws",
    "/ip6/::ffff:10.0.0.1/tcp/1/ws",
    "/dns4/localhost/tcp/1/ws",
    "/dns/LOCALHOST/tcp/1/ws",
    // not plain ws
    "/ip4/1.1.1.1/tcp/1",
    "/ip4/1.1.1.1/tcp/1/wss",
    "/ip4/1.1.1.1/tcp/1/tls/ws",
    "/dns4/example.org/tcp/443/tls/sni/example.org/ws",
    "/ip4/1.1.1.1/udp/1/quic-v1",
    `/ip4/1.1.1.1/tcp/1/ws${relay}/p2p-circuit${relay}`,
    `/ip4/1.1.1.1/tcp/1/ws${relay}/p2p-circuit/webrtc${relay}`,
    // told so
    "/dns4/relay.example.org/tcp/1/ws",
    "/dns4/Relay.Example.Org/tcp/2/ws",
    "/ip4/8.8.8.8/tcp/1/ws",
    "/ip6/2001:db8::1/tcp/1/ws",
    "/ip6/2001:db8:0:0:0:0:0:1/tcp/1/ws"
  ],
  deny: [
    "/ip4/1.1.1.1/tcp/1/ws",
    "/ip4/1.1.1.1/tcp/1/ws/p2p/12D3KooWNW98jY6oC8EEaFFbYCc24HPRaNAJaEY7eiAvspiAgFak",
    "/ip4/11.0.0.1/tcp/1/ws",
    "/ip4/126.0.0.1/tcp/1/ws",
    "/ip4/128.0.0.1/tcp/1/ws",
    "/ip4/172.15.0.1/tcp/1/ws",
    "/ip4/172.32.0.1/tcp/1/ws",
    "/ip4/192.169.0.1/tcp/1/ws",
    "/ip4/193.168.0.1/tcp/1/ws",
    "/ip4/169.254.1.1/tcp/1/ws",
    "/ip4/0.0.0.0/tcp/1/ws",
    "/ip6/::/tcp/1/ws",
    "/ip6/::2/tcp/1/ws",
    "/ip6/2001:db8::2/tcp/1/ws",
    "/ip6/fbff::1/tcp/1/ws",
    "/ip6/fe00::1/tcp/1/ws",
    "/ip6/fec0::1/tcp/1/ws",
    "/ip6/::ffff:8.8.8.9/tcp/1/ws",
    "/dns4/example.org/tcp/1/ws",
    "/dns4/fdcafe/tcp/1/ws",
    "/dns4/fcevil.example/tcp/1/ws",
    "/dns4/fe80.example/tcp/1/ws",
    "/dns4/localhost.example/tcp/1/ws",
    "/dns4/10.evil.example/tcp/1/ws",
    "/dns4/10.0.0.1.example/tcp/1/ws",
    "/dns4/a.relay.example.org/tcp/1/ws"
  ]
}

describe("wsGater", () => {
  const isAllowed = WsGater.make(["relay.example.org", "8.8.8.8", "[2001:db8::1]"])
  for (const address of verdicts.pass) it(`passes ${address}`, () => assert.isTrue(isAllowed(multiaddr(address))))
  for (const address of verdicts.deny) it(`denies ${address}`, () => assert.isFalse(isAllowed(multiaddr(address))))

  it("knows the hosts of plain WebSockets among addresses", () => {
    const addresses = [
      "/dns4/plain.example/tcp/1/ws",
      "/dns4/secure.example/tcp/1/wss",
      "/dns4/secure.example/tcp/1/tls/ws",
      "/ip4/1.1.1.1/tcp/1",
      "/ip6zone/eth0/ip6/2001:db8::1/tcp/1/ws"
    ].map((it) => multiaddr(`${it}${relay}`))
    assert.deepStrictEqual(WsGater.plainHosts(addresses), ["plain.example", "2001:db8::1"])
    assert.isTrue(addresses.every(WsGater.make(WsGater.plainHosts(addresses))))
  })
})
