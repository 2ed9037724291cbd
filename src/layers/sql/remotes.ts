import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import * as Introduction from "../../protocol/Introduction.ts"
import type { RemoteRecord, RemoteStore } from "../../services/RemoteStore.ts"
import { appendPending, removePending } from "./pending.ts"
import * as Rows from "./rows.ts"
import { execute, executeFor } from "./sessions.ts"
import type { Tables } from "./tables.ts"

const paramsOf = (record: RemoteRecord): ReadonlyArray<unknown> => [
  record.peerId,
  JSON.stringify(record.hints),
  record.incarnationId ?? null,
  record.epoch,
  record.nextSeq,
  record.sentSeq,
  record.acknowledgedSeq,
  record.baseSeq,
  record.receivedSeq,
  JSON.stringify(record.senders),
  // As JSON, because not every database takes every character of what a peer may say.
  record.receivedFrom === undefined ? null : JSON.stringify(record.receivedFrom),
  record.ownIncarnationId ?? null,
  record.activeAt ?? null
]

/**
 * The peers, and what they were asked for.
 *
 * @internal
 */
export const remoteTables = ({
  change,
  query,
  statements,
  turns
}: Tables): Pick<
  RemoteStore["Type"],
  | "listRemotes"
  | "findRemote"
  | "putRemote"
  | "removeRemote"
  | "loadIntroduction"
  | "putRedemption"
  | "listRedemptions"
  | "removeRedemption"
  | "clearRedemptions"
> => ({
  listRemotes: query("list the peers", statements.listRemotes, [], Rows.remotes),
  findRemote: (peer) =>
    query("find a peer", statements.findRemote, [peer], (rows) => Effect.map(Rows.remotes(rows), Arr.head)),
  putRemote: (record, along = {}) =>
    turns.write((session) => {
      const { append = [], removeThrough } = along
      const put = () => {
        const done = executeFor(session, "put a peer", statements.putRemote, paramsOf(record), constVoid)
        return removeThrough === undefined
          ? done
          : Effect.flatMap(done, () => removePending(session, statements, record.peerId, removeThrough))
      }
      return append.length === 0
        ? put()
        : Effect.flatMap(appendPending(session, statements, record.peerId, append), put)
    }),
  removeRemote: (peer, introduction) =>
    turns.write((session) =>
      Effect.gen(function* () {
        for (const statement of [statements.clearPending, statements.clearRedemptions, statements.removeRemote]) {
          yield* execute(session, "remove a peer", statement, [peer])
        }
        yield* execute(session, "remove a peer", statements.saveIntroduction, [
          Introduction.placeOf(peer),
          introduction
        ])
      })
    ),
  loadIntroduction: (peer) =>
    query("load an introduction", statements.loadIntroduction, [Introduction.placeOf(peer)], (rows) =>
      Effect.map(Rows.introductions(rows), Arr.head)
    ),

  putRedemption: ({ answer, expiresAt, peerId, replyKey, urlDigest }) =>
    change("put a redemption", statements.putRedemption, [
      peerId,
      replyKey,
      urlDigest,
      expiresAt,
      // As JSON, because not every database takes every character of what a peer may say.
      answer === undefined ? null : JSON.stringify(answer)
    ]),
  listRedemptions: (peer) => query("list redemptions", statements.listRedemptions, [peer], Rows.redemptions),
  removeRedemption: (peer, replyKey) => change("remove a redemption", statements.removeRedemption, [peer, replyKey]),
  clearRedemptions: (peer) => change("remove redemptions", statements.clearRedemptions, [peer])
})
