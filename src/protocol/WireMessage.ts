/**
 * The messages of the wire, as JSON: `docs/protocol.md` and WIRE name every member.
 *
 * A message is kept, and digested, as its *body*: the JSON text from `"method"` on, without sequence number and ACK, which are
 * put before it at the moment of sending.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Amount } from "./Credit.ts"
import type { CapData, Delivery } from "./Delivery.ts"
import * as JsonBytes from "./JsonBytes.ts"
import * as LongMessage from "./LongMessage.ts"
import * as ShortMessage from "./ShortMessage.ts"

/**
 * What a sequenced message says. `Malformed` stands for one whose number can be read but whose content cannot: it takes its
 * place in the sequence, and is refused.
 *
 * @since 0.1.0
 * @category models
 */
export type Content =
  | { readonly _tag: "Deliver"; readonly delivery: Delivery }
  | { readonly _tag: "RedeemUrl"; readonly url: string; readonly replyKey: string }
  | { readonly _tag: "RedeemUrlReply"; readonly ok: boolean; readonly replyKey: string; readonly value: string }
  | { readonly _tag: "Rejected"; readonly seq: number; readonly code: string; readonly reason: string }
  /** Stands under the number of a message that ended before it was transmitted; nothing is to be done about it. */
  | { readonly _tag: "Abandoned" }
  | { readonly _tag: "Malformed"; readonly reason: string }

/**
 * One frame after the handshake. `ack` 0 says that nothing is acknowledged.
 *
 * @since 0.1.0
 * @category models
 */
export type WireMessage =
  | { readonly _tag: "Sequenced"; readonly seq: number; readonly ack: number; readonly content: Content }
  | { readonly _tag: "Ack"; readonly ack: number }
  /** Room for more (see `Credit`). */
  | { readonly _tag: "Credit"; readonly to: Amount }
  | { readonly _tag: "Handshake" }

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const capData = ({ body, slots }: CapData) => ({ body, slots })

const deliveryParams = (delivery: Delivery): ReadonlyArray<unknown> => {
  switch (delivery._tag) {
    case "Message":
      return ["message", delivery.target, { methargs: capData(delivery.methargs), result: delivery.result }]
    case "Notify":
      return ["notify", delivery.resolutions.map(({ promise, rejected, value }) => [promise, rejected, capData(value)])]
    case "DropExports":
      return ["dropExports", delivery.refs]
    case "RetireExports":
      return ["retireExports", delivery.refs]
    case "RetireImports":
      return ["retireImports", delivery.refs]
    case "BringOutYourDead":
      return ["bringOutYourDead"]
  }
}

const methodAndParams = (
  content: Exclude<Content, { _tag: "Malformed" }>
): readonly [string, ReadonlyArray<unknown>] => {
  switch (content._tag) {
    case "Deliver":
      return ["deliver", deliveryParams(content.delivery)]
    case "RedeemUrl":
      return ["redeemURL", [content.url, content.replyKey]]
    case "RedeemUrlReply":
      return ["redeemURLReply", [content.ok, content.replyKey, content.value]]
    case "Rejected":
      return ["rejected", [content.seq, content.code, content.reason]]
    case "Abandoned":
      return ["abandoned", []]
  }
}

/** The same as JSON of the whole gives, in two thirds of the time; nearly all that is sent are messages. */
const encodeMessage = ({ methargs, result, target }: Extract<Delivery, { _tag: "Message" }>): Uint8Array => {
  const before = `"method":"deliver","params":["message",${JSON.stringify(target)},{"methargs":{"body":`
  const slots = methargs.slots.length === 0 ? "[]" : JSON.stringify(methargs.slots)
  return JsonBytes.around(before, methargs.body, `,"slots":${slots}},"result":${JSON.stringify(result)}}]}`)
}

/**
 * The body of a message, as UTF-8.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encodeBody = (content: Exclude<Content, { _tag: "Malformed" }>): Uint8Array => {
  if (content._tag === "Deliver" && content.delivery._tag === "Message") {
    return encodeMessage(content.delivery)
  }
  const [method, params] = methodAndParams(content)
  return JsonBytes.encode(`"method":"${method}","params":${JSON.stringify(params)}}`)
}

/** The head of a sequenced frame is never longer: two numbers of at most 16 digits, and their names. */
const longestHead = '{"seq":9007199254740991,"ack":9007199254740991,'.length

/**
 * The size of the largest frame that a body can become, in bytes.
 *
 * @since 0.1.0
 * @category encoding
 */
export const largestFrame = (bodyBytes: number): number => bodyBytes + longestHead

/**
 * The size of the largest body that always fits into a frame of this size, in bytes.
 *
 * @since 0.1.0
 * @category encoding
 */
export const largestBody = (frameBytes: number): number => Math.max(0, frameBytes - longestHead)

/**
 * The head that goes before a body, as ASCII.
 *
 * @since 0.1.0
 * @category encoding
 */
export const head = (seq: number, ack: number): string => (ack === 0 ? `{"seq":${seq},` : `{"seq":${seq},"ack":${ack},`)

/**
 * A frame that only acknowledges.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encodeAck = (ack: number): Uint8Array => encoder.encode(`{"ack":${ack}}`)

/**
 * A frame that grants room up to these counts (see `Credit`).
 *
 * @since 0.1.0
 * @category encoding
 */
export const encodeCredit = ({ bytes, messages }: Amount): Uint8Array =>
  encoder.encode(`{"credit":{"messages":${messages},"bytes":${bytes}}}`)

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isStrings = (value: unknown): value is ReadonlyArray<string> =>
  Array.isArray(value) && value.every((it) => typeof it === "string")

const isList = (value: unknown): value is ReadonlyArray<unknown> => Array.isArray(value)

const isSeq = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 1

const own = (record: Readonly<Record<string, unknown>>, key: string): unknown =>
  Object.hasOwn(record, key) ? record[key] : undefined

const readCapData = (value: unknown): CapData | undefined => {
  if (!isRecord(value)) return undefined
  const body = own(value, "body")
  const slots = own(value, "slots")
  return typeof body === "string" && isStrings(slots) ? { body, slots } : undefined
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0

const readCredit = (value: unknown): Either.Either<WireMessage, string> => {
  const messages = isRecord(value) ? own(value, "messages") : undefined
  const bytes = isRecord(value) ? own(value, "bytes") : undefined
  return isCount(messages) && isCount(bytes)
    ? Either.right({ _tag: "Credit", to: { messages, bytes } })
    : Either.left("a grant of room needs whole numbers of messages and bytes")
}

const malformed = (reason: string): Content => ({ _tag: "Malformed", reason })

const readMessage = (params: ReadonlyArray<unknown>): Content => {
  const [, target, call] = params
  const methargs = isRecord(call) ? readCapData(own(call, "methargs")) : undefined
  const result = isRecord(call) ? own(call, "result") : undefined
  if (params.length !== 3 || typeof target !== "string" || methargs === undefined || typeof result !== "string") {
    return malformed("a message needs a target, its arguments and a result")
  }
  return { _tag: "Deliver", delivery: { _tag: "Message", target, methargs, result } }
}

const readNotify = (params: ReadonlyArray<unknown>): Content => {
  const list = params[1]
  if (params.length !== 2 || !isList(list)) return malformed("a notify needs a list of resolutions")
  const resolutions: Array<{ promise: string; rejected: boolean; value: CapData }> = []
  for (const entry of list) {
    const [promise, rejected, data] = isList(entry) ? entry : []
    const value = readCapData(data)
    if (typeof promise !== "string" || typeof rejected !== "boolean" || value === undefined) {
      return malformed("a resolution needs a promise, whether it is rejected, and a value")
    }
    resolutions.push({ promise, rejected, value })
  }
  return { _tag: "Deliver", delivery: { _tag: "Notify", resolutions } }
}

const readRefs = (_tag: "DropExports" | "RetireExports" | "RetireImports", params: ReadonlyArray<unknown>): Content => {
  const refs = params[1]
  return params.length === 2 && isStrings(refs)
    ? { _tag: "Deliver", delivery: { _tag, refs } }
    : malformed("a list of references is missing")
}

const readDelivery = (params: ReadonlyArray<unknown>): Content => {
  switch (params[0]) {
    case "message":
      return readMessage(params)
    case "notify":
      return readNotify(params)
    case "dropExports":
      return readRefs("DropExports", params)
    case "retireExports":
      return readRefs("RetireExports", params)
    case "retireImports":
      return readRefs("RetireImports", params)
    case "bringOutYourDead":
      return { _tag: "Deliver", delivery: { _tag: "BringOutYourDead" } }
    default:
      return malformed("an unknown kind of delivery")
  }
}

/** The longest reply key that is taken, in UTF-16 code units; ours have 32. It is said again in the answer, and kept until then. */
const maxReplyKey = 1024

const readContent = (method: unknown, params: unknown): Content => {
  if (!isList(params)) return malformed("params is not a list")
  const [first, second, third] = params
  switch (method) {
    case "deliver":
      return readDelivery(params)
    case "redeemURL":
      return typeof first === "string" && typeof second === "string" && second.length <= maxReplyKey
        ? { _tag: "RedeemUrl", url: first, replyKey: second }
        : malformed("a redemption needs a URL and a reply key")
    case "redeemURLReply":
      return typeof first === "boolean" && typeof second === "string" && typeof third === "string"
        ? { _tag: "RedeemUrlReply", ok: first, replyKey: second, value: third }
        : malformed("an answer to a redemption needs a verdict, a reply key and a value")
    case "rejected":
      return isSeq(first) && typeof second === "string" && typeof third === "string"
        ? { _tag: "Rejected", seq: first, code: second, reason: third }
        : malformed("a rejection needs a number, a code and a reason")
    case "abandoned":
      return { _tag: "Abandoned" }
    default:
      return malformed("an unknown method")
  }
}

const notJson = "a frame is not UTF-8 JSON"

const textOf = (frame: Uint8Array): string | undefined => {
  try {
    return decoder.decode(frame)
  } catch {
    return undefined
  }
}

const parseText = (text: string): Either.Either<Readonly<Record<string, unknown>>, string> => {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? Either.right(value) : Either.left("a frame is not a JSON object")
  } catch {
    return Either.left(notJson)
  }
}

/**
 * Parses the JSON object in a frame, or says what is wrong with it.
 *
 * @since 0.1.0
 * @category decoding
 */
export const parseObject = (frame: Uint8Array): Either.Either<Readonly<Record<string, unknown>>, string> => {
  const text = textOf(frame)
  return text === undefined ? Either.left(notJson) : parseText(text)
}

/** Reads what has no number. */
const readUnnumbered = (
  value: Readonly<Record<string, unknown>>,
  ack: number | undefined
): Either.Either<WireMessage, string> => {
  const method = own(value, "method")
  if (method === "handshake" || method === "handshakeAck") return Either.right({ _tag: "Handshake" })
  if (method === undefined && ack !== undefined) return Either.right({ _tag: "Ack", ack })
  const credit = own(value, "credit")
  if (method === undefined && credit !== undefined) return readCredit(credit)
  return Either.left("a message has no sequence number")
}

const readFrame = (value: Readonly<Record<string, unknown>>): Either.Either<WireMessage, string> => {
  const seq = own(value, "seq")
  const ack = own(value, "ack")
  if (ack !== undefined && !isSeq(ack)) return Either.left("an ACK is not a whole number from 1 on")
  if (seq === undefined) return readUnnumbered(value, ack)
  if (!isSeq(seq)) return Either.left("a sequence number is not a whole number from 1 on")
  const content = readContent(own(value, "method"), own(value, "params"))
  return Either.right({ _tag: "Sequenced", seq, ack: ack ?? 0, content })
}

/** From how many bytes on a frame is too long for V8 to make one text of it cheaply. */
const longFrame = 65_536

const delivering = ({ ack, delivery, seq }: LongMessage.LongMessage): Either.Either<WireMessage, string> =>
  Either.right({ _tag: "Sequenced", seq, ack, content: { _tag: "Deliver", delivery } })

/** Reads it in the way that is cheapest for what most frames are, or in the way in which every frame can be read. */
const decodeText = (frame: Uint8Array): Either.Either<WireMessage, string> => {
  const text = textOf(frame)
  if (text === undefined) return Either.left(notJson)
  const message = ShortMessage.read(text)
  if (message !== undefined) return delivering(message)
  const parsed = parseText(text)
  return Either.isLeft(parsed) ? Either.left(parsed.left) : readFrame(parsed.right)
}

/**
 * Reads a frame. The left side names a violation of the protocol, after which nothing on the channel can be trusted.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (frame: Uint8Array): Either.Either<WireMessage, string> => {
  const message = frame.length < longFrame ? undefined : LongMessage.read(frame)
  return message === undefined ? decodeText(frame) : delivering(message)
}

/**
 * Reads a body, as it was kept.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decodeBody = (body: Uint8Array): Content => {
  try {
    const value: unknown = JSON.parse(`{${decoder.decode(body)}`)
    return isRecord(value) ? readContent(own(value, "method"), own(value, "params")) : malformed("not a JSON object")
  } catch {
    return malformed("not UTF-8 JSON")
  }
}
