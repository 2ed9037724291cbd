/**
 * A stand-in for an ocap-kernel, written from the description of its wire on raw libp2p and on nothing of ours, so that a mistake
 * in our codec cannot hide in it. It has that kernel's habits, the bad ones included.
 */
import { noise } from "@chainsafe/libp2p-noise"
import { yamux } from "@chainsafe/libp2p-yamux"
import { generateKeyPairFromSeed } from "@libp2p/crypto/keys"
import type { Stream } from "@libp2p/interface"
import { tcp } from "@libp2p/tcp"
import { multiaddr } from "@multiformats/multiaddr"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberHandle from "effect/FiberHandle"
import * as FiberSet from "effect/FiberSet"
import * as Mailbox from "effect/Mailbox"
import { createLibp2p } from "libp2p"

const protocol = "whatever"
const maxResends = 3

export type Frame = Readonly<Record<string, unknown>>

/** A length as an unsigned varint, and the JSON. */
const encode = (frame: Frame): Uint8Array => {
  const body = Buffer.from(JSON.stringify(frame), "utf8")
  const prefix: Array<number> = []
  let rest = body.length
  while (rest > 127) {
    prefix.push((rest & 127) | 128)
    rest >>>= 7
  }
  return Buffer.concat([Buffer.from([...prefix, rest]), body])
}

const isFrame = (value: unknown): value is Frame => typeof value === "object" && value !== null && !Array.isArray(value)

/** Cuts whole frames off the front of what has arrived; the second part is what is left. */
const decode = (arrived: Buffer): readonly [ReadonlyArray<Frame>, Buffer] => {
  const frames: Array<Frame> = []
  let left = arrived
  for (;;) {
    let length = 0
    let at = 0
    let more = true
    for (; more && at < left.length; at += 1) {
      const byte = left[at] ?? 0
      length += (byte & 127) * 128 ** at
      more = byte > 127
    }
    if (more || left.length < at + length) return [frames, left]
    const value: unknown = JSON.parse(left.subarray(at, at + length).toString("utf8"))
    if (!isFrame(value)) throw new Error("a frame that is no object")
    frames.push(value)
    left = left.subarray(at + length)
  }
}

const handshake = (method: "handshake" | "handshakeAck", incarnationId: string): Frame => ({
  method,
  params: { incarnationId }
})

const incarnationOf = (method: "handshake" | "handshakeAck", frame: Frame | undefined): string => {
  const params = frame?.["params"]
  const id = isFrame(params) ? params["incarnationId"] : undefined
  if (frame?.["method"] !== method || typeof id !== "string") throw new Error(`expected ${method}`)
  return id
}

interface Line {
  readonly number: number
  readonly stream: Stream
  readonly frames: Mailbox.Mailbox<Frame>
  readonly isOver: () => boolean
}

/** What it sends: its method and params; the number is its own matter. */
export interface Outgoing {
  readonly method: string
  readonly params: ReadonlyArray<unknown>
}

interface Pending extends Outgoing {
  readonly seq: number
  /** The ACK is kept with the message, and so is old when it is sent again. */
  readonly ack: number
}

/** What it keeps in its store about the one peer it has. */
interface Memory {
  readonly incarnationId: string
  peerIncarnationId: string | undefined
  next: number
  received: number
  pending: Array<Pending>
}

export interface OcapKernel {
  readonly peerId: string
  readonly addresses: ReadonlyArray<string>
  /** What its kernel took, in the order in which it took it. */
  readonly taken: Array<{ readonly seq: number; readonly method: string; readonly params: ReadonlyArray<unknown> }>
  /** Every frame it heard, on which of its streams (from 1). */
  readonly heard: Array<{ readonly line: number; readonly frame: Frame }>
  /** What it would have logged as an error: frames that an ocap-kernel does not understand. */
  readonly errors: Array<string>
  /** Numbers that it gave up. */
  readonly abandoned: Array<number>
  /** How often it sent again what was pending. */
  readonly resends: () => number
  /** How often it found its peer in a new life, and forgot the old one. */
  readonly resets: () => number
  readonly pending: () => number
  readonly isConnected: () => boolean
  /** Lets it know where its peer is. */
  readonly meet: (address: string) => void
  /** Its kernel sends all of these at once. */
  readonly send: (...messages: ReadonlyArray<Outgoing>) => Effect.Effect<void>
  /** As `send` on an open stream, but the writes overtake each other. */
  readonly sendOutOfTurn: (...messages: ReadonlyArray<Outgoing>) => Effect.Effect<void>
  /** Opens a stream whether it has one or not. */
  readonly open: Effect.Effect<void>
  /** Writes a frame as it is, on the open stream. */
  readonly say: (frame: Frame) => Effect.Effect<void>
  /** Does not hear what is said to it, nor anything else, until it is called again with false. */
  readonly deafen: (deaf: boolean) => void
  /** Loses its store, and everything that is open. */
  readonly restart: (incarnationId: string) => Effect.Effect<void>
  /** Waits until something is so. */
  readonly until: (condition: () => boolean) => Effect.Effect<void>
}

export interface OcapKernelOptions {
  readonly seed?: number
  readonly incarnationId?: string
  readonly ackTimeout?: Duration.DurationInput
  readonly ackDelay?: Duration.DurationInput
  /** Its handler fails on so many messages, from the first on. */
  readonly failures?: number
}

const makeNode = (seed: number) =>
  Effect.acquireRelease(
    Effect.promise(async () =>
      createLibp2p({
        privateKey: await generateKeyPairFromSeed("Ed25519", new Uint8Array(32).fill(seed)),
        addresses: { listen: ["/ip4/127.0.0.1/tcp/0"] },
        transports: [tcp()],
        connectionEncrypters: [noise()],
        streamMuxers: [yamux()]
      })
    ),
    (node) => Effect.promise(async () => node.stop())
  )

const born = (incarnationId: string): Memory => ({
  incarnationId,
  peerIncarnationId: undefined,
  next: 1,
  received: 0,
  pending: []
})

/** Starts one that listens on loopback, and stops it with the scope. */
export const startOcapKernel = Effect.fnUntraced(function* (options: OcapKernelOptions = {}) {
  const ackTimeout = Duration.decode(options.ackTimeout ?? "10 seconds")
  const ackDelay = Duration.decode(options.ackDelay ?? "50 millis")
  const node = yield* makeNode(options.seed ?? 7)
  const run = yield* FiberSet.runtime(yield* FiberSet.make<void>())()
  const resendTimer = yield* FiberHandle.make<void>()
  const ackTimer = yield* FiberHandle.make<void>()
  const watchers = new Set<() => void>()
  const taken: OcapKernel["taken"] = []
  const heard: OcapKernel["heard"] = []
  const errors: OcapKernel["errors"] = []
  const abandoned: OcapKernel["abandoned"] = []
  let memory = born(options.incarnationId ?? "ocap-1")
  let current: Line | undefined
  let lines = 0
  let retries = 0
  let resends = 0
  let resets = 0
  let deaf = false
  let failures = options.failures ?? 0
  let address: string | undefined

  const changed = () => {
    for (const look of watchers) look()
  }

  const makeLine = (stream: Stream): Line => {
    lines += 1
    let isOver = false
    const line: Line = { number: lines, stream, frames: Effect.runSync(Mailbox.make<Frame>()), isOver: () => isOver }
    let arrived: Buffer = Buffer.alloc(0)
    const end = () => {
      isOver = true
      line.frames.unsafeDone(Exit.void)
      if (current === line) current = undefined
      changed()
    }
    stream.addEventListener("message", ({ data }) => {
      try {
        const [frames, left] = decode(Buffer.concat([arrived, data.subarray()]))
        arrived = left
        line.frames.unsafeOfferAll(frames)
      } catch (error) {
        errors.push(String(error))
        stream.abort(new Error("unreadable", { cause: error }))
      }
    })
    stream.addEventListener("remoteCloseWrite", end)
    stream.addEventListener("close", end)
    if (stream.status !== "open" || stream.remoteWriteStatus === "closed") end()
    return line
  }

  const write = ({ stream }: Line, ...frames: ReadonlyArray<Frame>) =>
    Effect.sync(() => {
      for (const frame of frames) if (stream.status === "open") stream.send(encode(frame))
    })
  const close = ({ stream }: Line) =>
    Effect.ignore(
      Effect.timeout(
        Effect.tryPromise(async () => stream.close()),
        "1 second"
      )
    )

  const armResend = Effect.suspend(() =>
    memory.pending.length === 0
      ? FiberHandle.clear(resendTimer)
      : Effect.asVoid(FiberHandle.run(resendTimer, Effect.delay(startResend, ackTimeout)))
  )

  /** In a fiber of its own, because it arms the timer that runs it. */
  const startResend = Effect.sync(() => void run(resend))

  /** Everything of the old life is gone, what waits to be acknowledged included. */
  const forgetPeer = (incarnationId: string) => {
    memory = { ...born(memory.incarnationId), peerIncarnationId: incarnationId }
    retries = 0
    resets += 1
    changed()
    return FiberHandle.clear(resendTimer)
  }

  /** True when the peer is known under another incarnation; its old life is forgotten then. */
  const isRestarted = (incarnationId: string) => {
    const known = memory.peerIncarnationId
    memory.peerIncarnationId = incarnationId
    return known !== undefined && known !== incarnationId
  }

  const acknowledgeLater = Effect.asVoid(
    FiberHandle.run(
      ackTimer,
      Effect.delay(
        Effect.suspend(() => (current === undefined ? Effect.void : write(current, { ack: memory.received }))),
        ackDelay
      )
    )
  )

  const onAck = (ack: number) =>
    Effect.suspend(() => {
      if (ack >= memory.next) errors.push(`an ACK of ${ack}, which was never sent`)
      memory.pending = memory.pending.filter(({ seq }) => seq > ack)
      retries = 0
      changed()
      // Any ACK moves its deadline, also one that says nothing new.
      return armResend
    })

  const answer = (method: string, params: ReadonlyArray<unknown>): Effect.Effect<void> => {
    if (method !== "redeemURL") return Effect.void
    const [url, key] = params
    const reply = String(url).includes("zBad") ? [false, key, "ocapURL has bad object reference"] : [true, key, "ro+1"]
    return send({ method: "redeemURLReply", params: reply })
  }

  /** Its handler; what it throws leaves the number unconsumed and the message unacknowledged. */
  const objectionTo = (method: string, params: ReadonlyArray<unknown>): string | undefined => {
    if (!["deliver", "redeemURL", "redeemURLReply"].includes(method)) return `unknown remote message type ${method}`
    if (failures > 0) {
      failures -= 1
      return "its handler failed"
    }
    const [kind, , call] = params
    if (method !== "deliver" || kind !== "message") return undefined
    return isFrame(call) && typeof call["result"] === "string" ? undefined : "a message without a result"
  }

  const onMessage = (seq: number, method: string, params: ReadonlyArray<unknown>) =>
    Effect.suspend(() => {
      if (seq <= memory.received) return acknowledgeLater
      const objection = objectionTo(method, params)
      if (objection !== undefined) {
        errors.push(objection)
        return Effect.void
      }
      // Any higher number will do, whatever is missing before it.
      memory.received = seq
      taken.push({ seq, method, params })
      return Effect.zipRight(answer(method, params), acknowledgeLater)
    })

  const onFrame = (line: Line, frame: Frame): Effect.Effect<void> =>
    Effect.suspend(() => {
      heard.push({ line: line.number, frame })
      const { ack, method, params, seq } = frame
      if (method === "handshakeAck") errors.push("a handshakeAck on an open stream")
      if (method === "handshake" || method === "handshakeAck") return Effect.void
      if (seq === undefined && ack === undefined) errors.push(`not understood: ${JSON.stringify(frame)}`)
      const acknowledged = typeof ack === "number" ? onAck(ack) : Effect.void
      return typeof seq === "number" && typeof method === "string" && Array.isArray(params)
        ? Effect.zipRight(acknowledged, onMessage(seq, method, params))
        : acknowledged
    })

  const read = (line: Line): Effect.Effect<void> =>
    line.frames.take.pipe(
      Effect.flatMap((frame) => (deaf ? Effect.void : onFrame(line, frame))),
      Effect.tap(() => Effect.sync(changed)),
      Effect.forever,
      Effect.ignore
    )

  /** The newest stream is the one in use, unless it ended in the same breath in which its handshake came. */
  const adopt = (line: Line) => {
    run(read(line))
    if (line.isOver()) return Effect.void
    const replaced = current
    current = line
    changed()
    return replaced === undefined ? Effect.void : close(replaced)
  }

  const hearFirst = (line: Line, method: "handshake" | "handshakeAck") =>
    Effect.flatMap(line.frames.take, (frame) => {
      heard.push({ line: line.number, frame })
      return Effect.try(() => incarnationOf(method, frame))
    }).pipe(
      Effect.timeout("10 seconds"),
      Effect.tapError(() => Effect.sync(() => line.stream.abort(new Error(method))))
    )

  const onInbound = (line: Line) =>
    Effect.gen(function* () {
      const incarnationId = yield* hearFirst(line, "handshake")
      yield* write(line, handshake("handshakeAck", memory.incarnationId))
      if (!isRestarted(incarnationId)) return yield* adopt(line)
      // First the answer, then the reset, then the end of the stream.
      yield* forgetPeer(incarnationId)
      yield* close(line)
    }).pipe(Effect.ignore)

  const dial = Effect.suspend(() =>
    address === undefined
      ? Effect.fail("nobody to dial")
      : Effect.tryPromise({
          try: async () => node.dialProtocol(multiaddr(address), protocol),
          catch: (cause) => `the dial failed: ${String(cause)}`
        })
  )

  /** Opens a stream, with as many handshakes as its kernel has sends under way: each writes its own, one is answered. */
  const open = (sends: number) =>
    Effect.gen(function* () {
      const line = makeLine(yield* dial)
      const hello = handshake("handshake", memory.incarnationId)
      yield* write(line, hello)
      const incarnationId = yield* hearFirst(line, "handshakeAck")
      for (let further = 1; further < sends; further += 1) yield* write(line, hello)
      if (isRestarted(incarnationId)) {
        yield* forgetPeer(incarnationId)
        return yield* close(line)
      }
      // A stream that was registered while this one was dialed is used instead.
      yield* current === undefined || current.number < line.number ? adopt(line) : close(line)
    }).pipe(Effect.ignore)

  const frameOf = ({ ack, method, params, seq }: Pending): Frame => ({
    seq,
    ...(ack > 0 && { ack }),
    method,
    params
  })

  const enqueue = (messages: ReadonlyArray<Outgoing>): ReadonlyArray<Pending> => {
    const added = messages.map((message): Pending => {
      const seq = memory.next
      memory.next += 1
      return { ...message, seq, ack: memory.received }
    })
    memory.pending.push(...added)
    return added
  }

  const writeAll = (messages: ReadonlyArray<Pending>) =>
    Effect.suspend(() => (current === undefined ? Effect.void : write(current, ...messages.map(frameOf))))

  const send = (...messages: ReadonlyArray<Outgoing>): Effect.Effect<void> =>
    Effect.gen(function* () {
      const added = enqueue(messages)
      const isFirst = current === undefined
      if (isFirst) yield* open(messages.length)
      // At first contact only the last of them goes out; the others wait for its deadline.
      yield* writeAll(isFirst ? added.slice(-1) : added)
      yield* armResend
    })

  const resend: Effect.Effect<void> = Effect.gen(function* () {
    retries += 1
    if (retries > maxResends) {
      abandoned.push(...memory.pending.map(({ seq }) => seq))
      memory.pending = []
      retries = 0
      return changed()
    }
    resends += 1
    if (current === undefined) yield* open(1)
    yield* writeAll(memory.pending)
    changed()
    yield* armResend
  })

  yield* Effect.promise(async () =>
    node.handle(protocol, (stream) => {
      run(onInbound(makeLine(stream)))
    })
  )

  const kernel: OcapKernel = {
    peerId: node.peerId.toString(),
    addresses: node.getMultiaddrs().map(String),
    taken,
    heard,
    errors,
    abandoned,
    resends: () => resends,
    resets: () => resets,
    pending: () => memory.pending.length,
    isConnected: () => current !== undefined,
    meet: (where) => {
      address = where
    },
    send,
    sendOutOfTurn: (...messages) =>
      Effect.suspend(() => Effect.zipRight(writeAll(enqueue(messages).toReversed()), armResend)),
    open: Effect.suspend(() => open(1)),
    say: (frame) => Effect.suspend(() => (current === undefined ? Effect.void : write(current, frame))),
    deafen: (isDeaf) => {
      deaf = isDeaf
    },
    restart: (incarnationId) =>
      Effect.suspend(() => {
        memory = born(incarnationId)
        retries = 0
        current?.stream.abort(new Error("the process is gone"))
        current = undefined
        return Effect.zipRight(FiberHandle.clear(resendTimer), FiberHandle.clear(ackTimer))
      }),
    until: (condition) =>
      Effect.async<void>((resume) => {
        const look = () => {
          if (!condition()) return
          watchers.delete(look)
          resume(Effect.void)
        }
        watchers.add(look)
        look()
        return Effect.sync(() => void watchers.delete(look))
      }).pipe(Effect.timeout("15 seconds"), Effect.orDie)
  }
  return kernel
})
