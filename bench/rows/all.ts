/**
 * All rows, in the order of the table.
 */
import type { Row } from "../Row.ts"
import { backlog } from "./backlog.ts"
import { both } from "./both.ts"
import { cpu } from "./cpu.ts"
import { flood } from "./flood.ts"
import { commitToAck, roundTrip } from "./latency.ts"
import { durable, memory } from "./oneWay.ts"
import { peers } from "./peers.ts"
import { resume } from "./resume.ts"
import { sizes } from "./sizes.ts"

export const rows: ReadonlyArray<Row> = [
  durable,
  memory,
  sizes,
  both,
  roundTrip,
  commitToAck,
  cpu,
  resume,
  peers,
  flood,
  backlog
]
