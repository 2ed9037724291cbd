/** A kernel that commits messages one by one and says so after each commit, until it is killed or cannot; then it says why. */
import { SqliteClient } from "@effect/sql-sqlite-node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RemoteStoreSql from "../../src/layers/RemoteStoreSql.ts"
import * as PeerId from "../../src/protocol/PeerId.ts"
import { RemoteStore } from "../../src/services/RemoteStore.ts"

const filename = process.argv[2] ?? ""

const program = Effect.gen(function* () {
  const store = yield* RemoteStore
  const peer = yield* PeerId.fromString(process.argv[3] ?? "")
  for (let seq = 1; ; seq++) {
    yield* store.transaction(store.appendPending(peer, [{ seq, body: new Uint8Array(256).fill(seq) }]))
    process.stdout.write(`${seq}\n`)
    yield* Effect.yieldNow()
  }
})

await Effect.runPromise(
  program.pipe(
    Effect.catchTag("StoreUnavailableError", ({ message }) => Effect.sync(() => process.stdout.write(`${message}\n`))),
    Effect.provide(Layer.provide(RemoteStoreSql.layer, SqliteClient.layer({ filename })))
  )
)
