/**
 * Everything that can go wrong in a simulation, by name, with what it is.
 *
 * @since 0.1.0
 * @category constants
 */
export const faultKinds = {
  cut: "every channel between two kernels is gone without a word",
  reset: "every channel between two kernels is reset at both ends",
  halfOpen: "nothing gets through between two kernels, and nobody is told; dials hang",
  asymmetric: "nothing gets from one kernel to another, but all does the other way; dials fail",
  partition: "one kernel and all others do not reach each other",
  delay: "what is sent takes longer",
  jitter: "what is sent takes longer, each time by another time",
  trickle: "few bytes get through in a second",
  reorder: "the hello of an old channel arrives after a newer channel was opened",
  slowReader: "a kernel takes its time with every message",
  refusedDial: "a kernel cannot be dialed",
  droppedDial: "dials to a kernel succeed, but their channels are gone at once, or with the handshake",
  hangingDial: "dials to a kernel hang until their deadline",
  duplicateDial: "each dial opens further channels",
  simultaneousDial: "two kernels lose their channel and dial each other in the same moment",
  truncated: "a stream ends in the middle of a frame",
  oversized: "a frame comes that is larger than allowed",
  relayCut: "a relay by which others reach a kernel goes away, with all channels through it",
  flood: "a kernel hands in many messages at once, more than may be pending",
  rateLimit: "a kernel says, or dials, more in a short time than its limits let it",
  handlerThrows: "a kernel's handler dies on messages",
  handlerRejects: "a kernel's handler refuses messages",
  handlerBusy: "a kernel's handler is busy",
  storeBusy: "a store is busy",
  storeFull: "a store is full",
  storeFails: "a store fails to write to the disk at the commit",
  crash: "a kernel dies",
  crashBoth: "two kernels die in the same moment",
  crashBefore: "a kernel dies right before some operation of its store",
  crashAfter: "a kernel dies right after a commit, before it knows of it",
  rollback: "a kernel dies, and goes on with an older copy of its store",
  unsynced: "the power fails, and a store loses what it did not write through",
  wipe: "a kernel dies, and goes on with an empty store",
  clockJump: "a kernel's clock is set wrong, ahead or back, and right again later",
  sleep: "a kernel does not run for a while, though time goes on",
  giveUp: "a kernel gives another one up, whatever is going on",
  close: "a kernel closes the link to another one on purpose, and opens it again later",
  restart: "a kernel is stopped in good order, and started again later"
} as const

/**
 * @since 0.1.0
 * @category models
 */
export type FaultKind = keyof typeof faultKinds

/**
 * Whether a text names a kind of fault.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isFaultKind = (text: string): text is FaultKind => Object.hasOwn(faultKinds, text)

/**
 * All kinds, in the order of `faultKinds`.
 *
 * @since 0.1.0
 * @category constants
 */
export const allFaultKinds: ReadonlyArray<FaultKind> = Object.keys(faultKinds).filter(isFaultKind)

/**
 * A fault at its time: what befalls which kernel, with which other one, and for how long.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fault {
  readonly kind: FaultKind
  /** In milliseconds of virtual time. */
  readonly at: number
  readonly lasts: number
  readonly kernel: string
  readonly other: string
  /** How bad it is, from 0 to 1. */
  readonly strength: number
}
