import type * as Cause from "effect/Cause"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import { identity } from "effect/Function"
import type { StoreError } from "../errors/StoreError.ts"
import type { Participant } from "../services/RemoteStore.ts"
import { Gate } from "./gate.ts"

/**
 * A transaction, shared by its levels.
 *
 * @internal
 */
export interface Turn<Session> {
  readonly session: Session
  /** In the order of enlistment, so that those of a nested transaction are the last ones. */
  readonly participants: Array<Participant>
  readonly enlisted: Set<Participant>
  over: boolean
}

/**
 * @internal
 */
export const turnOf = <Session>(session: Session): Turn<Session> => ({
  session,
  participants: [],
  enlisted: new Set(),
  over: false
})

/**
 * Takes a participant along, if it does not go along already.
 *
 * @internal
 */
export const join = <Session>(
  { enlisted, participants }: Turn<Session>,
  participant: Participant | undefined
): void => {
  if (participant === undefined || enlisted.has(participant)) return
  enlisted.add(participant)
  participants.push(participant)
}

/**
 * A transaction, or one nested in it.
 *
 * @internal
 */
export interface Level<Session> {
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
 *
 * @internal
 */
export interface Place<Session> {
  owner: Fiber.RuntimeFiber<unknown, unknown> | undefined
  level: Level<Session> | undefined
}

/**
 * @internal
 */
export const levelIn = <Session>(turn: Turn<Session>, parent: Level<Session> | undefined): Level<Session> => ({
  turn,
  depth: parent === undefined ? 0 : parent.depth + 1,
  parent,
  gate: new Gate(),
  open: true,
  doom: undefined
})

/**
 * The innermost level that is still open, so that a fiber that outlived its transaction is not taken to be in it.
 *
 * @internal
 */
export const innermost = <Session>(level: Level<Session> | undefined): Level<Session> | undefined => {
  let it = level
  while (it !== undefined && !it.open) it = it.parent
  return it
}

/**
 * Whether the place is the fiber's own: it is not where the fiber was run on the runtime of one that is at work in it.
 *
 * @internal
 */
export const isOwn = <Session>(place: Place<Session>, fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean =>
  (place.owner ??= fiber) === fiber

/**
 * Knows where the fibers are.
 *
 * @internal
 */
export const makePlaces = <Session>() => {
  const current = FiberRef.unsafeMake<Place<Session> | undefined>(undefined, {
    fork: (place) => place && { owner: undefined, level: place.level },
    join: identity
  })

  const placeOf = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Place<Session> | undefined =>
    fiber.getFiberRef(current)

  const levelOf = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Level<Session> | undefined =>
    innermost(placeOf(fiber)?.level)

  /** Gives the fiber a place of its own. */
  const settleDown = (fiber: Fiber.RuntimeFiber<unknown, unknown>, level: Level<Session> | undefined) =>
    FiberRef.set(current, { owner: fiber, level })

  return { levelOf, placeOf, settleDown }
}
