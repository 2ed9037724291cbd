/** What is read and written is what libp2p's own connection of Noise reads and writes, however it comes. */
import { noise } from "@chainsafe/libp2p-noise"
import { assert, describe, it } from "@effect/vitest"
import { generateKeyPair } from "@libp2p/crypto/keys"
import type { MessageStream } from "@libp2p/interface"
import { defaultLogger } from "@libp2p/logger"
import { peerIdFromPrivateKey } from "@libp2p/peer-id"
import { multiaddrConnectionPair } from "@libp2p/utils"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { Uint8ArrayList } from "uint8arraylist"
import { ciphers } from "../../../src/layers/libp2p/ciphers.ts"
import * as Packets from "../../../src/layers/libp2p/packets.ts"
import { readQuietly } from "../../../src/layers/libp2p/lengths.ts"
import { takeShortPacketsWhole } from "../../../src/layers/libp2p/shortPackets.ts"

type Data = Uint8Array | Uint8ArrayList

/** What libp2p does with a connection of Noise, though its types do not say so. */
interface Noise {
  readonly encrypt: (text: Data) => Data
  readonly decrypt: (packet: Data) => Data
  readonly decoder: { readonly decode: (data: Data) => Iterable<Data> }
}

const isNoise = (it: object): it is Noise => "encrypt" in it && "decrypt" in it && "decoder" in it

const notNeeded = (): never => assert.fail("only what is said is encrypted here")

const party = Effect.promise(async () => {
  const privateKey = await generateKeyPair("Ed25519")
  return noise({ crypto: ciphers })({
    privateKey,
    peerId: peerIdFromPrivateKey(privateKey),
    logger: defaultLogger(),
    upgrader: {
      upgradeOutbound: notNeeded,
      upgradeInbound: notNeeded,
      createInboundAbortSignal: notNeeded,
      getStreamMuxers: () => new Map(),
      getConnectionEncrypters: () => new Map()
    }
  })
})

const asNoise = (connection: MessageStream, isOurs: boolean): Noise => {
  if (isOurs) takeShortPacketsWhole(readQuietly(connection))
  return isNoise(connection) ? connection : assert.fail("libp2p's connection of Noise is of another kind by now")
}

/** Both ends of a connection; each is libp2p's own, or has short packets whole. */
const connect = (ours: { readonly near: boolean; readonly far: boolean }) =>
  Effect.gen(function* () {
    const [near, far] = multiaddrConnectionPair()
    const [dialer, listener] = yield* Effect.all([party, party])
    const [out, inward] = yield* Effect.promise(() =>
      Promise.all([dialer.secureOutbound(near), listener.secureInbound(far)])
    )
    return { near: asNoise(out.connection, ours.near), far: asNoise(inward.connection, ours.far) }
  })

/** The same bytes in one list, in pieces that end where `cuts` (0 to 1) say. */
const inPieces = (bytes: Uint8Array, cuts: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const at = [0, ...cuts.map((cut) => Math.floor(cut * bytes.length)).sort((a, b) => a - b), bytes.length]
  return at.slice(1).map((end, index) => bytes.slice(at[index], end))
}

const sizes = FastCheck.oneof(
  FastCheck.integer({ min: 0, max: 40 }),
  FastCheck.integer({ min: 240, max: 300 }),
  FastCheck.integer({ min: 1170, max: 1230 }),
  FastCheck.constantFrom(65_519, 65_520, 70_000)
)
const cuts = FastCheck.array(FastCheck.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 })

const exchange = FastCheck.record({
  texts: FastCheck.array(FastCheck.record({ size: sizes, cuts }), { minLength: 1, maxLength: 4 }),
  cuts,
  /** Whether what arrives is told in lists of pieces. */
  inLists: FastCheck.boolean()
})

const bytesOf = (size: number, seed: number) =>
  Uint8Array.from({ length: size }, (_, index) => (seed + index * 31) % 251)

const joined = (parts: ReadonlyArray<Data>) => Buffer.from(new Uint8ArrayList(...parts).slice())

const both = [
  { near: true, far: true },
  { near: true, far: false },
  { near: false, far: true }
]

describe("A connection of Noise with short packets whole", () => {
  for (const ours of both) {
    const names = `${ours.near ? "ours" : "libp2p's"} writes, ${ours.far ? "ours" : "libp2p's"} reads`
    it.effect(`brings everything as it was, wherever it is cut on its way: ${names}`, () =>
      Effect.map(connect(ours), ({ far, near }) =>
        FastCheck.assert(
          FastCheck.property(exchange, ({ cuts, inLists, texts }) => {
            const said = texts.map(({ size }, index) => bytesOf(size, index))
            const packets = texts.map(({ cuts }, index) =>
              near.encrypt(new Uint8ArrayList(...inPieces(said[index] ?? bytesOf(0, 0), cuts)))
            )
            const heard: Array<Data> = []
            for (const piece of inPieces(joined(packets), cuts)) {
              if (piece.length === 0) continue
              const arrived = inLists ? new Uint8ArrayList(...inPieces(piece, cuts)) : piece
              // What is decrypted lies where the packet was.
              for (const packet of far.decoder.decode(arrived)) heard.push(far.decrypt(packet).slice())
            }
            assert.deepStrictEqual(joined(heard), joined(said))
          }),
          { numRuns: 500 }
        )
      )
    )
  }

  it.effect("refuses a packet that is not as it was encrypted, or too short to be one", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect({ near: true, far: true })
      const arrive = (bytes: Uint8Array) => () => {
        for (const packet of far.decoder.decode(bytes)) far.decrypt(packet)
      }
      const bent = near.encrypt(bytesOf(100, 1)).slice()
      bent[50] = (bent[50] ?? 0) ^ 1
      assert.throws(arrive(bent))
      assert.throws(arrive(Uint8Array.of(0, 3, 1, 2, 3)))
      assert.throws(arrive(Uint8Array.of(0, 16, ...new Uint8Array(16))))
    })
  )

  it.effect("does not take the rest of a packet for one because it begins with its own length", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect({ near: true, far: true })
      const read = (bytes: Uint8Array) => Array.from(far.decoder.decode(bytes), (packet) => far.decrypt(packet).slice())
      const text = bytesOf(600, 1)
      const misleading = (bytes: Uint8Array) =>
        bytes.findIndex((_, at) => at > 2 && Packets.isWhole(bytes.subarray(at)))
      let cut = -1
      for (let tries = 0; cut === -1 && tries < 10_000; tries += 1) {
        const bytes = near.encrypt(text).slice()
        cut = misleading(bytes)
        const heard = cut === -1 ? read(bytes) : [...read(bytes.slice(0, cut)), ...read(bytes.slice(cut))]
        assert.deepStrictEqual(joined(heard), Buffer.from(text))
      }
      assert.isAbove(cut, 0, "one in a hundred packets has such a rest")
    })
  )

  it.effect("is in one piece where it is short", () =>
    Effect.gen(function* () {
      const { near } = yield* connect({ near: true, far: true })
      assert.isTrue(near.encrypt(bytesOf(1199, 1)) instanceof Uint8Array)
      assert.isTrue(near.encrypt(bytesOf(1200, 1)) instanceof Uint8ArrayList)
    })
  )

  it("is left as it is where it is of another kind", () => {
    const [stream] = multiaddrConnectionPair()
    assert.isFalse("encrypt" in takeShortPacketsWhole(stream))
  })
})
