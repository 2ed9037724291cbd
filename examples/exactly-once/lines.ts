/**
 * What the program and its kernels tell each other.
 */
import * as Schema from "effect/Schema"
import { OcapUrl } from "effect-remotes"
import * as Lines from "../processes/lines.ts"

/**
 * Bob's first line: listen, and issue a URL that leads to `publicPort`.
 */
export const Serve = Schema.TaggedStruct("Serve", {
  store: Schema.String,
  transport: Schema.Literal("tcp", "ws"),
  publicPort: Schema.Int
})

/**
 * Alice's first line: redeem the URL, and send messages up to number `upTo`.
 */
export const Send = Schema.TaggedStruct("Send", {
  store: Schema.String,
  url: OcapUrl.OcapUrl,
  size: Schema.Int,
  turn: Schema.Int,
  window: Schema.Int,
  upTo: Schema.Int
})

/**
 * To alice: go on, up to number `upTo`.
 */
export const Allow = Schema.TaggedStruct("Allow", { upTo: Schema.Int })

/**
 * All that a kernel is told.
 */
export const Instruction = Schema.Union(Serve, Send, Allow)

/**
 * One thing that a kernel is told.
 */
export type Instruction = typeof Instruction.Type

/**
 * From bob: he listens, and this is the URL.
 */
export const Serving = Schema.TaggedStruct("Serving", { port: Schema.Int, url: OcapUrl.OcapUrl })

/**
 * From bob: how many messages he has committed.
 */
export const Received = Schema.TaggedStruct("Received", { received: Schema.Int })

/**
 * From alice: how many messages she has committed and how many of them are acknowledged; how often the link has opened, and
 * how many messages were transmitted again, in this life of hers.
 */
export const Sent = Schema.TaggedStruct("Sent", {
  sent: Schema.Int,
  acknowledged: Schema.Int,
  link: Schema.String,
  opened: Schema.Int,
  resent: Schema.Int
})

/**
 * All that a kernel tells.
 */
export const Report = Schema.Union(Serving, Received, Sent)

/**
 * One thing that a kernel tells.
 */
export type Report = typeof Report.Type

/**
 * What alice and bob are told and tell, and the program that both run.
 */
export const language = Lines.language(new URL("kernel.ts", import.meta.url), Instruction, Report)
