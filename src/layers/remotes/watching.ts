import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { PeerId } from "../../protocol/PeerId.ts"
import type { RemoteStatus } from "../../services/RemoteHandle.ts"
import type { Link } from "../../services/Transport.ts"

/**
 * What is watched of a remote.
 *
 * @internal
 */
export interface Watched {
  readonly link: Link
  readonly status: Effect.Effect<RemoteStatus>
}

/**
 * Tells readers what changes in a set of remotes.
 *
 * @internal
 */
export interface Watch {
  /** Something about this remote changed: it came, went, or does something else. */
  readonly changed: (peerId: PeerId) => void
  /** The status of each remote now, and again after it changed; a slow reader gets only the newest of each. */
  readonly changes: Stream.Stream<RemoteStatus>
  /** Ends all readers. */
  readonly end: () => void
}

/** Which remotes a reader has to look at next: no more than there are, however slow it is. */
interface Reader {
  dirty: Set<PeerId>
  readonly awake: Effect.Latch
}

/**
 * @internal
 */
export const makeWatch = (find: (peerId: PeerId) => Watched | undefined, all: () => Iterable<PeerId>): Watch => {
  const readers = new Set<Reader>()
  let ended = false

  const mark = (reader: Reader, peerId: PeerId) => {
    reader.dirty.add(peerId)
    reader.awake.unsafeOpen()
  }

  const addReader = Effect.acquireRelease(
    Effect.sync(() => {
      const reader: Reader = { dirty: new Set(all()), awake: Effect.unsafeMakeLatch(true) }
      readers.add(reader)
      return reader
    }),
    (reader) => Effect.sync(() => readers.delete(reader))
  )

  const read = Effect.gen(function* () {
    const reader = yield* addReader
    const links = new Map<PeerId, Link>()
    const watchers = yield* FiberMap.make<PeerId>()

    /** The state of a remote's link changes without anything in the handle. Its first report is what the link does now. */
    const follow = (peerId: PeerId, { link }: Watched) => {
      links.set(peerId, link)
      const changes = Stream.runForEach(link.changes, () => Effect.sync(() => mark(reader, peerId)))
      return Effect.as(FiberMap.run(watchers, peerId, changes), Option.none<RemoteStatus>())
    }

    const look = (peerId: PeerId) => {
      const watched = find(peerId)
      if (watched === undefined) {
        links.delete(peerId)
        return Effect.as(FiberMap.remove(watchers, peerId), Option.none<RemoteStatus>())
      }
      return links.get(peerId) === watched.link ? Effect.asSome(watched.status) : follow(peerId, watched)
    }

    const take = Effect.gen(function* () {
      yield* reader.awake.await
      if (ended) return yield* Effect.fail(Option.none())
      reader.awake.unsafeClose()
      const { dirty } = reader
      reader.dirty = new Set()
      return Chunk.compact(Chunk.fromIterable(yield* Effect.forEach(dirty, look)))
    })
    return Stream.repeatEffectChunkOption(take)
  })

  return {
    changed: (peerId) => {
      for (const reader of readers) mark(reader, peerId)
    },
    changes: Stream.unwrapScoped(read),
    end: () => {
      ended = true
      for (const reader of readers) reader.awake.unsafeOpen()
    }
  }
}
