import type { WorkerError } from "@effect/platform/WorkerError"
import type { ParseError } from "effect/ParseResult"

/** What starting or asking a worker can fail with; all of it means that the bench is broken. */
export type WorkerFailed = WorkerError | ParseError
