/**
 * Long messages as this library writes them, read without making one text of the whole frame: V8 takes ten times as long for a text
 * of more than 128 KiB. Anything else is not recognised, and left to who reads all that JSON allows. Pure.
 *
 * @internal
 */
import type { Delivery } from "./Delivery.ts"
import * as JsonBytes from "./JsonBytes.ts"

/**
 * A frame that delivers a message.
 *
 * @internal
 */
export interface LongMessage {
  readonly seq: number
  readonly ack: number
  readonly delivery: Extract<Delivery, { readonly _tag: "Message" }>
}

/** For what is ASCII: everything else becomes something that no pattern takes. */
const decoder = new TextDecoder("latin1")

/** In how many bytes everything before the body is, and everything behind it. */
const most = 1024

/** A JSON string of ASCII in which nothing is escaped. */
const plain = String.raw`"[ !#-[\]-~]*"`

const number = "([1-9][0-9]{0,15})"

const before = new RegExp(
  String.raw`^\{"seq":${number},(?:"ack":${number},)?"method":"deliver","params":\["message",(${plain}),\{"methargs":\{"body":"`
)

const behind = new RegExp(String.raw`","slots":\[(${plain}(?:,${plain})*)?\]\},"result":(${plain})\}\]\}$`)

const unquoted = (json: string): string => json.slice(1, -1)

/**
 * What a frame says if it is written as ours are, with nothing to be unescaped but in the body.
 *
 * @internal
 */
export const read = (frame: Uint8Array): LongMessage | undefined => {
  const head = before.exec(decoder.decode(frame.subarray(0, most)))
  if (head === null) return undefined
  const from = head[0].length
  const tail = behind.exec(decoder.decode(frame.subarray(Math.max(from, frame.length - most))))
  if (tail === null) return undefined
  const [, seqDigits, ackDigits = "0", target = ""] = head
  const [, slots, result = ""] = tail
  const seq = Number(seqDigits)
  const ack = Number(ackDigits)
  if (!Number.isSafeInteger(seq) || !Number.isSafeInteger(ack)) return undefined
  const body = JsonBytes.readText(frame.subarray(from, frame.length - tail[0].length))
  if (body === undefined) return undefined
  const methargs = { body, slots: slots === undefined ? [] : unquoted(slots).split('","') }
  return { seq, ack, delivery: { _tag: "Message", target: unquoted(target), methargs, result: unquoted(result) } }
}
