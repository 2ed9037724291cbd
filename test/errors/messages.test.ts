/** What holds for the message of every error that the library exports, whatever its fields say. */
import { assert, describe, it } from "@effect/vitest"
import * as Main from "effect-remotes"
import * as Sql from "effect-remotes/sql"
import * as Testing from "effect-remotes/testing"
import * as Arbitrary from "effect/Arbitrary"
import * as Duration from "effect/Duration"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import { excerpt } from "../../src/errors/excerpt.ts"

type ErrorClass = (abstract new (...args: never) => Error) & { readonly fields: Schema.Struct.Fields }

const isErrorClass = (value: unknown): value is ErrorClass =>
  typeof value === "function" && Schema.isSchema(value) && value.prototype instanceof Error && "fields" in value

/** By their names, each once. */
const classes = new Map(
  Object.values({ ...Main, ...Sql, ...Testing }).flatMap((module) =>
    Object.entries(module).filter((entry): entry is [string, ErrorClass] => isErrorClass(entry[1]))
  )
)

/** What a stranger may say, to make a log or a terminal show what is not so. */
const foreign = FastCheck.oneof(
  FastCheck.string({ unit: "binary", maxLength: 40 }),
  FastCheck.constantFrom(
    "\u{1b}[2J\u{1b}]0;x\u{7}",
    "a\r\nb",
    "a\u{2028}b\u{2029}c\u{85}d",
    "\u{202e}gnp.exe",
    "\u{d800}",
    "\0"
  ),
  FastCheck.string({ unit: "binary" }).map((it) => `${it}.`.repeat(2000)),
  FastCheck.constant("\u{1f98a}".repeat(200)),
  FastCheck.constant(`${"x".repeat(119)}\u{1f98a}`)
)

const valueOf = (ast: AST.AST): FastCheck.Arbitrary<unknown> => {
  if (AST.isStringKeyword(ast)) return foreign
  const [rest] = AST.isTupleType(ast) ? ast.rest : []
  return rest === undefined ? Arbitrary.make(Schema.make(ast)) : FastCheck.array(valueOf(rest.type), { size: "large" })
}

const fieldsOf = ({ fields }: ErrorClass): ReadonlyMap<string, AST.AST> =>
  new Map(
    Object.entries(fields).flatMap(([name, field]) =>
      name !== "_tag" && Schema.isSchema(field) ? [[name, AST.typeAST(field.ast)]] : []
    )
  )

const propsOf = (type: ErrorClass) =>
  FastCheck.record(
    Object.fromEntries([
      ...[...fieldsOf(type)].map(([name, ast]) => [name, valueOf(ast)] as const),
      ...("cause" in type.fields ? [["cause", foreign.map((it) => new Error(it))] as const] : [])
    ])
  )

const make = (type: ErrorClass, props: object): Error => {
  const error: unknown = Reflect.construct(type, [props])
  return error instanceof Error ? error : assert.fail("no error")
}

/** As many lines as an `InvalidOptionsError` has at most, of the length that one has at most; the others are much shorter. */
const longest = (name: string) => (name === "InvalidOptionsError" ? 21_000 : 600)

const shown = (value: unknown): ReadonlyArray<string> =>
  typeof value === "string"
    ? [excerpt(value)]
    : typeof value === "number"
      ? [String(value)]
      : Duration.isDuration(value)
        ? [Duration.isFinite(value) ? Duration.format(value) : "any time"]
        : []

describe("the errors", () => {
  it("are found", () => {
    assert.isAbove(classes.size, 30)
    assert.includeMembers([...classes.keys()], ["DialFailedError", "InvalidOptionsError", "DeliveryRefused"])
  })

  for (const [name, type] of classes) {
    it.prop(
      `${name} has a message on one line, of bounded length, and safe to print`,
      [propsOf(type)],
      ([props]) => {
        const { message } = make(type, props)
        assert.match(message, /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+$/u)
        assert.isAtMost(message.length, longest(name))
      },
      { fastCheck: { numRuns: 50 } }
    )

    it.prop(
      `${name} says what its fields say`,
      [propsOf(type)],
      ([props]) => {
        const { message } = make(type, props)
        for (const [field, ast] of fieldsOf(type)) {
          if (AST.isUnion(ast) || AST.isLiteral(ast)) continue // a word for the program; the message has a sentence for it
          for (const text of shown(new Map<string, unknown>(Object.entries(props)).get(field)))
            assert.include(message, text)
        }
      },
      { fastCheck: { numRuns: 50 } }
    )

    it(`${name} has a sentence of its own for each of its reasons`, () => {
      for (const [field, ast] of fieldsOf(type)) {
        if (!AST.isUnion(ast)) continue
        const values = ast.types.filter(AST.isLiteral).map(({ literal }) => literal)
        const [props] = FastCheck.sample(propsOf(type), 1)
        const messages = values.map((value) => make(type, { ...props, [field]: value }).message)
        assert.strictEqual(new Set(messages).size, values.length)
        for (const message of messages) assert.match(message, / .* /)
      }
    })
  }
})
