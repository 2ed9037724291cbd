/**
 * Short messages as this library writes them, read by looking for where each part ends, in half the time that JSON as such takes.
 * Anything else is not recognised, and left to who reads all that JSON allows. Pure.
 *
 * @internal
 */
import type { LongMessage } from "./LongMessage.ts"

/** Up to how many UTF-16 code units of a frame that is cheaper. */
const most = 4096

const start = '{"seq":'
const beforeAck = '"ack":'
const beforeTarget = '"method":"deliver","params":["message","'
const beforeBody = '",{"methargs":{"body":"'
const beforeSlots = '","slots":['
const beforeResult = ']},"result":"'
const end = '"}]}'

/** Below this length V8 copies what is cut out of a text; what is longer keeps the whole text in memory. */
const copied = 13

/** A part of a frame's text that somebody may keep: it does not keep much more than itself. */
const cut = (text: string, from: number, to: number): string => {
  const part = text.slice(from, to)
  return part.length < copied || part.length * 2 >= text.length ? part : ` ${part}`.slice(1)
}

/** No JSON string holds a character below the space. */
const control = /[^ -\uffff]/

/** A whole number from 1 on of at most 16 digits, as JSON writes it; NaN if it is none. */
const wholeNumber = (text: string, from: number, to: number): number => {
  let value = 0
  for (let index = from; index < to; index += 1) {
    const digit = text.charCodeAt(index) - 48
    if (digit < 0 || digit > 9 || (digit === 0 && index === from)) return Number.NaN
    value = value * 10 + digit
  }
  return to > from && to - from <= 16 && Number.isSafeInteger(value) ? value : Number.NaN
}

/** The strings of a list that begins at `from`, and where it ends; undefined if it holds something else. */
const readSlots = (
  text: string,
  from: number
): { readonly slots: ReadonlyArray<string>; readonly to: number } | undefined => {
  const slots: Array<string> = []
  if (text[from] === "]") return { slots, to: from }
  for (let at = from; text[at] === '"';) {
    const close = text.indexOf('"', at + 1)
    if (close < 0) return undefined
    slots.push(cut(text, at + 1, close))
    if (text[close + 1] === "]") return { slots, to: close + 1 }
    if (text[close + 1] !== ",") return undefined
    at = close + 2
  }
  return undefined
}

const readDelivery = (text: string, from: number): LongMessage["delivery"] | undefined => {
  if (!text.startsWith(beforeTarget, from)) return undefined
  const target = from + beforeTarget.length
  const afterTarget = text.indexOf('"', target)
  if (afterTarget < 0 || !text.startsWith(beforeBody, afterTarget)) return undefined
  const body = afterTarget + beforeBody.length
  const afterBody = text.indexOf('"', body)
  if (afterBody < 0 || !text.startsWith(beforeSlots, afterBody)) return undefined
  const list = readSlots(text, afterBody + beforeSlots.length)
  if (list === undefined || !text.startsWith(beforeResult, list.to)) return undefined
  const result = list.to + beforeResult.length
  const afterResult = text.indexOf('"', result)
  if (afterResult < 0 || afterResult + end.length !== text.length || !text.endsWith(end)) return undefined
  return {
    _tag: "Message",
    target: cut(text, target, afterTarget),
    methargs: { body: cut(text, body, afterBody), slots: list.slots },
    result: cut(text, result, afterResult)
  }
}

/**
 * What a frame of this text says, if it is written as ours are, with nothing escaped in it.
 *
 * @internal
 */
export const read = (text: string): LongMessage | undefined => {
  // Where nothing is escaped, each quotation mark begins or ends a string.
  if (text.length > most || !text.startsWith(start) || text.includes("\\") || control.test(text)) return undefined
  const afterSeq = text.indexOf(",", start.length)
  const seq = wholeNumber(text, start.length, afterSeq)
  const hasAck = text.startsWith(beforeAck, afterSeq + 1)
  const afterAck = hasAck ? text.indexOf(",", afterSeq + 1) : afterSeq
  const ack = hasAck ? wholeNumber(text, afterSeq + 1 + beforeAck.length, afterAck) : 0
  if (Number.isNaN(seq) || Number.isNaN(ack)) return undefined
  const delivery = readDelivery(text, afterAck + 1)
  return delivery && { seq, ack, delivery }
}
