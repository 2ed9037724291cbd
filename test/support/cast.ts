/** Two kernels in processes of their own, each with a SQLite file, driven by a test. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as Cast from "../../examples/torture/cast.ts"
import * as Check from "../../examples/torture/check.ts"
import { way } from "../../examples/torture/ordeal.ts"
import { named } from "../../examples/torture/port.ts"
import * as Tally from "../../examples/torture/tally.ts"

export type Name = "alice" | "bob"

/** They do nothing but send, as much as they may at once. */
const plain = {
  ask: 3_600_000,
  manners: { answers: 0, busy: 0, dies: 0, refuses: 0 },
  rest: 0,
  turn: 100,
  size: 256
}

/** How a kernel stands with the other one, as it last said. */
export interface Stand {
  readonly sent: number
  readonly received: number
  readonly pending: number
  readonly told: number
}

export type Stands = Readonly<Record<Name, Stand>>

const nowhere: Stand = { sent: -1, received: -1, pending: -1, told: -1 }

const standOf = (tally: Tally.Tally, peerId: string): Stand => {
  const standing = tally.standings.get(peerId)
  const relation = standing?.relations[0]
  return standing === undefined || relation === undefined
    ? nowhere
    : { sent: relation.sent, received: relation.received, pending: relation.pending, told: standing.told }
}

/** What belongs to a SQLite file while it is in use. */
const suffixes = ["", "-wal", "-shm"]

/** The kernels, none of them started; all is gone with the scope. */
export const makeCast = Effect.fnUntraced(function* (options: Partial<Cast.Way> = {}) {
  const system = yield* FileSystem.FileSystem
  const directory = yield* system.makeTempDirectoryScoped()
  const cast = yield* Cast.make(
    ["alice", "bob"],
    { ...way, ...plain, ...options },
    { directory, flags: ["--conditions=effect-remotes-source"] }
  )
  const tally = yield* SubscriptionRef.make(Tally.start(0))
  const hearing = yield* cast.next.pipe(
    Effect.flatMap((event) =>
      event._tag === "Ended"
        ? Effect.dieMessage(`The kernel ${event.name} ended by itself (${event.how}).`)
        : SubscriptionRef.update(tally, (it) => Tally.report(it, event.peerId, event.report, 0))
    ),
    Effect.forever,
    Effect.forkScoped
  )
  const stands = (it: Tally.Tally): Stands => ({
    alice: standOf(it, cast.peerIdOf("alice")),
    bob: standOf(it, cast.peerIdOf("bob"))
  })

  const manners = options.manners ?? plain.manners
  const waitFor = (isIt: (it: Tally.Tally) => boolean) =>
    tally.changes.pipe(
      Stream.filter(isIt),
      Stream.runHead,
      Effect.raceFirst(Fiber.join(hearing)),
      Effect.timeoutFail({
        duration: "1 minute",
        onTimeout: () => new Cause.TimeoutException(JSON.stringify(Effect.runSync(Effect.map(tally, stands))))
      }),
      Effect.asVoid
    )

  /** Waits until something holds of how they stand. */
  const until = (isIt: (now: Stands) => boolean) => waitFor((it) => isIt(stands(it)))

  /** What a kernel has said is of its past life; only the next one can say it again. */
  const forget = (name: Name) =>
    SubscriptionRef.update(tally, (it) => {
      const standings = new Map(it.standings)
      standings.delete(cast.peerIdOf(name))
      return { ...it, standings }
    })

  const remove = (name: Name) =>
    Effect.forEach(suffixes, (suffix) => system.remove(`${cast.storeOf(name)}${suffix}`, { force: true }), {
      discard: true
    })

  return {
    ...cast,
    until,
    /** Says of no message any more that it may be sent, and waits until each has what the other sent. */
    complete: Effect.zipRight(
      cast.allow(0),
      waitFor((it) => Tally.isComplete(it, 2, manners))
    ),
    /** Waits until they have sent so much, and have it acknowledged. */
    settled: (alice: number, bob: number) =>
      until((it) => it.alice.sent === alice && it.bob.sent === bob && it.alice.pending === 0 && it.bob.pending === 0),
    start: (name: Name) => cast.start(name),
    /** Kills it. */
    kill: (name: Name) => Effect.zipRight(cast.kill(name), forget(name)),
    /** Stops it in good order. */
    stop: (name: Name) => Effect.zipRight(cast.end(name), forget(name)),
    /** Waits until its store holds nothing any more of what is acknowledged: the library has a moment for that. */
    tidied: (name: Name) =>
      Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT seq FROM remotes_pending`).pipe(
        Effect.repeat({ until: (rows) => rows.length === 0, schedule: Schedule.spaced("20 millis") }),
        Effect.provide(SqliteClient.layer({ filename: cast.storeOf(name), readonly: true, disableWAL: true }))
      ),
    /** A copy of its store as of now, whether it lives or not. */
    copy: Effect.fnUntraced(function* (name: Name) {
      const copy = yield* system.makeTempDirectoryScoped()
      yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`VACUUM INTO ${`${copy}/copy.sqlite`}`).pipe(
        Effect.provide(SqliteClient.layer({ filename: cast.storeOf(name) }))
      )
      return `${copy}/copy.sqlite`
    }),
    /** Puts the copy into the place of the store of a kernel that is dead. */
    restore: (name: Name, copy: string) => Effect.zipRight(remove(name), system.copyFile(copy, cast.storeOf(name))),
    /** Loses the store of a kernel that is dead. */
    lose: remove,
    /** Keeps everything from getting through, without a word, until `proxies` are clear again. */
    silence: Effect.forEach(cast.proxies.values(), (proxy) => proxy.stall("both"), { discard: true }),
    heal: Effect.forEach(cast.proxies.values(), (proxy) => proxy.clear, { discard: true }),
    /** Stops both in good order, and reads their files. */
    accounts: Effect.gen(function* () {
      yield* Fiber.interrupt(hearing)
      yield* Effect.all([cast.end("alice"), cast.end("bob")], { concurrency: 2 })
      return {
        alice: yield* Check.read(cast.storeOf("alice")),
        bob: yield* Check.read(cast.storeOf("bob"))
      }
    }),
    verdict: (accounts: Readonly<Record<Name, Check.Account>>) =>
      Check.compare([accounts.alice, accounts.bob], manners, named)
  }
})
