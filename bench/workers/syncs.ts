/**
 * What a durable commit costs on this disk, without anything of ours.
 */
import * as Effect from "effect/Effect"
import { DatabaseSync } from "node:sqlite"
import type { Syncs } from "./requests.ts"

const open = (file: string) => {
  const db = new DatabaseSync(file)
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON")
  db.exec("CREATE TABLE IF NOT EXISTS rows(id INTEGER PRIMARY KEY, body BLOB)")
  return db
}

/** What commits a row of so many bytes to a SQLite file of its own, with full sync, until the scope closes. */
export const makeCommit = (file: string, size: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => open(file)),
      (db) => Effect.sync(() => db.close())
    ),
    (db) => {
      const insert = db.prepare("INSERT INTO rows(body) VALUES(?)")
      const body = Buffer.alloc(size, 120)
      return () => {
        insert.run(body)
      }
    }
  )

/** Commits one row after the other, each with a sync of its own. */
export const syncs = ({ count, file, size }: Pick<Syncs, "count" | "file" | "size">) =>
  Effect.scoped(
    Effect.map(makeCommit(file, size), (commit) => {
      const micros: Array<number> = []
      for (let index = 0; index < count; index += 1) {
        const started = performance.now()
        commit()
        micros.push((performance.now() - started) * 1000)
      }
      return { micros }
    })
  )
