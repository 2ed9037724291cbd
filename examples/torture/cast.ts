/**
 * The kernels of a run, each behind a proxy of its own, and what is known of where they are.
 */
import { OcapUrl } from "effect-remotes"
import * as Effect from "effect/Effect"
import type { RunFailed } from "../processes/failure.ts"
import * as Kernels from "../processes/kernels.ts"
import * as Proxy from "../processes/proxy.ts"
import * as Lines from "./lines.ts"
import type { Name } from "./settings.ts"

/**
 * How all kernels of a run are to live; the rest is each one's own.
 */
export type Way = Pick<typeof Lines.Live.Type, "ask" | "manners" | "options" | "rest" | "size" | "turn" | "window">

/** Whose key is whose; a kernel that loses its store is still the same peer. */
const seeds: Readonly<Record<Name, string>> = {
  alice: "a1".repeat(32),
  bob: "b2".repeat(32),
  carol: "c3".repeat(32)
}

/**
 * What a kernel said, by the id that its peers know it by; or that it ended although nobody asked it to.
 */
export type Event =
  | { readonly _tag: "Said"; readonly name: Name; readonly peerId: string; readonly report: Lines.Report }
  | { readonly _tag: "Ended"; readonly name: Name; readonly how: string }

/**
 * Kernels that are not started yet. They are stopped at the end of the scope.
 */
export const make = Effect.fnUntraced(function* (
  names: ReadonlyArray<Name>,
  way: Way,
  options: Omit<Kernels.Options<Lines.Instruction, Lines.Report>, "language">
) {
  const kernels = yield* Kernels.make<Name, Lines.Instruction, Lines.Report>({ ...options, language: Lines.language })
  const proxies = new Map<Name, Proxy.Proxy>()
  for (const name of names) proxies.set(name, yield* Proxy.make)
  const known = new Map<Name, { readonly peerId: string; readonly url: OcapUrl.OcapUrl }>()
  const limits = new Map<Name, number>()
  const up = new Set<Name>()

  /** The others, once all are known. */
  const peersOf = (name: Name) =>
    known.size < names.length ? [] : [...known].flatMap(([other, { url }]) => (other === name ? [] : [{ url }]))

  const start = (name: Name) =>
    kernels.start(name, {
      _tag: "Live",
      ...way,
      keySeed: seeds[name],
      peers: peersOf(name),
      publicPort: proxies.get(name)?.port ?? 0,
      store: kernels.storeOf(name),
      upTo: limits.get(name) ?? 0
    })

  /** Where the kernel is in this life; the first URL of each stays the one that the others have. */
  const place = Effect.fnUntraced(function* (name: Name, { port, url }: typeof Lines.Serving.Type) {
    yield* proxies.get(name)?.leadTo(port) ?? Effect.void
    if (known.has(name)) return
    const { host } = yield* Effect.orDie(OcapUrl.parse(url))
    known.set(name, { peerId: host, url })
    if (known.size < names.length) return
    yield* Effect.forEach(names, (each) => kernels.tell(each, { _tag: "Meet", peers: peersOf(each) }), {
      discard: true
    })
  })

  const next: Effect.Effect<Event, RunFailed> = Effect.gen(function* () {
    const event = yield* kernels.next
    if (event._tag === "Ended") return event
    if (event.report._tag === "Serving") yield* place(event.name, event.report)
    up.add(event.name)
    return { ...event, peerId: known.get(event.name)?.peerId ?? "" }
  })

  /** Lets these kernels send up to this number, in this life and in later ones; each says so when it knows. */
  const allow = Effect.fnUntraced(function* (upTo: number, these: ReadonlyArray<Name> = names) {
    for (const name of these) {
      limits.set(name, upTo)
      yield* kernels.tell(name, { _tag: "Allow", upTo })
    }
  })

  return {
    allow,
    end: (name: Name) => Effect.suspend(() => (up.delete(name), kernels.end(name))),
    kill: (name: Name) => Effect.suspend(() => (up.delete(name), kernels.kill(name))),
    freeze: kernels.freeze,
    /** Whether the kernel has said anything in this life; before that, it does not yet know how to end in good order. */
    isUp: (name: Name) => up.has(name),
    next,
    nameOf: (peerId: string): string => [...known].find(([, it]) => it.peerId === peerId)?.[0] ?? peerId,
    peerIdOf: (name: Name): string => known.get(name)?.peerId ?? "",
    proxies,
    start,
    storeOf: kernels.storeOf
  }
})

/**
 * Kernels, over all their lives.
 */
export type Cast = Effect.Effect.Success<ReturnType<typeof make>>
