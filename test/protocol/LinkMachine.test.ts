import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Backoff from "../../src/protocol/Backoff.ts"
import type { ChannelName, Hello } from "../../src/protocol/Handshake.ts"
import * as FailurePattern from "../../src/protocol/FailurePattern.ts"
import * as LinkMachine from "../../src/protocol/LinkMachine.ts"
import * as Rate from "../../src/protocol/Rate.ts"
import { holds } from "../support/longProperty.ts"
import { must } from "../support/must.ts"
import type { Action, World } from "./LinkMachine.model.ts"
import { both, check, checkJoined, due, error, initial, mischief, perform } from "./LinkMachine.model.ts"

const backoff = { base: 500, cap: 10_000 }
const slowBackoff = { base: 500, cap: 30_000 }
const dialRate = Rate.perMinute(4)
const settingsFor = (wins: boolean): LinkMachine.Settings => ({
  process: "us",
  wins,
  backoff,
  slowBackoff,
  dialRate,
  paced: error,
  superseded: error
})
const failure = { error, code: "ECONNREFUSED" }

const hello = (process: string, dial: number, after?: ChannelName): Hello => ({
  _tag: "handshake",
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
    process,
    dial,
    after,
    limits: undefined
  }
})
const baseHello: Hello = { _tag: "handshake", incarnationId: "i", extensions: undefined }

/** Feeds events made from the state that they meet; gives the state, and the commands of the last one. */
const after = (
  wins: boolean,
  ...events: ReadonlyArray<LinkMachine.Event | ((token: number) => LinkMachine.Event)>
): LinkMachine.Step => {
  let step: LinkMachine.Step = [LinkMachine.initial, []]
  for (const event of events) {
    const [state] = step
    const token = "token" in state.phase ? state.phase.token : 0
    step = LinkMachine.step(settingsFor(wins), state, typeof event === "function" ? event(token) : event, {
      now: 7,
      monotonic: 7,
      random: 0.5
    })
  }
  return step
}

const wanted = { _tag: "Wanted" } as const
const urged = { _tag: "Urged" } as const
const woken = { _tag: "Woken" } as const
const close = { _tag: "Close", error } as const
const reopen = { _tag: "Reopen" } as const
const dialed = (token: number) => ({ _tag: "Dialed", token }) as const
const established = (hello: Hello) => (token: number) => ({ _tag: "Established", token, hello }) as const
const failed = (token: number) => ({ _tag: "Failed", token, hopeless: false, undialed: false, ...failure }) as const
const hopeless = (token: number) => ({ _tag: "Failed", token, hopeless: true, undialed: true, ...failure }) as const
const undialed = (token: number) => ({ _tag: "Failed", token, hopeless: false, undialed: true, ...failure }) as const
const ended = (token: number) => ({ _tag: "Ended", token, idle: false, ...failure }) as const
const endedIdle = (token: number) => ({ _tag: "Ended", token, idle: true, ...failure }) as const
const heard = (token: number) => ({ _tag: "Heard", token }) as const
const passed = (token: number) => ({ _tag: "Due", token }) as const
const hailed = (hello: Hello) => ({ _tag: "Hailed", incoming: 9, hello }) as const

const tagsOf = ([, commands]: LinkMachine.Step): ReadonlyArray<string> => commands.map(({ _tag }) => _tag)
const phaseOf = ([{ phase }]: LinkMachine.Step) => phase._tag
const waitOf = ([, commands]: LinkMachine.Step) =>
  commands.reduce((millis, command) => (command._tag === "Wait" ? command.millis : millis), 0)
const theirs = hello("them", 1)
const open = [wanted, dialed, established(theirs)] as const

describe("LinkMachine", () => {
  it("dials when somebody wants a channel, greets, and puts the channel into service", () => {
    assert.deepStrictEqual(after(true, wanted)[1], [{ _tag: "Dial", token: 1 }])
    assert.deepStrictEqual(after(true, wanted, dialed)[1], [{ _tag: "Greet", token: 1, dial: 1, after: undefined }])
    const [state, commands] = after(true, ...open)
    assert.deepStrictEqual(commands, [{ _tag: "Install", token: 1 }])
    assert.deepStrictEqual(state.phase, { _tag: "Open", token: 1, name: { process: "us", dial: 1 }, since: 7 })
    assert.deepStrictEqual(state.established, { process: "us", dial: 1 })
  })

  it("waits longer after each failure, and dials again", () => {
    const once = after(true, wanted, failed)
    assert.deepStrictEqual(once[1], [{ _tag: "Wait", token: 2, millis: 250 }])
    assert.deepStrictEqual(once[0].phase, { _tag: "BackingOff", token: 2, retryAt: 257, error })
    assert.deepStrictEqual(after(true, wanted, failed, passed)[1], [{ _tag: "Dial", token: 3 }])
    const twice = after(true, wanted, failed, passed, failed)
    assert.deepStrictEqual(twice[1], [{ _tag: "Wait", token: 4, millis: 500 }])
    assert.strictEqual(LinkMachine.attemptOf(twice[0]), 3)
  })

  it("starts the waits anew with the first frame, not with the channel", () => {
    const twice = [wanted, failed, passed, failed, passed, dialed, established(theirs)] as const
    assert.deepStrictEqual(after(true, ...twice, ended)[1].at(-1), { _tag: "Wait", token: 6, millis: 1000 })
    assert.deepStrictEqual(after(true, ...twice, heard, ended)[1].at(-1), { _tag: "Wait", token: 6, millis: 250 })
  })

  it("dials a lost channel again, and rests after one that was idle or cannot be reached", () => {
    assert.deepStrictEqual(tagsOf(after(true, ...open, ended)), ["Retire", "Wait"])
    assert.deepStrictEqual(tagsOf(after(true, ...open, endedIdle)), ["Retire"])
    assert.strictEqual(phaseOf(after(true, ...open, endedIdle)), "Idle")
    assert.deepStrictEqual(tagsOf(after(true, wanted, hopeless)), [])
    assert.strictEqual(phaseOf(after(true, wanted, hopeless)), "Idle")
    assert.deepStrictEqual(tagsOf(after(true, wanted, hopeless, wanted)), ["Dial"])
  })

  it("ends a wait, and the history of failures with it, when urged", () => {
    const step = after(true, wanted, failed, passed, failed, urged)
    assert.deepStrictEqual(step[1], [
      { _tag: "Cancel", token: 4 },
      { _tag: "Dial", token: 5 }
    ])
    assert.strictEqual(step[0].failures, 0)
    for (const events of [[], [wanted], [wanted, dialed], [...open], [close]] as const) {
      assert.deepStrictEqual(tagsOf(after(true, ...events, urged)), [])
    }
  })

  it("dials when urged what is wanted and could not be dialed, and not what was never wanted", () => {
    assert.deepStrictEqual(tagsOf(after(true, wanted, hopeless, urged)), ["Dial"])
    assert.deepStrictEqual(tagsOf(after(true, wanted, hopeless, woken)), ["Dial"])
    assert.deepStrictEqual(tagsOf(after(true, hailed(theirs), hopeless, urged)), [])
  })

  it("waits for its turn when the peer was dialed too often, and does not count what was not dialed", () => {
    const rests = [wanted, dialed, established(theirs), endedIdle] as const
    const often = [...rests, ...rests, ...rests, ...rests] as const
    const step = after(true, ...often, wanted)
    assert.deepStrictEqual(step[1], [{ _tag: "Wait", token: 5, millis: 15_000 }])
    assert.deepStrictEqual(tagsOf(after(true, ...often, wanted, passed)), ["Dial"])
    assert.deepStrictEqual(tagsOf(after(true, ...often, wanted, urged)), ["Cancel", "Dial"])
    const inVain = [wanted, undialed, passed, undialed, passed, undialed, passed, undialed, passed, undialed] as const
    assert.strictEqual(after(true, ...inVain)[0].dialed.level, 0)
  })

  it("waits for longer for a peer that is unreachable in the same way again and again, until somebody has something to say", () => {
    const failures = [wanted, ...Array.from({ length: 8 }, () => [failed, passed] as const).flat(), failed] as const
    const [state] = after(true, ...failures)
    assert.isTrue(FailurePattern.isPermanent(state.pattern))
    assert.isAbove(waitOf(after(true, ...failures)), backoff.cap / 2)
    const eased = after(true, ...failures, wanted)
    assert.deepStrictEqual(tagsOf(eased), ["Cancel", "Wait"])
    assert.isFalse(FailurePattern.isPermanent(eased[0].pattern))
    assert.deepStrictEqual(tagsOf(after(true, ...failures, woken)), ["Cancel", "Dial"])
  })

  it("does not dial because a peer made contact, and failed on it", () => {
    assert.deepStrictEqual(after(true, hailed(theirs))[1], [{ _tag: "Answer", token: 1, incoming: 9 }])
    assert.strictEqual(phaseOf(after(true, hailed(theirs), failed)), "Idle")
  })

  it("does not forget who wants a channel while it answers a peer that then fails", () => {
    const step = after(true, hailed(theirs), wanted, failed)
    assert.strictEqual(phaseOf(step), "BackingOff")
    assert.deepStrictEqual(tagsOf(step), ["Wait"])
  })

  it("closes for good, whatever it was doing", () => {
    for (const [events, commands] of [
      [[], []],
      [[wanted], ["Cancel"]],
      [[wanted, dialed], ["Cancel"]],
      [[hailed(theirs)], ["Cancel"]],
      [[...open], ["Retire"]],
      [[wanted, failed], ["Cancel"]],
      [[close], []]
    ] as const) {
      const step = after(true, ...events, close)
      assert.strictEqual(phaseOf(step), "Closed")
      assert.deepStrictEqual(tagsOf(step), commands)
      assert.deepStrictEqual(tagsOf(after(true, ...events, close, wanted)), [])
      assert.deepStrictEqual(tagsOf(after(true, ...events, close, hailed(theirs))), ["Refuse"])
      assert.deepStrictEqual(tagsOf(after(true, ...events, close, reopen)), ["Dial"])
    }
    assert.deepStrictEqual(after(true, ...open, close)[1], [{ _tag: "Retire", token: 1, error, clean: true }])
  })

  it("prefers the winner's dial when both have said hello, and the peer's as long as it has not", () => {
    assert.deepStrictEqual(tagsOf(after(true, wanted, dialed, hailed(theirs))), ["Refuse"])
    assert.deepStrictEqual(tagsOf(after(false, wanted, dialed, hailed(theirs))), ["Cancel", "Answer"])
    for (const wins of [true, false]) {
      assert.deepStrictEqual(tagsOf(after(wins, wanted, hailed(theirs))), ["Cancel", "Answer"])
      assert.deepStrictEqual(tagsOf(after(wins, wanted, failed, hailed(theirs))), ["Cancel", "Answer"])
    }
  })

  it("takes a newer dial of the same process, and not an older one", () => {
    const second = [hailed(hello("them", 2)), established(hello("them", 2))] as const
    assert.deepStrictEqual(tagsOf(after(true, ...second, hailed(hello("them", 3)))), ["Retire", "Answer"])
    assert.deepStrictEqual(tagsOf(after(true, ...second, hailed(hello("them", 2)))), ["Refuse"])
    assert.deepStrictEqual(tagsOf(after(true, ...second, hailed(hello("them", 1)))), ["Refuse"])
    assert.deepStrictEqual(tagsOf(after(true, ...second, hailed(hello("reborn", 1)))), ["Retire", "Answer"])
    assert.deepStrictEqual(tagsOf(after(true, hailed(hello("them", 2)), hailed(hello("them", 3)))), [
      "Cancel",
      "Answer"
    ])
    assert.deepStrictEqual(tagsOf(after(true, hailed(hello("them", 2)), hailed(hello("them", 1)))), ["Refuse"])
  })

  it("takes the place of its own channel only for a peer that knows it, or has been born anew", () => {
    const ours = { process: "us", dial: 1 }
    assert.deepStrictEqual(tagsOf(after(true, ...open, hailed(hello("them", 2, ours)))), ["Retire", "Answer"])
    assert.deepStrictEqual(tagsOf(after(true, ...open, hailed(hello("them", 2)))), ["Refuse"])
    assert.deepStrictEqual(tagsOf(after(true, ...open, hailed(hello("them", 2, { ...ours, dial: 2 })))), ["Refuse"])
    assert.deepStrictEqual(tagsOf(after(true, ...open, hailed(hello("reborn", 1)))), ["Retire", "Answer"])
  })

  it("takes a newer channel of a peer of the base profile", () => {
    assert.deepStrictEqual(tagsOf(after(true, hailed(baseHello), established(baseHello), hailed(baseHello))), [
      "Retire",
      "Answer"
    ])
    assert.deepStrictEqual(tagsOf(after(true, wanted, dialed, established(baseHello), hailed(baseHello))), [
      "Retire",
      "Answer"
    ])
    assert.deepStrictEqual(after(true, hailed(baseHello), established(baseHello))[0].phase, {
      _tag: "Open",
      token: 1,
      name: undefined,
      since: 7
    })
  })

  it("does not dial a peer that nobody has to do with any more, when its own attempt fails", () => {
    const attempt = [wanted, dialed, established(theirs), ended, hailed(hello("reborn", 1))] as const
    assert.strictEqual(phaseOf(after(true, ...attempt, failed)), "BackingOff")
    const step = after(true, ...attempt, { _tag: "Released" }, failed)
    assert.strictEqual(phaseOf(step), "Idle")
    assert.deepStrictEqual(tagsOf(step), [])
  })

  describe("after any events", () => {
    const whats = [
      "Wanted",
      "Urged",
      "Woken",
      "Close",
      "Reopen",
      "Released",
      "Hailed",
      "Hailed",
      "Next",
      "Next",
      "Next",
      "Failed",
      "Ended",
      "Stale",
      "Stale"
    ] as const
    const act = FastCheck.record({ what: FastCheck.constantFrom(...whats), pick: FastCheck.nat(30) })
    type Act = typeof act extends FastCheck.Arbitrary<infer A> ? A : never

    /** What a shell can say of what is under way, of one that is not, or of nothing. */
    const eventOf = ({ pick, what }: Act, { phase, tokens }: LinkMachine.State): LinkMachine.Event | undefined => {
      const current = "token" in phase ? phase.token : 0
      const said =
        pick % 5 === 0
          ? baseHello
          : hello(
              pick % 2 === 0 ? "them" : "reborn",
              pick % 4,
              pick % 3 === 0 ? { process: "us", dial: pick % 4 } : undefined
            )
      switch (what) {
        case "Wanted":
        case "Urged":
        case "Woken":
        case "Reopen":
        case "Released":
          return { _tag: what }
        case "Close":
          return close
        case "Hailed":
          return { _tag: "Hailed", incoming: pick, hello: said }
        case "Failed":
          if (!["Dialing", "Greeting", "Answering"].includes(phase._tag)) return undefined
          return [hopeless, undialed, failed, failed][pick % 4]?.(current)
        case "Ended":
          if (phase._tag !== "Open") return undefined
          return pick % 4 === 0 ? endedIdle(current) : ended(current)
        case "Next":
          if (phase._tag === "Dialing") return dialed(current)
          if (phase._tag === "Greeting" || phase._tag === "Answering") return established(said)(current)
          if (phase._tag === "Open") return heard(current)
          return phase._tag === "BackingOff" ? passed(current) : undefined
        case "Stale": {
          const token = current + 1 + (pick % (tokens + 3))
          const stale = token > tokens + 2 ? token - tokens - 3 : token
          if (stale === current) return undefined
          return [dialed, established(said), failed, hopeless, ended, endedIdle, heard, passed][pick % 8]?.(stale)
        }
      }
    }

    it.prop(
      "keeps its promises",
      [FastCheck.array(act, { maxLength: 60, size: "max" }), FastCheck.boolean()],
      ([acts, wins]) => {
        const settings = settingsFor(wins)
        let state = LinkMachine.initial
        let installed: number | undefined
        let monotonic = 0
        let asked = false
        for (const act of acts) {
          const event = eventOf(act, state)
          if (event === undefined) continue
          monotonic += 200 * act.pick
          const moment = { now: 1000 + act.pick, monotonic, random: act.pick / 31 }
          const before = state
          const old = "token" in before.phase ? before.phase.token : undefined
          const [next, commands] = LinkMachine.step(settings, before, event, moment)
          state = next
          const token = "token" in next.phase ? next.phase.token : undefined
          if (act.what === "Stale") {
            must(next === before, "what is stale changes nothing")
            must(commands.length === 0, "what is stale commands nothing")
            continue
          }
          must(next.tokens >= before.tokens, "tokens only grow")
          for (const command of commands) {
            switch (command._tag) {
              case "Dial": {
                const from: Partial<Record<LinkMachine.Event["_tag"], ReadonlyArray<string>>> = {
                  Wanted: ["Idle"],
                  Urged: ["BackingOff", "Idle"],
                  Woken: ["BackingOff", "Idle"],
                  Due: ["BackingOff"],
                  Reopen: ["Closed", "Idle", "BackingOff"]
                }
                assert.include(from[event._tag] ?? [], before.phase._tag)
                assert.isTrue(command.token === token && command.token > before.tokens && next.dials > before.dials)
                break
              }
              case "Answer":
                assert.isTrue(event._tag === "Hailed" && event.incoming === command.incoming)
                must(command.token === token && command.token > before.tokens, "what begins has a new token")
                break
              case "Wait":
                must(command.token === token && command.token > before.tokens, "what begins has a new token")
                assert.isAtMost(
                  command.millis,
                  Math.max(
                    Backoff.ceiling(FailurePattern.isPermanent(next.pattern) ? slowBackoff : backoff, next.failures),
                    Rate.wait(dialRate, next.dialed, monotonic)
                  )
                )
                assert.isTrue(next.phase._tag === "BackingOff" && next.phase.retryAt === moment.now + command.millis)
                break
              case "Greet":
                must(command.token === token && command.token === old, "what goes on keeps its token")
                break
              case "Install":
                assert.isUndefined(installed, "one channel is retired before the next is installed")
                must(command.token === token && command.token === old, "what goes on keeps its token")
                installed = command.token
                break
              case "Retire":
                assert.strictEqual(command.token, installed, "what is retired was installed")
                installed = undefined
                break
              case "Cancel":
                assert.strictEqual(command.token, old)
                assert.notStrictEqual(command.token, installed)
                break
              case "Refuse":
                assert.isTrue(event._tag === "Hailed" && event.incoming === command.incoming)
                assert.strictEqual(next, before, "who refuses does nothing else")
            }
          }
          must(installed === (next.phase._tag === "Open" ? next.phase.token : undefined), "what is installed is open")
          if (event._tag === "Hailed") {
            assert.lengthOf(
              commands.filter(({ _tag }) => _tag === "Answer" || _tag === "Refuse"),
              1
            )
          }
          if (before.phase._tag === "Closed") {
            assert.strictEqual(next.phase._tag === "Closed", event._tag !== "Reopen")
            if (event._tag === "Hailed") assert.strictEqual(commands[0]?._tag, "Refuse")
          }
          const isOver = "token" in event && event.token === old
          if (old !== undefined && old !== token && !isOver) {
            const stopped = commands.some((it) => (it._tag === "Cancel" || it._tag === "Retire") && it.token === old)
            must(stopped, "what is under way is stopped before something else begins")
          }
          if (event._tag === "Wanted") asked = asked || before.phase._tag !== "Closed"
          if (
            event._tag === "Close" ||
            (event._tag === "Failed" && event.hopeless) ||
            (event._tag === "Ended" && event.idle)
          )
            asked = false
          if (event._tag === "Released") asked = false
          must(!asked || next.phase._tag !== "Idle", "who is wanted does not rest")
        }
      },
      { fastCheck: { numRuns: 10_000 }, timeout: 120_000 }
    )
  })

  describe("against another one", () => {
    const wantBoth = both.reduce<World>((world, who) => perform(world, { _tag: "Ask", who, event: "Wanted" }), initial)

    it("ends with one channel and loses none, in every order of things when both dial at once", () => {
      const seen = new Set<string>()
      let ends = 0
      const explore = (world: World, depth: number): void => {
        const key = JSON.stringify(world)
        if (seen.has(key)) return
        seen.add(key)
        check(world)
        assert.strictEqual(world.retired, 0, "no channel that was in service is lost")
        assert.isBelow(depth, 40, "it comes to an end")
        const all = due(world)
        // Nobody is so quick that it dials a fourth time while there is still something on its way of the first three.
        const first = all.filter((action) => action._tag !== "Due" || world.sides[action.who].state.dials < 4)
        const actions = first.length > 0 ? first : all
        if (actions.length === 0) {
          ends += 1
          return checkJoined(world)
        }
        for (const action of actions) explore(perform(world, action), depth + 1)
      }
      explore(wantBoth, 0)
      assert.isAbove(seen.size, 150)
      assert.isAbove(ends, 1)
    })

    /** Whether something that is due happens, or something that nobody wants; and which. */
    const choice = FastCheck.record({ bad: FastCheck.boolean(), pick: FastCheck.nat(1000) })
    const choices = FastCheck.array(choice, { maxLength: 60, size: "max" })

    const pickFrom = (actions: ReadonlyArray<Action>, pick: number): Action | undefined =>
      actions[pick % actions.length]

    it(
      "ends with one channel, the same on both sides, once the network works and both want it, whatever happened before",
      { timeout: 300_000 },
      () =>
        holds(FastCheck.tuple(choices, FastCheck.infiniteStream(FastCheck.nat(1000))), ([choices, picks]) => {
          let world = initial
          for (const { bad, pick } of choices) {
            const action = pickFrom(bad ? mischief(world) : due(world), pick)
            if (action === undefined) continue
            world = perform(world, action)
            check(world)
          }
          for (const who of both) {
            const event = world.sides[who].state.phase._tag === "Closed" ? "Reopen" : "Wanted"
            world = perform(world, { _tag: "Ask", who, event })
          }
          let steps = 0
          for (const pick of picks) {
            const action = pickFrom(due(world), pick)
            if (action === undefined) break
            world = perform(world, action)
            check(world)
            steps += 1
            must(steps < 500, "it comes to an end")
          }
          checkJoined(world)
        })
    )
  })
})
