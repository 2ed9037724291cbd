import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Schedule } from "effect"
import { Simulation } from "effect-remotes/testing"

/** Your kernel: it notes what it gets, in the transaction that records the receipt. */
const kernel: Simulation.Program = (life) => ({
  receive: (peer, delivery) => life.note(`${delivery._tag} from ${life.nameOf(peer)}`),
  redeem: (_peer, reference) => Effect.succeed(reference),
  forget: () => Effect.void
})

const program = Simulation.check({
  kernels: { alice: kernel, bob: kernel },
  faults: ["cut", "halfOpen", "crash", "crashBefore", "crashAfter", "storeBusy"],
  seeds: 5,
  workload: ({ within }) =>
    Effect.forEach(["one", "two", "three"], (text) =>
      within("alice", (life) => life.store.transaction(life.send("bob", text))).pipe(
        Effect.retry(Schedule.spaced("1 second")), // alice may die under it
        Effect.zipRight(Effect.sleep("10 seconds"))
      )
    ),
  check: ({ notes, received }) => (notes("bob").length === received("bob").length ? [] : ["bob lost a note"])
})

const told = Effect.flatMap(program, (reports) => Console.log(`${reports.length} seeds, and nothing was wrong`))
NodeRuntime.runMain(told)
