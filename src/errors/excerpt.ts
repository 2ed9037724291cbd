import * as Duration from "effect/Duration"

/** The longest piece of foreign text that an error message repeats, in UTF-16 code units, unless it says otherwise. */
const usual = 120

/**
 * Foreign text made safe for one line of a log or a terminal: control and format characters replaced, length bounded.
 *
 * @internal
 */
export const excerpt = (text: string, longest = usual): string => {
  const clean = text.slice(0, longest).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, "\u{fffd}")
  return text.length > longest ? `${clean}…` : clean
}

/**
 * A span of time as a person writes it: `10s`, `1m 30s`.
 *
 * @internal
 */
export const span = (duration: Duration.Duration): string =>
  Duration.isFinite(duration) ? Duration.format(duration) : "any time"
