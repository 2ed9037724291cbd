/** Bent traffic against a whole kernel on the simulated network, beside an honest peer; everything else in this folder is pure. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Frame from "../../src/protocol/Frame.ts"
import { layer as layerNetwork } from "../../src/testing/Network.ts"
import type { BasePeer } from "../support/basePeer.ts"
import { ids, startBasePeer } from "../support/basePeer.ts"
import type { Kernel } from "../support/kernel.ts"
import { handleFor, message as honest, startKernel } from "../support/kernel.ts"
import { bentBytes, garbage, makeDraw } from "./mutate.ts"
import { hello, message } from "./traffic.ts"

/** How many frames an attacker says on one channel at most. */
const perChannel = 20

/** How often the honest peer is heard, in channels of the attacker's. */
const interval = 25

/** None of these is what is tried here, and each would only slow it down. */
const config = {
  maxHandshakesPerMinute: 1_000_000_000,
  maxIncarnationChangesPerMinute: 1_000_000_000,
  maxStreamsPerPeer: 1000
}

const encoder = new TextEncoder()

const framed = (payload: string | Uint8Array): Uint8Array =>
  Frame.encode([typeof payload === "string" ? encoder.encode(payload) : payload])

/** One channel: a hello, mostly a good one, then frames; gives how many inputs that were. */
const attack = (attacker: BasePeer, victim: Kernel, seed: number, index: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const draw = makeDraw(seed, index)
      const { channel } = yield* attacker.dial(victim.peerId)
      yield* Effect.addFinalizer(() => channel.abort(new Error("the channel is over")))
      const send = (bytes: Uint8Array) => Effect.ignore(channel.send(bytes))
      const greeting = hello(draw, draw.chance(50) ? `life ${index}` : "evil")
      yield* send(framed(draw.chance(4) ? bentBytes(draw, greeting) : greeting))
      // The answer, or the end: either says that the hello was read.
      yield* Effect.ignore(Effect.timeout(channel.receive, "2 seconds"))
      for (let seq = 1; seq < perChannel; seq += 1) {
        const said = message(draw, seq)
        yield* send(draw.chance(40) ? garbage(draw, 64) : framed(draw.chance(2) ? bentBytes(draw, said) : said))
        if (channel.status() !== "open") break
      }
      // A turn for the victim to read it in.
      yield* Effect.yieldNow()
    })
  )

/** What did not hold. */
export class LinkFuzzError extends Data.TaggedError("LinkFuzzError")<{ readonly message: string }> {}

const check = (victim: Kernel, bob: Kernel) =>
  Effect.gen(function* () {
    const handle = yield* handleFor(bob, victim)
    const receipt = yield* handle.deliver(honest("honest"))
    yield* receipt.acknowledged
  }).pipe(
    Effect.timeoutFail({
      duration: "10 seconds",
      onTimeout: () => new LinkFuzzError({ message: "the honest peer was not heard for 10 s" })
    })
  )

/** The longest line of a log: a sentence or two, and who it is about. */
const longestLine = 4000

/** Watches what is logged: nothing may die, and no line may hold what a terminal takes for more than text. */
export const watchLog = (objections: Array<string>) =>
  Logger.make((entry: Logger.Logger.Options<unknown>) => {
    const line = Logger.logfmtLogger.log(entry)
    if (LogLevel.greaterThanEqual(entry.logLevel, LogLevel.Error)) objections.push(line)
    else if (line.length > longestLine) objections.push(`a line of ${line.length} characters: ${line.slice(0, 200)}`)
    else if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(line)) objections.push(`an unsafe line: ${JSON.stringify(line)}`)
  })

/** In the place of every other logger, that of a program too. */
const watching = (objections: Array<string>) =>
  Layer.merge(Logger.remove(Logger.prettyLoggerDefault), Logger.replace(Logger.defaultLogger, watchLog(objections)))

/** Which inputs: those of all channels from the one on that has the first of them. */
export interface Share {
  readonly seed: number
  readonly from: number
  readonly inputs: number
}

/** How many inputs lie between two looks at what became of them. */
export const inputsPerCheck = perChannel * interval

/** Runs about so many inputs; gives how many it were. Fails when the honest peer is not heard, or anything is left at the end. */
export const fuzzLink = (share: Share, onProgress: (done: number) => Effect.Effect<void>) =>
  Effect.gen(function* () {
    const objections: Array<string> = []
    const object = Effect.suspend(() => {
      const [message] = objections
      return message === undefined ? Effect.void : new LinkFuzzError({ message })
    })
    const done = yield* runChannels(share, (count) => Effect.zipRight(object, onProgress(count))).pipe(
      Effect.provide(watching(objections)),
      Logger.withMinimumLogLevel(LogLevel.Debug)
    )
    yield* object
    return done
  })

const runChannels = <E>({ from, inputs, seed }: Share, onCheck: (done: number) => Effect.Effect<void, E>) =>
  Effect.gen(function* () {
    const alice = yield* startKernel("alice", { config })
    const bob = yield* startKernel("bob")
    const attackers = yield* Effect.all([startBasePeer(ids.low), startBasePeer(ids.high)])
    const first = Math.floor(from / perChannel)
    const channels = Math.ceil(inputs / perChannel)
    for (let index = first; index < first + channels; index += 1) {
      const attacker = attackers[index % 2]
      if (attacker !== undefined) yield* attack(attacker, alice, seed, index)
      const done = index - first + 1
      if (done % interval !== 0) continue
      yield* check(alice, bob)
      yield* onCheck(done * perChannel)
    }
    yield* check(alice, bob)
    const links = yield* alice.transport.peers
    if (links.length > 3) return yield* new LinkFuzzError({ message: `${links.length} links are left of three peers` })
    return channels * perChannel
  }).pipe(Effect.scoped, Effect.provide(layerNetwork))
