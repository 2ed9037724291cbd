import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type { RemoteStore } from "../../services/RemoteStore.ts"
import * as Rows from "./rows.ts"
import type { Tables } from "./tables.ts"

/**
 * The URLs that can be revoked, or expire.
 *
 * @internal
 */
export const issuedUrlTable = ({
  change,
  query,
  statements
}: Tables): Pick<
  RemoteStore["Type"],
  "putIssuedUrl" | "findIssuedUrl" | "countIssuedUrls" | "removeExpiredUrls" | "removeRevokedUrls"
> => ({
  putIssuedUrl: ({ expiresAt, id, revoked }) =>
    change("put an issued URL", statements.putIssuedUrl, [id, expiresAt ?? null, revoked ? 1 : 0]),
  findIssuedUrl: (id) =>
    query("find an issued URL", statements.findIssuedUrl, [id], (rows) => Effect.map(Rows.issuedUrls(rows), Arr.head)),
  countIssuedUrls: query("count the issued URLs", statements.countIssuedUrls, [], ([row]) =>
    Effect.succeed(Rows.numberIn(row, "urls"))
  ),
  removeExpiredUrls: (now) => change("remove expired URLs", statements.removeExpiredUrls, [now]),
  removeRevokedUrls: change("remove revoked URLs", statements.removeRevokedUrls, [])
})
