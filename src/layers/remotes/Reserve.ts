/**
 * What takes up a handle's reserve for the kernel's own traffic. A message takes it up until it is settled; the messages behind
 * it do so too, so that the parts are given back in the order of their numbers.
 *
 * @internal
 */
export interface Reserve {
  messages: number
  bytes: number
  /** Of what has its number: through which number a part takes up how much. */
  readonly parts: Array<Part>
}

interface Part {
  readonly through: number
  readonly messages: number
  readonly bytes: number
}

/**
 * @internal
 */
export const make = (): Reserve => ({ messages: 0, bytes: 0, parts: [] })

/**
 * Takes up a message's part before the message has its number.
 *
 * @internal
 */
export const take = (reserve: Reserve, bytes: number): void => {
  reserve.messages += 1
  reserve.bytes += bytes
}

/**
 * Gives the part of a message back that was taken and has not been numbered.
 *
 * @internal
 */
export const giveBack = (reserve: Reserve, bytes: number): void => {
  reserve.messages -= 1
  reserve.bytes -= bytes
}

/**
 * The message whose part was taken has this number.
 *
 * @internal
 */
export const number = (reserve: Reserve, through: number, bytes: number): void => {
  reserve.parts.push({ through, messages: 1, bytes })
}

/**
 * Takes up what was found to be pending beyond the limits: the reserve does not grow with each restart.
 *
 * @internal
 */
export const takeFound = (reserve: Reserve, part: Part): void => {
  if (part.messages <= 0 && part.bytes <= 0) return
  reserve.messages += part.messages
  reserve.bytes += part.bytes
  reserve.parts.push(part)
}

/**
 * Gives back what messages up to this number took up.
 *
 * @internal
 */
export const settle = (reserve: Reserve, settled: number): void => {
  const { parts } = reserve
  for (let [first] = parts; first !== undefined && first.through <= settled; [first] = parts) {
    reserve.messages -= first.messages
    reserve.bytes -= first.bytes
    parts.shift()
  }
}
