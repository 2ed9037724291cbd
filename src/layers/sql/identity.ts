import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { RemoteStore } from "../../services/RemoteStore.ts"
import { withoutCause } from "./errors.ts"
import * as Rows from "./rows.ts"
import { execute } from "./sessions.ts"
import { insertAll, type Tables } from "./tables.ts"

/**
 * Who the kernel is, and the relays that it knows.
 *
 * @internal
 */
export const identityTables = ({
  query,
  statements,
  turns
}: Tables): Pick<RemoteStore["Type"], "loadIdentity" | "saveIdentity" | "loadRelays" | "saveRelays"> => ({
  loadIdentity: query("load the identity", statements.loadIdentity, [], (rows) =>
    Effect.map(Rows.identities(rows), Arr.head)
  ),
  saveIdentity: (it) =>
    turns.write((session) => {
      const seal = it.seal === undefined ? null : JSON.stringify(it.seal)
      const secrets = [Redacted.value(it.keySeed), it.peerId, Redacted.value(it.ocapUrlKey), it.incarnationId]
      const saved = execute(session, "save the identity", statements.saveIdentity, [...secrets, seal])
      return Effect.mapError(Effect.asVoid(saved), withoutCause)
    }),

  loadRelays: query("load the relays", statements.loadRelays, [], Rows.relays),
  saveRelays: (relays) =>
    turns.write((session) =>
      Effect.zipRight(
        execute(session, "save the relays", statements.clearRelays, []),
        insertAll(session, "save the relays", statements.addRelays, relays, (relay, place) => [
          place,
          relay.address,
          relay.lastSeen,
          relay.bootstrap ? 1 : 0
        ])
      )
    )
})
