import * as Cause from "effect/Cause"
import type { DeadLetterReason } from "../../services/RemoteStore.ts"
import type { Entry, History, Sent } from "./history.ts"

/**
 * What a kernel is found with at the end of a run.
 *
 * @internal
 */
export interface Remains {
  readonly name: string
  readonly committed: ReadonlyArray<Entry>
  /** Why each of its messages that ended as a dead letter did, by receiver and text. */
  readonly letters: ReadonlyMap<string, DeadLetterReason>
  /** Which messages of others it refused, by sender and text. */
  readonly refused: ReadonlySet<string>
  readonly failure: Cause.Cause<unknown> | undefined
  /** Whether it speaks the base profile, which has no word for a refusal. */
  readonly isBase?: boolean
}

/**
 * @internal
 */
export const letterKey = (to: string, text: string): string => `${to} ${text}`

const lastOf = (history: History, names: ReadonlyArray<string>): number =>
  Math.max(-1, ...names.map((name) => history.rolledBack.get(name) ?? -1))

interface Way {
  readonly from: Remains
  readonly to: Remains
  readonly sent: ReadonlyArray<Sent>
  readonly received: ReadonlyArray<string>
  /** When one of the two last went back in time: what was said until then may be lost with its memory, but never doubled. */
  readonly forgotten: number
  /** What the receiver refused, and then gave up to say so, or cannot say. */
  readonly unsaid: ReadonlySet<string>
}

const wayFrom = (history: History, from: Remains, to: Remains): Way => ({
  from,
  to,
  sent: [...history.sent.values()].filter((it) => it.from === from.name && it.to === to.name),
  received: to.committed.flatMap((it) => (it._tag === "Received" && it.from === from.name ? [it.text] : [])),
  forgotten: lastOf(history, [from.name, to.name]),
  unsaid: from.isBase === true || history.givenUp.has(`${to.name}>${from.name}`) ? to.refused : new Set()
})

const doubled = ({ received }: Way): ReadonlyArray<string> => {
  const seen = new Set<string>()
  return received.flatMap((text) => {
    if (seen.has(text)) return [`doubled: ${text}`]
    seen.add(text)
    return []
  })
}

const invented = ({ received, sent }: Way): ReadonlyArray<string> => {
  const known = new Set(sent.map(({ text }) => text))
  return received
    .filter((text) => !known.has(text))
    .map((text) => `never handed in, or in a turn that was undone: ${text}`)
}

const lost = ({ forgotten, from, received, sent, to, unsaid }: Way): ReadonlyArray<string> => {
  const got = new Set(received)
  return sent.flatMap(({ at, state, text }) => {
    const letter = from.letters.get(letterKey(to.name, text))
    if (got.has(text)) {
      return letter === "RejectedByPeer" && at > forgotten ? [`refused, and yet committed: ${text}`] : []
    }
    const isExcused = letter !== undefined || at <= forgotten || unsaid.has(letterKey(from.name, text))
    return state === "unknown" || isExcused ? [] : [`lost: ${text}`]
  })
}

const disordered = ({ forgotten, received, sent }: Way): ReadonlyArray<string> => {
  const seqs = new Map(sent.filter(({ at }) => at > forgotten).map(({ seq, text }) => [text, seq]))
  let highest = 0
  return received.flatMap((text) => {
    const seq = seqs.get(text)
    if (seq === undefined) return []
    const wrong = seq < highest
    highest = Math.max(highest, seq)
    return wrong ? [`out of order: ${text} (${seq} after ${highest})`] : []
  })
}

const misreported = (history: History, { forgotten, from, received, sent, to, unsaid }: Way): ReadonlyArray<string> => {
  const got = new Set(received)
  const late = new Set(sent.filter(({ at }) => at > forgotten).map(({ text }) => text))
  return history.outcomes.flatMap((it) => {
    if (it.from !== from.name || it.to !== to.name || !late.has(it.text)) return []
    const isUnsaid = unsaid.has(letterKey(from.name, it.text))
    if (it.outcome === "acknowledged" && !got.has(it.text) && !isUnsaid)
      return [`acknowledged, and not there: ${it.text}`]
    return it.outcome === "rejected" && got.has(it.text) ? [`rejected, and yet there: ${it.text}`] : []
  })
}

/** Whether there is a reason to tell a kernel that its conversation with a peer ended, and the one that is told. */
const isDue = ({ givenUp, restored, wiped }: History, name: string, peer: string, why: string): boolean => {
  switch (why) {
    case "GivenUpError":
      return givenUp.has(`${name}>${peer}`)
    case "PeerRestartedError":
      return wiped.has(peer)
    case "SessionResetError":
      return restored.has(name) || restored.has(peer)
    default:
      return false
  }
}

const told = (history: History, { committed, name }: Remains): ReadonlyArray<string> =>
  committed.flatMap((it) =>
    it._tag === "Told" && !isDue(history, name, it.peer, it.why)
      ? [`${name} was told without a reason that the conversation with ${it.peer} ended: ${it.why}`]
      : []
  )

/**
 * What is wrong with a run, from what kernels handed in and got, and what they were told; the empty list if nothing is.
 *
 * @internal
 */
export const judge = (history: History, remains: ReadonlyArray<Remains>): ReadonlyArray<string> => {
  const found = [...history.problems]
  for (const it of remains) {
    found.push(...told(history, it))
    if (it.failure !== undefined) found.push(`${it.name} could not live: ${Cause.pretty(it.failure)}`)
  }
  for (const from of remains) {
    for (const to of remains) {
      if (from === to) continue
      const way = wayFrom(history, from, to)
      const wrong = [doubled, invented, lost, disordered].flatMap((check) => check(way))
      found.push(...[...wrong, ...misreported(history, way)].map((it) => `${from.name} → ${to.name} ${it}`))
    }
  }
  return found
}
