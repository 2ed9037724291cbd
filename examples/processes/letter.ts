/**
 * The messages of a run: each carries its number, and dots up to its size.
 */
import type { Delivery } from "effect-remotes"
import * as Option from "effect/Option"

/**
 * Message number `number` to the object `target`, with a body of `size` bytes.
 */
export const make = (target: string, number: number, size: number): Delivery.Delivery => ({
  _tag: "Message",
  target,
  methargs: { body: `${number}`.padEnd(size, "."), slots: [] },
  result: `rp+${number}`
})

const body = /^([1-9][0-9]{0,9})\.*$/

/**
 * The number of a message to the object `target`; none when it is not such a message.
 */
export const numberOf = (target: string, delivery: Delivery.Delivery): Option.Option<number> =>
  delivery._tag === "Message" && delivery.target === target
    ? Option.map(Option.fromNullable(body.exec(delivery.methargs.body)?.[1]), Number)
    : Option.none()

/**
 * The same object, as the other side names it: `ro+1` is the speaker's own, `ro-1` the listener's.
 */
export const turnRound = (reference: string): string =>
  reference.replace(/^(r[op])([+-])/, (_, kind: string, sign: string) => `${kind}${sign === "+" ? "-" : "+"}`)
