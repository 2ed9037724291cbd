/** What a peer says on the wire, before it is bent. */
import type { Draw } from "./mutate.ts"

const number = (draw: Draw): number =>
  draw.pick([1, 2, 3, draw.below(10), draw.below(300), -1, 0, 0.5, Number.MAX_SAFE_INTEGER, 2 ** 53])

const text = (draw: Draw): string => draw.pick(["", "ro-1", "rp+1", "x", "\u{1b}[2J", "ocap:z@12D3KooW", "\ud800"])

const capData = (draw: Draw) => ({ body: text(draw), slots: Array.from({ length: draw.below(3) }, () => text(draw)) })

const params = (draw: Draw): readonly [string, unknown] =>
  draw.pick<readonly [string, unknown]>([
    ["deliver", ["message", text(draw), { methargs: capData(draw), result: text(draw) }]],
    ["deliver", ["notify", [[text(draw), draw.chance(2), capData(draw)]]]],
    ["deliver", ["dropExports", [text(draw), text(draw)]]],
    ["deliver", ["retireImports", [text(draw)]]],
    ["deliver", ["bringOutYourDead"]],
    ["redeemURL", [text(draw), text(draw)]],
    ["redeemURLReply", [draw.chance(2), text(draw), text(draw)]],
    ["rejected", [number(draw), text(draw), text(draw)]],
    ["abandoned", []],
    [text(draw), []]
  ])

/** A frame after the handshake; `seq` is the number that would be right. */
export const message = (draw: Draw, seq: number): string => {
  if (draw.chance(10)) return draw.pick(['{"probe":1}', '{"probed":1}'])
  if (draw.chance(10)) return JSON.stringify({ credit: { messages: number(draw), bytes: number(draw) } })
  if (draw.chance(6)) return JSON.stringify({ ack: number(draw) })
  const [method, args] = params(draw)
  const head = { seq: draw.chance(8) ? number(draw) : seq, ...(draw.chance(4) && { ack: number(draw) }) }
  return JSON.stringify({ ...head, method, params: args })
}

/** The opener's first frame, of a peer of the base profile or one of ours. */
export const hello = (draw: Draw, incarnation: string, method = "handshake"): string => {
  if (draw.chance(3)) return JSON.stringify({ method, params: { incarnationId: incarnation } })
  const received = draw.below(4)
  const base = 1 + draw.below(4)
  const session = {
    with: draw.pick<string | null>([null, "there"]),
    epoch: draw.pick([0, draw.below(5), 2 ** 52, Number.MAX_SAFE_INTEGER]),
    received,
    sent: draw.below(base + 1),
    acknowledged: draw.below(base),
    base,
    next: base + draw.below(4)
  }
  const channel = {
    process: "p",
    dial: 1 + draw.below(3),
    after: draw.pick<unknown>([null, { process: "q", dial: 1 }])
  }
  const limits = { frame: 1_048_576, messages: draw.pick([16_384, 2, 1, 0, -1]), bytes: 4 * 1_048_576 }
  const extensions = { session, channel, ...(draw.chance(2) && { limits }) }
  return JSON.stringify({ method, params: { incarnationId: incarnation, extensions } })
}
