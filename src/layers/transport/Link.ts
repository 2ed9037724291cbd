import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberMap from "effect/FiberMap"
import * as Mailbox from "effect/Mailbox"
import * as Random from "effect/Random"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { IntentionalCloseError, ResourceLimitError } from "../../errors/TransportError.ts"
import type { Inbox } from "../../internal/inbox.ts"
import { makeInbox } from "../../internal/inbox.ts"
import { monotonic } from "../../internal/monotonic.ts"
import * as LinkMachine from "../../protocol/LinkMachine.ts"
import * as Rate from "../../protocol/Rate.ts"
import type { Link, LinkEvent, LinkState } from "../../services/Transport.ts"
import { makeAttempts } from "./attempts.ts"
import type { LinkActor, LinkOptions, Ready } from "./linkActor.ts"
import { discard } from "./linkActor.ts"
import { ended } from "./linkFailure.ts"
import { roundTripOf, stateOf } from "./linkState.ts"
import { metrics } from "./metrics.ts"
import { notOpen } from "./openChannel.ts"
import { makeService } from "./service.ts"

/** What the actor reads: an event of the machine, and what it carries for the shell. */
interface Letter {
  readonly event: LinkMachine.Event
  readonly ready?: Ready
  readonly done?: Deferred.Deferred<void>
}

/**
 * How many bytes of events may wait for the link's reader before the peer is held back, at least; twice what a sender has on its
 * way at most, so that between two of ours a slow kernel never keeps a probe from being read.
 */
const inboxCapacity = 8 * 1_048_576

/** How many addresses are kept for a peer. */
const maxHints = 16

/** How many times as long at most a peer is waited for that is unreachable in the same way again and again. */
const slowness = 3

const settingsFor = ({ config, factory, peerId, speaker }: LinkOptions): LinkMachine.Settings => {
  const base = Duration.toMillis(config.reconnectBaseDelay)
  const cap = Math.max(base, Duration.toMillis(config.reconnectMaxDelay))
  const dialRate = Rate.perMinute(config.maxConnectionAttemptsPerMinute)
  return {
    process: speaker.process,
    wins: factory.localPeerId < peerId,
    backoff: { base, cap },
    slowBackoff: { base, cap: slowness * cap },
    dialRate,
    // An error takes up most of a kilobyte, and few links ever need one.
    get paced() {
      return new ResourceLimitError({ limit: "connectionAttempts", current: dialRate.max, max: dialRate.max })
    },
    get superseded() {
      return notOpen(peerId)
    }
  }
}

/**
 * Makes the link to one peer: one fiber that feeds the link machine and carries out what it commands.
 *
 * @internal
 */
export const makeLink = Effect.fnUntraced(function* (options: LinkOptions) {
  const { config, peerId, speaker } = options
  const clock = yield* Effect.clock
  const letters = yield* Mailbox.make<Letter>()
  const inbox: Inbox<LinkEvent> = makeInbox(Math.max(inboxCapacity, 2 * speaker.limits.bytes), metrics.inboxBytes)
  const status = yield* SubscriptionRef.make<LinkState>({ _tag: "Idle", error: undefined })
  const work = yield* FiberMap.make<number>()
  const settings = settingsFor(options)
  let state = LinkMachine.initial
  let hints: ReadonlyArray<string> = []
  let adopted = false
  let movedAt = clock.unsafeCurrentTimeMillis()

  const post = (letter: Letter) => Effect.asVoid(letters.offer(letter))
  const tell = (event: LinkMachine.Event) => post({ event })
  const attempts = yield* makeAttempts({
    ...options,
    scope: yield* Effect.scope,
    work,
    hints: () => hints,
    room: inbox.room,
    tell,
    onReady: (token, ready) => post({ event: { _tag: "Established", token, hello: ready.greeted.hello }, ready })
  })
  const service = makeService({
    peerId,
    config,
    clockwork: options.clockwork,
    inbox,
    work,
    tell,
    onFirst: Effect.suspend(() => (adopted ? Effect.void : options.onContact(link)))
  })

  const carryOut = (command: LinkMachine.Command, { ready }: Letter): Effect.Effect<void> => {
    switch (command._tag) {
      case "Dial":
        return attempts.dial(command)
      case "Greet":
        return attempts.greet(command)
      case "Answer":
        return attempts.answer(command)
      case "Refuse":
        return attempts.refuse(command)
      case "Cancel":
        return attempts.cancel(command)
      case "Install":
        return ready === undefined ? Effect.void : service.install(ready, command.token)
      case "Retire":
        return service.retire(command)
      case "Wait":
        return attempts.wait(command)
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
      if (state.phase !== before) yield* SubscriptionRef.set(status, stateOf(state, service.current()))
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
      yield* service.end
      yield* attempts.abandon
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
      it._tag === "Open" ? { ...it, roundTrip: roundTripOf(service.current()) ?? it.roundTrip } : it
    ),
    get changes() {
      return status.changes
    },
    take: Effect.suspend(() => {
      adopted = true
      return inbox.take
    }),
    peek: inbox.peek,
    connect: Effect.zipRight(tell({ _tag: "Wanted" }), tell({ _tag: "Urged" })),
    want: tell({ _tag: "Wanted" }),
    send: (channel, frames) =>
      Effect.suspend(() => {
        const current = service.current()
        return current?.number === channel
          ? current.send(frames, (error) => intentional() ?? error)
          : Effect.fail(intentional() ?? notOpen(peerId))
      }),
    expect: (channel, answer) => {
      const current = service.current()
      if (current?.number === channel) current.expect(answer)
    },
    remind: (channel) => Effect.sync(() => service.remind(channel)),
    drop: (channel, error) => tell(ended(channel, error))
  }
  const actor: LinkActor = {
    link,
    hail: (hailed) =>
      Effect.suspend(() => tell({ _tag: "Hailed", incoming: attempts.keep(hailed), hello: hailed.hello })),
    addHints: (more) => {
      const fresh = more.filter((hint) => !hints.includes(hint))
      hints = [...new Set([...hints, ...fresh])].slice(-maxHints)
      return fresh.length > 0
    },
    close: Effect.suspend(() => {
      const closing = service.current()
      return Effect.zipRight(
        ask({ _tag: "Close", error: new IntentionalCloseError({ peerId }) }),
        closing === undefined ? Effect.void : closing.channel.close
      )
    }),
    reopen: tell({ _tag: "Reopen" }),
    urge: tell({ _tag: "Urged" }),
    wake: tell({ _tag: "Woken" }),
    isStale: (millis) => state.phase._tag === "Idle" && !adopted && clock.unsafeCurrentTimeMillis() - movedAt >= millis,
    handBack: Effect.suspend(() => {
      const current = service.current()
      const unheard = inbox.peek().some((event) => event._tag === "Opened" && event.channel === current?.number)
      if (!unheard && !attempts.isHailed() && state.phase._tag !== "Answering") return Effect.succeed(false)
      adopted = false
      service.handBack(unheard)
      const told = unheard ? options.onContact(link) : Effect.void
      return Effect.as(Effect.zipRight(tell({ _tag: "Released" }), told), true)
    }),
    check: Effect.suspend(() => {
      const current = service.current()
      return current !== undefined && current.channel.status() !== "open"
        ? tell(ended(current.number, notOpen(peerId)))
        : Effect.void
    })
  }
  return actor
})
