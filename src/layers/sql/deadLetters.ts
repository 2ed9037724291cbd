import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type { StoreError } from "../../errors/StoreError.ts"
import { fairShares } from "../../internal/fairShares.ts"
import type { RemoteStore } from "../../services/RemoteStore.ts"
import * as Rows from "./rows.ts"
import { execute, type Session } from "./sessions.ts"
import type { Statements } from "./statements.ts"
import { insertAll, type Tables } from "./tables.ts"

/**
 * Looks for the cap only where the numbers allow that it is exceeded; then the peers with the most letters lose their oldest.
 *
 * @internal
 */
export const trimDeadLetters = (
  session: Session,
  statements: Statements,
  max: number
): Effect.Effect<void, StoreError> =>
  Effect.gen(function* () {
    const operation = "trim the dead letters"
    const [row] = yield* execute(session, operation, statements.deadLetterIds, [])
    if (Rows.numberIn(row, "highest") - Rows.numberIn(row, "lowest") < max) return
    const counts = yield* Rows.lettersByPeer(yield* execute(session, operation, statements.countDeadLetters, []))
    for (const [peer, share] of fairShares(counts, max)) {
      if (share < (counts.get(peer) ?? 0)) {
        yield* execute(session, operation, statements.trimDeadLetters, [peer, peer, share])
      }
    }
  })

/**
 * What will not be delivered any more.
 *
 * @internal
 */
export const deadLetterTable = ({
  change,
  maxDeadLetters,
  query,
  statements,
  turns
}: Tables): Pick<
  RemoteStore["Type"],
  "addDeadLetters" | "listDeadLetters" | "findDeadLetter" | "removeDeadLetter" | "removeDeadLettersBefore"
> => ({
  addDeadLetters: (letters) =>
    turns.write((session) =>
      Effect.zipRight(
        insertAll(session, "add dead letters", statements.addDeadLetters, letters.slice(-maxDeadLetters), (it) => [
          it.peerId,
          it.direction,
          it.epoch,
          it.seq,
          it.reason,
          it.detail,
          it.at,
          it.body
        ]),
        trimDeadLetters(session, statements, maxDeadLetters)
      )
    ),
  listDeadLetters: ({ afterId, limit }) =>
    query("list dead letters", statements.listDeadLetters, [afterId, limit], Rows.deadLetters),
  findDeadLetter: (id) =>
    query("find a dead letter", statements.findDeadLetter, [id], (rows) =>
      Effect.map(Rows.deadLetters(rows), Arr.head)
    ),
  removeDeadLetter: (id) => change("remove a dead letter", statements.removeDeadLetter, [id]),
  removeDeadLettersBefore: (at) =>
    turns.write((session) =>
      Effect.gen(function* () {
        const operation = "remove old dead letters"
        const [row] = yield* execute(session, operation, statements.countDeadLettersBefore, [at])
        const letters = Rows.numberIn(row, "letters")
        if (letters > 0) yield* execute(session, operation, statements.removeDeadLettersBefore, [at])
        return letters
      })
    )
})
