/**
 * What a run can be told, and what follows from it.
 */
import * as CliOptions from "@effect/cli/Options"
import * as Either from "effect/Either"
import { value, whole } from "../processes/options.ts"

/**
 * How a run is to be.
 */
export interface Settings {
  readonly messages: number
  readonly size: number
  readonly kills: number
  readonly resets: number
  readonly transport: "tcp" | "ws"
  readonly keep: boolean
  readonly seed: number
}

const transports = ["tcp", "ws"] as const

/**
 * The options of the command line; each refuses what is out of its range with one sentence.
 */
export const options = {
  messages: whole("messages", { least: 1, most: 1_000_000, fallback: 10_000, about: "How many messages alice sends" }),
  size: whole("size", { least: 16, most: 1_000_000, fallback: 256, about: "How many bytes the body of a message has" }),
  kills: whole("kills", {
    least: 0,
    most: 100,
    fallback: 3,
    about: "How often a kernel is killed and restarted, alice every third time and bob the other times"
  }),
  resets: whole("resets", { least: 0, most: 100, fallback: 3, about: "How often the connection is reset" }),
  transport: value("transport", {
    about: "What the connection runs on: TCP, which is the default, or WebSocket.",
    fallback: "tcp",
    kind: "tcp | ws",
    must: "tcp or ws",
    read: (text) => transports.find((it) => it === text)
  }),
  keep: CliOptions.boolean("keep").pipe(
    CliOptions.withDescription("Keep the two stores and logs, and print where they are.")
  ),
  seed: whole("seed", {
    least: 0,
    most: Number.MAX_SAFE_INTEGER,
    fallback: 1,
    about: "Decides at which moments kernels are killed and the connection is reset"
  })
}

/**
 * Refuses settings that are fine one by one but not together: each kill and each reset needs a message behind it.
 */
export const check = (settings: Settings): Either.Either<Settings, string> => {
  const disruptions = settings.kills + settings.resets
  return disruptions < settings.messages
    ? Either.right(settings)
    : Either.left(
        `--kills and --resets together must be fewer than --messages, but are ${disruptions} of ${settings.messages}.`
      )
}

/**
 * How alice sends: `turn` messages in one transaction, and the next turn once fewer than `window` are unacknowledged.
 */
export interface Pace {
  readonly turn: number
  readonly window: number
}

const windowBytes = 32 * 1024 * 1024

/**
 * The pace for a run: quick, but never near the limits of the library, and with something still to come at every kill.
 */
export const pace = ({ messages, size }: Pick<Settings, "messages" | "size">): Pace => {
  const window = Math.max(1, Math.min(2_000, Math.floor(messages / 8), Math.floor(windowBytes / size)))
  return { turn: Math.max(1, Math.min(64, Math.floor(window / 2))), window }
}
