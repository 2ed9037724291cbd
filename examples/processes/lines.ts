/**
 * How a program and its kernels talk: one JSON object a line, on the standard input and output of the kernels.
 */
import * as Ndjson from "@effect/platform/Ndjson"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

/**
 * Reads lines; fails at the first one that is none of ours.
 */
export const read =
  <A, I>(schema: Schema.Schema<A, I>) =>
  <E, R>(bytes: Stream.Stream<Uint8Array, E, R>) =>
    Stream.pipeThroughChannelOrFail(bytes, Ndjson.unpackSchema(schema)({ ignoreEmptyLines: true }))

/**
 * Writes each value as a line.
 */
export const write =
  <A, I>(schema: Schema.Schema<A, I>) =>
  <E, R>(values: Stream.Stream<A, E, R>) =>
    Stream.pipeThroughChannelOrFail(values, Ndjson.packSchema(schema)())

/**
 * How a program and its kernels speak with each other.
 */
export const language = <Instruction, InstructionLine, Report, ReportLine>(
  program: URL,
  instruction: Schema.Schema<Instruction, InstructionLine>,
  report: Schema.Schema<Report, ReportLine>
) => ({ program, hear: read(report), tell: write(instruction), understand: read(instruction), report: write(report) })

/**
 * What a kernel is told, what it reports, and the program that it runs.
 */
export type Language<Instruction, Report> = ReturnType<typeof language<Instruction, unknown, Report, unknown>>
