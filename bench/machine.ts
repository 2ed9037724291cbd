/**
 * What the figures were measured on.
 */
import * as Os from "node:os"

/** One line without names: processor, memory, system, Node. */
export const machine = (): string => {
  const cpus = Os.cpus()
  const gibibytes = Math.round(Os.totalmem() / 1024 ** 3)
  const model = cpus[0]?.model.trim() ?? "unknown processor"
  return `${cpus.length} × ${model}, ${gibibytes} GiB, ${Os.type()} ${Os.release().split("-")[0]}, Node ${process.versions.node}`
}
