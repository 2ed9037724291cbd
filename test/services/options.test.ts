/** What holds for the options of every layer, whichever way they come. */
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import type { ConfigError } from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { InvalidOptionsError } from "../../src/errors/ConfigError.ts"
import * as Declare from "../../src/internal/options.ts"
import * as ConnectionFactoryLibp2p from "../../src/layers/ConnectionFactoryLibp2p.ts"
import * as RemoteIdentityStored from "../../src/layers/RemoteIdentityStored.ts"
import * as RemotesConfig from "../../src/services/RemotesConfig.ts"

type Given = Readonly<Record<string, unknown>>

interface Module {
  readonly name: string
  readonly options: ReadonlyArray<Declare.Described>
  readonly decode: (input: unknown) => Either.Either<Given, InvalidOptionsError>
  readonly fromConfig: Effect.Effect<Given, InvalidOptionsError | ConfigError>
  readonly fromQueryString: (search: string | undefined) => Either.Either<Given, InvalidOptionsError>
  readonly toQueryString: (options: Given) => Either.Either<string, InvalidOptionsError>
}

const moduleOf = <A extends object, I>(
  name: string,
  module: {
    readonly Options: Schema.Schema<A, I>
    readonly fromConfig: Effect.Effect<object, InvalidOptionsError | ConfigError>
    readonly fromQueryString: (search: string | undefined) => Either.Either<object, InvalidOptionsError>
    readonly toQueryString: (options: I) => Either.Either<string, InvalidOptionsError>
  }
): Module => ({
  name,
  options: Declare.describe(module.Options),
  decode: (input) => Either.map(Declare.decoder(module.Options)(input), (it) => Object.fromEntries(Object.entries(it))),
  fromConfig: Effect.map(module.fromConfig, (it) => ({ ...it })),
  fromQueryString: (search) => Either.map(module.fromQueryString(search), (it) => ({ ...it })),
  toQueryString: (options) => module.toQueryString(Schema.validateSync(Schema.encodedSchema(module.Options))(options))
})

const modules = [
  moduleOf("RemotesConfig", RemotesConfig),
  moduleOf("ConnectionFactoryLibp2p", ConnectionFactoryLibp2p),
  moduleOf("RemoteIdentityStored", RemoteIdentityStored)
]

/** `maxUrlRelayHints` → `REMOTES_MAX_URL_RELAY_HINTS`, written down here once more on purpose. */
const variableOf = (name: string) => `REMOTES_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
const parameterOf = ({ kind, name }: Declare.Described) => (kind === "duration" ? `${name}Ms` : name)

const withVariables = <A, E>(effect: Effect.Effect<A, E>, variables: Readonly<Record<string, string>>) =>
  Effect.withConfigProvider(effect, ConfigProvider.fromMap(new Map(Object.entries(variables))))

const text = FastCheck.string({ unit: "grapheme", minLength: 1, maxLength: 20 })
/** Without what the environment puts between the items of a list. */
const word = FastCheck.stringMatching(/^[\w./:-]{1,20}$/)

const valueOf = (kind: Declare.Kind | undefined, item: FastCheck.Arbitrary<string>): FastCheck.Arbitrary<unknown> => {
  switch (kind) {
    case "duration":
      return FastCheck.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }).map(Duration.millis)
    case "count":
      return FastCheck.integer({ min: 4096, max: Number.MAX_SAFE_INTEGER })
    case "limit":
      return FastCheck.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
    case "texts":
      return FastCheck.array(item, { minLength: 1, maxLength: 5 })
    case "flag":
      return FastCheck.boolean()
    case "choice": // the words of the only such option
      return FastCheck.constantFrom("wait", "fail")
    case "secret":
      return item.map((it) => Redacted.make(it))
    case "structured":
    case "secretParts":
    case undefined:
      return FastCheck.constant(undefined)
  }
}

const isOnlyInCode = ({ kind }: Declare.Described) => kind === "structured" || kind === "secretParts"

const someOf = (options: ReadonlyArray<Declare.Described>, item: FastCheck.Arbitrary<string>) =>
  FastCheck.record(
    Object.fromEntries(options.filter((it) => !isOnlyInCode(it)).map(({ kind, name }) => [name, valueOf(kind, item)])),
    {
      requiredKeys: []
    }
  )

const variableText = (value: unknown): string =>
  Duration.isDuration(value)
    ? `${Duration.toMillis(value)} millis`
    : Array.isArray(value)
      ? value.join(",")
      : Redacted.isRedacted(value)
        ? String(Redacted.value(value))
        : String(value)

/** A value of each kind that is no such value, in code, as a text, and how it is shown. */
const wrong: Record<Declare.Kind, ReadonlyArray<readonly [unknown, string]>> = {
  duration: [
    [0, "0"],
    [-1, "-1"],
    [Duration.infinity, "infinite"],
    [Number.NaN, "NaN"],
    ["five", '"five"'],
    [null, "null"],
    [true, "true"]
  ],
  count: [
    [-1, "-1"],
    [1.5, "1.5"],
    [2 ** 53, "9007199254740992"],
    ["five", '"five"'],
    ["5", '"5"'],
    [Infinity, "Infinity"],
    [null, "null"]
  ],
  limit: [
    [0, "0"],
    [-1, "-1"],
    [1.5, "1.5"],
    [2 ** 53, "9007199254740992"],
    [-Infinity, "-Infinity"],
    [Number.NaN, "NaN"],
    ["5", '"5"'],
    [null, "null"]
  ],
  texts: [
    ["/ip4/127.0.0.1/tcp/0", '"/ip4/127.0.0.1/tcp/0"'],
    [[1, 2], "[1, 2]"],
    [["a", null], '["a", null]']
  ],
  flag: [
    [1, "1"],
    ["true", '"true"']
  ],
  choice: [
    ["", '""'],
    ["Wait", '"Wait"'],
    [1, "1"]
  ],
  structured: [],
  secret: [],
  secretParts: []
}
const wrongVariables: Record<Declare.Kind, ReadonlyArray<string>> = {
  duration: ["five", "10", "0 seconds", "Infinity", ""],
  count: ["-1", "1.5", "five", "1e3", "0x10", " 1", "", "9007199254740993"],
  limit: ["0", "-1", "1.5", "1e3", "Infinity", "", "9007199254740993"],
  texts: [],
  flag: ["yes", "1", ""],
  choice: ["Wait", ""],
  structured: [],
  secret: [],
  secretParts: []
}
const wrongParameters: Record<Declare.Kind, ReadonlyArray<string>> = {
  duration: ["five", "-1", "1.5", "0", "10 seconds", "", "9007199254740993"],
  count: ["-1", "1.5", "five", "1e3", "", "9007199254740993"],
  limit: ["0", "-1", "1.5", "1e3", "Infinity", "", "9007199254740993"],
  texts: ["[1,2]", "/ip4/127.0.0.1/tcp/0", '{"a":1}', '["a",null]', "[", "null"],
  flag: ["yes", "1", "", "TRUE"],
  choice: ["Wait", ""],
  structured: [],
  secret: [],
  secretParts: []
}

const onlyProblem = (error: InvalidOptionsError | ConfigError): string => {
  if (error._tag !== "InvalidOptionsError") return assert.fail(`no InvalidOptionsError, but ${error.message}`)
  const { message, problems } = error
  assert.lengthOf(problems, 1)
  assert.strictEqual(message, `invalid options: ${problems[0]}`)
  return problems[0] ?? ""
}

for (const { decode, fromConfig, fromQueryString, name, options, toQueryString } of modules) {
  const public_ = options.filter(({ kind }) => !Declare.isSecret(kind))

  describe(`the options of ${name}`, () => {
    it.effect.prop("survive a query string exactly", [someOf(public_, text)], ([given]) =>
      Effect.gen(function* () {
        const query = yield* toQueryString(given)
        assert.deepStrictEqual(yield* fromQueryString(query), given)
        assert.deepStrictEqual(yield* fromQueryString(`?other=1&${query}`), given)
        const names = [...new URLSearchParams(query).keys()]
        assert.deepStrictEqual(names, options.filter((it) => it.name in given).map(parameterOf))
      })
    )

    it.effect.prop("are read from the environment, each from its variable", [someOf(options, word)], ([given]) =>
      Effect.gen(function* () {
        const variables = Object.fromEntries(
          Object.entries(given).map(([option, value]) => [variableOf(option), variableText(value)])
        )
        assert.deepStrictEqual(yield* withVariables(fromConfig, { ...variables, REMOTES_OTHER: "x" }), given)
      })
    )

    for (const option of options) {
      if (option.kind === undefined) continue
      const { kind } = option

      it(`refuse a wrong ${option.name} given in code, and show it`, () => {
        for (const [value, shown] of wrong[kind]) {
          const problem = onlyProblem(Either.getOrThrow(Either.flip(decode({ [option.name]: value }))))
          assert.match(problem, new RegExp(`^${option.name} must be .+, but is `))
          assert.isTrue(problem.endsWith(`, but is ${shown}`), problem)
        }
      })

      it.effect(`refuse a wrong ${option.name} in the environment, and name the variable`, () =>
        Effect.forEach(wrongVariables[kind], (wrong) =>
          Effect.gen(function* () {
            const error = yield* Effect.flip(withVariables(fromConfig, { [variableOf(option.name)]: wrong }))
            const problem = onlyProblem(error)
            assert.match(problem, new RegExp(`^${variableOf(option.name)} must be .+, but is `))
            assert.isTrue(problem.endsWith(`, but is "${wrong}"`), problem)
          })
        )
      )

      it(`refuse a wrong ${option.name} in a query string, and name the parameter`, () => {
        for (const wrong of wrongParameters[kind]) {
          const query = new URLSearchParams({ [parameterOf(option)]: wrong }).toString()
          const problem = onlyProblem(Either.getOrThrow(Either.flip(fromQueryString(query))))
          assert.match(problem, new RegExp(`^${parameterOf(option)} must be .+, but is `))
          assert.isTrue(problem.endsWith(`, but is "${wrong}"`), problem)
        }
      })
    }

    it("have a line for each that is wrong, and one for each that is none", () => {
      const nulls = Object.fromEntries(options.map((option) => [option.name, null]))
      const all = { ...nulls, other: "a secret" }
      const error = Either.getOrThrow(Either.flip(decode(all)))
      assert.sameMembers(
        error.problems.map((it) => it.split(" ")[0]),
        ["other", ...options.map((option) => option.name)]
      )
      assert.include(error.message, `other is no option, but these are: ${options.map((it) => it.name).join(", ")}`)
      assert.notInclude(error.message, "a secret")
    })

    it("are those of an object, if anything", () => {
      for (const input of [null, 1, "text"])
        assert.strictEqual(
          onlyProblem(Either.getOrThrow(Either.flip(decode(input)))),
          "the options must be given as an object"
        )
    })

    it("may be undefined, which is as good as left out", () => {
      const undefineds = Object.fromEntries(options.map((option) => [option.name, undefined]))
      const defaults = Either.getOrThrow(decode({}))
      assert.deepInclude({ ...undefineds, ...defaults }, Either.getOrThrow(decode(undefineds)))
      assert.strictEqual(Either.getOrThrow(toQueryString(undefineds)), "")
    })

    it.effect("are none where nothing says otherwise", () =>
      Effect.gen(function* () {
        for (const search of [undefined, "", "?", "?other=1"])
          assert.deepStrictEqual(yield* fromQueryString(search), {})
        assert.deepStrictEqual(yield* withVariables(fromConfig, {}), {})
      })
    )
  })
}

describe("a query string", () => {
  it.effect("has the options of every layer in one", () =>
    Effect.gen(function* () {
      const relays = ["/ip4/10.0.0.1/tcp/9001/ws/p2p/12D3KooWJBDqsyHQF2MWiCdU4kdqx4zTsSTLRdShg7Ui6CRWB4uc"]
      const allowedWsHosts = ["relay.example"]
      const query = [
        yield* RemotesConfig.toQueryString({ redemptionRetries: 5, streamInactivityTimeout: "60 seconds" }),
        yield* ConnectionFactoryLibp2p.toQueryString({ allowedWsHosts, listen: [] }),
        yield* RemoteIdentityStored.toQueryString({ relays, maxKnownRelays: 200, directHintsInUrls: false })
      ].join("&")
      assert.deepStrictEqual(
        [...new URLSearchParams(query)],
        [
          ["streamInactivityTimeoutMs", "60000"],
          ["redemptionRetries", "5"],
          ["allowedWsHosts", JSON.stringify(allowedWsHosts)],
          ["relays", JSON.stringify(relays)],
          ["maxKnownRelays", "200"],
          ["directHintsInUrls", "false"]
        ]
      )
      assert.deepStrictEqual(yield* RemotesConfig.fromQueryString(query), {
        streamInactivityTimeout: Duration.seconds(60),
        redemptionRetries: 5
      })
      assert.deepStrictEqual(yield* ConnectionFactoryLibp2p.fromQueryString(query), { relays, allowedWsHosts })
      assert.deepStrictEqual(yield* RemoteIdentityStored.fromQueryString(query), {
        relays,
        maxKnownRelays: 200,
        directHintsInUrls: false
      })
    })
  )

  it.effect("is refused for what it cannot carry exactly", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(RemotesConfig.toQueryString({ ackTimeout: "1.5 millis", ackDelay: "10 millis" }))
      assert.deepStrictEqual(error.problems, [
        "ackTimeout must be whole milliseconds in a query string, but is 1ms 500000ns"
      ])
      const wrong = yield* Effect.flip(RemotesConfig.toQueryString({ maxRemotes: -1 }))
      assert.deepStrictEqual(wrong.problems, ["maxRemotes must be a whole number from 1 on, but is -1"])
    })
  )

  it.effect("leaves out what limits nothing, where that is the default, and is refused elsewhere", () =>
    Effect.gen(function* () {
      const limits = { maxMessagesPerSecond: Infinity, maxInboundMessagesPerSecond: 5 }
      const query = yield* RemotesConfig.toQueryString(limits)
      assert.strictEqual(query, "maxInboundMessagesPerSecond=5")
      assert.deepInclude(yield* RemotesConfig.make(yield* RemotesConfig.fromQueryString(query)), limits)
      const error = yield* Effect.flip(RemotesConfig.toQueryString({ maxInboundMessagesPerSecond: Infinity }))
      assert.deepStrictEqual(error.problems, [
        "maxInboundMessagesPerSecond must be a finite number in a query string, but is Infinity"
      ])
    })
  )

  it.effect("never has a secret, in either direction", () =>
    Effect.gen(function* () {
      const secrets = {
        keySeed: Redacted.make("a1".repeat(32)),
        mnemonic: Redacted.make("abandon about"),
        seal: { passphrase: Redacted.make("sesame") }
      }
      assert.strictEqual(
        yield* RemoteIdentityStored.toQueryString({ ...secrets, maxKnownRelays: 5 }),
        "maxKnownRelays=5"
      )
      assert.deepStrictEqual(
        yield* RemoteIdentityStored.fromQueryString("?keySeed=a1a1&mnemonic=abandon&seal=sesame"),
        {}
      )
    })
  )
})

describe("secrets", () => {
  it("are shown by no message", () => {
    const { decode } = modules[2]!
    const wrong = { keySeed: "a1".repeat(32), mnemonic: ["abandon", "about"] }
    const error = Either.getOrThrow(Either.flip(decode(wrong)))
    assert.deepStrictEqual(error.problems, ["keySeed must be a Redacted string", "mnemonic must be a Redacted string"])
    assert.notMatch(JSON.stringify(error) + error.message + error.stack, /a1a1|abandon/)
  })
})

describe("a secret with parts", () => {
  const { decode } = modules[2]!
  const allowed = "seal must be a Redacted passphrase, or a Redacted key of 32 bytes in hex"

  it("is shown by no message, whatever was given in its place", () => {
    const wrong = [
      "sesame",
      ["sesame"],
      Redacted.make("sesame"),
      { passphrase: "sesame" },
      { key: Redacted.make("sesame") },
      { passphrase: Redacted.make(""), sesame: "sesame" }
    ]
    for (const seal of wrong) {
      const error = Either.getOrThrow(Either.flip(decode({ seal })))
      assert.deepStrictEqual(error.problems, [allowed])
      assert.notInclude(JSON.stringify(error) + error.message + error.stack, "sesame")
    }
  })

  it.effect("is read from no variable", () =>
    Effect.gen(function* () {
      const variables = { REMOTES_SEAL: "sesame", REMOTES_SEAL_PASSPHRASE: "sesame" }
      assert.deepStrictEqual(yield* withVariables(RemoteIdentityStored.fromConfig, variables), {})
    })
  )
})

describe("a limit", () => {
  it.effect("may be infinite in code, and is shown as none", () =>
    Effect.gen(function* () {
      const limit = Declare.describe(RemotesConfig.Options).find(({ name }) => name === "maxMessagesPerSecond")
      assert.deepInclude(limit, { kind: "limit", fallback: "no limit" })
      const config = yield* RemotesConfig.make({ maxInboundBytesPerSecond: Infinity })
      assert.deepInclude(config, { maxMessagesPerSecond: Infinity, maxInboundBytesPerSecond: Infinity })
    })
  )
})

describe("a layer", () => {
  const inForce = Effect.flatMap(RemotesConfig.RemotesConfig, (it) => Effect.succeed(it))

  it.effect("puts in force what the environment says, and the defaults for the rest", () =>
    Effect.gen(function* () {
      const variables = { REMOTES_ACK_TIMEOUT: "3 seconds", REMOTES_MAX_REMOTES: "7", REMOTES_LISTEN: "/nonsense" }
      const config = yield* withVariables(Effect.provide(inForce, RemotesConfig.layerConfig()), variables)
      assert.deepStrictEqual(config, {
        ...(yield* RemotesConfig.make({})),
        ackTimeout: Duration.seconds(3),
        maxRemotes: 7
      })
    })
  )

  it.effect("does not begin with a wrong variable", () =>
    Effect.gen(function* () {
      const layer = Effect.provide(inForce, RemotesConfig.layerConfig())
      const error = yield* Effect.flip(withVariables(layer, { REMOTES_ACK_TIMEOUT: "\u{1b}[2Jsoon" }))
      assert.strictEqual(
        error.message,
        'invalid options: REMOTES_ACK_TIMEOUT must be a duration of at least 1 ms, such as "10 seconds", but is "\u{fffd}[2Jsoon"'
      )
    })
  )
})
