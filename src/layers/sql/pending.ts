import * as Effect from "effect/Effect"
import { StoreCorruptError, type StoreError } from "../../errors/StoreError.ts"
import { crc32 } from "../../protocol/Crc32.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import type { PendingMessage, RemoteStore } from "../../services/RemoteStore.ts"
import { trimDeadLetters } from "./deadLetters.ts"
import * as Rows from "./rows.ts"
import { execute, type Session } from "./sessions.ts"
import type { Statements } from "./statements.ts"
import { insertAll, type Tables } from "./tables.ts"

/** How many messages are measured at a time before their bodies are read. */
const measuredAtOnce = 256

/** What is left of a message that expired. */
const nothing = new Uint8Array(0)

/** Up to which message both limits allow to read; undefined if there is none to read. */
const reachOf = (
  session: Session,
  { measurePending }: Statements,
  peer: PeerId,
  range: { readonly fromSeq: number; readonly maxMessages: number; readonly maxBytes: number }
): Effect.Effect<number | undefined, StoreError> => {
  let from = range.fromSeq
  let messages = 0
  let bytes = 0
  let reach: number | undefined
  const takes = (size: number) =>
    reach === undefined || (messages < range.maxMessages && bytes + size <= range.maxBytes)
  const measure = Effect.suspend(() => {
    const limit = Math.max(1, Math.min(measuredAtOnce, range.maxMessages - messages))
    return Effect.map(execute(session, "read pending messages", measurePending, [peer, from, limit]), (rows) => {
      for (const row of rows) {
        const size = Rows.numberIn(row, "size")
        if (!takes(size)) return false
        messages++
        bytes += size
        reach = Rows.numberIn(row, "seq")
        from = reach + 1
      }
      return rows.length === limit && messages < range.maxMessages
    })
  })
  return Effect.map(Effect.repeat(measure, { while: (more) => more }), () => reach)
}

const readPending = (
  session: Session,
  statements: Statements,
  peer: PeerId,
  range: { readonly fromSeq: number; readonly maxMessages: number; readonly maxBytes: number }
): Effect.Effect<ReadonlyArray<PendingMessage>, StoreError> =>
  Effect.gen(function* () {
    const reach = yield* reachOf(session, statements, peer, range)
    if (reach === undefined) return []
    const rows = yield* execute(session, "read pending messages", statements.readPending, [peer, range.fromSeq, reach])
    const messages: Array<PendingMessage> = []
    for (const row of rows) {
      const message = Rows.pendingIn(peer, row)
      if (message instanceof StoreCorruptError) return yield* message
      messages.push(message)
    }
    return messages
  })

const count = (session: Session, statements: Statements, peer: PeerId) =>
  Effect.map(execute(session, "count pending messages", statements.countPending, [peer]), ([row]) => ({
    messages: Rows.numberIn(row, "messages"),
    bytes: Rows.numberIn(row, "bytes"),
    letters: Rows.numberIn(row, "letters")
  }))

/**
 * The messages that wait for their peers.
 *
 * @internal
 */
export const pendingTable = ({
  change,
  maxDeadLetters,
  query,
  statements,
  turns
}: Tables): Pick<
  RemoteStore["Type"],
  "appendPending" | "readPending" | "countPending" | "listDeadlines" | "expirePending" | "removePending" | "buryPending"
> => ({
  appendPending: (peer, messages) =>
    turns.write((session) =>
      insertAll(session, "append pending messages", statements.appendPending, messages, ({ body, expiresAt, seq }) => [
        peer,
        seq,
        crc32(body),
        body,
        expiresAt ?? null
      ])
    ),
  readPending: (peer, range) => turns.read((session) => readPending(session, statements, peer, range)),
  countPending: (peer) =>
    turns.read((session) =>
      Effect.map(count(session, statements, peer), ({ bytes, messages }) => ({ bytes, messages }))
    ),
  listDeadlines: (peer, afterSeq) =>
    query("list deadlines", statements.listDeadlines, [peer, afterSeq], Rows.deadlines),
  expirePending: (peer, { afterSeq, at, detail, epoch }) =>
    turns.write((session) =>
      Effect.gen(function* () {
        const operation = "expire pending messages"
        const which = [peer, afterSeq, at]
        const expired = yield* Rows.expired(yield* execute(session, operation, statements.measureExpired, which))
        if (expired.length === 0) return expired
        const kept = Math.min(expired.length, maxDeadLetters)
        const letters = [epoch, "Expired", detail, at, ...which, kept, expired.length - kept]
        yield* execute(session, operation, statements.buryExpired, letters)
        yield* execute(session, operation, statements.emptyExpired, [crc32(nothing), nothing, ...which])
        yield* trimDeadLetters(session, statements, maxDeadLetters)
        return expired
      })
    ),
  removePending: (peer, throughSeq) => change("remove pending messages", statements.removePending, [peer, throughSeq]),
  buryPending: (peer, why) =>
    turns.write((session) =>
      Effect.gen(function* () {
        const { letters, messages } = yield* count(session, statements, peer)
        if (messages === 0) return 0
        const kept = Math.min(letters, maxDeadLetters)
        const params = [why.epoch, why.reason, why.detail, why.at, peer, kept, letters - kept]
        yield* execute(session, "bury pending messages", statements.buryPending, params)
        yield* execute(session, "bury pending messages", statements.clearPending, [peer])
        yield* trimDeadLetters(session, statements, maxDeadLetters)
        return messages
      })
    )
})
