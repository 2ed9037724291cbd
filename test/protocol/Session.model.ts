import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as PeerId from "../../src/protocol/PeerId.ts"
import * as ReceiveWindow from "../../src/protocol/ReceiveWindow.ts"
import * as SendWindow from "../../src/protocol/SendWindow.ts"
import * as Senders from "../../src/protocol/Senders.ts"
import * as Session from "../../src/protocol/Session.ts"
import type { RemoteRecord } from "../../src/services/RemoteStore.ts"
import { must } from "../support/must.ts"

/** What survives a crash, a copy of which can be put back later; messages are named by unique ids. */
interface Store {
  readonly incarnationId: string
  readonly record: RemoteRecord | undefined
  /** Which message each number of the present session was given to. */
  readonly given: ReadonlyMap<number, number>
  readonly pending: ReadonlyMap<number, number>
  readonly givenUp: ReadonlySet<number>
  /** Which message was taken under each number of the present session. */
  readonly taken: ReadonlyMap<number, number>
  readonly everTaken: ReadonlySet<number>
}

/** A store, and the process on it. */
interface Side {
  store: Store
  /** How often the store was replaced. */
  past: number
  copies: Array<Store>
  known: boolean
  peer: string | undefined
  epoch: number
  received: number
  receivedFrom: string | undefined
  senders: ReadonlyArray<Senders.Sender>
  /** Names the process. */
  process: string
  /** The lowest number that the other side still sends, as it said when the channel opened. */
  base: number
  /** Which process first transmitted what comes on the open channel. */
  senderOf: (seq: number) => string | undefined
  window: SendWindow.SendWindow
}

/** What a side states in a handshake. */
interface Heard {
  readonly statement: Session.Statement
  readonly process: string
}

/** `past` counts how often the speaker's store had been replaced. */
interface Late extends Heard {
  readonly past: number
}

type Frame = { readonly ack: number; readonly seq?: number; readonly id?: number }
type Which = 0 | 1

interface World {
  readonly sides: readonly [Side, Side]
  /** What is on its way to each side. */
  readonly wires: readonly [Array<Frame>, Array<Frame>]
  /** Hellos of each side that may still arrive, although it has given up the channel. */
  readonly late: readonly [Array<Late>, Array<Late>]
  open: boolean
  /** Whether a store went back in time, or was lost, and not both sides have drawn their conclusions. */
  disturbed: boolean
  ids: number
  lives: number
  processes: number
  /** How many handshakes ended in which verdict; to see that the runs are worth something. */
  readonly verdicts: Record<Session.Verdict["_tag"], number>
}

/** One thing that happens; `who` does it or has it happen. */
export type Op = {
  readonly what:
    | "append"
    | "transmit"
    | "arrive"
    | "connect"
    | "talk"
    | "late"
    | "lose"
    | "crash"
    | "tidy"
    | "giveUp"
    | "copy"
    | "restore"
    | "wipe"
  readonly who: Which
  readonly count: number
}

const peerId = PeerId.PeerId.make("12D3KooWFYVfnFKGTuL9KRfpGHyJXC48zqmwZnRLMiUcNGmGPA8E")
const firstRecord: RemoteRecord = {
  peerId,
  hints: [],
  incarnationId: undefined,
  epoch: 0,
  nextSeq: 1,
  sentSeq: 0,
  acknowledgedSeq: 0,
  baseSeq: 1,
  receivedSeq: 0,
  senders: [],
  receivedFrom: undefined,
  ownIncarnationId: undefined,
  activeAt: undefined
}

const emptyStore = (incarnationId: string): Store => ({
  incarnationId,
  record: undefined,
  given: new Map(),
  pending: new Map(),
  givenUp: new Set(),
  taken: new Map(),
  everTaken: new Set()
})

/** A process starts on a store. */
const start = (side: Side): void => {
  const record = side.store.record ?? firstRecord
  side.known = side.store.record !== undefined
  side.peer = record.incarnationId
  side.epoch = record.epoch
  side.received = record.receivedSeq
  side.receivedFrom = record.receivedFrom
  side.senders = record.senders
  side.window = SendWindow.make(record)
}

const makeSide = (incarnationId: string): Side => {
  const side: Side = {
    store: emptyStore(incarnationId),
    past: 0,
    copies: [],
    known: false,
    peer: undefined,
    epoch: 0,
    received: 0,
    receivedFrom: undefined,
    senders: [],
    process: `${incarnationId} 0`,
    base: 1,
    senderOf: () => undefined,
    window: SendWindow.make(firstRecord)
  }
  return side
}

const other = (who: Which): Which => (who === 0 ? 1 : 0)

const statementOf = ({ store: { incarnationId, record } }: Side): Session.Statement =>
  record === undefined ? Session.firstStatement(incarnationId) : Session.statementOf(incarnationId, record)

/** Everything that a commit writes beside what it is for: the numbers, and the removal of what is settled. */
const commit = (side: Side, open: boolean, changes: Partial<Store> = {}): void => {
  const { window } = side
  const store = { ...side.store, ...changes }
  const sentSeq = open ? window.next - 1 : window.sent
  const { sent, settled } = window
  side.senders = Senders.extend(side.senders, side.process, { settled, sent, through: sentSeq })
  side.known = true
  side.store = {
    ...store,
    pending: new Map([...store.pending].filter(([seq]) => seq > window.settled)),
    record: {
      ...firstRecord,
      incarnationId: side.peer,
      epoch: side.epoch,
      receivedSeq: side.received,
      nextSeq: window.next,
      sentSeq,
      acknowledgedSeq: window.settled,
      baseSeq: Math.max(window.base, window.settled + 1),
      senders: side.senders,
      receivedFrom: side.receivedFrom
    }
  }
}

const lose = (world: World): void => {
  world.open = false
  for (const wire of world.wires) wire.length = 0
  for (const side of world.sides) if (!side.known) start(side)
}

/** A process ends with all its streams, so that nothing that was said to it arrives any more, and another one starts. */
const crash = (world: World, who: Which): void => {
  lose(world)
  world.late[other(who)].length = 0
  world.processes += 1
  world.sides[who].process = `process ${world.processes}`
  start(world.sides[who])
}

const append = (world: World, who: Which, count: number): void => {
  if (count === 0) return
  const side = world.sides[who]
  const given = new Map(side.store.given)
  const pending = new Map(side.store.pending)
  for (let index = 0; index < count; index += 1) {
    world.ids += 1
    given.set(side.window.next + index, world.ids)
    pending.set(side.window.next + index, world.ids)
  }
  side.window = SendWindow.append(side.window, count)
  commit(side, world.open, { given, pending })
}

const transmit = (world: World, who: Which, count: number): void => {
  if (!world.open) return
  const side = world.sides[who]
  const wire = world.wires[other(who)]
  for (let index = 0; index < count && SendWindow.untransmitted(side.window) > 0; index += 1) {
    const { cursor } = side.window
    const id = side.store.pending.get(cursor)
    must(id !== undefined, "what is transmitted is in the store")
    must(cursor <= (side.store.record?.sentSeq ?? 0), "what is transmitted is on record as sent")
    side.window = SendWindow.transmit(side.window, cursor)
    wire.push({ seq: cursor, id, ack: side.received })
  }
  if (side.received > 0) wire.push({ ack: side.received })
}

const arrive = (world: World, who: Which, count: number): void => {
  const side = world.sides[who]
  for (const { ack, id, seq } of world.wires[who].splice(0, count)) {
    if (ack > 0) side.window = Either.getOrThrow(SendWindow.acknowledge(side.window, ack))
    side.window = SendWindow.settle(side.window, side.received)
    if (seq === undefined || id === undefined) continue
    const place = ReceiveWindow.place(side.received, seq, side.base)
    must(place !== "early", "nothing is missing before what arrives")
    if (place === "duplicate") {
      must(side.store.taken.get(seq) === id, "only what was taken is a duplicate")
      continue
    }
    must(!side.store.everTaken.has(id), "nothing is taken twice")
    side.received = seq
    side.receivedFrom = side.senderOf(seq)
    commit(side, world.open, {
      taken: new Map(side.store.taken).set(seq, id),
      everTaken: new Set(side.store.everTaken).add(id)
    })
    side.window = SendWindow.settle(side.window, side.received)
  }
}

/** A side draws the conclusions of a handshake, as the reader of a link does. */
const apply = (world: World, who: Which, verdict: Session.Verdict, { process, statement: theirs }: Heard): void => {
  const side = world.sides[who]
  const isNews = verdict._tag === "Restarted" ? side.peer !== theirs.incarnationId : side.epoch < verdict.epoch
  side.peer = theirs.incarnationId
  if (Session.isEnding(verdict) && isNews) {
    side.epoch = verdict.epoch
    side.received = 0
    side.receivedFrom = undefined
    side.senders = []
    side.window = SendWindow.make(firstRecord)
    commit(side, false, { given: new Map(), pending: new Map(), givenUp: new Set(), taken: new Map() })
  }
  if (verdict._tag === "First") side.epoch = verdict.epoch
  const said = Session.carriedOver(verdict, theirs, side.store.incarnationId)
  side.base = said.base
  side.senderOf = (seq) => Session.senderOnChannel(said, process, seq)
  if (side.known || SendWindow.pending(side.window) > 0) commit(side, true)
  side.window = SendWindow.settle(SendWindow.open(side.window, said), side.received)
}

/** Whether what `receiver` has of `sender` is what `sender` remembers to have said. */
const remembersAlike = (sender: Store, receiver: Store): boolean => {
  const said = sender.record ?? firstRecord
  const heard = receiver.record ?? firstRecord
  return (
    said.acknowledgedSeq <= heard.receivedSeq &&
    heard.receivedSeq < said.nextSeq &&
    [...receiver.taken].every(([seq, id]) => sender.given.get(seq) === id || sender.givenUp.has(seq))
  )
}

const areOfOneSession = (one: Store, two: Store): boolean =>
  one.record?.incarnationId === two.incarnationId &&
  two.record?.incarnationId === one.incarnationId &&
  one.record.epoch === two.record.epoch

const judge = (world: World): readonly [Session.Verdict, Session.Verdict] => {
  const [one, two] = world.sides
  const verdicts = [
    Session.settle(statementOf(one), statementOf(two)),
    Session.settle(statementOf(two), statementOf(one))
  ] as const
  must(verdicts[0].epoch === verdicts[1].epoch, "both sides compute the same session")
  for (const { _tag } of verdicts) world.verdicts[_tag] += 1
  if (!world.disturbed) {
    must(!verdicts.some(Session.isEnding), "nothing ends when nothing was restored or lost")
  }
  if (areOfOneSession(one.store, two.store)) {
    must(verdicts[0]._tag === verdicts[1]._tag, "two of one session judge alike")
    const epoch = one.store.record?.epoch ?? 0
    if (!remembersAlike(one.store, two.store) || !remembersAlike(two.store, one.store)) {
      must(verdicts[0]._tag === "RolledBack", "a contradiction of the memories is noticed")
      must(verdicts[0].epoch > epoch, "a new session begins")
    }
  }
  return verdicts
}

/** `count` says who gets to draw the conclusions: both, one, or none, whose hello may still arrive late. */
const connect = (world: World, who: Which, count: number): void => {
  lose(world)
  const [one, two] = world.sides
  const statements = [statementOf(one), statementOf(two)] as const
  const verdicts = judge(world)
  const [first, second] = count % 8 >= 5 ? [true, true] : [count % 8 === 1, count % 8 === 2]
  const said = ([0, 1] as const).map((who) => ({ statement: statements[who], process: world.sides[who].process }))
  if (first && said[1] !== undefined) apply(world, 0, verdicts[0], said[1])
  if (second && said[0] !== undefined) apply(world, 1, verdicts[1], said[0])
  if (!first || !second) {
    const { past, process } = world.sides[who]
    world.late[who].push({ statement: statements[who], past, process })
    return lose(world)
  }
  // Who has nothing on record forgets the new session with the channel, and learns of it anew with what it says next.
  world.disturbed = world.sides.some(({ epoch, known }) => !known && epoch > 0)
  world.open = true
  const again = [Session.settle(statementOf(one), statementOf(two)), Session.settle(statementOf(two), statementOf(one))]
  for (const verdict of again) {
    must(!Session.isEnding(verdict), "a handshake right after says that all is well")
    must(verdict.epoch === verdicts[0].epoch, "both sides are in the session that was settled on")
  }
}

/** A hello of `who` arrives that `who` has given up; nobody will confirm the end of anything on it. */
const arriveLate = (world: World, who: Which, count: number): void => {
  const [late] = world.late[who].splice(count % Math.max(1, world.late[who].length), 1)
  if (late === undefined) return
  const { past, process, statement } = late
  lose(world)
  const mine = statementOf(world.sides[other(who)])
  const verdict = Session.settle(mine, statement)
  if (!Session.isEnding(verdict) && !Session.isEnding(Session.settle(statement, mine))) {
    // What is no longer so may be taken down, where nothing is on record yet; the next handshake tells.
    if (past !== world.sides[who].past) world.disturbed = true
    apply(world, other(who), verdict, { statement, process })
  }
  lose(world)
}

const replaceStore = (world: World, who: Which, store: Store): void => {
  // While somebody puts a copy back, the other side has long written what it had settled.
  const them = world.sides[other(who)]
  if (them.known) commit(them, false)
  world.disturbed = true
  world.sides[who].store = store
  world.sides[who].past += 1
  crash(world, who)
}

const giveUp = (world: World, who: Which): void => {
  lose(world)
  const side = world.sides[who]
  const givenUp = new Set([...side.store.givenUp, ...side.store.pending.keys()])
  side.window = SendWindow.abandon(side.window)
  commit(side, false, { pending: new Map(), givenUp })
}

const step = (world: World, { count, what, who }: Op): void => {
  const side = world.sides[who]
  switch (what) {
    case "append":
      return append(world, who, 1 + (count % 4))
    case "transmit":
      return transmit(world, who, count)
    case "arrive":
      return arrive(world, who, count)
    case "connect":
      return connect(world, who, count)
    case "talk":
      return talk(world, count)
    case "late":
      return arriveLate(world, who, count)
    case "lose":
      return lose(world)
    case "crash":
      return crash(world, who)
    case "tidy":
      return side.known ? commit(side, world.open) : undefined
    case "giveUp":
      return giveUp(world, who)
    case "copy":
      return void side.copies.push(side.store)
    case "restore": {
      // Copies that are newer than the one put back belong to a time that never was, and may be put back all the same.
      const copy = side.copies[count % Math.max(1, side.copies.length)]
      return copy === undefined ? undefined : replaceStore(world, who, copy)
    }
    case "wipe":
      world.lives += 1
      side.copies = []
      return replaceStore(world, who, emptyStore(`life ${world.lives}`))
  }
}

/** The two connect and say everything that they have to say, and something more. */
const talk = (world: World, count: number): void => {
  connect(world, 0, 7)
  for (let round = 0; round < 3; round += 1) {
    for (const who of [0, 1] as const) {
      if (round === 0) append(world, who, (count >> (2 * who)) % 4)
      transmit(world, who, Infinity)
      arrive(world, other(who), Infinity)
    }
  }
}

/** With a network that works for long enough, everything that is not given up arrives. */
const finish = (world: World): void => {
  talk(world, 0)
  for (const who of [0, 1] as const) {
    const {
      store: { given, givenUp },
      window
    } = world.sides[who]
    const { taken } = world.sides[other(who)].store
    must(SendWindow.pending(window) === 0, "everything is settled in the end")
    for (const [seq, id] of given) {
      if (!givenUp.has(seq)) must(taken.get(seq) === id, "everything has arrived in the end")
    }
  }
}

/** Runs a script; throws where a promise is broken. */
export const run = (script: ReadonlyArray<Op>): World["verdicts"] => {
  const world: World = {
    sides: [makeSide("A"), makeSide("B")],
    wires: [[], []],
    late: [[], []],
    open: false,
    disturbed: false,
    ids: 0,
    lives: 0,
    processes: 0,
    verdicts: { First: 0, Same: 0, Restarted: 0, RolledBack: 0 }
  }
  for (const op of script) step(world, op)
  finish(world)
  return world.verdicts
}

/** Scripts of the given things, the ordinary ones more often. */
export const script = (special: ReadonlyArray<Op["what"]>): FastCheck.Arbitrary<ReadonlyArray<Op>> => {
  const ordinary = ["append", "transmit", "arrive", "connect", "talk"] as const
  const what = FastCheck.oneof(
    { weight: 5, arbitrary: FastCheck.constantFrom<Op["what"]>(...ordinary) },
    { weight: 2, arbitrary: FastCheck.constantFrom<Op["what"]>(...special) }
  )
  const op = FastCheck.record({ what, who: FastCheck.constantFrom<Which>(0, 1), count: FastCheck.nat(15) })
  return FastCheck.array(op, { maxLength: 60, size: "max" })
}
