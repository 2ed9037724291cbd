/**
 * The frames of the handshake: who is there, in which life, and what the conversation stands at.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Limits } from "./Credit.ts"
import { isSensible } from "./Credit.ts"
import type { Sender } from "./Senders.ts"
import * as Senders from "./Senders.ts"
import type { Statement } from "./Session.ts"
import { parseObject } from "./WireMessage.ts"

/**
 * The largest handshake frame that is taken, in bytes.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxFrameSize = 4096

/**
 * The longest incarnation id, process id or channel name that is taken, in UTF-16 code units. An ocap-kernel's are UUIDs.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxIdLength = 128

/**
 * The highest session that is believed, half of what a number can hold: beyond it, counting on would give numbers that nobody
 * can read back, not even from the store.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxEpoch: number = 2 ** 52

/**
 * Names one dial of one process, so that a late handshake of an older one is known for what it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface ChannelName {
  /** Names the dialer's process; random. */
  readonly process: string
  /** Counts the dials of that process to this peer, from 1. */
  readonly dial: number
}

/**
 * What the opener says, and the other side answers. `extensions` are missing from a peer of the base profile.
 *
 * @since 0.1.0
 * @category models
 */
export interface Hello {
  readonly _tag: "handshake" | "handshakeAck"
  readonly incarnationId: string
  readonly extensions:
    | {
        readonly statement: Statement
        /** The speaker's process. */
        readonly process: string
        /** Which dial of the opener's process this channel is; repeated in the answer. */
        readonly dial: number
        /** The last channel between the two that the speaker has seen established; undefined if none. */
        readonly after: ChannelName | undefined
        /** For what the speaker has room; undefined if it does not say, and then nobody grants anything. */
        readonly limits: Limits | undefined
      }
    | undefined
}

const encoder = new TextEncoder()

/**
 * @since 0.1.0
 * @category encoding
 */
export const encode = ({ _tag, extensions, incarnationId }: Hello): Uint8Array => {
  if (extensions === undefined) return encoder.encode(JSON.stringify({ method: _tag, params: { incarnationId } }))
  const {
    after,
    dial,
    limits,
    process,
    statement: { incarnationId: _, peerIncarnationId, receivedFrom, senders, ...numbers }
  } = extensions
  const names = {
    senders: senders.length === 0 ? undefined : senders.map(({ from, process: name }) => [from, name]),
    receivedFrom
  }
  return encoder.encode(
    JSON.stringify({
      method: _tag,
      params: {
        incarnationId,
        extensions: {
          session: { with: peerIncarnationId ?? null, ...numbers, ...names },
          channel: { process, dial, after: after ?? null },
          limits
        }
      }
    })
  )
}

/**
 * The opener's word that it is alive and agrees to end the old conversation; the other side forgets nothing before it.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encodeConfirmation = (epoch: number): Uint8Array =>
  encoder.encode(JSON.stringify({ method: "handshakeConfirm", params: { epoch } }))

type Json = Readonly<Record<string, unknown>>

const record = (value: unknown): Json | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined

const isId = (value: unknown): value is string =>
  typeof value === "string" && value.length > 0 && value.length <= maxIdLength

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0

const readChannelName = (value: unknown): ChannelName | undefined => {
  const { dial, process } = record(value) ?? {}
  return isId(process) && isCount(dial) ? { process, dial } : undefined
}

const isList = (value: unknown): value is ReadonlyArray<unknown> => Array.isArray(value)

/** Undefined if they make no sense. */
const readSenders = (value: unknown): ReadonlyArray<Sender> | undefined => {
  if (value === undefined) return []
  if (!isList(value) || value.length > Senders.max) return undefined
  const senders: Array<Sender> = []
  for (const it of value) {
    const [from, process] = isList(it) ? it : []
    if (!isCount(from) || from <= (senders.at(-1)?.from ?? 0) || !isId(process)) return undefined
    senders.push({ from, process })
  }
  return senders
}

const readStatement = (incarnationId: string, value: unknown): Statement | undefined => {
  const session = record(value) ?? {}
  const { acknowledged, base, epoch, next, received, receivedFrom, sent, with: peerIncarnationId } = session
  const senders = readSenders(session["senders"])
  return (peerIncarnationId === null || isId(peerIncarnationId)) &&
    (receivedFrom === undefined || isId(receivedFrom)) &&
    senders !== undefined &&
    isCount(epoch) &&
    epoch <= maxEpoch &&
    isCount(received) &&
    isCount(sent) &&
    isCount(acknowledged) &&
    isCount(base) &&
    isCount(next) &&
    acknowledged < base &&
    base <= next &&
    sent < next
    ? {
        incarnationId,
        peerIncarnationId: peerIncarnationId ?? undefined,
        epoch,
        received,
        sent,
        acknowledged,
        base,
        next,
        senders,
        receivedFrom
      }
    : undefined
}

/** Null if they make no sense. */
const readLimits = (value: unknown): Limits | undefined | null => {
  if (value === undefined) return undefined
  const { bytes, frame, messages } = record(value) ?? {}
  if (!isCount(bytes) || !isCount(frame) || !isCount(messages)) return null
  const limits = { frame, messages, bytes }
  return isSensible(limits) ? limits : null
}

const readExtensions = (incarnationId: string, value: unknown): Either.Either<Hello["extensions"], string> => {
  const extensions = record(value)
  const session = extensions?.["session"]
  const channel = record(extensions?.["channel"])
  if (session === undefined || channel === undefined) return Either.right(undefined)
  const statement = readStatement(incarnationId, session)
  const name = readChannelName(channel)
  const after = channel["after"] === null ? null : readChannelName(channel["after"])
  const limits = readLimits(extensions?.["limits"])
  return statement === undefined || name === undefined || after === undefined || limits === null
    ? Either.left("a handshake states a session that cannot be")
    : Either.right({ statement, ...name, after: after ?? undefined, limits })
}

/**
 * Reads the other side's part of the handshake, which must be `expected`.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (expected: Hello["_tag"], frame: Uint8Array): Either.Either<Hello, string> => {
  if (frame.length > maxFrameSize) return Either.left(`a handshake frame of ${frame.length} bytes`)
  return Either.flatMap(parseObject(frame), (value) => {
    if (value["method"] !== expected) return Either.left(`the first frame is no ${expected}`)
    const params = record(value["params"])
    const incarnationId = params?.["incarnationId"]
    if (!isId(incarnationId)) return Either.left(`a ${expected} without an incarnation id`)
    return Either.map(readExtensions(incarnationId, params?.["extensions"]), (extensions): Hello => ({
      _tag: expected,
      incarnationId,
      extensions
    }))
  })
}

/**
 * Reads the opener's confirmation of `epoch`.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decodeConfirmation = (epoch: number, frame: Uint8Array): Either.Either<void, string> =>
  Either.flatMap(parseObject(frame), (value) =>
    value["method"] === "handshakeConfirm" && record(value["params"])?.["epoch"] === epoch
      ? Either.void
      : Either.left("the opener did not confirm the end of the old conversation")
  )
