/**
 * What the program and its kernels tell each other.
 */
import * as Schema from "effect/Schema"
import { OcapUrl, type RemotesConfig } from "effect-remotes"
import * as Lines from "../processes/lines.ts"

/**
 * What a kernel does with the messages whose number can be divided by these, by which their checker knows it as well. Nothing
 * can be divided by 0.
 */
export const Manners = Schema.Struct({
  /** Refuses them. */
  refuses: Schema.Int,
  /** Dies of them. */
  dies: Schema.Int,
  /** Is busy when it gets them first. */
  busy: Schema.Int,
  /** Answers them, in the same transaction, with a message of its own. */
  answers: Schema.Int
})

/**
 * Another kernel to send messages to.
 */
export const Peer = Schema.Struct({ url: OcapUrl.OcapUrl })

/**
 * A kernel's first line: listen behind `publicPort`, and send messages to the `peers`, numbered for each, up to `upTo`.
 */
export const Live = Schema.TaggedStruct("Live", {
  store: Schema.String,
  keySeed: Schema.String,
  publicPort: Schema.Int,
  peers: Schema.Array(Peer),
  upTo: Schema.Int,
  manners: Manners,
  /** Messages have at most as many bytes. */
  size: Schema.Int,
  /** At most so many messages in a transaction, the next one when fewer than `window` are unacknowledged. */
  turn: Schema.Int,
  window: Schema.Int,
  /** Rests at most so long after each transaction, in milliseconds. */
  rest: Schema.Int,
  /** Asks again, so often in milliseconds, what the peers' URLs name, unless it may not send anything. */
  ask: Schema.Int,
  /** Of the library, as a query string. */
  options: Schema.String
})

/**
 * Know these kernels from now on.
 */
export const Meet = Schema.TaggedStruct("Meet", { peers: Schema.Array(Peer) })

/**
 * Send up to this number from now on.
 */
export const Allow = Schema.TaggedStruct("Allow", { upTo: Schema.Int })

/**
 * All that a kernel is told.
 */
export const Instruction = Schema.Union(Live, Meet, Allow)

/**
 * One thing that a kernel is told.
 */
export type Instruction = typeof Instruction.Type

/**
 * It listens, and this is its URL.
 */
export const Serving = Schema.TaggedStruct("Serving", { port: Schema.Int, url: OcapUrl.OcapUrl })

/**
 * How a kernel stands with another one. `opened` and `resent` are of this life of its.
 */
export const Relation = Schema.Struct({
  peer: Schema.String,
  /** The number of the last message that it has committed to the peer, and of the last one that it has committed of the peer's. */
  sent: Schema.Int,
  received: Schema.Int,
  pending: Schema.Int,
  link: Schema.String,
  opened: Schema.Int,
  resent: Schema.Int
})

/**
 * How a kernel stands with all that it has been told of, and up to which number it was last allowed to send.
 */
export const Standing = Schema.TaggedStruct("Standing", {
  upTo: Schema.Int,
  relations: Schema.Array(Relation),
  /** How often it was told that a conversation began anew. */
  told: Schema.Int
})

/**
 * All that a kernel reports.
 */
export const Report = Schema.Union(Serving, Standing)

/**
 * One thing that a kernel reports.
 */
export type Report = typeof Report.Type

/**
 * How to speak with these kernels.
 */
export const language = Lines.language(new URL("kernel.ts", import.meta.url), Instruction, Report)

/**
 * Quicker than by default, for on one machine nobody is far away; a short run is to see each deadline pass.
 */
export const impatient: typeof RemotesConfig.Options.Encoded = {
  reconnectBaseDelay: "100 millis",
  reconnectMaxDelay: "1 second",
  handshakeTimeout: "2 seconds",
  writeTimeout: "2 seconds",
  ackTimeout: "2 seconds"
}
