/**
 * The independent check: reads what the kernels and the library wrote into their files, with plain SQL and nothing of the
 * library, and compares each way between two kernels.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import type * as Statement from "@effect/sql/Statement"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { RunFailed } from "../processes/failure.ts"
import type { Manners } from "./lines.ts"
import { isRefused } from "./manners.ts"

const Numbered = Schema.Struct({ peer: Schema.String, number: Schema.Int })
const Told = Schema.Struct({ peer: Schema.String, why: Schema.String })
const Asked = Schema.Struct({ peer: Schema.String, answer: Schema.String })
const Waiting = Schema.Struct({ peer: Schema.String, seq: Schema.Int })
const Known = Schema.Struct({ peer: Schema.String, received: Schema.Int })
const Letter = Schema.Struct({
  peer: Schema.String,
  direction: Schema.Literal("inbound", "outbound"),
  reason: Schema.String,
  body: Schema.Uint8ArrayFromSelf
})

/**
 * What one file says.
 */
export interface Account {
  readonly peerId: string
  readonly sent: ReadonlyArray<typeof Numbered.Type>
  readonly received: ReadonlyArray<typeof Numbered.Type>
  /** How conversations ended. */
  readonly told: ReadonlyArray<typeof Told.Type>
  /** What the peers' URLs named. */
  readonly asked: ReadonlyArray<typeof Asked.Type>
  /** What the library keeps to be sent, and up to where it knows to have received. */
  readonly waiting: ReadonlyArray<typeof Waiting.Type>
  readonly known: ReadonlyArray<typeof Known.Type>
  /** The messages that ended other than well, by their number. */
  readonly letters: ReadonlyArray<Omit<typeof Letter.Type, "body"> & { readonly number: number }>
  /** What SQLite says of its file. */
  readonly integrity: string
}

/** The body of a message as the wire has it. */
const numberIn = (body: Uint8Array) =>
  Number(/"body":"([1-9][0-9]*)\.*"/.exec(new TextDecoder().decode(body))?.[1] ?? 0)

const readAll = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const all = <A, I>(row: Schema.Schema<A, I>, execute: Statement.Statement<unknown>) =>
    SqlSchema.findAll({ Request: Schema.Void, Result: row, execute: () => execute })(undefined)
  const letters = yield* all(
    Letter,
    sql`SELECT peer_id AS peer, direction, reason, body FROM remotes_dead_letters ORDER BY id`
  )
  const [identity] = yield* all(
    Schema.Struct({ peerId: Schema.String }),
    sql`SELECT peer_id AS "peerId" FROM remotes_identity`
  )
  const [check] = yield* all(
    Schema.Struct({ integrity: Schema.String }),
    sql`SELECT integrity_check AS integrity FROM pragma_integrity_check`
  )
  const account: Account = {
    peerId: identity?.peerId ?? "",
    sent: yield* all(Numbered, sql`SELECT peer, number FROM sent ORDER BY position`),
    received: yield* all(Numbered, sql`SELECT peer, number FROM received ORDER BY position`),
    told: yield* all(Told, sql`SELECT peer, why FROM told ORDER BY position`),
    asked: yield* all(Asked, sql`SELECT peer, answer FROM asked ORDER BY position`),
    waiting: yield* all(Waiting, sql`SELECT peer_id AS peer, seq FROM remotes_pending ORDER BY peer_id, seq`),
    known: yield* all(Known, sql`SELECT peer_id AS peer, received_seq AS received FROM remotes_peers`),
    letters: letters.map(({ body, ...rest }) => ({ ...rest, number: numberIn(body) })),
    integrity: check?.integrity ?? "nothing"
  }
  return account
})

/**
 * Opens a file, read-only, and reads all of it. The client throws where it cannot open the file, hence the defects.
 */
export const read = (filename: string): Effect.Effect<Account, RunFailed> =>
  readAll.pipe(
    Effect.provide(SqliteClient.layer({ filename, readonly: true, disableWAL: true })),
    Effect.catchAllDefect((defect) => Effect.fail(defect)),
    Effect.mapError((cause) => new RunFailed({ sentence: `What is in ${filename} cannot be read.`, cause }))
  )

/**
 * What became of the messages: each that was sent is in one of `receivedOnce`, `refused`, `missing` and `doubled`.
 */
export interface Verdict {
  readonly sent: number
  readonly receivedOnce: number
  /** Refused by the receiving kernel as they should be, and reported to their sender once. */
  readonly refused: number
  readonly missing: number
  readonly doubled: number
  /** Arrivals of a message before one that had already arrived. */
  readonly outOfOrder: number
  /** Arrivals of a message that its sender has no record of, or that was to be refused. */
  readonly uncalledFor: number
  /** Dead letters that should not be there, or are not there although they should. */
  readonly misreported: number
  /** What the library still has to send. */
  readonly waiting: number
  /** How often a kernel was told that a conversation began anew. */
  readonly resets: number
  /** How often a URL was redeemed, and how often in vain for want of time, or wrongly. */
  readonly redeemed: number
  readonly redeemedLate: number
  readonly redeemedWrong: number
  /** Files of which SQLite does not say that they are whole. */
  readonly damaged: number
}

const count = <A>(items: ReadonlyArray<A>, is: (item: A) => boolean): number => items.filter(is).length

const timesOf = (numbers: ReadonlyArray<number>): ReadonlyMap<number, number> => {
  const times = new Map<number, number>()
  for (const number of numbers) times.set(number, (times.get(number) ?? 0) + 1)
  return times
}

const numbersOf = (rows: ReadonlyArray<{ readonly peer: string; readonly number: number }>, peer: string) =>
  rows.filter((row) => row.peer === peer).map(({ number }) => number)

/** One way: from a kernel to another one. */
const compareWay = (from: Account, to: Account, manners: typeof Manners.Type) => {
  const sent = numbersOf(from.sent, to.peerId)
  const received = numbersOf(to.received, from.peerId)
  const recorded = new Set(sent)
  const arrivals = timesOf(received)
  const reported = timesOf(
    numbersOf(
      from.letters.filter(({ direction, reason }) => direction === "outbound" && reason === "RejectedByPeer"),
      to.peerId
    )
  )
  const way = { sent: recorded.size, receivedOnce: 0, refused: 0, missing: 0, doubled: 0, misreported: 0 }
  for (const number of recorded) {
    const times = arrivals.get(number) ?? 0
    const letters = reported.get(number) ?? 0
    if (isRefused(manners, number)) {
      if (letters === 1) way.refused++
      else way.missing++
    } else if (times === 1) way.receivedOnce++
    else if (times === 0) way.missing++
    else way.doubled++
    if (letters !== (isRefused(manners, number) ? 1 : 0)) way.misreported++
  }
  let highest = 0
  let outOfOrder = 0
  const seen = new Set<number>()
  for (const number of received) {
    if (!seen.has(number) && number < highest) outOfOrder++
    seen.add(number)
    highest = Math.max(highest, number)
  }
  // Two rows of one number in the sender's table would be a doubled turn.
  const doubled = way.doubled + sent.length - recorded.size
  const uncalledFor = count(received, (number) => !recorded.has(number) || isRefused(manners, number))
  // The library may keep what was received until its next commit.
  const reached = to.known.find(({ peer }) => peer === from.peerId)?.received ?? 0
  const waiting = count(from.waiting, ({ peer, seq }) => peer === to.peerId && seq > reached)
  return { ...way, doubled, outOfOrder, uncalledFor, waiting }
}

const late = new Set(["RedemptionTimeoutError"])

const judge = (account: Account, named: string) => ({
  resets: account.told.length,
  redeemed: count(account.asked, ({ answer }) => answer === named),
  redeemedLate: count(account.asked, ({ answer }) => late.has(answer)),
  redeemedWrong: count(account.asked, ({ answer }) => answer !== named && !late.has(answer)),
  damaged: account.integrity === "ok" ? 0 : 1,
  // Of what comes in, a kernel refuses just what it is to refuse; of what goes out, each way looks at it.
  misreported: count(
    account.letters,
    ({ direction, reason }) =>
      !(direction === "outbound" ? ["RejectedByPeer"] : ["RejectedHere", "HandlerFailed"]).includes(reason)
  )
})

const none: Verdict = {
  sent: 0,
  receivedOnce: 0,
  refused: 0,
  missing: 0,
  doubled: 0,
  outOfOrder: 0,
  uncalledFor: 0,
  misreported: 0,
  waiting: 0,
  resets: 0,
  redeemed: 0,
  redeemedLate: 0,
  redeemedWrong: 0,
  damaged: 0
}

const add = (sum: Verdict, part: Partial<Verdict>): Verdict => ({
  sent: sum.sent + (part.sent ?? 0),
  receivedOnce: sum.receivedOnce + (part.receivedOnce ?? 0),
  refused: sum.refused + (part.refused ?? 0),
  missing: sum.missing + (part.missing ?? 0),
  doubled: sum.doubled + (part.doubled ?? 0),
  outOfOrder: sum.outOfOrder + (part.outOfOrder ?? 0),
  uncalledFor: sum.uncalledFor + (part.uncalledFor ?? 0),
  misreported: sum.misreported + (part.misreported ?? 0),
  waiting: sum.waiting + (part.waiting ?? 0),
  resets: sum.resets + (part.resets ?? 0),
  redeemed: sum.redeemed + (part.redeemed ?? 0),
  redeemedLate: sum.redeemedLate + (part.redeemedLate ?? 0),
  redeemedWrong: sum.redeemedWrong + (part.redeemedWrong ?? 0),
  damaged: sum.damaged + (part.damaged ?? 0)
})

/**
 * Compares the accounts of all kernels; `named` is what each one's URL names.
 */
export const compare = (accounts: ReadonlyArray<Account>, manners: typeof Manners.Type, named: string): Verdict =>
  [
    ...accounts.map((account) => judge(account, named)),
    ...accounts.flatMap((from) => accounts.flatMap((to) => (from === to ? [] : [compareWay(from, to, manners)])))
  ].reduce(add, none)

/**
 * Whether every message arrived exactly once and in order or was refused as it should be, and nothing else happened.
 */
export const isClean = (verdict: Verdict): boolean =>
  verdict.sent === verdict.receivedOnce + verdict.refused &&
  verdict.receivedOnce > 0 &&
  verdict.missing === 0 &&
  verdict.doubled === 0 &&
  verdict.outOfOrder === 0 &&
  verdict.uncalledFor === 0 &&
  verdict.misreported === 0 &&
  verdict.waiting === 0 &&
  verdict.resets === 0 &&
  verdict.redeemedWrong === 0 &&
  verdict.damaged === 0
