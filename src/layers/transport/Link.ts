import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
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
import { IntentionalCloseError } from "../../errors/TransportError.ts"
import type { Inbox } from "../../internal/inbox.ts"
import { makeInbox } from "../../internal/inbox.ts"
import * as FailurePattern from "../../protocol/FailurePattern.ts"
import type { Hello } from "../../protocol/Handshake.ts"
import * as LinkMachine from "../../protocol/LinkMachine.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import type { Channel, ConnectionFactory } from "../../services/ConnectionFactory.ts"
import type { Options } from "../../services/RemotesConfig.ts"
import type { Link, LinkError, LinkEvent, LinkState } from "../../services/Transport.ts"
import type { Greeted, Speaker } from "./greeting.ts"
import { answer, greet } from "./greeting.ts"
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
  readonly addHints: (hints: ReadonlyArray<string>) => Effect.Effect<void>
  readonly close: Effect.Effect<void>
  readonly reopen: Effect.Effect<void>
  /** Ends a wait, if the link is in one. */
  readonly urge: Effect.Effect<void>
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
 * How many bytes of events may wait for the link's reader before the peer is held back; twice what a sender has on its way
 * at most, so that between two of ours a slow kernel never keeps a probe from being read.
 */
const inboxCapacity = 8 * 1_048_576

/** What an opening or a loss weighs in the inbox, so that these are bounded as well. */
const eventWeight = 16_384

/** How many addresses are kept for a peer. */
const maxHints = 16

const codeOf = (error: LinkError): string => (error._tag === "DialFailedError" ? error.code : error._tag)

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
        relayed: current?.channel.relayed ?? false
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
  const { config, factory, peerId, speaker } = options
  const scope = yield* Effect.scope
  const letters = yield* Mailbox.make<Letter>()
  const inbox: Inbox<LinkEvent> = makeInbox(inboxCapacity)
  const status = yield* SubscriptionRef.make<LinkState>({ _tag: "Idle", error: undefined })
  const work = yield* FiberMap.make<number>()
  const dialed = new Map<number, Candidate>()
  const incoming = new Map<number, Incoming>()
  const settings: LinkMachine.Settings = {
    process: speaker.process,
    wins: factory.localPeerId < peerId,
    backoff: {
      base: Duration.toMillis(config.reconnectBaseDelay),
      cap: Duration.toMillis(Duration.max(config.reconnectMaxDelay, config.reconnectBaseDelay))
    },
    superseded: notOpen(peerId)
  }
  let state = LinkMachine.initial
  let current: (OpenChannel & Candidate) | undefined
  let hints: ReadonlyArray<string> = []
  let incomings = 0

  const post = (letter: Letter) => Effect.asVoid(letters.offer(letter))
  const postEvent = (event: LinkMachine.Event) => post({ event })
  const fail = (token: number) => (error: LinkError) =>
    postEvent({
      _tag: "Failed",
      token,
      error,
      code: codeOf(error),
      hopeless: error._tag === "NoAddressError" || error._tag === "NetworkStoppedError"
    })
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

  const dial = (token: number) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const candidateScope = yield* Scope.fork(scope, { _tag: "Sequential" })
        const channel = yield* restore(Scope.extend(factory.dial(peerId, hints), candidateScope)).pipe(
          Effect.onError(() => Scope.close(candidateScope, Exit.void))
        )
        dialed.set(token, { channel, scope: candidateScope })
        yield* postEvent({ _tag: "Dialed", token })
      })
    )

  /** Hands a greeted channel over to the actor; closes it when the handshake fails or is cancelled. */
  const handOver = (token: number, candidate: Candidate, greeting: Effect.Effect<Greeted, LinkError>) =>
    Effect.uninterruptibleMask((restore) =>
      restore(Effect.zipLeft(greeting, inbox.room)).pipe(
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
          stated: greeted.hello.extensions?.statement
        },
        eventWeight
      )
      const opened = yield* openChannel({
        number: token,
        channel,
        rest: greeted.rest,
        inbox,
        limits: config,
        scope: ready.scope,
        onHeard: postEvent({ _tag: "Heard", token }),
        onEnd: end(token)
      })
      current = { ...opened, scope: ready.scope }
      yield* Effect.logDebug("channel open").pipe(
        Effect.annotateLogs({ address: channel.address, direction: channel.direction, verdict: greeted.verdict._tag })
      )
    })

  const retire = ({ clean, error, token }: Extract<LinkMachine.Command, { _tag: "Retire" }>) =>
    Effect.gen(function* () {
      const retired = current
      if (retired === undefined || retired.number !== token) return
      current = undefined
      yield* retired.stop
      inbox.offer({ _tag: "Lost", channel: token, error }, eventWeight)
      if (!clean) yield* retired.channel.abort(error)
      yield* Effect.logDebug("channel lost").pipe(Effect.annotateLogs({ reason: error._tag }))
      // A graceful close takes up to its deadline, for which the next channel need not wait.
      yield* FiberMap.run(work, -token, close(retired))
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
      const moment = { now: yield* Clock.currentTimeMillis, random: yield* Random.next }
      const before = state.phase
      const [next, commands] = LinkMachine.step(settings, state, letter.event, moment)
      state = next
      for (const command of commands) yield* carryOut(command, letter)
      if (letter.ready !== undefined && !commands.some(({ _tag }) => _tag === "Install")) {
        yield* discard(letter.ready, "superseded")
      }
      if (state.phase !== before) yield* SubscriptionRef.set(status, stateOf(state, current))
      if (letter.done !== undefined) yield* Deferred.succeed(letter.done, undefined)
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
      if (current !== undefined) yield* Effect.zipRight(current.stop, close(current))
      yield* Effect.forEach(incoming.values(), (left) => discard(left, "the network stops"), { discard: true })
      yield* Effect.forEach(dialed.values(), (left) => discard(left, "the network stops"), { discard: true })
    })
  )

  const ask = (event: LinkMachine.Event) =>
    Effect.flatMap(Deferred.make<void>(), (done) => Effect.zipRight(post({ event, done }), Deferred.await(done)))

  const link: Link = {
    peerId,
    state: SubscriptionRef.get(status),
    changes: status.changes,
    take: inbox.take,
    peek: inbox.peek,
    connect: Effect.zipRight(postEvent({ _tag: "Wanted" }), postEvent({ _tag: "Urged" })),
    want: postEvent({ _tag: "Wanted" }),
    send: (channel, frames) =>
      Effect.suspend(() => (current?.number === channel ? current.send(frames) : Effect.fail(notOpen(peerId)))),
    probe: (channel) =>
      Effect.suspend(() => (current?.number === channel ? current.probe : Effect.fail(notOpen(peerId)))),
    heardAt: () => current?.heardAt() ?? 0,
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
    addHints: (more) =>
      Effect.sync(() => {
        hints = [...new Set([...hints, ...more])].slice(-maxHints)
      }),
    close: Effect.suspend(() => {
      const closing = current
      return Effect.zipRight(
        ask({ _tag: "Close", error: new IntentionalCloseError({ peerId }) }),
        closing === undefined ? Effect.void : closing.channel.close
      )
    }),
    reopen: postEvent({ _tag: "Reopen" }),
    urge: postEvent({ _tag: "Urged" }),
    check: Effect.suspend(() =>
      current !== undefined && current.channel.status() !== "open" ? end(current.number)(notOpen(peerId)) : Effect.void
    )
  }
  return actor
})
