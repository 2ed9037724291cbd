import * as Either from "effect/Either"
import { StreamResetError } from "../../errors/ConnectionError.ts"
import type { Hello } from "../../protocol/Handshake.ts"
import * as Rate from "../../protocol/Rate.ts"
import * as LinkMachine from "../../protocol/LinkMachine.ts"
import type { PeerId } from "../../protocol/PeerId.ts"
import * as ReceiveWindow from "../../protocol/ReceiveWindow.ts"
import * as SendWindow from "../../protocol/SendWindow.ts"
import * as Senders from "../../protocol/Senders.ts"
import * as Session from "../../protocol/Session.ts"
import type { RemoteRecord } from "../../services/RemoteStore.ts"
import type { End, Frame, Message, Wire } from "./protocolWire.ts"

/**
 * What a kernel's store holds; replaced by each commit, never changed.
 *
 * @internal
 */
export interface Stored {
  readonly incarnationId: string
  readonly record: RemoteRecord | undefined
  readonly pending: ReadonlyMap<number, Message>
  /** What the kernel got, in order. */
  readonly taken: ReadonlyArray<number>
  /** What the kernel was told the fate of. */
  readonly letters: ReadonlyMap<number, "refused" | "unknown">
}

/**
 * What a kernel needs of the world around it.
 *
 * @internal
 */
export interface Surroundings {
  readonly now: () => number
  readonly random: () => number
  readonly after: (millis: number, act: () => void) => void
  /** Opens a wire to the peer, or tells that nobody answers. */
  readonly dial: (from: Side, answer: (wire: Wire | undefined) => void) => void
  /** Whether the kernel refuses this message. */
  readonly refuses: (message: Message) => boolean
}

/**
 * @internal
 */
export const emptyStore = (incarnationId: string): Stored => ({
  incarnationId,
  record: undefined,
  pending: new Map(),
  taken: [],
  letters: new Map()
})

const handshakeTimeout = 10_000

/** How long a channel that was taken out of service takes to close, in milliseconds. */
const closing = 50

const firstRecord = (peerId: PeerId): RemoteRecord => ({
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
})

/**
 * A kernel in the model: the state machines of the protocol, and a shell of a few lines around them.
 *
 * @internal
 */
export class Side implements End {
  readonly name: string
  stored: Stored
  up = false
  life = 0
  /** What it did that no kernel may do, whatever goes on. */
  readonly misdeeds: Array<string> = []
  private readonly peer: PeerId
  private readonly wins: boolean
  private readonly around: Surroundings
  private readonly error: StreamResetError
  private link = LinkMachine.initial
  private window = SendWindow.make(firstRecordFields)
  private epoch = 0
  private incarnation: string | undefined
  private received = 0
  private receivedFrom: string | undefined
  private senders: ReadonlyArray<Senders.Sender> = []
  /** Which process of the peer's first transmitted what comes on the wire in service. */
  private senderOf: (seq: number) => string | undefined = () => undefined
  private refusals: Array<ReceiveWindow.Refusal> = []
  private base = 1
  private current: Wire | undefined
  private wires = new Map<number, Wire>()
  private incoming = new Map<number, { readonly wire: Wire; readonly hello: Hello }>()
  private hails = 0

  constructor(name: string, peer: PeerId, wins: boolean, around: Surroundings) {
    this.name = name
    this.peer = peer
    this.wins = wins
    this.around = around
    this.error = new StreamResetError({ peerId: peer })
    this.stored = emptyStore(`${name} 0`)
  }

  private get process(): string {
    return `${this.name} ${this.life}`
  }

  get pending(): number {
    return SendWindow.pending(this.window)
  }

  start(): void {
    if (this.up) return
    const record = this.stored.record ?? firstRecord(this.peer)
    this.up = true
    this.life += 1
    this.link = LinkMachine.initial
    this.window = SendWindow.make(record)
    this.epoch = record.epoch
    this.incarnation = record.incarnationId
    this.received = record.receivedSeq
    this.receivedFrom = record.receivedFrom
    this.senders = record.senders
    this.refusals = []
    this.current = undefined
    this.wires = new Map()
    this.incoming = new Map()
    if (this.pending > 0) this.feed({ _tag: "Wanted" })
  }

  /** Dies, and says nothing to anybody. */
  kill(): void {
    this.up = false
    for (const wire of [...this.wires.values(), ...[...this.incoming.values()].map((it) => it.wire)]) wire.cut()
  }

  deliver(id: number): void {
    this.append({ id, refuses: undefined })
    this.commit()
    this.goOn()
  }

  giveUp(): void {
    const letters = new Map(this.stored.letters)
    for (const { id } of this.stored.pending.values()) letters.set(id, "unknown")
    const wasPending = this.pending > 0
    this.window = SendWindow.abandon(this.window)
    this.stored = { ...this.stored, pending: new Map(), letters }
    this.commit()
    if (wasPending && this.current !== undefined) this.lose(this.current)
  }

  close(): void {
    this.feed({ _tag: "Close", error: this.error })
  }

  reopen(): void {
    this.feed({ _tag: "Reopen" })
  }

  /** The wire is gone, or the peer ended it. */
  lost(wire: Wire): void {
    const token = this.tokenOf(wire)
    if (!this.up || token === undefined) return
    if (wire === this.current) this.lose(wire)
    else this.fail(token)
  }

  hear(wire: Wire, frame: Frame): void {
    if (!this.up) return
    switch (frame._tag) {
      case "Hello":
        return this.hailed(wire, frame.hello)
      case "Answer":
        return this.answered(wire, frame.hello)
      case "Confirm":
        return this.confirmed(wire)
      case "Message":
        return this.arrived(wire, frame)
    }
  }

  private feed(event: LinkMachine.Event): void {
    const settings = {
      process: this.process,
      wins: this.wins,
      backoff: { base: 500, cap: 10_000 },
      slowBackoff: { base: 500, cap: 30_000 },
      dialRate: Rate.perMinute(10),
      paced: this.error,
      superseded: this.error
    }
    const now = this.around.now()
    const moment = { now, monotonic: now, random: this.around.random() }
    const [next, commands] = LinkMachine.step(settings, this.link, event, moment)
    this.link = next
    for (const command of commands) this.carryOut(command, event)
  }

  /** Does it later, unless the process has ended by then. */
  private later(millis: number, act: () => void): void {
    const { life } = this
    this.around.after(millis, () => {
      if (this.up && this.life === life) act()
    })
  }

  private carryOut(command: LinkMachine.Command, event: LinkMachine.Event): void {
    switch (command._tag) {
      case "Dial":
        return this.dial(command.token)
      case "Greet":
        return this.greet(command)
      case "Answer":
        return this.answer(command)
      case "Refuse":
        this.incoming.get(command.incoming)?.wire.end(this)
        return void this.incoming.delete(command.incoming)
      case "Cancel":
        return this.drop(command.token)
      case "Retire":
        this.drop(command.token)
        return this.later(closing, () => this.retired(command.token))
      case "Install":
        return event._tag === "Established" ? this.opened(command.token, event.hello) : undefined
      case "Wait":
        return this.later(command.millis, () => this.feed({ _tag: "Due", token: command.token }))
    }
  }

  private dial(token: number): void {
    const { life } = this
    this.around.dial(this, (wire) => {
      if (!this.up || this.life !== life) return wire?.cut()
      if (wire === undefined) return this.fail(token)
      this.wires.set(token, wire)
      this.feed({ _tag: "Dialed", token })
      // Nobody wants it any more.
      if (!("token" in this.link.phase) || this.link.phase.token !== token) this.drop(token)
    })
  }

  private statement(): Session.Statement {
    const { incarnationId, record } = this.stored
    return record === undefined ? Session.firstStatement(incarnationId) : Session.statementOf(incarnationId, record)
  }

  private hello(_tag: Hello["_tag"], dial: number, after: LinkMachine.State["established"]): Hello {
    const { process } = this
    const extensions = { statement: this.statement(), process, dial, after, limits: undefined }
    return { _tag, incarnationId: this.stored.incarnationId, extensions }
  }

  private greet({ after, dial, token }: Extract<LinkMachine.Command, { _tag: "Greet" }>): void {
    const wire = this.wires.get(token)
    if (wire === undefined) return
    wire.hello = this.hello("handshake", dial, after)
    wire.send(this, { _tag: "Hello", hello: wire.hello })
    this.expectEnd(token)
  }

  /** A handshake that does not end fails. */
  private expectEnd(token: number): void {
    this.later(handshakeTimeout, () => {
      const wire = this.wires.get(token)
      if (wire === undefined || wire === this.current) return
      this.drop(token)
      this.fail(token)
    })
  }

  private hailed(wire: Wire, hello: Hello): void {
    this.hails += 1
    this.incoming.set(this.hails, { wire, hello })
    this.feed({ _tag: "Hailed", incoming: this.hails, hello })
  }

  private answer({ incoming, token }: Extract<LinkMachine.Command, { _tag: "Answer" }>): void {
    const hailed = this.incoming.get(incoming)
    this.incoming.delete(incoming)
    const theirs = hailed?.hello.extensions
    if (hailed === undefined || theirs === undefined) return
    const { hello, wire } = hailed
    this.wires.set(token, wire)
    const answer = this.hello("handshakeAck", theirs.dial, undefined)
    const mine = this.statement()
    wire.verdict = Session.settle(mine, theirs.statement)
    wire.heard = hello
    wire.send(this, { _tag: "Answer", hello: answer })
    this.expectEnd(token)
    const mustConfirm = Session.isEnding(wire.verdict) || Session.isEnding(Session.settle(theirs.statement, mine))
    if (!mustConfirm) this.feed({ _tag: "Established", token, hello })
  }

  private answered(wire: Wire, hello: Hello): void {
    const token = this.tokenOf(wire)
    const [mine, theirs] = [wire.hello?.extensions?.statement, hello.extensions?.statement]
    if (token === undefined || mine === undefined || theirs === undefined) return
    wire.greeted = Session.settle(mine, theirs)
    if (Session.isEnding(wire.greeted) || Session.isEnding(Session.settle(theirs, mine))) {
      wire.send(this, { _tag: "Confirm" })
    }
    this.feed({ _tag: "Established", token, hello })
  }

  private confirmed(wire: Wire): void {
    const token = this.tokenOf(wire)
    if (token !== undefined && wire.heard !== undefined) this.feed({ _tag: "Established", token, hello: wire.heard })
  }

  private opened(token: number, hello: Hello): void {
    const wire = this.wires.get(token)
    const theirs = hello.extensions?.statement
    const verdict = wire?.dialer === this ? wire.greeted : wire?.verdict
    if (wire === undefined || theirs === undefined || verdict === undefined) return
    const isNews = verdict._tag === "Restarted" ? this.incarnation !== hello.incarnationId : this.epoch < verdict.epoch
    this.incarnation = hello.incarnationId
    if (Session.isEnding(verdict) && isNews) this.beginAnew(verdict.epoch)
    if (verdict._tag === "First") this.epoch = verdict.epoch
    const said = Session.carriedOver(verdict, theirs, this.stored.incarnationId)
    this.base = said.base
    this.senderOf = (seq) => Session.senderOnChannel(said, hello.extensions?.process, seq)
    this.current = wire
    if (this.stored.record !== undefined || this.pending > 0) this.commit()
    this.window = SendWindow.settle(SendWindow.open(this.window, said), this.received)
    this.goOn()
  }

  /** What was pending is told as unknown. */
  private beginAnew(epoch: number): void {
    const letters = new Map(this.stored.letters)
    for (const { id } of this.stored.pending.values()) letters.set(id, "unknown")
    this.epoch = epoch
    this.received = 0
    this.receivedFrom = undefined
    this.senders = []
    this.refusals = []
    this.window = SendWindow.make(firstRecord(this.peer))
    this.stored = { ...this.stored, pending: new Map(), letters }
    this.commit()
  }

  private append(message: Message): number {
    const seq = this.window.next
    this.window = SendWindow.append(this.window, 1)
    this.stored = { ...this.stored, pending: new Map(this.stored.pending).set(seq, message) }
    return seq
  }

  private commit(): void {
    const { epoch, incarnation, received, receivedFrom, window } = this
    const sentSeq = this.current === undefined ? window.sent : window.next - 1
    const { sent, settled } = window
    this.senders = Senders.extend(this.senders, this.process, { settled, sent, through: sentSeq })
    this.stored = {
      ...this.stored,
      pending: new Map([...this.stored.pending].filter(([seq]) => seq > window.settled)),
      record: {
        ...firstRecord(this.peer),
        incarnationId: incarnation,
        epoch,
        receivedSeq: received,
        nextSeq: window.next,
        sentSeq,
        acknowledgedSeq: window.settled,
        baseSeq: Math.max(window.base, window.settled + 1),
        senders: this.senders,
        receivedFrom
      }
    }
  }

  /** Transmits what there is, or has a channel opened for it. */
  private goOn(): void {
    if (this.current === undefined) return this.pending > 0 ? this.feed({ _tag: "Wanted" }) : undefined
    while (SendWindow.untransmitted(this.window) > 0) {
      const seq = this.window.cursor
      const message = this.stored.pending.get(seq)
      if (message === undefined) throw new Error(`${this.name} has message ${seq} to send, but not in its store`)
      this.window = SendWindow.transmit(this.window, seq)
      this.current.send(this, { _tag: "Message", seq, message, ack: this.ack() })
    }
  }

  private ack(): number {
    return ReceiveWindow.acknowledgeable(this.received, this.refusals, this.window.cursor)
  }

  private arrived(wire: Wire, { ack, message, seq }: Extract<Frame, { _tag: "Message" }>): void {
    const token = this.tokenOf(wire)
    if (wire !== this.current || token === undefined) return
    this.feed({ _tag: "Heard", token })
    const acknowledged = SendWindow.acknowledge(this.window, ack)
    if (Either.isLeft(acknowledged)) return this.lose(wire)
    this.window = acknowledged.right
    if (message !== undefined) {
      const place = ReceiveWindow.place(this.received, seq, this.base)
      if (place === "early") return this.lose(wire)
      if (place === "next") this.take(seq, message)
    }
    const { settled } = this.window
    this.window = SendWindow.settle(this.window, this.received)
    this.refusals = this.refusals.filter(({ reply }) => reply > this.window.settled)
    if (this.window.settled > settled) this.commit()
    this.goOn()
    if (message !== undefined) wire.send(this, { _tag: "Message", seq: 0, message: undefined, ack: this.ack() })
  }

  private take(seq: number, message: Message): void {
    this.received = seq
    this.receivedFrom = this.senderOf(seq)
    if (message.refuses !== undefined) {
      const refused = this.stored.pending.get(message.refuses)
      const letters = new Map(this.stored.letters)
      if (refused !== undefined) letters.set(refused.id, "refused")
      this.stored = { ...this.stored, letters }
    } else if (this.around.refuses(message)) {
      this.refusals.push({ reply: this.append({ id: -message.id, refuses: seq }), target: seq })
    } else this.stored = { ...this.stored, taken: [...this.stored.taken, message.id] }
    this.commit()
  }

  private lose(wire: Wire): void {
    const token = this.tokenOf(wire)
    if (token === undefined) return
    this.ended(token)
    this.goOn()
  }

  /** Its end is told once it is closed; whatever is in service by then has nothing to do with it. */
  private retired(token: number): void {
    const inService = this.current
    this.ended(token)
    if (this.current !== inService) this.misdeeds.push("closed the channel in service for the loss of an old one")
  }

  private ended(token: number): void {
    this.feed({ _tag: "Ended", token, error: this.error, code: this.error._tag, idle: false })
  }

  private fail(token: number): void {
    this.feed({ _tag: "Failed", token, error: this.error, code: this.error._tag, hopeless: false, undialed: false })
    this.drop(token)
  }

  private drop(token: number): void {
    const wire = this.wires.get(token)
    this.wires.delete(token)
    if (wire === this.current) this.current = undefined
    wire?.end(this)
  }

  private tokenOf(wire: Wire): number | undefined {
    for (const [token, it] of this.wires) if (it === wire) return token
    return undefined
  }
}

const firstRecordFields = { nextSeq: 1, sentSeq: 0, baseSeq: 1, acknowledgedSeq: 0 }
