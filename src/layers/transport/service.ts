import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import type { Inbox } from "../../internal/inbox.ts"
import type { Clockwork } from "../../internal/timers.ts"
import type * as LinkMachine from "../../protocol/LinkMachine.ts"
import * as Liveness from "../../protocol/Liveness.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import type { Options as Config } from "../../services/RemotesConfig.ts"
import type { LinkError, LinkEvent } from "../../services/Transport.ts"
import { reportEnd } from "./channelEnd.ts"
import type { Candidate, Ready } from "./linkActor.ts"
import { close } from "./linkActor.ts"
import { ended } from "./linkFailure.ts"
import { metrics } from "./metrics.ts"
import type { OpenChannel } from "./openChannel.ts"
import { openChannel } from "./openChannel.ts"

/** What an opening or a loss weighs in the inbox, so that these are bounded as well. */
const eventWeight = 16_384

/**
 * The one channel of a link that is in service, and what its reader is told of it.
 *
 * @internal
 */
export interface Service {
  readonly current: () => OpenChannel | undefined
  /** Puts a greeted channel into service, as the one with this token. */
  readonly install: (ready: Ready, token: number) => Effect.Effect<void>
  /** Takes a channel out of service, if it is the one that is in it. */
  readonly retire: (command: Extract<LinkMachine.Command, { readonly _tag: "Retire" }>) => Effect.Effect<void>
  /** The link is nobody's again: unless its channel in service is `announced` to all, the next one counts as its first. */
  readonly handBack: (announced: boolean) => void
  /** Puts a mark behind everything that has arrived. */
  readonly remind: (channel: number) => void
  /** Closes what is in service, because the link ends. */
  readonly end: Effect.Effect<void>
}

interface Options {
  readonly peerId: PeerId
  readonly config: Config
  readonly clockwork: Clockwork
  readonly inbox: Inbox<LinkEvent>
  readonly work: FiberMap.FiberMap<number>
  readonly tell: (event: LinkMachine.Event) => Effect.Effect<void>
  /** Runs when the first channel is in service. */
  readonly onFirst: Effect.Effect<void>
}

const openedEvent = ({ greeted }: Ready, channel: number): LinkEvent => ({
  _tag: "Opened",
  channel,
  incarnationId: greeted.hello.incarnationId,
  ownIncarnationId: greeted.ownIncarnationId,
  process: greeted.hello.extensions?.process,
  verdict: greeted.verdict,
  stated: greeted.hello.extensions?.statement,
  limits: greeted.hello.extensions?.limits
})

/**
 * @internal
 */
export const makeService = ({ clockwork, config, inbox, onFirst, peerId, tell, work }: Options): Service => {
  let current: (OpenChannel & Candidate) | undefined
  let experience = Liveness.inexperienced
  let hadChannel = false

  const install = (ready: Ready, token: number) =>
    Effect.gen(function* () {
      const { channel, greeted, scope } = ready
      inbox.offer(openedEvent(ready, token), eventWeight)
      const opened = yield* openChannel({
        number: token,
        channel,
        rest: greeted.rest,
        extended: greeted.hello.extensions !== undefined,
        experience,
        roundTrip: greeted.roundTrip,
        inbox,
        limits: config,
        timers: yield* clockwork.within(scope),
        scope,
        onHeard: tell({ _tag: "Heard", token }),
        onEnd: (error) => tell(ended(token, error))
      })
      current = { ...opened, scope }
      metrics.connections(1)
      metrics.handshakes()
      if (hadChannel) metrics.reconnects()
      else yield* onFirst
      hadChannel = true
      yield* Effect.logDebug("channel open").pipe(
        Effect.annotateLogs({ address: channel.address, direction: channel.direction, verdict: greeted.verdict._tag })
      )
    })

  /** Closes a channel that was in service, and says how it ended. */
  const finish = (over: OpenChannel & Candidate, why: LinkError | undefined) => {
    metrics.connections(-1)
    return Effect.zipRight(close(over), reportEnd(over.channel, why)).pipe(
      Effect.withSpan("Transport.close", { attributes: { peer: peerId } }),
      // Closing has a deadline, and the line is wanted also when the link itself ends meanwhile.
      Effect.uninterruptible
    )
  }

  const retire: Service["retire"] = ({ clean, error, token }) =>
    Effect.gen(function* () {
      const retired = current
      if (retired === undefined || retired.number !== token) return
      current = undefined
      yield* retired.stop
      const learned = retired.experience()
      experience = error._tag === "ProbeTimeoutError" ? Liveness.afterLoss(learned) : learned
      inbox.offer({ _tag: "Lost", channel: token, error }, eventWeight)
      if (!clean) {
        metrics.failure(error._tag)
        yield* retired.channel.abort(error)
      }
      // A graceful close takes up to its deadline, for which the next channel need not wait.
      yield* FiberMap.run(work, -token, finish(retired, error))
    })

  return {
    current: () => current,
    install,
    retire,
    handBack: (announced) => {
      hadChannel = announced
    },
    remind: (channel) => inbox.offer({ _tag: "Reminded", channel }, eventWeight),
    end: Effect.suspend(() =>
      current === undefined ? Effect.void : Effect.zipRight(current.stop, finish(current, undefined))
    )
  }
}
