/** `npm run docs`: writes the option tables into the README. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import { replaceAll } from "./optionTables.ts"

const readme = "README.md"

NodeRuntime.runMain(
  Effect.flatMap(FileSystem.FileSystem, (files) =>
    Effect.flatMap(files.readFileString(readme), (text) => files.writeFileString(readme, replaceAll(text)))
  ).pipe(Effect.provide(NodeContext.layer))
)
