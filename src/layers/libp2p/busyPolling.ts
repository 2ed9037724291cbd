/**
 * The event loop sleeps until a socket brings something. Here it goes round without sleeping where an answer is about to come.
 *
 * @internal
 */
import type { MessageStream } from "@libp2p/interface"
import * as BusyPolling from "../../protocol/BusyPolling.ts"
import type { inNextTurn } from "./afterReading.ts"
import { type Data, isQueued } from "./queues.ts"

type NextTurn = NonNullable<typeof inNextTurn>

/** Looks for the answer to one question, the last that was asked on any connection. */
interface Poller {
  /** Calls back if it was in vain. Who is replaced by the next one is told nothing. */
  readonly look: (from: number, onMiss: () => void) => void
  /** Whether it is this one that is looked for; if it is, that ends. */
  readonly end: (onMiss: () => void) => boolean
}

const makePoller = (nextTurn: NextTurn): Poller => {
  let missed: (() => void) | undefined
  let until = 0
  let isRound = false
  const goRound = () => {
    if (missed !== undefined && performance.now() < until) return nextTurn(goRound)
    isRound = false
    missed?.()
    missed = undefined
  }
  return {
    look: (from, onMiss) => {
      missed = onMiss
      until = from + BusyPolling.longest
      if (isRound) return
      isRound = true
      nextTurn(goRound)
    },
    end: (onMiss) => {
      const isLooking = missed === onMiss
      if (isLooking) missed = undefined
      return isLooking
    }
  }
}

/**
 * Makes what keeps the event loop of a node awake for the answers to what is written on its connections, where that pays; any number
 * of them take turns. Where turns cannot be told it does nothing.
 *
 * @internal
 */
export const make = (nextTurn: typeof inNextTurn) => {
  const poller = nextTurn && makePoller(nextTurn)
  return <S extends MessageStream>(connection: S): S => {
    if (poller === undefined || !isQueued(connection)) return connection
    const sendData = connection.sendData.bind(connection)
    const onData = connection.onData.bind(connection)
    let polling = BusyPolling.initial
    let asked: number | undefined
    const onMiss = () => {
      polling = BusyPolling.missed(polling)
    }
    const onAnswer = (since: number) => {
      const isFound = poller.end(onMiss)
      polling = isFound ? BusyPolling.found(polling) : BusyPolling.answered(polling, performance.now() - since)
      asked = undefined
    }
    const isLarge = ({ byteLength }: Data) => byteLength > BusyPolling.largest
    return Object.assign(connection, {
      sendData: (data: Data) => {
        const sent = sendData(data)
        if (isLarge(data)) polling = BusyPolling.streamed(polling)
        asked = performance.now()
        if (BusyPolling.pays(polling)) poller.look(asked, onMiss)
        return sent
      },
      onData: (data: Data) => {
        if (asked !== undefined) onAnswer(asked)
        if (isLarge(data)) polling = BusyPolling.streamed(polling)
        onData(data)
      }
    })
  }
}
