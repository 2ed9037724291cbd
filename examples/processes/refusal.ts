/**
 * What a person is told of a command line that cannot be read.
 */
import * as HelpDoc from "@effect/cli/HelpDoc"
import type * as ValidationError from "@effect/cli/ValidationError"
import * as Doc from "@effect/printer/Doc"

const plain = (help: HelpDoc.HelpDoc) => Doc.render(Doc.unAnnotate(HelpDoc.toAnsiDoc(help)), { style: "pretty" }).trim()

/**
 * One sentence, without colours. Of an argument that could be several options of one letter @effect/cli says nothing.
 */
export const refusal = (error: ValidationError.ValidationError): string =>
  plain(error.error) || "An option begins with two dashes."
