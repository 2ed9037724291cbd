import { assert } from "@effect/vitest"
import { NoAddressError } from "../../src/errors/ConnectionError.ts"
import type { ChannelName, Hello } from "../../src/protocol/Handshake.ts"
import * as LinkMachine from "../../src/protocol/LinkMachine.ts"
import * as Rate from "../../src/protocol/Rate.ts"
import { must } from "../support/must.ts"

export type Which = 0 | 1

/** What an end of a channel is to the link that it belongs to. */
type End = "unknown" | "greeting" | "answering" | "answered" | "open" | "closed"

/** A channel that was dialed, with everything that is on its way on it. */
interface Channel {
  readonly dialer: Which
  readonly name: ChannelName
  readonly after: ChannelName | undefined
  readonly ends: readonly [End, End]
  readonly tokens: readonly [number, number]
  readonly hello: boolean
  readonly ack: boolean
  /** Whether each side is still to learn that the channel is no more. */
  readonly news: readonly [boolean, boolean]
}

interface Side {
  readonly process: string
  readonly state: LinkMachine.State
  /** The tokens of dials, and of waits, that are under way. */
  readonly dials: ReadonlyArray<number>
  readonly waits: ReadonlyArray<number>
}

/** Two links to each other, and what is between them. Side 0 wins when both dial. */
export interface World {
  readonly sides: readonly [Side, Side]
  readonly channels: ReadonlyArray<Channel>
  /** How many channels were taken out of service, on either side. */
  readonly retired: number
  readonly processes: number
}

/** Something that can happen next. */
export type Action =
  | { readonly _tag: "Ask"; readonly who: Which; readonly event: "Wanted" | "Urged" | "Woken" | "Close" | "Reopen" }
  | { readonly _tag: "Connects" | "Refused" | "NoRoom" | "Due"; readonly who: Which; readonly token: number }
  | { readonly _tag: "Hello" | "Answers" | "Ack" | "Answered" | "Cut"; readonly channel: number }
  | { readonly _tag: "News" | "TimesOut"; readonly channel: number; readonly who: Which }
  | { readonly _tag: "Restart"; readonly who: Which }

export const error = new NoAddressError({ peerId: "peer" })
export const both = [0, 1] as const
export const other = (who: Which): Which => (who === 0 ? 1 : 0)

/** No time passes, so that the dials that may be made at once are soon used up, and the others wait. */
const moment = { now: 0, monotonic: 0, random: 0.5 }
const dialRate = Rate.perMinute(3)

const settingsOf = ({ process }: Side, who: Which): LinkMachine.Settings => ({
  process,
  wins: who === 0,
  backoff: { base: 500, cap: 10_000 },
  slowBackoff: { base: 500, cap: 30_000 },
  dialRate,
  paced: error,
  superseded: error
})

const set = <A>(pair: readonly [A, A], who: Which, value: A): readonly [A, A] =>
  who === 0 ? [value, pair[1]] : [pair[0], value]

const makeSide = (process: string): Side => ({ process, state: LinkMachine.initial, dials: [], waits: [] })

export const initial: World = { sides: [makeSide("a"), makeSide("b")], channels: [], retired: 0, processes: 0 }

const withSide = (world: World, who: Which, change: Partial<Side>): World => ({
  ...world,
  sides: set(world.sides, who, { ...world.sides[who], ...change })
})

const withChannel = (world: World, id: number, change: Partial<Channel>): World => ({
  ...world,
  channels: world.channels.map((channel, index) => (index === id ? { ...channel, ...change } : channel))
})

/** `who` is done with the channel; the other side learns of it some time. */
const closeEnd = (world: World, id: number, who: Which): World => {
  const channel = world.channels[id]
  if (channel === undefined || channel.ends[who] === "closed") return world
  const isNews = channel.ends[other(who)] !== "closed"
  const news = set(set(channel.news, other(who), isNews), who, false)
  return withChannel(world, id, { ends: set(channel.ends, who, "closed"), news })
}

const owned = (world: World, who: Which, token: number): number =>
  world.channels.findIndex(
    ({ ends, tokens }) => tokens[who] === token && ends[who] !== "closed" && ends[who] !== "unknown"
  )

const setEnd = (world: World, who: Which, token: number, end: End): World => {
  const id = owned(world, who, token)
  const channel = world.channels[id]
  must(channel !== undefined, "what is commanded is there")
  return withChannel(world, id, { ends: set(channel.ends, who, end) })
}

const withdraw = (world: World, who: Which, token: number): World => {
  const { dials, waits } = world.sides[who]
  const stopped = withSide(world, who, {
    dials: dials.filter((it) => it !== token),
    waits: waits.filter((it) => it !== token)
  })
  return closeEnd(stopped, owned(world, who, token), who)
}

const carryOut = (world: World, who: Which, command: LinkMachine.Command): World => {
  const side = world.sides[who]
  switch (command._tag) {
    case "Dial":
      return withSide(world, who, { dials: [...side.dials, command.token] })
    case "Wait":
      return withSide(world, who, { waits: [...side.waits, command.token] })
    case "Greet": {
      const channel: Channel = {
        dialer: who,
        name: { process: side.process, dial: command.dial },
        after: command.after,
        ends: set<End>(["unknown", "unknown"], who, "greeting"),
        tokens: set([0, 0], who, command.token),
        hello: true,
        ack: false,
        news: [false, false]
      }
      return { ...world, channels: [...world.channels, channel] }
    }
    case "Answer": {
      const channel = world.channels[command.incoming]
      if (channel === undefined) return assert.fail("no such channel")
      return withChannel(world, command.incoming, {
        ends: set(channel.ends, who, "answering"),
        tokens: set(channel.tokens, who, command.token)
      })
    }
    case "Refuse":
      return closeEnd(world, command.incoming, who)
    case "Cancel":
      return withdraw(world, who, command.token)
    case "Install":
      return setEnd(world, who, command.token, "open")
    case "Retire":
      return { ...withdraw(world, who, command.token), retired: world.retired + 1 }
  }
}

const feed = (world: World, who: Which, event: LinkMachine.Event): World => {
  const side = world.sides[who]
  const [state, commands] = LinkMachine.step(settingsOf(side, who), side.state, event, moment)
  return commands.reduce((world, command) => carryOut(world, who, command), withSide(world, who, { state }))
}

const failure = { error, code: "x" }

/** Whatever `who` has on that channel fails or ends. */
const endAt = (world: World, id: number, who: Which): World => {
  const channel = world.channels[id]
  if (channel === undefined) return world
  const end = channel.ends[who]
  const token = channel.tokens[who]
  const closed = closeEnd(withChannel(world, id, { news: set(channel.news, who, false) }), id, who)
  // A hello that was not heard before its channel was gone never is.
  if (end === "unknown") return withChannel(closed, id, { hello: false })
  if (end === "closed") return closed
  return end === "open"
    ? feed(withChannel(world, id, { news: set(channel.news, who, false) }), who, {
        _tag: "Ended",
        token,
        idle: false,
        ...failure
      })
    : feed(closed, who, { _tag: "Failed", token, hopeless: false, undialed: false, ...failure })
}

const helloOf = (world: World, tag: Hello["_tag"], { after, name }: Channel, speaker: Which): Hello => ({
  _tag: tag,
  incarnationId: "i",
  extensions: {
    statement: {
      incarnationId: "i",
      peerIncarnationId: undefined,
      epoch: 0,
      received: 0,
      sent: 0,
      acknowledged: 0,
      base: 1,
      next: 1,
      senders: [],
      receivedFrom: undefined
    },
    process: tag === "handshake" ? name.process : world.sides[speaker].process,
    dial: name.dial,
    after: tag === "handshake" ? after : undefined,
    limits: undefined
  }
})

const onChannel = (world: World, tag: "Hello" | "Answers" | "Ack" | "Answered" | "Cut", id: number): World => {
  const channel = world.channels[id]
  if (channel === undefined) return world
  const { dialer, ends, tokens } = channel
  const answerer = other(dialer)
  switch (tag) {
    case "Hello":
      return feed(withChannel(world, id, { hello: false }), answerer, {
        _tag: "Hailed",
        incoming: id,
        hello: helloOf(world, "handshake", channel, dialer)
      })
    case "Answers":
      return withChannel(world, id, { ends: set(ends, answerer, "answered"), ack: true })
    case "Answered":
      return feed(world, answerer, {
        _tag: "Established",
        token: tokens[answerer],
        hello: helloOf(world, "handshake", channel, dialer)
      })
    case "Ack": {
      const heard = withChannel(world, id, { ack: false })
      if (ends[dialer] !== "greeting") return heard
      return feed(heard, dialer, {
        _tag: "Established",
        token: tokens[dialer],
        hello: helloOf(world, "handshakeAck", channel, answerer)
      })
    }
    case "Cut":
      return withChannel(world, id, { news: [ends[0] !== "closed", ends[1] !== "closed"] })
  }
}

const restart = (world: World, who: Which): World => {
  const processes = world.processes + 1
  const left = world.channels.reduce(
    (world, { dialer, ends }, id) => (ends[who] === "unknown" && dialer !== who ? world : closeEnd(world, id, who)),
    world
  )
  return { ...withSide(left, who, makeSide(`${who === 0 ? "a" : "b"}${processes}`)), processes }
}

export const perform = (world: World, action: Action): World => {
  switch (action._tag) {
    case "Ask":
      return feed(world, action.who, action.event === "Close" ? { _tag: "Close", error } : { _tag: action.event })
    case "Connects":
    case "Refused":
    case "NoRoom":
    case "Due": {
      const { _tag, token, who } = action
      const { dials, waits } = world.sides[who]
      const done = withSide(world, who, {
        dials: dials.filter((it) => it !== token),
        waits: waits.filter((it) => it !== token)
      })
      if (_tag === "Refused" || _tag === "NoRoom") {
        return feed(done, who, { _tag: "Failed", token, hopeless: false, undialed: _tag === "NoRoom", ...failure })
      }
      return feed(done, who, { _tag: _tag === "Due" ? "Due" : "Dialed", token })
    }
    case "Hello":
    case "Answers":
    case "Ack":
    case "Answered":
    case "Cut":
      return onChannel(world, action._tag, action.channel)
    case "News":
    case "TimesOut":
      return endAt(world, action.channel, action.who)
    case "Restart":
      return restart(world, action.who)
  }
}

/** What can happen next on a network that works. */
export const due = ({ channels, sides }: World): ReadonlyArray<Action> => [
  ...both.flatMap((who): ReadonlyArray<Action> => [
    ...sides[who].dials.map((token) => ({ _tag: "Connects", who, token }) as const),
    ...sides[who].waits.map((token) => ({ _tag: "Due", who, token }) as const)
  ]),
  ...channels.flatMap(({ ack, dialer, ends, hello, news }, channel): ReadonlyArray<Action> => [
    ...(hello ? [{ _tag: "Hello", channel } as const] : []),
    ...(ack ? [{ _tag: "Ack", channel } as const] : []),
    ...(ends[other(dialer)] === "answering" ? [{ _tag: "Answers", channel } as const] : []),
    ...(ends[other(dialer)] === "answered" ? [{ _tag: "Answered", channel } as const] : []),
    ...both.filter((who) => news[who]).map((who) => ({ _tag: "News", channel, who }) as const)
  ])
]

/** What else can happen on a network, and between people, as they are. */
export const mischief = ({ channels, sides }: World): ReadonlyArray<Action> => [
  ...both.flatMap((who): ReadonlyArray<Action> => [
    ...(["Wanted", "Wanted", "Urged", "Woken", "Close", "Reopen", "Reopen"] as const).map(
      (event) => ({ _tag: "Ask", who, event }) as const
    ),
    { _tag: "Restart", who },
    ...sides[who].dials.flatMap((token): ReadonlyArray<Action> => [
      { _tag: "Refused", who, token },
      { _tag: "NoRoom", who, token }
    ])
  ]),
  ...channels.flatMap(({ ends }, channel): ReadonlyArray<Action> => [
    ...(ends.includes("open") ? [{ _tag: "Cut", channel } as const] : []),
    ...both.flatMap((who) =>
      ends[who] === "greeting" || ends[who] === "answering" || ends[who] === "answered"
        ? [{ _tag: "TimesOut", channel, who } as const]
        : []
    )
  ])
]

/** What holds at any moment. */
export const check = ({ channels, sides }: World): void => {
  for (const who of both) {
    const { phase } = sides[who].state
    const open = channels.filter(({ ends }) => ends[who] === "open")
    must(open.length <= 1, "a link has at most one channel in service")
    must((open.length === 1) === (phase._tag === "Open"), "a channel is in service while the link is open")
    const busy = channels.filter(({ ends }) => ["greeting", "answering", "answered"].includes(ends[who]))
    must(busy.length === (phase._tag === "Greeting" || phase._tag === "Answering" ? 1 : 0), "one handshake at a time")
    must(sides[who].dials.length === (phase._tag === "Dialing" ? 1 : 0), "one dial at a time")
    must(sides[who].waits.length === (phase._tag === "BackingOff" ? 1 : 0), "one wait at a time")
  }
}

/** Both sides have the same channel in service, and each knows it by the same name. */
export const checkJoined = ({ channels, sides }: World): void => {
  const open = channels.filter(({ ends }) => ends[0] === "open" && ends[1] === "open")
  assert.lengthOf(open, 1, "both sides have the same channel in service")
  for (const {
    state: { phase }
  } of sides) {
    assert.isTrue(phase._tag === "Open")
    if (phase._tag === "Open") assert.deepStrictEqual(phase.name, open[0]?.name)
  }
}
