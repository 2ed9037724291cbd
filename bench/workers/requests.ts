/**
 * What the bench asks of its worker processes, and what they answer.
 */
import * as Schema from "effect/Schema"

const count = Schema.Number
const Timed = Schema.Struct({ millis: Schema.Number })
const Latencies = Schema.Struct({ micros: Schema.Array(Schema.Number) })

/** How much CPU time a process has taken so far. */
export class CpuTime extends Schema.TaggedRequest<CpuTime>()("CpuTime", {
  payload: {},
  success: Schema.Struct({ cpuMicros: Schema.Number }),
  failure: Schema.Never
}) {}

/** What a process has used so far. */
export class Usage extends Schema.TaggedRequest<Usage>()("Usage", {
  payload: {},
  success: Schema.Struct({
    rss: Schema.Number,
    heap: Schema.Number
  }),
  failure: Schema.Never
}) {}

/** Where this process can be reached. */
export class Whereabouts extends Schema.TaggedRequest<Whereabouts>()("Whereabouts", {
  payload: {},
  success: Schema.Struct({ peerId: Schema.String, address: Schema.String }),
  failure: Schema.Never
}) {}

/** Opens a connection, and keeps it. */
export class Connect extends Schema.TaggedRequest<Connect>()("Connect", {
  payload: { peerId: Schema.String, address: Schema.String },
  success: Timed,
  failure: Schema.Never
}) {}

/** How a kernel of ours is set up. */
export const KernelOptions = Schema.Struct({
  seed: Schema.String,
  /** The SQLite file; undefined for the store in memory. */
  file: Schema.UndefinedOr(Schema.String),
  maxPendingMessages: Schema.Number,
  dials: Schema.Boolean,
  /** Whether its channels are seen from outside, which takes a little for each message. */
  isObserved: Schema.optional(Schema.Boolean),
  busyPolling: Schema.optional(Schema.Boolean),
  /** How many peers it is for, if it is for a crowd: then the limits on what a peer may send are in force as well. */
  crowd: Schema.optional(Schema.Number)
})
export type KernelOptions = typeof KernelOptions.Type

export class BootKernel extends Schema.TaggedRequest<BootKernel>()("InitialMessage", {
  payload: { options: KernelOptions },
  success: Schema.Void,
  failure: Schema.Never
}) {}

/** Delivers messages one way, until the peer has acknowledged the last. */
export class Send extends Schema.TaggedRequest<Send>()("Send", {
  payload: { count, size: Schema.Number },
  success: Timed,
  failure: Schema.Never
}) {}

/** One delivery after the other, each once the handler of the peer has answered the last with one of its own. */
export class RoundTrips extends Schema.TaggedRequest<RoundTrips>()("RoundTrips", {
  payload: { count, size: Schema.Number },
  success: Latencies,
  failure: Schema.Never
}) {}

/** One delivery after the other, each once the last was acknowledged. */
export class Acknowledged extends Schema.TaggedRequest<Acknowledged>()("Acknowledged", {
  payload: { count, size: Schema.Number },
  success: Latencies,
  failure: Schema.Never
}) {}

/** Delivers messages, has the channel cut half-way, and tells what went over the next one until all were acknowledged. */
export class Resume extends Schema.TaggedRequest<Resume>()("Resume", {
  payload: { count, size: Schema.Number },
  success: Schema.Struct({
    resentBytes: Schema.Number,
    lackedBytes: Schema.Number,
    lacked: Schema.Number,
    /** From the open channel to the first message on it. */
    firstMillis: Schema.Number
  }),
  failure: Schema.Never
}) {}

/** Delivers messages for a peer that is not there. */
export class Enqueue extends Schema.TaggedRequest<Enqueue>()("Enqueue", {
  payload: { peerId: Schema.String, count, size: Schema.Number },
  success: Timed,
  failure: Schema.Never
}) {}

/** Delivers messages as fast as they are taken, until it is interrupted. */
export class Flood extends Schema.TaggedRequest<Flood>()("Flood", {
  payload: { size: Schema.Number },
  success: Schema.Void,
  failure: Schema.Never
}) {}

/** How many messages were sent in bulk so far. */
export class Sent extends Schema.TaggedRequest<Sent>()("Sent", {
  payload: {},
  success: Schema.Struct({ count: Schema.Number }),
  failure: Schema.Never
}) {}

/** How long this kernel took to start. */
export class Started extends Schema.TaggedRequest<Started>()("Started", {
  payload: {},
  success: Timed,
  failure: Schema.Never
}) {}

export const KernelRequest = Schema.Union(
  BootKernel,
  CpuTime,
  Usage,
  Whereabouts,
  Connect,
  Send,
  RoundTrips,
  Acknowledged,
  Resume,
  Enqueue,
  Flood,
  Sent,
  Started
)
export type KernelRequest = typeof KernelRequest.Type

export class BootRaw extends Schema.TaggedRequest<BootRaw>()("InitialMessage", {
  payload: {
    seed: Schema.String,
    /** How many peers it is for, if it is for a crowd. */
    crowd: Schema.optional(Schema.Number)
  },
  success: Schema.Void,
  failure: Schema.Never
}) {}

/**
 * How raw libp2p sends: `awaited` is one awaited write of `lpStream` per message, `coalesced` is length-prefixed messages in
 * writes of 64 KiB, `plain` is one write per message without any framing.
 */
export const RawWay = Schema.Literal("awaited", "coalesced", "plain")
export type RawWay = typeof RawWay.Type

export class RawSend extends Schema.TaggedRequest<RawSend>()("RawSend", {
  payload: { way: RawWay, count, size: Schema.Number },
  success: Timed,
  failure: Schema.Never
}) {}

/** Writes a message, and waits until the peer has sent it back; again and again on one stream. */
export class RawEcho extends Schema.TaggedRequest<RawEcho>()("RawEcho", {
  payload: { count, size: Schema.Number },
  success: Latencies,
  failure: Schema.Never
}) {}

/** Has a SQLite file of its own, which messages of so many bytes are committed to, with full sync. */
export class Keep extends Schema.TaggedRequest<Keep>()("Keep", {
  payload: { size: Schema.Number, file: Schema.String },
  success: Schema.Void,
  failure: Schema.Never
}) {}

/** As `RawEcho`, but each of the two commits the message to what it keeps before it writes it. */
export class CommittedEcho extends Schema.TaggedRequest<CommittedEcho>()("CommittedEcho", {
  payload: { count },
  success: Latencies,
  failure: Schema.Never
}) {}

/** Commits one row after the other to a SQLite file, with full sync. */
export class Syncs extends Schema.TaggedRequest<Syncs>()("Syncs", {
  payload: { count, size: Schema.Number, file: Schema.String },
  success: Latencies,
  failure: Schema.Never
}) {}

export const RawRequest = Schema.Union(
  BootRaw,
  CpuTime,
  Usage,
  Whereabouts,
  Connect,
  RawSend,
  RawEcho,
  Keep,
  CommittedEcho,
  Syncs
)
export type RawRequest = typeof RawRequest.Type

export class BootCrowd extends Schema.TaggedRequest<BootCrowd>()("InitialMessage", {
  payload: {},
  success: Schema.Void,
  failure: Schema.Never
}) {}

/** Starts so many kernels of ours, or bare nodes, each of which connects, has a message acknowledged, and stays. */
export class Gather extends Schema.TaggedRequest<Gather>()("Gather", {
  payload: { kind: Schema.Literal("kernels", "raws"), count, peerId: Schema.String, address: Schema.String },
  success: Timed,
  failure: Schema.Never
}) {}

/** Has every kernel of the crowd deliver messages at this pace; gives how long each took to be acknowledged. */
export class Chatter extends Schema.TaggedRequest<Chatter>()("Chatter", {
  payload: { perSecond: Schema.Number, seconds: Schema.Number, size: Schema.Number },
  success: Latencies,
  failure: Schema.Never
}) {}

export const CrowdRequest = Schema.Union(BootCrowd, Gather, Chatter)
export type CrowdRequest = typeof CrowdRequest.Type
