import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Command from "@effect/platform/Command"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { assertRefused, codeOf, figures, finish, gone, prepareProgram, text } from "../support/program.ts"

const prepare = (...args: ReadonlyArray<string>) => prepareProgram("exactly-once", args)

const clean = (messages: string, kills: string, resets: string) => ({
  sent: messages,
  "received once": messages,
  missing: "0",
  doubled: "0",
  "out of order": "0",
  "never sent": "0",
  kills: kills,
  resets: resets
})

/** Starts a run that would take long, and waits until bob has received something. */
const startLong = Effect.fnUntraced(function* () {
  const prepared = yield* prepare("--messages", "1000000", "--kills", "0", "--resets", "0")
  const process = yield* Command.start(prepared.command)
  const moving = yield* Deferred.make<void>()
  const reading = yield* process.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) => (/received [1-9]/.test(line) ? Deferred.succeed(moving, undefined) : Effect.void)),
    Effect.forkScoped
  )
  yield* Deferred.await(moving)
  return { ...prepared, process, reading }
})

describe("exactly-once", () => {
  it.scopedLive("delivers exactly once over TCP, through kills and resets, and leaves nothing", () =>
    Effect.gen(function* () {
      const { command, kernels, left } = yield* prepare("--messages", "500", "--kills", "3", "--resets", "3")
      const { code, err, out } = yield* finish(command)
      assert.strictEqual(err, "")
      assert.deepInclude(figures(out), clean("500", "3", "3"))
      assert.isAtLeast(Number(figures(out)["reconnects"]), 3)
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(yield* left, [])
      assert.deepStrictEqual(yield* kernels, [])
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive("delivers exactly once over WebSocket, and keeps the stores where it is asked to", () =>
    Effect.gen(function* () {
      const args = [
        "--messages",
        "500",
        "--size",
        "2000",
        "--kills",
        "2",
        "--resets",
        "2",
        "--transport",
        "ws",
        "--keep"
      ]
      const { command, left, temporary } = yield* prepare(...args)
      const { code, err, out } = yield* finish(command)
      assert.strictEqual(err, "")
      assert.deepInclude(figures(out), clean("500", "2", "2"))
      assert.strictEqual(code, 0)
      const [directory = ""] = yield* left
      assert.include(out, `The stores and logs are in ${temporary}/${directory}\n`)
      const files = yield* Effect.flatMap(FileSystem.FileSystem, (it) => it.readDirectory(`${temporary}/${directory}`))
      const kept = files.filter((file) => !/-(shm|wal)$/.test(file))
      assert.deepStrictEqual(kept.toSorted(), ["alice.log", "alice.sqlite", "bob.log", "bob.sqlite"])
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive("needs neither kills nor resets, and can do with one message", () =>
    Effect.gen(function* () {
      const { command } = yield* prepare("--messages", "1", "--kills", "0", "--resets", "0")
      const { code, out } = yield* finish(command)
      assert.deepInclude(figures(out), { ...clean("1", "0", "0"), reconnects: "0", resent: "0" })
      assert.strictEqual(code, 0)
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive("ends both kernels and removes everything when it is interrupted", () =>
    Effect.gen(function* () {
      const { kernels, left, process } = yield* startLong()
      assert.deepStrictEqual((yield* kernels).map(({ name }) => name).toSorted(), ["alice", "bob"])
      yield* process.kill("SIGINT")
      assert.strictEqual(yield* codeOf(process), 130)
      assert.deepStrictEqual(yield* kernels, [])
      assert.deepStrictEqual(yield* left, [])
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive("has kernels that end when it is killed", () =>
    Effect.gen(function* () {
      const { kernels, process } = yield* startLong()
      yield* Command.exitCode(Command.make("kill", "-9", `${process.pid}`))
      yield* gone(kernels)
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive("says so in one sentence when a kernel dies by itself", () =>
    Effect.gen(function* () {
      const { kernels, left, process } = yield* startLong()
      const bob = (yield* kernels).find(({ name }) => name === "bob")
      yield* Command.exitCode(Command.make("kill", "-9", `${bob?.pid}`))
      assert.match(yield* text(process.stderr), /^The kernel bob ended by itself \(.*SIGKILL.*\)\.\n$/)
      assert.strictEqual(yield* codeOf(process), 1)
      assert.deepStrictEqual(yield* left, [])
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive("ends in good order when nobody reads what it prints", () =>
    Effect.gen(function* () {
      const { kernels, left, process, reading } = yield* startLong()
      yield* Fiber.interrupt(reading)
      assert.strictEqual(yield* text(process.stderr), "Nobody reads the standard output any more.\n")
      assert.strictEqual(yield* codeOf(process), 1)
      assert.deepStrictEqual(yield* kernels, [])
      assert.deepStrictEqual(yield* left, [])
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive("says so in one sentence when there is no room for temporary files", () =>
    Effect.gen(function* () {
      const { command, temporary } = yield* prepare()
      const { code, err, out } = yield* finish(Command.env(command, { TMPDIR: `${temporary}/none` }))
      assert.match(err, /^No temporary directory can be made: [^\n]*\n$/)
      assert.strictEqual(out, "")
      assert.strictEqual(code, 1)
    }).pipe(Effect.provide(NodeContext.layer))
  )

  // Each takes two seconds, most of which a program is being read.
  describe.concurrent("that does not begin", () => {
    it.scopedLive.each([
      ["--messages abc", "--messages must be a whole number from 1 to 1000000, but is 'abc'."],
      ["--messages 0", "--messages must be a whole number from 1 to 1000000, but is '0'."],
      ["--messages 1.5", "--messages must be a whole number from 1 to 1000000, but is '1.5'."],
      ["--size 15", "--size must be a whole number from 16 to 1000000, but is '15'."],
      ["--kills -1", "--kills must be a whole number from 0 to 100, but is '-1'."],
      ["--resets 101", "--resets must be a whole number from 0 to 100, but is '101'."],
      [
        "--seed 99999999999999999999",
        "--seed must be a whole number from 0 to 9007199254740991, but is '99999999999999999999'."
      ],
      ["--transport udp", "--transport must be tcp or ws, but is 'udp'."],
      ["--messages 6", "--kills and --resets together must be fewer than --messages, but are 6 of 6."],
      ["--keep --messages", "--messages needs a value."],
      ["--mesages 5", "Received unknown argument: '--mesages'"],
      ["--keep maybe", "Received unknown argument: 'maybe'"]
    ])("refuses %s with one sentence", ([args = "", sentence = ""]) =>
      Effect.flatMap(prepare(...args.split(" ")), (program) => assertRefused(program, sentence)).pipe(
        Effect.provide(NodeContext.layer)
      )
    )

    it.scopedLive("tells its options", () =>
      Effect.gen(function* () {
        const { command } = yield* prepare("--help")
        const { code, out } = yield* finish(command)
        for (const name of ["messages", "size", "kills", "resets", "transport", "keep", "seed"])
          assert.include(out, `--${name}`)
        assert.strictEqual(code, 0)
      }).pipe(Effect.provide(NodeContext.layer))
    )
  })
})
