import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import { StoreCorruptError, type StoreError } from "../../errors/StoreError.ts"
import { crc32 } from "../../protocol/Crc32.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import type { PendingMessage, RemoteStore } from "../../services/RemoteStore.ts"
import { trimDeadLetters } from "./deadLetters.ts"
import * as Rows from "./rows.ts"
import { execute, executeFor, type Session } from "./sessions.ts"
import type { Statements } from "./statements.ts"
import { insertAll, type Tables } from "./tables.ts"

type Why = Parameters<RemoteStore["Type"]["buryPending"]>[1]

/** How many messages are measured at a time before their bodies are read. */
const measuredAtOnce = 256

/** What is left of a message that ended before it was transmitted. */
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
 * @internal
 */
export const appendPending = (
  session: Session,
  statements: Statements,
  peer: PeerId,
  messages: ReadonlyArray<PendingMessage>
): Effect.Effect<void, StoreError> =>
  insertAll(session, "append pending messages", statements.appendPending, messages, ({ body, expiresAt, seq }) => [
    peer,
    seq,
    crc32(body),
    body,
    expiresAt ?? null
  ])

/**
 * @internal
 */
export const removePending = (
  session: Session,
  statements: Statements,
  peer: PeerId,
  throughSeq: number
): Effect.Effect<void, StoreError> =>
  executeFor(session, "remove pending messages", statements.removePending, [peer, throughSeq], constVoid)

/**
 * The messages that wait for their peers.
 *
 * @internal
 */
export const pendingTable = ({
  maxDeadLetters,
  query,
  statements,
  turns
}: Tables): Pick<
  RemoteStore["Type"],
  | "appendPending"
  | "readPending"
  | "countPending"
  | "listDeadlines"
  | "expirePending"
  | "endTooLarge"
  | "removePending"
  | "buryPending"
> => {
  /** `which` are the parameters that tell which messages end. */
  const end = (session: Session, ending: Statements["endExpired"], which: ReadonlyArray<unknown>, why: Why) =>
    Effect.gen(function* () {
      const operation = "end pending messages"
      const ended = yield* Rows.ended(yield* execute(session, operation, ending.measure, which))
      if (ended.length === 0) return ended
      const kept = Math.min(ended.length, maxDeadLetters)
      const letters = [why.epoch, why.reason, why.detail, why.at, ...which, kept, ended.length - kept]
      yield* execute(session, operation, ending.bury, letters)
      yield* execute(session, operation, ending.empty, [crc32(nothing), nothing, ...which])
      yield* trimDeadLetters(session, statements, maxDeadLetters)
      return ended
    })
  return {
    appendPending: (peer, messages) => turns.write((session) => appendPending(session, statements, peer, messages)),
    readPending: (peer, range) => turns.read((session) => readPending(session, statements, peer, range)),
    countPending: (peer) =>
      turns.read((session) =>
        Effect.map(count(session, statements, peer), ({ bytes, messages }) => ({ bytes, messages }))
      ),
    listDeadlines: (peer, afterSeq) =>
      query("list deadlines", statements.listDeadlines, [peer, afterSeq], Rows.deadlines),
    expirePending: (peer, { afterSeq, ...why }) =>
      turns.write((session) =>
        end(session, statements.endExpired, [peer, afterSeq, why.at], { ...why, reason: "Expired" })
      ),
    endTooLarge: (peer, { afterSeq, maxBytes, ...why }) =>
      turns.write((session) =>
        end(session, statements.endTooLarge, [peer, afterSeq, maxBytes], { ...why, reason: "TooLarge" })
      ),
    removePending: (peer, throughSeq) => turns.write((session) => removePending(session, statements, peer, throughSeq)),
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
  }
}
