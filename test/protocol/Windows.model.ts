import { assert } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as ReceiveWindow from "../../src/protocol/ReceiveWindow.ts"
import * as SendWindow from "../../src/protocol/SendWindow.ts"
import type { Statement } from "../../src/protocol/Session.ts"
import { must } from "../support/must.ts"

type Which = 0 | 1

/** A message is its number; `refuses` is the number of the other side's message that it refuses. */
interface Frame {
  readonly seq: number
  readonly ack: number
  readonly refuses: number | undefined
}

/** What survives a crash. */
interface Durable {
  readonly nextSeq: number
  readonly sentSeq: number
  readonly baseSeq: number
  readonly acknowledgedSeq: number
  readonly received: number
}

interface Side {
  durable: Durable
  window: SendWindow.SendWindow
  received: number
  refusals: Array<ReceiveWindow.Refusal>
  /** The lowest number that the other side still sends, as it said when the channel opened. */
  base: number
  /** What each number refuses; every number that was ever given out is in it. */
  readonly given: Map<number, number | undefined>
  readonly givenUp: Set<number>
  /** The numbers taken from the other side, as they came. */
  readonly taken: Array<number>
  /** The numbers of the other side's messages that this side refused. */
  readonly refused: Set<number>
  /** The numbers of its own messages of which this side knows that they were refused. */
  readonly knownRefused: Set<number>
}

interface World {
  readonly sides: readonly [Side, Side]
  readonly wires: readonly [Array<Frame>, Array<Frame>]
  readonly late: readonly [Array<Statement>, Array<Statement>]
  /** Whether the sides speak the base profile: no statements, no refusals, and frames that get lost on the way. */
  readonly plain: boolean
  open: boolean
}

/** One thing that happens; `who` does it or has it happen. */
export interface Op {
  readonly what:
    | "append"
    | "transmit"
    | "arrive"
    | "open"
    | "lose"
    | "crash"
    | "tidy"
    | "rewind"
    | "drop"
    | "forge"
    | "giveUp"
    | "late"
  readonly who: Which
  readonly count: number
}

const other = (who: Which): Which => (who === 0 ? 1 : 0)

const makeSide = (): Side => {
  const durable = { nextSeq: 1, sentSeq: 0, baseSeq: 1, acknowledgedSeq: 0, received: 0 }
  return {
    durable,
    window: SendWindow.make(durable),
    received: 0,
    refusals: [],
    base: 1,
    given: new Map(),
    givenUp: new Set(),
    taken: [],
    refused: new Set(),
    knownRefused: new Set()
  }
}

const commit = (side: Side, open: boolean): void => {
  const { received, window } = side
  side.durable = {
    nextSeq: window.next,
    sentSeq: open ? window.next - 1 : window.sent,
    baseSeq: Math.max(window.base, window.settled + 1),
    acknowledgedSeq: window.settled,
    received
  }
}

const check = (world: World): void => {
  world.sides.forEach(({ knownRefused, window }, index) => {
    const them = world.sides[index === 0 ? 1 : 0]
    const { acknowledged, base, cursor, next, sent, settled } = window
    must(settled <= acknowledged && acknowledged <= sent && sent < next, "numbers follow each other", window)
    must(
      base <= next && cursor <= next && cursor >= SendWindow.lowestUnacknowledged(window),
      "the cursor is at what is not acknowledged",
      window
    )
    must(acknowledged <= them.received, "only what was taken is acknowledged", window)
    must(
      SendWindow.inFlight(window) + SendWindow.untransmitted(window) === next - SendWindow.lowestUnacknowledged(window),
      "what is pending is in flight or untransmitted",
      window
    )
    for (const seq of them.refused) {
      if (seq > settled || knownRefused.has(seq)) continue
      const wasGivenUp = [...them.givenUp].some((reply) => them.given.get(reply) === seq)
      must(wasGivenUp, "a refusal comes before the settlement", window)
    }
  })
}

const append = (side: Side, refuses: number | undefined): number => {
  const seq = side.window.next
  must(!side.given.has(seq), "no number is given out twice")
  side.given.set(seq, refuses)
  side.window = SendWindow.append(side.window, 1)
  return seq
}

const transmit = (world: World, who: Which, count: number): void => {
  if (!world.open) return
  const side = world.sides[who]
  for (let index = 0; index < count && SendWindow.untransmitted(side.window) > 0; index += 1) {
    const seq = side.window.cursor
    must(!side.givenUp.has(seq), "what was given up is not sent")
    side.window = SendWindow.transmit(side.window, seq)
    const ack = ReceiveWindow.acknowledgeable(side.received, side.refusals, side.window.cursor)
    world.wires[other(who)].push({ seq, ack, refuses: side.given.get(seq) })
  }
  const ack = ReceiveWindow.acknowledgeable(side.received, side.refusals, side.window.cursor)
  if (ack > 0) world.wires[other(who)].push({ seq: 0, ack, refuses: undefined })
}

const take = (world: World, who: Which, { refuses, seq }: Frame): void => {
  const side = world.sides[who]
  must(seq > (side.taken.at(-1) ?? 0), "in order, and once")
  side.received = seq
  side.taken.push(seq)
  if (refuses !== undefined) side.knownRefused.add(refuses)
  // Every third message is refused, unless it is a refusal itself.
  if (!world.plain && refuses === undefined && seq % 3 === 0) {
    side.refusals.push({ reply: append(side, seq), target: seq })
    side.refused.add(seq)
  }
  commit(side, world.open)
}

const arrive = (world: World, who: Which, count: number): void => {
  const side = world.sides[who]
  for (const frame of world.wires[who].splice(0, count)) {
    if (frame.ack > 0) side.window = Either.getOrThrow(SendWindow.acknowledge(side.window, frame.ack))
    const place = frame.seq === 0 ? "duplicate" : ReceiveWindow.place(side.received, frame.seq, side.base)
    must(world.plain || place !== "early", "nothing is missing before what arrives")
    if (place === "next") take(world, who, frame)
    side.window = SendWindow.settle(side.window, side.received)
    check(world)
  }
}

const lose = (world: World): void => {
  world.open = false
  for (const wire of world.wires) wire.length = 0
}

const statementOf = ({ durable }: Side): Statement => ({
  incarnationId: "one",
  peerIncarnationId: "other",
  epoch: 0,
  received: durable.received,
  sent: durable.sentSeq,
  acknowledged: durable.acknowledgedSeq,
  base: durable.baseSeq,
  next: durable.nextSeq,
  senders: [],
  receivedFrom: undefined
})

const openTo = (side: Side, stated: Statement | undefined): void => {
  side.base = stated?.base ?? 1
  commit(side, true)
  side.window = SendWindow.settle(SendWindow.open(side.window, stated), side.received)
}

const open = (world: World, who: Which): void => {
  lose(world)
  const [one, two] = world.sides
  const statements = [statementOf(one), statementOf(two)] as const
  world.late[who].push(statements[who])
  openTo(one, world.plain ? undefined : statements[1])
  openTo(two, world.plain ? undefined : statements[0])
  world.open = true
}

const step = (world: World, { count, what, who }: Op): void => {
  const side = world.sides[who]
  switch (what) {
    case "append": {
      for (let index = 0; index <= count % 4; index += 1) append(side, undefined)
      return commit(side, world.open)
    }
    case "transmit":
      return transmit(world, who, count)
    case "arrive":
      return arrive(world, who, count)
    case "open":
      return open(world, who)
    case "lose":
      return lose(world)
    case "crash":
      lose(world)
      side.window = SendWindow.make(side.durable)
      side.refusals = []
      return
    case "tidy":
      return commit(side, world.open)
    case "rewind":
      if (world.open) side.window = SendWindow.rewind(side.window)
      return
    case "drop":
      // What a receiver of the base profile fails on is lost to it.
      if (world.plain) world.wires[who].splice(count % Math.max(1, world.wires[who].length), 1)
      return
    case "forge": {
      const before = side.window
      assert.isTrue(Either.isLeft(SendWindow.acknowledge(before, before.sent + 1 + count)))
      return assert.strictEqual(side.window, before)
    }
    case "giveUp":
      if (world.plain) return
      lose(world)
      for (let seq = side.window.settled + 1; seq < side.window.next; seq += 1) side.givenUp.add(seq)
      side.window = SendWindow.abandon(side.window)
      assert.strictEqual(SendWindow.pending(side.window), 0)
      return commit(side, false)
    case "late": {
      const [stated] = world.late[other(who)].splice(count % Math.max(1, world.late[other(who)].length), 1)
      // What contradicts the record is recognised as such by the handshake, and not taken.
      if (
        world.plain ||
        stated === undefined ||
        side.durable.acknowledgedSeq > stated.received ||
        side.received > stated.sent
      )
        return
      lose(world)
      return openTo(side, stated)
    }
  }
}

const finish = (world: World): void => {
  for (let round = 0; round < 3; round += 1) {
    open(world, 0)
    for (let turn = 0; turn < 4; turn += 1) {
      for (const who of [0, 1] as const) {
        transmit(world, who, Infinity)
        arrive(world, other(who), Infinity)
      }
    }
  }
  for (const who of [0, 1] as const) {
    const { given, givenUp, window } = world.sides[who]
    must(SendWindow.pending(window) === 0, "everything is settled in the end", window)
    const taken = new Set(world.sides[other(who)].taken)
    for (const seq of given.keys()) must(givenUp.has(seq) || taken.has(seq), "everything has arrived in the end")
  }
}

/** Runs a script; throws where a promise is broken. */
export const run = (plain: boolean, script: ReadonlyArray<Op>): void => {
  const world: World = { sides: [makeSide(), makeSide()], wires: [[], []], late: [[], []], plain, open: false }
  for (const op of script) {
    step(world, op)
    check(world)
  }
  finish(world)
}

const ordinary = ["append", "transmit", "arrive", "open"] as const
const special = ["lose", "crash", "tidy", "rewind", "drop", "forge", "giveUp", "late"] as const

export const script: FastCheck.Arbitrary<ReadonlyArray<Op>> = FastCheck.array(
  FastCheck.record({
    what: FastCheck.oneof(
      { weight: 3, arbitrary: FastCheck.constantFrom<Op["what"]>(...ordinary) },
      { weight: 1, arbitrary: FastCheck.constantFrom<Op["what"]>(...special) }
    ),
    who: FastCheck.constantFrom<Which>(0, 1),
    count: FastCheck.nat(9)
  }),
  { maxLength: 60, size: "max" }
)
