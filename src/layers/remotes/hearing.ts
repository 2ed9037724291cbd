import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ProtocolViolationError } from "../../errors/ConnectionError.ts"
import { monotonic } from "../../internal/monotonic.ts"
import * as Credit from "../../protocol/Credit.ts"
import * as EarlyMessages from "../../protocol/EarlyMessages.ts"
import type { LinkEvent } from "../../services/Transport.ts"
import { noteProgress, oweAck } from "./acknowledging.ts"
import type { Converser } from "./Converser.ts"
import { holdLine, settleNow } from "./Converser.ts"
import type { OpenChannel, Sequenced } from "./Core.ts"
import { isLostBehind, takeAcksBehind } from "./holding.ts"
import { read } from "./reading.ts"
import { passHole, receive } from "./receiving.ts"

/** How many frames are decoded, and their messages committed, together at most. */
const sliceLength = 256

/** How long it takes until a busy kernel is asked for the first time whether it takes a message now. */
const firstPause = Duration.millis(50)

/** What was not taken is offered again after a pause; meanwhile the line is held. Gives whether all were taken. */
const offerAgain = (
  converser: Converser,
  channel: OpenChannel,
  messages: ReadonlyArray<Sequenced>,
  tookAny: boolean
): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    const { core } = converser
    let left = messages
    let pause = firstPause
    for (let took = tookAny; left.length > 0;) {
      core.held = true
      takeAcksBehind(converser, left)
      pause = took ? firstPause : Duration.min(Duration.times(pause, 2), Duration.seconds(5))
      yield* Effect.sleep(pause)
      core.held = false
      if (isLostBehind(converser, channel)) return false
      const count = yield* holdLine(converser, receive(converser, left, channel.senderOf), Effect.succeed)
      noteTaken(converser)
      left = left.slice(count)
      took = count > 0
    }
    return true
  })

const noteTaken = (converser: Converser): void => {
  converser.core.held = false
  oweAck(converser, false)
  converser.notify()
}

/**
 * Takes messages until none is left; while the kernel is busy, the line is held. `then` is told whether all were taken: what waits
 * when its channel is lost is let go, because it comes again on the next one, which has to be opened meanwhile.
 */
const receiveAll = <A>(
  converser: Converser,
  channel: OpenChannel,
  messages: ReadonlyArray<Sequenced>,
  then: (taken: boolean) => Effect.Effect<A>
): Effect.Effect<A> =>
  messages.length === 0
    ? then(true)
    : holdLine(converser, receive(converser, messages, channel.senderOf), (count) => {
        noteTaken(converser)
        return count === messages.length
          ? then(true)
          : Effect.flatMap(offerAgain(converser, channel, messages.slice(count), count > 0), then)
      })

/** A stranger's first message decides whether it becomes a remote. */
const strangerViolation = ({ core, mayRecord }: Converser, messages: ReadonlyArray<Sequenced>): string | undefined => {
  if (core.known || messages.length === 0) return undefined
  if (messages[0]?.content._tag === "Malformed") return "a stranger's first message makes no sense"
  return mayRecord() ? undefined : "there is no room for another remote"
}

/** Has the deadline for what is missing run as long as it is, from when it was noticed or anything was taken last. */
const watchGap = ({ core, gapDeadline }: Converser, channel: OpenChannel, tookAny: boolean) =>
  Effect.clockWith((clock) =>
    Effect.sync(() => {
      if (core.channel !== channel) return
      const { since } = channel.early
      channel.early = EarlyMessages.wait(channel.early, monotonic(clock), tookAny)
      if (channel.early.since === undefined) gapDeadline.disarm()
      else if (channel.early.since !== since) gapDeadline.arm()
    })
  )

/** Ends a channel whose peer does what it must not. */
const hangUp = ({ core, link }: Converser, channel: OpenChannel, reason: string) =>
  Effect.gen(function* () {
    const error = new ProtocolViolationError({ peerId: core.peerId, reason })
    core.hungUp = channel.number
    yield* Effect.logWarning(error.message)
    yield* link.drop(channel.number, error)
  })

/** `then` is told whether the channel goes on. */
const onSlice = (
  converser: Converser,
  channel: OpenChannel,
  frames: ReadonlyArray<Uint8Array>,
  then: (goesOn: boolean) => Effect.Effect<void>
): Effect.Effect<void> => {
  const { core } = converser
  const { acknowledged } = core.window
  const wasWaiting = channel.early.since !== undefined
  const { messages, repeated, violation } = read(converser, channel, frames)
  if (core.window.acknowledged > acknowledged) noteProgress(converser, channel)
  const objection = strangerViolation(converser, messages)
  return receiveAll(converser, channel, objection === undefined ? messages : [], (taken) => {
    if (!taken) return then(false)
    channel.grants = channel.grants && Credit.take(channel.grants)
    if (repeated) oweAck(converser, true)
    settleNow(converser)
    converser.wake()
    const reason = objection ?? violation
    if (reason !== undefined) return Effect.zipRight(hangUp(converser, channel, reason), then(false))
    const isWaiting = wasWaiting || channel.early.held.length > 0
    return isWaiting ? Effect.flatMap(watchGap(converser, channel, messages.length > 0), () => then(true)) : then(true)
  })
}

/**
 * Takes what frames of the channel in service bring.
 *
 * @internal
 */
export const onFrames = (converser: Converser, event: Extract<LinkEvent, { _tag: "Frames" }>): Effect.Effect<void> => {
  const { channel: number, frames } = event
  const { behind } = converser
  const takeFrom = (from: number): Effect.Effect<void> => {
    const { channel } = converser.core
    if (from >= frames.length || channel?.number !== number) return Effect.void
    const next = from + sliceLength
    converser.behind = next < frames.length ? [{ ...event, frames: frames.slice(next) }, ...behind] : behind
    const slice = frames.length <= sliceLength ? frames : frames.slice(from, next)
    return onSlice(converser, channel, slice, (goesOn) => {
      if (goesOn) return takeFrom(next)
      converser.core.channel = undefined
      return Effect.void
    })
  }
  return takeFrom(0)
}

/**
 * Something may have been missing for too long: then it is passed as lost, on record, and what came after it is taken.
 *
 * @internal
 */
export const onReminded = (converser: Converser, number: number) =>
  Effect.gen(function* () {
    const { config, core } = converser
    const { channel } = core
    if (channel?.number !== number) return
    const now = monotonic(yield* Effect.clock)
    const passed = EarlyMessages.pass(channel.early, core.received, now, Duration.toMillis(config.gapTimeout))
    if (passed === undefined) return
    const objection = strangerViolation(converser, passed.taken)
    if (objection !== undefined) {
      core.channel = undefined
      return yield* hangUp(converser, channel, objection)
    }
    channel.early = passed.early
    yield* holdLine(converser, passHole(converser, passed.hole), Effect.succeed)
    yield* receiveAll(converser, channel, passed.taken, (taken) => {
      if (taken) return watchGap(converser, channel, true)
      core.channel = undefined
      return Effect.void
    })
  })
