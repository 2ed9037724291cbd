/**
 * What a relay can be told on the command line.
 */
import * as CliOptions from "@effect/cli/Options"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Config from "effect/Config"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { RelayServerLibp2p } from "effect-remotes"

/**
 * How a relay is to be.
 */
export interface Settings {
  readonly host: string
  readonly tcpPort: number
  readonly wsPort: number
  readonly announce: ReadonlyArray<string>
  readonly seed: Option.Option<Redacted.Redacted<string>>
}

/** Read as text, because what `Options.integer` says about a wrong value does not tell which option has it. */
const port = (name: string, fallback: number, about: string) =>
  CliOptions.text(name).pipe(
    CliOptions.withPseudoName("port"),
    CliOptions.withDescription(`${about}: from 0 (any that is free) to 65535, by default ${fallback}.`),
    CliOptions.withDefault(String(fallback)),
    CliOptions.mapEffect((text) =>
      /^[0-9]{1,5}$/u.test(text) && Number(text) <= 65_535
        ? Either.right(Number(text))
        : Either.left(
            ValidationError.invalidValue(HelpDoc.p(`--${name} must be a port from 0 to 65535, but is '${text}'.`))
          )
    )
  )

/**
 * The options of the command line; each refuses what is out of its range with one sentence.
 */
export const options = {
  host: CliOptions.text("host").pipe(
    CliOptions.withPseudoName("IPv4 address"),
    CliOptions.withDescription("Where to listen; by default on all interfaces."),
    CliOptions.withDefault("0.0.0.0")
  ),
  tcpPort: port("tcp-port", 9002, "The port for TCP"),
  wsPort: port("ws-port", 9001, "The port for WebSockets"),
  announce: CliOptions.text("announce").pipe(
    CliOptions.withPseudoName("multiaddr"),
    CliOptions.withDescription("Where others reach the relay, if not where it listens; may be given several times."),
    CliOptions.repeated
  ),
  seed: CliOptions.redacted("seed").pipe(
    CliOptions.withDescription(
      "32 bytes in hexadecimal that make the relay's key, so that it keeps its peer id. Better given as RELAY_SEED: others can read a command line."
    ),
    CliOptions.withFallbackConfig(Config.redacted("RELAY_SEED")),
    CliOptions.optional
  )
}

/**
 * What the layer is told.
 */
export const toOptions = ({
  announce,
  host,
  seed,
  tcpPort,
  wsPort
}: Settings): typeof RelayServerLibp2p.Options.Encoded => ({
  listen: [`/ip4/${host}/tcp/${tcpPort}`, `/ip4/${host}/tcp/${wsPort}/ws`],
  announce,
  ...(Option.isSome(seed) && { keySeed: seed.value })
})
