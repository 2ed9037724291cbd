import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricLabel from "effect/MetricLabel"

/** A count that only grows; `add` costs about 0.1 µs, so once a batch is free. */
const counter = (name: string, description: string) => {
  const metric = Metric.counter(`effect_remotes_${name}`, { description, incremental: true })
  return (count = 1): void => metric.unsafeUpdate(count, [])
}

/** A sum over all links of the process, that each of them adds to and takes from. */
const gauge = (name: string, description: string) => {
  const metric = Metric.gauge(`effect_remotes_${name}`, { description })
  return (delta: number): void => metric.unsafeModify(delta, [])
}

const failures = Metric.counter("effect_remotes_failures_total", {
  description:
    "attempts that failed, the hellos of peers included, and channels that were lost, by the kind of the error",
  incremental: true
})

const roundTrips = Metric.histogram(
  "effect_remotes_round_trip_milliseconds",
  MetricBoundaries.exponential({ start: 1, factor: 2, count: 14 }),
  "the smoothed round trip, at each measurement"
)

/**
 * What is counted, over all links and remotes; never by peer, since peers are without number. `docs/metrics.md` has the list.
 *
 * @internal
 */
export const metrics = {
  connections: gauge("connections", "channels in service"),
  pendingMessages: gauge("pending_messages", "what is durable here and not yet acknowledged by its peer"),
  pendingBytes: gauge("pending_bytes", "the same in bytes, about"),
  inboxBytes: gauge("inbox_bytes", "what has arrived and waits for its reader, about"),
  dials: counter("dials_total", "dials that were begun"),
  handshakes: counter("handshakes_total", "handshakes that were completed"),
  reconnects: counter("reconnects_total", "channels that followed a lost one of the same link"),
  resets: counter("resets_total", "channels that the peer or the network ended uncleanly"),
  probes: counter("probes_total", "times a silent peer was asked whether it is there"),
  expiries: counter("expired_remotes_total", "remotes that were removed because nothing was said for long"),
  refusals: counter("refusals_total", "streams of peers that were refused unread for a limit"),
  framesSent: counter("frames_sent_total", "frames written to channels in service"),
  bytesSent: counter("bytes_sent_total", "bytes written to channels in service, with length prefixes"),
  framesReceived: counter("frames_received_total", "frames read from channels in service"),
  bytesReceived: counter("bytes_received_total", "bytes of frames read from channels in service"),
  failure: (kind: string): void => failures.unsafeUpdate(1, [MetricLabel.make("kind", kind)]),
  roundTrip: (millis: number): void => roundTrips.unsafeUpdate(millis, [])
} as const
