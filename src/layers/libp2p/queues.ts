/**
 * Libp2p puts all that is sent into a list and takes it out again, and all that arrives into another one, from which an event brings
 * it: at the socket, at Noise, and at each stream. Where nothing waits there, neither the lists nor the events are of any use.
 *
 * @internal
 */
import { type EventHandler, type MessageStream, type Stream, StreamMessageEvent } from "@libp2p/interface"
import { toError } from "./errors.ts"
import { hasMethods } from "./hasMethods.ts"

/**
 * As libp2p has bytes, in one piece or in several.
 *
 * @internal
 */
export type Data = Parameters<MessageStream["send"]>[0]

/**
 * What is used of libp2p's streams, and in part told by no type; one that has it not is left as it is.
 *
 * @internal
 */
export interface Queued extends MessageStream, Pick<Stream, "readStatus" | "writeStatus" | "remoteWriteStatus"> {
  /** Whether it is being written; what is sent meanwhile waits. */
  sendingData: boolean
  /** Writes what waits, if it is taken; whether more would be. */
  readonly processSendQueue: () => boolean
  /** Writes; libp2p calls it for what waits. */
  readonly sendData: (data: Data) => { readonly canSendMore: boolean }
  onData: (data: Data) => void
  /** Tells of what has arrived, and sees to the end where that was all. */
  readonly dispatchReadBuffer: () => void
}

const methods = [
  "send",
  "sendData",
  "processSendQueue",
  "onData",
  "dispatchReadBuffer",
  "abort",
  "listenerCount",
  "addEventListener"
]

/**
 * @internal
 */
export const isQueued = (stream: MessageStream): stream is Queued =>
  hasMethods(stream, methods) && typeof Reflect.get(stream, "sendingData") === "boolean"

/**
 * Whether something that is sent now would wait for nothing.
 *
 * @internal
 */
export const isFree = (stream: Queued): boolean =>
  stream.writeStatus === "writable" &&
  !stream.sendingData &&
  !stream.writableNeedsDrain &&
  stream.writeBufferLength === 0

/** Who closes a stream while it is being written waits for that. */
const tellIdle = (stream: Queued): void => {
  if (stream.listenerCount("idle") > 0) stream.dispatchEvent(new Event("idle"))
}

/**
 * Runs `write`, which writes something whole and tells whether more would be taken, on a stream that is free; libp2p does with it what
 * it does with its own writes.
 *
 * @internal
 */
export const sendAtOnce = (stream: Queued, write: () => boolean): boolean => {
  stream.sendingData = true
  let takesMore = true
  try {
    takesMore = write()
  } catch (error) {
    tellIdle(stream)
    stream.abort(toError(error))
    throw error
  } finally {
    stream.sendingData = false
  }
  if (!takesMore) stream.writableNeedsDrain = true
  if (stream.writeBufferLength > 0) return stream.processSendQueue()
  tellIdle(stream)
  return takesMore
}

/**
 * Has a connection write at once what is sent while nothing waits. Only for one that writes whatever it is given as a whole, in one
 * piece or in several.
 *
 * @internal
 */
export const sendPastQueue = <S extends MessageStream>(connection: S): S => {
  if (!isQueued(connection)) return connection
  const send = connection.send.bind(connection)
  return Object.assign(connection, {
    send: (data: Data) =>
      isFree(connection) && data.byteLength > 0
        ? sendAtOnce(connection, () => connection.sendData(data).canSendMore)
        : send(data)
  })
}

/**
 * Tells `hear` of something that has arrived, as an event would: what it throws is no business of who brings the data.
 *
 * @internal
 */
export const hearAtOnce = (stream: Queued, data: Data, hear: (data: Data) => void): void => {
  try {
    hear(data)
  } catch (defect) {
    queueMicrotask(() => {
      throw defect
    })
  }
  // It may have been the last that comes.
  if (stream.remoteWriteStatus === "closed") stream.dispatchReadBuffer()
}

/**
 * Whether something that arrives now would wait for nothing, and be told to one listener.
 *
 * @internal
 */
export const isHeardAlone = (stream: Queued, data: Data): boolean =>
  stream.readStatus === "readable" &&
  stream.readBufferLength === 0 &&
  data.byteLength > 0 &&
  stream.listenerCount("message") === 1

type Listener = EventHandler<StreamMessageEvent>

/** The listeners to messages from here on that are there until they are removed. */
const watchListeners = (connection: Queued): ReadonlySet<Listener> => {
  const listeners = new Set<Listener>()
  const add = connection.addEventListener.bind(connection)
  const remove = connection.removeEventListener.bind(connection)
  Object.assign(connection, {
    addEventListener: (...it: Parameters<typeof add>) => {
      const [type, listener, options] = it
      if (type === "message" && listener !== null && options === undefined) listeners.add(listener)
      add(...it)
    },
    removeEventListener: (...it: Parameters<typeof remove>) => {
      const [type, listener] = it
      if (type === "message" && listener !== null && listener !== undefined) listeners.delete(listener)
      remove(...it)
    }
  })
  return listeners
}

/**
 * Has a connection bring at once what arrives while nothing waits and one listens. Only for one that nobody listens to yet.
 *
 * @internal
 */
export const hearPastQueue = <S extends MessageStream>(connection: S): S => {
  if (!isQueued(connection)) return connection
  const onData = connection.onData.bind(connection)
  const listeners = watchListeners(connection)
  const tell = (data: Data) => {
    for (const listener of listeners) {
      const event = new StreamMessageEvent(data)
      if (typeof listener === "function") listener(event)
      else listener.handleEvent(event)
    }
  }
  return Object.assign(connection, {
    onData: (data: Data) =>
      listeners.size === 1 && isHeardAlone(connection, data) ? hearAtOnce(connection, data, tell) : onData(data)
  })
}
