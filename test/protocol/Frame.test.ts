import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Frame from "../../src/protocol/Frame.ts"

const max = 1_048_576

const pushAll = (decoder: Frame.Decoder, chunks: ReadonlyArray<Uint8Array>) =>
  chunks.flatMap((chunk) => Either.getOrThrowWith(decoder.push(chunk), (reason) => new Error(reason)))

/** Cuts `bytes` at the given places, given as shares of its length; equal places give empty chunks. */
const cut = (bytes: Uint8Array, places: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const offsets = places.map((place) => Math.floor(place * bytes.length)).sort((a, b) => a - b)
  return [...offsets, bytes.length].map((end, i) => bytes.subarray(offsets[i - 1] ?? 0, end))
}

const payload = FastCheck.oneof(
  FastCheck.uint8Array({ maxLength: 200 }),
  FastCheck.constantFrom(0, 1, 127, 128, 129, 16_383, 16_384, 16_385, 40_000).map((length) =>
    new Uint8Array(length).map((_, i) => i * 31)
  )
)
const places = FastCheck.array(FastCheck.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 })

/** The LEB128 digits of a length, `extra` of them needless. */
const prefix = (length: number, extra = 0): Uint8Array => {
  const digits = new Uint8Array(Frame.prefixLength(length))
  Frame.writePrefix(digits, 0, length)
  if (extra === 0) return digits
  digits[digits.length - 1] = (digits.at(-1) ?? 0) | 128
  return Uint8Array.of(...digits, ...Array.from({ length: extra - 1 }, () => 128), 0)
}

describe("Frame", () => {
  it("writes the prefixes of unsigned varint", () => {
    for (const [length, digits] of [
      [0, [0]],
      [1, [1]],
      [127, [127]],
      [128, [128, 1]],
      [300, [172, 2]],
      [16_383, [255, 127]],
      [16_384, [128, 128, 1]],
      [1_048_576, [128, 128, 64]],
      [2 ** 32, [128, 128, 128, 128, 16]]
    ] as const) {
      assert.strictEqual(Frame.prefixLength(length), digits.length)
      const target = new Uint8Array(8)
      assert.strictEqual(Frame.writePrefix(target, 2, length), 2 + digits.length)
      assert.deepStrictEqual([...target.subarray(2, 2 + digits.length)], [...digits])
    }
  })

  it.prop(
    "gives back any payloads at any chunking",
    [FastCheck.array(payload, { maxLength: 12 }), places],
    ([sent, at]) => {
      const decoder = Frame.makeDecoder(max)
      assert.deepStrictEqual(pushAll(decoder, cut(Frame.encode(sent), at)), sent)
      assert.strictEqual(decoder.pendingBytes(), 0)
    }
  )

  it.prop(
    "gives back payloads that come byte by byte",
    [FastCheck.array(FastCheck.uint8Array({ maxLength: 140 }), { maxLength: 4 })],
    ([sent]) => {
      const bytes = Frame.encode(sent)
      assert.deepStrictEqual(
        pushAll(
          Frame.makeDecoder(max),
          Array.from(bytes, (byte) => Uint8Array.of(byte))
        ),
        sent
      )
    },
    { fastCheck: { numRuns: 10_000 } }
  )

  it.prop(
    "tells a cut frame from a finished one",
    [
      FastCheck.array(payload, { maxLength: 4 }),
      FastCheck.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      places
    ],
    ([sent, share, at]) => {
      const last = Frame.encode([new Uint8Array(500)])
      const kept = Math.floor(share * last.length)
      const whole = Frame.encode(sent)
      const decoder = Frame.makeDecoder(max)
      assert.deepStrictEqual(pushAll(decoder, cut(Uint8Array.of(...whole, ...last.subarray(0, kept)), at)), sent)
      assert.strictEqual(decoder.pendingBytes(), kept)
    }
  )

  it("gives views of frames that lie whole within a chunk, and copies of others", () => {
    const chunk = Frame.encode([new Uint8Array(10), new Uint8Array(20)])
    const decoder = Frame.makeDecoder(max)
    const [first] = pushAll(decoder, [chunk.subarray(0, 15)])
    const [second] = pushAll(decoder, [chunk.subarray(15)])
    assert.strictEqual(first?.buffer, chunk.buffer)
    assert.notStrictEqual(second?.buffer, chunk.buffer)
  })

  it("takes a payload at the limit and refuses one above it", () => {
    for (const limit of [1, 126, 127, 128, 1000, 16_383, max]) {
      assert.lengthOf(pushAll(Frame.makeDecoder(limit), [Frame.encode([new Uint8Array(limit)])]), 1)
      assert.isTrue(Either.isLeft(Frame.makeDecoder(limit).push(prefix(limit + 1))))
    }
  })

  const violation = FastCheck.oneof(
    FastCheck.integer({ min: 1001, max: Number.MAX_SAFE_INTEGER }).map((length) => prefix(length)),
    FastCheck.tuple(FastCheck.nat(1000), FastCheck.integer({ min: 1, max: 12 })).map(([length, extra]) =>
      prefix(length, extra)
    ),
    FastCheck.integer({ min: 2, max: 40 }).map((length) => new Uint8Array(length).fill(255)),
    FastCheck.integer({ min: 2, max: 40 }).map((length) => new Uint8Array(length).fill(128))
  )

  it.prop(
    "refuses every bad prefix, keeps what came before it, and takes nothing more",
    [FastCheck.array(FastCheck.uint8Array({ maxLength: 1000 }), { maxLength: 3 }), violation, places],
    ([sent, bad, at]) => {
      const decoder = Frame.makeDecoder(1000)
      const got: Array<Uint8Array> = []
      let refused: Either.Either<unknown, string> | undefined
      for (const chunk of cut(Uint8Array.of(...Frame.encode(sent), ...bad), at)) {
        const result = decoder.push(chunk)
        if (Either.isRight(result)) got.push(...result.right)
        else refused ??= result
      }
      assert.isDefined(refused)
      assert.deepStrictEqual([...got, ...decoder.beforeViolation()], sent)
      assert.strictEqual<unknown>(decoder.push(Frame.encode([Uint8Array.of(1)])), refused)
    }
  )

  it("reserves no memory for a length that was only announced", () => {
    const before = process.memoryUsage().arrayBuffers
    const decoders = Array.from({ length: 64 }, () => {
      const decoder = Frame.makeDecoder(max)
      pushAll(decoder, [prefix(max), Uint8Array.of(1)])
      return decoder
    })
    assert.isBelow(process.memoryUsage().arrayBuffers - before, 64 * 100_000)
    assert.lengthOf(decoders, 64)
  })

  it.prop(
    "gives back a payload that comes in large and small pieces, some of buffers that hold more",
    [
      FastCheck.array(
        FastCheck.tuple(
          FastCheck.constantFrom(1, 100, 16_383, 16_384, 20_000, 65_000),
          FastCheck.constantFrom(1, 2, 5)
        ),
        { minLength: 1, maxLength: 12 }
      )
    ],
    ([pieces]) => {
      const bytes = pieces.reduce((sum, [size]) => sum + size, 0)
      const sent = new Uint8Array(bytes).map((_, index) => index * 31)
      const framed = Frame.encode([sent])
      let offset = prefix(bytes).length
      const chunks = [framed.slice(0, offset)]
      for (const [size, times] of pieces) {
        const buffer = new Uint8Array(size * times)
        buffer.set(framed.subarray(offset, offset + size))
        chunks.push(buffer.subarray(0, size))
        offset += size
      }
      const got = pushAll(Frame.makeDecoder(max), chunks)
      assert.deepStrictEqual(
        got.map((payload) => Buffer.compare(payload, sent)),
        [0]
      )
    },
    { fastCheck: { numRuns: 200 } }
  )

  it("copies each byte a bounded number of times", () => {
    const set = Uint8Array.prototype.set
    let copied = 0
    Uint8Array.prototype.set = function (source, offset) {
      copied += source.length
      set.call(this, source, offset)
    }
    try {
      const frame = Frame.encode([new Uint8Array(max)])
      copied = 0
      const chunks = Array.from({ length: Math.ceil(frame.length / 1024) }, (_, i) =>
        frame.subarray(i * 1024, (i + 1) * 1024)
      )
      assert.lengthOf(pushAll(Frame.makeDecoder(max), chunks), 1)
    } finally {
      Uint8Array.prototype.set = set
    }
    assert.isBelow(copied, 3 * max)
  })
})

describe("Frame.count", () => {
  it.prop(
    "counts the frames of a buffer",
    [FastCheck.array(FastCheck.uint8Array({ maxLength: 300 }))],
    ([payloads]) => {
      assert.strictEqual(Frame.count(Frame.encode(payloads)), payloads.length)
    }
  )
})
