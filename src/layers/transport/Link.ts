import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { IntentionalCloseError, ResourceLimitError } from "../../errors/TransportError.ts"
import { isDone } from "../../internal/atOnce.ts"
import { Inbox } from "../../internal/inbox.ts"
import { monotonic } from "../../internal/monotonic.ts"
import { type Label, OnCall } from "../../internal/onCall.ts"
import { Tasks } from "../../internal/tasks.ts"
import * as LinkMachine from "../../protocol/LinkMachine.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import * as Rate from "../../protocol/Rate.ts"
import type { Link, LinkError, LinkEvent, LinkState } from "../../services/Transport.ts"
import { Attempts, type AttemptsOwner } from "./attempts.ts"
import type { Incoming, LinkGround, Ready } from "./linkActor.ts"
import { discard } from "./linkActor.ts"
import { ended } from "./linkFailure.ts"
import { roundTripOf, stateOf } from "./linkState.ts"
import { metrics } from "./metrics.ts"
import { notOpen } from "./openChannel.ts"
import { Service, type ServiceOwner } from "./service.ts"

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

const settingsFor = (peerId: PeerId, { config, factory, speaker }: LinkGround): LinkMachine.Settings => {
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
 * The link to one peer: one fiber, while there is something to do, that feeds the link machine and carries out what it commands.
 *
 * Of a class, and with nothing made before it is needed: a kernel with many peers has one for each of them.
 *
 * @internal
 */
export class PeerLink implements Link, AttemptsOwner, ServiceOwner {
  readonly peerId: PeerId
  readonly label: Label
  readonly inbox: Inbox<LinkEvent>
  hints: ReadonlyArray<string> = []
  readonly #ground: LinkGround
  readonly #tasks: Tasks
  readonly #attempts: Attempts
  readonly #service: Service
  readonly #actor: OnCall
  readonly #letters: Array<Letter> = []
  /** Whoever waits until a letter has been handled. */
  #asking: Set<Deferred.Deferred<void>> | undefined
  #isOver = false
  #state = LinkMachine.initial
  #shown: LinkState = { _tag: "Idle", error: undefined }
  /** Not made before somebody watches. */
  #status: SubscriptionRef.SubscriptionRef<LinkState> | undefined
  #adopted = false
  #movedAt: number

  constructor(peerId: PeerId, ground: LinkGround) {
    this.peerId = peerId
    this.label = { package: "effect-remotes", module: "Transport", peer: peerId }
    this.inbox = new Inbox(Math.max(inboxCapacity, 2 * ground.speaker.limits.bytes), metrics.inboxBytes)
    this.#ground = ground
    this.#tasks = new Tasks(ground.roster, this.label)
    this.#attempts = new Attempts(this, ground, this.#tasks)
    this.#service = new Service(this, ground, this.#tasks)
    this.#actor = new OnCall(ground.roster, this.label, () =>
      Effect.tapErrorCause(this.#handleAll(), (cause) =>
        Cause.isInterruptedOnly(cause) ? Effect.void : Effect.logError("a link stopped", cause)
      )
    )
    this.#movedAt = ground.clockwork.clock.unsafeCurrentTimeMillis()
  }

  /** The round trip changes all the time, and nobody need be told each time. */
  get state(): Effect.Effect<LinkState> {
    return Effect.sync(() => {
      const shown = this.#shown
      return shown._tag === "Open"
        ? { ...shown, roundTrip: roundTripOf(this.#service.current) ?? shown.roundTrip }
        : shown
    })
  }

  get changes(): Stream.Stream<LinkState> {
    return Stream.unwrap(Effect.map(this.#watched, ({ changes }) => changes))
  }

  get take(): Effect.Effect<ReadonlyArray<LinkEvent>> {
    return Effect.suspend(() => {
      this.#adopted = true
      return this.inbox.take
    })
  }

  listen(onEvents: () => void): void {
    this.#adopted = true
    this.inbox.listen(onEvents)
  }

  poll(): ReadonlyArray<LinkEvent> {
    this.#adopted = true
    return this.inbox.poll()
  }

  peek(): ReadonlyArray<LinkEvent> {
    return this.inbox.peek()
  }

  get connect(): Effect.Effect<void> {
    return Effect.zipRight(this.want, this.urge)
  }

  get want(): Effect.Effect<void> {
    return this.tell({ _tag: "Wanted" })
  }

  send(channel: number, frames: Uint8Array): ReturnType<Link["send"]> {
    return Effect.suspend(() => this.sendNow(channel, frames))
  }

  sendNow(channel: number, frames: Uint8Array): ReturnType<Link["send"]> {
    const { current } = this.#service
    if (current?.number !== channel) return Effect.fail(this.#intentional ?? notOpen(this.peerId))
    const sent = current.sendNow(frames)
    return isDone(sent) ? sent : Effect.mapError(sent, (error) => this.#intentional ?? error)
  }

  expect(channel: number, answer: boolean): void {
    const { current } = this.#service
    if (current?.number === channel) current.expect(answer)
  }

  remind(channel: number): Effect.Effect<void> {
    return Effect.sync(() => this.#service.remind(channel))
  }

  drop(channel: number, error: LinkError): Effect.Effect<void> {
    return this.tell(ended(channel, error))
  }

  /** Takes a channel that the peer opened and said hello on. */
  hail(hailed: Incoming): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.tell({ _tag: "Hailed", incoming: this.#attempts.keep(hailed), hello: hailed.hello })
    )
  }

  /** Adds addresses; whether any of them is new. */
  addHints(more: ReadonlyArray<string>): boolean {
    const fresh = more.filter((hint) => !this.hints.includes(hint))
    this.hints = [...new Set([...this.hints, ...fresh])].slice(-maxHints)
    return fresh.length > 0
  }

  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const closing = this.#service.current
      return Effect.zipRight(
        this.#ask({ _tag: "Close", error: new IntentionalCloseError({ peerId: this.peerId }) }),
        closing === undefined ? Effect.void : closing.channel.close
      )
    })
  }

  get reopen(): Effect.Effect<void> {
    return this.tell({ _tag: "Reopen" })
  }

  /** Ends a wait, if the link is in one. */
  get urge(): Effect.Effect<void> {
    return this.tell({ _tag: "Urged" })
  }

  /** As `urge`, and forgets what is known about failures. */
  get wake(): Effect.Effect<void> {
    return this.tell({ _tag: "Woken" })
  }

  /** Whether the link rests since so many milliseconds at least, and is nobody's: it was never read. */
  isStale(millis: number): boolean {
    const now = this.#ground.clockwork.clock.unsafeCurrentTimeMillis()
    return this.#state.phase._tag === "Idle" && !this.#adopted && now - this.#movedAt >= millis
  }

  /**
   * Gives the link back to nobody, if the peer is about to open a channel, or has opened one that nobody has heard of; whether it
   * is so.
   */
  get handBack(): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      const { current } = this.#service
      const unheard = this.peek().some((event) => event._tag === "Opened" && event.channel === current?.number)
      if (!unheard && !this.#attempts.isHailed && this.#state.phase._tag !== "Answering") return Effect.succeed(false)
      this.#adopted = false
      this.inbox.listen(undefined)
      this.#service.handBack(unheard)
      const told = unheard ? this.#ground.onContact(this) : Effect.void
      return Effect.as(Effect.zipRight(this.tell({ _tag: "Released" }), told), true)
    })
  }

  /** Looks whether the channel is still there; for when the network says that the connection is gone. */
  get check(): Effect.Effect<void> {
    return Effect.suspend(() => this.#service.current?.check() ?? Effect.void)
  }

  /** Ends everything: first what could dial or wait again, then the channels, so that nothing re-arms. */
  get end(): Effect.Effect<void> {
    return Effect.gen(this, function* () {
      this.#isOver = true
      yield* this.#actor.end
      yield* this.#tasks.end
      yield* this.#service.end
      yield* this.#attempts.abandon
      this.inbox.discard()
      for (const done of this.#asking ?? []) Deferred.unsafeDone(done, Effect.void)
    })
  }

  get room(): Effect.Effect<void> {
    return this.inbox.room
  }

  get onFirst(): Effect.Effect<void> {
    return Effect.suspend(() => (this.#adopted ? Effect.void : this.#ground.onContact(this)))
  }

  onReady(token: number, ready: Ready): Effect.Effect<void> {
    return this.#post({ event: { _tag: "Established", token, hello: ready.greeted.hello }, ready })
  }

  tell(event: LinkMachine.Event): Effect.Effect<void> {
    return this.#post({ event })
  }

  #post(letter: Letter): Effect.Effect<void> {
    return Effect.sync(() => {
      this.#letters.push(letter)
      this.#actor.call()
    })
  }

  /** Waits until the event has been handled, or nothing is any more. */
  #ask(event: LinkMachine.Event): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#isOver) return Effect.void
      const done = Deferred.unsafeMake<void>(FiberId.none)
      const asking = (this.#asking ??= new Set())
      asking.add(done)
      const answered = Effect.zipRight(this.#post({ event, done }), Deferred.await(done))
      return Effect.ensuring(
        answered,
        Effect.sync(() => asking.delete(done))
      )
    })
  }

  /** What a write fails with after this side closed the link, however the stream puts it. */
  get #intentional(): IntentionalCloseError | undefined {
    return this.#state.phase._tag === "Closed" ? new IntentionalCloseError({ peerId: this.peerId }) : undefined
  }

  get #watched(): Effect.Effect<SubscriptionRef.SubscriptionRef<LinkState>> {
    return Effect.gen(this, function* () {
      const made = yield* SubscriptionRef.make(this.#shown)
      const status = (this.#status ??= made)
      // The state may have changed while it was made.
      if ((yield* SubscriptionRef.get(status)) !== this.#shown) yield* SubscriptionRef.set(status, this.#shown)
      return status
    })
  }

  #handleAll(): Effect.Effect<void> {
    const letter = this.#letters.shift()
    return letter === undefined ? Effect.void : Effect.flatMap(this.#handle(letter), () => this.#handleAll())
  }

  #handle(letter: Letter): Effect.Effect<void> {
    return Effect.gen(this, function* () {
      const { clock } = this.#ground.clockwork
      const moment = {
        now: clock.unsafeCurrentTimeMillis(),
        monotonic: monotonic(clock),
        random: yield* Random.next
      }
      this.#movedAt = moment.now
      const before = this.#state.phase
      const settings = settingsFor(this.peerId, this.#ground)
      const [next, commands] = LinkMachine.step(settings, this.#state, letter.event, moment)
      this.#state = next
      for (const command of commands) yield* this.#carryOut(command, letter)
      if (letter.ready !== undefined && !commands.some(({ _tag }) => _tag === "Install")) {
        yield* discard(letter.ready, "superseded")
      }
      if (next.phase !== before) {
        this.#shown = stateOf(next, this.#service.current)
        if (this.#status !== undefined) yield* SubscriptionRef.set(this.#status, this.#shown)
      }
      if (letter.done !== undefined) yield* Deferred.succeed(letter.done, undefined)
      if (next.phase._tag === "Idle" && before._tag !== "Idle" && !this.#adopted)
        yield* this.#ground.onIdle(this.peerId)
    })
  }

  #carryOut(command: LinkMachine.Command, { ready }: Letter): Effect.Effect<void> {
    switch (command._tag) {
      case "Dial":
        return this.#attempts.dial(command)
      case "Greet":
        return this.#attempts.greet(command)
      case "Answer":
        return this.#attempts.answer(command)
      case "Refuse":
        return this.#attempts.refuse(command)
      case "Cancel":
        return this.#attempts.cancel(command)
      case "Install":
        return ready === undefined ? Effect.void : this.#service.install(ready, command.token)
      case "Retire":
        return this.#service.retire(command)
      case "Wait":
        return this.#attempts.wait(command)
    }
  }
}
