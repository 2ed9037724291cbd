/** Inputs from a seed: valid ones, and what becomes of them when they are bent. */
import { PCGRandom } from "effect/Utils"

/** Draws; the same seed and index always give the same input, so that a failure needs no other input before it. */
export interface Draw {
  /** A whole number below `limit`. */
  readonly below: (limit: number) => number
  readonly pick: <A>(from: readonly [A, ...ReadonlyArray<A>]) => A
  readonly chance: (oneIn: number) => boolean
}

export const makeDraw = (seed: number, index: number): Draw => {
  const generator = new PCGRandom(seed, index, 0xda3e39cb, 0x94b95bdb)
  const below = (limit: number): number => (limit <= 1 ? 0 : generator.integer(limit))
  return {
    below,
    pick: ([first, ...rest]) => rest[below(rest.length + 1) - 1] ?? first,
    chance: (oneIn) => below(oneIn) === 0
  }
}

/** Pieces that mean something to some parser, or used to break some. */
const pieces = [
  "null",
  "true",
  "-1",
  "0",
  "1e400",
  "0.5",
  "9007199254740991",
  "9007199254740992",
  "[]",
  "{}",
  '""',
  '"__proto__":',
  '"constructor"',
  '"seq":1,',
  '"ack":9,',
  "\\u0000",
  "\\ud800",
  "\u{1b}[2J",
  "\u{202e}",
  "\u{1f98a}",
  "ocap:",
  "@",
  ",",
  "%00",
  "&",
  "=",
  "/ip4/127.0.0.1/tcp/1",
  "/p2p-circuit",
  "Infinity",
  "NaN",
  "[".repeat(200),
  "x".repeat(300)
] as const

const bend = (draw: Draw, text: string): string => {
  const at = draw.below(text.length + 1)
  const to = Math.min(text.length, at + draw.below(12))
  switch (draw.below(6)) {
    case 0:
      return text.slice(0, at) + text.slice(to)
    case 1:
      return text.slice(0, at) + draw.pick(pieces) + text.slice(at)
    case 2:
      return text.slice(0, at) + draw.pick(pieces) + text.slice(to)
    case 3:
      return text.slice(0, to) + text.slice(at)
    case 4:
      return text.slice(0, at)
    default:
      return text.slice(0, at) + String.fromCharCode(draw.below(draw.pick([128, 256, 65_536]))) + text.slice(at + 1)
  }
}

/** A text, bent up to four times; every eighth stays as it is. */
export const bentText = (draw: Draw, text: string): string => {
  if (draw.chance(8)) return text
  let bent = text
  for (let times = 1 + draw.below(4); times > 0; times -= 1) bent = bend(draw, bent)
  return bent
}

const encoder = new TextEncoder()

/** As `bentText`, and then some of the bytes. */
export const bentBytes = (draw: Draw, text: string): Uint8Array => {
  const bytes = encoder.encode(bentText(draw, text))
  if (bytes.length > 0 && draw.chance(3)) bytes[draw.below(bytes.length)] = draw.below(256)
  return bytes
}

export const garbage = (draw: Draw, longest: number): Uint8Array =>
  Uint8Array.from({ length: draw.below(longest) }, () => draw.pick([0, 0x7f, 0x80, 0xff, draw.below(256)]))
