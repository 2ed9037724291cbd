import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberMap from "effect/FiberMap"
import * as Mailbox from "effect/Mailbox"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { IntentionalCloseError, ResourceLimitError } from "../../errors/TransportError.ts"
import type { Inbox } from "../../internal/inbox.ts"
import { makeInbox } from "../../internal/inbox.ts"
import { monotonic } from "../../internal/monotonic.ts"
import * as FailurePattern from "../../protocol/FailurePattern.ts"
import type { Hello } from "../../protocol/Handshake.ts"
import * as LinkMachine from "../../protocol/LinkMachine.ts"
import * as Liveness from "../../protocol/Liveness.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import * as Rate from "../../protocol/Rate.ts"
import * as Session from "../../protocol/Session.ts"
import type { Channel, ConnectionFactory } from "../../services/ConnectionFactory.ts"
import type { Options } from "../../services/RemotesConfig.ts"
import type { Link, LinkError, LinkEvent, LinkState } from "../../services/Transport.ts"
import { reportEnd } from "./channelEnd.ts"
import type { Doorkeeper } from "./doorkeeper.ts"
import type { Greeted, Speaker } from "./greeting.ts"
import { answer, greet } from "./greeting.ts"
import { metrics } from "./metrics.ts"
import type { OpenChannel } from "./openChannel.ts"
import { notOpen, openChannel } from "./openChannel.ts"

/**
 * A channel that a peer opened and said hello on, with the scope that closes it.
 *
 * @internal
 */
export interface Incoming {
  readonly channel: Channel
  readonly scope: Scope.CloseableScope
  readonly hello: Hello
  readonly rest: ReadonlyArray<Uint8Array>
}

/**
 * What the transport knows of a link beyond what its reader does.
 *
 * @internal
 */
export interface LinkActor {
  readonly link: Link
  readonly hail: (incoming: Incoming) => Effect.Effect<void>
  /** Adds addresses; whether any of them is new. */
  readonly addHints: (hints: ReadonlyArray<string>) => boolean
  readonly close: Effect.Effect<void>
  readonly reopen: Effect.Effect<void>
  /** Ends a wait, if the link is in one. */
  readonly urge: Effect.Effect<void>
  /** As `urge`, and forgets what is known about failures. */
  readonly wake: Effect.Effect<void>
  /** Whether the link rests since so many milliseconds at least, and is nobody's: it was never read. */
  readonly isStale: (millis: number) => boolean
  /**
   * Gives the link back to nobody, if the peer is about to open a channel, or has opened one that nobody has heard of; whether it
   * is so.
   */
  readonly handBack: Effect.Effect<boolean>
  /** Looks whether the channel is still there; for when the network says that the connection is gone. */
  readonly check: Effect.Effect<void>
}

/**
 * @internal
 */
export interface LinkOptions {
  readonly peerId: PeerId
  readonly config: Options
  readonly factory: ConnectionFactory["Type"]
  readonly speaker: Speaker
  readonly doorkeeper: Doorkeeper
  /** Runs when the first channel comes into service before anybody has read the link. */
  readonly onContact: (link: Link) => Effect.Effect<void>
  /** Runs when the link comes to rest and nobody has read it yet. */
  readonly onIdle: Effect.Effect<void>
}

/** A channel on which the handshake is done or under way, and the scope that it lives in. */
interface Candidate {
  readonly channel: Channel
  readonly scope: Scope.CloseableScope
}

/** What the actor reads: an event of the machine, and what it carries for the shell. */
interface Letter {
  readonly event: LinkMachine.Event
  readonly ready?: Candidate & { readonly greeted: Greeted }
  readonly done?: Deferred.Deferred<void>
}

/**
 * How many bytes of events may wait for the link's reader before the peer is held back, at least; twice what a sender has on its
 * way at most, so that between two of ours a slow kernel never keeps a probe from being read.
 */
const inboxCapacity = 8 * 1_048_576

/** What an opening or a loss weighs in the inbox, so that these are bounded as well. */
const eventWeight = 16_384

/** How many addresses are kept for a peer. */
const maxHints = 16

/** How many times as long at most a peer is waited for that is unreachable in the same way again and again. */
const slowness = 3

const codeOf = (error: LinkError): string => (error._tag === "DialFailedError" ? error.code : error._tag)

const roundTripOf = (current: OpenChannel | undefined): Duration.Duration | undefined => {
  const smoothed = current?.experience().roundTrip.smoothed
  return smoothed === undefined ? undefined : Duration.millis(smoothed)
}

const stateOf = (state: LinkMachine.State, current: OpenChannel | undefined): LinkState => {
  const { phase } = state
  const attempt = LinkMachine.attemptOf(state)
  switch (phase._tag) {
    case "Idle":
      return { _tag: "Idle", error: phase.error }
    case "Dialing":
      return { _tag: "Dialing", attempt }
    case "Greeting":
    case "Answering":
      return { _tag: "Handshaking", attempt }
    case "Open":
      return {
        _tag: "Open",
        since: phase.since,
        address: current?.channel.address ?? "",
        relayed: current?.channel.relayed ?? false,
        roundTrip: roundTripOf(current)
      }
    case "BackingOff":
      return {
        _tag: "BackingOff",
        attempt,
        retryAt: phase.retryAt,
        error: phase.error,
        permanent: FailurePattern.isPermanent(state.pattern)
      }
    case "Closed":
      return { _tag: "Closed" }
  }
}

/**
 * Makes the link to one peer: one fiber that feeds the link machine and carries out what it commands.
 *
 * @internal
 */
export const makeLink = Effect.fnUntraced(function* (options: LinkOptions) {
  const { config, doorkeeper, factory, peerId, speaker } = options
  const scope = yield* Effect.scope
  const clock = yield* Effect.clock
  const letters = yield* Mailbox.make<Letter>()
  const inbox: Inbox<LinkEvent> = makeInbox(Math.max(inboxCapacity, 2 * speaker.limits.bytes), metrics.inboxBytes)
  const status = yield* SubscriptionRef.make<LinkState>({ _tag: "Idle", error: undefined })
  const work = yield* FiberMap.make<number>()
  const dialed = new Map<number, Candidate>()
  const incoming = new Map<number, Incoming>()
  const base = Duration.toMillis(config.reconnectBaseDelay)
  const cap = Math.max(base, Duration.toMillis(config.reconnectMaxDelay))
  const dialRate = Rate.perMinute(config.maxConnectionAttemptsPerMinute)
  const settings: LinkMachine.Settings = {
    process: speaker.process,
    wins: factory.localPeerId < peerId,
    backoff: { base, cap },
    slowBackoff: { base, cap: slowness * cap },
    dialRate,
    paced: new ResourceLimitError({ limit: "connectionAttempts", current: dialRate.max, max: dialRate.max }),
    superseded: notOpen(peerId)
  }
  let state = LinkMachine.initial
  let current: (OpenChannel & Candidate) | undefined
  let experience = Liveness.inexperienced
  let hints: ReadonlyArray<string> = []
  let incomings = 0
  let adopted = false
  let hadChannel = false
  let movedAt = clock.unsafeCurrentTimeMillis()

  const post = (letter: Letter) => Effect.asVoid(letters.offer(letter))
  const postEvent = (event: LinkMachine.Event) => post({ event })
  const fail = (token: number) => (error: LinkError) => {
    metrics.failure(error._tag)
    return postEvent({
      _tag: "Failed",
      token,
      error,
      code: codeOf(error),
      hopeless: error._tag === "NoAddressError" || error._tag === "NetworkStoppedError",
      undialed:
        error._tag === "NoAddressError" || (error._tag === "ResourceLimitError" && error.limit === "connections")
    })
  }
  const end = (token: number) => (error: LinkError) =>
    postEvent({
      _tag: "Ended",
      token,
      error,
      code: codeOf(error),
      idle: error._tag === "StreamInactivityTimeoutError"
    })
  const close = (candidate: Candidate) => Scope.close(candidate.scope, Exit.void)
  /** Ends a channel that never came into service; nothing on it is worth a graceful end. */
  const discard = (candidate: Candidate, reason: string) =>
    Effect.zipRight(candidate.channel.abort(new Error(reason)), close(candidate))

  /** Runs what takes time under its token; what it fails with is told to the machine. */
  const run = (token: number, effect: Effect.Effect<void, LinkError>) =>
    effect.pipe(
      Effect.catchAll(fail(token)),
      Effect.tapErrorCause((cause) =>
        Cause.isInterruptedOnly(cause) ? Effect.void : Effect.logError("a link attempt died", cause)
      ),
      (it) => FiberMap.run(work, token, it),
      Effect.asVoid
    )

  const dialing = Effect.suspend(() => {
    metrics.dials()
    return factory.dial(peerId, hints)
  }).pipe(Effect.withSpan("Transport.dial", { attributes: { peer: peerId } }))
  const free = Effect.sync(() => doorkeeper.free(peerId))
  const dial = (token: number) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const refusal = doorkeeper.reserve(peerId)
        if (refusal !== undefined) return yield* refusal
        const candidateScope = yield* Scope.fork(scope, { _tag: "Sequential" })
        const channel = yield* restore(Scope.extend(dialing, candidateScope)).pipe(
          Effect.onError(() => Effect.zipRight(free, Scope.close(candidateScope, Exit.void)))
        )
        // Its place is free when the end of the channel begins, not when it is complete.
        yield* Scope.addFinalizer(candidateScope, free)
        dialed.set(token, { channel, scope: candidateScope })
        yield* postEvent({ _tag: "Dialed", token })
      })
    )

  const restartRate = Rate.perMinute(config.maxIncarnationChangesPerMinute)
  let restarts = Rate.empty
  /** The end of a conversation costs this side work and dead letters, so that a peer may not bring it about as it likes. */
  const checkRestarts = ({ verdict }: Greeted): Effect.Effect<void, ResourceLimitError> =>
    Effect.suspend(() => {
      if (!Session.isEnding(verdict)) return Effect.void
      const now = monotonic(clock)
      if (Rate.wait(restartRate, restarts, now) > 0) {
        const { max } = restartRate
        return new ResourceLimitError({ limit: "incarnationChanges", current: max, max })
      }
      restarts = Rate.charge(restartRate, restarts, now)
      return Effect.void
    })

  /** Hands a greeted channel over to the actor; closes it when the handshake fails or is cancelled. */
  const handOver = (token: number, candidate: Candidate, greeting: Effect.Effect<Greeted, LinkError>) =>
    Effect.uninterruptibleMask((restore) =>
      restore(Effect.zipLeft(Effect.tap(greeting, checkRestarts), inbox.room)).pipe(
        Effect.onError(() => discard(candidate, "no handshake")),
        Effect.flatMap((greeted) =>
          post({ event: { _tag: "Established", token, hello: greeted.hello }, ready: { ...candidate, greeted } })
        )
      )
    )

  const install = (ready: NonNullable<Letter["ready"]>, token: number) =>
    Effect.gen(function* () {
      const { channel, greeted } = ready
      inbox.offer(
        {
          _tag: "Opened",
          channel: token,
          incarnationId: greeted.hello.incarnationId,
          process: greeted.hello.extensions?.process,
          verdict: greeted.verdict,
          stated: greeted.hello.extensions?.statement,
          limits: greeted.hello.extensions?.limits
        },
        eventWeight
      )
      const opened = yield* openChannel({
        number: token,
        channel,
        rest: greeted.rest,
        extended: greeted.hello.extensions !== undefined,
        experience,
        roundTrip: greeted.roundTrip,
        inbox,
        limits: config,
        scope: ready.scope,
        onHeard: postEvent({ _tag: "Heard", token }),
        onEnd: end(token)
      })
      current = { ...opened, scope: ready.scope }
      metrics.connections(1)
      metrics.handshakes()
      if (hadChannel) metrics.reconnects()
      else if (!adopted) yield* options.onContact(link)
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

  const retire = ({ clean, error, token }: Extract<LinkMachine.Command, { _tag: "Retire" }>) =>
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

  const withdraw = (token: number) =>
    Effect.gen(function* () {
      yield* FiberMap.remove(work, token)
      const candidate = dialed.get(token)
      dialed.delete(token)
      if (candidate !== undefined) yield* discard(candidate, "superseded")
    })

  const carryOut = (command: LinkMachine.Command, letter: Letter): Effect.Effect<void> => {
    switch (command._tag) {
      case "Dial":
        return run(command.token, dial(command.token))
      case "Greet": {
        const candidate = dialed.get(command.token)
        dialed.delete(command.token)
        if (candidate === undefined) return Effect.void
        const greeting = greet(speaker, candidate.channel, { ...command, timeout: config.handshakeTimeout })
        return run(command.token, handOver(command.token, candidate, greeting))
      }
      case "Answer": {
        const hailed = incoming.get(command.incoming)
        incoming.delete(command.incoming)
        if (hailed === undefined) return Effect.void
        const answering = answer(speaker, hailed.channel, { ...hailed, timeout: config.handshakeTimeout })
        return run(command.token, handOver(command.token, hailed, answering))
      }
      case "Refuse": {
        const refused = incoming.get(command.incoming)
        incoming.delete(command.incoming)
        if (refused === undefined) return Effect.void
        return discard(refused, command.reason)
      }
      case "Cancel":
        return withdraw(command.token)
      case "Install":
        return letter.ready === undefined ? Effect.void : install(letter.ready, command.token)
      case "Retire":
        return retire(command)
      case "Wait":
        return run(
          command.token,
          Effect.delay(postEvent({ _tag: "Due", token: command.token }), Duration.millis(command.millis))
        )
    }
  }

  const handle = (letter: Letter) =>
    Effect.gen(function* () {
      const moment = {
        now: clock.unsafeCurrentTimeMillis(),
        monotonic: monotonic(clock),
        random: yield* Random.next
      }
      movedAt = moment.now
      const before = state.phase
      const [next, commands] = LinkMachine.step(settings, state, letter.event, moment)
      state = next
      for (const command of commands) yield* carryOut(command, letter)
      if (letter.ready !== undefined && !commands.some(({ _tag }) => _tag === "Install")) {
        yield* discard(letter.ready, "superseded")
      }
      if (state.phase !== before) yield* SubscriptionRef.set(status, stateOf(state, current))
      if (letter.done !== undefined) yield* Deferred.succeed(letter.done, undefined)
      if (state.phase._tag === "Idle" && before._tag !== "Idle" && !adopted) yield* options.onIdle
    })

  const actorFiber = yield* Effect.forever(Effect.flatMap(letters.take, handle)).pipe(
    Effect.catchAllCause((cause) =>
      Cause.isInterruptedOnly(cause) ? Effect.void : Effect.logError("a link stopped", cause)
    ),
    Effect.annotateLogs({ package: "effect-remotes", module: "Transport", peer: peerId }),
    Effect.forkScoped
  )

  // First everything that could dial or wait again, then the channels, so that nothing re-arms.
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      yield* Fiber.interrupt(actorFiber)
      yield* FiberMap.clear(work)
      if (current !== undefined) yield* Effect.zipRight(current.stop, finish(current, undefined))
      yield* Effect.forEach(incoming.values(), (left) => discard(left, "the network stops"), { discard: true })
      yield* Effect.forEach(dialed.values(), (left) => discard(left, "the network stops"), { discard: true })
      inbox.discard()
    })
  )

  const ask = (event: LinkMachine.Event) =>
    Effect.flatMap(Deferred.make<void>(), (done) => Effect.zipRight(post({ event, done }), Deferred.await(done)))

  /** What a write fails with after this side closed the link, however the stream puts it. */
  const intentional = (): IntentionalCloseError | undefined =>
    state.phase._tag === "Closed" ? new IntentionalCloseError({ peerId }) : undefined

  const link: Link = {
    peerId,
    // The round trip changes all the time, and nobody need be told each time.
    state: Effect.map(SubscriptionRef.get(status), (it) =>
      it._tag === "Open" ? { ...it, roundTrip: roundTripOf(current) ?? it.roundTrip } : it
    ),
    changes: status.changes,
    take: Effect.suspend(() => {
      adopted = true
      return inbox.take
    }),
    peek: inbox.peek,
    connect: Effect.zipRight(postEvent({ _tag: "Wanted" }), postEvent({ _tag: "Urged" })),
    want: postEvent({ _tag: "Wanted" }),
    send: (channel, frames) =>
      Effect.suspend(() =>
        current?.number === channel
          ? Effect.mapError(current.send(frames), (error) => intentional() ?? error)
          : Effect.fail(intentional() ?? notOpen(peerId))
      ),
    expect: (channel, answer) => {
      if (current?.number === channel) current.expect(answer)
    },
    remind: (channel) => Effect.sync(() => inbox.offer({ _tag: "Reminded", channel }, eventWeight)),
    drop: (channel, error) => end(channel)(error)
  }
  const actor: LinkActor = {
    link,
    hail: (hailed) =>
      Effect.suspend(() => {
        incomings += 1
        incoming.set(incomings, hailed)
        return postEvent({ _tag: "Hailed", incoming: incomings, hello: hailed.hello })
      }),
    addHints: (more) => {
      const fresh = more.filter((hint) => !hints.includes(hint))
      hints = [...new Set([...hints, ...fresh])].slice(-maxHints)
      return fresh.length > 0
    },
    close: Effect.suspend(() => {
      const closing = current
      return Effect.zipRight(
        ask({ _tag: "Close", error: new IntentionalCloseError({ peerId }) }),
        closing === undefined ? Effect.void : closing.channel.close
      )
    }),
    reopen: postEvent({ _tag: "Reopen" }),
    urge: postEvent({ _tag: "Urged" }),
    wake: postEvent({ _tag: "Woken" }),
    isStale: (millis) => state.phase._tag === "Idle" && !adopted && clock.unsafeCurrentTimeMillis() - movedAt >= millis,
    handBack: Effect.suspend(() => {
      const unheard = inbox.peek().some((event) => event._tag === "Opened" && event.channel === current?.number)
      if (!unheard && incoming.size === 0 && state.phase._tag !== "Answering") return Effect.succeed(false)
      adopted = false
      hadChannel = unheard
      const told = unheard ? options.onContact(link) : Effect.void
      return Effect.as(Effect.zipRight(postEvent({ _tag: "Released" }), told), true)
    }),
    check: Effect.suspend(() =>
      current !== undefined && current.channel.status() !== "open" ? end(current.number)(notOpen(peerId)) : Effect.void
    )
  }
  return actor
})
