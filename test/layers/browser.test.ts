import { assert, describe, it } from "@effect/vitest"
import * as Command from "@effect/platform/Command"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import { build } from "esbuild"
import { pathToFileURL } from "node:url"
import { startKernel } from "../support/libp2pKernel.ts"

const program = "test/browser/program.ts"

const bundle = (file: string) =>
  Effect.tryPromise(() =>
    build({
      entryPoints: [program],
      outfile: file,
      bundle: true,
      conditions: ["effect-remotes-source"],
      format: "esm",
      logLevel: "silent",
      metafile: true,
      platform: "browser"
    })
  )

type Greet = (peer: string, hint: string) => Promise<void>
const isProgram = (it: unknown): it is { readonly greet: Greet } =>
  typeof it === "object" && it !== null && "greet" in it

describe("effect-remotes/browser", () => {
  it.scopedLive(
    "bundles for browsers, without TCP or anything else of Node's, and what comes out works",
    () =>
      Effect.gen(function* () {
        const directory = yield* Effect.flatMap(FileSystem.FileSystem, (files) => files.makeTempDirectoryScoped())
        const file = `${directory}/program.js`
        const { metafile } = yield* bundle(file)
        const inputs = Object.keys(metafile.inputs)
        assert.isEmpty(inputs.filter((it) => it.includes("@libp2p/tcp/") || it.includes("RelayServerLibp2p")))
        assert.isTrue(inputs.some((it) => it.includes("@libp2p/websockets/")))
        const imports = Object.values(metafile.outputs).flatMap((output) => output.imports)
        assert.deepStrictEqual(imports, [])

        const bob = yield* startKernel("bob", { factory: { listen: ["/ip4/127.0.0.1/tcp/0/ws"] } })
        const loaded: unknown = yield* Effect.promise(() => import(/* @vite-ignore */ pathToFileURL(file).href))
        assert(isProgram(loaded))
        const [hint = ""] = yield* bob.addresses
        yield* Effect.promise(() => loaded.greet(bob.peerId, hint))
        assert.deepStrictEqual(bob.received, ["hello from a browser"])
      }).pipe(Effect.provide(NodeContext.layer)),
    60_000
  )

  it.live(
    "compiles where there are no types of Node's",
    () =>
      Effect.gen(function* () {
        const output = yield* Command.string(
          Command.make("node", "node_modules/typescript/bin/tsc", "-p", "test/browser/tsconfig.json")
        )
        assert.strictEqual(output, "")
      }).pipe(Effect.provide(NodeContext.layer)),
    60_000
  )
})
