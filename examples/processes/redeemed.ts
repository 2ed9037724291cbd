/**
 * What alice's URL stands for: asked once, then kept in a table of hers, so that a restart needs no peer to be there.
 */
import type { OcapUrl, RemoteHandle } from "effect-remotes"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/**
 * The reference that the URL stands for, in bob's words.
 */
export const redeem = Effect.fnUntraced(function* (handle: RemoteHandle.RemoteHandleService, url: OcapUrl.OcapUrl) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE IF NOT EXISTS redeemed (url TEXT PRIMARY KEY, reference TEXT NOT NULL)`
  const known = yield* SqlSchema.findOne({
    Request: Schema.String,
    Result: Schema.Struct({ reference: Schema.String }),
    execute: (url) => sql`SELECT reference FROM redeemed WHERE url = ${url}`
  })(url)
  if (Option.isSome(known)) return known.value.reference
  const reference = yield* handle.redeemOcapUrl(url)
  yield* sql`INSERT INTO redeemed ${sql.insert({ reference, url })}`
  return reference
})
