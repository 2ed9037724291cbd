/** Everything that reads options: in code, from the environment, from a query string, from a command line. */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import type * as Schema from "effect/Schema"
import { ConnectionFactoryLibp2p, RelayServerLibp2p, RemoteIdentityStored, RemotesConfig } from "effect-remotes"
import { RemoteStoreSql } from "effect-remotes/sql"
import * as IdentityKey from "../../src/internal/identityKey.ts"
import * as Declare from "../../src/internal/options.ts"
import * as OptionTexts from "../../src/internal/optionTexts.ts"
import * as Mnemonic from "../../src/protocol/Mnemonic.ts"
import * as assert from "./hold.ts"
import type { Draw } from "./mutate.ts"
import { bentText } from "./mutate.ts"
import type { Target } from "./target.ts"

interface Refusal {
  readonly message: string
}

interface Module {
  readonly options: ReadonlyArray<Declare.Described>
  readonly decode: (input: unknown) => Either.Either<unknown, Refusal>
  readonly fromConfig: Effect.Effect<unknown, unknown>
  readonly fromQueryString: (search: string) => Either.Either<unknown, Refusal>
}

const moduleOf = <A extends object, I extends object>({
  Options
}: {
  readonly Options: Schema.Schema<A, I>
}): Module => {
  const { fromConfig, fromQueryString } = OptionTexts.make(Options)
  const decode = Declare.decoder(Options)
  return { options: Declare.describe(Options), decode: (input) => decode(input), fromConfig, fromQueryString }
}

/** What a secret holds wherever one is given; no message may repeat it. */
const secret = "zSecret"

const safe = /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+$/u

const check = (read: Either.Either<unknown, Refusal>): void => {
  if (read._tag === "Right") return
  const { message } = read.left
  assert.match(message, safe)
  assert.isAtMost(message.length, 21_000)
  assert.notInclude(message, secret)
}

const value = (draw: Draw): unknown =>
  draw.pick<unknown>([
    bentText(draw, draw.pick(["10 seconds", "1", "no limit", "fail", "true", "/ip4/127.0.0.1/tcp/0/ws"])),
    draw.pick([0, -1, 1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, 5000]),
    null,
    undefined,
    {},
    [bentText(draw, "x"), draw.below(2)],
    [{ transport: draw.below(2), listen: [bentText(draw, "x")] }],
    { after: bentText(draw, "1 hour") },
    { passphrase: Redacted.make(secret) },
    Redacted.make(draw.pick<unknown>([secret, 1, null]))
  ])

const text = (draw: Draw): string =>
  bentText(draw, draw.pick(["10 seconds", "7", "true", "fail", "a,b", '["a","b"]', "1000"]))

const tryCode = (draw: Draw, { decode, options }: Module, name: string): void => {
  const { kind } = options.find((it) => it.name === name) ?? {}
  const given = Declare.isSecret(kind) && draw.chance(2) ? secret : value(draw)
  check(decode({ [bentText(draw, name)]: value(draw), [name]: given }))
  if (draw.chance(20)) check(decode(value(draw)))
}

const tryQuery = (draw: Draw, { fromQueryString, options }: Module, name: string): void => {
  const some = options.slice(0, draw.below(4)).map((it) => `${OptionTexts.parameterOf(it)}=${draw.below(5000)}`)
  const query = `?${name}Ms=100&${new URLSearchParams([[name, text(draw)]]).toString()}&giveUp=never&${some.join("&")}`
  check(fromQueryString(bentText(draw, query)))
}

const tryEnvironment = (draw: Draw, { fromConfig, options }: Module, name: string): void => {
  const { kind } = options.find((it) => it.name === name) ?? {}
  const said = Declare.isSecret(kind) ? secret : text(draw)
  const environment = ConfigProvider.fromMap(new Map([[OptionTexts.variableOf(name), said]]))
  const read = Effect.runSync(Effect.either(Effect.withConfigProvider(fromConfig, environment)))
  if (read._tag === "Left") assert.notInclude(String(read.left), secret)
}

const target = (name: string, about: string, module: Module): Target => ({
  name,
  about,
  input: (draw) => {
    const option = module.options[draw.below(module.options.length)]?.name ?? ""
    tryCode(draw, module, option)
    tryQuery(draw, module, option)
    tryEnvironment(draw, module, option)
  }
})

const phrase = `${"abandon ".repeat(11)}about`

/** Only what is no phrase: making a seed of one takes 50 ms, as BIP39 wants it. */
const identities: Target = {
  name: "identities",
  about: "key seeds and mnemonics: nothing throws, and what is refused is not repeated",
  input: (draw) => {
    const said = Redacted.make(bentText(draw, draw.pick([phrase, `${secret} ${phrase}`])))
    if (!Mnemonic.isMnemonic(said)) check(Mnemonic.toSeed(said))
    const seed = IdentityKey.fromHex(Redacted.make(bentText(draw, "a1".repeat(IdentityKey.keyLength))))
    if (seed._tag === "Some") assert.strictEqual(Redacted.value(seed.value).length, IdentityKey.keyLength)
  }
}

/** Every schema of options of the library, and what makes a key. */
export const optionTargets: ReadonlyArray<Target> = [
  target("options", "the options of a kernel", moduleOf(RemotesConfig)),
  target("transport", "the options of a kernel's place in the network", moduleOf(ConnectionFactoryLibp2p)),
  target("identity", "the options of an identity, secrets among them", moduleOf(RemoteIdentityStored)),
  target("relay", "the options of a relay", moduleOf(RelayServerLibp2p)),
  target("store", "the options of a store", moduleOf(RemoteStoreSql)),
  identities
]
