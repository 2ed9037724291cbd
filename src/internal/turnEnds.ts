import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { StoreError } from "../errors/StoreError.ts"
import { andThen, isDone } from "./atOnce.ts"
import type { Backend } from "./turnBackend.ts"
import type { Level, Turn } from "./turnLevels.ts"

const outlived = "effect-remotes: a fiber that was forked in a RemoteStore.transaction outlived it"

/** Calls all, whatever one of them throws: a throw is a bug of theirs and becomes a defect in the place of `exit` once everybody knows. */
const callAll = <A, E>(calls: ReadonlyArray<() => void>, exit: Exit.Exit<A, E>): Exit.Exit<A, E> => {
  let defects: Cause.Cause<never> = Cause.empty
  for (const call of calls) {
    try {
      call()
    } catch (defect) {
      defects = Cause.sequential(defects, Cause.die(defect))
    }
  }
  return Cause.isEmpty(defects) ? exit : Exit.failCause(defects)
}

/** What a level's end must be, seeing that its turn ended with `exit`. */
const verdict = <A, E, Session>(level: Level<Session>, exit: Exit.Exit<A, E>): Exit.Exit<A, E | StoreError> => {
  if (Exit.isFailure(exit)) return exit
  if (level.doom !== undefined) return Exit.failCause(level.doom)
  return level.gate.busy || level.turn.over ? Exit.die(new Error(outlived)) : exit
}

/**
 * Has all participants write what they have staged; then gives `value`.
 *
 * @internal
 */
export const prepareAll = <Session, A>({ participants }: Turn<Session>, value: A): Effect.Effect<A, StoreError> => {
  let next = 0
  const goOn = (): Effect.Effect<A, StoreError> => {
    // One may enlist another while it writes.
    const participant = participants[next++]
    return participant === undefined ? Effect.succeed(value) : andThen(participant.prepare, goOn)
  }
  return goOn()
}

/**
 * Makes what ends transactions, and tells the participants.
 *
 * @internal
 */
export const makeEnds = <Session>(backend: Backend<Session>) => {
  const undoAll = <A, E>({ participants, session }: Turn<Session>, cause: Cause.Cause<E>): Effect.Effect<A, E> =>
    backend.rollback(session).pipe(
      Effect.zipRight(backend.end(session)),
      Effect.flatMap(() => callAll(participants.map((it) => it.rolledBack).reverse(), Exit.failCause(cause)))
    )

  const settle = <A, E>(level: Level<Session>, exit: Exit.Exit<A, E>): Effect.Effect<A, E | StoreError> => {
    const { turn } = level
    const end = verdict(level, exit)
    level.open = false
    turn.over = true
    if (Exit.isFailure(end)) return undoAll(turn, end.cause)
    const finish = () => {
      // Told first, because a peer waits for what was committed.
      const told = callAll(
        turn.participants.map((it) => it.committed),
        end
      )
      return andThen(backend.end(turn.session), () => told)
    }
    const committed = backend.commit(turn.session)
    if (isDone(committed)) return finish()
    return Effect.matchCauseEffect(committed, { onFailure: (cause) => undoAll(turn, cause), onSuccess: finish })
  }

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
    return Effect.flatMap(undone, () => {
      const gone = participants.splice(enlistedBefore)
      for (const participant of gone) enlisted.delete(participant)
      return callAll([...gone.map((it) => it.rolledBack).reverse(), ...staged.toReversed()], Exit.failCause(cause))
    })
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

  return { settle, settleNested }
}
