/**
 * A kernel as a process of its own. It is told what to be on its standard input, reports on its standard output, logs to
 * its standard error, and ends, in good order, when it is asked to (SIGTERM) or when its input ends: its parent is gone.
 */
import { kernelMain } from "../processes/kernelMain.ts"
import { life } from "./life.ts"
import { language } from "./lines.ts"

kernelMain(language, (first, later) => (first._tag === "Live" ? life(first, later) : undefined))
