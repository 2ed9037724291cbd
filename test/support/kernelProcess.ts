/** Bob as a process of his own, to be killed. He says at which address he listens, and lives as long as his input is open. */
import * as Effect from "effect/Effect"
import { startKernel } from "./libp2pKernel.ts"

const [listen = "/ip4/127.0.0.1/tcp/0"] = process.argv.slice(2)

const inputEnds = Effect.async<void>((resume) => {
  process.stdin.on("end", () => resume(Effect.void)).resume()
})

const program = Effect.gen(function* () {
  const bob = yield* startKernel("bob", { factory: { listen: [listen] } })
  process.stdout.write(`${(yield* bob.addresses).join("\n")}\n`)
  yield* inputEnds
})

await Effect.runPromise(Effect.scoped(program))
