/**
 * A store in memory, for tests and simulations: it keeps every promise of `RemoteStore` but to outlive the process. Its
 * `Disk` outlives the kernel, so that a test can crash a kernel and start it again on what was committed.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { StoreUnavailableError, type StoreError } from "../errors/StoreError.ts"
import type { Restore } from "../internal/gate.ts"
import { makeTurns } from "../internal/turns.ts"
import { RemoteStore, type DeadLetter } from "../services/RemoteStore.ts"
import { DiskState } from "./memory/DiskState.ts"

/**
 * What a kernel asks of its disk, one after the other. `begin` and `commit` frame every transaction.
 *
 * @since 0.1.0
 * @category models
 */
export type DiskOperation =
  | "begin"
  | "commit"
  | Exclude<keyof RemoteStore["Type"], "transaction" | "inTransaction" | "enlist">

/**
 * @since 0.1.0
 * @category models
 */
export interface DiskOptions {
  /**
   * Runs before each operation, which fails if this does; nothing of the operation has happened then. So it is the
   * place to fail, to hold or to crash a kernel between any two operations. Before a commit it runs uninterruptibly, as
   * the commit does: what waits for its kernel to be interrupted says so with `Effect.interruptible`.
   */
  readonly onCall?: (operation: DiskOperation) => Effect.Effect<void, StoreError>
  /**
   * Runs after each operation that has happened, before the kernel learns of it: the place to crash a kernel that has
   * committed and does not know it. After a commit it runs uninterruptibly, as `onCall` does.
   */
  readonly onDone?: (operation: DiskOperation) => Effect.Effect<void>
  /** How many dead letters are kept, 10,000 by default; the oldest of the peers with the most go first. */
  readonly maxDeadLetters?: number
}

/**
 * Holds what was committed. One kernel uses it at a time: whoever mounts it unplugs the one before, whose uncommitted
 * changes are undone and whose further calls fail with `StoreUnavailableError` (`Closed`).
 *
 * @since 0.1.0
 * @category models
 */
export interface Disk {
  /** Another disk with the same options, which holds what is committed on this one now: a backup, to be restored. */
  readonly copy: Effect.Effect<Disk>
  /** @internal */
  readonly mount: Effect.Effect<Mounted, never, Scope.Scope>
}

/** @internal */
interface Mounted {
  readonly state: DiskState
  /** Lets an operation happen, if the disk is still ours: at once, unless there are options that run before or after it. */
  readonly run: <A>(operation: DiskOperation, work: () => Exit.Exit<A, StoreError>) => Effect.Effect<A, StoreError>
  readonly plugged: () => boolean
}

/**
 * Makes an empty disk.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeDisk = (options: DiskOptions = {}): Disk =>
  diskWith(options, new DiskState(options.maxDeadLetters ?? 10_000))

const diskWith = (options: DiskOptions, state: DiskState): Disk => {
  const { onCall, onDone } = options
  let mounts = 0
  const unplug = () => {
    mounts++
    state.undoTo(0)
  }
  const mountNow = (): Mounted => {
    unplug()
    const mine = mounts
    const plugged = () => mounts === mine
    const attempt = <A>(operation: DiskOperation, work: () => Exit.Exit<A, StoreError>) => {
      if (!plugged()) return Exit.fail(new StoreUnavailableError({ operation, reason: "Closed" }))
      try {
        return work()
      } catch (defect) {
        return Exit.die(defect)
      }
    }
    const before = (operation: DiskOperation) =>
      Effect.flatMap(
        Effect.suspend(() => attempt(operation, () => Exit.void)),
        () => onCall?.(operation) ?? Effect.void
      )
    const run: Mounted["run"] =
      onCall === undefined && onDone === undefined
        ? attempt
        : (operation, work) =>
            Effect.zipLeft(
              Effect.flatMap(before(operation), () => attempt(operation, work)),
              onDone?.(operation) ?? Effect.void
            )
    return { state, plugged, run }
  }
  return {
    copy: Effect.sync(() => diskWith(options, state.copy())),
    mount: Effect.acquireRelease(Effect.sync(mountNow), ({ plugged }) =>
      Effect.sync(() => {
        if (plugged()) unplug()
      })
    )
  }
}

const turnsOn = ({ plugged, run, state }: Mounted) => {
  const undoTo = (mark: number) =>
    Effect.sync(() => {
      if (plugged()) state.undoTo(mark)
    })
  const marks: Array<number> = []
  return makeTurns<DiskState>({
    begin: (restore: Restore) => {
      const begun = run("begin", () => Exit.succeed(state))
      return Exit.isExit(begun) ? begun : restore(begun)
    },
    commit: () => run("commit", () => Exit.succeed(state.commit())),
    rollback: () => undoTo(0),
    end: () => Effect.void,
    savepoint: (_, depth) => {
      marks[depth] = state.mark
      return undefined
    },
    release: () => undefined,
    rollbackTo: (_, depth) => undoTo(marks[depth] ?? 0),
    contain: () => Effect.void,
    within: () => identity,
    peek: (restore, read) => restore(read(state)),
    stranger: () => undefined
  })
}

/**
 * Uses the disk until the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (disk: Disk) {
  const mounted = yield* disk.mount
  const turns = turnsOn(mounted)
  const { run } = mounted
  const around =
    <A>(operation: DiskOperation, work: (state: DiskState) => A) =>
    (state: DiskState) =>
      run(operation, () => Exit.succeed(work(state)))
  const read = <A>(operation: DiskOperation, work: (state: DiskState) => A) => turns.read(around(operation, work))
  const write = <A>(operation: DiskOperation, work: (state: DiskState) => A) => turns.write(around(operation, work))

  return RemoteStore.of({
    transaction: turns.transaction,
    inTransaction: turns.inTransaction,
    enlist: turns.enlist,
    loadIdentity: read("loadIdentity", (state) => state.identity),
    saveIdentity: (identity) => write("saveIdentity", (state) => state.saveIdentity(identity)),
    loadRelays: read("loadRelays", (state) => state.relays),
    saveRelays: (relays) => write("saveRelays", (state) => state.saveRelays(relays)),
    putIssuedUrl: (issued) => write("putIssuedUrl", (state) => state.putIssuedUrl(issued)),
    findIssuedUrl: (id) => read("findIssuedUrl", (state) => state.findIssuedUrl(id)),
    countIssuedUrls: read("countIssuedUrls", (state) => state.issuedUrls),
    removeExpiredUrls: (now) =>
      write("removeExpiredUrls", (state) => state.removeIssuedUrls((it) => (it.expiresAt ?? Infinity) <= now)),
    removeRevokedUrls: write("removeRevokedUrls", (state) => state.removeIssuedUrls((it) => it.revoked)),
    listRemotes: read("listRemotes", (state) => state.remotes),
    findRemote: (peer) => read("findRemote", (state) => state.findRemote(peer)),
    putRemote: (record, { append = [], removeThrough = 0 } = {}) =>
      turns.write((state) =>
        run("putRemote", () => {
          const misplaced = append.length === 0 ? undefined : state.appendPending(record.peerId, append)
          if (misplaced !== undefined) return Exit.fail(misplacedAt("putRemote", misplaced))
          state.putRemote(record)
          if (removeThrough > 0) state.removePending(record.peerId, removeThrough)
          return Exit.void
        })
      ),
    removeRemote: (peer, introduction) => write("removeRemote", (state) => state.removeRemote(peer, introduction)),
    loadIntroduction: (peer) => read("loadIntroduction", (state) => state.findIntroduction(peer)),
    appendPending: (peer, messages) =>
      turns.write((state) =>
        run("appendPending", () => {
          const misplaced = state.appendPending(peer, messages)
          return misplaced === undefined ? Exit.void : Exit.fail(misplacedAt("appendPending", misplaced))
        })
      ),
    readPending: (peer, { fromSeq, maxBytes, maxMessages }) =>
      read("readPending", (state) => state.readPending(peer, fromSeq, maxMessages, maxBytes)),
    countPending: (peer) => read("countPending", (state) => state.countPending(peer)),
    listDeadlines: (peer, afterSeq) => read("listDeadlines", (state) => state.listDeadlines(peer, afterSeq)),
    endTooLarge: (peer, which) => write("endTooLarge", (state) => state.endTooLarge(peer, which)),
    expirePending: (peer, which) => write("expirePending", (state) => state.expirePending(peer, which)),
    removePending: (peer, throughSeq) => write("removePending", (state) => state.removePending(peer, throughSeq)),
    putRedemption: (redemption) => write("putRedemption", (state) => state.redemptions.put(redemption)),
    listRedemptions: (peer) => read("listRedemptions", (state) => state.redemptions.of(peer)),
    removeRedemption: (peer, replyKey) =>
      write("removeRedemption", (state) => state.redemptions.remove(peer, replyKey)),
    clearRedemptions: (peer) => write("clearRedemptions", (state) => state.redemptions.clear(peer)),
    addDeadLetters: (letters) => write("addDeadLetters", (state) => state.addDeadLetters(letters)),
    buryPending: (peer, why) => write("buryPending", (state) => state.buryPending(peer, why)),
    listDeadLetters: ({ afterId, limit }) =>
      read("listDeadLetters", (state) =>
        state.letters
          .filter(({ id }) => id > afterId)
          .slice(0, limit)
          .map(copyOf)
      ),
    findDeadLetter: (id) =>
      read("findDeadLetter", (state) =>
        Option.map(Option.fromNullable(state.letters.find((letter) => letter.id === id)), copyOf)
      ),
    removeDeadLetter: (id) => write("removeDeadLetter", (state) => state.removeDeadLetter(id)),
    removeDeadLettersBefore: (at) => write("removeDeadLettersBefore", (state) => state.removeDeadLettersBefore(at))
  })
})

const misplacedAt = (operation: DiskOperation, seq: number) => {
  const cause = new Error(`message ${seq} is not above the last one`)
  return new StoreUnavailableError({ operation, reason: "Failed", cause })
}

const copyOf = (letter: DeadLetter): DeadLetter => ({ ...letter, body: letter.body.slice() })

/**
 * Keeps everything on `disk`, which may hold what an earlier kernel committed there.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerDisk = (disk: Disk): Layer.Layer<RemoteStore> => Layer.scoped(RemoteStore, make(disk))

/**
 * A store that starts empty each time the layer is built.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<RemoteStore> = Layer.scoped(
  RemoteStore,
  Effect.suspend(() => make(makeDisk()))
)
