import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FiberStatus from "effect/FiberStatus"
import { identity } from "effect/Function"
import * as RuntimeFlags from "effect/RuntimeFlags"
import type { StoreError } from "../errors/StoreError.ts"
import type { Participant } from "../services/RemoteStore.ts"
import { isDone, made } from "./atOnce.ts"
import { Gate, type Restore } from "./gate.ts"
import { once, uninterruptibleOnce } from "./masks.ts"
import type { Backend } from "./turnBackend.ts"
import { makeEnds, prepareAll } from "./turnEnds.ts"
import { innermost, isOwn, join, type Level, levelIn, makePlaces, type Place, turnOf } from "./turnLevels.ts"

/**
 * The transactions of one store.
 *
 * @internal
 */
export interface Turns<Session> {
  /** `participant` is enlisted from the start. */
  readonly transaction: <A, E, R>(
    turn: Effect.Effect<A, E, R>,
    participant?: Participant
  ) => Effect.Effect<A, E | StoreError, R>
  readonly inTransaction: Effect.Effect<boolean>
  readonly enlist: (participant: Participant) => Effect.Effect<void>
  /** Joins the caller's transaction; outside it reads what is committed. What is an exit already costs next to nothing. */
  readonly read: <A>(read: (session: Session) => Effect.Effect<A, StoreError>) => Effect.Effect<A, StoreError>
  /** Joins the caller's transaction, which cannot commit if this fails; outside it is a transaction of its own. */
  readonly write: <A>(write: (session: Session) => Effect.Effect<A, StoreError>) => Effect.Effect<A, StoreError>
}

const strangerAround =
  "effect-remotes: RemoteStore.transaction and enlist cannot be used inside of SqlClient.withTransaction, " +
  "which could undo them unnoticed; begin the outer transaction with RemoteStore.transaction"
const outside = "effect-remotes: RemoteStore.enlist was called outside of RemoteStore.transaction"

/** For nothing where nothing can be interrupted anyway. */
const uninterruptibly = <A, E, R>(
  { runtimeFlags }: FiberStatus.Running,
  use: (restore: Restore) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => (RuntimeFlags.interruptible(runtimeFlags) ? uninterruptibleOnce(use) : use(identity))

/**
 * Makes transactions over `backend` that run one at a time in the order in which they asked, nest as savepoints, and
 * take their participants along.
 *
 * @internal
 */
export const makeTurns = <Session>(backend: Backend<Session>): Turns<Session> => {
  const { levelOf, placeOf, settleDown } = makePlaces<Session>()
  const { settle, settleNested } = makeEnds(backend)
  const gate = new Gate()

  /** What comes out of a level's end, once its gate has been left. */
  const leaving = <A, E>(passed: Gate, end: Effect.Effect<A, E>): Effect.Effect<A, E> => {
    if (!Exit.isExit(end)) return passed.leaving(end)
    passed.leave()
    return end
  }

  /** The gate was entered; it is left at the end. Written for few steps: on an idle line this is run for each message. */
  const begun = <A, E, R>(
    place: Place<Session>,
    turn: Effect.Effect<A, E, R>,
    restore: Restore,
    session: Session,
    participant: Participant | undefined
  ): Effect.Effect<A, E | StoreError, R> => {
    const level = levelIn(turnOf(session), undefined)
    join(level.turn, participant)
    const before = place.level
    place.level = level
    const settled = (exit: Exit.Exit<A, E | StoreError>) => {
      place.level = before
      return leaving(gate, settle(level, exit))
    }
    const work = Effect.flatMap(restore(once(turn)), (value) => prepareAll(level.turn, value))
    return Effect.matchCauseEffect(backend.within(session)(work), {
      onFailure: (cause) => settled(Exit.failCause(cause)),
      onSuccess: (value) => settled(Exit.succeed(value))
    })
  }

  const begin = <A, E, R>(
    place: Place<Session>,
    turn: Effect.Effect<A, E, R>,
    restore: Restore,
    participant: Participant | undefined
  ): Effect.Effect<A, E | StoreError, R> => {
    const session = backend.begin(restore)
    if (isDone(session)) return begun(place, turn, restore, session.value, participant)
    return Effect.matchCauseEffect(session, {
      onFailure: (cause) => leaving(gate, Effect.failCause(cause)),
      onSuccess: (it) => begun(place, turn, restore, it, participant)
    })
  }

  const outermost = <A, E, R>(
    place: Place<Session>,
    turn: Effect.Effect<A, E, R>,
    restore: Restore,
    participant: Participant | undefined
  ): Effect.Effect<A, E | StoreError, R> => {
    const wait = gate.enter(restore)
    return wait === undefined
      ? begin(place, turn, restore, participant)
      : Effect.flatMap(wait, () => begin(place, turn, restore, participant))
  }

  /** The gate of the level around it was entered; it is left at the end. Written for few steps: this is run for each message. */
  const inside = <A, E, R>(
    place: Place<Session>,
    parent: Level<Session>,
    turn: Effect.Effect<A, E, R>,
    restore: Restore,
    own: Participant | undefined
  ): Effect.Effect<A, E | StoreError, R> => {
    const level = levelIn(parent.turn, parent)
    const { participants, session } = parent.turn
    const enlistedBefore = participants.length
    const staged: Array<() => void> = []
    const run = () => {
      const before = place.level
      place.level = level
      const settled = (exit: Exit.Exit<A, E>) => {
        place.level = before
        return leaving(parent.gate, settleNested(level, exit, staged, enlistedBefore))
      }
      const marked = made(() => {
        for (let index = 0; index < enlistedBefore; index += 1) {
          const participant = participants[index]
          if (participant !== undefined) staged.push(participant.savepoint())
        }
        join(level.turn, own)
        return restore(once(turn))
      })
      return Effect.matchCauseEffect(marked, {
        onFailure: (cause) => settled(Exit.failCause(cause)),
        onSuccess: (value) => settled(Exit.succeed(value))
      })
    }
    const saved = backend.savepoint(session, level.depth)
    if (saved === undefined) return run()
    return Effect.matchCauseEffect(saved, {
      onFailure: (cause) => parent.gate.leaving(Effect.failCause(cause)),
      onSuccess: run
    })
  }

  const nested = <A, E, R>(
    place: Place<Session>,
    parent: Level<Session>,
    turn: Effect.Effect<A, E, R>,
    restore: Restore,
    participant: Participant | undefined
  ): Effect.Effect<A, E | StoreError, R> => {
    const entered = () => {
      if (!parent.open) return parent.gate.leaving(restore(transaction(turn, participant)))
      if (parent.doom !== undefined) return parent.gate.leaving(Effect.failCause(parent.doom))
      return inside(place, parent, turn, restore, participant)
    }
    const wait = parent.gate.enter(restore)
    return wait === undefined ? entered() : Effect.flatMap(wait, entered)
  }

  const transaction = <A, E, R>(
    turn: Effect.Effect<A, E, R>,
    participant?: Participant
  ): Effect.Effect<A, E | StoreError, R> =>
    Effect.withFiberRuntime<A, E | StoreError, R>((fiber, status) => {
      const place = placeOf(fiber)
      const level = innermost(place?.level)
      if (backend.stranger(fiber.currentContext, level?.turn.session) !== undefined)
        return Effect.dieMessage(strangerAround)
      if (place === undefined || !isOwn(place, fiber)) {
        return Effect.zipRight(settleDown(fiber, level), transaction(turn, participant))
      }
      return uninterruptibly(status, (restore) =>
        level === undefined
          ? outermost(place, turn, restore, participant)
          : nested(place, level, turn, restore, participant)
      )
    })

  const enlist = (participant: Participant): Effect.Effect<void> =>
    Effect.withFiberRuntime((fiber) => {
      const level = levelOf(fiber)
      if (backend.stranger(fiber.currentContext, level?.turn.session) !== undefined)
        return Effect.dieMessage(strangerAround)
      if (level === undefined) return Effect.dieMessage(outside)
      join(level.turn, participant)
      return Effect.void
    })

  const joining = <A>(
    work: (session: Session, level: Level<Session> | undefined) => Effect.Effect<A, StoreError>,
    alone: () => Effect.Effect<A, StoreError>
  ): Effect.Effect<A, StoreError> => {
    const joined: Effect.Effect<A, StoreError> = Effect.withFiberRuntime((fiber, status) => {
      const level = levelOf(fiber)
      if (level === undefined) {
        const stranger = backend.stranger(fiber.currentContext, undefined)
        return stranger === undefined ? alone() : work(stranger, undefined)
      }
      const free = !level.gate.busy && level.doom === undefined
      const begun = free ? work(level.turn.session, level) : undefined
      // What is done at once has nobody pass it.
      if (begun !== undefined && Exit.isExit(begun)) return begun
      if (begun !== undefined && !RuntimeFlags.interruptible(status.runtimeFlags)) return level.gate.holding(begun)
      return level.gate.through((restore) => {
        if (!level.open) return restore(joined)
        if (level.doom !== undefined) return Effect.failCause(level.doom)
        return restore(begun ?? work(level.turn.session, level))
      })
    })
    return joined
  }

  const read = <A>(work: (session: Session) => Effect.Effect<A, StoreError>): Effect.Effect<A, StoreError> =>
    joining(work, () => gate.through((restore) => backend.peek(restore, work)))

  const write = <A>(work: (session: Session) => Effect.Effect<A, StoreError>): Effect.Effect<A, StoreError> => {
    const dooming = (session: Session, level: Level<Session> | undefined) => {
      const begun = work(session)
      if (Exit.isExit(begun) && Exit.isSuccess(begun)) return begun
      return Effect.catchAllCause(begun, (cause) => {
        if (level === undefined) return Effect.failCause(cause)
        level.doom ??= cause
        return Effect.zipRight(backend.contain(session), Effect.failCause(cause))
      })
    }
    const joined: Effect.Effect<A, StoreError> = joining(dooming, () => transaction(joined))
    return joined
  }

  return {
    transaction,
    inTransaction: Effect.withFiberRuntime((fiber) => Effect.succeed(levelOf(fiber) !== undefined)),
    enlist,
    read,
    write
  }
}
