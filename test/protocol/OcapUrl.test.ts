import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as OcapUrl from "../../src/protocol/OcapUrl.ts"
import * as PeerId from "../../src/protocol/PeerId.ts"

const p = "12D3KooWNW98jY6oC8EEaFFbYCc24HPRaNAJaEY7eiAvspiAgFak"
const host = Either.getOrThrow(PeerId.fromString(p))

const reasonOf = (text: string): string =>
  Either.match(OcapUrl.parse(text), { onLeft: (it) => it.reason, onRight: () => "fine" })

const printable = (exclude: string) =>
  Array.from({ length: 0x7e - 0x20 }, (_, i) => String.fromCharCode(0x21 + i)).filter((it) => !exclude.includes(it))
const oid = FastCheck.string({ unit: FastCheck.constantFrom(...printable("@")), minLength: 1, maxLength: 300 })
const hint = FastCheck.string({ unit: FastCheck.constantFrom(...printable("@,")), minLength: 1, maxLength: 400 })
const parts = FastCheck.record({ oid, host: FastCheck.constant(host), hints: FastCheck.array(hint, { maxLength: 16 }) })

describe("OcapUrl", () => {
  it.each([
    ["ocap:oid@p", []],
    ["ocap:oid@p,h1,h2", ["h1", "h2"]],
    ["ocap:oid@p,,h1,,h2,", ["h1", "h2"]],
    ["OCAP:oid@p,h1", ["h1"]]
  ])("reads %s", (text, hints) => {
    assert.deepStrictEqual(OcapUrl.parse(text.replace("@p", `@${p}`)), Either.right({ oid: "oid", host, hints }))
  })

  it.each([
    ["", "NotAUrl"],
    ["utter nonsense", "NotAUrl"],
    [":oid@p", "NotAUrl"],
    ["yuck:oid@p", "OtherScheme"],
    ["ocap:oid", "NotOneHost"],
    ["ocap:oid@p@p", "NotOneHost"],
    ["ocap:oid@p,h@h", "NotOneHost"],
    ["ocap:oid@,x", "NoHost"],
    ["ocap:oid@", "NoHost"],
    ["ocap:@p", "NoObject"],
    ["ocap:o id@p", "NoObject"],
    ["ocap:oid@p ", "BadHost"],
    ["ocap:oid@p\n", "BadHost"],
    ["ocap:oid@p?x=1#y", "BadHost"],
    ["ocap:oid@nobody", "BadHost"],
    ["ocap:oid@a@b", "NotOneHost"]
  ])("refuses %j: %s", (text, reason) => {
    assert.strictEqual(reasonOf(text.replaceAll("@p", `@${p}`)), reason)
  })

  it("keeps at most 16 hints of at most 512 printable characters each", () => {
    const good = Array.from({ length: 20 }, (_, i) => `h${i}`)
    const longest = "x".repeat(OcapUrl.maxHintLength)
    const read = OcapUrl.parse(`ocap:oid@${p},${[`${longest}x`, "ä", "a b", "a\0b", longest, ...good].join(",")}`)
    assert.deepStrictEqual(Either.getOrThrow(read).hints, [longest, ...good.slice(0, 15)])
  })

  it("looks at 8 KiB of text and no more", () => {
    const head = `ocap:oid@${p},`
    assert.strictEqual(reasonOf(head + "x".repeat(8192 - head.length)), "fine")
    assert.strictEqual(reasonOf(head + "x".repeat(8193 - head.length)), "TooLong")
    assert.strictEqual(reasonOf("x".repeat(8193)), "TooLong")
  })

  it("refuses a host that is longer than any peer id", () => {
    assert.strictEqual(reasonOf(`ocap:oid@${"1".repeat(129)}`), "BadHost")
  })

  it("writes what it reads back as the same", () => {
    FastCheck.assert(
      FastCheck.property(parts, (it) => {
        assert.deepStrictEqual(Either.flatMap(OcapUrl.format(it), OcapUrl.parse), Either.right(it))
      })
    )
  })

  it("reads what it wrote of anything it could read", () => {
    const text = FastCheck.tuple(oid, FastCheck.array(FastCheck.string(), { maxLength: 20 })).map(
      ([oid, tail]) => `ocap:${oid}@${[p, ...tail].join(",")}`
    )
    FastCheck.assert(
      FastCheck.property(text, (it) => {
        const read = OcapUrl.parse(it)
        if (Either.isLeft(read)) return // the junk had an "@"
        assert.deepStrictEqual(Either.flatMap(OcapUrl.format(read.right), OcapUrl.parse), read)
      })
    )
  })

  it("leaves out hints that a URL cannot carry", () => {
    const hints = ["", "a,b", "a@b", "a b", "ö", "x".repeat(513), "good", ...Array<string>(20).fill("y".repeat(500))]
    const text = Either.getOrThrow(OcapUrl.format({ oid: "oid", host, hints }))
    assert.deepStrictEqual(Either.getOrThrow(OcapUrl.parse(text)).hints, [
      "good",
      ...Array<string>(15).fill("y".repeat(500))
    ])
    const tight = Either.getOrThrow(OcapUrl.format({ oid: "o".repeat(8000), host, hints: ["y".repeat(500), "short"] }))
    assert.deepStrictEqual(Either.getOrThrow(OcapUrl.parse(tight)).hints, ["short"])
  })

  it.each([
    ["", "NoObject"],
    ["a@b", "NotOneHost"],
    ["a b", "NoObject"],
    ["o".repeat(8192), "TooLong"]
  ])("does not write the oid %j", (oid, reason) => {
    const error: { readonly reason: string } = Either.getOrThrow(Either.flip(OcapUrl.format({ oid, host, hints: [] })))
    assert.strictEqual(error.reason, reason)
  })

  it("never throws, whatever the text", () => {
    const piece = FastCheck.oneof(
      FastCheck.constantFrom("ocap:", "ocap", ":", "@", ",", p, "oid", "\0", "\ud800", " "),
      FastCheck.string({ unit: "binary" })
    )
    FastCheck.assert(
      FastCheck.property(FastCheck.array(piece), (it) => {
        const text = it.join("")
        assert.strictEqual(Schema.is(OcapUrl.OcapUrl)(text), Either.isRight(OcapUrl.parse(text)))
      }),
      { numRuns: 10_000 }
    )
  })

  it("does not repeat a URL in an error", () => {
    const text = "ocap:zSecret@nobody,hint"
    const error = Either.flip(OcapUrl.parse(text)).pipe(Either.getOrThrow)
    assert.notInclude(JSON.stringify(error) + error.message + String(error.stack), "Secret")
    const refused = Either.getOrThrow(Either.flip(Schema.decodeUnknownEither(OcapUrl.OcapUrl)(text)))
    assert.strictEqual(refused.message, "an OCAP URL")
    assert.notInclude(JSON.stringify(ParseResult.ArrayFormatter.formatErrorSync(refused)), "Secret")
  })
})
