import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { Inbox } from "../../internal/inbox.ts"
import type { Label, Roster } from "../../internal/onCall.ts"
import type { Tasks } from "../../internal/tasks.ts"
import type { Clockwork } from "../../internal/timers.ts"
import type * as LinkMachine from "../../protocol/LinkMachine.ts"
import * as Liveness from "../../protocol/Liveness.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import type { LinkError, LinkEvent } from "../../services/Transport.ts"
import { reportEnd } from "./channelEnd.ts"
import type { ChannelLimits } from "./channelLimits.ts"
import type { LinkGround, Ready } from "./linkActor.ts"
import { close } from "./linkActor.ts"
import { ended } from "./linkFailure.ts"
import { metrics } from "./metrics.ts"
import { type ChannelGround, OpenChannel } from "./openChannel.ts"

/** What an opening or a loss weighs in the inbox, so that these are bounded as well. */
const eventWeight = 16_384

/**
 * The link whose channels are put into service.
 *
 * @internal
 */
export interface ServiceOwner {
  readonly peerId: PeerId
  readonly inbox: Inbox<LinkEvent>
  readonly label: Label
  /** Runs when the first channel is in service. */
  readonly onFirst: Effect.Effect<void>
  tell(event: LinkMachine.Event): Effect.Effect<void>
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
 * The one channel of a link that is in service, and what its reader is told of it.
 *
 * @internal
 */
export class Service implements ChannelGround {
  readonly #owner: ServiceOwner
  readonly #ground: LinkGround
  readonly #tasks: Tasks
  #current: OpenChannel | undefined
  #experience = Liveness.inexperienced
  #hadChannel = false

  constructor(owner: ServiceOwner, ground: LinkGround, tasks: Tasks) {
    this.#owner = owner
    this.#ground = ground
    this.#tasks = tasks
  }

  get current(): OpenChannel | undefined {
    return this.#current
  }

  get inbox(): Inbox<LinkEvent> {
    return this.#owner.inbox
  }

  get label(): Label {
    return this.#owner.label
  }

  get limits(): ChannelLimits {
    return this.#ground.limits
  }

  get clockwork(): Clockwork {
    return this.#ground.clockwork
  }

  get roster(): Roster {
    return this.#ground.roster
  }

  onHeard(token: number): Effect.Effect<void> {
    return this.#owner.tell({ _tag: "Heard", token })
  }

  onEnd(token: number, error: LinkError): Effect.Effect<void> {
    return this.#owner.tell(ended(token, error))
  }

  /** Puts a greeted channel into service, as the one with this token. */
  install(ready: Ready, token: number): Effect.Effect<void> {
    return Effect.gen(this, function* () {
      const { channel, greeted, scope } = ready
      this.inbox.offer(openedEvent(ready, token), eventWeight)
      const opened = new OpenChannel(this, token, ready, this.#experience)
      this.#current = opened
      yield* Scope.addFinalizer(scope, opened.stop)
      metrics.connections(1)
      metrics.handshakes()
      if (this.#hadChannel) metrics.reconnects()
      else yield* this.#owner.onFirst
      this.#hadChannel = true
      yield* Effect.logDebug("channel open").pipe(
        Effect.annotateLogs({ address: channel.address, direction: channel.direction, verdict: greeted.verdict._tag })
      )
    })
  }

  /** Takes a channel out of service, if it is the one that is in it. */
  retire({ clean, error, token }: Extract<LinkMachine.Command, { readonly _tag: "Retire" }>): Effect.Effect<void> {
    return Effect.gen(this, function* () {
      const retired = this.#current
      if (retired === undefined || retired.number !== token) return
      this.#current = undefined
      yield* retired.stop
      const { experience } = retired
      this.#experience = error._tag === "ProbeTimeoutError" ? Liveness.afterLoss(experience) : experience
      this.inbox.offer({ _tag: "Lost", channel: token, error }, eventWeight)
      if (!clean) {
        metrics.failure(error._tag)
        yield* retired.channel.abort(error)
      }
      // A graceful close takes up to its deadline, for which the next channel need not wait.
      yield* this.#tasks.run(-token, this.#finish(retired, error))
    })
  }

  /** The link is nobody's again: unless its channel in service is `announced` to all, the next one counts as its first. */
  handBack(announced: boolean): void {
    this.#hadChannel = announced
  }

  /** Puts a mark behind everything that has arrived. */
  remind(channel: number): void {
    this.inbox.offer({ _tag: "Reminded", channel }, eventWeight)
  }

  /** Closes what is in service, because the link ends. */
  get end(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const last = this.#current
      this.#current = undefined
      return last === undefined ? Effect.void : Effect.zipRight(last.stop, this.#finish(last, undefined))
    })
  }

  /** Closes a channel that was in service, and says how it ended. */
  #finish(over: OpenChannel, why: LinkError | undefined): Effect.Effect<void> {
    metrics.connections(-1)
    return Effect.zipRight(close(over), reportEnd(over.channel, why)).pipe(
      Effect.withSpan("Transport.close", { attributes: { peer: this.#owner.peerId } }),
      // Closing has a deadline, and the line is wanted also when the link itself ends meanwhile.
      Effect.uninterruptible
    )
  }
}
