/** When the event loop goes round without sleeping: it does a turn when the test says so, and the clock stands still in between. */
import { assert, beforeEach, describe, it } from "@effect/vitest"
import { defaultLogger } from "@libp2p/logger"
import { AbstractMessageStream } from "@libp2p/utils"
import { performance } from "node:perf_hooks"
import { vi } from "vitest"
import * as BusyPolling from "../../../src/layers/libp2p/busyPolling.ts"

const turns: Array<() => void> = []

let now = 0
beforeEach(() => {
  turns.length = 0
  const clock = vi.spyOn(performance, "now").mockImplementation(() => now)
  return () => clock.mockRestore()
})

/** One turn of the event loop; whether it goes on to the next one without sleeping. */
const goRound = (): boolean => {
  const runs = turns.splice(0)
  assert.isAtMost(runs.length, 1, "however many wait, one goes round")
  for (const run of runs) run()
  return turns.length > 0
}

/** A stream of libp2p's whose other end is the test. */
class Line extends AbstractMessageStream {
  readonly heard: Array<number> = []
  written = 0

  constructor() {
    super({ log: defaultLogger().forComponent("test") })
    this.addEventListener("message", ({ data }) => void this.heard.push(data.byteLength))
  }
  sendData({ byteLength }: { readonly byteLength: number }) {
    this.written += byteLength
    return { sentBytes: byteLength, canSendMore: true }
  }
  sendReset() {}
  sendPause() {}
  sendResume() {}
  close() {
    return Promise.resolve()
  }
}

const ask = (line: Line, bytes = 300) => line.send(new Uint8Array(bytes))

const answer = (line: Line, after: number, bytes = 300) => {
  now += after
  line.onData(new Uint8Array(bytes))
}

const exchange = (line: Line, after: number, count = 1) => {
  for (let index = 0; index < count; index += 1) {
    ask(line)
    answer(line, after)
  }
}

/** A node whose connections are watched. */
const makeNode = () => {
  const poll = BusyPolling.make((run) => void turns.push(run))
  return { connect: () => poll(new Line()) }
}

/** A connection on which answers have been quick. */
const makeQuick = () => {
  const line = makeNode().connect()
  exchange(line, 0.2, 4)
  return line
}

describe("The event loop", () => {
  it("sleeps until the first four answers, and until late ones", () => {
    const line = makeNode().connect()
    for (const after of [0.2, 0.2, 0.2, 5, 0.2, 5, 0.2, 0.2, 0.2]) {
      ask(line)
      assert.isFalse(goRound())
      answer(line, after)
    }
    assert.strictEqual(line.written, 9 * 300)
    assert.deepStrictEqual(line.heard, Array<number>(9).fill(300))
  })

  it("goes round for an answer where the last ones were quick, until it is there", () => {
    const line = makeQuick()
    ask(line)
    for (let turn = 0; turn < 20; turn += 1) assert.isTrue(goRound())
    answer(line, 0.5)
    assert.isFalse(goRound())
    ask(line)
    assert.isTrue(goRound())
  })

  it("goes round for 1 ms at most, and after that sleeps until twice as many answers were quick", () => {
    const line = makeQuick()
    ask(line)
    now += 0.999
    assert.isTrue(goRound())
    now += 0.001
    assert.isFalse(goRound())
    answer(line, 5)
    exchange(line, 0.2, 7)
    ask(line)
    assert.isFalse(goRound())
    answer(line, 0.2)
    ask(line)
    assert.isTrue(goRound())
  })

  it("goes round after four quick answers again once one came while it did", () => {
    const line = makeQuick()
    for (let time = 0; time < 3; time += 1) {
      ask(line)
      now += 1
      assert.isFalse(goRound())
      answer(line, 5)
      exchange(line, 0.2, 8 * 2 ** time)
    }
    // It was found, and that is enough.
    exchange(line, 0.2)
    ask(line)
    now += 1
    assert.isFalse(goRound())
    answer(line, 5)
    exchange(line, 0.2, 8)
    ask(line)
    assert.isTrue(goRound())
  })

  it("takes nothing for an answer that comes unasked", () => {
    const line = makeNode().connect()
    exchange(line, 0.2)
    for (let time = 0; time < 5; time += 1) answer(line, 0.1)
    ask(line)
    assert.isFalse(goRound())
  })

  it("goes round 1 ms from the last question on", () => {
    const line = makeQuick()
    ask(line)
    now += 0.6
    ask(line)
    now += 0.6
    assert.isTrue(goRound())
    answer(line, 0.2)
    assert.isFalse(goRound())
  })

  it("sleeps while nothing was asked, however quick the peer is", () => {
    const line = makeQuick()
    answer(line, 0.1)
    answer(line, 0.1)
    assert.isFalse(goRound())
  })

  it("sleeps while much is sent, or comes", () => {
    const line = makeQuick()
    ask(line, 4097)
    assert.isFalse(goRound())
    answer(line, 0.2)
    exchange(line, 0.2, 3)
    ask(line)
    assert.isTrue(goRound())
    answer(line, 0.2, 4097)
    ask(line)
    assert.isFalse(goRound())
  })

  it("goes round for the last that was asked, of all connections of a node", () => {
    const { connect } = makeNode()
    const [one, other] = [connect(), connect()]
    exchange(one, 0.2, 4)
    exchange(other, 0.2, 4)
    ask(one)
    assert.isTrue(goRound())
    ask(other)
    answer(one, 0.2)
    assert.isTrue(goRound())
    answer(other, 0.2)
    assert.isFalse(goRound())
    // One was quick although nobody stayed awake for it.
    ask(one)
    assert.isTrue(goRound())
  })

  it("sleeps where it cannot go round, as in browsers", () => {
    const line = new Line()
    const { onData, sendData } = line
    assert.strictEqual(BusyPolling.make(undefined)(line), line)
    assert.deepStrictEqual([line.onData, line.sendData], [onData, sendData])
  })
})
