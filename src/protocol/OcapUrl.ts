/**
 * OCAP URLs: `ocap:<oid>@<peer id>[,<hint>]*`. Whoever has one may ask its issuer for what it names.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { InvalidOcapUrlError } from "../errors/IdentityError.ts"
import * as PeerId from "./PeerId.ts"

/**
 * The longest text that is looked at, in characters.
 *
 * @since 0.1.0
 * @category limits
 */
export const maxLength = 8192

/**
 * How many hints of a URL are kept; further ones are dropped.
 *
 * @since 0.1.0
 * @category limits
 */
export const maxHints = 16

/**
 * The longest hint that is kept, in characters; longer ones are dropped.
 *
 * @since 0.1.0
 * @category limits
 */
export const maxHintLength = 512

/**
 * What an OCAP URL says.
 *
 * @since 0.1.0
 * @category models
 */
export interface Parts {
  /** Opaque to everyone but its issuer. */
  readonly oid: string
  /** The kernel that issued the URL. */
  readonly host: PeerId.PeerId
  /** Where the host may be reached: claims of a stranger, bounded in number and length but not checked otherwise. */
  readonly hints: ReadonlyArray<string>
}

type Reason = InvalidOcapUrlError["reason"]

const scheme = /^([a-z][a-z0-9+.-]*):/i
const printable = /^[\x21-\x7e]+$/

const refuse = (reason: Reason) => Either.left(new InvalidOcapUrlError({ reason }))

/** Blanks, control characters and non-ASCII have no place in a URL or a multiaddr; `@` and `,` are what separates. */
const isHint = (text: string): boolean =>
  text.length <= maxHintLength && printable.test(text) && !text.includes(",") && !text.includes("@")

const parseHost = (text: string): Either.Either<PeerId.PeerId, InvalidOcapUrlError> =>
  Either.mapLeft(PeerId.fromString(text), () => new InvalidOcapUrlError({ reason: "BadHost" }))

/**
 * Reads an OCAP URL or says what is wrong with it, whatever the text is. Hints that are empty, too long or not printable
 * ASCII are dropped, and so are those beyond the sixteenth.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (text: string): Either.Either<Parts, InvalidOcapUrlError> => {
  if (text.length > maxLength) return refuse("TooLong")
  const found = scheme.exec(text)?.[1]
  if (found === undefined) return refuse("NotAUrl")
  if (found.toLowerCase() !== "ocap") return refuse("OtherScheme")
  const [oid, location, ...more] = text.slice(found.length + 1).split("@")
  if (oid === undefined || location === undefined || more.length > 0) return refuse("NotOneHost")
  if (!printable.test(oid)) return refuse("NoObject")
  const [host, ...hints] = location.split(",")
  if (host === undefined || host === "") return refuse("NoHost")
  return Either.map(parseHost(host), (host) => ({ oid, host, hints: hints.filter(isHint).slice(0, maxHints) }))
}

/**
 * The text of an OCAP URL that `parse` reads. It grants what it names to whoever sees it: keep it out of logs.
 *
 * @since 0.1.0
 * @category schemas
 */
export const OcapUrl = Schema.String.pipe(
  // The message must not repeat the text, which may be a URL with one wrong character.
  Schema.filter((text) => Either.isRight(parse(text)), { identifier: "OcapUrl", message: () => "an OCAP URL" }),
  Schema.brand("OcapUrl")
)

/**
 * @since 0.1.0
 * @category models
 */
export type OcapUrl = typeof OcapUrl.Type

const brand = Schema.decodeSync(Schema.String.pipe(Schema.brand("OcapUrl")))

/**
 * Writes an OCAP URL that `parse` reads back as the same parts. Hints that a URL cannot carry, and those for which there
 * is no room, are left out, the later ones first. Fails where the oid cannot be written (empty, too long, blanks, `@`).
 *
 * @since 0.1.0
 * @category constructors
 */
export const format = ({ hints, host, oid }: Parts): Either.Either<OcapUrl, InvalidOcapUrlError> => {
  let text = `ocap:${oid}@${host}`
  let room = maxHints
  for (const hint of hints) {
    if (room === 0 || !isHint(hint) || text.length + 1 + hint.length > maxLength) continue
    text += `,${hint}`
    room--
  }
  return Either.map(parse(text), () => brand(text))
}
