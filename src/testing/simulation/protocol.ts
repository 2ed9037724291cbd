import * as PeerIds from "../../protocol/PeerId.ts"
import * as Dices from "./dice.ts"
import type { Fault, FaultKind } from "./kinds.ts"
import type { Stored, Surroundings } from "./protocolSide.ts"
import { emptyStore, Side } from "./protocolSide.ts"
import type { End, Medium } from "./protocolWire.ts"
import { Wire } from "./protocolWire.ts"
import { draw } from "./script.ts"
import { Sleepers } from "./sleepers.ts"

/**
 * What came of a run of the pure state machines.
 *
 * @internal
 */
export interface ProtocolResult {
  readonly wrong: ReadonlyArray<string>
  readonly happened: ReadonlyMap<FaultKind, number>
  readonly messages: number
  readonly virtualTime: number
}

/**
 * The kinds of faults that there are in the model.
 *
 * @internal
 */
export const kinds = [
  "cut",
  "halfOpen",
  "asymmetric",
  "delay",
  "jitter",
  "refusedDial",
  "hangingDial",
  "simultaneousDial",
  "crash",
  "crashBoth",
  "rollback",
  "wipe",
  "giveUp",
  "close"
] as const satisfies ReadonlyArray<FaultKind>

type Kind = (typeof kinds)[number]

const isKind = (kind: FaultKind): kind is Kind => kinds.some((it) => it === kind)

const seconds = 60
const settleWithin = 120

const alice = PeerIds.PeerId.make("12D3KooWNW98jY6oC8EEaFFbYCc24HPRaNAJaEY7eiAvspiAgFak")
const bob = PeerIds.PeerId.make("12D3KooWFYVfnFKGTuL9KRfpGHyJXC48zqmwZnRLMiUcNGmGPA8E")

interface Accepted {
  readonly id: number
  readonly at: number
}

/** One run: two kernels of the model, and the world around them. */
class Run {
  readonly happened = new Map<FaultKind, number>()
  readonly sides: readonly [Side, Side]
  private readonly dice: Dices.Dice
  private readonly queue = new Sleepers()
  private readonly wires = new Set<Wire>()
  private readonly silent = new Map<End, number>()
  private readonly slow = new Map<End, { readonly latency: number; readonly jitter: number }>()
  private readonly doors = new Map<Side, "refuse" | "hang">()
  private readonly accepted: readonly [Array<Accepted>, Array<Accepted>] = [[], []]
  private readonly copies = new Map<Side, Stored>()
  private forgotten = -1
  private time = 0
  private ids = 0
  private lives = 0

  constructor(seed: number) {
    this.dice = Dices.make(seed, "protocol")
    const around: Surroundings = {
      now: () => this.time,
      random: this.dice.next,
      after: (millis, act) => this.at(this.time + millis, act),
      dial: (from, answer) => this.dial(from, answer),
      refuses: ({ id }) => id % 7 === 0
    }
    this.sides = [new Side("alice", bob, bob > alice, around), new Side("bob", alice, alice > bob, around)]
  }

  get now(): number {
    return this.time
  }

  get taken(): number {
    return this.sides[0].stored.taken.length + this.sides[1].stored.taken.length
  }

  at(time: number, act: () => void): void {
    this.queue.add({ at: time, wake: act })
  }

  /** Lets time pass until then. */
  runUntil(time: number): void {
    while (this.queue.next <= time) {
      this.time = Math.max(this.time, this.queue.next)
      this.queue.wakeUntil(this.time)
    }
    this.time = time
  }

  talk(which: 0 | 1): void {
    const say = () => {
      if (this.time >= seconds * 1000) return
      for (let count = this.dice.whole(1, 3); count > 0; count -= 1) this.say(which)
      this.at(this.time + this.dice.between(10, 4000), say)
    }
    this.at(this.dice.between(0, 2000), say)
  }

  say(which: 0 | 1): void {
    const side = this.sides[which]
    if (!side.up) return
    this.ids += 1
    this.accepted[which].push({ id: this.ids, at: this.time })
    side.deliver(this.ids)
  }

  /** All is well again. */
  calm(): void {
    this.silent.clear()
    this.slow.clear()
    this.doors.clear()
    for (const side of this.sides) {
      side.start()
      side.reopen()
    }
  }

  play(fault: Fault): void {
    const side = fault.kernel === "alice" ? this.sides[0] : this.sides[1]
    const other = side === this.sides[0] ? this.sides[1] : this.sides[0]
    const { kind } = fault
    if (!isKind(kind)) return
    this.happened.set(kind, (this.happened.get(kind) ?? 0) + 1)
    this.befall(kind, fault, side, other)
  }

  private befall(kind: Kind, fault: Fault, side: Side, other: Side): void {
    const later = (act: () => void) => this.at(this.time + fault.lasts, act)
    switch (kind) {
      case "cut":
        return this.cutAll()
      case "halfOpen":
        this.silence(side, fault.lasts)
        return this.silence(other, fault.lasts)
      case "asymmetric":
        return this.silence(side, fault.lasts)
      case "delay":
      case "jitter":
        this.slow.set(side, { latency: 800 * fault.strength, jitter: kind === "jitter" ? 800 : 0 })
        return later(() => void this.slow.delete(side))
      case "refusedDial":
      case "hangingDial":
        this.doors.set(side, kind === "refusedDial" ? "refuse" : "hang")
        this.cutAll()
        return later(() => void this.doors.delete(side))
      case "simultaneousDial":
        this.cutAll()
        side.reopen()
        return other.reopen()
      case "crash":
        return this.crash(side, fault.strength)
      case "crashBoth":
        this.crash(side, fault.strength)
        return this.crash(other, 1 - fault.strength)
      case "rollback":
        this.copies.set(side, side.stored)
        return later(() => this.replace(side, this.copies.get(side) ?? side.stored))
      case "wipe":
        this.lives += 1
        return this.replace(side, emptyStore(`${side.name} ${this.lives}`))
      case "giveUp":
        return side.up ? side.giveUp() : undefined
      case "close":
        if (side.up) side.close()
        return later(() => (side.up ? side.reopen() : undefined))
    }
  }

  private replace(side: Side, stored: Stored): void {
    side.kill()
    side.stored = stored
    this.forgotten = this.time
    this.at(this.time + 200, () => side.start())
  }

  private crash(side: Side, strength: number): void {
    side.kill()
    this.at(this.time + 3000 * strength, () => side.start())
  }

  private silence(side: Side, lasts: number): void {
    this.silent.set(side, this.time + lasts)
  }

  private cutAll(): void {
    for (const wire of this.wires) wire.cut()
    this.wires.clear()
  }

  private dial(from: Side, answer: (wire: Wire | undefined) => void): void {
    const to = from === this.sides[0] ? this.sides[1] : this.sides[0]
    const door = this.isSilent(from) || this.isSilent(to) ? "hang" : this.doors.get(to)
    this.at(this.time + (door === "hang" ? 10_000 : this.lag(from) + this.lag(to)), () => {
      if (door !== undefined || !to.up || !from.up) return answer(undefined)
      const wire = new Wire(from, to, this.medium)
      this.wires.add(wire)
      answer(wire)
    })
  }

  private readonly lag = (from: End): number => {
    const { jitter = 0, latency = 0 } = this.slow.get(from) ?? {}
    return 3 + latency + (jitter + 2) * this.dice.next()
  }

  private readonly isSilent = (from: End): boolean => (this.silent.get(from) ?? -1) > this.time

  private readonly medium: Medium = {
    now: () => this.time,
    at: (time, act) => this.at(time, act),
    lag: this.lag,
    isSilent: this.isSilent
  }

  /** What is wrong in the end, seen only by what was handed in, what was got, and what was told. */
  judge(): ReadonlyArray<string> {
    return ([0, 1] as const).flatMap((which) => {
      const [from, to] = which === 0 ? this.sides : [this.sides[1], this.sides[0]]
      const way = `${from.name} → ${to.name}`
      const wrong = from.misdeeds.map((it) => `${from.name} ${it}`)
      if (from.pending > 0) wrong.push(`${way} no outcome for ${from.pending} messages`)
      const mine = new Map(this.accepted[which].map(({ at, id }) => [id, at]))
      const got = to.stored.taken
      const once = new Set(got)
      if (once.size < got.length) wrong.push(`${way} doubled`)
      for (const id of once) if (!mine.has(id)) wrong.push(`${way} never handed in: ${id}`)
      let highest = 0
      for (const id of got) {
        if ((mine.get(id) ?? 0) <= this.forgotten) continue
        if (id < highest) wrong.push(`${way} out of order: ${id}`)
        highest = Math.max(highest, id)
      }
      for (const [id, at] of mine) {
        const letter = from.stored.letters.get(id)
        if (at <= this.forgotten) continue
        if (!once.has(id) && letter === undefined && !this.isUnsaid(to, id)) wrong.push(`${way} lost: ${id}`)
        if (once.has(id) && letter === "refused") wrong.push(`${way} refused, and yet committed: ${id}`)
      }
      return wrong
    })
  }

  /** It was refused, and the refusal was given up by who was to say it. */
  private isUnsaid(to: Side, id: number): boolean {
    return id % 7 === 0 && to.stored.letters.get(-id) !== undefined
  }
}

/**
 * Runs two kernels that are nothing but the protocol's state machines through a minute of faults.
 *
 * @internal
 */
export const run = (
  seed: number,
  { faults = kinds }: { readonly faults?: ReadonlyArray<FaultKind> } = {}
): ProtocolResult => {
  const it = new Run(seed)
  const weights = faults.filter(isKind).map((kind) => [kind, kind === "rollback" || kind === "wipe" ? 0.2 : 1] as const)
  const script = draw({ seed, kernels: ["alice", "bob"], seconds, weights, every: 4 })
  for (const side of it.sides) side.start()
  for (const fault of script) it.at(fault.at, () => it.play(fault))
  it.talk(0)
  it.talk(1)
  // Everything that a fault began has ended by then.
  it.runUntil((seconds + 25) * 1000)
  it.calm()
  it.say(0)
  it.say(1)
  it.runUntil((seconds + 25 + settleWithin) * 1000)
  return { wrong: it.judge(), happened: it.happened, messages: it.taken, virtualTime: it.now }
}
