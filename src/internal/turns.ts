import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import { identity } from "effect/Function"
import type { StoreError } from "../errors/StoreError.ts"
import type { Participant } from "../services/RemoteStore.ts"
import { Gate, type Restore } from "./gate.ts"

/**
 * What turns need of a store. Everything runs uninterruptibly, but for what it restores.
 *
 * @internal
 */
export interface Backend<Session> {
  /** Begins a transaction; if this fails, nothing is left open. */
  readonly begin: (restore: Restore) => Effect.Effect<Session, StoreError>
  readonly commit: (session: Session) => Effect.Effect<void, StoreError>
  readonly rollback: (session: Session) => Effect.Effect<void>
  /** Gives back what `begin` took, after the commit or the rollback. */
  readonly end: (session: Session) => Effect.Effect<void>
  /** Undefined says that it is done. */
  readonly savepoint: (session: Session, depth: number) => Effect.Effect<void, StoreError> | undefined
  /** Undefined says that it is done. */
  readonly release: (session: Session, depth: number) => Effect.Effect<void, StoreError> | undefined
  readonly rollbackTo: (session: Session, depth: number) => Effect.Effect<void, StoreError>
  /**
   * Something failed, and the store may have ended the transaction by itself: sees to it that nothing is written
   * outside of one.
   */
  readonly contain: (session: Session) => Effect.Effect<void>
  /** Makes `turn` part of the transaction, as far as the turn's environment has to know of it. */
  readonly within: (session: Session) => <A, E, R>(turn: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Reads outside of a transaction. */
  readonly peek: <A>(
    restore: Restore,
    read: (session: Session) => Effect.Effect<A, StoreError>
  ) => Effect.Effect<A, StoreError>
  /** The transaction that somebody else began around the caller, if it is not `own`. */
  readonly stranger: (context: Context.Context<never>, own: Session | undefined) => Session | undefined
}

/**
 * The transactions of one store.
 *
 * @internal
 */
export interface Turns<Session> {
  readonly transaction: <A, E, R>(turn: Effect.Effect<A, E, R>) => Effect.Effect<A, E | StoreError, R>
  readonly inTransaction: Effect.Effect<boolean>
  readonly enlist: (participant: Participant) => Effect.Effect<void>
  /** Joins the caller's transaction; outside it reads what is committed. */
  readonly read: <A>(read: (session: Session) => Effect.Effect<A, StoreError>) => Effect.Effect<A, StoreError>
  /** Joins the caller's transaction, which cannot commit if this fails; outside it is a transaction of its own. */
  readonly write: <A>(write: (session: Session) => Effect.Effect<A, StoreError>) => Effect.Effect<A, StoreError>
}

/** A transaction, shared by its levels. */
interface Turn<Session> {
  readonly session: Session
  /** In the order of enlistment, so that those of a nested transaction are the last ones. */
  readonly participants: Array<Participant>
  readonly enlisted: Set<Participant>
  over: boolean
}

/** A transaction, or one nested in it. */
interface Level<Session> {
  readonly turn: Turn<Session>
  readonly depth: number
  readonly parent: Level<Session> | undefined
  /** One nested transaction or statement at a time, or savepoints would not nest. */
  readonly gate: Gate
  open: boolean
  /** Why this level cannot be committed any more. */
  doom: Cause.Cause<StoreError> | undefined
}

/**
 * Where a fiber is. The fiber that moves first owns it and changes it in place: to set a `FiberRef` costs more than all else
 * that a nested transaction does. A forked fiber begins with a place of its own, where its parent was.
 */
interface Place<Session> {
  owner: Fiber.RuntimeFiber<unknown, unknown> | undefined
  level: Level<Session> | undefined
}

const strangerAround =
  "effect-remotes: RemoteStore.transaction and enlist cannot be used inside of SqlClient.withTransaction, " +
  "which could undo them unnoticed; begin the outer transaction with RemoteStore.transaction"
const outside = "effect-remotes: RemoteStore.enlist was called outside of RemoteStore.transaction"
const outlived = "effect-remotes: a fiber that was forked in a RemoteStore.transaction outlived it"

/** The innermost level that is still open, so that a fiber that outlived its transaction is not taken to be in it. */
const innermost = <Session>(level: Level<Session> | undefined): Level<Session> | undefined => {
  let it = level
  while (it !== undefined && !it.open) it = it.parent
  return it
}

/** Calls all, whatever one of them throws: a throw is a bug of theirs and becomes a defect once everybody knows. */
const callAll = (calls: ReadonlyArray<() => void>): Effect.Effect<void> => {
  let defects: Cause.Cause<never> = Cause.empty
  for (const call of calls) {
    try {
      call()
    } catch (defect) {
      defects = Cause.sequential(defects, Cause.die(defect))
    }
  }
  return Cause.isEmpty(defects) ? Effect.void : Effect.failCause(defects)
}

/**
 * Makes transactions over `backend` that run one at a time in the order in which they asked, nest as savepoints, and
 * take their participants along.
 *
 * @internal
 */
export const makeTurns = <Session>(backend: Backend<Session>): Turns<Session> => {
  const current = FiberRef.unsafeMake<Place<Session> | undefined>(undefined, {
    fork: (place) => place && { owner: undefined, level: place.level },
    join: identity
  })
  const gate = new Gate()

  const levelOf = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Level<Session> | undefined =>
    innermost(fiber.getFiberRef(current)?.level)

  /** The fiber's own place; undefined if it has none yet, or was run on the runtime of one that is at work in its own. */
  const placeOf = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Place<Session> | undefined => {
    const place = fiber.getFiberRef(current)
    return place !== undefined && (place.owner ??= fiber) === fiber ? place : undefined
  }

  const levelIn = (turn: Turn<Session>, parent: Level<Session> | undefined): Level<Session> => ({
    turn,
    depth: parent === undefined ? 0 : parent.depth + 1,
    parent,
    gate: new Gate(),
    open: true,
    doom: undefined
  })

  /** Runs `effect` at `level` and says how it ended. */
  const at = <A, E, R>(
    place: Place<Session>,
    level: Level<Session>,
    effect: Effect.Effect<A, E, R>
  ): Effect.Effect<Exit.Exit<A, E>, never, R> =>
    Effect.suspend(() => {
      const before = place.level
      place.level = level
      return Effect.map(Effect.exit(effect), (exit) => {
        place.level = before
        return exit
      })
    })

  /** What a level's end must be, seeing that its turn ended with `exit`. */
  const verdict = <A, E>(level: Level<Session>, exit: Exit.Exit<A, E>): Exit.Exit<A, E | StoreError> => {
    if (Exit.isFailure(exit)) return exit
    if (level.doom !== undefined) return Exit.failCause(level.doom)
    return level.gate.busy || level.turn.over ? Exit.die(new Error(outlived)) : exit
  }

  const prepareAll = ({ participants }: Turn<Session>): Effect.Effect<void, StoreError> =>
    Effect.suspend(() => {
      let next = 0
      return Effect.whileLoop({
        while: () => next < participants.length,
        body: () => participants[next++]?.prepare ?? Effect.void,
        step: () => {}
      })
    })

  const undoAll = <A, E>({ participants, session }: Turn<Session>, cause: Cause.Cause<E>): Effect.Effect<A, E> =>
    backend
      .rollback(session)
      .pipe(
        Effect.zipRight(backend.end(session)),
        Effect.zipRight(Effect.suspend(() => callAll(participants.map((it) => it.rolledBack).reverse()))),
        Effect.zipRight(Effect.failCause(cause))
      )

  const settle = <A, E>(level: Level<Session>, exit: Exit.Exit<A, E>): Effect.Effect<A, E | StoreError> => {
    const { turn } = level
    const end = verdict(level, exit)
    level.open = false
    turn.over = true
    if (Exit.isFailure(end)) return undoAll(turn, end.cause)
    return Effect.matchCauseEffect(backend.commit(turn.session), {
      onFailure: (cause) => undoAll(turn, cause),
      onSuccess: () =>
        backend
          .end(turn.session)
          .pipe(
            Effect.zipRight(Effect.suspend(() => callAll(turn.participants.map((it) => it.committed)))),
            Effect.zipRight(end)
          )
    })
  }

  const outermost = <A, E, R>(
    place: Place<Session>,
    turn: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | StoreError, R> =>
    gate.through((restore) =>
      Effect.flatMap(backend.begin(restore), (session) => {
        const level = levelIn({ session, participants: [], enlisted: new Set(), over: false }, undefined)
        const prepared = Effect.zipLeft(restore(turn), prepareAll(level.turn))
        return Effect.flatMap(at(place, level, backend.within(session)(prepared)), (exit) => settle(level, exit))
      })
    )

  /** Undoes a nested transaction; where the store cannot, nothing of the one around it can be saved either. */
  const undoNested = <A, E>(
    level: Level<Session>,
    staged: ReadonlyArray<() => void>,
    enlistedBefore: number,
    cause: Cause.Cause<E>
  ): Effect.Effect<A, E> => {
    const { participants, enlisted, session } = level.turn
    const undone = Effect.catchAllCause(backend.rollbackTo(session, level.depth), (failure) => {
      if (level.parent !== undefined) level.parent.doom ??= level.doom ?? failure
      return backend.contain(session)
    })
    return undone.pipe(
      Effect.zipRight(
        Effect.suspend(() => {
          const gone = participants.splice(enlistedBefore)
          for (const participant of gone) enlisted.delete(participant)
          return callAll([...gone.map((it) => it.rolledBack).reverse(), ...staged.toReversed()])
        })
      ),
      Effect.zipRight(Effect.failCause(cause))
    )
  }

  const settleNested = <A, E>(
    level: Level<Session>,
    exit: Exit.Exit<A, E>,
    staged: ReadonlyArray<() => void>,
    enlistedBefore: number
  ): Effect.Effect<A, E | StoreError> => {
    const end = verdict(level, exit)
    level.open = false
    // The connection may be in somebody else's transaction by now.
    if (level.turn.over) return end
    if (Exit.isFailure(end)) return undoNested(level, staged, enlistedBefore, end.cause)
    const released = backend.release(level.turn.session, level.depth)
    if (released === undefined) return end
    return Effect.matchCauseEffect(released, {
      onFailure: (cause) => undoNested(level, staged, enlistedBefore, cause),
      onSuccess: () => end
    })
  }

  /** The gate of the level around it was entered; it is left at the end. Written for few steps: this is run for each message. */
  const inside = <A, E, R>(
    place: Place<Session>,
    parent: Level<Session>,
    turn: Effect.Effect<A, E, R>,
    restore: Restore
  ): Effect.Effect<A, E | StoreError, R> => {
    const level = levelIn(parent.turn, parent)
    const { participants, session } = parent.turn
    const enlistedBefore = participants.length
    const staged: Array<() => void> = []
    const run = Effect.suspend(() => {
      for (let index = 0; index < enlistedBefore; index += 1) {
        const participant = participants[index]
        if (participant !== undefined) staged.push(participant.savepoint())
      }
      return restore(turn)
    })
    const begun = Effect.suspend(() => {
      const before = place.level
      place.level = level
      const settled = (exit: Exit.Exit<A, E>) => {
        place.level = before
        const end = settleNested(level, exit, staged, enlistedBefore)
        if (Exit.isExit(end)) {
          parent.gate.leave()
          return end
        }
        return leaving(parent, end)
      }
      return Effect.matchCauseEffect(run, {
        onFailure: (cause) => settled(Exit.failCause(cause)),
        onSuccess: (value) => settled(Exit.succeed(value))
      })
    })
    const saved = backend.savepoint(session, level.depth)
    if (saved === undefined) return begun
    return Effect.matchCauseEffect(saved, {
      onFailure: (cause) => leaving(parent, Effect.failCause(cause)),
      onSuccess: () => begun
    })
  }

  const leaving = <A, E, R>(parent: Level<Session>, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Effect.exit(effect), (exit) => {
      parent.gate.leave()
      return exit
    })

  const nested = <A, E, R>(
    place: Place<Session>,
    parent: Level<Session>,
    turn: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | StoreError, R> =>
    Effect.uninterruptibleMask((restore) => {
      const entered = () => {
        if (!parent.open) return leaving(parent, restore(transaction(turn)))
        if (parent.doom !== undefined) return leaving(parent, Effect.failCause(parent.doom))
        return inside(place, parent, turn, restore)
      }
      const wait = parent.gate.enter(restore)
      return wait === undefined ? entered() : Effect.flatMap(wait, entered)
    })

  const transaction = <A, E, R>(turn: Effect.Effect<A, E, R>): Effect.Effect<A, E | StoreError, R> =>
    Effect.withFiberRuntime<A, E | StoreError, R>((fiber) => {
      const level = levelOf(fiber)
      if (backend.stranger(fiber.currentContext, level?.turn.session) !== undefined)
        return Effect.dieMessage(strangerAround)
      const place = placeOf(fiber)
      if (place === undefined) {
        return Effect.zipRight(FiberRef.set(current, { owner: fiber, level }), transaction(turn))
      }
      return level === undefined ? outermost(place, turn) : nested(place, level, turn)
    })

  const enlist = (participant: Participant): Effect.Effect<void> =>
    Effect.withFiberRuntime((fiber) => {
      const level = levelOf(fiber)
      if (backend.stranger(fiber.currentContext, level?.turn.session) !== undefined)
        return Effect.dieMessage(strangerAround)
      if (level === undefined) return Effect.dieMessage(outside)
      const { enlisted, participants } = level.turn
      if (!enlisted.has(participant)) {
        enlisted.add(participant)
        participants.push(participant)
      }
      return Effect.void
    })

  const joining = <A>(
    work: (session: Session, level: Level<Session> | undefined) => Effect.Effect<A, StoreError>,
    alone: Effect.Effect<A, StoreError>
  ): Effect.Effect<A, StoreError> => {
    const joined: Effect.Effect<A, StoreError> = Effect.withFiberRuntime((fiber) => {
      const level = levelOf(fiber)
      if (level === undefined) {
        const stranger = backend.stranger(fiber.currentContext, undefined)
        return stranger === undefined ? alone : work(stranger, undefined)
      }
      return level.gate.through((restore) => {
        if (!level.open) return restore(joined)
        return level.doom === undefined ? restore(work(level.turn.session, level)) : Effect.failCause(level.doom)
      })
    })
    return joined
  }

  const read = <A>(work: (session: Session) => Effect.Effect<A, StoreError>): Effect.Effect<A, StoreError> =>
    joining(
      work,
      gate.through((restore) => backend.peek(restore, work))
    )

  const write = <A>(work: (session: Session) => Effect.Effect<A, StoreError>): Effect.Effect<A, StoreError> => {
    const dooming = (session: Session, level: Level<Session> | undefined) =>
      Effect.catchAllCause(work(session), (cause) => {
        if (level === undefined) return Effect.failCause(cause)
        level.doom ??= cause
        return Effect.zipRight(backend.contain(session), Effect.failCause(cause))
      })
    const joined: Effect.Effect<A, StoreError> = joining(
      dooming,
      Effect.suspend(() => transaction(joined))
    )
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
